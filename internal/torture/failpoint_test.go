package torture

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/table"
)

// TestFailurePoints are the named failure points F1 to F7, F9 and F11: every
// operation that comes by one fails there by a crash, an error, and an error
// after which nobody knows. F8, F10, F13 and F14 have tests of their own; F12 is
// the REST catalog's; F6 on a local disk is objstore's TestPowerLoss.
func TestFailurePoints(t *testing.T) {
	clean := []faultstore.Mode{faultstore.Before, faultstore.Crash}
	after := []faultstore.Mode{faultstore.After, faultstore.CrashAfter}
	all := append(append([]faultstore.Mode{faultstore.Unknown}, clean...), after...)
	points := []struct {
		name, kind string
		modes      []faultstore.Mode
	}{
		{"F1 during a data file", "data", all},
		{"F2 between data and delete files", "deletes", clean},
		{"F3 during a delete file or vector", "deletes", append([]faultstore.Mode{faultstore.Unknown}, after...)},
		{"F4 before a manifest", "manifest", clean},
		{"F4 after a manifest", "manifest", after},
		{"F5 before the manifest list", "list", clean},
		{"F5 after the manifest list", "list", after},
		{"F6 before the metadata", "metadata", []faultstore.Mode{faultstore.Before, faultstore.Crash, faultstore.Unknown, faultstore.Late}},
		{"F7 metadata put, reply lost", "metadata", after},
		{"F7a metadata put twice", "metadata", []faultstore.Mode{faultstore.Twice}},
		{"F9 before the version hint", "hint", clean},
		{"F9 after the version hint", "hint", append([]faultstore.Mode{faultstore.Torn}, after...)},
		{"F11 during the deletes after a commit", "remove", all},
	}
	for _, p := range points {
		t.Run(p.name, func(t *testing.T) {
			cases := 0
			for _, op := range operations() {
				if op.version < 0 || testing.Short() && op.name != "upsert" && op.name != "upsert and expire" {
					continue
				}
				s := newSingle(t, op, cmp.Or(op.version, 3))
				for _, c := range s.clean() {
					if kind(c) != p.kind {
						continue
					}
					for _, m := range p.modes {
						plan := faultstore.Plan{Faults: []faultstore.Fault{{Call: c.N, Mode: m}}}
						s.try(&plan, s.name()+plan.String())
						cases++
					}
					break // the first; TestEveryFault has the others
				}
			}
			if cases == 0 {
				t.Error("no operation comes by here")
			}
			testenv.Figures(t, "faults=%d", cases)
		})
	}
}

// TestF8Paused: a writer pauses before its swap, or just after it, while others
// commit 50 times, and goes on.
func TestF8Paused(t *testing.T) {
	for _, at := range []string{"metadata", "hint"} {
		for _, version := range []int{2, 3} {
			s := newSingle(t, operation{name: "none"}, version)
			w := s.world()
			once := sync.Once{}
			w.fs.Arm(&faultstore.Plan{Rate: 1, Modes: []faultstore.Mode{faultstore.Delay}, OnDelay: func(_ context.Context, c faultstore.Call) {
				if kind(c) == at {
					once.Do(func() {
						rival := newWorld(t, w.inner, 8)
						w.must(rival.open())
						for i := range 50 {
							w.must(rival.write(changes{int64(200 + i): "rival", 1: fmt.Sprint("rival ", i)}, "", &table.WriterOptions{KeepSnapshots: -1}))
						}
					})
				}
			}})
			w.must(w.write(upserts, "2", &table.WriterOptions{KeepSnapshots: -1}))
			w.fs.Arm(nil)
			w.must(w.open())
			want := upserts.applyTo(s.before)
			if at == "hint" { // the rival came after the swap
				want[1] = "rival 49"
			}
			for i := range 50 {
				want[int64(200+i)] = "rival"
			}
			if got := w.rows(""); !maps.Equal(got, want) {
				t.Errorf("v%d, paused before the %s:\n got %s\nwant %s", version, at, text(got), text(want))
			}
			w.fsck("paused")
			w.must(w.write(changes{1: "on"}, "3", nil))
		}
	}
}

// TestF10Cleanup: an attempt meets a conflict, and the writer dies in the middle
// of deleting what the attempt had written, or cannot delete.
func TestF10Cleanup(t *testing.T) {
	for _, mode := range []faultstore.Mode{faultstore.Before, faultstore.Unknown, faultstore.After, faultstore.Crash, faultstore.CrashAfter} {
		for nth := 1; nth <= 4; nth++ {
			s := newSingle(t, operation{name: "none"}, 2+nth%2)
			w := s.world()
			deletes, lost := 0, false
			store := &onCall{Store: w.inner, before: func(op faultstore.Op, uri string) error {
				if lost {
					return faultstore.ErrCrashed
				}
				if op != faultstore.OpDelete {
					return nil
				}
				if deletes++; deletes < nth {
					return nil
				}
				lost = mode == faultstore.Crash || mode == faultstore.CrashAfter
				if mode == faultstore.After || mode == faultstore.CrashAfter {
					_ = w.inner.Delete(w.ctx, uri)
				}
				return faultstore.ErrInjected
			}}
			cat := &beforeSwap{Catalog: catalog.NewFiles(store, nil)}
			mine := newWorld(t, store, 4)
			mine.cat = cat
			w.must(mine.open())
			cat.once = func() {
				rival := newWorld(t, w.inner, 8)
				w.must(rival.open())
				w.must(rival.write(changes{2: "rival", 4: ""}, "", nil))
			}
			err := mine.write(upserts, "2", nil)
			lost = false
			mine.cat = catalog.NewFiles(w.inner, nil)
			w.must(mine.open())
			want := changes{2: "rival", 4: ""}.applyTo(s.before)
			if mine.reached() == "2" {
				want = upserts.applyTo(want)
			}
			if err == nil && mine.reached() != "2" {
				t.Errorf("%s at delete %d: reported committed, and is not", mode, nth)
			}
			if got := mine.rows(""); !maps.Equal(got, want) {
				t.Errorf("%s at delete %d (%v):\n got %s\nwant %s", mode, nth, err, text(got), text(want))
			}
			mine.fsck(fmt.Sprintf("%s at delete %d", mode, nth))
		}
	}
}

// beforeSwap calls once before the next commit.
type beforeSwap struct {
	catalog.Catalog
	once func()
}

func (c *beforeSwap) CommitTable(ctx context.Context, cm catalog.Commit) (*catalog.Entry, error) {
	if f := c.once; f != nil {
		c.once = nil
		f()
	}
	return c.Catalog.CommitTable(ctx, cm)
}

// onCall is a store that calls before every put, close and delete.
type onCall struct {
	objstore.Store
	before func(op faultstore.Op, uri string) error
}

func (s *onCall) Put(ctx context.Context, uri string, data []byte, o *objstore.PutOptions) error {
	if err := s.before(faultstore.OpPut, uri); err != nil {
		return err
	}
	return s.Store.Put(ctx, uri, data, o)
}

func (s *onCall) Delete(ctx context.Context, uri string) error {
	if err := s.before(faultstore.OpDelete, uri); err != nil {
		return err
	}
	return s.Store.Delete(ctx, uri)
}

// TestF13Order: when a version of the metadata is put, everything that its
// snapshots refer to is there already.
func TestF13Order(t *testing.T) {
	versions := 0
	for _, op := range operations() {
		if op.version < 0 {
			continue
		}
		s := newSingle(t, op, max(2, op.version))
		w := s.world()
		var mu sync.Mutex
		w.fs.Arm(&faultstore.Plan{Rate: 1, Modes: []faultstore.Mode{faultstore.Delay}, OnDelay: func(_ context.Context, c faultstore.Call) {
			// One call after the put nothing else can have been written.
			mu.Lock()
			defer mu.Unlock()
			if kind(c) == "hint" {
				versions++
				complete(t, w, op.name)
			}
		}})
		for _, err := range s.op.run(w) {
			w.must(err)
		}
		w.fs.Arm(nil)
	}
	if versions < 20 {
		t.Errorf("only %d versions were looked at", versions)
	}
}

// complete checks that all a table refers to exists.
func complete(t *testing.T, w *world, what string) {
	t.Helper()
	m := newWorld(t, w.inner, 6)
	w.must(m.open())
	for _, s := range m.tab.Metadata().Snapshots {
		data, err := objstore.ReadAll(w.ctx, w.inner, s.ManifestList, 0)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		files, err := manifest.ReadList(data)
		w.must(err)
		for _, f := range files {
			if !w.has(f.Path) {
				t.Errorf("%s: %s is not there yet", what, f.Path)
			}
		}
	}
	if _, err := readRows(w.ctx, m.tab, ""); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// TestF14Clock: the clock jumps a day back, and forth, between commits. Times of
// snapshots and of the logs never decrease, and nothing is lost or expired for it.
func TestF14Clock(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, objstore.NewMemory(root), 1)
		w.must(w.create(version))
		want := map[int64]string{}
		for i, jump := range []time.Duration{0, -24 * time.Hour, time.Hour, -time.Minute, 48 * time.Hour, -72 * time.Hour, 1} {
			w.now = w.now.Add(jump)
			c := changes{int64(i): "x", 100: fmt.Sprint(i)}
			w.must(w.write(c, fmt.Sprint(i), nil))
			want = c.applyTo(want)
			m := w.tab.Metadata()
			last := int64(0)
			for _, l := range m.SnapshotLog {
				if l.TimestampMS < last {
					t.Errorf("v%d, after a jump of %v: the snapshot log goes back by %d ms", version, jump, last-l.TimestampMS)
				}
				last = l.TimestampMS
			}
			if m.LastUpdatedMS < last {
				t.Errorf("v%d, after a jump of %v: last-updated is %d ms before the last snapshot", version, jump, last-m.LastUpdatedMS)
			}
			last = 0
			for _, l := range m.MetadataLog {
				if l.TimestampMS < last {
					t.Errorf("v%d, after a jump of %v: the metadata log goes back by %d ms", version, jump, last-l.TimestampMS)
				}
				last = l.TimestampMS
			}
			if got := w.rows(""); !maps.Equal(got, want) {
				t.Errorf("v%d: rows %s, want %s", version, text(got), text(want))
			}
		}
		if n := len(w.tab.Metadata().Snapshots); n != 7 {
			t.Errorf("v%d: %d snapshots of 7 are left", version, n)
		}
		w.fsck(fmt.Sprint("v", version))
	}
}
