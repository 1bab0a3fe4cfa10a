package snapshot

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
)

// validate checks the conditions against the base of an attempt.
func (p *Producer) validate(ctx context.Context, b *build, files []*manifest.File) error {
	c := &p.cond
	if err := b.exist(ctx, files, c.DataFilesExist); err != nil {
		return err
	}
	if c.PathsUnused {
		if err := p.unused(ctx, b, files); err != nil {
			return err
		}
	}
	if err := p.validateHistory(ctx, b, files); err != nil {
		return err
	}
	if c.Check != nil {
		return c.Check(ctx, b.base, b.head)
	}
	return nil
}

// exist requires data files to be live.
func (b *build) exist(ctx context.Context, files []*manifest.File, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	missing := make(map[uint64]string, len(paths))
	for _, path := range paths {
		missing[maphash.String(b.src.cache.seed, path)] = path
	}
	for _, f := range files {
		if f.Kind != manifest.Data || !mayHaveLive(f) {
			continue
		}
		k, err := b.src.keys(ctx, f)
		if err != nil {
			return err
		}
		for h := range missing {
			if _, ok := slices.BinarySearch(k.files, h); ok {
				delete(missing, h)
			}
		}
		if len(missing) == 0 {
			return nil
		}
	}
	for _, path := range paths { // the first in the caller's order
		if _, ok := missing[maphash.String(b.src.cache.seed, path)]; ok {
			return fmt.Errorf("%w: data file %s is not live any more", ErrConflict, path)
		}
	}
	return nil
}

// unused requires that no added data file is live, unless all are removed.
func (p *Producer) unused(ctx context.Context, b *build, files []*manifest.File) error {
	if p.remove.all {
		return nil
	}
	for _, f := range files {
		if f.Kind != manifest.Data || !mayHaveLive(f) {
			continue
		}
		k, err := b.src.keys(ctx, f)
		if err != nil {
			return err
		}
		for _, add := range p.c.AddData {
			if _, ok := slices.BinarySearch(k.files, b.src.cache.hashID(idOf(add))); ok {
				return fmt.Errorf("%w: data file %s is in the table already", ErrConflict, add.Path)
			}
		}
	}
	return nil
}

// history is what the snapshots since the start of an operation added.
type history struct {
	data, deletes []Change
}

func (p *Producer) validateHistory(ctx context.Context, b *build, files []*manifest.File) error {
	c := &p.cond
	watched := len(c.NoNewDeletesFor) > 0 || c.FromSnapshot != nil && len(p.c.RemoveData) > 0
	watched = watched && !c.IgnoreDeletes
	needData := c.NoNewData || c.NoNewDataMatching != nil
	needDeletes := watched || c.NoNewDeletesMatching != nil
	if c.FromSnapshot == nil && !needData && !needDeletes {
		return nil
	}
	if b.head == nil {
		if c.FromSnapshot != nil {
			return fmt.Errorf("%w: snapshot %d is not an ancestor of the empty branch", ErrConflict, *c.FromSnapshot)
		}
		return nil
	}
	snaps, err := lineage(b.base, c.FromSnapshot, b.head.ID)
	if err != nil {
		return err
	}
	h, err := b.src.history(ctx, snaps, needData, needDeletes)
	if err != nil {
		return err
	}
	if err := p.checkNewData(b, h.data); err != nil {
		return err
	}
	if err := p.checkNewDeletes(b, h.deletes); err != nil {
		return err
	}
	if !watched || len(h.deletes) == 0 {
		return nil
	}
	return p.checkDeletesFor(ctx, b, files, h.deletes)
}

// history collects the files that snapshots added. A replace changes no rows, so
// what it adds conflicts with nothing.
func (s *source) history(ctx context.Context, snaps []*metadata.Snapshot, data, deletes bool) (*history, error) {
	h := &history{}
	if !data && !deletes {
		return h, nil
	}
	o := LiveOptions{Stats: manifest.StatsAll, NoData: !data, NoDeletes: !deletes, Readers: defaultReaders}
	for _, snap := range slices.Backward(snaps) {
		if snap.Operation == metadata.OpReplace {
			continue
		}
		var failed error
		s.changedBy(ctx, snap, o, func(e *manifest.Entry, err error) bool {
			switch {
			case err != nil:
				failed = err
				return false
			case e.Status != manifest.StatusAdded:
			case e.File.Content == manifest.ContentData:
				h.data = append(h.data, Change{snap, e})
			default:
				h.deletes = append(h.deletes, Change{snap, e})
			}
			return true
		})
		if failed != nil {
			return nil, failed
		}
	}
	return h, nil
}

func (p *Producer) checkNewData(b *build, added []Change) error {
	if len(added) == 0 {
		return nil
	}
	if p.cond.NoNewData {
		return fmt.Errorf("%w: snapshot %d added data file %s", ErrConflict, added[0].Snapshot.ID, added[0].Entry.File.Path)
	}
	if p.cond.NoNewDataMatching == nil {
		return nil
	}
	m := newMatcher(b, p.cond.NoNewDataMatching)
	for _, c := range added {
		if m.mightMatch(c.Entry.File) {
			return fmt.Errorf("%w: snapshot %d added data file %s, which may hold rows matching %s",
				ErrConflict, c.Snapshot.ID, c.Entry.File.Path, p.cond.NoNewDataMatching)
		}
	}
	return nil
}

func (p *Producer) checkNewDeletes(b *build, added []Change) error {
	if p.cond.NoNewDeletesMatching == nil {
		return nil
	}
	m := newMatcher(b, p.cond.NoNewDeletesMatching)
	for _, c := range added {
		if m.mightMatch(c.Entry.File) {
			return fmt.Errorf("%w: snapshot %d added delete file %s, which may delete rows matching %s",
				ErrConflict, c.Snapshot.ID, c.Entry.File.Path, p.cond.NoNewDeletesMatching)
		}
	}
	return nil
}

// checkDeletesFor refuses new deletes that apply to the watched data files.
func (p *Producer) checkDeletesFor(ctx context.Context, b *build, files []*manifest.File, added []Change) error {
	by := make(map[*manifest.Entry]*metadata.Snapshot, len(added))
	index, err := BuildDeleteIndex(b.base, func(yield func(*manifest.Entry, error) bool) {
		seen := make(map[string]bool)
		for _, c := range slices.Backward(added) { // the newest of several vectors
			if c.Entry.File.IsDV() {
				if ref := c.Entry.File.ReferencedDataFile; seen[ref] {
					continue
				} else {
					seen[ref] = true
				}
			}
			by[c.Entry] = c.Snapshot
			if !yield(c.Entry, nil) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	watched, err := p.watchedFiles(ctx, b, files)
	if err != nil {
		return err
	}
	for _, f := range watched {
		// As old as can be: everything added since applies to it.
		d, err := index.For(&manifest.Entry{File: f})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConflict, err)
		}
		hit := d.DV
		if hit == nil && len(d.Positions) > 0 {
			hit = d.Positions[0]
		}
		if hit == nil && len(d.Equality) > 0 && !p.cond.IgnoreEqualityDeletes {
			hit = d.Equality[0]
		}
		if hit != nil {
			return fmt.Errorf("%w: snapshot %d added %s, which deletes rows of %s", ErrConflict, by[hit].ID, hit.File.Path, f.Path)
		}
	}
	return nil
}

// watchedFiles returns the data files that must not have got deletes. Those
// known by path only are looked up for their partition; one that is gone is
// caught by other checks.
func (p *Producer) watchedFiles(ctx context.Context, b *build, files []*manifest.File) ([]*manifest.DataFile, error) {
	out := slices.Clone(p.c.RemoveData)
	if p.cond.FromSnapshot == nil {
		out = nil
	}
	want := make(map[string]bool)
	var keys []uint64
	for _, path := range p.cond.NoNewDeletesFor {
		if !want[path] {
			want[path] = true
			keys = append(keys, maphash.String(b.src.cache.seed, path))
		}
	}
	for _, f := range p.c.RemoveData {
		delete(want, f.Path)
	}
	if p.cond.FromSnapshot == nil {
		for _, f := range p.c.RemoveData {
			if slices.Contains(p.cond.NoNewDeletesFor, f.Path) {
				out = append(out, f)
			}
		}
	}
	slices.Sort(keys)
	for _, f := range files {
		if len(want) == 0 {
			break
		}
		if f.Kind != manifest.Data || !mayHaveLive(f) {
			continue
		}
		k, err := b.src.keys(ctx, f)
		if err != nil {
			return nil, err
		}
		if !intersects(keys, k.files) {
			continue
		}
		for e, err := range b.src.scan(ctx, f, manifest.ReadOptions{}) {
			if err != nil {
				return nil, err
			}
			if want[e.File.Path] {
				delete(want, e.File.Path)
				out = append(out, e.Clone().File)
			}
		}
	}
	return out, nil
}

// matcher decides whether files may concern rows that match a predicate.
type matcher struct {
	b       *build
	bound   *expr.Bound
	filters map[int]*expr.PartitionFilter
}

func newMatcher(b *build, bound *expr.Bound) *matcher {
	return &matcher{b: b, bound: bound, filters: make(map[int]*expr.PartitionFilter)}
}

func (m *matcher) mightMatch(f *manifest.DataFile) bool {
	st, ok := m.b.src.types[f.SpecID]
	if !ok {
		return true
	}
	filter := m.filters[f.SpecID]
	if filter == nil {
		filter = m.bound.Project(st.spec, m.b.base.CurrentSchema(), true)
		m.filters[f.SpecID] = filter
	}
	if !filter.KeepTuple(f.Partition) {
		return false
	}
	if f.Content == manifest.ContentPositionDeletes {
		return true // its statistics are about paths and positions
	}
	return m.bound.MightMatch(fileMetrics{f})
}

// fileMetrics gives a file's statistics to package expr.
type fileMetrics struct{ f *manifest.DataFile }

// Rows returns the record count.
func (m fileMetrics) Rows() int64 { return m.f.RecordCount }

// ValueCount returns the number of values of a column.
func (m fileMetrics) ValueCount(id int) (int64, bool) { return m.f.ValueCounts.Get(id) }

// NullCount returns the number of nulls of a column.
func (m fileMetrics) NullCount(id int) (int64, bool) { return m.f.NullCounts.Get(id) }

// NaNCount returns the number of NaNs of a column.
func (m fileMetrics) NaNCount(id int) (int64, bool) { return m.f.NaNCounts.Get(id) }

// LowerBound returns the lower bound of a column.
func (m fileMetrics) LowerBound(id int) ([]byte, bool) { return m.f.Lower.Get(id) }

// UpperBound returns the upper bound of a column.
func (m fileMetrics) UpperBound(id int) ([]byte, bool) { return m.f.Upper.Get(id) }
