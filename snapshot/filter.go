package snapshot

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/manifest"
)

// filterResult is what became of one manifest of the base. It holds for every
// attempt whose base still has the manifest.
type filterResult struct {
	// oldest is the sequence number below which delete files were dropped.
	oldest int64
	// out is nil when nothing in the manifest is removed.
	out   []*manifest.File
	found []fileID // removed files that the changes name
	delta delta
}

// filter puts the manifests of the base into the build, rewritten where they
// hold removed files. Removed entries stay as DELETED for this one snapshot.
func (p *Producer) filter(ctx context.Context, b *build, files []*manifest.File) error {
	var data, deletes []*manifest.File
	for _, f := range files {
		if !mayHaveLive(f) {
			continue // all its entries were removed by an earlier snapshot
		}
		if f.Kind == manifest.Data {
			data = append(data, f)
		} else {
			deletes = append(deletes, f)
		}
	}
	found := make(map[fileID]bool)
	data, err := p.filterAll(ctx, b, data, 0, found)
	if err != nil {
		return err
	}
	b.data = append(b.data, data...)
	for _, f := range p.c.RemoveData {
		if !found[idOf(f)] {
			return fmt.Errorf("%w: data file %s is not live any more", ErrConflict, f.Path)
		}
	}
	clear(found)
	deletes, err = p.filterAll(ctx, b, deletes, p.oldestNeeded(b), found)
	if err != nil {
		return err
	}
	b.deletes = append(b.deletes, deletes...)
	for _, f := range p.c.RemoveDeletes {
		if !found[idOf(f)] {
			return fmt.Errorf("%w: delete file %s is not live any more", ErrConflict, f.Path)
		}
	}
	return nil
}

// oldestNeeded returns the sequence number below which no delete file applies to
// any data file of the new snapshot: the smallest data sequence number among the
// files that stay and those that are added. 0 keeps everything. The added ones
// matter: a rewrite may add files with an older number than all that stay.
func (p *Producer) oldestNeeded(b *build) int64 {
	if !p.remove.all && len(p.remove.data) == 0 {
		return 0 // no data file goes, so no delete file falls due
	}
	oldest := b.seq
	for _, f := range b.data {
		if !mayHaveLive(f) {
			continue
		}
		if f.MinSequenceNumber != manifest.Unassigned {
			oldest = min(oldest, f.MinSequenceNumber)
		}
	}
	return oldest
}

// filterAll filters manifests in parallel and returns them in order.
func (p *Producer) filterAll(ctx context.Context, b *build, files []*manifest.File, oldest int64, found map[fileID]bool) ([]*manifest.File, error) {
	results := make([]*filterResult, len(files))
	decoded := make([][]*manifest.Entry, len(files))
	var g errgroup.Group
	g.SetLimit(p.o.Writers)
	for i, f := range files {
		r := p.filtered[b.identity(f)]
		if r != nil && r.oldest == oldest {
			results[i] = r
			continue
		}
		g.Go(func() (err error) {
			decoded[i], err = p.affected(ctx, b, f, oldest)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	// Names of manifests are given in order, so that a run can be repeated.
	out := make([]*manifest.File, 0, len(files))
	for i, f := range files {
		if results[i] == nil {
			r, err := p.filterOne(b, f, decoded[i], oldest)
			if err != nil {
				return nil, err
			}
			p.filtered[b.identity(f)] = r
			results[i] = r
		}
		r := results[i]
		b.delta.plus(&r.delta)
		for _, id := range r.found {
			found[id] = true
		}
		if r.out == nil {
			out = append(out, f)
		} else {
			out = append(out, r.out...)
		}
	}
	return out, nil
}

// identity names what a rewritten manifest was made from: the manifest, the row
// ids its files inherit, which a concurrent first commit after an upgrade may
// assign, and the format version to write.
func (b *build) identity(f *manifest.File) string {
	row := int64(-1)
	if f.FirstRowID != nil {
		row = *f.FirstRowID
	}
	return fmt.Sprintf("%s %d %d", f.Path, row, b.base.FormatVersion)
}

// affected decodes a manifest if the commit may change it, else returns nil.
func (p *Producer) affected(ctx context.Context, b *build, f *manifest.File, oldest int64) ([]*manifest.Entry, error) {
	r := &p.remove
	may := r.all || f.Kind == manifest.Deletes && f.MinSequenceNumber > 0 && f.MinSequenceNumber < oldest
	if !may {
		named, keys, scoped := r.dataSpecs[f.SpecID], r.dataKeys, false
		if f.Kind == manifest.Deletes {
			named, keys, scoped = r.deleteSpecs[f.SpecID], r.deleteKeys, len(r.refKeys) > 0
		}
		if !named && !scoped {
			return nil, nil
		}
		k, err := b.src.keys(ctx, f)
		if err != nil {
			return nil, err
		}
		may = intersects(keys, k.files) || f.Kind == manifest.Deletes && intersects(r.refKeys, k.refs)
	}
	if !may {
		return nil, nil
	}
	return b.src.entries(ctx, f, manifest.ReadOptions{Stats: manifest.StatsAll})
}

// filterOne rewrites a manifest from its live entries, nil for one that the
// commit does not touch.
func (p *Producer) filterOne(b *build, f *manifest.File, entries []*manifest.Entry, oldest int64) (*filterResult, error) {
	r := &filterResult{oldest: oldest}
	b.work.entries += len(entries)
	removed := make([]bool, len(entries))
	any := false
	for i, e := range entries {
		gone, err := p.removes(e, oldest)
		if err != nil {
			return nil, err
		}
		if !gone {
			continue
		}
		removed[i], any = true, true
		if id := idOf(e.File); p.remove.data[id] || p.remove.deletes[id] {
			r.found = append(r.found, id)
		}
		r.delta.remove(b.src.types[f.SpecID].spec, e.File)
	}
	if !any {
		return r, nil
	}
	m := p.newManifestWriter(b, f.Kind, f.SpecID)
	for i, e := range entries {
		c := *e
		c.Status = manifest.StatusExisting
		if removed[i] {
			c.Status, c.SnapshotID = manifest.StatusDeleted, p.id
		}
		if err := m.append(&c); err != nil {
			return nil, fmt.Errorf("rewrite manifest %s: %w", f.Path, err)
		}
	}
	if err := m.close(); err != nil {
		return nil, err
	}
	r.out = m.out
	return r, nil
}

// removes reports whether a live entry goes. It fails when a data file that gets
// a deletion vector keeps another one.
func (p *Producer) removes(e *manifest.Entry, oldest int64) (bool, error) {
	r, f := &p.remove, e.File
	if r.all {
		return true, nil
	}
	if f.Content == manifest.ContentData {
		return r.data[idOf(f)], nil
	}
	if r.deletes[idOf(f)] {
		return true, nil
	}
	if e.SequenceNumber > 0 && e.SequenceNumber < oldest {
		return true, nil
	}
	ref := scopedTo(f)
	if ref == "" {
		return false, nil
	}
	if r.paths[ref] {
		return true, nil // its rows are gone
	}
	if v := r.vectors[ref]; v != nil && f.IsDV() {
		return false, fmt.Errorf("%w: data file %s has the deletion vector %s since snapshot %d, which %s does not replace",
			ErrConflict, ref, f.Path, e.SnapshotID, v.Path)
	}
	return false, nil
}
