package compaction

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/table"
)

// RunnerOptions configure a Runner; nil and zero fields mean the documented
// default.
type RunnerOptions struct {
	// Compact says what a round does. The runner sets Tiered; MinInputFiles is 4
	// and MaxBytes 1 GiB by default.
	Compact Options
	// Interval is the longest time between two looks at the table; default 1
	// minute. Wake looks sooner.
	Interval time.Duration
	// Share of the time, from 0 to 1, that may be spent working; default 0.5. A
	// round is followed by a pause in proportion.
	Share float64
	// Expire, when not nil, expires snapshots every ExpireEvery (default 1 hour).
	Expire      *ExpireOptions
	ExpireEvery time.Duration
	// MaxDebt is how many data and delete files that wait to be compacted make a
	// Pressure of 1; default 1000.
	MaxDebt int
	// Events are called as things happen, from the goroutine of Run.
	Events func(RunnerEvent)
	// Wait pauses until ctx ends, d is over or wake is signalled; default a timer.
	Wait func(ctx context.Context, d time.Duration, wake <-chan struct{})
}

// RunnerEvent tells what a Runner has done.
type RunnerEvent struct {
	// Kind is "idle" (nothing to do), "compacted", "expired", "paused" or
	// "failed".
	Kind   string
	Report *Report
	Expire *ExpireReport
	Err    error
	Took   time.Duration
}

// Runner keeps one table in good shape in the background, beside its writers,
// in this process or others. It can be interrupted at any point: every commit it
// makes stands by itself, and files that it did not commit are orphans.
type Runner struct {
	t    *table.Table
	o    RunnerOptions
	wake chan struct{}

	paused atomic.Bool
	debt   atomic.Int64
	mu     sync.Mutex
	resume chan struct{} // closed when not paused

	seen    int64 // head snapshot after the last round
	expired time.Time
}

// NewRunner returns a runner; nothing happens before Run. t must not be used for
// anything that minds refreshes.
func NewRunner(t *table.Table, opts *RunnerOptions) *Runner {
	r := &Runner{t: t, wake: make(chan struct{}, 1), resume: make(chan struct{})}
	close(r.resume)
	if opts != nil {
		r.o = *opts
	}
	set(&r.o.Interval, time.Minute)
	set(&r.o.Share, 0.5)
	set(&r.o.ExpireEvery, time.Hour)
	set(&r.o.MaxDebt, 1000)
	set(&r.o.Compact.MinInputFiles, 4)
	set(&r.o.Compact.MaxBytes, 1<<30)
	r.o.Compact.Tiered = true
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

// Wake makes the runner look at the table now, as after a commit. It never
// blocks and may be called by anyone, such as table.Events.Committed.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Pause keeps the runner from beginning another round until Resume; the one in
// progress ends.
func (r *Runner) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.paused.Swap(true) {
		r.resume = make(chan struct{})
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

// Pressure is how far the table was behind at the last look: the files that wait
// to be compacted, in units of RunnerOptions.MaxDebt. Above 1 writers had better
// slow down.
func (r *Runner) Pressure() float64 { return float64(r.debt.Load()) / float64(r.o.MaxDebt) }

// Run works until ctx ends, and returns its error, or until the table is gone.
// Other errors are told as events and tried again. Call it once.
func (r *Runner) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.waitResumed(ctx); err != nil {
			return err
		}
		start := time.Now()
		worked, err := r.round(ctx)
		took := time.Since(start)
		if errors.Is(err, catalog.ErrNotFound) {
			return fmt.Errorf("background compaction: %w", err)
		}
		if err != nil && ctx.Err() == nil {
			r.tell(RunnerEvent{Kind: "failed", Err: err, Took: took})
		}
		switch {
		case worked && err == nil:
			// More may be due: rest in proportion only.
			if rest := time.Duration(float64(took) * (1 - r.o.Share) / r.o.Share); rest > 0 {
				r.o.Wait(ctx, rest, nil)
			}
		default:
			r.o.Wait(ctx, r.o.Interval, r.wake)
		}
	}
	return ctx.Err()
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
	start := time.Now()
	if err := r.t.Refresh(ctx); err != nil {
		return false, err
	}
	if err := r.expire(ctx); err != nil {
		return false, err
	}
	branch := r.o.Compact.Branch
	set(&branch, "main")
	head := r.t.Metadata().RefSnapshot(branch)
	if head == nil || head.ID == r.seen {
		r.tell(RunnerEvent{Kind: "idle"})
		return false, nil
	}
	s, err := Load(ctx, r.t, branch)
	if err != nil {
		return false, err
	}
	o := r.o.Compact
	r.debt.Store(debt(Choose(s, &o)))
	rep, err := Compact(ctx, r.t, &o)
	if err != nil {
		return false, err
	}
	if rep.Commits == 0 {
		r.seen = head.ID
		r.tell(RunnerEvent{Kind: "idle", Report: rep})
		return false, nil
	}
	r.tell(RunnerEvent{Kind: "compacted", Report: rep, Took: time.Since(start)})
	return true, nil
}

// debt counts the files that a plan would work on.
func debt(p *Plan) int64 {
	n := len(p.Convert) + len(p.Dangling) + p.LeftOut
	for _, l := range p.Lanes {
		n += len(l.Files)
	}
	return int64(n)
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
