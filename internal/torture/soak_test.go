package torture

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

var (
	soakTime = flag.Duration("soak.time", 10*time.Second, "how long TestSoak runs")
	soakRate = flag.Int("soak.rate", 50, "commits a second of TestSoak")
	soakDisk = flag.Bool("soak.disk", false, "on the local disk, not in memory with throttling")
)

// TestSoak (L2) commits at a steady rate beside readers, a compaction that never
// pauses and expiry, on a store that throttles and fails now and then. Between the
// second fifth of the run and the last one goroutines, descriptors and the heap
// stay as they were, and the rows are those of a map.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("the load of TestSoak needs the time that -short does not give")
	}
	s := newSoak(t)
	ctx, stop := context.WithTimeout(context.Background(), *soakTime)
	defer stop()
	idle := goroutines(0)
	var wg sync.WaitGroup
	for _, f := range []func(context.Context){s.compact, s.read, s.read} {
		wg.Go(func() { f(ctx) })
	}
	s.write(ctx)
	wg.Wait()
	s.check(idle)
}

type soak struct {
	t     *testing.T
	inner objstore.Store
	fs    *faultstore.Store
	tab   *table.Table
	r     *rand.Rand

	commits, refused, scans, compactions, failed atomic.Int64
	rows                                         map[int64]string
	measures                                     []measure
}

// smallCache has a cache of manifests that is full soon, so that the heap shows
// what is not bounded.
func smallCache() *table.Options { return &table.Options{Cache: snapshot.NewCache(1 << 20)} }

// measure is what the process holds at one time.
type measure struct {
	goroutines, files int
	heap              int64
}

func newSoak(t *testing.T) *soak {
	s := &soak{t: t, r: rand.New(rand.NewPCG(9, 9)), rows: map[int64]string{}, inner: objstore.NewMemory(root)}
	if *soakDisk {
		var err error
		if s.inner, err = objstore.NewLocal(t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.fs = faultstore.New(s.inner, nil)
	var err error
	s.tab, err = table.Create(context.Background(), catalog.NewFiles(s.fs, nil), tableName, schema.MustNew(columns...), &table.CreateOptions{
		Key: []string{"id"}, FormatVersion: 3, Properties: map[string]string{"write.metadata.previous-versions-max": "20"},
		Options: *smallCache(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.fs.Arm(&faultstore.Plan{Rate: 0.002, Seed: 9, Burst: 3, Modes: []faultstore.Mode{faultstore.Before}, Quiet: true})
	return s
}

// write makes commits until the time is up, at most so many a second.
func (s *soak) write(ctx context.Context) {
	w, err := s.tab.NewWriter(&table.WriterOptions{KeepSnapshots: 20, ExpireGrace: time.Second})
	if err != nil {
		s.t.Error(err)
		return
	}
	defer w.Close()
	tick := time.NewTicker(time.Second / time.Duration(*soakRate))
	defer tick.Stop()
	begin, last := time.Now(), time.Time{}
	for ctx.Err() == nil {
		c := changes{}
		for range 5 {
			c[s.r.Int64N(500)] = fmt.Sprint(s.r.IntN(1000))
		}
		c[s.r.Int64N(500)] = ""
		s.commit(w, c)
		if time.Since(last) > *soakTime/100 && time.Since(begin) > *soakTime/5 {
			last = time.Now()
			s.measures = append(s.measures, measureNow())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// commit tries until it succeeds; what the store refuses is not committed.
func (s *soak) commit(w *table.Writer, c changes) {
	ctx := context.Background()
	for range 50 {
		var err error
		for _, id := range c.keys() {
			if c[id] == "" {
				err = w.Delete(ctx, schema.Row{id})
			} else {
				err = w.Upsert(ctx, schema.Row{id, c[id]})
			}
			if err != nil {
				break
			}
		}
		if err == nil {
			_, err = w.Commit(ctx, nil)
		}
		if err == nil {
			s.commits.Add(1)
			s.rows = c.applyTo(s.rows)
			return
		}
		s.refused.Add(1)
	}
	s.t.Errorf("a commit failed 50 times")
}

func (s *soak) compact(ctx context.Context) {
	tab, err := table.Open(context.Background(), catalog.NewFiles(s.inner, nil), tableName, smallCache())
	if err != nil {
		s.t.Error(err)
		return
	}
	err = compaction.Run(ctx, tab, &compaction.RunnerOptions{
		Interval: 200 * time.Millisecond, ExpireEvery: time.Second,
		Expire: &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{OnlyCount: true, KeepLast: 20}},
		Events: func(e compaction.RunnerEvent) {
			switch e.Kind {
			case "compacted":
				s.compactions.Add(1)
			case "failed":
				s.failed.Add(1)
			}
		},
	})
	if err != nil && ctx.Err() == nil {
		s.t.Errorf("the runner: %v", err)
	}
}

// read scans again and again; a file that is gone means that the snapshot has
// expired under the scan, which begins anew.
func (s *soak) read(ctx context.Context) {
	for ctx.Err() == nil {
		tab, err := table.Open(context.Background(), catalog.NewFiles(s.inner, nil), tableName, nil)
		if err != nil {
			s.t.Error(err)
			return
		}
		switch _, err := readRows(ctx, tab, ""); {
		case err == nil:
			s.scans.Add(1)
		case ctx.Err() == nil && !errors.Is(err, objstore.ErrNotFound):
			s.t.Errorf("a scan: %v", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func measureNow() (m measure) {
	debug.FreeOSMemory() // collects first
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	m.heap, m.goroutines = int64(ms.HeapAlloc), runtime.NumGoroutine()
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		m.files = len(entries)
	}
	return m
}

func (s *soak) check(idle int) {
	t := s.t
	s.fs.Arm(nil)
	if err := s.tab.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	got, err := readRows(context.Background(), s.tab, "")
	if err != nil || !maps.Equal(got, s.rows) {
		t.Errorf("%v\n got %s\nwant %s", err, text(got), text(s.rows))
	}
	checkTable(t, s.tab, "after the soak")
	if s.scans.Load() == 0 || s.compactions.Load() == 0 {
		t.Errorf("scans=%d compactions=%d: the commits had nothing beside them", s.scans.Load(), s.compactions.Load())
	}
	if n := goroutines(idle); n > idle {
		t.Errorf("%d goroutines became %d", idle, n)
	}
	n := len(s.measures)
	if n < 8 {
		t.Fatalf("only %d measurements: the machine was too slow for any commit", n)
	}
	if testing.Verbose() {
		stored, objects := int64(0), 0
		for _, o := range imageOf(t, s.inner) {
			stored, objects = stored+int64(len(o.data)), objects+1
		}
		t.Logf("stored=%dKiB in %d objects, heap by eighths of the time:", stored>>10, objects)
		for i := range 8 {
			t.Logf("  %+v", best(s.measures[i*n/8:(i+1)*n/8]))
		}
	}
	first, last := best(s.measures[:n/4]), best(s.measures[n-n/4:])
	testenv.Figures(t, "ops=%d rate=%.0f/s faults=%d scans=%d compactions=%d (failed %d) goroutines=%d→%d files=%d→%d heap=%dKiB→%dKiB",
		s.commits.Load(), float64(s.commits.Load())/soakTime.Seconds(), s.refused.Load(), s.scans.Load(), s.compactions.Load(), s.failed.Load(),
		first.goroutines, last.goroutines, first.files, last.files, first.heap>>10, last.heap>>10)
	if last.goroutines > first.goroutines+4 || last.files > first.files+4 || last.heap > first.heap+first.heap/2+(8<<20) {
		t.Errorf("it grew: %+v became %+v", first, last)
	}
}

// best is the least of each measure: what is held between the peaks of work.
func best(ms []measure) measure {
	out := ms[0]
	for _, m := range ms {
		out.goroutines, out.files, out.heap = min(out.goroutines, m.goroutines), min(out.files, m.files), min(out.heap, m.heap)
	}
	return out
}
