package table_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// positionsOfSeveral commits one position delete file for rows of several data
// files, sorted by path and position, as engines with partition granularity do.
func positionsOfSeveral(t *testing.T, tab *table.Table, store objstore.Store, rows []schema.Row) {
	t.Helper()
	ctx := context.Background()
	sch := schema.MustNew(
		schema.Field{ID: schema.IDDeleteFilePath, Name: "file_path", Type: schema.String, Required: true},
		schema.Field{ID: schema.IDDeletePos, Name: "pos", Type: schema.Long, Required: true})
	path := objstore.Join(tab.Metadata().Location, "data", "several-deletes.parquet")
	out, err := store.Create(ctx, path, nil)
	must(t, err)
	w, err := parquetfile.NewWriter(out, sch, nil)
	must(t, err)
	b, err := schema.RowsToBatch(sch, rows, memory.DefaultAllocator)
	must(t, err)
	must(t, w.Write(ctx, b))
	res, err := w.Close()
	must(t, err)
	must(t, out.Close())
	f := &manifest.DataFile{
		Content: manifest.ContentPositionDeletes, Path: path, Format: manifest.FormatParquet,
		RecordCount: res.RecordCount, FileSize: res.FileSize, Metrics: res.Metrics,
	}
	_, _, err = tab.CommitUpdates(ctx, func(base *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		p := snapshot.NewProducer(snapshot.Options{Store: store}, snapshot.Changes{AddDeletes: []*manifest.DataFile{f}}, snapshot.Conditions{})
		a, err := p.Apply(ctx, base.Metadata, "")
		return a.Updates, a.Requirements, err
	})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestUpgradeWithPositionDeletes upgrades a table with live position deletes for
// several files, and goes on with upserts: a deletion vector hides the old
// deletes of its file, so it must hold them; files without a vector keep them.
func TestUpgradeWithPositionDeletes(t *testing.T) {
	ctx := context.Background()
	store := objstore.NewMemory("mem://up")
	tab, err := table.Create(ctx, catalog.NewFiles(store, nil), "u.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "v", Type: schema.String}), &table.CreateOptions{Key: []string{"id"}, FormatVersion: 2})
	must(t, err)
	put := func(value string, ids ...int64) {
		t.Helper()
		w, err := tab.NewWriter(nil)
		must(t, err)
		defer w.Close()
		for _, id := range ids {
			must(t, w.Upsert(ctx, schema.Row{id, value}))
		}
		_, err = w.Commit(ctx, nil)
		must(t, err)
	}
	rows := func() string {
		t.Helper()
		var out []string
		for row, err := range tab.Scan(nil).Rows(ctx) {
			must(t, err)
			out = append(out, fmt.Sprintf("%v=%v", row[0], row[1]))
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	put("a", 0, 1, 2, 3)
	put("b", 10, 11, 12, 13)
	var deleted []schema.Row
	for e, err := range snapshot.LiveFiles(ctx, store, tab.Metadata(), tab.Metadata().Current(), nil) {
		must(t, err)
		deleted = append(deleted, schema.Row{e.File.Path, int64(1)}, schema.Row{e.File.Path, int64(3)})
	}
	slices.SortFunc(deleted, func(a, b schema.Row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	positionsOfSeveral(t, tab, store, deleted)
	must(t, tab.Refresh(ctx))
	const before = "0=a 10=b 12=b 2=a"
	if got := rows(); got != before {
		t.Fatalf("v2: %s, want %s", got, before)
	}
	_, _, err = tab.CommitUpdates(ctx, func(*catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		return []metadata.Update{metadata.UpgradeFormatVersion{Version: 3}}, nil, nil
	})
	must(t, err)
	must(t, tab.Refresh(ctx))
	if got := rows(); got != before {
		t.Errorf("upgraded: %s, want %s", got, before)
	}
	put("c", 0) // the first file gets a vector
	if got, want := rows(), "0=c 10=b 12=b 2=a"; got != want {
		t.Errorf("after an upsert: %s, want %s", got, want)
	}
	put("d", 1, 12) // a row deleted before comes again; the second file gets a vector
	if got, want := rows(), "0=c 10=b 12=d 1=d 2=a"; got != want {
		t.Errorf("after two: %s, want %s", got, want)
	}
	put("e", 2, 10) // no row of the old files is left
	if got, want := rows(), "0=c 10=e 12=d 1=d 2=e"; got != want {
		t.Errorf("after three: %s, want %s", got, want)
	}
	if n := tab.Metadata().Current().Summary["total-delete-files"]; n == "" {
		t.Errorf("summary %v", tab.Metadata().Current().Summary)
	}
}
