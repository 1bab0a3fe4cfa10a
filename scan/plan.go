package scan

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
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

// Plan reads the manifests and returns all tasks.
func (s *Scan) Plan(ctx context.Context) (*Plan, error) {
	if s.err != nil {
		return nil, s.err
	}
	p := &planner{v: s.view}
	k := packer{exec: newExec(s.view, nil), target: s.opts.TargetTaskBytes, ordered: s.opts.Ordered}
	for f, err := range p.files(ctx) {
		if err != nil {
			return nil, err
		}
		k.exec.cache.register(&f)
		k.add(&f)
	}
	return &Plan{Snapshot: s.view.snap, Schema: s.view.out, Tasks: k.finish(), Stats: p.stats()}, nil
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

// planner goes through the manifests of one snapshot.
type planner struct {
	v *view
	// partitions has a filter for every spec id; nil without a filter.
	partitions map[int]*expr.PartitionFilter
	// index is nil without delete files.
	index *snapshot.DeleteIndex
	// equality says that the snapshot has equality deletes, on fields keyIDs.
	equality bool
	keyIDs   map[int]bool

	manifests, manifestsPruned     atomic.Int64
	dataFiles, dataFilesPruned     atomic.Int64
	deleteFiles, deleteFilesPruned atomic.Int64
	rows, bytes                    int64
}

func (p *planner) stats() PlanStats {
	return PlanStats{
		Manifests: p.manifests.Load(), ManifestsPruned: p.manifestsPruned.Load(),
		DataFiles: p.dataFiles.Load(), DataFilesPruned: p.dataFilesPruned.Load(),
		DeleteFiles: p.deleteFiles.Load(), DeleteFilesPruned: p.deleteFilesPruned.Load(),
		Rows: p.rows, Bytes: p.bytes,
	}
}

// files yields the data files left after pruning, with their deletes.
func (p *planner) files(ctx context.Context) iter.Seq2[FileTask, error] {
	return func(yield func(FileTask, error) bool) {
		if p.v.snap == nil {
			return
		}
		if err := p.readDeletes(ctx); err != nil {
			yield(FileTask{}, p.fail(err))
			return
		}
		for e, err := range p.live(ctx, p.dataOptions()) {
			if err != nil {
				yield(FileTask{}, p.fail(err))
				return
			}
			if p.v.filter == nil && !p.keepData(e) {
				continue
			}
			f, keep, err := p.fileTask(e)
			if err != nil {
				yield(FileTask{}, p.fail(err))
				return
			}
			if keep && !yield(f, nil) {
				return
			}
		}
	}
}

func (p *planner) fail(err error) error {
	return fmt.Errorf("plan snapshot %d: %w", p.v.snap.ID, err)
}

func (p *planner) live(ctx context.Context, o *snapshot.LiveOptions) iter.Seq2[*manifest.Entry, error] {
	o.Cache = p.v.src.Cache
	return snapshot.LiveFiles(ctx, p.v.src.Store, p.v.src.Metadata, p.v.snap, o)
}

// readDeletes builds the index of delete files that may matter.
func (p *planner) readDeletes(ctx context.Context) error {
	if p.v.filter != nil {
		p.partitions = make(map[int]*expr.PartitionFilter)
		for _, spec := range p.v.src.Metadata.Specs {
			p.partitions[spec.ID] = p.v.filter.Project(spec, p.v.base, true)
		}
	}
	o := &snapshot.LiveOptions{NoData: true, Stats: manifest.StatsAll, KeepManifest: p.keepManifest}
	if p.v.filter != nil {
		o.KeepEntry = func(e *manifest.Entry) bool {
			p.deleteFiles.Add(1)
			if !p.keepPartition(e) {
				p.deleteFilesPruned.Add(1)
				return false
			}
			return true
		}
	}
	p.keyIDs = make(map[int]bool)
	entries := func(yield func(*manifest.Entry, error) bool) {
		for e, err := range p.live(ctx, o) {
			if err == nil {
				if p.v.filter == nil {
					p.deleteFiles.Add(1)
				}
				for _, id := range e.File.EqualityIDs {
					p.equality, p.keyIDs[id] = true, true
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
	next, stop := iter.Pull2(entries)
	defer stop()
	first, err, ok := next()
	if !ok || err != nil {
		return err
	}
	p.index, err = snapshot.BuildDeleteIndex(p.v.src.Metadata, func(yield func(*manifest.Entry, error) bool) {
		for e, err, ok := first, error(nil), true; ok && yield(e, err); {
			e, err, ok = next()
		}
	})
	return err
}

// dataOptions say how the manifests of data files are read: with the statistics
// of the columns filtered on and of the keys of equality deletes.
func (p *planner) dataOptions() *snapshot.LiveOptions {
	o := &snapshot.LiveOptions{NoDeletes: true, KeepManifest: p.keepManifest}
	if p.v.filter != nil { // else almost all are kept, which costs less to decode at once
		o.KeepEntry = p.keepData
	}
	for id := range p.keyIDs {
		o.StatsFields = append(o.StatsFields, id)
	}
	if p.v.filter != nil {
		o.StatsFields = append(o.StatsFields, p.v.filter.FieldIDs()...)
	}
	if len(o.StatsFields) > 0 {
		o.Stats = manifest.StatsAll
	}
	return o
}

func (p *planner) keepManifest(f *manifest.File) bool {
	p.manifests.Add(1)
	keep := true
	if pf := p.partitions[f.SpecID]; pf != nil {
		keep = pf.KeepSummaries(expr.Summaries(f.Partitions))
	}
	if !keep {
		p.manifestsPruned.Add(1)
	}
	return keep
}

func (p *planner) keepPartition(e *manifest.Entry) bool {
	pf := p.partitions[e.File.SpecID]
	return pf == nil || pf.KeepTuple(e.File.Partition)
}

func (p *planner) keepData(e *manifest.Entry) bool {
	p.dataFiles.Add(1)
	keep := e.File.RecordCount != 0 && p.keepPartition(e) &&
		(p.v.filter == nil || p.v.filter.MightMatch(fileMetrics{e.File}))
	if !keep {
		p.dataFilesPruned.Add(1)
	}
	return keep
}

// fileTask attaches the deletes to a data file; false means it has no live row.
func (p *planner) fileTask(e *manifest.Entry) (FileTask, bool, error) {
	var d snapshot.Deletes
	if p.index != nil {
		var err error
		if d, err = p.index.For(e); err != nil {
			return FileTask{}, false, err
		}
	}
	if d.DV != nil && d.DV.File.RecordCount >= e.File.RecordCount && e.File.RecordCount > 0 {
		p.dataFilesPruned.Add(1)
		return FileTask{}, false, nil
	}
	p.rows += e.File.RecordCount
	p.bytes += e.File.FileSize
	return FileTask{Data: e, DV: d.DV, Positions: d.Positions, Equality: d.Equality}, true, nil
}

// fileMetrics are a data file's statistics as expr wants them.
type fileMetrics struct{ f *manifest.DataFile }

func (m fileMetrics) Rows() int64                          { return m.f.RecordCount }
func (m fileMetrics) ValueCount(id int) (int64, bool)      { return m.f.ValueCounts.Get(id) }
func (m fileMetrics) NullCount(id int) (int64, bool)       { return m.f.NullCounts.Get(id) }
func (m fileMetrics) NaNCount(id int) (int64, bool)        { return m.f.NaNCounts.Get(id) }
func (m fileMetrics) LowerBound(id int) (b []byte, k bool) { return m.f.Lower.Get(id) }
func (m fileMetrics) UpperBound(id int) (b []byte, k bool) { return m.f.Upper.Get(id) }
