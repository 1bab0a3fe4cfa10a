package snapshot

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
)

const pyicebergScript = `
import json, sys
from pyiceberg.table import StaticTable
t = StaticTable.from_metadata(sys.argv[1])
out = {"files": [], "deletes": 0, "lineage": []}
io = t.io
for m in t.current_snapshot().manifests(io):
    for e in m.fetch_manifest_entry(io, discard_deleted=True):
        f = e.data_file
        out["files"].append([f.file_path.rsplit("/", 1)[-1], e.sequence_number, f.record_count, int(f.content), repr(f.partition[0]) if len(f.partition) else ""])
print(json.dumps(out))
`

// TestJudgePyIceberg lets PyIceberg read the manifests of commits; it needs
// FRAZIL_PYTHON, a Python with pyiceberg.
func TestJudgePyIceberg(t *testing.T) {
	python := testenv.Python(t)
	for _, version := range []int{2, 3} {
		dir := t.TempDir()
		w := newWorld(t, version, true, map[string]string{"write.metadata.path": "file://" + dir + "/metadata", "commit.manifest.min-count-to-merge": "3"})
		local, err := objstore.NewLocal(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.store.Store = local
		for _, name := range []string{"a", "b", "c", "d"} {
			f := w.data("file://"+dir+"/data/"+name, 10, 1.5)
			f.ValueCounts = manifest.Counts{{FieldID: 1, N: 10}}
			f.Lower = manifest.Bounds{{FieldID: 1, Value: make([]byte, 8)}}
			w.commit(Changes{AddData: files(f)})
		}
		w.commit(Changes{RemoveData: files(w.file("file://" + dir + "/data/b"))})
		if version == 2 {
			w.commit(Changes{AddDeletes: files(w.equality("file://"+dir+"/data/eq", 3, 1.5))})
		} else {
			w.commit(Changes{AddDeletes: files(w.dv("file://"+dir+"/data/p", "file://"+dir+"/data/a", 4, 40, 2, 1.5))})
		}
		data, err := w.table.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "v1.metadata.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(context.Background(), python, "-c", pyicebergScript, path).CombinedOutput()
		if err != nil {
			t.Fatalf("v%d: %v: %s", version, err, out)
		}
		var got struct{ Files [][]any }
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		want := map[string][]any{}
		for _, e := range w.entries(w.table.Current()) {
			name := baseName(e.File.Path)
			want[name] = []any{name, float64(e.SequenceNumber), float64(e.File.RecordCount), float64(e.File.Content), "1.5"}
		}
		have := map[string][]any{}
		for _, f := range got.Files {
			have[f[0].(string)] = f
		}
		if len(got.Files) != 4 || !reflect.DeepEqual(have, want) {
			t.Errorf("v%d: PyIceberg reads %v, not %v", version, have, want)
		}
	}
}
