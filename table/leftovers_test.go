package table_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
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
