package compaction_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// TestSparkTables (catalogue K7, K8) compacts and converts every table of the
// Spark corpus: rows, row ids and last-updated numbers are the same before and
// after, and the next plan is empty.
func TestSparkTables(t *testing.T) {
	dir := testenv.Shared(t, "tables", "spark")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	compacted := 0
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(dir, e.Name(), "metadata")); err != nil {
			continue
		}
		for _, o := range sharedOptions() {
			t.Run(fmt.Sprintf("%s convert=%v target=%d splice=%d", e.Name(), o.ConvertOnly, o.TargetFileBytes, o.SpliceBytes), func(t *testing.T) {
				if compactShared(t, filepath.Join(dir, e.Name()), "file:///warehouse/"+e.Name(), o) {
					compacted++
				}
			})
		}
	}
	t.Logf("%d runs changed something", compacted)
}

// TestForeignTables does the same with tables of many other writers, as far as
// they can be read at all.
func TestForeignTables(t *testing.T) {
	dir := testenv.Shared(t, "tables", "foreign")
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index []struct {
		Table        string
		MetadataFile string `json:"metadata_file"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	compacted := 0
	for _, e := range index {
		for _, o := range sharedOptions() {
			t.Run(fmt.Sprintf("%s convert=%v target=%d splice=%d", e.Table, o.ConvertOnly, o.TargetFileBytes, o.SpliceBytes), func(t *testing.T) {
				if compactForeign(t, filepath.Join(dir, e.Table), e.MetadataFile, o) {
					compacted++
				}
			})
		}
	}
	t.Logf("%d runs changed something", compacted)
}

// sharedOptions are the ways that every shared table is compacted.
func sharedOptions() []compaction.Options {
	return []compaction.Options{{}, {ConvertOnly: true}, {DeleteRatio: 0.0001, TargetFileBytes: 2000}, {DeleteRatio: 0.0001, SpliceBytes: 1}}
}

func compactForeign(t *testing.T, dir, file string, o compaction.Options) bool {
	ctx := context.Background()
	const root = "file:///foreign/t"
	store := copyInto(t, dir, root)
	entry, err := catalog.OpenDir(ctx, store, root+"/metadata/"+file, nil)
	if err != nil {
		t.Skip(err)
	}
	return compactEntry(t, entry, o)
}

func compactShared(t *testing.T, dir, root string, o compaction.Options) bool {
	ctx := context.Background()
	store := copyInto(t, dir, root)
	entry, err := catalog.OpenDir(ctx, store, root, nil)
	if err != nil {
		t.Fatal(err)
	}
	return compactEntry(t, entry, o)
}

func compactEntry(t *testing.T, entry *catalog.Entry, o compaction.Options) bool {
	ctx := context.Background()
	tab, err := openAt(ctx, entry)
	if err != nil {
		t.Fatal(err)
	}
	opts := &scan.Options{Columns: []string{}}
	for _, f := range entry.Metadata.CurrentSchema().Fields {
		opts.Columns = append(opts.Columns, f.Name)
	}
	if entry.Metadata.FormatVersion >= 3 {
		opts.Columns = append(opts.Columns, "_row_id", "_last_updated_sequence_number")
	}
	before, err := tryRows(tab, opts)
	if errors.Is(err, scan.ErrUnsupported) || errors.Is(err, scan.ErrMissingFile) || errors.Is(err, objstore.ErrNotFound) || errors.Is(err, objstore.ErrOutside) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(before) > 0 && strings.HasSuffix(before[0], "<nil> <nil>]") && entry.Metadata.FormatVersion >= 3 {
		// Rows from before the upgrade get ids with the first commit.
		opts.Columns = opts.Columns[:len(opts.Columns)-2]
		if before, err = tryRows(tab, opts); err != nil {
			t.Fatal(err)
		}
	}
	rep, err := compaction.Compact(ctx, tab, &o)
	if err != nil && strings.Contains(err.Error(), "can only be read") {
		t.Skip(err)
	}
	if entry.Metadata.FormatVersion < 2 {
		if !errors.Is(err, compaction.ErrRefused) {
			t.Errorf("version 1: %v", err)
		}
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Skipped) > 0 {
		t.Errorf("skipped: %v", rep.Skipped)
	}
	after, err := tryRows(tab, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, after) {
		t.Errorf("rows differ: %d before, %d after\n%.500v\n%.500v", len(before), len(after), before, after)
	}
	s, err := compaction.Load(ctx, tab, "main")
	if err != nil {
		t.Fatal(err)
	}
	if p := compaction.Choose(s, &o); !p.Empty() {
		t.Errorf("a second plan is not empty: %d lanes, %d to convert, %d dangling", len(p.Lanes), len(p.Convert), len(p.Dangling))
	}
	return rep.Commits > 0
}

// openAt opens a table of no catalog for writing, through a catalog with just
// this one.
func openAt(ctx context.Context, entry *catalog.Entry) (*table.Table, error) {
	one := &oneTable{store: entry.Store, entry: entry}
	return table.Open(ctx, one, "ns.t", nil)
}

// oneTable is a catalog of one table, in memory.
type oneTable struct {
	catalog.Catalog
	store objstore.Store
	entry *catalog.Entry
	n     int
}

func (o *oneTable) LoadTable(context.Context, catalog.Identifier) (*catalog.Entry, error) {
	return o.entry, nil
}

func (o *oneTable) CommitTable(_ context.Context, c catalog.Commit) (*catalog.Entry, error) {
	if err := metadata.Check(c.Requirements, o.entry.Metadata); err != nil {
		return nil, fmt.Errorf("%w: %w", catalog.ErrConflict, err)
	}
	m, err := o.entry.Metadata.Apply(c.Updates, time.Now(), o.entry.MetadataLocation)
	if err != nil {
		return nil, err
	}
	o.n++
	o.entry = &catalog.Entry{
		ID: o.entry.ID, Metadata: m, Store: o.store,
		MetadataLocation: objstore.Join(m.Location, "metadata", fmt.Sprintf("%05d-test.metadata.json", o.n)),
	}
	return o.entry, nil
}

func tryRows(tab *table.Table, opts *scan.Options) ([]string, error) {
	var out []string
	for row, err := range tab.Scan(opts).Rows(context.Background()) {
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprint([]any(row)))
	}
	slices.Sort(out)
	return out, nil
}
