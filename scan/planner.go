package scan

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/parallel"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/snapshot"
)

// planner goes through the manifests of one snapshot: first those of delete
// files, of which it makes an index, then those of data files. Of these an entry
// takes shape only when it is kept, and not before its turn comes.
type planner struct {
	v *view
	// partitions has a filter for every spec id; nil when none rules anything out.
	partitions map[int]*expr.PartitionFilter
	started    bool
	// cache is the source's or, for this plan alone, a small one: the list of
	// manifests is looked at more than once.
	cache *snapshot.Cache
	// small says that all data files together are few enough to be planned at one go.
	small bool
	// index is nil without delete files; equality says that there are equality
	// deletes among them.
	index    *snapshot.DeleteIndex
	equality bool
	// statsOf are columns whose statistics are wanted besides.
	statsOf []int
	// free has slices that are used up.
	free sync.Pool

	manifests, manifestsPruned     atomic.Int64
	dataFiles, dataFilesPruned     atomic.Int64
	deleteFiles, deleteFilesPruned atomic.Int64
	rows, bytes                    atomic.Int64
}

func (p *planner) stats() PlanStats {
	return PlanStats{
		Manifests: p.manifests.Load(), ManifestsPruned: p.manifestsPruned.Load(),
		DataFiles: p.dataFiles.Load(), DataFilesPruned: p.dataFilesPruned.Load(),
		DeleteFiles: p.deleteFiles.Load(), DeleteFilesPruned: p.deleteFilesPruned.Load(),
		Rows: p.rows.Load(), Bytes: p.bytes.Load(),
	}
}

// files yields the data files left after pruning, with their deletes.
func (p *planner) files(ctx context.Context) iter.Seq2[FileTask, error] {
	return func(yield func(FileTask, error) bool) {
		for tasks, err := range p.some(ctx) {
			if err != nil {
				yield(FileTask{}, err)
				return
			}
			for _, f := range *tasks {
				if !yield(f, nil) {
					return
				}
			}
		}
	}
}

// some is files by slices, each valid until the next step.
func (p *planner) some(ctx context.Context) iter.Seq2[*[]FileTask, error] {
	return func(yield func(*[]FileTask, error) bool) {
		if p.v.snap == nil {
			return
		}
		if err := p.start(ctx); err != nil {
			yield(nil, err)
			return
		}
		for tasks, err := range p.chunks(ctx) {
			if err != nil {
				yield(nil, p.fail(err))
				return
			}
			if !yield(tasks, nil) {
				return
			}
			clear(*tasks)
			*tasks = (*tasks)[:0]
			p.free.Put(tasks)
		}
	}
}

func (p *planner) fail(err error) error {
	return fmt.Errorf("plan snapshot %d: %w", p.v.snap.ID, err)
}

func (p *planner) options() *snapshot.LiveOptions {
	return &snapshot.LiveOptions{Cache: p.cache}
}

// start looks at the list of manifests and at the delete files, once.
func (p *planner) start(ctx context.Context) error {
	if p.started || p.v.snap == nil {
		return nil
	}
	if p.cache = p.v.src.Cache; p.cache == nil {
		p.cache = snapshot.NewCache(planCacheBytes)
	}
	files, err := snapshot.Manifests(ctx, p.v.src.Store, p.v.src.Metadata, p.v.snap, p.cache)
	if err != nil {
		return p.fail(err)
	}
	entries := 0
	for _, f := range files {
		if f.Kind == manifest.Data {
			entries += max(f.AddedFiles, 0) + max(f.ExistingFiles, 0)
		}
	}
	p.small = entries <= 2*chunkFiles
	p.project()
	if err := p.readDeletes(ctx); err != nil {
		return p.fail(err)
	}
	p.started = true
	return nil
}

// project finds out what the filter says of partitions.
func (p *planner) project() {
	if p.v.filter == nil {
		return
	}
	all := make(map[int]*expr.PartitionFilter)
	for _, spec := range p.v.src.Metadata.Specs {
		all[spec.ID] = p.v.filter.Project(spec, p.v.base, true)
		if !all[spec.ID].AlwaysTrue() {
			p.partitions = all
		}
	}
}

// readDeletes builds the index of delete files that may matter.
func (p *planner) readDeletes(ctx context.Context) error {
	o := p.options()
	if p.partitions != nil {
		o.KeepManifest, o.KeepEntry = p.keepManifest, p.keepDelete
	}
	var err error
	p.index, err = snapshot.LoadDeleteIndex(ctx, p.v.src.Store, p.v.src.Metadata, p.v.snap, o)
	if err != nil || p.index == nil {
		return err
	}
	p.equality = len(p.index.EqualityIDs()) > 0
	if p.partitions == nil {
		p.deleteFiles.Add(int64(p.index.Len()))
	}
	return nil
}

func (p *planner) keepDelete(e *manifest.Entry) bool {
	p.deleteFiles.Add(1)
	if !p.keepTuple(e) {
		p.deleteFilesPruned.Add(1)
		return false
	}
	return true
}

func (p *planner) keepTuple(e *manifest.Entry) bool {
	pf := p.partitions[e.File.SpecID]
	return pf == nil || pf.KeepTuple(e.File.Partition)
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

const (
	// chunkFiles is how many files take shape at a time.
	chunkFiles = 1024
	// planCacheBytes is the size of a planner's own cache.
	planCacheBytes = 8 << 20
)

// chunk is a part of a manifest: entries that its partition does not rule out,
// nil for those from first on.
type chunk struct {
	packed  *manifest.Packed
	numbers []int32
	first   int32
	n       int
}

// chunks yields the data files left, some at a time. Large plans work on several
// chunks at once; for small ones goroutines would cost more than they bring.
func (p *planner) chunks(ctx context.Context) iter.Seq2[*[]FileTask, error] {
	return func(yield func(*[]FileTask, error) bool) {
		if !p.small {
			parallel.Ordered(ctx, runtime.GOMAXPROCS(0), p.dataChunks(ctx), p.choose)(yield)
			return
		}
		for c, err := range p.dataChunks(ctx) {
			var tasks *[]FileTask
			if err == nil {
				tasks, err = p.choose(ctx, c)
			}
			if !yield(tasks, err) || err != nil {
				return
			}
		}
	}
}

// dataChunks yields the entries of data manifests that partitions leave.
func (p *planner) dataChunks(ctx context.Context) iter.Seq2[chunk, error] {
	o := p.options()
	o.NoDeletes, o.KeepManifest = true, p.keepManifest
	if p.index != nil {
		o.StatsFields = append(o.StatsFields, p.index.EqualityIDs()...)
	}
	if p.v.filter != nil {
		o.StatsFields = append(o.StatsFields, p.v.filter.FieldIDs()...)
	}
	o.StatsFields = append(o.StatsFields, p.statsOf...)
	return func(yield func(chunk, error) bool) {
		for packed, err := range snapshot.PackedManifests(ctx, p.v.src.Store, p.v.src.Metadata, p.v.snap, o) {
			if err != nil {
				yield(chunk{}, err)
				return
			}
			p.dataFiles.Add(int64(packed.Len()))
			numbers, all := p.kept(packed)
			n := len(numbers)
			if all {
				n = packed.Len()
			}
			p.dataFilesPruned.Add(int64(packed.Len() - n))
			for from := 0; from < n; from += chunkFiles {
				c := chunk{packed: packed, first: int32(from), n: min(chunkFiles, n-from)}
				if !all {
					c.numbers = numbers[from : from+c.n]
				}
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

// kept returns the entries that their partitions do not rule out; all says that
// none is.
func (p *planner) kept(packed *manifest.Packed) (numbers []int32, all bool) {
	pf := p.partitions[packed.SpecID()]
	if pf == nil || packed.Len() == 0 {
		return nil, true
	}
	all = true
	tuples, parts := packed.Tuples(), 0
	for t, tuple := range tuples {
		if !pf.KeepTuple(tuple) {
			all = false
			continue
		}
		of, ok := packed.OfTuple(t)
		if !ok {
			return nil, true
		}
		numbers = append(numbers, of...)
		parts++
	}
	if parts > 1 && !all {
		slices.Sort(numbers) // the order of the file
	}
	return numbers, all
}

// choose gives shape to the entries of a chunk that statistics do not rule out,
// and attaches their deletes.
func (p *planner) choose(ctx context.Context, c chunk) (*[]FileTask, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	numbers := make([]int32, 0, c.n)
	m := manifest.PackedMetrics{Packed: c.packed}
	for i := range c.n {
		m.Index = c.first + int32(i)
		if c.numbers != nil {
			m.Index = c.numbers[i]
		}
		if m.Rows() != 0 && (p.v.filter == nil || p.v.filter.MightMatch(&m)) {
			numbers = append(numbers, m.Index)
		}
	}
	pruned := c.n - len(numbers)
	tasks, ok := p.free.Get().(*[]FileTask)
	if !ok {
		tasks = new([]FileTask)
	}
	*tasks = slices.Grow(*tasks, len(numbers))
	deletes := p.index.Finder()
	var rows, bytes int64
	for _, e := range c.packed.Entries(numbers) {
		d, err := deletes.For(e)
		if err != nil {
			return nil, err
		}
		f := e.File
		if d.DV != nil && d.DV.File.RecordCount >= f.RecordCount && f.RecordCount > 0 {
			pruned++ // no live row
			continue
		}
		rows, bytes = rows+f.RecordCount, bytes+f.FileSize
		*tasks = append(*tasks, FileTask{Data: e, DV: d.DV, Positions: d.Positions, Equality: d.Equality})
	}
	p.dataFilesPruned.Add(int64(pruned))
	p.rows.Add(rows)
	p.bytes.Add(bytes)
	return tasks, nil
}
