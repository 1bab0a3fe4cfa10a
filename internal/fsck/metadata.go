package fsck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/frazildb/frazil/internal/puffin"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// clockTolerance is by how much times may go back, in milliseconds: what the
// reference implementation allows.
const clockTolerance = 60_000

// metadata checks what the metadata file says of itself.
func (c *checker) metadata() {
	c.schemas()
	c.specs()
	c.history()
	c.refs()
	c.logs()
	c.lineage()
}

// once notes the id of a member of the metadata, which must not have come before.
func once[ID comparable](c *checker, seen map[ID]bool, id ID, rule, at string) {
	if seen[id] {
		c.fail(rule, at, "the id occurs twice")
	}
	seen[id] = true
}

func (c *checker) schemas() {
	t := c.t
	ids := make(map[int]bool)
	for _, s := range t.Schemas {
		at := fmt.Sprintf("schema %d", s.ID)
		once(c, ids, s.ID, "schema", at)
		if h := s.HighestFieldID(); h > t.LastColumnID {
			c.fail("schema", at, "field id %d is above last-column-id %d", h, t.LastColumnID)
		}
		if err := schema.Validate(s, t.FormatVersion); err != nil {
			c.fail("schema", at, "%v", err)
		}
	}
	if !ids[t.CurrentSchemaID] {
		c.fail("schema", "current-schema-id", "there is no schema %d", t.CurrentSchemaID)
	}
}

func (c *checker) specs() {
	t := c.t
	ids := make(map[int]bool)
	for _, s := range t.Specs {
		at := fmt.Sprintf("partition spec %d", s.ID)
		once(c, ids, s.ID, "spec", at)
		if last := s.LastFieldID(); last > t.LastPartitionID {
			c.fail("spec", at, "field id %d is above last-partition-id %d", last, t.LastPartitionID)
		}
		for i, typ := range t.PartitionTypes(s.ID) {
			if typ.Kind == schema.KindUnknown {
				c.warn("spec", at, "field %s has no source column of a type that fits", s.Fields[i].Name)
			}
		}
	}
	if !ids[t.DefaultSpecID] {
		c.fail("spec", "default-spec-id", "there is no partition spec %d", t.DefaultSpecID)
	}
	orders := make(map[int]bool)
	for _, o := range t.SortOrders {
		once(c, orders, o.ID, "sort-order", fmt.Sprintf("sort order %d", o.ID))
	}
	if !orders[t.DefaultSortOrderID] && (t.DefaultSortOrderID != 0 || len(t.SortOrders) > 0) {
		c.fail("sort-order", "default-sort-order-id", "there is no sort order %d", t.DefaultSortOrderID)
	}
}

func place(s *metadata.Snapshot) string { return fmt.Sprintf("snapshot %d", s.ID) }

// history checks snapshots against each other and the table's counters.
func (c *checker) history() {
	t := c.t
	ids := make(map[int64]bool)
	sequences := make(map[int64]int64)
	for i := range t.Snapshots {
		s := &t.Snapshots[i]
		once(c, ids, s.ID, "snapshot", place(s))
		if s.SequenceNumber > t.LastSequenceNumber {
			c.fail("sequence", place(s), "sequence number %d is above last-sequence-number %d", s.SequenceNumber, t.LastSequenceNumber)
		}
		if other, twice := sequences[s.SequenceNumber]; twice && s.SequenceNumber > 0 {
			c.fail("sequence", place(s), "has sequence number %d, as snapshot %d has", s.SequenceNumber, other)
		}
		sequences[s.SequenceNumber] = s.ID
		if s.TimestampMS > t.LastUpdatedMS+clockTolerance {
			c.fail("time", place(s), "is of %d, later than last-updated-ms %d", s.TimestampMS, t.LastUpdatedMS)
		}
		if s.SchemaID != nil {
			if _, ok := t.SchemaByID(*s.SchemaID); !ok {
				c.fail("schema", place(s), "there is no schema %d", *s.SchemaID)
			}
		}
		if s.ParentID != nil {
			c.parent(s)
		}
	}
}

func (c *checker) parent(s *metadata.Snapshot) {
	p := c.t.Snapshot(*s.ParentID)
	switch {
	case *s.ParentID == s.ID:
		c.fail("snapshot", place(s), "is its own parent")
	case p == nil: // expired
	case s.SequenceNumber > 0 && p.SequenceNumber >= s.SequenceNumber:
		c.fail("sequence", place(s), "sequence number %d is not above %d of its parent %d", s.SequenceNumber, p.SequenceNumber, p.ID)
	case s.TimestampMS < p.TimestampMS-clockTolerance:
		c.fail("time", place(s), "is of %d, before its parent %d of %d", s.TimestampMS, p.ID, p.TimestampMS)
	}
}

func (c *checker) refs() {
	t := c.t
	for name, r := range t.Refs {
		at := "ref " + name
		if t.Snapshot(r.SnapshotID) == nil {
			c.fail("ref", at, "points to snapshot %d, which does not exist", r.SnapshotID)
		}
		if r.Type != "branch" && r.Type != "tag" {
			c.fail("ref", at, "is of type %q", r.Type)
		}
		if name == metadata.MainBranch && r.Type == "tag" {
			c.fail("ref", at, "is a tag")
		}
	}
	main, ok := t.Refs[metadata.MainBranch]
	switch {
	case t.CurrentSnapshotID == nil && ok:
		c.fail("ref", "current-snapshot-id", "is missing though main is at snapshot %d", main.SnapshotID)
	case t.CurrentSnapshotID == nil:
	case t.Snapshot(*t.CurrentSnapshotID) == nil:
		c.fail("ref", "current-snapshot-id", "snapshot %d does not exist", *t.CurrentSnapshotID)
	case ok && main.SnapshotID != *t.CurrentSnapshotID:
		c.fail("ref", "current-snapshot-id", "is %d though main is at snapshot %d", *t.CurrentSnapshotID, main.SnapshotID)
	}
}

func (c *checker) logs() {
	t := c.t
	times := make([]int64, len(t.SnapshotLog))
	for i, e := range t.SnapshotLog {
		times[i] = e.TimestampMS
		if t.Snapshot(e.SnapshotID) == nil {
			c.warn("log", "snapshot-log", "entry %d names snapshot %d, which does not exist", i, e.SnapshotID)
		}
	}
	c.times("snapshot-log", times)
	if n := len(t.SnapshotLog); n > 0 && t.CurrentSnapshotID != nil && t.SnapshotLog[n-1].SnapshotID != *t.CurrentSnapshotID {
		c.fail("log", "snapshot-log", "ends with snapshot %d, the current one is %d", t.SnapshotLog[n-1].SnapshotID, *t.CurrentSnapshotID)
	}
	times = times[:0]
	for _, e := range t.MetadataLog {
		times = append(times, e.TimestampMS)
	}
	c.times("metadata-log", times)
}

// times checks that a log goes forward, and not beyond the metadata it is in.
func (c *checker) times(log string, ms []int64) {
	for i, at := range ms {
		if i > 0 && at < ms[i-1]-clockTolerance {
			c.fail("log", log, "entry %d is of %d, before entry %d of %d", i, at, i-1, ms[i-1])
		}
	}
	if n := len(ms); n > 0 && ms[n-1] > c.t.LastUpdatedMS+clockTolerance {
		c.fail("log", log, "ends at %d, after last-updated-ms %d", ms[n-1], c.t.LastUpdatedMS)
	}
}

// lineage checks row ids as snapshots hand them out (spec: "Row Lineage"): each
// begins where the one before ended, whatever branch it is on.
func (c *checker) lineage() {
	t := c.t
	if t.FormatVersion < 3 {
		return
	}
	var with []*metadata.Snapshot
	for i := range t.Snapshots {
		if s := &t.Snapshots[i]; s.FirstRowID != nil {
			with = append(with, s)
		}
	}
	slices.SortStableFunc(with, func(a, b *metadata.Snapshot) int { return cmp.Compare(a.SequenceNumber, b.SequenceNumber) })
	end, before := int64(0), int64(0)
	for _, s := range with {
		if *s.FirstRowID < end {
			c.fail("row-id", place(s), "first-row-id %d is below %d, where snapshot %d ends", *s.FirstRowID, end, before)
		}
		rows := int64(0)
		if s.AddedRows != nil {
			rows = *s.AddedRows
		}
		if rows < 0 || *s.FirstRowID < 0 {
			c.fail("row-id", place(s), "first-row-id %d, added-rows %d", *s.FirstRowID, rows)
		}
		end, before = max(end, rowsEnd(*s.FirstRowID, rows)), s.ID
		if end > t.NextRowID {
			c.fail("row-id", place(s), "row ids to %d, above next-row-id %d", end, t.NextRowID)
		}
	}
}

// rowsEnd is the row id after those of so many rows, the greatest there is where
// that is too large.
func rowsEnd(first, rows int64) int64 {
	return first + min(max(rows, 0), math.MaxInt64-max(first, 0))
}

// metadataFiles looks at the files that metadata names itself.
func (c *checker) metadataFiles(ctx context.Context) {
	for _, e := range c.t.MetadataLog {
		if _, err := c.src.Store.Stat(ctx, e.MetadataFile); err != nil {
			c.warn("metadata-log", e.MetadataFile, "%v", err)
		}
	}
	for _, s := range c.t.Statistics {
		if c.t.Snapshot(s.SnapshotID) == nil {
			c.warn("statistics", s.Path, "is of snapshot %d, which does not exist", s.SnapshotID)
		}
		if err := c.statisticsFile(ctx, &s); err != nil && ctx.Err() == nil {
			c.fail("statistics", s.Path, "%v", err)
		}
	}
	for _, s := range c.t.PartitionStatistics {
		if c.t.Snapshot(s.SnapshotID) == nil {
			c.warn("statistics", s.Path, "is of snapshot %d, which does not exist", s.SnapshotID)
		}
		c.exists(ctx, "statistics", s.Path, s.FileSizeInBytes)
	}
}

func (c *checker) statisticsFile(ctx context.Context, s *metadata.Statistics) error {
	o, err := c.src.Store.Open(ctx, s.Path)
	if err != nil {
		return err
	}
	defer o.Close()
	if o.Size() != s.FileSizeInBytes {
		return fmt.Errorf("has %d bytes, the metadata says %d", o.Size(), s.FileSizeInBytes)
	}
	f, err := puffin.ReadFooter(ctx, o)
	switch {
	case err != nil:
		return err
	case s.FileFooterSize > 0 && f.Size != s.FileFooterSize:
		return fmt.Errorf("has a footer of %d bytes, the metadata says %d", f.Size, s.FileFooterSize)
	case len(f.Blobs) != len(s.Blobs):
		return fmt.Errorf("has %d blobs, the metadata says %d", len(f.Blobs), len(s.Blobs))
	}
	return nil
}

// exists checks a file's existence and, if size is not negative, its length.
func (c *checker) exists(ctx context.Context, rule, uri string, size int64) {
	info, err := c.src.Store.Stat(ctx, uri)
	switch {
	case err == nil && size >= 0 && info.Size != size:
		c.fail("length", uri, "has %d bytes, the metadata says %d", info.Size, size)
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, objstore.ErrNotFound):
		c.fail("missing", uri, "the file does not exist")
	default:
		c.fail(rule, uri, "%v", err)
	}
}
