package metadata

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

func (a *applier) addSnapshot(s Snapshot) error {
	t := a.t
	if err := a.checkSnapshot(&s); err != nil {
		return fmt.Errorf("snapshot %d: %w", s.ID, err)
	}
	if t.FormatVersion >= 3 {
		if *s.FirstRowID > math.MaxInt64-*s.AddedRows {
			return fmt.Errorf("snapshot %d: row ids overflow", s.ID)
		}
		t.NextRowID = max(t.NextRowID, *s.FirstRowID+*s.AddedRows)
	}
	s.raw = nil
	raw, err := s.encode()
	if err != nil {
		return fmt.Errorf("snapshot %d: %w", s.ID, err)
	}
	s.raw = raw
	a.cloneSnapshots()
	t.Snapshots = append(t.Snapshots, s)
	a.added[s.ID] = true
	if t.FormatVersion >= 2 {
		t.LastSequenceNumber = max(t.LastSequenceNumber, s.SequenceNumber)
	}
	return nil
}

func (a *applier) checkSnapshot(s *Snapshot) error {
	t := a.t
	if a.added[s.ID] || a.snapshot(s.ID) != nil {
		return errors.New("the id is taken")
	}
	if s.ID == -1 {
		return errors.New("the id -1 stands for no snapshot")
	}
	if t.FormatVersion == 1 {
		if s.SequenceNumber != 0 {
			return errors.New("version 1 has no sequence numbers")
		}
		return nil
	}
	switch {
	case s.ManifestList == "":
		return errors.New("no manifest list")
	case s.Operation == "":
		return errors.New("no operation")
	case s.SequenceNumber <= t.LastSequenceNumber && s.ParentID != nil:
		return fmt.Errorf("%w: sequence number %d is not above %d", ErrStale, s.SequenceNumber, t.LastSequenceNumber)
	case s.SequenceNumber < 0:
		return fmt.Errorf("negative sequence number %d", s.SequenceNumber)
	}
	if s.SchemaID != nil {
		if _, ok := t.SchemaByID(*s.SchemaID); !ok {
			return fmt.Errorf("unknown schema id %d", *s.SchemaID)
		}
	}
	if t.FormatVersion < 3 {
		return nil
	}
	switch {
	case s.FirstRowID == nil || s.AddedRows == nil:
		// Most likely it was made for version 2, and the table upgraded meanwhile.
		return fmt.Errorf("%w: no first-row-id or added-rows, which version 3 requires", ErrStale)
	case *s.AddedRows < 0:
		return fmt.Errorf("negative added-rows %d", *s.AddedRows)
	case *s.FirstRowID < t.NextRowID:
		return fmt.Errorf("%w: first-row-id %d is below next-row-id %d", ErrStale, *s.FirstRowID, t.NextRowID)
	}
	return nil
}

// cloneSnapshots makes the list of snapshots the applier's own, with room to add.
func (a *applier) cloneSnapshots() {
	if !a.snapsCloned {
		a.t.Snapshots = append(make([]Snapshot, 0, len(a.t.Snapshots)+4), a.t.Snapshots...)
		a.snapsCloned = true
	}
}

// snapshot finds a snapshot of the table as it is by now.
func (a *applier) snapshot(id int64) *Snapshot {
	if len(a.removed) == 0 && !a.added[id] && a.base.index != nil {
		return a.base.Snapshot(id)
	}
	return a.t.Snapshot(id)
}

func (a *applier) setRef(name string, r Ref) error {
	t := a.t
	switch {
	case name == "":
		return errors.New("empty name")
	case r.Type != "branch" && r.Type != "tag":
		return fmt.Errorf("ref %s: type %q is neither branch nor tag", name, r.Type)
	case name == MainBranch && r.Type != "branch":
		return errors.New("main must be a branch")
	case r.Type == "tag" && (r.MinSnapshotsToKeep != nil || r.MaxSnapshotAgeMS != nil):
		return fmt.Errorf("ref %s: tags have no snapshot retention", name)
	case name == MainBranch && r.MaxRefAgeMS != nil:
		return errors.New("main has no maximal age")
	case r.MinSnapshotsToKeep != nil && *r.MinSnapshotsToKeep <= 0,
		r.MaxSnapshotAgeMS != nil && *r.MaxSnapshotAgeMS <= 0,
		r.MaxRefAgeMS != nil && *r.MaxRefAgeMS <= 0:
		return fmt.Errorf("ref %s: retention must be positive", name)
	}
	if a.snapshot(r.SnapshotID) == nil {
		return fmt.Errorf("ref %s: no snapshot %d", name, r.SnapshotID)
	}
	r.raw = nil
	t.Refs[name] = r
	if name == MainBranch && (t.CurrentSnapshotID == nil || *t.CurrentSnapshotID != r.SnapshotID) {
		id := r.SnapshotID
		t.CurrentSnapshotID = &id
		a.mains = append(a.mains, id)
	}
	return nil
}

func (a *applier) removeRef(name string) {
	delete(a.t.Refs, name)
	if name == MainBranch {
		a.t.CurrentSnapshotID = nil
		a.cleared = true
		a.mains = nil
	}
}

func (a *applier) removeSnapshots(ids []int64) {
	t := a.t
	gone := make(map[int64]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
		delete(a.added, id)
	}
	kept := make([]Snapshot, 0, len(t.Snapshots))
	for i := range t.Snapshots {
		if id := t.Snapshots[i].ID; gone[id] {
			a.removed[id] = true
		} else {
			kept = append(kept, t.Snapshots[i])
		}
	}
	t.Snapshots, a.snapsCloned = kept, true
	t.Statistics = slices.DeleteFunc(slices.Clone(t.Statistics), func(s Statistics) bool { return gone[s.SnapshotID] })
	t.PartitionStatistics = slices.DeleteFunc(slices.Clone(t.PartitionStatistics),
		func(s PartitionStatistics) bool { return gone[s.SnapshotID] })
}
