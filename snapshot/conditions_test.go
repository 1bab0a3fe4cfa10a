package snapshot

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
)

// Each case starts from a table with files a (partition 1) and b (partition 2),
// commits what happened meanwhile, and then tries an operation made from the
// start.
func TestConditions(t *testing.T) {
	type changes func(w *world) Changes
	appendTo := func(p float64) changes {
		return func(w *world) Changes { return Changes{AddData: files(w.data("new", 5, p))} }
	}
	positions := func(ref string, p float64) changes {
		return func(w *world) Changes { return Changes{AddDeletes: files(w.positions("pd", ref, 1, p))} }
	}
	equality := func(p float64) changes {
		return func(w *world) Changes { return Changes{AddDeletes: files(w.equality("eq", 1, p))} }
	}
	remove := func(path string) changes {
		return func(w *world) Changes { return Changes{RemoveData: files(w.file(path))} }
	}
	rewrite := func(path string) changes {
		return func(w *world) Changes {
			f := w.file(path)
			c := *f
			c.Path += "2"
			return Changes{Operation: metadata.OpReplace, RemoveData: files(f), AddData: files(&c)}
		}
	}
	rewriteAtStart := func(path string) changes {
		return func(w *world) Changes {
			c := rewrite(path)(w)
			c.DataSequence = ptr(int64(1))
			return c
		}
	}
	deletes := func(ref string) changes {
		return func(w *world) Changes { return Changes{AddDeletes: files(w.positions("mine", ref, 1, 1))} }
	}
	none := Conditions{}
	for _, c := range []struct {
		name      string
		meanwhile []changes
		op        changes
		cond      Conditions
		conflict  string // part of the error, "" none
	}{
		{"append over append", []changes{appendTo(1)}, appendTo2, none, ""},
		{"delete of a file removed", []changes{remove("a")}, deletes("a"), Conditions{DataFilesExist: []string{"a"}}, "a is not live"},
		{"delete of a file rewritten", []changes{rewrite("a")}, deletes("a"), Conditions{DataFilesExist: []string{"a"}}, "a is not live"},
		{"delete of another file", []changes{rewrite("a")}, deletes("b"), Conditions{DataFilesExist: []string{"b"}}, ""},
		{"rewrite over append", []changes{appendTo(1)}, rewrite("a"), none, ""},
		{"rewrite of a file removed", []changes{remove("a")}, rewrite("a"), none, "a is not live"},
		{"rewrite over equality delete", []changes{equality(1)}, rewrite("a"), none, "eq, which deletes rows of a"},
		{"rewrite at its start over equality delete", []changes{equality(1)}, rewriteAtStart("a"), Conditions{IgnoreEqualityDeletes: true}, ""},
		{"rewrite over equality delete elsewhere", []changes{equality(2)}, rewrite("a"), none, ""},
		{"rewrite over position delete", []changes{positions("a", 1)}, rewriteAtStart("a"), Conditions{IgnoreEqualityDeletes: true}, "pd, which deletes rows of a"},
		{"rewrite over partition's position delete", []changes{positions("", 1)}, rewrite("a"), none, "pd, which deletes rows of a"},
		{"rewrite over others' position delete", []changes{positions("b", 2)}, rewrite("a"), none, ""},
		{"rewrite that carries deletes over", []changes{positions("", 1)}, rewrite("a"), Conditions{IgnoreDeletes: true}, ""},
		{"rewrite over rewrite of another", []changes{rewrite("b")}, rewrite("a"), none, ""},
		{"deletes watched by path", []changes{appendTo(2), positions("a", 1)}, appendTo2, Conditions{NoNewDeletesFor: []string{"a"}}, "pd, which deletes rows of a"},
		{"equality deletes watched by path", []changes{equality(1)}, appendTo2, Conditions{NoNewDeletesFor: []string{"a"}}, "eq, which deletes rows of a"},
		{"deletes of others by path", []changes{positions("b", 2)}, appendTo2, Conditions{NoNewDeletesFor: []string{"a"}}, ""},
		{"no new data", []changes{appendTo(1)}, appendTo2, Conditions{NoNewData: true}, "added data file new"},
		{"no new data but a rewrite", []changes{rewrite("b")}, appendTo2, Conditions{NoNewData: true}, ""},
		{"no new data and none", nil, appendTo2, Conditions{NoNewData: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 2, true, nil)
			w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 10, 2))})
			start := w.table
			op := c.op(w)
			for _, m := range c.meanwhile {
				w.commit(m(w))
			}
			before := w.live()
			c.cond.FromSnapshot = &start.Current().ID
			_, err := w.commitIf(op, c.cond)
			switch {
			case c.conflict == "" && err != nil:
				t.Errorf("%v", err)
			case c.conflict != "" && (!errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), c.conflict)):
				t.Errorf("%v, want a conflict: %s", err, c.conflict)
			case c.conflict != "" && w.live() != before:
				t.Error("a conflict changed the table")
			}
		})
	}
}

func appendTo2(w *world) Changes { return Changes{AddData: files(w.data("mine", 5, 2))} }

// Invariant 7: a rewrite at its starting sequence number may ignore newer
// equality deletes, never newer position deletes or deletion vectors.
func TestInvariant7RewriteAndConcurrentDeletes(t *testing.T) {
	w := newWorld(t, 3, true, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 10, 1))})
	from := w.table.Current().ID
	rewrite := Changes{Operation: metadata.OpReplace, RemoveData: files(w.file("a")), AddData: files(w.data("a2", 10, 1)), DataSequence: ptr(int64(1))}
	cond := Conditions{FromSnapshot: &from, IgnoreEqualityDeletes: true}
	w.commit(Changes{AddDeletes: files(w.dv("p", "b", 4, 4, 1, 1), w.equality("eq", 1, 1))})
	start := w.table
	if _, err := w.commitIf(rewrite, cond); err != nil {
		t.Fatal(err)
	}
	if d, err := index(t, w).For(find(w, "a2")); err != nil || len(d.Equality) != 1 {
		t.Errorf("the equality delete is lost: %+v %v", d, err)
	}
	w.table = start
	w.commit(Changes{AddDeletes: files(w.dv("q", "a", 4, 4, 1, 1))})
	if _, err := w.commitIf(rewrite, cond); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "q, which deletes rows of a") {
		t.Errorf("rewrite over a new deletion vector: %v", err)
	}
}

// Invariant 17: a file path is live at most once.
func TestInvariant17PathLiveOnce(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 0))})
	w.commit(Changes{AddData: files(w.data("b", 10, 0))})
	if _, err := w.commitIf(Changes{AddData: files(w.data("c", 1, 0), w.data("c", 1, 0))}, Conditions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("twice in one commit: %v", err)
	}
	again := Changes{AddData: files(w.data("c", 1, 0), w.data("a", 10, 0))}
	if _, err := w.commitIf(again, Conditions{PathsUnused: true}); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "file a is in the table") {
		t.Errorf("live already: %v", err)
	}
	w.commit(Changes{RemoveData: files(w.file("a"))})
	if _, err := w.commitIf(again, Conditions{PathsUnused: true}); err != nil {
		t.Errorf("removed before: %v", err)
	}
	w.wantLive("a@4 b@2 c@4")
}

func TestConditionsNeedHistory(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	s1 := w.commit(Changes{AddData: files(w.data("a", 10, 0))})
	s2 := w.commit(Changes{AddData: files(w.data("b", 10, 0))})
	w.commit(Changes{AddData: files(w.data("c", 10, 0))})
	add := Changes{AddData: files(w.data("d", 10, 0))}
	if _, err := w.commitIf(add, Conditions{FromSnapshot: ptr(int64(4711))}); !errors.Is(err, ErrConflict) {
		t.Errorf("snapshot that never was: %v", err)
	}
	full := w.table
	w.change(metadata.RemoveSnapshots{IDs: []int64{s1.ID}})
	if _, err := w.commitIf(add, Conditions{FromSnapshot: &s1.ID, NoNewData: true}); !errors.Is(err, ErrConflict) {
		t.Errorf("start expired: %v", err)
	}
	if _, err := w.commitIf(add, Conditions{NoNewData: true}); !errors.Is(err, ErrConflict) {
		t.Errorf("history cut off: %v", err)
	}
	w.table = full
	// Rolled back: the start is in the table, but not behind the head.
	w.change(metadata.SetRef{Name: metadata.MainBranch, Ref: metadata.Ref{SnapshotID: s1.ID, Type: "branch"}})
	if _, err := w.commitIf(add, Conditions{FromSnapshot: &s2.ID}); !errors.Is(err, ErrConflict) {
		t.Errorf("start rolled back: %v", err)
	}
	empty := newWorld(t, 2, false, nil)
	if _, err := empty.commitIf(Changes{AddData: files(empty.data("a", 1, 0))}, Conditions{NoNewData: true}); err != nil {
		t.Errorf("empty table: %v", err)
	}
	if _, err := newWorld(t, 2, false, nil).commitIf(Changes{}, Conditions{FromSnapshot: ptr(int64(1))}); !errors.Is(err, ErrConflict) {
		t.Errorf("start in an empty table: %v", err)
	}
}

func TestConditionCheckRunsEveryAttempt(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	n := 0
	stop := errors.New("stop")
	p := w.producer(Changes{AddData: files(w.data("a", 1, 0))}, Conditions{Check: func(_ context.Context, _ *metadata.Table, head *metadata.Snapshot) error {
		if n++; head != nil {
			return stop
		}
		return nil
	}})
	if _, err := p.Apply(context.Background(), w.table, ""); err != nil {
		t.Fatal(err)
	}
	w.commit(Changes{AddData: files(w.data("b", 1, 0))})
	if _, err := p.Apply(context.Background(), w.table, ""); !errors.Is(err, stop) || n != 2 {
		t.Errorf("%v after %d checks", err, n)
	}
}

func TestChangedFiles(t *testing.T) {
	w := newWorld(t, 2, false, map[string]string{"commit.manifest.min-count-to-merge": "2"})
	s1 := w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	w.commit(Changes{AddData: files(w.data("b", 1, 0))})
	s3 := w.commit(Changes{AddData: files(w.data("c", 1, 0)), RemoveData: files(w.file("a"))})
	list := func(from *int64) string {
		var out []string
		for c, err := range ChangedFiles(context.Background(), w.store, w.table, from, s3.ID, nil) {
			if err != nil {
				return err.Error()
			}
			sign := map[manifest.Status]string{manifest.StatusAdded: "+", manifest.StatusDeleted: "-"}[c.Entry.Status]
			out = append(out, sign+c.Entry.File.Path)
		}
		return strings.Join(out, " ")
	}
	if got := list(nil); got != "+a +b +c -a" {
		t.Errorf("all: %s", got)
	}
	if got := list(&s1.ID); got != "+b +c -a" {
		t.Errorf("after the first: %s", got)
	}
	if got := list(&s3.ID); got != "" {
		t.Errorf("after the last: %s", got)
	}
	if got := list(ptr(int64(99))); !strings.Contains(got, "not an ancestor") {
		t.Errorf("unknown: %s", got)
	}
}
