package snapshot

import (
	"maps"
	"strconv"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
)

// tally counts files, rows and bytes of one kind of change.
type tally struct {
	dataFiles, equalityFiles, positionFiles, vectors int64
	records, positions, equalities, size             int64
}

func (t *tally) add(f *manifest.DataFile) {
	rows := max(f.RecordCount, 0)
	size := f.FileSize
	switch {
	case f.Content == manifest.ContentData:
		t.dataFiles++
		t.records += rows
	case f.Content == manifest.ContentEqualityDeletes:
		t.equalityFiles++
		t.equalities += rows
	default:
		t.positions += rows
		if f.IsDV() {
			t.vectors++
			// The Puffin file is shared; the vector's own bytes count.
			if f.ContentSize != nil {
				size = *f.ContentSize
			}
		} else {
			t.positionFiles++
		}
	}
	t.size += size
}

func (t *tally) plus(o *tally) {
	t.dataFiles += o.dataFiles
	t.equalityFiles += o.equalityFiles
	t.positionFiles += o.positionFiles
	t.vectors += o.vectors
	t.records += o.records
	t.positions += o.positions
	t.equalities += o.equalities
	t.size += o.size
}

func (t *tally) deleteFiles() int64 { return t.equalityFiles + t.positionFiles + t.vectors }

// delta is what a snapshot adds and removes.
type delta struct {
	added, removed tally
	partitions     map[partitionKey]struct{}
}

// partitionKey identifies a partition over all specs.
type partitionKey struct {
	spec int
	key  string
}

func keyOf(spec partition.Spec, t partition.Tuple) partitionKey {
	return partitionKey{spec.ID, spec.Key(t)}
}

func (d *delta) touch(spec partition.Spec, f *manifest.DataFile) {
	if d.partitions == nil {
		d.partitions = make(map[partitionKey]struct{})
	}
	d.partitions[keyOf(spec, f.Partition)] = struct{}{}
}

func (d *delta) add(spec partition.Spec, f *manifest.DataFile) {
	d.added.add(f)
	d.touch(spec, f)
}

func (d *delta) remove(spec partition.Spec, f *manifest.DataFile) {
	d.removed.add(f)
	d.touch(spec, f)
}

func (d *delta) plus(o *delta) {
	d.added.plus(&o.added)
	d.removed.plus(&o.removed)
	if d.partitions == nil && len(o.partitions) > 0 {
		d.partitions = make(map[partitionKey]struct{}, len(o.partitions))
	}
	maps.Copy(d.partitions, o.partitions)
}

// work counts what a commit did to manifests.
type work struct{ created, kept, replaced, entries int }

// summary builds a snapshot's summary. Totals continue those of the parent on
// the target branch; one that the parent does not have is left out.
func summary(extra map[string]string, d *delta, w work, parent *metadata.Snapshot) map[string]string {
	out := make(map[string]string, len(extra)+24)
	maps.Copy(out, extra)
	set := func(name string, n int64) {
		delete(out, name)
		if n > 0 {
			out[name] = strconv.FormatInt(n, 10)
		}
	}
	a, r := &d.added, &d.removed
	set("added-data-files", a.dataFiles)
	set("deleted-data-files", r.dataFiles)
	set("added-delete-files", a.deleteFiles())
	set("removed-delete-files", r.deleteFiles())
	set("added-equality-delete-files", a.equalityFiles)
	set("removed-equality-delete-files", r.equalityFiles)
	set("added-position-delete-files", a.positionFiles)
	set("removed-position-delete-files", r.positionFiles)
	set("added-dvs", a.vectors)
	set("removed-dvs", r.vectors)
	set("added-records", a.records)
	set("deleted-records", r.records)
	set("added-files-size", a.size)
	set("removed-files-size", r.size)
	set("added-position-deletes", a.positions)
	set("removed-position-deletes", r.positions)
	set("added-equality-deletes", a.equalities)
	set("removed-equality-deletes", r.equalities)
	set("changed-partition-count", int64(len(d.partitions)))
	set("manifests-created", int64(w.created))
	set("manifests-kept", int64(w.kept))
	set("manifests-replaced", int64(w.replaced))
	set("entries-processed", int64(w.entries))
	total := func(name string, added, removed int64) {
		delete(out, name)
		before := int64(0)
		if parent != nil {
			v, err := strconv.ParseInt(parent.Summary[name], 10, 64)
			if err != nil || v < 0 {
				return
			}
			before = v
		}
		if n := before + added - removed; n >= 0 {
			out[name] = strconv.FormatInt(n, 10)
		}
	}
	total("total-data-files", a.dataFiles, r.dataFiles)
	total("total-delete-files", a.deleteFiles(), r.deleteFiles())
	total("total-records", a.records, r.records)
	total("total-files-size", a.size, r.size)
	total("total-position-deletes", a.positions, r.positions)
	total("total-equality-deletes", a.equalities, r.equalities)
	return out
}
