package metadata

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRequirement is wrapped by Check's errors.
var ErrRequirement = errors.New("requirement not met")

// Check returns an error wrapping ErrRequirement for the first requirement that
// t does not meet; t nil is a table that does not exist.
func Check(reqs []Requirement, t *Table) error {
	for _, r := range reqs {
		if reason := unmet(r, t); reason != "" {
			return fmt.Errorf("%w: %s", ErrRequirement, reason)
		}
	}
	return nil
}

// unmet says why a requirement does not hold, "" if it does.
func unmet(r Requirement, t *Table) string {
	if _, ok := r.(AssertCreate); ok {
		if t != nil {
			return "the table exists already"
		}
		return ""
	}
	if t == nil {
		return "the table does not exist"
	}
	switch r := r.(type) {
	case AssertUUID:
		if !strings.EqualFold(r.UUID, t.UUID) {
			return fmt.Sprintf("the table's uuid is %s, not %s", t.UUID, r.UUID)
		}
	case AssertRefSnapshot:
		return unmetRef(r, t)
	case AssertLastColumnID:
		return unequal("last column id", t.LastColumnID, r.ID)
	case AssertCurrentSchemaID:
		return unequal("current schema id", t.CurrentSchemaID, r.ID)
	case AssertLastPartitionID:
		return unequal("last partition id", t.LastPartitionID, r.ID)
	case AssertDefaultSpecID:
		return unequal("default spec id", t.DefaultSpecID, r.ID)
	case AssertDefaultSortOrderID:
		return unequal("default sort order id", t.DefaultSortOrderID, r.ID)
	default:
		return fmt.Sprintf("unknown requirement %T", r)
	}
	return ""
}

func unequal(what string, got, want int) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("%s is %d, not %d", what, got, want)
}

func unmetRef(r AssertRefSnapshot, t *Table) string {
	ref, ok := t.Refs[r.Ref]
	if !ok && r.Ref == MainBranch && t.CurrentSnapshotID != nil {
		ref, ok = Ref{SnapshotID: *t.CurrentSnapshotID}, true
	}
	switch {
	case r.SnapshotID == nil && ok:
		return fmt.Sprintf("ref %s exists already, at snapshot %d", r.Ref, ref.SnapshotID)
	case r.SnapshotID != nil && !ok:
		return fmt.Sprintf("ref %s does not exist, not at snapshot %d", r.Ref, *r.SnapshotID)
	case r.SnapshotID != nil && ref.SnapshotID != *r.SnapshotID:
		return fmt.Sprintf("ref %s is at snapshot %d, not %d", r.Ref, ref.SnapshotID, *r.SnapshotID)
	}
	return ""
}
