package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

func TestLiveFilesOptions(t *testing.T) {
	w := newWorld(t, 2, true, map[string]string{"commit.manifest-merge.enabled": "false"})
	for i := range 20 {
		f := w.data(fmt.Sprintf("f%02d", i), 1, float64(i%2))
		f.Lower = manifest.Bounds{{FieldID: 1, Value: []byte{1}}, {FieldID: 2, Value: []byte{2}}}
		w.commit(Changes{AddData: files(f)})
	}
	w.commit(Changes{AddDeletes: files(w.equality("eq", 1, 0))})
	read := func(o LiveOptions) (names []string) {
		for e, err := range LiveFiles(t.Context(), w.store, w.table, w.table.Current(), &o) {
			if err != nil {
				t.Fatal(err)
			}
			if n := len(e.File.Lower); (o.Stats == manifest.StatsNone) != (n == 0) && e.File.Path != "eq" || len(o.StatsFields) > 0 && n > len(o.StatsFields) {
				t.Errorf("%d bounds", n)
			}
			names = append(names, e.File.Path)
		}
		return names
	}
	if got := read(LiveOptions{Readers: 3}); len(got) != 21 || got[0] != "f19" || got[19] != "f00" || got[20] != "eq" {
		t.Errorf("%v", got)
	}
	if got := read(LiveOptions{NoDeletes: true, Stats: manifest.StatsAll, StatsFields: []int{2}}); len(got) != 20 {
		t.Errorf("%v", got)
	}
	if got := read(LiveOptions{NoData: true}); len(got) != 1 {
		t.Errorf("%v", got)
	}
	even := func(e *manifest.Entry) bool { return e.File.Partition[0] == 0.0 }
	if got := read(LiveOptions{KeepEntry: even, Stats: manifest.StatsAll}); len(got) != 11 {
		t.Errorf("%v", got)
	}
	if got := read(LiveOptions{KeepManifest: func(f *manifest.File) bool { return f.SequenceNumber == 3 }}); len(got) != 1 || got[0] != "f02" {
		t.Errorf("%v", got)
	}
	for range LiveFiles(t.Context(), w.store, w.table, nil, nil) {
		t.Error("an empty table has files")
	}
}

// Stopping early and errors end all goroutines before the iterator returns.
func TestLiveFilesEnds(t *testing.T) {
	w := newWorld(t, 2, false, map[string]string{"commit.manifest-merge.enabled": "false"})
	for i := range 30 {
		w.commit(Changes{AddData: files(w.data(fmt.Sprint("f", i), 1, 0))})
	}
	before := runtime.NumGoroutine()
	for range LiveFiles(t.Context(), w.store, w.table, w.table.Current(), nil) {
		break
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	victim := w.manifests(w.table.Current())[15]
	if err := w.store.Delete(t.Context(), victim.Path); err != nil {
		t.Fatal(err)
	}
	n, failed := 0, error(nil)
	for _, err := range LiveFiles(t.Context(), w.store, w.table, w.table.Current(), nil) {
		if failed != nil {
			t.Fatal("goes on after an error")
		}
		if failed = err; err == nil {
			n++
		}
	}
	if n != 15 || !errors.Is(failed, objstore.ErrNotFound) || !strings.Contains(failed.Error(), victim.Path) {
		t.Errorf("%d files, %v", n, failed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failed = nil
	for _, err := range LiveFiles(ctx, w.store, w.table, w.table.Current(), nil) {
		failed = err
	}
	if !errors.Is(failed, context.Canceled) {
		t.Errorf("%v", failed)
	}
}

func TestCacheBounded(t *testing.T) {
	c := NewCache(10_000)
	for i := range 1000 {
		c.putManifest(fmt.Sprint("m", i), make([]byte, 500))
		if c.Len() > 10_000 {
			t.Fatalf("%d bytes", c.Len())
		}
		if i > 0 {
			if _, ok := c.get(cacheManifest, "m0"); !ok && i < 10 {
				t.Fatalf("m0 is gone after %d", i)
			}
		}
	}
	if _, ok := c.get(cacheManifest, "m0"); !ok {
		t.Error("the one always used is gone")
	}
	c.putManifest("huge", make([]byte, 5000))
	if _, ok := c.get(cacheManifest, "huge"); ok {
		t.Error("a huge manifest is kept")
	}
	var none *Cache
	none.putManifest("x", nil)
	if _, ok := none.get(cacheManifest, "x"); ok || none.Len() != 0 {
		t.Error("a nil cache keeps something")
	}
}

// namedStore finds objects by the last element of their URI, since tables of
// other engines lie elsewhere than they say.
type namedStore struct {
	objstore.Store
	paths map[string]string
}

func (s namedStore) Open(ctx context.Context, uri string) (objstore.Object, error) {
	path, ok := s.paths[baseName(uri)]
	if !ok {
		return nil, fmt.Errorf("%s: %w", uri, objstore.ErrNotFound)
	}
	return s.Store.Open(ctx, path)
}

// TestSharedTables reads every snapshot of the tables written by other engines
// and matches deletes with data files.
func TestSharedTables(t *testing.T) {
	root := testenv.Shared(t, "tables")
	local, err := objstore.NewLocal(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	stats := map[string]int{}
	for _, dir := range tableDirs(t, root) {
		store := namedStore{local, map[string]string{}}
		walk(t, dir, func(path string) { store.paths[filepath.Base(path)] = path })
		tab := newest(t, dir, store.paths)
		if tab == nil {
			continue
		}
		stats["tables"]++
		// The tables with hundreds of snapshots are much the same over and over.
		step := len(tab.Snapshots)/20 + 1
		for i := len(tab.Snapshots) - 1; i >= 0; i -= step {
			readShared(t, dir, store, tab, &tab.Snapshots[i], stats)
		}
	}
	t.Logf("%v", stats)
	if stats["tables"] < 80 || stats["current"] < 75 || stats["matched"] < 1000 {
		t.Error("too little was read")
	}
}

func walk(t *testing.T, dir string, f func(path string)) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			f(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tableDirs returns the directories that have a metadata directory.
func tableDirs(t *testing.T, root string) []string {
	var out []string
	seen := map[string]bool{}
	walk(t, root, func(path string) {
		dir := filepath.Dir(path)
		if filepath.Base(dir) == "metadata" && strings.HasSuffix(path, ".metadata.json") && !seen[dir] && !strings.Contains(path, "_loose") {
			seen[dir] = true
			out = append(out, filepath.Dir(dir))
		}
	})
	return out
}

// newest returns the metadata with the latest update, nil when none can be
// parsed.
func newest(t *testing.T, dir string, paths map[string]string) *metadata.Table {
	var best *metadata.Table
	for name, path := range paths {
		if !strings.HasSuffix(name, ".metadata.json") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tab, err := metadata.Parse(data, name)
		if err != nil {
			continue // the metadata package's own tests look at these
		}
		if best == nil || tab.LastUpdatedMS > best.LastUpdatedMS || tab.LastUpdatedMS == best.LastUpdatedMS && len(tab.Snapshots) > len(best.Snapshots) {
			best = tab
		}
	}
	return best
}

func readShared(t *testing.T, dir string, store objstore.Store, tab *metadata.Table, s *metadata.Snapshot, stats map[string]int) {
	current := tab.Current() == s
	cache := NewCache(0)
	index, err := BuildDeleteIndex(tab, LiveFiles(t.Context(), store, tab, s, &LiveOptions{NoData: true, Stats: manifest.StatsAll, Cache: cache}))
	if err != nil {
		if current && !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("%s: snapshot %d: %v", dir, s.ID, err)
		}
		stats["unreadable"]++
		return
	}
	for e, err := range LiveFiles(t.Context(), store, tab, s, &LiveOptions{NoDeletes: true, Stats: manifest.StatsAll, Cache: cache}) {
		if err != nil {
			if current && !errors.Is(err, objstore.ErrNotFound) {
				t.Errorf("%s: snapshot %d: %v", dir, s.ID, err)
			}
			return
		}
		d, err := index.For(e)
		if err != nil {
			t.Errorf("%s: snapshot %d: %v", dir, s.ID, err)
		}
		stats["files"]++
		if !d.Empty() {
			stats["matched"]++
		}
	}
	stats["snapshots"]++
	if current {
		stats["current"]++
	}
}
