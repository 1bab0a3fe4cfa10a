package table

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// beforeCommit is a catalog that calls before every commit.
type beforeCommit struct {
	catalog.Catalog
	before func(c catalog.Commit)
}

func (b *beforeCommit) CommitTable(ctx context.Context, c catalog.Commit) (*catalog.Entry, error) {
	if b.before != nil {
		b.before(c)
	}
	return b.Catalog.CommitTable(ctx, c)
}

// turnWorld is a table, and a writer of another process whose pauses are counted
// and do what the test says.
type turnWorld struct {
	t      *testing.T
	ctx    context.Context
	cat    *beforeCommit
	tab    *Table
	writer *Writer
	waited time.Duration
	pause  func()
	rows   int64
}

func newTurnWorld(t *testing.T) *turnWorld {
	w := &turnWorld{t: t, ctx: context.Background()}
	files := catalog.NewFiles(objstore.NewMemory("mem://turn"), &catalog.FilesOptions{Pause: 1})
	w.cat = &beforeCommit{Catalog: files}
	s := schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true})
	var err error
	w.tab, err = Create(w.ctx, w.cat, "n.t", s, &CreateOptions{Key: []string{"id"}})
	w.must(err)
	other, err := Open(w.ctx, files, "n.t", &Options{Wait: func(_ context.Context, d time.Duration) error {
		if w.waited += d; w.pause != nil {
			w.pause()
		}
		return nil
	}})
	w.must(err)
	w.writer, err = other.NewWriter(nil)
	w.must(err)
	t.Cleanup(func() { w.writer.Close() })
	return w
}

func (w *turnWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *turnWorld) write() {
	w.t.Helper()
	w.rows++
	w.must(w.writer.Upsert(w.ctx, schema.Row{w.rows}))
	_, err := w.writer.Commit(w.ctx, nil)
	w.must(err)
}

// property returns the turn in the metadata.
func (w *turnWorld) property() string {
	w.t.Helper()
	w.must(w.tab.Refresh(w.ctx))
	return w.tab.Metadata().Property(turnProperty, "")
}

func (w *turnWorld) set(value string) {
	w.t.Helper()
	w.must(w.tab.SetProperties(w.ctx, map[string]string{turnProperty: value}, nil))
	w.must(w.writer.t.Refresh(w.ctx))
}

// TestTurnWaits: a writer waits until a turn is gone, and no longer.
func TestTurnWaits(t *testing.T) {
	w := newTurnWorld(t)
	w.set("a 10000")
	n := 0
	w.pause = func() {
		if n++; n == 3 {
			w.must(w.tab.SetProperties(w.ctx, nil, []string{turnProperty}))
		}
	}
	w.write()
	if n != 3 {
		t.Errorf("%d pauses", n)
	}
}

// TestTurnLasts: a turn whose owner died is waited for once, as long as it says
// but never longer than the writer thinks right, and then removed. What is no
// turn delays nobody.
func TestTurnLasts(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"dead 1000": time.Second, "forever 999999999999": maxTurn, "": 0, "x": 0, "x y": 0, "x -5": 0, "x 99999999999999999999": 0,
	} {
		w := newTurnWorld(t)
		w.write()
		w.set(value)
		w.waited = 0
		w.write()
		if w.waited < want || w.waited > want+maxTurnPoll {
			t.Errorf("%q: waited %v, want %v", value, w.waited, want)
		}
		if p := w.property(); want > 0 && p != "" {
			t.Errorf("%q: %q is left", value, p)
		}
		w.waited = 0
		if w.write(); w.waited != 0 {
			t.Errorf("%q: waited again", value)
		}
	}
}

// TestTurnOfRewrite: a rewrite that loses every attempt asks for a turn, after
// which the writer lets it through; nothing of the turn is left, whether it
// commits, has nothing to commit any more, or fails.
func TestTurnOfRewrite(t *testing.T) {
	for _, end := range []string{"commit", "nothing", "failure", "updates"} {
		w := newTurnWorld(t)
		w.write()
		fail := fmt.Errorf("failed on purpose")
		attempts, turns := 0, 0
		inside := false
		w.cat.before = func(c catalog.Commit) {
			for _, u := range c.Updates {
				if p, ok := u.(metadata.SetProperties); ok && p.Properties[turnProperty] != "" {
					turns++
					return
				}
			}
			if inside {
				return
			}
			if id, _ := turnOf(c.Base.Metadata); id == "" {
				inside = true // the writer is faster, unless asked
				w.write()
				inside = false
			}
		}
		what := func(base *RewriteBase) (*snapshot.Changes, error) {
			attempts++
			id, _ := turnOf(base.Metadata)
			switch {
			case id != "" && end == "nothing":
				return nil, nil
			case id != "" && end == "failure":
				return nil, fail
			}
			return &snapshot.Changes{Summary: map[string]string{"n": fmt.Sprint(attempts)}}, nil
		}
		var err error
		if end == "updates" {
			_, _, err = w.tab.CommitUpdates(w.ctx, func(base *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
				attempts++
				id := base.Metadata.Current().ID
				return []metadata.Update{metadata.SetProperties{Properties: map[string]string{"p": "v"}}},
					[]metadata.Requirement{metadata.AssertRefSnapshot{Ref: metadata.MainBranch, SnapshotID: &id}}, nil
			})
		} else {
			_, err = w.tab.CommitRewrite(w.ctx, Rewrite{Changes: func(_ context.Context, base *RewriteBase) (*snapshot.Changes, error) { return what(base) }})
		}
		if (err != nil) != (end == "failure") {
			t.Errorf("%s: %v", end, err)
		}
		if attempts != patience+1 || turns != 1 {
			t.Errorf("%s: %d attempts, %d turns", end, attempts, turns)
		}
		w.cat.before = nil
		if p := w.property(); p != "" {
			t.Errorf("%s: turn %q is left", end, p)
		}
		w.waited = 0
		if w.write(); w.waited != 0 {
			t.Errorf("%s: the writer waited %v for nothing", end, w.waited)
		}
	}
}
