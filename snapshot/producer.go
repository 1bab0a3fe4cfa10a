package snapshot

import (
	"context"
	"errors"
	"time"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// ErrConflict is wrapped by errors that say that the changes are no longer
// valid on the table as it is now; the error names the file and, where known,
// the snapshot that got in the way. Retrying the same changes cannot help.
var ErrConflict = errors.New("conflicting change")

// ErrInvalid is wrapped by errors about changes that no table state could make
// valid.
var ErrInvalid = errors.New("invalid change")

// Changes are what a snapshot adds and removes. Files are identified by path,
// deletion vectors by path, offset and size.
type Changes struct {
	// Operation is one of the metadata.Op constants; "" derives it: only data
	// added is append, only deletes added or only files removed is delete, else
	// overwrite.
	Operation           string
	AddData, AddDeletes []*manifest.DataFile
	// DataSequence, when not nil, is the data sequence number of AddData: that
	// of the snapshot a rewrite has read, so that later equality deletes still
	// apply to its outputs.
	DataSequence *int64
	// DeleteSequence is the same for AddDeletes, for rewritten delete files.
	DeleteSequence *int64
	// RemoveData and RemoveDeletes must be live, else Apply fails with
	// ErrConflict. The deletion vectors and file-scoped position deletes of
	// removed data files are removed too.
	RemoveData, RemoveDeletes []*manifest.DataFile
	// RemoveAll removes every live file before the adds.
	RemoveAll bool
	// Summary is added to the computed summary; its keys win, except over
	// counts and totals.
	Summary map[string]string
}

// Conditions are what must still hold when the changes are committed. They are
// checked against every snapshot committed after FromSnapshot.
type Conditions struct {
	// FromSnapshot is the snapshot the changes were made from, nil for none
	// (an empty table). When it is not an ancestor of the branch's head and a
	// condition needs history, Apply fails with ErrConflict.
	FromSnapshot *int64
	// DataFilesExist are paths of data files that must still be live.
	DataFilesExist []string
	// NoNewDeletesFor are paths of data files that must not have got a position
	// delete or deletion vector, nor (unless IgnoreEqualityDeletes) an equality
	// delete that applies to them. RemoveData files are always included.
	NoNewDeletesFor []string
	// IgnoreEqualityDeletes allows new equality deletes, for rewrites that keep
	// their starting sequence number (Changes.DataSequence).
	IgnoreEqualityDeletes bool
	// NoNewData refuses any new data file, NoNewDataMatching those that may hold
	// rows matching the predicate.
	NoNewData         bool
	NoNewDataMatching *expr.Bound
	// NoNewDeletesMatching refuses new delete files that may affect rows
	// matching the predicate.
	NoNewDeletesMatching *expr.Bound
	// Check, when not nil, runs on every attempt after the other conditions.
	Check func(ctx context.Context, base *metadata.Table, head *metadata.Snapshot) error
}

// Options configure a Producer.
type Options struct {
	Store objstore.Store
	// Location is the directory of new manifests and lists; "" is the table's
	// metadata directory (property write.metadata.path or location/metadata).
	Location string
	// Clock gives the time of the snapshot; nil is time.Now.
	Clock func() time.Time
	// NewID gives candidate snapshot ids; nil is random.
	NewID func() int64
	// CommitUUID names the files; "" is random.
	CommitUUID string
	// Writers bounds parallel reads and writes; 0 is 8.
	Writers int
	// Cache, when not nil, saves reading manifests again.
	Cache *Cache
}

// Attempt is one try at a commit.
type Attempt struct {
	Snapshot     metadata.Snapshot
	Updates      []metadata.Update
	Requirements []metadata.Requirement
}

// Producer turns changes into a snapshot, over as many attempts as it takes:
// the snapshot id and manifests of new files stay, the manifest list is written
// anew each time. It is not safe for concurrent use.
type Producer struct{}

// NewProducer prepares a commit; it does no I/O.
func NewProducer(o Options, c Changes, cond Conditions) *Producer { panic("unwritten") }

// SnapshotID returns the id of the snapshot, the same in all attempts; 0
// before the first Apply.
func (p *Producer) SnapshotID() int64 { panic("unwritten") }

// Apply validates the changes against base and writes the manifests and the
// list of an attempt to commit to a branch ("" is main, created if missing).
func (p *Producer) Apply(ctx context.Context, base *metadata.Table, branch string) (Attempt, error) {
	panic("unwritten")
}

// Cleanup deletes what attempts wrote and the outcome does not need: with
// committed the lists and manifests of earlier attempts that the last one does
// not use, else everything. It must not be called when the outcome is unknown.
// Data and delete files are the caller's.
func (p *Producer) Cleanup(ctx context.Context, committed bool) error { panic("unwritten") }
