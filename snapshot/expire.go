package snapshot

import (
	"context"
	"time"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// ExpirePolicy says which snapshots to keep; the zero policy follows the table's
// and its refs' properties.
type ExpirePolicy struct {
	// OlderThan expires snapshots committed before it, instead of the maximum
	// snapshot age of table and branch.
	OlderThan time.Time
	// KeepLast keeps at least this many snapshots of every branch, instead of
	// the minimum of table and branch.
	KeepLast int
	// IDs are expired in any case; it is an error if a ref needs one.
	IDs []int64
}

// Expire chooses the snapshots and refs to remove (spec: "Snapshot Retention
// Policy"). It is a pure function; the caller commits metadata.RemoveSnapshots
// and metadata.RemoveRef.
func Expire(t *metadata.Table, policy ExpirePolicy, now time.Time) (ids []int64, refs []string, err error) {
	panic("unwritten")
}

// Unreachable are files that only removed snapshots need.
type Unreachable struct {
	DataFiles, DeleteFiles, Manifests, ManifestLists, Statistics []string
}

// FindUnreachable compares a table before and after snapshots were removed.
// A file that any remaining snapshot holds live is never listed, whichever
// entry names it.
func FindUnreachable(ctx context.Context, store objstore.Store, before, after *metadata.Table, opts *LiveOptions) (*Unreachable, error) {
	panic("unwritten")
}
