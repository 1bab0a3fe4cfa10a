package cdc_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/cdctest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// counter is a source of n rows of one table, each a transaction.
type counter struct {
	n, at int64
	// stream names it, "s/0" by default.
	stream string
	shape  *cdc.Shape
	tick   func(at int64)
}

func newCounter(n int64, tick func(at int64)) *counter {
	return &counter{n: n, tick: tick, stream: "s/0", shape: &cdc.Shape{
		Columns: []cdc.Column{{Name: "id", Type: schema.Long}}, Key: []string{"id"},
	}}
}

func (c *counter) Next(context.Context) (*cdc.Event, error) {
	if c.at == c.n {
		return nil, io.EOF
	}
	c.at++
	if c.tick != nil {
		c.tick(c.at)
	}
	return &cdc.Event{
		Kind: cdc.KindRow, Table: "s.t", Shape: c.shape, Position: cdc.Position{Stream: c.stream, Offset: c.at}, Rows: c,
	}, nil
}

func (c *counter) AppendRows(b *cdc.Builder) error {
	b.Column(0).AppendInt64(c.at)
	b.EndRow(cdc.OpInsert)
	return nil
}

// pacedCounter says itself whether it is ahead: in its first rows.
type pacedCounter struct {
	*counter
	ahead int64
}

func (p pacedCounter) Ahead() bool { return p.at < p.ahead }

// TestCommitSize: commits grow while the stream is ahead and shrink when it is
// not, within their bounds.
func TestCommitSize(t *testing.T) {
	now := time.Unix(0, 0)
	every := func(d time.Duration) func(int64) { return func(int64) { now = now.Add(d) } }
	for _, c := range []struct {
		name string
		opts cdc.Options
		src  cdc.Source
		want []int64 // rows of each commit
	}{
		{"grows to the bound", cdc.Options{CommitRows: 10, MaxCommitRows: 50}, newCounter(200, nil), []int64{10, 20, 40, 50, 50, 30}},
		{"fixed where it is given", cdc.Options{CommitRows: 60}, newCounter(150, nil), []int64{60, 60, 30}},
		{"slow rows", cdc.Options{CommitRows: 10, MaxCommitRows: 50}, newCounter(45, every(2*time.Second)), []int64{10, 10, 10, 10, 5}},
		{"slows down", cdc.Options{CommitRows: 10, MaxCommitRows: 80}, newCounter(140, func(at int64) {
			if at > 70 {
				now = now.Add(time.Second)
			}
		}), []int64{10, 20, 40, 70}},
		{"interval", cdc.Options{CommitRows: 10, MaxCommitRows: 80, CommitInterval: 5 * time.Second}, newCounter(22, every(time.Second)), []int64{5, 5, 5, 5, 2}},
		{"the source knows", cdc.Options{CommitRows: 10, MaxCommitRows: 80}, pacedCounter{newCounter(150, every(time.Minute)), 60}, []int64{10, 20, 40, 20, 10, 10, 10, 10, 10, 10}},
	} {
		var commits []int64
		last := int64(0)
		c.opts.Clock = func() time.Time { return now }
		c.opts.OnCommit = func(s cdc.Stats) {
			if s.Rows > last {
				commits = append(commits, s.Rows-last)
			}
			last = s.Rows
		}
		if _, err := cdc.Run(context.Background(), c.src, cdctest.NewMemory(), &c.opts); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(commits, c.want) {
			t.Errorf("%s: commits of %v rows, want %v", c.name, commits, c.want)
		}
	}
}

// repeats sends rows again under later offsets, as a snapshot that is begun anew
// does; every id is an insert as far as the source says.
type repeats struct{ *counter }

func (r repeats) Next(ctx context.Context) (*cdc.Event, error) {
	ev, err := r.counter.Next(ctx)
	if ev != nil {
		ev.Rows = r
	}
	return ev, err
}

func (r repeats) AppendRows(b *cdc.Builder) error {
	b.Column(0).AppendInt64(r.at * 7919 % 1009)
	b.EndRow(cdc.OpInsert)
	return nil
}

// stopper is a catalog that a process loses at some commits: before they are made
// or after.
type stopper struct {
	catalog.Catalog
	r    *rand.Rand
	dead bool
}

var errStop = errors.New("killed")

func (s *stopper) CommitTable(ctx context.Context, c catalog.Commit) (*catalog.Entry, error) {
	switch n := s.r.IntN(6); {
	case s.dead || n == 0:
		s.dead = true
		return nil, errStop
	case n == 1:
		if _, err := s.Catalog.CommitTable(ctx, c); err != nil {
			return nil, err
		}
		s.dead = true
		return nil, errors.Join(errStop, catalog.ErrUnknownOutcome)
	}
	return s.Catalog.CommitTable(ctx, c)
}

func (s *stopper) LoadTable(ctx context.Context, id catalog.Identifier) (*catalog.Entry, error) {
	if s.dead {
		return nil, errStop
	}
	return s.Catalog.LoadTable(ctx, id)
}

// TestLoadResumes (X1): an initial load that is killed again and again, before
// and after its commits, with another writer in between, ends with each key
// once.
func TestLoadResumes(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(20) {
		cat := &stopper{Catalog: catalog.NewFiles(objstore.NewMemory("mem://load"), nil), r: rand.New(rand.NewPCG(seed, 1))}
		src := func() cdc.Source { return repeats{newCounter(3000, nil)} }
		runs := 0
		for done := false; !done; runs++ {
			to := &cdc.TablesOptions{Create: table.CreateOptions{FormatVersion: 2 + int(seed%2)}}
			to.Create.Wait = func(context.Context, time.Duration) error { return nil }
			cat.dead = false
			_, err := cdc.Run(ctx, src(), cdc.NewTables(cat, to), &cdc.Options{CommitRows: 100, MaxCommitRows: 400})
			if done = err == nil; !done && !errors.Is(err, errStop) {
				t.Fatal(err)
			}
			if runs%3 == 1 {
				other(t, cat.Catalog)
			}
		}
		tab, err := table.Open(ctx, cat.Catalog, "s.t", nil)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[any]bool{}
		for row, err := range tab.Scan(nil).Rows(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[row[0]] {
				t.Fatalf("seed %d: key %v twice after %d runs", seed, row[0], runs)
			}
			seen[row[0]] = true
		}
		if len(seen) != 1009 {
			t.Errorf("seed %d: %d keys", seed, len(seen))
		}
	}
}

// other commits a row of the load beside it.
func other(t *testing.T, cat catalog.Catalog) {
	t.Helper()
	tab, err := table.Open(t.Context(), cat, "s.t", nil)
	if errors.Is(err, catalog.ErrNotFound) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	w, err := tab.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Upsert(t.Context(), schema.Row{int64(5)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// TestPositionsOfOthers: a commit moves the positions of what was read here only.
// What others moved since the table was opened does not go back.
func TestPositionsOfOthers(t *testing.T) {
	ctx := t.Context()
	cat := catalog.NewFiles(objstore.NewMemory("mem://others"), nil)
	run := func(src cdc.Source) {
		t.Helper()
		if _, err := cdc.Run(ctx, src, cdc.NewTables(cat, nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	open := func() *table.Table {
		t.Helper()
		tab, err := table.Open(ctx, cat, "s.t", nil)
		if err != nil {
			t.Fatal(err)
		}
		return tab
	}
	file := func(stream string) { // of which one is kept, the others are folded
		t.Helper()
		w, err := open().NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := w.Upsert(ctx, schema.Row{int64(1)}); err != nil {
			t.Fatal(err)
		}
		o := &table.CommitOptions{Positions: map[string]string{stream: "7:x"}, Fold: table.Fold{Prefix: "rows:", Keep: 1}}
		if _, err := w.Commit(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	run(newCounter(3, nil))
	file("rows:a")
	slow := newCounter(5, func(at int64) {
		if at == 3 { // it has the table open, and rows of its own
			run(newCounter(8, nil))
			file("rows:b")
		}
	})
	slow.stream = "slow/0"
	run(slow)
	tab := open()
	got, err := tab.Positions()
	if want := map[string]string{"s/0": "8", "slow/0": "5", "rows:b": "7:x"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("positions %v, want %v: %v", got, want, err)
	}
	if known, same, _, err := tab.Folded("rows:", "rows:a", "7:x"); !known || !same || err != nil {
		t.Errorf("the file that was folded meanwhile: known %v, same %v: %v", known, same, err)
	}
}
