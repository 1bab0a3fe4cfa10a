package compaction_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/table"
)

// runnerTest is a runner whose pauses end when it is woken.
type runnerTest struct {
	*world
	r      *compaction.Runner
	events chan compaction.RunnerEvent
	done   chan error
	cancel context.CancelFunc
}

func startRunner(w *world, o compaction.RunnerOptions) *runnerTest {
	rt := &runnerTest{world: w, events: make(chan compaction.RunnerEvent), done: make(chan error, 1)}
	var ctx context.Context
	ctx, rt.cancel = context.WithCancel(w.ctx)
	o.Events = func(e compaction.RunnerEvent) {
		select {
		case rt.events <- e:
		case <-ctx.Done():
		}
	}
	if o.Wait == nil {
		o.Wait = func(ctx context.Context, _ time.Duration, wake <-chan struct{}) {
			select {
			case <-wake:
			case <-ctx.Done():
			}
		}
	}
	o.Compact.Share = 1
	rt.r = compaction.NewRunner(w.tab, &o)
	go func() { rt.done <- rt.r.Run(ctx) }()
	return rt
}

// until waits for an event of a kind and returns the kinds before it.
func (rt *runnerTest) until(kind string) (compaction.RunnerEvent, []string) {
	rt.t.Helper()
	var before []string
	for e := range rt.events {
		if e.Kind == "failed" {
			rt.t.Fatal(e.Err)
		}
		if e.Kind == kind {
			return e, before
		}
		before = append(before, e.Kind)
	}
	return compaction.RunnerEvent{}, nil
}

func (rt *runnerTest) end() {
	rt.t.Helper()
	rt.cancel()
	if err := <-rt.done; !errors.Is(err, context.Canceled) {
		rt.t.Error(err)
	}
}

// TestRunner wakes, pauses and resumes a runner, and reads its figures.
func TestRunner(t *testing.T) {
	w := newWorld(t, worldOptions{version: 3, seed: 3})
	rt := startRunner(w, compaction.RunnerOptions{Compact: compaction.Options{MinInputFiles: 2}})
	rt.until("idle")
	for range 5 {
		w.write(table.EncodingPosition, w.random(20, 40)) // through another open table
	}
	rt.r.Wake()
	if e, _ := rt.until("compacted"); e.Report.FilesRewritten == 0 {
		t.Errorf("%+v", *e.Report)
	}
	rt.until("idle")
	rt.r.Pause()
	rt.r.Wake()
	rt.until("paused")
	if !rt.r.Stats().Paused {
		t.Error("not paused")
	}
	for range 5 {
		w.write(table.EncodingPosition, w.random(20, 40))
	}
	rt.r.Resume()
	rt.until("compacted")
	rt.until("idle")
	rt.end()
	s := rt.r.Stats()
	if s.Rounds < 4 || s.Commits < 2 || s.FilesRewritten < 4 || s.BytesRead == 0 || s.BytesWritten == 0 || s.Failures != 0 || s.Busy <= 0 || s.Paused {
		t.Errorf("%+v", s)
	}
	w.check("after")
}

// TestRunnerWatches: a commit through the same open table wakes the runner; its
// own commits do not.
func TestRunnerWatches(t *testing.T) {
	w := newWorld(t, worldOptions{version: 3, seed: 4})
	rt := startRunner(w, compaction.RunnerOptions{Compact: compaction.Options{MinInputFiles: 2}})
	rt.until("idle")
	w.rival = w.tab
	w.write(table.EncodingPosition, w.random(20, 40))
	rt.until("idle")
	w.write(table.EncodingPosition, w.random(20, 40))
	rt.until("compacted")
	rt.until("idle")
	select {
	case e := <-rt.events:
		t.Errorf("woken by itself: %s", e.Kind)
	default:
	}
	rt.end()
	w.check("after")
}

// TestRunnerFreshness: equality deletes become positions before any file is
// rewritten.
func TestRunnerFreshness(t *testing.T) {
	for _, version := range []int{2, 3} {
		w := newWorld(t, worldOptions{version: version, seed: 5})
		for range 6 {
			w.write(table.EncodingEquality, w.random(30, 60))
		}
		rt := startRunner(w, compaction.RunnerOptions{Compact: compaction.Options{MinInputFiles: 2}})
		e, before := rt.until("converted")
		if len(before) > 0 || e.Report.FilesConverted == 0 || e.Report.FilesRewritten > 0 || e.Report.After.EqualityFiles > 0 && e.Report.Commits == 0 {
			t.Errorf("v%d: after %v: %+v", version, before, *e.Report)
		}
		rt.until("compacted")
		rt.until("idle")
		rt.end()
		w.check("after")
	}
}

// TestRunnerPressure: writers are held up while a partition has too many files,
// no longer than allowed, until compaction has caught up; never while the runner
// is paused.
func TestRunnerPressure(t *testing.T) {
	w := newWorld(t, worldOptions{version: 2, seed: 6})
	var held []time.Duration
	o := compaction.RunnerOptions{
		MaxFiles: 4, MaxDeletes: 1000, MaxPause: 300 * time.Millisecond, Compact: compaction.Options{MinInputFiles: 100},
		Wait: func(ctx context.Context, d time.Duration, wake <-chan struct{}) {
			if d <= 300*time.Millisecond {
				held = append(held, d)
				return
			}
			select {
			case <-wake:
			case <-ctx.Done():
			}
		},
	}
	rt := startRunner(w, o)
	rt.until("idle")
	if p := rt.r.Pressure(); p != 0 {
		t.Errorf("pressure %v on an empty table", p)
	}
	w.rival = w.tab
	for i := range 12 {
		w.must(rt.r.Throttle(w.ctx))
		if rt.r.Pressure() > 1 { // which has it look
			rt.until("idle")
		}
		w.write(table.EncodingPosition, map[int64]string{int64(i): "x"}) // a data file each, nothing deleted
		rt.until("idle")
		if p := rt.r.Pressure(); p != float64(i+1)/4 {
			t.Errorf("%d files: pressure %v", i+1, p)
		}
	}
	// Pressures 1.25, 1.5 and so on: 50, 100, … milliseconds, at most 300.
	if want := []time.Duration{50, 100, 150, 200, 250, 300, 300}; len(held) != len(want) {
		t.Errorf("held up %v", held)
	} else {
		for i := range want {
			if held[i] != want[i]*time.Millisecond {
				t.Errorf("held up %v", held)
			}
		}
	}
	rt.r.Pause()
	held = nil
	w.must(rt.r.Throttle(w.ctx))
	if held != nil {
		t.Errorf("held up %v while paused", held)
	}
	rt.r.Resume()
	w.compact(nil) // by hand
	for range 3 {  // looks that were due before may come first
		rt.r.Wake()
		rt.until("idle")
	}
	w.must(rt.r.Throttle(w.ctx))
	if p := rt.r.Pressure(); p != 0.25 || held != nil {
		t.Errorf("pressure %v, held up %v, after a compaction", p, held)
	}
	rt.end()
	w.check("after")
}
