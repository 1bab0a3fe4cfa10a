package scan

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
)

// Plan is a planned scan.
type Plan struct {
	Snapshot *metadata.Snapshot // nil for a table without one
	Schema   *schema.Schema
	Tasks    []*Task
	Stats    PlanStats
}

// PlanStats count what planning saw and pruned.
type PlanStats struct {
	Manifests, ManifestsPruned     int64
	DataFiles, DataFilesPruned     int64
	DeleteFiles, DeleteFilesPruned int64
	Rows, Bytes                    int64 // of the data files kept
}

// String describes the plan in a few lines: the snapshot, what was ruled out by
// metadata and the tasks.
func (p *Plan) String() string {
	var b strings.Builder
	if p.Snapshot == nil {
		b.WriteString("no snapshot\n")
	} else {
		fmt.Fprintf(&b, "snapshot %d\n", p.Snapshot.ID)
	}
	st := p.Stats
	fmt.Fprintf(&b, "manifests: %d, %d ruled out\n", st.Manifests, st.ManifestsPruned)
	fmt.Fprintf(&b, "data files: %d, %d ruled out; %d rows, %d bytes to read\n", st.DataFiles, st.DataFilesPruned, st.Rows, st.Bytes)
	fmt.Fprintf(&b, "delete files: %d, %d ruled out\n", st.DeleteFiles, st.DeleteFilesPruned)
	fmt.Fprintf(&b, "tasks: %d\n", len(p.Tasks))
	return b.String()
}

// Plan reads the manifests and returns all tasks. See Tasks for tables of very
// many files.
func (s *Scan) Plan(ctx context.Context) (*Plan, error) {
	if s.err != nil {
		return nil, s.err
	}
	p := &planner{v: s.view}
	k := s.newPacker()
	for files, err := range p.some(ctx) {
		if err != nil {
			return nil, err
		}
		for i := range *files {
			k.add(&(*files)[i])
		}
	}
	return &Plan{Snapshot: s.view.snap, Schema: s.view.out, Tasks: k.finish(), Stats: p.stats()}, nil
}

func (s *Scan) newPacker() *packer {
	return &packer{exec: newExec(s.view, nil), target: s.opts.TargetTaskBytes, ordered: s.opts.Ordered}
}

// Tasks yields the tasks of Plan while manifests are still being read, so that
// not even a million files are in memory at once. A table with equality deletes
// is planned as a whole first: its tasks share tables of deletes, which have to
// know all files. An error ends it.
func (s *Scan) Tasks(ctx context.Context) iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		if s.err != nil {
			yield(nil, s.err)
			return
		}
		p := &planner{v: s.view}
		k := s.newPacker()
		emit := func(tasks []*Task) bool {
			for _, t := range tasks {
				if !yield(t, nil) {
					return false
				}
			}
			return true
		}
		for files, err := range p.some(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range *files {
				k.add(&(*files)[i])
			}
			if p.equality {
				continue
			}
			done := k.tasks
			k.tasks = nil
			if !emit(done) {
				return
			}
		}
		emit(k.finish())
	}
}

// Files yields the data files a scan would read with the deletes that apply to
// each, before splitting, in the order of the manifests.
func (s *Scan) Files(ctx context.Context) iter.Seq2[*FileTask, error] {
	return func(yield func(*FileTask, error) bool) {
		if s.err != nil {
			yield(nil, s.err)
			return
		}
		for f, err := range (&planner{v: s.view}).files(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&f, nil) {
				return
			}
		}
	}
}

// fileMetrics are a data file's statistics as expr wants them.
type fileMetrics struct{ f *manifest.DataFile }

func (m fileMetrics) Rows() int64                          { return m.f.RecordCount }
func (m fileMetrics) ValueCount(id int) (int64, bool)      { return m.f.ValueCounts.Get(id) }
func (m fileMetrics) NullCount(id int) (int64, bool)       { return m.f.NullCounts.Get(id) }
func (m fileMetrics) NaNCount(id int) (int64, bool)        { return m.f.NaNCounts.Get(id) }
func (m fileMetrics) LowerBound(id int) (b []byte, k bool) { return m.f.Lower.Get(id) }
func (m fileMetrics) UpperBound(id int) (b []byte, k bool) { return m.f.Upper.Get(id) }
