package compaction_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// world is a table, a model of its rows, and a second process's view of it.
type world struct {
	t     testing.TB
	ctx   context.Context
	store objstore.Store
	cat   *hooked
	tab   *table.Table // compacts
	rival *table.Table // writes
	rows  map[int64]string
	r     *rand.Rand
	mu    sync.Mutex // guards the clock and the sources of randomness
	now   time.Time
}

// hooked is a catalog that calls before every commit.
type hooked struct {
	catalog.Catalog
	before func(c catalog.Commit) error
}

func (h *hooked) CommitTable(ctx context.Context, c catalog.Commit) (*catalog.Entry, error) {
	if h.before != nil {
		if err := h.before(c); err != nil {
			return nil, err
		}
	}
	return h.Catalog.CommitTable(ctx, c)
}

type worldOptions struct {
	version   int
	store     objstore.Store
	partition []partition.Field
	props     map[string]string
	seed      uint64
}

func newWorld(t testing.TB, o worldOptions) *world {
	t.Helper()
	w := &world{
		t: t, ctx: context.Background(), store: o.store, rows: map[int64]string{},
		r: rand.New(rand.NewPCG(o.seed, 1)), now: time.UnixMilli(1_700_000_000_000),
	}
	if w.store == nil {
		w.store = objstore.NewMemory("mem://compaction")
	}
	files := catalog.NewFiles(w.store, &catalog.FilesOptions{Pause: 1})
	w.cat = &hooked{Catalog: files}
	var err error
	w.tab, err = table.Create(w.ctx, w.cat, "c.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "v", Type: schema.String},
	), &table.CreateOptions{
		Key: []string{"id"}, FormatVersion: o.version, Partition: o.partition, Properties: o.props,
		Options: table.Options{Clock: w.clock, Random: w.random64(o.seed, 2), Wait: func(context.Context, time.Duration) error { return nil }},
	})
	w.must(err)
	// The rival acts within commits of the other, for whose turn it cannot wait.
	w.rival, err = table.Open(w.ctx, files, "c.t", &table.Options{
		Clock: w.clock, Random: w.random64(o.seed, 3), Wait: func(context.Context, time.Duration) error { return nil },
	})
	w.must(err)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Second)
	return w.now
}

// random64 returns a source that several goroutines may share.
func (w *world) random64(seed, stream uint64) func() uint64 {
	r := rand.New(rand.NewPCG(seed, stream))
	return func() uint64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		return r.Uint64()
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// write commits upserts and deletes of the rival; an empty value deletes.
func (w *world) write(enc table.Encoding, changes map[int64]string) *metadata.Snapshot {
	w.t.Helper()
	w.must(w.rival.Refresh(w.ctx))
	return w.writeStale(enc, changes)
}

func (w *world) writeStale(enc table.Encoding, changes map[int64]string) *metadata.Snapshot {
	w.t.Helper()
	wr, err := w.rival.NewWriter(&table.WriterOptions{Encoding: enc, KeepSnapshots: -1})
	w.must(err)
	defer wr.Close()
	ids := make([]int64, 0, len(changes))
	for id := range changes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if v := changes[id]; v == "" {
			w.must(wr.Delete(w.ctx, schema.Row{id}))
			delete(w.rows, id)
		} else {
			w.must(wr.Upsert(w.ctx, schema.Row{id, v}))
			w.rows[id] = v
		}
	}
	snap, err := wr.Commit(w.ctx, nil)
	w.must(err)
	return snap
}

// random makes n random changes of keys below limit.
func (w *world) random(n int, limit int64) map[int64]string {
	out := map[int64]string{}
	for range n {
		v := fmt.Sprintf("v%d", w.r.IntN(1_000_000))
		if w.r.IntN(5) == 0 {
			v = ""
		}
		out[w.r.Int64N(limit)] = v
	}
	return out
}

func (w *world) want() []string {
	var out []string
	for id, v := range w.rows {
		out = append(out, fmt.Sprintf("%d=%s", id, v))
	}
	slices.Sort(out)
	return out
}

func rowsOf(t testing.TB, tab *table.Table, opts *scan.Options) []string {
	t.Helper()
	var out []string
	for row, err := range tab.Scan(opts).Rows(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rowText(row))
	}
	slices.Sort(out)
	return out
}

func rowText(row schema.Row) string {
	var b strings.Builder
	for i, v := range row {
		if i > 0 {
			b.WriteByte('=')
		}
		fmt.Fprint(&b, v)
	}
	return b.String()
}

// check compares the table with the model.
func (w *world) check(what string) {
	w.t.Helper()
	w.must(w.tab.Refresh(w.ctx))
	if got, want := rowsOf(w.t, w.tab, nil), w.want(); !slices.Equal(got, want) {
		w.t.Errorf("%s: %d rows, want %d\n got %.200v\nwant %.200v", what, len(got), len(want), got, want)
	}
}

func (w *world) compact(o *compaction.Options) *compaction.Report {
	w.t.Helper()
	rep, err := compaction.Compact(w.ctx, w.tab, o)
	w.must(err)
	return rep
}

// settled requires that there is nothing left to do.
func (w *world) settled(o *compaction.Options) {
	w.t.Helper()
	w.must(w.tab.Refresh(w.ctx))
	s, err := compaction.Load(w.ctx, w.tab, "main")
	w.must(err)
	if p := compaction.Choose(s, o); !p.Empty() {
		w.t.Errorf("a second plan is not empty: %d lanes, %d to convert, %d dangling", len(p.Lanes), len(p.Convert), len(p.Dangling))
		for _, l := range p.Lanes {
			w.t.Logf("lane: %s, %d bytes in %d files", l.Reason, l.Bytes, len(l.Files))
		}
	}
}

// copyInto copies the files of a folder into a memory store whose root is root.
func copyInto(t testing.TB, dir, root string) objstore.Store {
	t.Helper()
	store := objstore.NewMemory(root)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return store.Put(context.Background(), objstore.Join(root, filepath.ToSlash(rel)), data, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func openFlink(t testing.TB, name string) *table.Table {
	t.Helper()
	dir := testenv.Shared(t, "tables", "flink", name)
	store := copyInto(t, dir, "file:///warehouse/"+name)
	tab, err := table.Open(context.Background(), catalog.NewFiles(store, nil), "db.t", nil)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}
