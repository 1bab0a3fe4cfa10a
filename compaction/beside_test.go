package compaction_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestNeverLoses: 20 of 20 compactions commit beside a writer that never pauses
// and commits between the plan and the commit of each, and the rows are those of
// a map.
func TestNeverLoses(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version, seed: 9})
		f := startFeed(w)
		done, carried, lost := 0, int64(0), 0
		rounds := 20
		if testing.Short() {
			rounds = 4
		}
		for range rounds {
			f.grant(4)
			f.await(2)
			first := true
			w.cat.before = func(catalog.Commit) error {
				if first {
					first = false
					f.await(1)
				}
				return nil
			}
			rep, err := compaction.Compact(w.ctx, w.tab, &compaction.Options{MaxRounds: 1, DeleteRatio: 0.001})
			if err != nil || rep.Commits == 0 {
				t.Errorf("compaction: %v %+v", err, rep)
				continue
			}
			done++
			carried += rep.Carried
			lost += rep.GivenUp
		}
		w.cat.before = nil
		f.stop()
		w.check("after")
		t.Logf("v%d: %d of %d compactions committed beside %d commits; %d rows carried over, %d given up", version, done, rounds, f.commits.Load(), carried, lost)
		if carried == 0 {
			t.Error("no deletes were carried over: were the writer and the compactions at work at a time?")
		}
	}
}

// feed is a writer that commits without a pause.
type feed struct {
	w       *world
	commits atomic.Int64
	tick    *sync.Cond
	// granted is how many commits it may make in all, under -short: there the race
	// detector makes an attempt of a compaction slower than a commit, and the
	// writer, which is another process here, would never let one through.
	granted int64
	quit    atomic.Bool
	wg      sync.WaitGroup
}

func startFeed(w *world) *feed {
	f := &feed{w: w, tick: sync.NewCond(&sync.Mutex{})}
	rival, err := table.Open(w.ctx, w.cat.Catalog, "c.t", nil)
	w.must(err)
	f.wg.Go(func() {
		defer func() { f.quit.Store(true); f.tick.Broadcast() }()
		if err := f.run(rival); err != nil {
			w.t.Error(err)
		}
	})
	return f
}

func (f *feed) run(rival *table.Table) error {
	r := rand.New(rand.NewPCG(10, 10))
	wr, err := rival.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
	if err != nil {
		return err
	}
	defer wr.Close()
	for !f.quit.Load() {
		for range 200 {
			id, v := r.Int64N(20_000), fmt.Sprint(r.IntN(1000))
			if err := wr.Upsert(f.w.ctx, schema.Row{id, v}); err != nil {
				return err
			}
			f.w.rows[id] = v
		}
		if _, err := wr.Commit(f.w.ctx, nil); err != nil {
			return err
		}
		f.tick.L.Lock()
		f.commits.Add(1)
		f.tick.Broadcast()
		for testing.Short() && f.commits.Load() >= f.granted && !f.quit.Load() {
			f.tick.Wait()
		}
		f.tick.L.Unlock()
	}
	return nil
}

// grant allows n more commits under -short.
func (f *feed) grant(n int64) {
	f.tick.L.Lock()
	f.granted = f.commits.Load() + n
	f.tick.L.Unlock()
	f.tick.Broadcast()
}

// await returns when n more commits were made.
func (f *feed) await(n int64) {
	f.tick.L.Lock()
	defer f.tick.L.Unlock()
	until := f.commits.Load() + n
	f.granted = max(f.granted, until)
	f.tick.Broadcast()
	for f.commits.Load() < until && !f.quit.Load() {
		f.tick.Wait()
	}
}

func (f *feed) stop() {
	f.tick.L.Lock()
	f.quit.Store(true)
	f.tick.L.Unlock()
	f.tick.Broadcast()
	f.wg.Wait()
}

// TestSingleFaults makes every store call of a compaction that carries deletes
// over fail in every mode: what it says happened is what happened, the rows are
// the same in any case, and it succeeds on a healed store.
func TestSingleFaults(t *testing.T) {
	for _, version := range []int{2, 3} {
		clean := newFaultWorld(t, version)
		before := clean.fs.Calls()
		clean.must(clean.beside())
		calls := clean.fs.Calls() - before
		cases, unknown := 0, 0
		for n := int64(1); n <= calls; n++ {
			for _, mode := range faultstore.Modes() {
				f := newFaultWorld(t, version)
				f.fs.Arm(&faultstore.Plan{Faults: []faultstore.Fault{{Call: n, Mode: mode}}})
				err := f.beside()
				f.fs.Arm(nil)
				if errors.Is(err, catalog.ErrUnknownOutcome) {
					unknown++
				}
				f.reopen()
				f.check(fmt.Sprintf("v%d call %d %v (%v)", version, n, mode, err))
				f.compact(nil)
				f.check(fmt.Sprintf("v%d call %d %v, compacted again", version, n, mode))
				cases++
			}
			if testing.Short() {
				n += 6
			}
		}
		t.Logf("v%d: calls=%d cases=%d unknown=%d", version, calls, cases, unknown)
	}
}

type faultWorld struct {
	*world
	fs *faultstore.Store
}

// newFaultWorld has a rival whose store is sound.
func newFaultWorld(t *testing.T, version int) *faultWorld {
	inner := objstore.NewMemory("mem://compaction")
	fs := faultstore.New(inner, nil)
	f := &faultWorld{world: newWorld(t, worldOptions{version: version, store: fs, seed: 12}), fs: fs}
	var err error
	f.rival, err = table.Open(f.ctx, catalog.NewFiles(inner, nil), "c.t", &table.Options{Clock: f.clock})
	f.must(err)
	for range 2 {
		f.write(table.EncodingPosition, f.random(20, 40))
	}
	f.write(table.EncodingEquality, f.random(20, 40))
	return f
}

// beside compacts while the rival deletes rows.
func (f *faultWorld) beside() error {
	f.between(func() { f.write(table.EncodingPosition, f.random(10, 40)) })
	defer func() { f.cat.before = nil }()
	_, err := compaction.Compact(f.ctx, f.tab, &compaction.Options{MaxRounds: 1})
	return err
}

func (f *faultWorld) reopen() {
	var err error
	f.tab, err = table.Open(f.ctx, f.cat.Catalog, "c.t", nil)
	f.must(err)
}
