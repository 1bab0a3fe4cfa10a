package fsck

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// manifestKey is a manifest as a list describes it: the first row id decides what
// its entries inherit.
type manifestKey struct {
	path  string
	first int64
}

// checked is a manifest that was looked at; entries are all of them, deleted ones
// included; read says that they could be read.
type checked struct {
	file    *manifest.File
	entries []*manifest.Entry
	read    bool
}

// maxManifestBytes bounds what is read of one manifest.
const maxManifestBytes = 1 << 30

// snapshots checks every snapshot, the current one first.
func (c *checker) snapshots(ctx context.Context) {
	c.manifests = make(map[manifestKey]*checked)
	c.data, c.bare = make(map[string]*dataFile), make(map[string]*dataFile)
	c.deletes = make(map[deleteKey]*manifestEntry)
	current := c.t.Current()
	if current != nil {
		c.snapshot(ctx, current, c.t.CurrentSchema())
	}
	for i := len(c.t.Snapshots) - 1; i >= 0 && ctx.Err() == nil; i-- {
		if s := &c.t.Snapshots[i]; current == nil || s.ID != current.ID {
			c.snapshot(ctx, s, c.t.SnapshotSchema(s))
		}
	}
	c.report.Manifests = len(c.manifests)
	c.report.DataFiles, c.report.DeleteFiles = len(c.data), len(c.deletes)
}

// snapshot checks one snapshot down to its entries.
func (c *checker) snapshot(ctx context.Context, s *metadata.Snapshot, sc *schema.Schema) {
	c.report.Snapshots++
	files, err := snapshot.Manifests(ctx, c.src.Store, c.t, s, c.cache)
	if err != nil {
		if ctx.Err() == nil {
			c.fail(readRule(err), place(s), "%v", err)
		}
		return
	}
	l := newLive(s, sc)
	seen := make(map[string]bool)
	for _, f := range files {
		if seen[f.Path] {
			c.fail("manifest", f.Path, "is listed twice in snapshot %d", s.ID)
			continue
		}
		seen[f.Path] = true
		if f.SequenceNumber > s.SequenceNumber && s.SequenceNumber > 0 {
			c.fail("sequence", f.Path, "has sequence number %d in snapshot %d of %d", f.SequenceNumber, s.ID, s.SequenceNumber)
		}
		m := c.manifest(ctx, f)
		if !m.read {
			l.broken = true
			continue
		}
		for _, e := range m.entries {
			c.liveEntry(l, e)
		}
	}
	if l.broken || ctx.Err() != nil {
		return
	}
	c.summary(l)
	c.rowIDs(l)
	c.deletesApply(l)
}

// readRule says what kind of finding an error in reading is.
func readRule(err error) string {
	switch {
	case errors.Is(err, objstore.ErrNotFound):
		return "missing"
	case errors.Is(err, objstore.ErrOutside):
		return "outside"
	case errors.Is(err, manifest.ErrCorrupt):
		return "corrupt"
	}
	return "unreadable"
}

// manifest checks a manifest by itself, once for every description of it.
func (c *checker) manifest(ctx context.Context, f *manifest.File) *checked {
	key := manifestKey{f.Path, -1}
	if f.FirstRowID != nil {
		key.first = *f.FirstRowID
	}
	if m := c.manifests[key]; m != nil {
		c.sameFile(m.file, f)
		return m
	}
	m := &checked{file: f}
	c.manifests[key] = m
	spec, ok := c.t.Spec(f.SpecID)
	if !ok {
		c.fail("spec", f.Path, "there is no partition spec %d", f.SpecID)
		return m
	}
	data, err := objstore.ReadAll(ctx, c.src.Store, f.Path, maxManifestBytes)
	c.looked()
	if err != nil {
		if ctx.Err() == nil {
			c.fail(readRule(err), f.Path, "%v", err)
		}
		return m
	}
	if int64(len(data)) != f.Length {
		c.fail("length", f.Path, "has %d bytes, the manifest list says %d", len(data), f.Length)
	}
	o := &manifest.ReadOptions{Spec: &spec, PartitionTypes: c.t.PartitionTypes(f.SpecID), KeepDeleted: true, Schemas: c.opts.Schemas}
	if c.opts.Deep {
		o.Stats = manifest.StatsAll
	}
	if m.entries, err = manifest.ReadAll(data, f, o); err != nil {
		c.fail(readRule(err), f.Path, "%v", err)
		return m
	}
	m.read = true
	c.counts(m)
	c.partitions(m, spec)
	for _, e := range m.entries {
		c.entry(f, e)
	}
	return m
}

// sameFile checks that all lists describe a manifest alike.
func (c *checker) sameFile(a, b *manifest.File) {
	if a.Length != b.Length || a.SpecID != b.SpecID || a.Kind != b.Kind || a.SequenceNumber != b.SequenceNumber ||
		a.AddedSnapshotID != b.AddedSnapshotID || a.AddedFiles != b.AddedFiles || a.ExistingFiles != b.ExistingFiles ||
		a.DeletedFiles != b.DeletedFiles {
		c.fail("manifest", a.Path, "is described in different ways by different manifest lists")
	}
}

// counts compares a manifest list's numbers with the entries.
func (c *checker) counts(m *checked) {
	var files [3]int64
	var rows [3]int64
	minimum := int64(math.MaxInt64)
	for _, e := range m.entries {
		files[e.Status]++
		rows[e.Status] += max(e.File.RecordCount, 0)
		if e.IsLive() && e.SequenceNumber >= 0 {
			minimum = min(minimum, e.SequenceNumber)
		}
	}
	f := m.file
	for _, x := range []struct {
		what      string
		said, has int64
	}{
		{"added files", int64(f.AddedFiles), files[manifest.StatusAdded]},
		{"existing files", int64(f.ExistingFiles), files[manifest.StatusExisting]},
		{"deleted files", int64(f.DeletedFiles), files[manifest.StatusDeleted]},
		{"added rows", f.AddedRows, rows[manifest.StatusAdded]},
		{"existing rows", f.ExistingRows, rows[manifest.StatusExisting]},
		{"deleted rows", f.DeletedRows, rows[manifest.StatusDeleted]},
	} {
		if x.said >= 0 && x.said != x.has {
			c.fail("count", f.Path, "has %d %s, the manifest list says %d", x.has, x.what, x.said)
		}
	}
	switch {
	case minimum == math.MaxInt64:
	case f.MinSequenceNumber > minimum:
		c.fail("sequence", f.Path, "holds data sequence number %d, below the %d of the manifest list", minimum, f.MinSequenceNumber)
	case f.MinSequenceNumber >= 0 && f.MinSequenceNumber < minimum:
		c.warn("sequence", f.Path, "holds data sequence numbers from %d, the manifest list says %d", minimum, f.MinSequenceNumber)
	}
}

// partitions checks the partition summaries that pruning relies on, and that the
// tuples are of the spec's types.
func (c *checker) partitions(m *checked, spec partition.Spec) {
	types := c.t.PartitionTypes(spec.ID)
	sums := m.file.Partitions
	if len(sums) > 0 && len(sums) != len(spec.Fields) {
		c.fail("partition", m.file.Path, "has %d partition summaries for the %d fields of spec %d", len(sums), len(spec.Fields), spec.ID)
		return
	}
	for _, e := range m.entries {
		if len(e.File.Partition) != len(types) {
			c.fail("partition", e.File.Path, "has a partition of %d values, spec %d has %d fields", len(e.File.Partition), spec.ID, len(types))
			continue
		}
		for i, v := range e.File.Partition {
			if types[i].Kind == schema.KindUnknown {
				continue
			}
			if v != nil && !schema.IsNaN(v) {
				if _, err := schema.EncodeBound(types[i], v); err != nil {
					c.fail("partition", e.File.Path, "field %s: %v is not of type %s", spec.Fields[i].Name, v, types[i])
					continue
				}
			}
			if len(sums) > 0 && e.IsLive() {
				c.summarised(m.file, &sums[i], spec.Fields[i].Name, types[i], v, e.File.Path)
			}
		}
	}
}

func (c *checker) summarised(f *manifest.File, s *manifest.FieldSummary, name string, t schema.Type, v any, path string) {
	switch {
	case v == nil:
		if !s.ContainsNull {
			c.fail("partition-summary", f.Path, "field %s: no null, but %s is of a null partition", name, path)
		}
	case schema.IsNaN(v):
		if s.ContainsNaN != nil && !*s.ContainsNaN {
			c.fail("partition-summary", f.Path, "field %s: no NaN, but %s is of partition NaN", name, path)
		}
	default:
		if err := within(t, s.Lower, s.Upper, v); err != nil {
			c.fail("partition-summary", f.Path, "field %s: %s: %v", name, path, err)
		}
	}
}

// within returns an error if v is outside of encoded bounds, nil ones excepted.
func within(t schema.Type, lower, upper []byte, v any) error {
	if lower != nil {
		lo, err := schema.DecodeBound(t, lower)
		if err != nil {
			return fmt.Errorf("lower bound: %w", err)
		}
		if compare(t, v, lo) < 0 {
			return fmt.Errorf("%s is below the lower bound %s", schema.FormatValue(t, v), schema.FormatValue(t, lo))
		}
	}
	if upper != nil {
		hi, err := schema.DecodeBound(t, upper)
		if err != nil {
			return fmt.Errorf("upper bound: %w", err)
		}
		if compare(t, v, hi) > 0 {
			return fmt.Errorf("%s is above the upper bound %s", schema.FormatValue(t, v), schema.FormatValue(t, hi))
		}
	}
	return nil
}

// compare orders values as bounds do, with both zeros equal, as many writers have
// them.
func compare(t schema.Type, a, b any) int {
	switch x := a.(type) {
	case float32:
		if y, ok := b.(float32); ok && x == y {
			return 0
		}
	case float64:
		if y, ok := b.(float64); ok && x == y {
			return 0
		}
	}
	return schema.Compare(t, a, b)
}

// entry checks one entry by itself.
func (c *checker) entry(f *manifest.File, e *manifest.Entry) {
	d := e.File
	if (d.Content == manifest.ContentData) != (f.Kind == manifest.Data) {
		c.fail("content", d.Path, "has content %d in a manifest of kind %d, %s", d.Content, f.Kind, f.Path)
	}
	if d.Path == "" {
		c.fail("path", f.Path, "an entry has no path")
	}
	if d.RecordCount < 0 || d.FileSize < 0 {
		c.fail("count", d.Path, "record count %d, file size %d", d.RecordCount, d.FileSize)
	}
	if e.Status == manifest.StatusAdded && e.SnapshotID != f.AddedSnapshotID {
		c.fail("sequence", d.Path, "was added by snapshot %d, its manifest by %d", e.SnapshotID, f.AddedSnapshotID)
	}
	if e.IsLive() && e.FileSequenceNumber >= 0 {
		if e.SequenceNumber > e.FileSequenceNumber {
			c.fail("sequence", d.Path, "data sequence number %d is above the file sequence number %d", e.SequenceNumber, e.FileSequenceNumber)
		}
		if e.FileSequenceNumber > f.SequenceNumber {
			c.fail("sequence", d.Path, "file sequence number %d is above the manifest's, %d", e.FileSequenceNumber, f.SequenceNumber)
		}
	}
	if d.SortOrderID != nil && e.IsLive() {
		if _, ok := c.t.SortOrder(*d.SortOrderID); !ok && *d.SortOrderID != 0 {
			c.warn("sort-order", d.Path, "there is no sort order %d", *d.SortOrderID)
		}
	}
	if d.Content != manifest.ContentData {
		c.deleteEntry(d)
	}
}

func (c *checker) deleteEntry(d *manifest.DataFile) {
	if c.t.FormatVersion < 2 {
		c.fail("version", d.Path, "is a delete file in a table of format version %d", c.t.FormatVersion)
	}
	switch {
	case d.IsDV():
		if c.t.FormatVersion < 3 {
			c.fail("version", d.Path, "is a deletion vector in a table of format version %d", c.t.FormatVersion)
		}
		if d.ReferencedDataFile == "" || d.ContentOffset == nil || d.ContentSize == nil {
			c.fail("dv", d.Path, "does not say which data file it is for, or where in the file it is")
			return
		}
		if *d.ContentOffset < 0 || *d.ContentSize < 0 || *d.ContentOffset > d.FileSize-*d.ContentSize {
			c.fail("dv", d.Path, "is at %d with %d bytes, in a file of %d", *d.ContentOffset, *d.ContentSize, d.FileSize)
		}
	case d.Content == manifest.ContentEqualityDeletes:
		if len(d.EqualityIDs) == 0 {
			c.fail("equality", d.Path, "names no columns")
		}
		for _, id := range d.EqualityIDs {
			if _, ok := c.t.Field(id); !ok {
				c.fail("equality", d.Path, "no schema has field id %d", id)
			}
		}
	}
}
