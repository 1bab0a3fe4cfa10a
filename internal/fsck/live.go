package fsck

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// manifestEntry is short for what manifests hold.
type manifestEntry = manifest.Entry

// live is what one snapshot holds.
type live struct {
	snap   *metadata.Snapshot
	schema *schema.Schema
	broken bool // something could not be read

	data    map[string]*manifestEntry
	deletes []*manifestEntry
	vectors map[string]*manifestEntry // by the data file they are for
	seen    map[deleteKey]bool

	total, added, removed tally
}

// tally recomputes a summary.
type tally struct{ dataFiles, deleteFiles, records, size, positions, equalities int64 }

func (t *tally) add(f *manifest.DataFile) {
	rows, size := max(f.RecordCount, 0), f.FileSize
	switch f.Content {
	case manifest.ContentData:
		t.dataFiles++
		t.records += rows
	case manifest.ContentEqualityDeletes:
		t.deleteFiles++
		t.equalities += rows
	default:
		t.deleteFiles++
		t.positions += rows
		if f.IsDV() && f.ContentSize != nil {
			size = *f.ContentSize
		}
	}
	t.size += size
}

// deleteKey identifies a delete file: vectors share files.
type deleteKey struct {
	path         string
	offset, size int64
}

func keyOf(f *manifest.DataFile) deleteKey {
	k := deleteKey{path: f.Path, offset: -1}
	if f.IsDV() && f.ContentOffset != nil && f.ContentSize != nil {
		k.offset, k.size = *f.ContentOffset, *f.ContentSize
	}
	return k
}

func newLive(s *metadata.Snapshot, sc *schema.Schema) *live {
	return &live{
		snap: s, schema: sc, data: make(map[string]*manifestEntry), vectors: make(map[string]*manifestEntry),
		seen: make(map[deleteKey]bool),
	}
}

// liveEntry takes an entry into what its snapshot holds.
func (c *checker) liveEntry(l *live, e *manifestEntry) {
	f := e.File
	switch {
	case e.Status == manifest.StatusDeleted:
		if e.SnapshotID == l.snap.ID {
			l.removed.add(f)
		}
		return
	case e.Status == manifest.StatusAdded && e.SnapshotID == l.snap.ID:
		l.added.add(f)
	}
	if s := l.snap.SequenceNumber; s > 0 && e.SequenceNumber > s {
		c.fail("sequence", f.Path, "has data sequence number %d in snapshot %d of %d", e.SequenceNumber, l.snap.ID, s)
	}
	l.total.add(f)
	if f.Content == manifest.ContentData {
		if l.data[f.Path] != nil {
			c.fail("twice", f.Path, "is live twice in snapshot %d", l.snap.ID)
			return
		}
		l.data[f.Path] = e
		c.noteData(e, l.schema)
		return
	}
	l.deletes = append(l.deletes, e)
	k := keyOf(f)
	if c.deletes[k] == nil {
		c.deletes[k] = e
	}
	if l.seen[k] {
		c.fail("twice", f.Path, "is live twice in snapshot %d", l.snap.ID)
	}
	l.seen[k] = true
	if !f.IsDV() {
		return
	}
	if other := l.vectors[f.ReferencedDataFile]; other != nil {
		c.fail("dv", f.ReferencedDataFile, "has two deletion vectors in snapshot %d, in %s and %s", l.snap.ID, other.File.Path, f.Path)
	}
	l.vectors[f.ReferencedDataFile] = e
}

// summary compares a snapshot's summary with its entries.
func (c *checker) summary(l *live) {
	check := func(name string, n int64) {
		text, ok := l.snap.Summary[name]
		if !ok {
			return
		}
		said, err := strconv.ParseInt(text, 10, 64)
		if err != nil || said != n {
			c.fail("summary", place(l.snap), "%s is %q, there are %d", name, text, n)
		}
	}
	check("total-data-files", l.total.dataFiles)
	check("total-delete-files", l.total.deleteFiles)
	check("total-records", l.total.records)
	check("total-files-size", l.total.size)
	check("total-position-deletes", l.total.positions)
	check("total-equality-deletes", l.total.equalities)
	check("added-data-files", l.added.dataFiles)
	check("added-delete-files", l.added.deleteFiles)
	check("added-records", l.added.records)
	check("added-files-size", l.added.size)
	check("added-position-deletes", l.added.positions)
	check("added-equality-deletes", l.added.equalities)
	check("deleted-data-files", l.removed.dataFiles)
	check("removed-delete-files", l.removed.deleteFiles)
	check("deleted-records", l.removed.records)
	check("removed-files-size", l.removed.size)
}

// rowIDs checks that no two rows of a snapshot have one row id.
func (c *checker) rowIDs(l *live) {
	if l.snap.FirstRowID == nil {
		return
	}
	var with []*manifestEntry
	for path, e := range l.data {
		if e.File.FirstRowID == nil {
			c.fail("row-id", path, "has no first row id in snapshot %d", l.snap.ID)
			continue
		}
		with = append(with, e)
	}
	slices.SortFunc(with, func(a, b *manifestEntry) int {
		return cmp.Or(cmp.Compare(*a.File.FirstRowID, *b.File.FirstRowID), strings.Compare(a.File.Path, b.File.Path))
	})
	end, before := int64(0), ""
	for _, e := range with {
		first, rows := *e.File.FirstRowID, e.File.RecordCount
		if first < end && rows > 0 {
			c.fail("row-id", e.File.Path, "has row ids from %d, those of %s end at %d", first, before, end)
		}
		if after := rowsEnd(first, rows); after > end {
			end, before = after, e.File.Path
		}
	}
	if end > c.t.NextRowID {
		c.fail("row-id", before, "has row ids to %d, above next-row-id %d", end, c.t.NextRowID)
	}
}

// deletesApply checks what deletes refer to. Ones that apply to nothing are
// allowed (compaction leaves them behind) and told.
func (c *checker) deletesApply(l *live) {
	if len(l.deletes) == 0 {
		return
	}
	for path, v := range l.vectors {
		d := l.data[path]
		switch {
		case d == nil:
		case v.File.RecordCount > d.File.RecordCount:
			c.fail("dv", v.File.Path, "deletes %d rows of %s, which has %d", v.File.RecordCount, path, d.File.RecordCount)
		case v.SequenceNumber < d.SequenceNumber:
			c.fail("dv", v.File.Path, "has sequence number %d, below %d of its data file %s", v.SequenceNumber, d.SequenceNumber, path)
		}
	}
	index, err := snapshot.BuildDeleteIndex(c.t, all(l.deletes))
	if err != nil {
		c.fail("deletes", place(l.snap), "%v", err)
		return
	}
	used := make(map[deleteKey]bool)
	for path, e := range l.data {
		d, err := index.For(e)
		if err != nil {
			c.fail("deletes", path, "snapshot %d: %v", l.snap.ID, err)
			continue
		}
		if d.DV != nil {
			used[keyOf(d.DV.File)] = true
		}
		for _, e := range slices.Concat(d.Positions, d.Equality) {
			used[keyOf(e.File)] = true
		}
	}
	if c.t.CurrentSnapshotID == nil || l.snap.ID != *c.t.CurrentSnapshotID {
		return
	}
	for _, e := range l.deletes {
		if used[keyOf(e.File)] {
			continue
		}
		what := "applies to no data file"
		if ref := e.File.ReferencedDataFile; ref != "" && l.vectors[ref] != nil && !e.File.IsDV() {
			what = "is superseded by a deletion vector"
		}
		c.warn("dangling", e.File.Path, "%s in snapshot %d", what, l.snap.ID)
	}
}

func all(entries []*manifestEntry) iter.Seq2[*manifestEntry, error] {
	return func(yield func(*manifestEntry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}
