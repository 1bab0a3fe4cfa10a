package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/internal/testenv"
)

// sharedTables returns the directory of tables written by other engines.
func sharedTables(t testing.TB) string {
	t.Helper()
	return testenv.Shared(t, "tables")
}

// avroFiles calls f for every Avro file that lies in a metadata directory, with
// the names of its record and its bytes.
func avroFiles(t testing.TB, dir string, f func(path, record string, data []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".avro") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r, err := avrofile.NewReader(data, nil)
		if err != nil {
			f(path, "", data)
			return nil
		}
		schemaJSON, _ := r.Meta("avro.schema")
		switch {
		case strings.Contains(string(schemaJSON), `"manifest_path"`):
			f(path, "list", data)
		case strings.Contains(string(schemaJSON), `"data_file"`):
			f(path, "manifest", data)
		default:
			f(path, "", data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSharedManifests reads every manifest list and every manifest that other
// engines wrote; counts in the list must agree with the entries.
func TestSharedManifests(t *testing.T) {
	dir := sharedTables(t)
	const wrongCounts = "merch_v1" // a list edited by hand
	lists, manifests := map[string][]byte{}, map[string][]byte{}
	avroFiles(t, dir, func(path, kind string, data []byte) {
		switch kind {
		case "list":
			lists[path] = data
		case "manifest":
			manifests[path] = data
		}
	})
	read, entries := map[string]bool{}, 0
	for path, data := range lists {
		files, err := ReadList(data)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for _, f := range files {
			name := filepath.Join(filepath.Dir(path), filepath.Base(f.Path))
			data, ok := manifests[name]
			if !ok || read[name] {
				continue // of an expired snapshot or a loose list, or read before
			}
			read[name] = true
			if strings.Contains(name, wrongCounts) {
				f.AddedFiles, f.AddedRows = -1, -1
			}
			entries += checkShared(t, name, data, f)
		}
	}
	for name, data := range manifests {
		if read[name] {
			continue
		}
		kind := Data
		if strings.Contains(string(data[:min(len(data), 1<<20)]), "deletes") && headerContent(data) == "deletes" {
			kind = Deletes
		}
		if _, err := ReadAll(data, &File{Path: name, Kind: kind}, &ReadOptions{Stats: StatsAll, KeepDeleted: true}); err != nil {
			t.Errorf("unlisted %s: %v", name, err)
		}
	}
	t.Logf("%d lists, %d manifests (%d through a list), %d entries", len(lists), len(manifests), len(read), entries)
	if len(lists) < 400 || len(read) < 400 {
		t.Errorf("too few files found: %d lists, %d manifests", len(lists), len(read))
	}
}

func headerContent(data []byte) string {
	r, err := avrofile.NewReader(data, nil)
	if err != nil {
		return ""
	}
	v, _ := r.Meta("content")
	return string(v)
}

func checkShared(t *testing.T, name string, data []byte, f *File) int {
	all, err := ReadAll(data, f, &ReadOptions{Stats: StatsAll, KeepDeleted: true})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return 0
	}
	var n [3]int
	var rows [3]int64
	for _, e := range all {
		n[e.Status]++
		rows[e.Status] += e.File.RecordCount
	}
	if f.AddedFiles >= 0 && (n[StatusAdded] != f.AddedFiles || n[StatusExisting] != f.ExistingFiles || n[StatusDeleted] != f.DeletedFiles) {
		t.Errorf("%s: counts %v, the list says %d added %d existing %d deleted", name, n, f.AddedFiles, f.ExistingFiles, f.DeletedFiles)
	}
	if f.AddedRows >= 0 && rows[StatusAdded] != f.AddedRows {
		t.Errorf("%s: %d rows added, the list says %d", name, rows[StatusAdded], f.AddedRows)
	}
	samePacked(t, name, data, f, &ReadOptions{})
	samePacked(t, name, data, f, &ReadOptions{StatsFields: []int{1, 2, 3, 2147483546}})
	i := 0
	for e, err := range Read(data, f, nil) {
		if err != nil {
			t.Fatalf("%s: without statistics: %v", name, err)
		}
		for !all[i].IsLive() {
			i++
		}
		if a, b := all[i].File, e.File; a.Path != b.Path || a.RecordCount != b.RecordCount || len(b.Lower) != 0 {
			t.Errorf("%s: entry %d differs without statistics", name, i)
		}
		i++
	}
	return len(all)
}

// TestSharedCorrupt reads files that are no manifests, or broken ones.
func TestSharedCorrupt(t *testing.T) {
	dir := filepath.Join(sharedTables(t), "foreign", "_loose", "impala", "bad_avro_snap")
	n := 0
	avroFiles(t, dir, func(path, _ string, data []byte) {
		n++
		if _, err := ReadList(data); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s as list: %v", path, err)
		}
		if _, err := ReadAll(data, &File{Path: path}, nil); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s as manifest: %v", path, err)
		}
	})
	if n == 0 {
		t.Error("no files")
	}
}
