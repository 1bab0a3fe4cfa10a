package metadata

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/frazildb/frazil/partition"
)

// ErrStale is wrapped by Apply when updates were made for an older base, so that
// one has to reload and make them anew: a snapshot's sequence number or first
// row id is behind the table's, or a snapshot is removed that a ref needs.
var ErrStale = errors.New("stale base")

// Apply returns the table changed by the updates in order; t stays as it is.
//
// now becomes last-updated-ms unless that would go back. previousLocation, unless
// "", is the metadata file of t: it is appended to the metadata log, of which
// write.metadata.previous-versions-max entries (100) are kept.
//
// A schema, spec or sort order equal to one the table has is not added again; the
// Set updates' LastAdded then means the existing one. Ids that the updates carry
// for new ones are replaced by the next free ones. A snapshot must have a sequence
// number above the table's last (version 2 and up, unless it has no parent) and
// in version 3 a first row id that is not below the table's next; violations
// wrap ErrStale. So does the removal of a snapshot that a ref points to when all
// updates are applied: refs go by RemoveRef, never silently.
func (t *Table) Apply(updates []Update, now time.Time, previousLocation string) (*Table, error) {
	if t.unsigned != "" {
		return nil, fmt.Errorf("table %s: snapshot id %s does not fit 64 signed bits: the table can only be read", t.Location, t.unsigned)
	}
	a := newApplier(t)
	for _, u := range updates {
		if err := a.update(u); err != nil {
			return nil, fmt.Errorf("%s: %w", actionOf(u), err)
		}
	}
	if err := a.finish(now, previousLocation); err != nil {
		return nil, err
	}
	return a.t, nil
}

// applier is one Apply under way.
type applier struct {
	base *Table
	t    *Table // the copy, whose parts are cloned before they change

	lastSchema, lastSpec, lastOrder int // LastAdded, or -1
	encCloned                       bool
	snapsCloned                     bool
	removed                         map[int64]bool // snapshots removed
	added                           map[int64]bool // snapshots added
	// mains are the snapshots that main moved to, in order.
	mains   []int64
	shapes  bool // schema, spec or order was changed
	cleared bool // main was removed: the log starts again
}

func newApplier(base *Table) *applier {
	t := *base
	t.Refs = maps.Clone(base.Refs)
	if t.Refs == nil {
		t.Refs = map[string]Ref{}
	}
	t.Schemas = slices.Clip(base.Schemas)
	t.Specs = slices.Clip(base.Specs)
	t.SortOrders = slices.Clip(base.SortOrders)
	t.Statistics = slices.Clip(base.Statistics)
	t.PartitionStatistics = slices.Clip(base.PartitionStatistics)
	t.index = nil
	return &applier{base: base, t: &t, lastSchema: -1, lastSpec: -1, lastOrder: -1, added: map[int64]bool{}, removed: map[int64]bool{}}
}

// update dispatches on the kind of update.
func (a *applier) update(u Update) error {
	t := a.t
	switch u := u.(type) {
	case AssignUUID:
		if t.UUID != "" && t.UUID != u.UUID {
			return fmt.Errorf("the table's uuid is %s already", t.UUID)
		}
		t.UUID = u.UUID
	case UpgradeFormatVersion:
		return a.upgrade(u.Version)
	case AddSchema:
		return a.addSchema(u.Schema)
	case SetCurrentSchema:
		return a.setSchema(u.SchemaID)
	case AddSpec:
		return a.addSpec(u.Spec)
	case SetDefaultSpec:
		return a.setSpec(u.SpecID)
	case AddSortOrder:
		return a.addOrder(u.Order)
	case SetDefaultSortOrder:
		return a.setOrder(u.OrderID)
	case AddSnapshot:
		return a.addSnapshot(u.Snapshot)
	case SetRef:
		return a.setRef(u.Name, u.Ref)
	case RemoveRef:
		a.removeRef(u.Name)
	case RemoveSnapshots:
		a.removeSnapshots(u.IDs)
	case RemoveSpecs:
		return a.removeSpecs(u.IDs)
	case RemoveSchemas:
		return a.removeSchemas(u.IDs)
	default:
		return a.updatePlain(u)
	}
	return nil
}

// updatePlain handles updates of location, properties and statistics.
func (a *applier) updatePlain(u Update) error {
	t := a.t
	switch u := u.(type) {
	case SetLocation:
		if u.Location == "" {
			return errors.New("empty location")
		}
		t.Location = trimLocation(u.Location)
	case SetProperties:
		return a.setProperties(u.Properties)
	case RemoveProperties:
		t.Properties = maps.Clone(t.Properties)
		for _, name := range u.Names {
			delete(t.Properties, name)
		}
	case SetStatistics:
		s := u.Statistics
		s.raw = nil
		t.Statistics = append(without(t.Statistics, s.SnapshotID, (*Statistics).snapshotID), s)
	case RemoveStatistics:
		t.Statistics = without(t.Statistics, u.SnapshotID, (*Statistics).snapshotID)
	case SetPartitionStatistics:
		s := u.Statistics
		s.raw = nil
		t.PartitionStatistics = append(without(t.PartitionStatistics, s.SnapshotID, (*PartitionStatistics).snapshotID), s)
	case RemovePartitionStatistics:
		t.PartitionStatistics = without(t.PartitionStatistics, u.SnapshotID, (*PartitionStatistics).snapshotID)
	default:
		return fmt.Errorf("unknown update %T", u)
	}
	return nil
}

func (s *Statistics) snapshotID() int64          { return s.SnapshotID }
func (s *PartitionStatistics) snapshotID() int64 { return s.SnapshotID }

// without returns a copy of list without a snapshot's elements.
func without[T any](list []T, id int64, of func(*T) int64) []T {
	kept := make([]T, 0, len(list)+1)
	for i := range list {
		if of(&list[i]) != id {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// reserved are properties that control table creation or mirror metadata; they
// are never stored.
var reserved = []string{
	"format-version", "uuid", "snapshot-count", "current-snapshot-summary", "current-snapshot-id",
	"current-snapshot-timestamp-ms", "current-schema", "default-partition-spec", "default-sort-order",
}

func (a *applier) setProperties(props map[string]string) error {
	merged := maps.Clone(a.t.Properties)
	if merged == nil {
		merged = make(map[string]string, len(props))
	}
	for name, v := range props {
		if name == "format-version" {
			version, err := parseVersion(v)
			if err != nil {
				return err
			}
			if err := a.upgrade(version); err != nil {
				return err
			}
			continue
		}
		if slices.Contains(reserved, name) {
			return fmt.Errorf("property %s is reserved", name)
		}
		merged[name] = v
	}
	a.t.Properties = merged
	return nil
}

func (a *applier) upgrade(version int) error {
	t := a.t
	switch {
	case version > MaxFormatVersion:
		return fmt.Errorf("%w %d, at most %d is supported", ErrUnsupportedVersion, version, MaxFormatVersion)
	case version < t.FormatVersion:
		return fmt.Errorf("format version cannot go back from %d to %d", t.FormatVersion, version)
	}
	t.FormatVersion = version
	return nil
}

// finish derives what the updates imply and checks the result.
func (a *applier) finish(now time.Time, previousLocation string) error {
	t := a.t
	for name, r := range t.Refs {
		if a.removed[r.SnapshotID] {
			return fmt.Errorf("%w: ref %s needs snapshot %d, which is to be removed", ErrStale, name, r.SnapshotID)
		}
	}
	if t.FormatVersion >= 2 && t.UUID == "" {
		return errors.New("the table has no uuid, which format version 2 requires: assign one")
	}
	if a.shapes {
		if err := a.checkShapes(); err != nil {
			return err
		}
	}
	t.LastUpdatedMS = max(t.LastUpdatedMS, now.UnixMilli())
	a.finishLog()
	if previousLocation != "" {
		keep := int(max(1, min(t.PropertyInt("write.metadata.previous-versions-max", 100), 1<<20)))
		log := t.MetadataLog[max(0, len(t.MetadataLog)-(keep-1)):]
		t.MetadataLog = append(slices.Clone(log), MetadataLogEntry{a.base.LastUpdatedMS, previousLocation})
	}
	t.buildIndex()
	return nil
}

// checkShapes makes sure that the default spec and sort order can be computed
// from the current schema.
func (a *applier) checkShapes() error {
	t := a.t
	sc := t.CurrentSchema()
	if sc == nil {
		return errors.New("no current schema")
	}
	for _, f := range t.DefaultSpec().Fields {
		if f.Transform.Kind == partition.VoidTransform || f.Transform.Kind == partition.UnknownTransform {
			continue
		}
		for _, id := range f.SourceIDs {
			src, ok := sc.FieldByID(id)
			if !ok {
				return fmt.Errorf("schema %d lacks the source column (id %d) of partition field %s", sc.ID, id, f.Name)
			}
			if _, err := f.Transform.ResultType(src.Type); err != nil {
				return fmt.Errorf("partition field %s: %w", f.Name, err)
			}
		}
	}
	for _, f := range t.DefaultSortOrder().Fields {
		for _, id := range f.SourceIDs {
			if _, ok := sc.FieldByID(id); !ok {
				return fmt.Errorf("schema %d lacks a column (id %d) of the sort order", sc.ID, id)
			}
		}
	}
	return nil
}

// finishLog appends main's last move to the snapshot log and drops what no longer
// holds: when snapshots were removed, the history up to the last entry of one
// that is gone, so that no gap goes unseen (spec: "snapshot-log").
func (a *applier) finishLog() {
	t := a.t
	if a.cleared {
		t.SnapshotLog = nil
	}
	if n := len(a.mains); n > 0 && t.CurrentSnapshotID != nil && *t.CurrentSnapshotID == a.mains[n-1] {
		id := a.mains[n-1]
		at := t.LastUpdatedMS
		if s := t.Snapshot(id); a.added[id] && s != nil {
			at = s.TimestampMS
			t.LastUpdatedMS = max(t.LastUpdatedMS, at)
		}
		t.SnapshotLog = append(slices.Clip(t.SnapshotLog), SnapshotLogEntry{at, id})
	}
	if len(a.removed) == 0 {
		return
	}
	t.buildIndex()
	from := 0
	for i, l := range t.SnapshotLog {
		if _, ok := t.index[l.SnapshotID]; !ok {
			from = i + 1
		}
	}
	t.SnapshotLog = slices.Clone(t.SnapshotLog[from:])
}
