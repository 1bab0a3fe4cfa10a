package table

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// EvolveOptions go with a schema change; nil means the defaults.
type EvolveOptions struct {
	// Backfill gives the rows that are already in the table a value for columns
	// that are new: column name → value. In format version 3 that is the
	// column's initial-default and costs nothing; in version 2, which has no
	// defaults, all data files are rewritten in the same commit.
	Backfill map[string]any
}

// Evolve changes the table's schema: change is called, once per attempt, on the
// current schema. A writer with a commit in progress finishes it under the old
// schema.
func (t *Table) Evolve(ctx context.Context, change func(e *schema.Evolution) error, opts *EvolveOptions) error {
	if opts == nil {
		opts = &EvolveOptions{}
	}
	t.commitMu.Lock()
	defer t.commitMu.Unlock()
	base := t.entry()
	for attempt := 1; ; attempt++ {
		entry, err := t.evolveOnce(ctx, base, change, opts)
		if err == nil {
			t.setEntry(entry)
			t.trimMetadata(ctx, base, entry)
			return nil
		}
		if !t.retryable(ctx, base, err) || attempt == 20 {
			return fmt.Errorf("table %s: schema change: %w", t.id, err)
		}
		if base, err = t.reload(ctx); err != nil {
			return err
		}
	}
}

func (t *Table) evolveOnce(ctx context.Context, base *catalog.Entry, change func(e *schema.Evolution) error, opts *EvolveOptions) (*catalog.Entry, error) {
	m := base.Metadata
	e := schema.NewEvolution(m.CurrentSchema(), m.LastColumnID, m.FormatVersion)
	if err := change(e); err != nil {
		return nil, err
	}
	s, _, err := e.Schema()
	if err != nil {
		return nil, err
	}
	if s.Equal(m.CurrentSchema()) {
		return base, nil
	}
	backfill := map[int]any{}
	if s, err = withBackfill(s, m, opts.Backfill, backfill); err != nil {
		return nil, err
	}
	c := catalog.Commit{
		ID: t.id, Base: base,
		Updates: []metadata.Update{
			metadata.AddSchema{Schema: s}, metadata.SetCurrentSchema{SchemaID: metadata.LastAdded},
		},
		Requirements: []metadata.Requirement{
			metadata.AssertUUID{UUID: m.UUID},
			metadata.AssertCurrentSchemaID{ID: m.CurrentSchemaID},
			metadata.AssertLastColumnID{ID: m.LastColumnID},
		},
	}
	if len(backfill) == 0 || m.Current() == nil {
		return t.cat.CommitTable(ctx, c)
	}
	return t.rewriteWith(ctx, base, c, backfill)
}

// withBackfill turns the wanted values into initial defaults (version 3) or
// collects them for a rewrite (version 2).
func withBackfill(s *schema.Schema, m *metadata.Table, want map[string]any, rewrite map[int]any) (*schema.Schema, error) {
	if len(want) == 0 {
		return s, nil
	}
	fields := slices.Clone(s.Fields)
	for name, v := range want {
		i := indexOfField(fields, name)
		if i < 0 {
			return nil, fmt.Errorf("backfill: no column %q", name)
		}
		if _, old := m.CurrentSchema().FieldByID(fields[i].ID); old || v == nil {
			continue // not new: its rows have values
		}
		value, err := schema.Coerce(fields[i].Type, v)
		if err != nil {
			return nil, fmt.Errorf("backfill: column %q: %w", name, err)
		}
		if m.FormatVersion >= 3 {
			fields[i].InitialDefault, fields[i].WriteDefault = value, value
			continue
		}
		rewrite[fields[i].ID] = value
	}
	return schema.New(s.ID, fields, s.IdentifierFieldIDs)
}

// rewriteWith rewrites every live data file with the new columns filled in, and
// commits the schema and the files in one swap. Rows keep their order; deletes
// are applied.
func (t *Table) rewriteWith(ctx context.Context, base *catalog.Entry, c catalog.Commit, backfill map[int]any) (*catalog.Entry, error) {
	m := base.Metadata
	after, err := m.Apply(c.Updates, t.opts.Clock(), base.MetadataLocation)
	if err != nil {
		return nil, err
	}
	next := &catalog.Entry{ID: base.ID, Metadata: after, MetadataLocation: base.MetadataLocation, Store: base.Store}
	n, prefix := 0, t.opts.newUUID()
	wo := (*WriterOptions)(nil).withDefaults()
	files, err := newDataFiles(next, &wo, func() string { n++; return fmt.Sprintf("%05d-%s", n, prefix) })
	if err != nil {
		return nil, err
	}
	added, err := t.copyRows(ctx, base, files, after.CurrentSchema(), backfill)
	if err != nil {
		files.abort(ctx)
		return nil, err
	}
	p, a, err := t.replaceAll(ctx, base, after, added)
	if err == nil {
		c.Requirements = append(c.Requirements, a.Requirements...)
		c.Updates = append(c.Updates, a.Updates...)
		var entry *catalog.Entry
		if entry, err = t.cat.CommitTable(ctx, c); err == nil {
			return entry, nil
		}
	}
	if !errors.Is(err, catalog.ErrUnknownOutcome) {
		files.abort(ctx)
		if p != nil {
			err = errors.Join(err, p.Cleanup(context.WithoutCancel(ctx), false))
		}
	}
	return nil, err
}

func (t *Table) copyRows(ctx context.Context, base *catalog.Entry, files *dataFiles, s *schema.Schema, backfill map[int]any) ([]*manifest.DataFile, error) {
	sc := scan.New(scan.Source{Store: base.Store, Metadata: base.Metadata, Name: t.Name()}, &scan.Options{UseCurrentSchema: true, Ordered: true})
	old := base.Metadata.CurrentSchema()
	for b, err := range sc.Batches(ctx) {
		if err != nil {
			return nil, err
		}
		filled, err := fillColumns(b, old, s, backfill)
		if err != nil {
			return nil, err
		}
		err = files.write(ctx, filled, nil)
		filled.Release()
		if err != nil {
			return nil, err
		}
	}
	added, err := files.close()
	if err != nil {
		return nil, err
	}
	return added, files.published()
}

// fillColumns rearranges a batch of schema old into schema s; columns that old
// lacks take their backfill value, else null.
func fillColumns(b arrow.RecordBatch, old, s *schema.Schema, backfill map[int]any) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(s.Fields))
	for i, f := range s.Fields {
		if k := slices.IndexFunc(old.Fields, func(o schema.Field) bool { return o.ID == f.ID }); k >= 0 {
			if !old.Fields[k].Type.Equal(f.Type) {
				return nil, fmt.Errorf("column %q changes its type: do that apart from a backfill", f.Name)
			}
			b.Column(k).Retain()
			cols[i] = b.Column(k)
			continue
		}
		builder := array.NewBuilder(memory.DefaultAllocator, schema.ArrowType(f.Type))
		for range int(b.NumRows()) {
			if err := schema.AppendValue(builder, f.Type, backfill[f.ID]); err != nil {
				return nil, err
			}
		}
		cols[i] = builder.NewArray()
		builder.Release()
	}
	out := array.NewRecordBatch(schema.ArrowSchema(s), cols, b.NumRows())
	for _, c := range cols {
		c.Release()
	}
	return out, nil
}

// replaceAll prepares a snapshot in which added takes the place of every file.
func (t *Table) replaceAll(ctx context.Context, base *catalog.Entry, after *metadata.Table, added []*manifest.DataFile) (*snapshot.Producer, snapshot.Attempt, error) {
	k, err := readMarks(base.Metadata, base.Metadata.Current(), t.opts.off)
	if err != nil {
		return nil, snapshot.Attempt{}, err
	}
	summary := map[string]string{"engine-name": "frazil", "engine-version": Version}
	if k != nil {
		summary[marksSummary] = k.String()
	}
	id := t.newSnapshotID()
	p := snapshot.NewProducer(snapshot.Options{
		Store: base.Store, Clock: t.opts.Clock, NewID: func() int64 { return id }, CommitUUID: t.opts.newUUID(), Cache: t.opts.Cache,
	}, snapshot.Changes{Operation: metadata.OpOverwrite, AddData: added, RemoveAll: true, Summary: summary}, snapshot.Conditions{})
	a, err := p.Apply(ctx, after, metadata.MainBranch)
	if err == nil && k != nil {
		a.Updates = append(a.Updates, metadata.SetProperties{Properties: map[string]string{marksProperty: k.property(id)}})
	}
	return p, a, err
}

// SetProperties changes table properties: set first, then remove.
func (t *Table) SetProperties(ctx context.Context, set map[string]string, remove []string) error {
	var updates []metadata.Update
	if len(set) > 0 {
		updates = append(updates, metadata.SetProperties{Properties: maps.Clone(set)})
	}
	if len(remove) > 0 {
		updates = append(updates, metadata.RemoveProperties{Names: slices.Clone(remove)})
	}
	return t.update(ctx, "set properties", updates)
}

// UpgradeFormat raises the table's format version; it cannot be lowered.
func (t *Table) UpgradeFormat(ctx context.Context, version int) error {
	return t.update(ctx, "upgrade", []metadata.Update{metadata.UpgradeFormatVersion{Version: version}})
}

// update commits metadata updates that hold whatever else happens to the table.
func (t *Table) update(ctx context.Context, what string, updates []metadata.Update) error {
	if len(updates) == 0 {
		return nil
	}
	t.commitMu.Lock()
	defer t.commitMu.Unlock()
	base := t.entry()
	for attempt := 1; ; attempt++ {
		entry, err := t.cat.CommitTable(ctx, catalog.Commit{
			ID: t.id, Base: base, Updates: updates,
			Requirements: []metadata.Requirement{metadata.AssertUUID{UUID: base.Metadata.UUID}},
		})
		if err == nil {
			t.setEntry(entry)
			t.trimMetadata(ctx, base, entry)
			return nil
		}
		if !t.retryable(ctx, base, err) || attempt == 20 {
			return fmt.Errorf("table %s: %s: %w", t.id, what, err)
		}
		if base, err = t.reload(ctx); err != nil {
			return err
		}
	}
}
