package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

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
	// added is append, deletes added or files removed but no data added is
	// delete, else overwrite.
	Operation           string
	AddData, AddDeletes []*manifest.DataFile
	// DataSequence, when not nil, is the data sequence number of AddData: that
	// of the snapshot a rewrite has read, so that later equality deletes still
	// apply to its outputs.
	DataSequence *int64
	// DeleteSequence is the same for AddDeletes, for rewritten delete files.
	DeleteSequence *int64
	// RemoveData and RemoveDeletes must be live, else Apply fails with
	// ErrConflict. They are entries' files as manifests have them. The deletion
	// vectors and file-scoped position deletes of removed data files are removed
	// too.
	RemoveData, RemoveDeletes []*manifest.DataFile
	// RemoveAll removes every live file before the adds.
	RemoveAll bool
	// Summary is added to the computed summary, whose keys win.
	Summary map[string]string
}

// Conditions are what must still hold when the changes are committed. They are
// checked against every snapshot committed after FromSnapshot.
type Conditions struct {
	// FromSnapshot is the snapshot the changes were made from. Apply fails with
	// ErrConflict when it is not an ancestor of the branch's head. nil means that
	// the changes were made from the base of each attempt, or that the conditions
	// below are to be checked against all of the history.
	FromSnapshot *int64
	// DataFilesExist are paths of data files that must still be live.
	DataFilesExist []string
	// PathsUnused requires that no added data file is live already, which no
	// reader could make sense of. It reads which files every data manifest holds,
	// so it is for files that were not written for this commit.
	PathsUnused bool
	// NoNewDeletesFor are paths of data files that must not have got a position
	// delete or deletion vector, nor (unless IgnoreEqualityDeletes) an equality
	// delete that applies to them. With FromSnapshot, RemoveData files are
	// included.
	NoNewDeletesFor []string
	// IgnoreEqualityDeletes allows new equality deletes, for rewrites that keep
	// their starting sequence number (Changes.DataSequence).
	IgnoreEqualityDeletes bool
	// IgnoreDeletes allows new deletes of any kind for removed files, for rewrites
	// that carried them over themselves.
	IgnoreDeletes bool
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
// the snapshot id and the manifests of new files stay, and so do rewritten
// manifests whose input is still there; the manifest list is written anew each
// time. It is not safe for concurrent use.
type Producer struct {
	o    Options
	c    Changes
	cond Conditions

	id       int64
	attempts int
	done     bool // cleaned up
	remove   removals
	checked  bool

	fresh    freshFiles
	filtered map[string]*filterResult
	merged   map[string][]*manifest.File
	counted  map[string]*manifest.File

	outputs   map[string]*output
	manifests int             // named so far
	used      map[string]bool // outputs of the last attempt
}

// SetSummary replaces Changes.Summary for the attempts to come: it may depend on
// the base, as carried-forward keys do.
func (p *Producer) SetSummary(summary map[string]string) { p.c.Summary = summary }

// NewProducer prepares a commit; it does no I/O.
func NewProducer(o Options, c Changes, cond Conditions) *Producer {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	if o.CommitUUID == "" {
		o.CommitUUID = uuid.NewString()
	}
	if o.Writers <= 0 {
		o.Writers = defaultReaders
	}
	if o.Cache == nil {
		o.Cache = NewCache(0)
	}
	return &Producer{
		o: o, c: c, cond: cond,
		filtered: make(map[string]*filterResult),
		merged:   make(map[string][]*manifest.File),
		counted:  make(map[string]*manifest.File),
		outputs:  make(map[string]*output),
	}
}

func randomID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.LittleEndian.Uint64(b[:]) >> 1)
}

// SnapshotID returns the id of the snapshot, the same in all attempts; 0
// before the first Apply.
func (p *Producer) SnapshotID() int64 { return p.id }

// Apply validates the changes against base and writes the manifests and the
// list of an attempt to commit to a branch ("" is main). A branch that does not
// exist is created from the current snapshot of main.
func (p *Producer) Apply(ctx context.Context, base *metadata.Table, branch string) (Attempt, error) {
	if branch == "" {
		branch = metadata.MainBranch
	}
	b, err := p.begin(base, branch)
	if err != nil {
		return Attempt{}, err
	}
	// 1. Are the changes still valid on this base?
	files, err := b.src.manifests(ctx, b.head)
	if err != nil {
		return Attempt{}, err
	}
	if err := p.validate(ctx, b, files); err != nil {
		return Attempt{}, err
	}
	// 2. Manifests of new files, once.
	if err := p.writeFresh(b); err != nil {
		return Attempt{}, err
	}
	// 3. Rewrite manifests that hold removed files.
	if err := p.filter(ctx, b, files); err != nil {
		return Attempt{}, err
	}
	// 4. Merge small manifests.
	if err := p.merge(ctx, b); err != nil {
		return Attempt{}, err
	}
	// 5. The list, and everything to the store at once.
	snap, err := p.finish(ctx, b, files)
	if err != nil {
		return Attempt{}, err
	}
	return p.attempt(b, branch, snap), nil
}

// build is the state of one attempt.
type build struct {
	base *metadata.Table
	head *metadata.Snapshot
	src  *source
	seq  int64
	// data and deletes are the manifests of the new snapshot: new ones first.
	data, deletes []*manifest.File
	delta         delta
	work          work
}

// begin checks changes and base and takes the snapshot id.
func (p *Producer) begin(base *metadata.Table, branch string) (*build, error) {
	if p.done {
		return nil, errors.New("producer was cleaned up")
	}
	if !p.checked {
		if err := p.prepare(); err != nil {
			return nil, err
		}
		p.checked = true
	}
	if base.FormatVersion < 2 {
		return nil, fmt.Errorf("%w: tables of format version %d are not written; upgrade first", ErrInvalid, base.FormatVersion)
	}
	if ref, ok := base.Refs[branch]; ok && ref.Type == "tag" {
		return nil, fmt.Errorf("%w: %s is a tag, not a branch", ErrInvalid, branch)
	}
	if err := p.checkVersion(base); err != nil {
		return nil, err
	}
	for tries := 0; p.id == 0 || base.Snapshot(p.id) != nil; tries++ {
		if p.attempts > 0 {
			return nil, fmt.Errorf("%w: snapshot %d is in the table already", ErrConflict, p.id)
		}
		if p.id = p.o.NewID(); p.id < 0 || tries > 100 {
			return nil, fmt.Errorf("%w: no usable snapshot id, last %d", ErrInvalid, p.id)
		}
	}
	b := &build{base: base, seq: base.LastSequenceNumber + 1}
	b.src = newSource(p.o.Store, base, p.o.Cache)
	b.src.pending = func(path string) []byte {
		if o := p.outputs[path]; o != nil {
			return o.data
		}
		return nil
	}
	if b.head = base.RefSnapshot(branch); b.head == nil {
		b.head = base.Current()
	}
	for _, s := range []*int64{p.c.DataSequence, p.c.DeleteSequence} {
		if s != nil && (*s < 0 || *s > b.seq) {
			return nil, fmt.Errorf("%w: sequence number %d, the commit's is %d", ErrInvalid, *s, b.seq)
		}
	}
	p.attempts++
	return b, nil
}

// checkVersion refuses delete files that the table's version does not allow,
// also when they were made before a concurrent upgrade.
func (p *Producer) checkVersion(base *metadata.Table) error {
	for _, f := range p.c.AddDeletes {
		switch {
		case f.IsDV() && base.FormatVersion < 3:
			return fmt.Errorf("%w: %s: deletion vectors need format version 3, the table has %d", ErrInvalid, f.Path, base.FormatVersion)
		case f.Content == manifest.ContentPositionDeletes && !f.IsDV() && base.FormatVersion >= 3:
			return fmt.Errorf("%w: %s: new position-delete files are not allowed in format version %d", ErrInvalid, f.Path, base.FormatVersion)
		}
	}
	return nil
}

// finish writes the list and every manifest not stored yet.
func (p *Producer) finish(ctx context.Context, b *build, before []*manifest.File) (*metadata.Snapshot, error) {
	files := append(append(make([]*manifest.File, 0, len(b.data)+len(b.deletes)), b.data...), b.deletes...)
	for i, f := range files {
		var err error
		if files[i], err = p.withCounts(ctx, b, f); err != nil {
			return nil, err
		}
	}
	p.countWork(b, before, files)
	schemaID, firstRow := b.base.CurrentSchemaID, b.base.NextRowID
	snap := &metadata.Snapshot{
		ID: p.id, SequenceNumber: b.seq,
		TimestampMS: max(p.o.Clock().UnixMilli(), b.base.LastUpdatedMS),
		Operation:   p.operation(), SchemaID: &schemaID,
		Summary: summary(p.c.Summary, &b.delta, b.work, b.head),
	}
	if err := p.checkReplace(&b.delta); err != nil {
		return nil, err
	}
	o := manifest.ListOptions{
		FormatVersion: b.base.FormatVersion, SnapshotID: p.id, SequenceNumber: b.seq,
		Codec: b.base.Properties["write.manifest.compression-codec"],
	}
	if b.head != nil {
		snap.ParentID = &b.head.ID
		o.ParentID = snap.ParentID
	}
	if b.base.FormatVersion >= 3 {
		o.FirstRowID = &firstRow
	}
	assigned, next, err := manifest.Assign(o, files)
	if err != nil {
		return nil, err
	}
	if o.FirstRowID != nil {
		rows := next - firstRow
		snap.FirstRowID, snap.AddedRows = o.FirstRowID, &rows
	}
	list, err := manifest.EncodeList(o, assigned)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("snap-%d-%d-%s.avro", p.id, p.attempts, p.o.CommitUUID)
	snap.ManifestList = objstore.Join(p.dir(b.base), name)
	p.outputs[snap.ManifestList] = &output{data: list}
	if err := p.store(ctx, snap.ManifestList, files); err != nil {
		return nil, err
	}
	p.o.Cache.putList(snap.ManifestList, assigned)
	return snap, nil
}

// countWork compares the manifests before and after.
func (p *Producer) countWork(b *build, before, after []*manifest.File) {
	old := make(map[string]bool, len(before))
	for _, f := range before {
		old[f.Path] = true
	}
	for _, f := range after {
		if old[f.Path] {
			b.work.kept++
		} else {
			b.work.created++
		}
	}
	b.work.replaced = len(before) - b.work.kept
}

// withCounts fills in counts that lists of old tables may lack.
func (p *Producer) withCounts(ctx context.Context, b *build, f *manifest.File) (*manifest.File, error) {
	if f.AddedFiles >= 0 && f.ExistingFiles >= 0 && f.DeletedFiles >= 0 &&
		f.AddedRows >= 0 && f.ExistingRows >= 0 && f.DeletedRows >= 0 {
		return f, nil
	}
	if c := p.counted[f.Path]; c != nil {
		return c, nil
	}
	c := *f
	c.AddedFiles, c.ExistingFiles, c.DeletedFiles, c.AddedRows, c.ExistingRows, c.DeletedRows = 0, 0, 0, 0, 0, 0
	for e, err := range b.src.scan(ctx, f, manifest.ReadOptions{KeepDeleted: true}) {
		if err != nil {
			return nil, err
		}
		rows := max(e.File.RecordCount, 0)
		switch e.Status {
		case manifest.StatusAdded:
			c.AddedFiles++
			c.AddedRows += rows
		case manifest.StatusExisting:
			c.ExistingFiles++
			c.ExistingRows += rows
		case manifest.StatusDeleted:
			c.DeletedFiles++
			c.DeletedRows += rows
		}
	}
	p.counted[f.Path] = &c
	return &c, nil
}

func (p *Producer) attempt(b *build, branch string, snap *metadata.Snapshot) Attempt {
	ref := metadata.Ref{Type: "branch"}
	at := metadata.AssertRefSnapshot{Ref: branch}
	if old, ok := b.base.Refs[branch]; ok {
		ref, at.SnapshotID = old, &old.SnapshotID
	} else if branch == metadata.MainBranch && b.head != nil {
		at.SnapshotID = &b.head.ID
	}
	ref.SnapshotID = snap.ID
	return Attempt{
		Snapshot:     *snap,
		Updates:      []metadata.Update{metadata.AddSnapshot{Snapshot: *snap}, metadata.SetRef{Name: branch, Ref: ref}},
		Requirements: []metadata.Requirement{metadata.AssertUUID{UUID: b.base.UUID}, at},
	}
}
