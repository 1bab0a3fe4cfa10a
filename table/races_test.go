package table_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// interloper lets something happen between a writer's last look at the table and
// its swap.
type interloper struct {
	catalog.Catalog
	before func() // called once, before the next commit
}

func (c *interloper) CommitTable(ctx context.Context, cm catalog.Commit) (*catalog.Entry, error) {
	if f := c.before; f != nil {
		c.before = nil
		f()
	}
	return c.Catalog.CommitTable(ctx, cm)
}

// race is a table under two processes: ours commits through the interloper.
type race struct {
	t           *testing.T
	ctx         context.Context
	cat         *interloper
	ours, rival *table.Table
	// wo are the options of our commits.
	wo *table.WriterOptions
}

func newRace(t *testing.T, version int, off string) *race {
	t.Helper()
	files := catalog.NewFiles(objstore.NewMemory("mem://race"), nil)
	r := &race{t: t, ctx: context.Background(), cat: &interloper{Catalog: files}}
	opts := &table.CreateOptions{Key: []string{"id"}, FormatVersion: version}
	table.SwitchOff(&opts.Options, off)
	var err error
	r.ours, err = table.Create(r.ctx, r.cat, "r.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "v", Type: schema.String}), opts)
	r.must(err)
	r.put(r.ours, nil, "1=a", "2=a", "3=a", "4=a")
	r.rival, err = table.Open(r.ctx, files, "r.t", nil)
	r.must(err)
	return r
}

func (r *race) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// stage flushes changes "id=value", or "id" for a delete.
func (r *race) stage(tab *table.Table, changes ...string) *table.Staged {
	r.t.Helper()
	w, err := tab.NewWriter(nil)
	r.must(err)
	defer w.Close()
	r.change(w, changes...)
	s, err := w.Flush(r.ctx)
	r.must(err)
	return s
}

func (r *race) change(w *table.Writer, changes ...string) {
	r.t.Helper()
	for _, c := range changes {
		var id int64
		_, err := fmt.Sscan(strings.Split(c, "=")[0], &id)
		r.must(err)
		if _, v, ok := strings.Cut(c, "="); ok {
			r.must(w.Upsert(r.ctx, schema.Row{id, v}))
		} else {
			r.must(w.Delete(r.ctx, schema.Row{id}))
		}
	}
}

func (r *race) put(tab *table.Table, wo *table.WriterOptions, changes ...string) {
	r.t.Helper()
	if wo == nil && tab == r.ours {
		wo = r.wo
	}
	_, err := tab.CommitStaged(r.ctx, []*table.Staged{r.stage(tab, changes...)}, wo, nil)
	r.must(err)
}

func (r *race) rows() string {
	r.t.Helper()
	r.must(r.ours.Refresh(r.ctx))
	var out []string
	for row, err := range r.ours.Scan(nil).Rows(r.ctx) {
		r.must(err)
		out = append(out, fmt.Sprintf("%v=%v", row[0], row[1]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// races are the ways in which what a writer found out can be stale when it
// commits. check is the safety check whose absence each must notice.
var races = []struct {
	name, check string
	run         func(r *race)
	want        string
}{
	{
		name: "a rival inserts a key that was absent", check: "catch up with rivals",
		run: func(r *race) {
			r.cat.before = func() { r.put(r.rival, nil, "9=rival") }
			r.put(r.ours, nil, "9=ours")
		},
		want: "1=a 2=a 3=a 4=a 9=ours",
	},
	{
		name: "a rival's upsert moves the row", check: "catch up with rivals",
		run: func(r *race) {
			r.cat.before = func() { r.put(r.rival, nil, "2=rival") }
			r.put(r.ours, nil, "2=ours")
		},
		want: "1=a 2=ours 3=a 4=a",
	},
	{
		name: "the file is rewritten", check: "catch up with rivals",
		run: func(r *race) {
			r.cat.before = func() {
				// Every row of the one file is replaced, so that it goes and its rows are
				// in another.
				r.put(r.rival, nil, "1=b", "2=b", "3=b", "4=b")
			}
			r.put(r.ours, nil, "2=ours", "3")
		},
		want: "1=b 2=ours 4=b",
	},
	{
		name: "a rival deletes another row of the file", check: "union of deletion vectors",
		run: func(r *race) {
			r.cat.before = func() { r.put(r.rival, nil, "1") }
			r.put(r.ours, nil, "2=ours")
		},
		want: "2=ours 3=a 4=a",
	},
	{
		name: "another engine takes deletes back", check: "rows undeleted by others",
		run: func(r *race) {
			r.put(r.ours, nil, "2", "3")
			r.cat.before = func() {
				r.put(r.rival, nil, "9=x")
				r.dropDeletes()
			}
			r.put(r.ours, nil, "2=ours", "1=ours", "4=ours")
		},
		want: "1=ours 2=ours 3=a 4=ours 9=x",
	},
	{
		name: "a rival inserts a key that the filter had ruled out (U3)", check: "filter of the table's own head",
		run: func(r *race) {
			r.cat.before = func() { r.put(r.rival, nil, "9=rival", "8=rival") }
			r.put(r.ours, nil, "9=ours", "2=ours")
		},
		want: "1=a 2=ours 3=a 4=a 8=rival 9=ours",
	},
	{
		name: "the same with equality deletes (U3)", check: "filter of the table's own head",
		run: func(r *race) {
			r.cat.before = func() { r.put(r.rival, nil, "9=rival", "8=rival") }
			w, err := r.ours.NewWriter(&table.WriterOptions{Encoding: table.EncodingEquality})
			r.must(err)
			defer w.Close()
			r.change(w, "9=ours", "9=again", "2=ours", "7=new", "7")
			_, err = w.Commit(r.ctx, nil)
			r.must(err)
		},
		want: "1=a 2=ours 3=a 4=a 8=rival 9=again",
	},
	{
		name: "one key in two staged sets", check: "keys across staged sets",
		run: func(r *race) {
			first, second := r.stage(r.ours, "7=first", "2=first"), r.stage(r.ours, "7=second", "3=second")
			_, err := r.ours.CommitStaged(r.ctx, []*table.Staged{first, second}, r.wo, nil)
			r.must(err)
		},
		want: "1=a 2=first 3=second 4=a 7=second",
	},
}

// TestRaces runs every race with all checks on, and again with its check off,
// when it must come out wrong: else it would prove nothing.
func TestRaces(t *testing.T) {
	for _, c := range races {
		for _, version := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s/v%d", c.name, version), func(t *testing.T) {
				r := newRace(t, version, "")
				c.run(r)
				if got := r.rows(); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
				if version == 2 && c.check == "union of deletion vectors" {
					return // version 2 has no vectors
				}
				r = newRace(t, version, c.check)
				c.run(r)
				if got := r.rows(); got == c.want {
					t.Errorf("comes out right with the check %q off", c.check)
				}
			})
		}
	}
}

// TestUpgradeUnderWriter (K6): the table becomes one of format version 3 between
// a writer's look and its swap: its deletes become vectors.
func TestUpgradeUnderWriter(t *testing.T) {
	r := newRace(t, 2, "")
	r.put(r.ours, nil, "1=b")
	r.cat.before = func() { r.update(metadata.UpgradeFormatVersion{Version: 3}) }
	r.put(r.ours, nil, "1=c", "2", "9=x")
	if got := r.rows(); got != "1=c 3=a 4=a 9=x" {
		t.Errorf("rows %s", got)
	}
	if n := r.ours.Metadata().Current().Summary["frazil.keys.vector"]; n != "1" {
		t.Errorf("summary %v", r.ours.Metadata().Current().Summary)
	}
}

// TestFencing (X2): a writer with an older epoch is refused once a newer one
// has committed, also when that happens between its look and its swap.
func TestFencing(t *testing.T) {
	for _, off := range []string{"", "fencing"} {
		r := newRace(t, 2, off)
		writer := func(tab *table.Table, epoch int64) *table.Writer {
			w, err := tab.NewWriter(&table.WriterOptions{ID: "sink", Epoch: epoch})
			r.must(err)
			return w
		}
		old, young := writer(r.ours, 1), writer(r.rival, 2)
		r.must(old.Upsert(r.ctx, schema.Row{int64(1), "old"}))
		_, err := old.Commit(r.ctx, nil)
		r.must(err)
		r.cat.before = func() {
			r.must(young.Upsert(r.ctx, schema.Row{int64(1), "young"}))
			_, err := young.Commit(r.ctx, nil)
			r.must(err)
		}
		r.must(old.Upsert(r.ctx, schema.Row{int64(1), "zombie"}))
		_, err = old.Commit(r.ctx, nil)
		if refused := errors.Is(err, table.ErrFenced); refused != (off == "") {
			t.Errorf("with check off %q: %v", off, err)
		}
		if off == "" && r.rows() != "1=young 2=a 3=a 4=a" {
			t.Errorf("rows %s", r.rows())
		}
	}
}

// TestPositions (X3): positions survive other engines' commits and the expiry of
// our snapshots by others; where they can no longer be shown to be right, the
// writer stops.
func TestPositions(t *testing.T) {
	for _, off := range []string{"", "positions of an ancestor"} {
		r := newRace(t, 2, off)
		w, err := r.ours.NewWriter(nil)
		r.must(err)
		r.must(w.Upsert(r.ctx, schema.Row{int64(1), "b"}))
		ours, err := w.Commit(r.ctx, &table.CommitOptions{Positions: map[string]string{"s/0": "41"}})
		r.must(err)
		position := func() string {
			p, err := r.ours.Positions()
			if err != nil {
				return errors.Unwrap(errors.Unwrap(err)).Error()
			}
			return p["s/0"]
		}
		foreign := func(parent int64) int64 {
			m := r.ours.Metadata()
			snap := *m.Snapshot(parent)
			id := snap.ID + 1
			snap.ID, snap.ParentID, snap.SequenceNumber, snap.Summary = id, &parent, m.LastSequenceNumber+1, map[string]string{"engine-name": "other"}
			r.update(metadata.AddSnapshot{Snapshot: snap}, metadata.SetRef{Name: "main", Ref: metadata.Ref{SnapshotID: id, Type: "branch"}})
			return id
		}
		next := foreign(ours.ID)
		if got := position(); got != "41" {
			t.Errorf("after another engine's commit: %s", got)
		}
		r.update(metadata.RemoveSnapshots{IDs: []int64{ours.ID}})
		if got := position(); got != "41" {
			t.Errorf("after another engine expired our snapshot: %s", got)
		}
		last := foreign(next)
		_ = last
		r.update(metadata.RemoveSnapshots{IDs: []int64{next}})
		_, err = r.ours.Positions()
		if unknown := errors.Is(err, table.ErrPositionsUnknown); unknown != (off == "") {
			t.Errorf("with check off %q, after the link is gone: %v", off, err)
		}
		if off != "" {
			continue
		}
		r.must(w.Upsert(r.ctx, schema.Row{int64(1), "c"}))
		if _, err := w.Commit(r.ctx, &table.CommitOptions{Positions: map[string]string{"s/0": "42"}}); !errors.Is(err, table.ErrPositionsUnknown) {
			t.Errorf("commit on unknown positions: %v", err)
		}
		r.must(r.ours.ResetPositions(r.ctx, map[string]string{"s/0": "40"}))
		if got := position(); got != "40" {
			t.Errorf("after the reset: %s", got)
		}
	}
}

// update commits metadata updates as another engine would.
func (r *race) update(updates ...metadata.Update) {
	r.t.Helper()
	id, err := catalog.ParseIdentifier("r.t")
	r.must(err)
	_, err = r.cat.CommitTable(r.ctx, catalog.Commit{ID: id, Updates: updates})
	r.must(err)
	r.must(r.ours.Refresh(r.ctx))
}

// TestPositionsOfRivals: an append that has to be tried again carries the
// positions that the rival has committed meanwhile.
func TestPositionsOfRivals(t *testing.T) {
	r := newRace(t, 2, "")
	commit := func(tab *table.Table, id int64, stream string) {
		w, err := tab.NewWriter(nil)
		r.must(err)
		defer w.Close()
		r.must(w.Append(r.ctx, schema.Row{id, "x"}))
		_, err = w.Commit(r.ctx, &table.CommitOptions{Positions: map[string]string{stream: "7"}})
		r.must(err)
	}
	r.cat.before = func() { commit(r.rival, 20, "theirs") }
	commit(r.ours, 21, "ours")
	p, err := r.ours.Positions()
	r.must(err)
	if p["ours"] != "7" || p["theirs"] != "7" {
		t.Errorf("positions %v", p)
	}
}
