package torture

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

const (
	root      = "mem://torture"
	tableName = "t.t"
)

var columns = []schema.Field{
	{ID: 1, Name: "id", Type: schema.Long, Required: true},
	{ID: 2, Name: "v", Type: schema.String},
}

// world is a table behind a store with faults, as one process sees it.
type world struct {
	t     testing.TB
	ctx   context.Context
	inner objstore.Store // sound
	fs    *faultstore.Store
	cat   catalog.Catalog
	tab   *table.Table // nil in an empty world
	now   time.Time
	seed  uint64
	// opened counts the tables opened, each of which has random numbers of its own.
	opened uint64
}

// newWorld returns a process on top of inner, with a clock and random numbers of
// its own; the table is not open yet.
func newWorld(t testing.TB, inner objstore.Store, seed uint64) *world {
	w := &world{t: t, ctx: context.Background(), inner: inner, seed: seed, now: time.UnixMilli(1_700_000_000_000)}
	w.fs = faultstore.New(inner, nil)
	w.cat = catalog.NewFiles(w.fs, &catalog.FilesOptions{Pause: 1})
	return w
}

func (w *world) options() *table.Options {
	var mu sync.Mutex
	w.opened++
	r := rand.New(rand.NewPCG(w.seed, 2+w.opened))
	return &table.Options{
		Clock: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			w.now = w.now.Add(time.Second)
			return w.now
		},
		Random: func() uint64 {
			mu.Lock()
			defer mu.Unlock()
			return r.Uint64()
		},
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(version int) error {
	var err error
	w.tab, err = table.Create(w.ctx, w.cat, tableName, schema.MustNew(columns...), &table.CreateOptions{
		Key: []string{"id"}, FormatVersion: version, Options: *w.options(),
	})
	return err
}

func (w *world) open() error {
	var err error
	w.tab, err = table.Open(w.ctx, w.cat, tableName, w.options())
	return err
}

// changes are upserts, or deletes where the value is "".
type changes map[int64]string

func (c changes) keys() []int64 { return slices.Sorted(maps.Keys(c)) }

// applyTo returns rows with the changes made.
func (c changes) applyTo(rows map[int64]string) map[int64]string {
	out := maps.Clone(rows)
	for id, v := range c {
		if v == "" {
			delete(out, id)
		} else {
			out[id] = v
		}
	}
	return out
}

// fill puts changes into a writer.
func (w *world) fill(wr *table.Writer, c changes) error {
	for _, id := range c.keys() {
		var err error
		if c[id] == "" {
			err = wr.Delete(w.ctx, schema.Row{id})
		} else {
			err = wr.Upsert(w.ctx, schema.Row{id, c[id]})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write commits changes, with position of the stream "s" if it is not "".
func (w *world) write(c changes, position string, wo *table.WriterOptions) error {
	wr, err := w.tab.NewWriter(wo)
	if err != nil {
		return err
	}
	defer wr.Close()
	if err := w.fill(wr, c); err != nil {
		return err
	}
	_, err = wr.Commit(w.ctx, at(position))
	return err
}

func at(position string) *table.CommitOptions {
	if position == "" {
		return nil
	}
	return &table.CommitOptions{Positions: map[string]string{"s": position}}
}

// reached is the position of the stream "s".
func (w *world) reached() string {
	p, err := w.tab.Positions()
	w.must(err)
	return p["s"]
}

// rows reads the table as "id=v"; further columns are left out.
func (w *world) rows(ref string) map[int64]string {
	w.t.Helper()
	out, err := readRows(w.ctx, w.tab, ref)
	w.must(err)
	return out
}

func (w *world) fsck(what string) { checkTable(w.t, w.tab, what) }

var schemas = &manifest.Schemas{}

// checkTable runs fsck down to the rows; what the tests' tables may be warned of
// is untidiness that another run of an operation removes.
func checkTable(t testing.TB, tab *table.Table, what string) {
	t.Helper()
	src := tab.Source()
	r, err := fsck.Check(context.Background(), fsck.Source{Store: src.Store, Metadata: src.Metadata}, &fsck.Options{Deep: true, Workers: 1, Schemas: schemas})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// image is what a store holds.
type image []stored

type stored struct {
	uri  string
	data []byte
}

func imageOf(t testing.TB, s objstore.Store) (img image) {
	t.Helper()
	for info, err := range s.List(context.Background(), s.Root()) {
		if err != nil {
			t.Fatal(err)
		}
		data, err := objstore.ReadAll(context.Background(), s, info.URI, 0)
		if err != nil {
			t.Fatal(err)
		}
		img = append(img, stored{info.URI, data})
	}
	return img
}

// store returns a new store that holds the image.
func (img image) store(t testing.TB, root string) objstore.Store {
	t.Helper()
	s := objstore.NewMemory(root)
	for _, o := range img {
		if err := s.Put(context.Background(), o.uri, o.data, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func text(rows map[int64]string) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&b, "%d=%s ", id, rows[id])
	}
	return b.String()
}

// goroutines returns how many goroutines there are once those that are about to
// end have ended; it gives them until the number is no more than want.
func goroutines(want int) int {
	n := runtime.NumGoroutine()
	for i := 0; n > want && i < 100_000; i++ {
		runtime.Gosched()
		n = runtime.NumGoroutine()
	}
	return n
}

// currentSchemaHas reports whether the table has a column.
func currentSchemaHas(m *metadata.Table, column string) bool {
	_, ok := m.CurrentSchema().FieldByName(column)
	return ok
}
