package compaction

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/table"
)

// RunnerOptions configure a Runner; nil and zero fields mean the documented
// default.
type RunnerOptions struct {
	// Compact says what a round does. The runner sets Tiered; MinInputFiles is 4,
	// DeleteRatio 0.2 and MaxBytes 1 GiB by default. Of its Share (here 0.5 by default) and
	// BytesPerSecond all rounds together make use.
	Compact Options
	// Interval is the longest time between two looks at the table; default 1
	// minute. Commits through the same open table, and Wake, make it look sooner.
	Interval time.Duration
	// Expire, when not nil, expires snapshots every ExpireEvery (default 1 hour).
	Expire      *ExpireOptions
	ExpireEvery time.Duration
	// MaxFiles and MaxDeletes are how many small data files, and how many files of
	// equality or position deletes, a partition may have at a Pressure of 1;
	// default 1000 and 200. Deletion vectors do not count: there is one a data
	// file at most.
	MaxFiles, MaxDeletes int
	// MaxPause bounds what Throttle holds up one commit; default 1 second.
	MaxPause time.Duration
	// Events are called as things happen, from the goroutine of Run.
	Events func(RunnerEvent)
	// Wait pauses until ctx ends, d is over or wake is signalled; default a timer.
	Wait func(ctx context.Context, d time.Duration, wake <-chan struct{})
}

// RunnerEvent tells what a Runner has done.
type RunnerEvent struct {
	// Kind is "idle" (nothing to do), "converted" (equality deletes), "compacted",
	// "expired", "paused" or "failed".
	Kind   string
	Report *Report
	Expire *ExpireReport
	Err    error
	Took   time.Duration
}

// RunnerStats are what a Runner has done so far.
type RunnerStats struct {
	// Rounds are looks at the table; Commits those it made, GivenUp rewrites that
	// others got in the way of, Failures rounds that ended in an error.
	Rounds, Commits, GivenUp, Failures int64
	FilesRewritten, FilesAdded         int64
	FilesConverted, DeletesRemoved     int64
	RowsWritten, Carried               int64
	BytesRead, BytesWritten            int64
	// Busy is the time that rounds took, pauses to keep to the share included.
	Busy time.Duration
	// Throttled is the time that writers were held up.
	Throttled time.Duration
	// Pressure as of the last look and the commits seen since.
	Pressure float64
	// Paused tells whether Pause is in force.
	Paused bool
}

// Runner keeps one table in good shape in the background, beside its writers,
// in this process or others. What makes reads slowest goes first: equality
// deletes become positions before anything is rewritten. It can be interrupted
// at any point: every commit it makes stands by itself, and files that it did
// not commit are orphans.
type Runner struct {
	t    *table.Table
	o    RunnerOptions
	wake chan struct{}
	// relief is signalled when the pressure falls.
	relief chan struct{}
	pace   *pacer

	pressure pressure
	paused   atomic.Bool
	mu       sync.Mutex // guards resume and stats
	resume   chan struct{}
	stats    RunnerStats

	seen    int64 // head snapshot after the last round
	expired time.Time
}

// NewRunner returns a runner; nothing happens before Run. t must not be used for
// anything that minds refreshes. A writer of t in this process shares its queue
// of commits with the runner, and wakes it.
func NewRunner(t *table.Table, opts *RunnerOptions) *Runner {
	r := &Runner{t: t, wake: make(chan struct{}, 1), relief: make(chan struct{}, 1), resume: make(chan struct{})}
	close(r.resume)
	if opts != nil {
		r.o = *opts
	}
	set(&r.o.Interval, time.Minute)
	set(&r.o.ExpireEvery, time.Hour)
	set(&r.o.MaxFiles, 1000)
	set(&r.o.MaxDeletes, 200)
	set(&r.o.MaxPause, time.Second)
	c := &r.o.Compact
	set(&c.Branch, metadata.MainBranch)
	set(&c.MinInputFiles, 4)
	set(&c.DeleteRatio, 0.2)
	set(&c.MaxBytes, 1<<30)
	set(&c.Share, 0.5)
	c.Tiered = true
	r.pace = newPacer(c.Share, c.BytesPerSecond)
	c.pace = r.pace
	r.pressure.maxFiles, r.pressure.maxDeletes = float64(r.o.MaxFiles), float64(r.o.MaxDeletes)
	if r.o.Wait == nil {
		r.o.Wait = waitOrWake
	}
	return r
}

// Run runs NewRunner(t, opts) until ctx ends.
func Run(ctx context.Context, t *table.Table, opts *RunnerOptions) error {
	return NewRunner(t, opts).Run(ctx)
}

func waitOrWake(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// Wake makes the runner look at the table now, as after a commit of another
// process. It never blocks and may be called by anyone.
func (r *Runner) Wake() { signal(r.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Pause keeps the runner from beginning another round until Resume; the one in
// progress ends. Writers are not throttled meanwhile.
func (r *Runner) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.paused.Swap(true) {
		r.resume = make(chan struct{})
		signal(r.relief)
	}
}

// Resume ends a pause.
func (r *Runner) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused.Swap(false) {
		close(r.resume)
	}
}

// Stats returns what was done so far. It may be called at any time.
func (r *Runner) Stats() RunnerStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Pressure, s.Paused = r.pressure.value(), r.paused.Load()
	return s
}

// Run works until ctx ends, and returns its error, or until the table is gone.
// Other errors are told as events and tried again. Call it once.
func (r *Runner) Run(ctx context.Context) error {
	defer r.t.Watch(func(c table.CommitInfo) {
		if c.Snapshot.Summary["frazil.maintenance"] == "" {
			r.pressure.add(c.Snapshot)
			r.Wake()
		}
	})()
	for ctx.Err() == nil {
		if err := r.waitResumed(ctx); err != nil {
			return err
		}
		start := time.Now()
		r.pace.begin()
		worked, err := r.round(ctx)
		if worked && err == nil {
			err = r.pace.pay(ctx, 0) // more may be due: what is owed first
		}
		r.count(func(s *RunnerStats) {
			s.Rounds++
			s.Busy += time.Since(start)
			if err != nil && ctx.Err() == nil {
				s.Failures++
			}
		})
		if errors.Is(err, catalog.ErrNotFound) {
			return fmt.Errorf("background compaction: %w", err)
		}
		if err != nil && ctx.Err() == nil {
			r.tell(RunnerEvent{Kind: "failed", Err: err, Took: time.Since(start)})
		}
		if !worked || err != nil {
			r.o.Wait(ctx, r.o.Interval, r.wake)
		}
	}
	return ctx.Err()
}

func (r *Runner) count(f func(*RunnerStats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stats)
}

func (r *Runner) waitResumed(ctx context.Context) error {
	r.mu.Lock()
	resume, paused := r.resume, r.paused.Load()
	r.mu.Unlock()
	if paused {
		r.tell(RunnerEvent{Kind: "paused"})
	}
	select {
	case <-resume:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Runner) tell(e RunnerEvent) {
	if r.o.Events != nil {
		r.o.Events(e)
	}
}

// round looks at the table and does what is due; it reports whether there was
// anything to do.
func (r *Runner) round(ctx context.Context) (bool, error) {
	r.pressure.begin()
	if err := r.t.Refresh(ctx); err != nil {
		return false, err
	}
	if err := r.expire(ctx); err != nil {
		return false, err
	}
	head := r.t.Metadata().RefSnapshot(r.o.Compact.Branch)
	if head == nil || head.ID == r.seen {
		r.tell(RunnerEvent{Kind: "idle"})
		return false, nil
	}
	s, err := Load(ctx, r.t, r.o.Compact.Branch)
	if err != nil {
		return false, err
	}
	r.look(s)
	// Freshness first: every reader pays for equality deletes, as often as it
	// reads; turning them into positions costs little.
	converted := false
	if !r.o.Compact.KeepEqualityDeletes && hasEquality(s) {
		o := r.o.Compact
		o.ConvertOnly = true
		if converted, err = r.compact(ctx, "converted", &o); err != nil {
			return converted, err
		}
	}
	worked, err := false, error(nil)
	if !r.o.Compact.ConvertOnly {
		worked, err = r.compact(ctx, "compacted", &r.o.Compact)
	}
	if err != nil || worked || converted {
		return true, err
	}
	r.seen = head.ID
	r.tell(RunnerEvent{Kind: "idle"})
	return false, nil
}

// compact runs one compaction and reports whether it committed.
func (r *Runner) compact(ctx context.Context, kind string, o *Options) (bool, error) {
	start := time.Now()
	rep, err := Compact(ctx, r.t, o)
	if rep != nil {
		r.count(func(s *RunnerStats) {
			s.Commits += int64(rep.Commits)
			s.GivenUp += int64(rep.GivenUp)
			s.FilesRewritten += int64(rep.FilesRewritten)
			s.FilesAdded += int64(rep.FilesAdded)
			s.FilesConverted += int64(rep.FilesConverted)
			s.DeletesRemoved += int64(rep.DeletesRemoved)
			s.RowsWritten += rep.RowsWritten
			s.Carried += rep.Carried
			s.BytesRead += rep.BytesRead
			s.BytesWritten += rep.BytesWritten
		})
	}
	if err != nil || rep.Commits == 0 {
		return false, err
	}
	r.tell(RunnerEvent{Kind: kind, Report: rep, Took: time.Since(start)})
	return true, nil
}

func hasEquality(s *State) bool {
	for i := range s.Files {
		if len(s.Files[i].Equality) > 0 {
			return true
		}
	}
	return false
}

func (r *Runner) expire(ctx context.Context) error {
	if now := r.t.Clock(); r.o.Expire == nil || now.Sub(r.expired) < r.o.ExpireEvery {
		return nil
	} else {
		r.expired = now
	}
	start := time.Now()
	rep, err := Expire(ctx, r.t, r.o.Expire)
	if err != nil {
		return err
	}
	if len(rep.Snapshots)+rep.Deleted > 0 {
		r.tell(RunnerEvent{Kind: "expired", Expire: rep, Took: time.Since(start)})
	}
	return nil
}
