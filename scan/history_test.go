package scan_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// bag counts rows by their text.
type bag map[string]int

func (b bag) add(row string, n int) {
	if b[row] += n; b[row] == 0 {
		delete(b, row)
	}
}

// bagOf reads a scan into a bag.
func bagOf(t testing.TB, r scan.Reader) bag {
	t.Helper()
	out := bag{}
	s, err := r.Schema()
	if err != nil {
		t.Fatal(err)
	}
	enc := rowjson.NewEncoder(s, rowjson.Canonical)
	for b, err := range r.Batches(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(b.NumRows()) {
			out.add(string(enc.AppendRow(nil, b, i)), 1)
		}
	}
	return out
}

// evolving is a table that random upserts, schema and spec changes, and
// compactions go over.
type evolving struct {
	t   *testing.T
	ctx context.Context
	r   *rand.Rand
	tab *table.Table
	n   int // columns added
}

func newEvolving(t *testing.T, seed uint64) *evolving {
	t.Helper()
	e := &evolving{t: t, ctx: context.Background(), r: rand.New(rand.NewPCG(seed, 7))}
	var err error
	e.tab, err = table.Create(e.ctx, catalog.NewFiles(objstore.NewMemory("mem://lake"), nil), "a.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Int, Required: true},
		schema.Field{ID: 2, Name: "v", Type: schema.Int},
		schema.Field{ID: 3, Name: "s", Type: schema.String},
		schema.Field{ID: 4, Name: "p", Type: schema.Int}),
		&table.CreateOptions{Key: []string{"id"}, FormatVersion: 2 + e.r.IntN(2)})
	e.must(err)
	return e
}

func (e *evolving) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *evolving) row(id int32) schema.Row {
	s := e.tab.Schema()
	row := make(schema.Row, len(s.Fields))
	for i, f := range s.Fields {
		switch {
		case f.ID == 1:
			row[i] = id
		case f.Type.Kind == schema.KindString:
			row[i] = fmt.Sprint("s", e.r.IntN(3))
		case e.r.IntN(4) > 0:
			row[i] = e.r.IntN(4)
		}
	}
	return row
}

// write commits random changes of keys; equality deletes need the table to keep
// its spec, which the writer sees to.
func (e *evolving) write(branch string) {
	o := &table.WriterOptions{KeepSnapshots: -1, Branch: branch}
	if e.r.IntN(2) == 0 {
		o.Encoding = table.EncodingEquality
	}
	w, err := e.tab.NewWriter(o)
	e.must(err)
	defer w.Close()
	for range 1 + e.r.IntN(30) {
		id := int32(e.r.IntN(60))
		if e.r.IntN(4) == 0 {
			e.must(w.Delete(e.ctx, schema.Row{id}))
		} else {
			e.must(w.Upsert(e.ctx, e.row(id)))
		}
	}
	_, err = w.Commit(e.ctx, nil)
	e.must(err)
}

func (e *evolving) evolve() {
	e.must(e.tab.Evolve(e.ctx, func(ev *schema.Evolution) error {
		e.n++
		switch e.r.IntN(5) {
		case 0:
			return nil
		case 1:
			if f, _ := e.tab.Schema().FieldByID(2); f != nil && f.Type.Kind == schema.KindInt {
				return ev.Widen(f.Name, schema.Long)
			}
			return nil
		case 2:
			f, _ := e.tab.Schema().FieldByID(3)
			return ev.Rename(f.Name, fmt.Sprint("s", e.n))
		case 3:
			if f, _ := e.tab.Schema().FieldByID(4); f != nil && e.tab.Metadata().DefaultSpec().IsUnpartitioned() {
				return ev.Drop(f.Name)
			}
			return nil
		}
		return ev.Add("", schema.Field{Name: fmt.Sprint("n", e.n), Type: schema.Int})
	}, nil))
}

func (e *evolving) respec() {
	_, _, err := e.tab.CommitUpdates(e.ctx, func(base *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		m := base.Metadata
		if !m.DefaultSpec().IsUnpartitioned() {
			return []metadata.Update{metadata.SetDefaultSpec{SpecID: 0}}, nil, nil
		}
		spec := partition.Spec{Fields: []partition.Field{{SourceIDs: []int{1}, Name: "id_b", Transform: partition.ParseTransform("bucket[3]")}}}
		return []metadata.Update{metadata.AddSpec{Spec: spec}, metadata.SetDefaultSpec{SpecID: metadata.LastAdded}}, nil, nil
	})
	e.must(err)
}

// step makes a random change and returns the snapshots of main.
func (e *evolving) step() {
	switch e.r.IntN(10) {
	case 0, 1:
		e.evolve()
	case 2:
		e.respec()
	case 3:
		_, err := compaction.Compact(e.ctx, e.tab, &compaction.Options{MinInputFiles: 2})
		e.must(err)
	default:
		e.write("")
	}
}

// Between any two snapshots, over schema and spec changes and compactions, the
// changes lead from the rows of one to those of the other, net or commit by
// commit, paired or not; net changes also backwards and between branches.
func TestChangesBetweenAnySnapshots(t *testing.T) {
	for _, seed := range seeds(t, 3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			e := newEvolving(t, seed)
			for range 12 {
				e.step()
			}
			if e.tab.Metadata().Current() == nil {
				return
			}
			e.must(e.tab.CreateBranch(e.ctx, "side", nil))
			e.write("side")
			e.write("")
			e.write("side")
			all := e.tab.Metadata().Snapshots
			for range 10 {
				from, to := &all[e.r.IntN(len(all))], &all[e.r.IntN(len(all))]
				e.compare(from, to, &scan.ChangesOptions{From: &from.ID, To: &to.ID, Net: true})
				if e.tab.Metadata().IsAncestor(from.ID, to.ID) {
					e.compare(from, to, &scan.ChangesOptions{From: &from.ID, To: &to.ID})
					e.compare(from, to, &scan.ChangesOptions{From: &from.ID, To: &to.ID, Updates: true})
				}
				e.compare(nil, to, &scan.ChangesOptions{To: &to.ID, Updates: e.r.IntN(2) == 0})
			}
			head := e.tab.Metadata().RefSnapshot("side")
			side := scan.Changes(e.tab.Source(), &scan.ChangesOptions{Ref: "side"})
			if got, want := applied(t, bag{}, side, 0, false), e.rows(head, nil); !maps.Equal(got, want) {
				t.Errorf("the branch's changes make %v, want %v", got, want)
			}
		})
	}
}

// rows are those of a snapshot, read by the schema of snapshot as, nil for the
// current one.
func (e *evolving) rows(s, as *metadata.Snapshot) bag {
	e.t.Helper()
	if s == nil {
		return bag{}
	}
	src := e.tab.Source()
	o := &scan.Options{SnapshotID: &s.ID, UseCurrentSchema: as == nil}
	if as != nil { // by way of the metadata with that schema as the current one
		m := *src.Metadata
		m.CurrentSchemaID, o.UseCurrentSchema = src.Metadata.SnapshotSchema(as).ID, true
		src.Metadata = &m
	}
	return bagOf(e.t, scan.New(src, o))
}

// compare applies changes to the rows of from, which must make those of to.
func (e *evolving) compare(from, to *metadata.Snapshot, o *scan.ChangesOptions) {
	e.t.Helper()
	as := to
	if from != nil && !e.tab.Metadata().IsAncestor(from.ID, to.ID) {
		as = nil
	}
	want := e.rows(to, as)
	got := applied(e.t, e.rows(from, as), scan.Changes(e.tab.Source(), o), to.ID, o.Net)
	if !maps.Equal(got, want) {
		e.t.Fatalf("%+v: %d rows, want %d\n got %v\nwant %v", *o, len(got), len(want), slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// applied applies changes to rows. With net no row may go and come.
func applied(t testing.TB, rows bag, c *scan.ChangeScan, to int64, net bool) bag {
	t.Helper()
	s, err := c.Schema()
	if err != nil {
		t.Fatal(err)
	}
	n := len(s.Fields) - 3
	plain, err := schema.New(0, s.Fields[:n], nil)
	if err != nil {
		t.Fatal(err)
	}
	gone, came := bag{}, bag{}
	var before schema.Row
	ordinal := int32(0)
	for row, err := range c.Rows(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := schema.RowsToBatch(plain, []schema.Row{row[:n]}, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := string(rowjson.NewEncoder(plain, rowjson.Canonical).AppendRow(nil, b, 0))
		kind, at := row[n].(string), row[n+1].(int32)
		if at < ordinal || net && (at != 0 || row[n+2] != to) {
			t.Fatalf("change %v after one of ordinal %d", row, ordinal)
		}
		ordinal = at
		switch scan.ChangeType(kind) {
		case scan.Insert, scan.UpdateAfter:
			came.add(text, 1)
			rows.add(text, 1)
		case scan.Delete, scan.UpdateBefore:
			gone.add(text, 1)
			rows.add(text, -1)
		default:
			t.Fatalf("change type %q", kind)
		}
		if after := kind == string(scan.UpdateAfter); after != (before != nil) || after && before[0] != row[0] {
			t.Fatalf("%v follows %v", row, before)
		}
		before = nil
		if kind == string(scan.UpdateBefore) {
			before = slices.Clone(row)
		}
	}
	for text := range gone {
		if net && came[text] > 0 {
			t.Fatalf("%s goes and comes in net changes", text)
		}
	}
	return rows
}

func TestAppends(t *testing.T) {
	e := newEvolving(t, 1)
	add := func(from, to int32) *metadata.Snapshot {
		t.Helper()
		w, err := e.tab.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
		e.must(err)
		defer w.Close()
		for id := from; id < to; id++ {
			e.must(w.Append(e.ctx, e.row(id)))
		}
		s, err := w.Commit(e.ctx, nil)
		e.must(err)
		return s
	}
	read := func(o *scan.AppendsOptions) []int64 {
		t.Helper()
		var out []int64
		for row, err := range e.tab.Appends(o).Rows(e.ctx) {
			e.must(err)
			out = append(out, int64(row[0].(int32)))
		}
		return out
	}
	a, b := add(0, 3), add(3, 5)
	_, err := compaction.Compact(e.ctx, e.tab, &compaction.Options{MinInputFiles: 2})
	e.must(err)
	e.evolve()
	c := add(5, 6)
	ordered := scan.Options{Ordered: true}
	for _, x := range []struct {
		o    *scan.AppendsOptions
		want string
	}{
		{&scan.AppendsOptions{Options: ordered}, "[0 1 2 3 4 5]"},
		{&scan.AppendsOptions{Options: ordered, From: &a.ID}, "[3 4 5]"},
		{&scan.AppendsOptions{Options: scan.Options{Ordered: true, SnapshotID: &b.ID}, From: &a.ID}, "[3 4]"},
		{&scan.AppendsOptions{Options: scan.Options{Ordered: true, Limit: 1}, From: &a.ID}, "[3]"},
		{&scan.AppendsOptions{From: &c.ID}, "[]"},
	} {
		if got := fmt.Sprint(read(x.o)); got != x.want {
			t.Errorf("%+v: %s, want %s", *x.o, got, x.want)
		}
	}
	w, err := e.tab.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
	e.must(err)
	defer w.Close()
	e.must(w.Delete(e.ctx, schema.Row{int32(4)}))
	_, err = w.Commit(e.ctx, nil)
	e.must(err)
	add(7, 8)
	if _, err := e.tab.Appends(nil).Schema(); !errors.Is(err, scan.ErrNotAppend) {
		t.Errorf("a delete among the appends: %v", err)
	}
	if got := fmt.Sprint(read(&scan.AppendsOptions{Options: ordered, From: &a.ID, SkipOthers: true})); got != "[3 4 5 7]" {
		t.Errorf("over the delete: %s", got)
	}
	e.must(e.tab.Rollback(e.ctx, a.ID))
	if _, err := e.tab.Appends(&scan.AppendsOptions{From: &c.ID}).Schema(); !errors.Is(err, scan.ErrExpired) {
		t.Errorf("from a snapshot rolled back: %v", err)
	}
}

// Appends leave out manifests and files whose partitions the filter rules out,
// without statistics too.
func TestAppendsPruned(t *testing.T) {
	b := newBuilder(t, 2, schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long},
		schema.Field{ID: 2, Name: "p", Type: schema.Int}), partition.Identity("p"))
	file := func(p int32) *manifest.DataFile {
		f := b.data(partition.Tuple{p}, []schema.Row{{int64(p), p}})
		f.Metrics = manifest.Metrics{}
		return f
	}
	beside := file(3)
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{file(1), beside}})
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{file(2)}})
	manifests, err := snapshot.Manifests(b.ctx, b.store, b.meta, b.meta.Current(), nil)
	if err != nil {
		t.Fatal(err)
	}
	newest := manifests[slices.IndexFunc(manifests, func(f *manifest.File) bool { return f.AddedSnapshotID == b.meta.Current().ID })].Path
	for _, path := range []string{newest, beside.Path} {
		store := &openCounter{Store: b.store, uri: path}
		src := b.source()
		src.Store = store
		got := bagOf(t, scan.Appends(src, &scan.AppendsOptions{Options: scan.Options{Filter: expr.Eq("p", int32(1))}}))
		if len(got) != 1 || store.opens.Load() != 0 {
			t.Errorf("rows %v; %s was opened %d times", got, path, store.opens.Load())
		}
	}
}

func TestFollow(t *testing.T) {
	e := newEvolving(t, 2)
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	waits := 0
	o := &scan.FollowOptions{Changes: scan.ChangesOptions{Updates: true}}
	o.Wait = func(ctx context.Context, d time.Duration, _ <-chan struct{}) error {
		if d != time.Second {
			t.Errorf("waits for %s", d)
		}
		switch waits++; waits {
		case 1, 3:
			e.write("")
			e.write("")
		case 2:
			_, err := compaction.Compact(ctx, e.tab, &compaction.Options{MinInputFiles: 2})
			e.must(err)
		case 4:
			cancel()
		}
		return ctx.Err()
	}
	rows := bag{}
	incs := 0
	var last *int64
	for inc, err := range e.tab.Follow(ctx, o) {
		if errors.Is(err, context.Canceled) {
			break
		}
		e.must(err)
		if incs++; incs > 1 && (inc.From == nil || *inc.From == inc.To.ID) {
			t.Errorf("increment from %v to %d", inc.From, inc.To.ID)
		}
		rows = applied(t, rows, inc.Reader.(*scan.ChangeScan), inc.To.ID, false)
		last = &inc.To.ID
	}
	if want := e.rows(e.tab.Metadata().Current(), nil); incs != 2 || waits != 4 || !maps.Equal(rows, want) {
		t.Errorf("%d increments, %d waits, rows %v, want %v", incs, waits, rows, want)
	}

	first := e.tab.Metadata().Snapshots[0].ID
	e.must(e.tab.Rollback(e.ctx, first))
	var gap *scan.GapError
	for _, err := range e.tab.Follow(e.ctx, &scan.FollowOptions{Changes: scan.ChangesOptions{From: last}}) {
		if !errors.As(err, &gap) || !errors.Is(err, scan.ErrExpired) || gap.Expired || gap.Last != *last || gap.Head != first {
			t.Fatalf("after a roll-back: %v", err)
		}
	}
	e.write("")
	_, err := compaction.Expire(e.ctx, e.tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{IDs: []int64{*last}}})
	e.must(err)
	for _, err := range e.tab.Follow(e.ctx, &scan.FollowOptions{Changes: scan.ChangesOptions{From: last}}) {
		if !errors.As(err, &gap) || !gap.Expired || gap.Last != *last || gap.Head != e.tab.Metadata().Current().ID {
			t.Fatalf("after expiry: %v", err)
		}
	}
}

// A commit wakes a follower that would sleep for a day.
func TestFollowWake(t *testing.T) {
	e := newEvolving(t, 3)
	wake := make(chan struct{}, 1)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(e.ctx)
	go func() {
		for inc, err := range e.tab.Follow(ctx, &scan.FollowOptions{Appends: true, SkipOthers: true, Poll: 24 * time.Hour, Wake: wake}) {
			if err == nil {
				_, err = inc.Schema()
			}
			done <- err
		}
	}()
	e.write("")
	wake <- struct{}{}
	e.must(<-done)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
