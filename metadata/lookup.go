package metadata

import (
	"iter"
	"strconv"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// CurrentSchema returns the table's current schema.
func (t *Table) CurrentSchema() *schema.Schema {
	s, _ := t.SchemaByID(t.CurrentSchemaID)
	return s
}

// SchemaByID returns a schema, false if there is none with that id.
func (t *Table) SchemaByID(id int) (*schema.Schema, bool) {
	for i := len(t.Schemas) - 1; i >= 0; i-- {
		if t.Schemas[i].ID == id {
			return t.Schemas[i], true
		}
	}
	return nil, false
}

// Spec returns a partition spec, false if there is none with that id.
func (t *Table) Spec(id int) (partition.Spec, bool) {
	for i := range t.Specs {
		if t.Specs[i].ID == id {
			return t.Specs[i], true
		}
	}
	return partition.Spec{}, false
}

// DefaultSpec returns the spec that new files are written with.
func (t *Table) DefaultSpec() partition.Spec {
	s, _ := t.Spec(t.DefaultSpecID)
	return s
}

// SortOrder returns a sort order, false if there is none with that id.
func (t *Table) SortOrder(id int) (partition.SortOrder, bool) {
	for i := range t.SortOrders {
		if t.SortOrders[i].ID == id {
			return t.SortOrders[i], true
		}
	}
	return partition.SortOrder{}, false
}

// DefaultSortOrder returns the order that new files are written with.
func (t *Table) DefaultSortOrder() partition.SortOrder {
	o, _ := t.SortOrder(t.DefaultSortOrderID)
	return o
}

// Field returns a column by id as the current schema has it or else, for a
// dropped column, the newest schema that has it.
func (t *Table) Field(id int) (*schema.Field, bool) {
	if s := t.CurrentSchema(); s != nil {
		if f, ok := s.FieldByID(id); ok {
			return f, true
		}
	}
	for i := len(t.Schemas) - 1; i >= 0; i-- {
		if f, ok := t.Schemas[i].FieldByID(id); ok {
			return f, true
		}
	}
	return nil, false
}

// PartitionTypes returns the result types of a spec's fields, with sources
// resolved through all schemas; schema.Unknown where that is not possible. It is
// nil for an unknown spec id.
func (t *Table) PartitionTypes(specID int) []schema.Type {
	spec, ok := t.Spec(specID)
	if !ok {
		return nil
	}
	types := make([]schema.Type, len(spec.Fields))
	for i, f := range spec.Fields {
		types[i] = schema.Unknown
		if len(f.SourceIDs) != 1 {
			continue
		}
		if src, ok := t.Field(f.SourceIDs[0]); ok {
			if res, err := f.Transform.ResultType(src.Type); err == nil {
				types[i] = res
			}
		}
	}
	return types
}

// buildIndex indexes the snapshots by id. A table that is being built has no
// index until its parts are complete.
func (t *Table) buildIndex() {
	t.index = make(map[int64]int, len(t.Snapshots))
	for i := range t.Snapshots {
		if _, ok := t.index[t.Snapshots[i].ID]; !ok {
			t.index[t.Snapshots[i].ID] = i
		}
	}
}

// Snapshot returns a snapshot, nil if there is none with that id. It must not be
// changed.
func (t *Table) Snapshot(id int64) *Snapshot {
	if t.index != nil {
		if i, ok := t.index[id]; ok && i < len(t.Snapshots) && t.Snapshots[i].ID == id {
			return &t.Snapshots[i]
		}
		return nil
	}
	for i := len(t.Snapshots) - 1; i >= 0; i-- {
		if t.Snapshots[i].ID == id {
			return &t.Snapshots[i]
		}
	}
	return nil
}

// Current returns the current snapshot of main, nil in an empty table.
func (t *Table) Current() *Snapshot {
	if t.CurrentSnapshotID == nil {
		return nil
	}
	return t.Snapshot(*t.CurrentSnapshotID)
}

// RefSnapshot returns the snapshot of a branch or tag, nil if there is none; main
// always exists and may be empty.
func (t *Table) RefSnapshot(name string) *Snapshot {
	if r, ok := t.Refs[name]; ok {
		return t.Snapshot(r.SnapshotID)
	}
	if name == MainBranch {
		return t.Current()
	}
	return nil
}

// Ancestors yields a snapshot and its ancestors that still exist, newest first.
func (t *Table) Ancestors(id int64) iter.Seq[*Snapshot] {
	return func(yield func(*Snapshot) bool) {
		// Parent links of a damaged table may form a ring.
		for range t.Snapshots {
			s := t.Snapshot(id)
			if s == nil || !yield(s) || s.ParentID == nil {
				return
			}
			id = *s.ParentID
		}
	}
}

// IsAncestor reports whether snapshot a is snapshot of or one of its ancestors.
// An expired snapshot counts as long as its child remains.
func (t *Table) IsAncestor(a, of int64) bool {
	if a == of {
		return true
	}
	for s := range t.Ancestors(of) {
		if s.ID == a || s.ParentID != nil && *s.ParentID == a {
			return true
		}
	}
	return false
}

// SnapshotAsOf returns the snapshot that was current at a time, in milliseconds
// since the epoch, by the snapshot log; nil if there was none or it has expired.
func (t *Table) SnapshotAsOf(ms int64) *Snapshot {
	var id *int64
	at := int64(0)
	for i := range t.SnapshotLog {
		// Clocks of writers differ a little: entries need not be in order of time,
		// and of those in time the last one holds.
		if l := &t.SnapshotLog[i]; l.TimestampMS <= ms && (id == nil || l.TimestampMS >= at) {
			id, at = &l.SnapshotID, l.TimestampMS
		}
	}
	if id == nil {
		return nil
	}
	return t.Snapshot(*id)
}

// SnapshotSchema returns the schema a snapshot was written with, the current one
// when the snapshot does not say or the schema is gone.
func (t *Table) SnapshotSchema(s *Snapshot) *schema.Schema {
	if s != nil && s.SchemaID != nil {
		if sc, ok := t.SchemaByID(*s.SchemaID); ok {
			return sc
		}
	}
	return t.CurrentSchema()
}

// Property returns a table property, def when it is missing.
func (t *Table) Property(name, def string) string {
	if v, ok := t.Properties[name]; ok {
		return v
	}
	return def
}

// PropertyInt returns a table property as an integer, def when it is missing or
// malformed.
func (t *Table) PropertyInt(name string, def int64) int64 {
	if n, err := strconv.ParseInt(t.Properties[name], 10, 64); err == nil {
		return n
	}
	return def
}
