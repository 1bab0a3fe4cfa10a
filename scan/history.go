package scan

import (
	"errors"
	"fmt"
	"slices"

	"github.com/frazildb/frazil/metadata"
)

// ErrExpired: a snapshot that the range asked for needs is no longer part of the
// table's history: it has expired, or the branch was rolled back or replaced.
// Errors that wrap it wrap [ErrNoSnapshot] too.
var ErrExpired = errors.New("snapshot is gone from the history")

// history returns the snapshots after from (nil: from the first) up to to, oldest
// first, and from itself: nil if from is nil, or has expired while its child is
// still there.
func history(t *metadata.Table, from *int64, to *metadata.Snapshot) (after []*metadata.Snapshot, base *metadata.Snapshot, err error) {
	var oldest *metadata.Snapshot
	for s := range t.Ancestors(to.ID) {
		if from != nil && s.ID == *from {
			slices.Reverse(after)
			return after, s, nil
		}
		after, oldest = append(after, s), s
	}
	slices.Reverse(after)
	parent := int64(-1) // some writers put that for none
	if oldest.ParentID != nil {
		parent = *oldest.ParentID
	}
	switch {
	case from == nil && parent == -1, from != nil && parent == *from:
		return after, nil, nil
	case from == nil:
		return nil, nil, fmt.Errorf("snapshot %d, the parent of %d: %w: %w", parent, oldest.ID, ErrExpired, ErrNoSnapshot)
	case known(t, *from):
		return nil, nil, fmt.Errorf("snapshot %d is not an ancestor of %d, only net changes compare such: %w: %w", *from, to.ID, ErrExpired, ErrNoSnapshot)
	}
	return nil, nil, fmt.Errorf("snapshot %d, not found before %d: %w", *from, to.ID, ErrNoSnapshot)
}

// known reports whether a table has a snapshot, or had it once, as far as its
// log tells.
func known(t *metadata.Table, id int64) bool {
	return t.Snapshot(id) != nil || slices.ContainsFunc(t.SnapshotLog, func(l metadata.SnapshotLogEntry) bool { return l.SnapshotID == id })
}
