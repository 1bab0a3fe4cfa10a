package table

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// Errors of this package.
var (
	// ErrClosed: the writer was closed or has failed.
	ErrClosed = errors.New("writer is closed")
	// ErrFenced: a writer with the same id and a later epoch has committed.
	ErrFenced = errors.New("writer is fenced by a later epoch")
	// ErrPositionsUnknown: the table had source positions and they can no longer
	// be shown to belong to its current snapshot. Resume from a position of your
	// own choice with Table.ResetPositions.
	ErrPositionsUnknown = errors.New("source positions are unknown")
	// ErrBadRow: a row or batch does not fit the table.
	ErrBadRow = errors.New("row does not fit the table")
	// ErrRowsChanged: another writer has changed rows that partial updates took
	// values from, since they were applied. Apply the changes again.
	ErrRowsChanged = errors.New("rows that partial updates were filled from have changed")
	// ErrReaders: the table's deletes would be of a kind that one of
	// WriterOptions.Readers does not read.
	ErrReaders = errors.New("deletes that a reader does not read")
)

// Table is an open table. It is safe for concurrent use. It sees the state of
// its last Refresh or commit.
type Table struct {
	cat  catalog.Catalog
	id   catalog.Identifier
	opts Options

	// commitMu lets one commit of this process run at a time: racing each other
	// would only cost retries.
	commitMu sync.Mutex
	// waiting are the commits that the next holder of commitMu may take along.
	waiting struct {
		sync.Mutex
		commits []*pending
	}

	fresh freshKeys

	mu struct {
		sync.Mutex
		entry     *catalog.Entry
		graveyard []deadFiles
		turnOver  string // the last turn of another that was waited for in vain
		watchers  map[*func(CommitInfo)]bool
	}
}

// Create makes a table. The fields of s get new ids if they have none.
func Create(ctx context.Context, cat catalog.Catalog, name string, s *schema.Schema, opts *CreateOptions) (*Table, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	id, err := catalog.ParseIdentifier(name)
	if err != nil {
		return nil, err
	}
	o := opts.Options.withDefaults()
	s, err = keyedSchema(s, opts.Key)
	if err != nil {
		return nil, fmt.Errorf("table %s: create: %w", name, err)
	}
	version := opts.FormatVersion
	setDefault(&version, 2)
	properties := map[string]string{deleteMetadata: "true"} // a stream of commits would fill the directory
	maps.Copy(properties, opts.Properties)
	t, err := metadata.New(metadata.NewOptions{
		Schema: s, Partition: opts.Partition, Sort: opts.Sort, Location: opts.Location,
		Properties: properties, FormatVersion: version, UUID: o.newUUID(), Now: o.Clock(),
	})
	if err != nil {
		return nil, fmt.Errorf("table %s: create: %w", name, err)
	}
	entry, err := cat.CreateTable(ctx, id, t)
	if err != nil {
		return nil, err
	}
	return newTable(cat, entry, o), nil
}

// keyedSchema gives s the key columns by name, required, and ids to fields that
// have none.
func keyedSchema(s *schema.Schema, key []string) (*schema.Schema, error) {
	fields := append([]schema.Field(nil), s.Fields...)
	fresh := false
	for i := range fields {
		fresh = fresh || fields[i].ID == 0
		for _, k := range key {
			if fields[i].Name == k {
				fields[i].Required = true
			}
		}
	}
	if fresh {
		next := 0
		fields = schema.AssignIDs(fields, func() int { next++; return next })
	}
	ids := s.IdentifierFieldIDs
	if len(key) > 0 {
		ids = nil
		for _, k := range key {
			i := indexOfField(fields, k)
			if i < 0 {
				return nil, fmt.Errorf("key column %q is not in the schema", k)
			}
			ids = append(ids, fields[i].ID)
		}
	}
	return schema.New(s.ID, fields, ids)
}

func indexOfField(fields []schema.Field, name string) int {
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Open loads a table.
func Open(ctx context.Context, cat catalog.Catalog, name string, opts *Options) (*Table, error) {
	id, err := catalog.ParseIdentifier(name)
	if err != nil {
		return nil, err
	}
	entry, err := cat.LoadTable(ctx, id)
	if err != nil {
		return nil, err
	}
	return newTable(cat, entry, opts.withDefaults()), nil
}

func newTable(cat catalog.Catalog, entry *catalog.Entry, o Options) *Table {
	t := &Table{cat: cat, id: entry.ID, opts: o}
	t.mu.entry = entry
	return t
}

// Name returns the table's full name.
func (t *Table) Name() string { return t.id.String() }

// Metadata returns the table's metadata as of the last refresh or commit.
func (t *Table) Metadata() *metadata.Table { return t.entry().Metadata }

// MetadataLocation returns the URI of that metadata, to hand to other engines.
func (t *Table) MetadataLocation() string { return t.entry().MetadataLocation }

// Schema returns the current schema.
func (t *Table) Schema() *schema.Schema { return t.Metadata().CurrentSchema() }

// Refresh loads the table's latest state.
func (t *Table) Refresh(ctx context.Context) error {
	_, err := t.reload(ctx)
	return err
}

func (t *Table) reload(ctx context.Context) (*catalog.Entry, error) {
	entry, err := t.cat.LoadTable(ctx, t.id)
	if err != nil {
		return nil, err
	}
	if old := t.entry(); old.Metadata.UUID != entry.Metadata.UUID {
		return nil, fmt.Errorf("table %s: it was dropped and created again (uuid %s is now %s): open it anew",
			t.id, old.Metadata.UUID, entry.Metadata.UUID)
	}
	t.setEntry(entry)
	return entry, nil
}

func (t *Table) entry() *catalog.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.entry
}

// setEntry keeps the newer of two states: commits and refreshes of different
// goroutines may end in any order.
func (t *Table) setEntry(e *catalog.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.mu.entry.Metadata
	if e.Metadata.LastSequenceNumber < old.LastSequenceNumber ||
		e.Metadata.LastSequenceNumber == old.LastSequenceNumber && e.Metadata.LastUpdatedMS < old.LastUpdatedMS {
		return
	}
	t.mu.entry = e
}

// Source returns what package scan reads the table's current state by.
func (t *Table) Source() scan.Source {
	e := t.entry()
	return scan.Source{Store: e.Store, Metadata: e.Metadata, Name: t.Name(), Cache: t.opts.Cache}
}

// Scan describes a scan of the state of the last refresh or commit.
func (t *Table) Scan(opts *scan.Options) *scan.Scan { return scan.New(t.Source(), opts) }

// Changes describes a scan of the changes between two snapshots.
func (t *Table) Changes(opts *scan.ChangesOptions) *scan.ChangeScan {
	return scan.Changes(t.Source(), opts)
}

// Appends describes a scan of the rows appended in a range of snapshots.
func (t *Table) Appends(opts *scan.AppendsOptions) *scan.AppendScan {
	return scan.Appends(t.Source(), opts)
}

// Follow yields what new snapshots change, as they are committed by anybody; see
// [scan.Follow].
func (t *Table) Follow(ctx context.Context, opts *scan.FollowOptions) iter.Seq2[*scan.Increment, error] {
	return scan.Follow(ctx, func(ctx context.Context) (scan.Source, error) {
		if err := t.Refresh(ctx); err != nil {
			return scan.Source{}, err
		}
		return t.Source(), nil
	}, opts)
}
