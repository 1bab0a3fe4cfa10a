package snapshot

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/frazildb/frazil/metadata"
)

// Defaults of the retention properties.
const (
	defaultMaxSnapshotAge = 5 * 24 * time.Hour
	defaultMinSnapshots   = 1
)

// ExpirePolicy says which snapshots to keep; the zero policy follows the table's
// and its refs' properties.
type ExpirePolicy struct {
	// OlderThan expires snapshots committed before it, instead of the table's
	// maximum snapshot age (history.expire.max-snapshot-age-ms, 5 days). A branch
	// with a maximum age of its own keeps to that.
	OlderThan time.Time
	// KeepLast keeps at least this many snapshots of every branch, instead of the
	// table's minimum (history.expire.min-snapshots-to-keep, 1). A branch with a
	// minimum of its own keeps to that.
	KeepLast int
	// OnlyCount expires everything past KeepLast whatever its age, on branches
	// without retention of their own.
	OnlyCount bool
	// IDs are expired in any case; it is an error if a ref needs one, or a lease.
	IDs []int64
	// Leased are snapshots that a reader holds: they stay.
	Leased map[int64]bool
}

// Expire chooses the snapshots and refs to remove (spec: "Snapshot Retention
// Policy"): refs past their age, except main; then what no remaining branch
// retains. A branch retains its head and further ancestors while they are young
// enough or among the number to keep; a tag its snapshot; snapshots of no ref at
// all stay until they are too old. Expire is a pure function; the caller commits
// metadata.RemoveSnapshots and metadata.RemoveRef. ids are in the order of the
// table's snapshots, refs in order of name.
func Expire(t *metadata.Table, policy ExpirePolicy, now time.Time) (ids []int64, refs []string, err error) {
	if enabled, err := strconv.ParseBool(t.Properties["gc.enabled"]); err == nil && !enabled {
		return nil, nil, fmt.Errorf("table property gc.enabled is false: its files may belong to other tables as well")
	}
	x := newExpiry(t, policy, now)
	x.refs()
	for name, ref := range x.kept {
		if ref.Type == "tag" {
			x.retain[ref.SnapshotID], x.referenced[ref.SnapshotID] = true, true
			continue
		}
		x.branch(ref)
		if slices.Contains(policy.IDs, ref.SnapshotID) {
			return nil, nil, fmt.Errorf("%w: snapshot %d is the head of branch %s", ErrInvalid, ref.SnapshotID, name)
		}
	}
	for name, ref := range x.kept {
		if slices.Contains(policy.IDs, ref.SnapshotID) {
			return nil, nil, fmt.Errorf("%w: ref %s needs snapshot %d", ErrInvalid, name, ref.SnapshotID)
		}
	}
	for _, id := range policy.IDs {
		if policy.Leased[id] {
			return nil, nil, fmt.Errorf("%w: a reader has a lease of snapshot %d", ErrInvalid, id)
		}
	}
	for i := range t.Snapshots {
		s := &t.Snapshots[i]
		young := !x.referenced[s.ID] && s.TimestampMS >= x.oldest
		if slices.Contains(policy.IDs, s.ID) || !x.retain[s.ID] && !young && !policy.Leased[s.ID] {
			ids = append(ids, s.ID)
		}
	}
	slices.Sort(x.dropped)
	return ids, x.dropped, nil
}

// expiry is one run of Expire.
type expiry struct {
	t      *metadata.Table
	policy ExpirePolicy
	now    int64 // ms
	oldest int64 // snapshots before it are too old, by the table's rule
	least  int

	kept    map[string]metadata.Ref
	dropped []string
	// retain are snapshots to keep, referenced those that some ref leads to.
	retain, referenced map[int64]bool
}

func newExpiry(t *metadata.Table, policy ExpirePolicy, now time.Time) *expiry {
	x := &expiry{
		t: t, policy: policy, now: now.UnixMilli(),
		kept: make(map[string]metadata.Ref), retain: make(map[int64]bool), referenced: make(map[int64]bool),
	}
	x.oldest = x.now - t.PropertyInt("history.expire.max-snapshot-age-ms", defaultMaxSnapshotAge.Milliseconds())
	if !policy.OlderThan.IsZero() {
		x.oldest = policy.OlderThan.UnixMilli()
	}
	x.least = int(max(t.PropertyInt("history.expire.min-snapshots-to-keep", defaultMinSnapshots), 1))
	if policy.KeepLast > 0 {
		x.least = policy.KeepLast
	}
	return x
}

// refs drops refs past their maximum age, and those whose snapshot is gone.
func (x *expiry) refs() {
	maxAge := x.t.PropertyInt("history.expire.max-ref-age-ms", -1)
	for name, ref := range x.t.Refs {
		s := x.t.Snapshot(ref.SnapshotID)
		age := maxAge
		if ref.MaxRefAgeMS != nil {
			age = *ref.MaxRefAgeMS
		}
		if name != metadata.MainBranch && (s == nil || age >= 0 && x.now-s.TimestampMS > age) {
			x.dropped = append(x.dropped, name)
			continue
		}
		x.kept[name] = ref
	}
	if _, ok := x.kept[metadata.MainBranch]; !ok && x.t.CurrentSnapshotID != nil {
		x.kept[metadata.MainBranch] = metadata.Ref{SnapshotID: *x.t.CurrentSnapshotID, Type: "branch"}
	}
}

// branch retains the head of a branch and its ancestors until one is both too
// old and beyond the number to keep.
func (x *expiry) branch(ref metadata.Ref) {
	oldest, least := x.oldest, x.least
	if x.policy.OnlyCount {
		oldest = int64(1)<<62 - 1
	}
	if ref.MaxSnapshotAgeMS != nil {
		oldest = x.now - *ref.MaxSnapshotAgeMS
	}
	if ref.MinSnapshotsToKeep != nil {
		least = *ref.MinSnapshotsToKeep
	}
	n, retaining := 0, true
	for s := range x.t.Ancestors(ref.SnapshotID) {
		x.referenced[s.ID] = true
		if retaining = retaining && (n == 0 || n < least || s.TimestampMS >= oldest); retaining {
			x.retain[s.ID] = true
			n++
		}
	}
}
