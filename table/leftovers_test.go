package table_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestBoundedLitter: a long stream of small commits leaves a bounded number of
// metadata files, snapshots and replaced data files behind.
func TestBoundedLitter(t *testing.T) {
	ctx := context.Background()
	store := objstore.NewMemory("mem://litter")
	tab, err := table.Create(ctx, catalog.NewFiles(store, nil), "l.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "v", Type: schema.String},
	), &table.CreateOptions{Key: []string{"id"}, Properties: map[string]string{"write.metadata.previous-versions-max": "10"}})
	if err != nil {
		t.Fatal(err)
	}
	w, err := tab.NewWriter(&table.WriterOptions{KeepSnapshots: 5, ExpireGrace: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range 200 {
		for id := range 3 {
			if err := w.Upsert(ctx, schema.Row{int64(id), fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Commit(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	kinds := map[string]int{}
	for info, err := range store.List(ctx, "mem://litter") {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(info.URI, ".metadata.json"):
			kinds["metadata"]++
		case strings.HasSuffix(info.URI, ".avro"):
			kinds["manifests"]++
		case strings.HasSuffix(info.URI, ".parquet"):
			kinds["data"]++
		}
	}
	if kinds["metadata"] > 12 || kinds["manifests"] > 60 || kinds["data"] > 20 {
		t.Errorf("left after 200 commits: %v", kinds)
	}
	if n := len(tab.Metadata().Snapshots); n > 6 {
		t.Errorf("%d snapshots", n)
	}
	n, err := tab.Scan(nil).Count(ctx)
	if err != nil || n != 3 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestVersionsHaveNoGap: metadata files that an interrupted trim left go with the
// next, oldest first, so that a version hint as old as one of them still leads to
// the newest.
func TestVersionsHaveNoGap(t *testing.T) {
	ctx := t.Context()
	fs := faultstore.New(objstore.NewMemory("mem://gaps"), nil)
	cat := catalog.NewFiles(fs, nil)
	tab, err := table.Create(ctx, cat, "g.t", schema.MustNew(schema.Field{Name: "id", Type: schema.Long}), &table.CreateOptions{
		Properties: map[string]string{"write.metadata.previous-versions-max": "2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		if i >= 3 && i < 6 { // nothing can be deleted for a while
			fs.Arm(&faultstore.Plan{Rate: 1, Modes: []faultstore.Mode{faultstore.Before}, Ops: []faultstore.Op{faultstore.OpDelete}})
		} else {
			fs.Arm(nil)
		}
		if err := tab.SetProperties(ctx, map[string]string{"i": fmt.Sprint(i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	dir := objstore.Join(tab.Metadata().Location, "metadata")
	var left []string
	for info, err := range fs.ListDir(ctx, dir) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, strings.TrimPrefix(info.URI, dir+"/"))
	}
	if got, want := fmt.Sprint(left), "[v11.metadata.json v12.metadata.json v13.metadata.json version-hint.text]"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}
