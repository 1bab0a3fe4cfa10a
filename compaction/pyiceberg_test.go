package compaction_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// pyicebergWrites registers a table by its metadata, appends a row, deletes one,
// changes one, and prints where the metadata is then.
const pyicebergWrites = `
import sys, json, pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
cat = SqlCatalog("c", uri="sqlite:///:memory:", warehouse=sys.argv[2])
cat.create_namespace("d")
t = cat.register_table("d.t", sys.argv[1])
schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("v", pa.string())])
t.append(pa.table({"id": [9001], "v": ["appended"]}, schema=schema))
t.delete("id == 1")
t.overwrite(pa.table({"id": [2], "v": ["changed"]}, schema=schema), overwrite_filter="id == 2")
rows = t.scan().to_arrow().to_pylist()
print(json.dumps({"metadata": t.metadata_location, "rows": sorted("%d=%s" % (r["id"], r["v"]) for r in rows)}))
`

// TestPyIcebergContinues: after each of our operations PyIceberg appends, deletes
// and overwrites; what it then has is the model's, what we read of it is the
// same and passes the checker.
func TestPyIcebergContinues(t *testing.T) {
	python := testenv.Python(t)
	ops := map[string]func(w *world){
		"compact": func(w *world) { w.compact(nil) },
		"carry": func(w *world) {
			w.between(func() { w.write(table.EncodingPosition, map[int64]string{3: "x", 4: ""}) })
			w.compact(&compaction.Options{MaxRounds: 1})
		},
		"convert": func(w *world) { w.compact(&compaction.Options{ConvertOnly: true}) },
		"manifests": func(w *world) {
			w.compact(&compaction.Options{ConvertOnly: true})
			_, err := compaction.RewriteManifests(w.ctx, w.tab, &compaction.ManifestOptions{Always: true})
			w.must(err)
		},
		"expire": func(w *world) {
			w.compact(nil)
			_, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: headOnly})
			w.must(err)
		},
		"orphans": func(w *world) {
			w.compact(nil)
			_, err := compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true, OlderThan: 1, Force: true})
			w.must(err)
		},
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			w := newWorld(t, worldOptions{version: 2, seed: 51, store: store})
			for range 5 {
				w.write(table.EncodingEquality, w.random(40, 100))
			}
			w.write(table.EncodingPosition, map[int64]string{1: "one", 2: "two", 3: "three", 4: "four"})
			op(w)
			w.check("ours")
			var stderr bytes.Buffer
			c := exec.CommandContext(w.ctx, python, "-c", pyicebergWrites, w.tab.MetadataLocation(), "file://"+dir+"/py")
			c.Stderr = &stderr
			out, err := c.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.Bytes())
			}
			var got struct {
				Metadata string
				Rows     []string
			}
			w.must(json.Unmarshal(out, &got))
			w.rows[9001], w.rows[2] = "appended", "changed"
			delete(w.rows, 1)
			if want := w.want(); !slices.Equal(got.Rows, want) {
				t.Errorf("PyIceberg has %d rows, want %d", len(got.Rows), len(want))
			}
			e, err := catalog.OpenDir(w.ctx, store, got.Metadata, nil)
			w.must(err)
			theirs := ours(t, e)
			if !slices.Equal(theirs, w.want()) {
				t.Errorf("of PyIceberg's table we read %d rows, want %d", len(theirs), len(w.want()))
			}
		})
	}
}

// ours reads a table by its metadata, and has it checked.
func ours(t *testing.T, e *catalog.Entry) []string {
	t.Helper()
	r, err := fsck.Check(context.Background(), fsck.Source{Store: e.Store, Metadata: e.Metadata}, &fsck.Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	var out []string
	for row, err := range scan.New(scan.Source{Store: e.Store, Metadata: e.Metadata, Name: "d.t"}, nil).Rows(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rowText(row))
	}
	slices.Sort(out)
	return out
}
