package compaction

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
)

// pressure is how far the fullest partition is behind: what the last look at the
// table found, and an estimate of what commits added since.
type pressure struct {
	maxFiles, maxDeletes float64

	mu             sync.Mutex
	files, deletes float64
	// late is what commits have added since a look at the table began.
	lateFiles, lateDeletes float64
}

// begin begins a look: commits from here on may not be in what it sees.
func (p *pressure) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lateFiles, p.lateDeletes = 0, 0
}

// value is above 1 when writers had better slow down.
func (p *pressure) value() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.files/p.maxFiles, p.deletes/p.maxDeletes)
}

// add takes account of a commit, whose files are taken to be spread evenly over
// the partitions it changed.
func (p *pressure) add(s *metadata.Snapshot) {
	number := func(key string) float64 {
		n, err := strconv.ParseFloat(s.Summary[key], 64)
		if err != nil || !(n > 0) {
			return 0
		}
		return n
	}
	parts := max(number("changed-partition-count"), 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	files := number("added-data-files") / parts
	deletes := max(0, number("added-delete-files")-number("removed-delete-files")-number("added-dvs")) / parts
	p.files, p.lateFiles = p.files+files, p.lateFiles+files
	p.deletes, p.lateDeletes = p.deletes+deletes, p.lateDeletes+deletes
}

// look counts small data files and delete files by partition. It reports whether
// the pressure has fallen.
func (p *pressure) look(s *State, small int64) bool {
	type load struct{ files, deletes int }
	parts := map[string]load{}
	n := needs{s: s}
	for i := range s.Files {
		if f := s.Files[i].Data.File; f.FileSize < small {
			l := parts[n.part(f)]
			l.files++
			parts[n.part(f)] = l
		}
	}
	global := 0
	for _, e := range s.Deletes {
		f := e.File
		if f.IsDV() {
			continue
		}
		if spec, ok := s.Metadata.Spec(f.SpecID); ok && spec.IsUnpartitioned() && f.Content == manifest.ContentEqualityDeletes {
			global++ // applies to all partitions
			continue
		}
		l := parts[n.part(f)]
		l.deletes++
		parts[n.part(f)] = l
	}
	files, deletes := 0, global
	for _, l := range parts {
		files, deletes = max(files, l.files), max(deletes, l.deletes+global)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := max(p.files/p.maxFiles, p.deletes/p.maxDeletes)
	p.files, p.deletes = float64(files)+p.lateFiles, float64(deletes)+p.lateDeletes
	return max(p.files/p.maxFiles, p.deletes/p.maxDeletes) < before
}

// look brings the pressure up to date.
func (r *Runner) look(s *State) {
	o := r.o.Compact.withDefaults(s.Metadata)
	if r.pressure.look(s, o.MinFileBytes) {
		signal(r.relief)
	}
}

// Pressure is how far the table is behind: the small data files and the delete
// files of its fullest partition, in units of RunnerOptions.MaxFiles and
// MaxDeletes, as of the last look and the commits through the same open table
// since. Above 1 writers had better slow down.
func (r *Runner) Pressure() float64 { return r.pressure.value() }

// throttleUnit is how long a commit is held up for each unit of pressure above 1.
const throttleUnit = 200 * time.Millisecond

// Throttle holds a writer up when compaction cannot keep pace: call it before a
// commit. It returns at once while Pressure is at most 1 and else when the
// pressure falls, after a time in proportion to its excess, at most
// RunnerOptions.MaxPause. It never holds anyone up while the runner is paused.
// The error is that of ctx.
func (r *Runner) Throttle(ctx context.Context) error {
	p := r.Pressure()
	if p <= 1 || r.paused.Load() {
		return ctx.Err()
	}
	d := min(time.Duration((p-1)*float64(throttleUnit)), r.o.MaxPause)
	began := time.Now()
	r.Wake()
	r.o.Wait(ctx, d, r.relief)
	r.count(func(s *RunnerStats) { s.Throttled += time.Since(began) })
	return ctx.Err()
}
