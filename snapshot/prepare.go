package snapshot

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
)

// removals is what a commit removes, ready for look-up.
type removals struct {
	all     bool
	data    map[fileID]bool
	deletes map[fileID]bool
	// specs of the removed files, by kind, to leave other manifests alone.
	dataSpecs, deleteSpecs map[int]bool
	// paths are removed data files, whose file-scoped deletes go too; vectors are
	// data files that get a deletion vector.
	paths   map[string]bool
	vectors map[string]*manifest.DataFile
	// Sorted hashes of the above.
	dataKeys, deleteKeys, refKeys []uint64
}

func (r *removals) any() bool { return r.all || len(r.data) > 0 || len(r.deletes) > 0 }

// prepare checks the changes by themselves and indexes what they remove.
func (p *Producer) prepare() error {
	c := &p.c
	r := &p.remove
	*r = removals{
		all:  c.RemoveAll,
		data: make(map[fileID]bool), deletes: make(map[fileID]bool),
		dataSpecs: make(map[int]bool), deleteSpecs: make(map[int]bool),
		paths: make(map[string]bool), vectors: make(map[string]*manifest.DataFile),
	}
	for _, f := range c.RemoveData {
		if f.Content != manifest.ContentData {
			return fmt.Errorf("%w: %s is not a data file", ErrInvalid, f.Path)
		}
		r.data[idOf(f)], r.dataSpecs[f.SpecID], r.paths[f.Path] = true, true, true
	}
	for _, f := range c.RemoveDeletes {
		if f.Content == manifest.ContentData {
			return fmt.Errorf("%w: %s is not a delete file", ErrInvalid, f.Path)
		}
		r.deletes[idOf(f)], r.deleteSpecs[f.SpecID] = true, true
	}
	added := make(map[fileID]bool, len(c.AddData)+len(c.AddDeletes))
	for _, f := range c.AddData {
		if err := p.prepareAdded(f, added, false); err != nil {
			return err
		}
	}
	for _, f := range c.AddDeletes {
		if err := p.prepareAdded(f, added, true); err != nil {
			return err
		}
	}
	p.hashRemovals()
	return p.checkOperation()
}

func (p *Producer) prepareAdded(f *manifest.DataFile, added map[fileID]bool, deletes bool) error {
	id := idOf(f)
	switch {
	case (f.Content != manifest.ContentData) != deletes:
		return fmt.Errorf("%w: %s: content %d among the wrong files", ErrInvalid, f.Path, f.Content)
	case added[id]:
		return fmt.Errorf("%w: %s is added twice", ErrInvalid, f.Path)
	case p.remove.data[id] || p.remove.deletes[id]:
		return fmt.Errorf("%w: %s is both added and removed", ErrInvalid, f.Path)
	}
	added[id] = true
	ref := scopedTo(f)
	if ref == "" {
		return nil
	}
	if p.remove.paths[ref] {
		return fmt.Errorf("%w: %s deletes rows of %s, which is removed", ErrInvalid, f.Path, ref)
	}
	if f.IsDV() {
		if other := p.remove.vectors[ref]; other != nil {
			return fmt.Errorf("%w: %s gets two deletion vectors, in %s and %s", ErrInvalid, ref, other.Path, f.Path)
		}
		p.remove.vectors[ref] = f
	}
	return nil
}

func (p *Producer) hashRemovals() {
	r, c := &p.remove, p.o.Cache
	for id := range r.data {
		r.dataKeys = append(r.dataKeys, c.hashID(id))
	}
	for id := range r.deletes {
		r.deleteKeys = append(r.deleteKeys, c.hashID(id))
	}
	for path := range r.paths {
		r.refKeys = append(r.refKeys, maphash.String(c.seed, path))
	}
	for path := range r.vectors {
		r.refKeys = append(r.refKeys, maphash.String(c.seed, path))
	}
	slices.Sort(r.dataKeys)
	slices.Sort(r.deleteKeys)
	slices.Sort(r.refKeys)
}

// operation returns the operation of the snapshot (spec: "Snapshots").
func (p *Producer) operation() string {
	c := &p.c
	removes := p.c.RemoveAll || len(c.RemoveData) > 0
	switch {
	case c.Operation != "":
		return c.Operation
	case len(c.AddDeletes) == 0 && !removes && len(c.RemoveDeletes) == 0:
		return metadata.OpAppend
	case len(c.AddData) == 0 && (len(c.AddDeletes) > 0 || removes):
		return metadata.OpDelete
	}
	return metadata.OpOverwrite
}

func (p *Producer) checkOperation() error {
	c := &p.c
	switch c.Operation {
	case "", metadata.OpOverwrite, metadata.OpReplace:
	case metadata.OpAppend:
		if p.remove.any() || len(c.AddDeletes) > 0 {
			return fmt.Errorf("%w: an append that removes files or adds deletes", ErrInvalid)
		}
	case metadata.OpDelete:
		if len(c.AddData) > 0 {
			return fmt.Errorf("%w: a delete that adds data", ErrInvalid)
		}
	default:
		return fmt.Errorf("%w: operation %q", ErrInvalid, c.Operation)
	}
	return nil
}

// checkReplace refuses a rewrite that cannot leave the rows as they are (spec:
// "Snapshots", operation replace), by the rules of Java's RewriteFiles and one
// exception: rows that are added together with their own delete, as when the
// file they are from was removed while it was rewritten, count as none. Deletes
// of other files, or of files not named, are no excuse.
//
//   - Something is removed.
//   - Data files are added only if data files are removed.
//   - Deletes of files that were there before are added only if delete files are
//     removed: else rows would go.
//   - No more rows are added, less those that come deleted, than are removed.
func (p *Producer) checkReplace(d *delta) error {
	if p.operation() != metadata.OpReplace {
		return nil
	}
	if d.removed.dataFiles+d.removed.deleteFiles() == 0 {
		return fmt.Errorf("%w: a replace that removes nothing", ErrInvalid)
	}
	if d.added.dataFiles > 0 && d.removed.dataFiles == 0 {
		return fmt.Errorf("%w: a replace of no data file by %d", ErrInvalid, d.added.dataFiles)
	}
	rows := make(map[string]int64, len(p.c.AddData)) // not deleted, by added file
	live := d.added.records
	for _, f := range p.c.AddData {
		rows[f.Path] = max(f.RecordCount, 0)
	}
	for _, f := range p.c.AddDeletes {
		n, own := rows[f.ReferencedDataFile]
		if f.Content != manifest.ContentPositionDeletes || !own {
			if d.removed.deleteFiles() == 0 {
				return fmt.Errorf("%w: a replace that removes no delete file adds %s, whose deletes are of files already there", ErrInvalid, f.Path)
			}
			continue
		}
		n = min(n, max(f.RecordCount, 0))
		rows[f.ReferencedDataFile] -= n
		live -= n
	}
	if live > d.removed.records {
		return fmt.Errorf("%w: a replace of %d rows by %d", ErrInvalid, d.removed.records, live)
	}
	return nil
}
