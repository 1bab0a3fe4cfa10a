package table

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/snapshot"
)

// RefOptions describe a branch or tag; nil and zero fields mean the documented
// default (spec: "Snapshot References").
type RefOptions struct {
	// SnapshotID is the snapshot it names; default the current one.
	SnapshotID *int64
	// Replace lets a branch or tag of that name be moved, with its retention as
	// given here. Without it that is an error.
	Replace bool
	Retention
}

// Retention says how long a branch or tag and its snapshots are kept; zero
// fields mean the table's properties (history.expire.*).
type Retention struct {
	// MaxRefAge after its snapshot's time the branch or tag itself goes.
	MaxRefAge time.Duration
	// MaxSnapshotAge and MinSnapshots are of branches: snapshots stay while they
	// are younger or among that many newest.
	MaxSnapshotAge time.Duration
	MinSnapshots   int
}

func (r *Retention) apply(ref *metadata.Ref) {
	ms := func(d time.Duration) *int64 {
		if d == 0 {
			return nil
		}
		n := d.Milliseconds()
		return &n
	}
	ref.MaxRefAgeMS, ref.MaxSnapshotAgeMS, ref.MinSnapshotsToKeep = ms(r.MaxRefAge), ms(r.MaxSnapshotAge), nil
	if r.MinSnapshots != 0 {
		ref.MinSnapshotsToKeep = &r.MinSnapshots
	}
}

const (
	refBranch = "branch"
	refTag    = "tag"
)

// CreateBranch makes a branch: a name whose commits do not touch others. Write
// to it with WriterOptions.Branch, read it with scan.Options.Ref.
func (t *Table) CreateBranch(ctx context.Context, name string, opts *RefOptions) error {
	return t.createRef(ctx, name, refBranch, opts)
}

// CreateTag names a snapshot, which is kept as long as its tag.
func (t *Table) CreateTag(ctx context.Context, name string, opts *RefOptions) error {
	return t.createRef(ctx, name, refTag, opts)
}

func (t *Table) createRef(ctx context.Context, name, kind string, opts *RefOptions) error {
	if opts == nil {
		opts = &RefOptions{}
	}
	return t.changeRefs(ctx, kind+" "+name, func(m *metadata.Table) ([]metadata.Update, []string, error) {
		ref := metadata.Ref{Type: kind}
		opts.apply(&ref)
		switch old, exists := m.Refs[name]; {
		case name == metadata.MainBranch:
			return nil, nil, fmt.Errorf("main is there always: %w", snapshot.ErrInvalid)
		case exists && !opts.Replace:
			return nil, nil, fmt.Errorf("a %s of that name exists: %w", old.Type, snapshot.ErrInvalid)
		case exists && old.Type != kind:
			return nil, nil, fmt.Errorf("it is a %s: %w", old.Type, snapshot.ErrInvalid)
		case opts.SnapshotID != nil:
			ref.SnapshotID = *opts.SnapshotID
		case m.Current() == nil:
			return nil, nil, fmt.Errorf("the table has no snapshot yet: %w", scan.ErrNoSnapshot)
		default:
			ref.SnapshotID = m.Current().ID
		}
		if m.Snapshot(ref.SnapshotID) == nil {
			return nil, nil, noSnapshot(ref.SnapshotID)
		}
		return []metadata.Update{metadata.SetRef{Name: name, Ref: ref}}, []string{name}, nil
	})
}

func noSnapshot(id int64) error { return fmt.Errorf("snapshot %d: %w", id, scan.ErrNoSnapshot) }

// DropRef removes a branch or tag. Its snapshots expire when nothing else keeps
// them.
func (t *Table) DropRef(ctx context.Context, name string) error {
	return t.changeRefs(ctx, "drop "+name, func(m *metadata.Table) ([]metadata.Update, []string, error) {
		if name == metadata.MainBranch {
			return nil, nil, fmt.Errorf("main cannot be dropped: %w", snapshot.ErrInvalid)
		}
		if _, ok := m.Refs[name]; !ok {
			return nil, nil, noRef(name)
		}
		return []metadata.Update{metadata.RemoveRef{Name: name}}, []string{name}, nil
	})
}

func noRef(name string) error {
	return fmt.Errorf("no branch or tag %s: %w", name, scan.ErrNoSnapshot)
}

// SetRetention replaces how long a branch or tag is kept.
func (t *Table) SetRetention(ctx context.Context, name string, r Retention) error {
	return t.changeRefs(ctx, "retention of "+name, func(m *metadata.Table) ([]metadata.Update, []string, error) {
		ref, ok := m.Refs[name]
		if !ok {
			return nil, nil, noRef(name)
		}
		r.apply(&ref)
		return []metadata.Update{metadata.SetRef{Name: name, Ref: ref}}, []string{name}, nil
	})
}

// FastForward moves a branch to the head of another ref, which must have all of
// the branch's history: the last step of write, audit, publish. The source
// positions of the snapshots published become the branch's.
func (t *Table) FastForward(ctx context.Context, branch, to string) error {
	return t.changeRefs(ctx, "fast-forward "+branch+" to "+to, func(m *metadata.Table) ([]metadata.Update, []string, error) {
		target, err := refHead(m, to)
		if err != nil {
			return nil, nil, err
		}
		if head := m.RefSnapshot(branch); head != nil && !m.IsAncestor(head.ID, target.ID) {
			return nil, nil, fmt.Errorf("%s has commits that %s has not: %w", branch, to, snapshot.ErrConflict)
		}
		return t.moveBranch(m, branch, target.ID, branch, to)
	})
}

func refHead(m *metadata.Table, name string) (*metadata.Snapshot, error) {
	if s := m.RefSnapshot(name); s != nil {
		return s, nil
	}
	return nil, noRef(name)
}

// moveBranch points a branch, which may be new, at a snapshot; reads are the
// refs that the decision depends on.
func (t *Table) moveBranch(m *metadata.Table, branch string, id int64, reads ...string) ([]metadata.Update, []string, error) {
	ref, ok := m.Refs[branch]
	switch {
	case !ok:
		ref = metadata.Ref{Type: refBranch}
	case ref.Type != refBranch:
		return nil, nil, fmt.Errorf("%s is a tag: %w", branch, snapshot.ErrInvalid)
	case ref.SnapshotID == id:
		return nil, nil, nil
	}
	ref.SnapshotID = id
	return []metadata.Update{metadata.SetRef{Name: branch, Ref: ref}}, reads, nil
}

// Rollback makes an ancestor of the current snapshot the current one: commits
// since then are undone, and the source positions are again those of that
// snapshot.
func (t *Table) Rollback(ctx context.Context, snapshotID int64) error {
	return t.changeRefs(ctx, "rollback", func(m *metadata.Table) ([]metadata.Update, []string, error) {
		if m.Snapshot(snapshotID) == nil {
			return nil, nil, noSnapshot(snapshotID)
		}
		if head := m.Current(); head == nil || !m.IsAncestor(snapshotID, head.ID) {
			return nil, nil, fmt.Errorf("snapshot %d is not in the history of main: %w", snapshotID, snapshot.ErrInvalid)
		}
		return t.moveBranch(m, metadata.MainBranch, snapshotID, metadata.MainBranch)
	})
}

// RollbackTo is Rollback to the newest snapshot in the history of main that was
// committed at or before a time.
func (t *Table) RollbackTo(ctx context.Context, at time.Time) error {
	return t.changeRefs(ctx, "rollback", func(m *metadata.Table) ([]metadata.Update, []string, error) {
		if head := m.Current(); head != nil {
			for s := range m.Ancestors(head.ID) {
				if s.TimestampMS <= at.UnixMilli() {
					return t.moveBranch(m, metadata.MainBranch, s.ID, metadata.MainBranch)
				}
			}
		}
		return nil, nil, fmt.Errorf("no snapshot at %s: %w", at.UTC().Format(time.RFC3339Nano), scan.ErrNoSnapshot)
	})
}

// SetCurrent makes any snapshot the current one, also one that is not in the
// history of main.
func (t *Table) SetCurrent(ctx context.Context, snapshotID int64) error {
	return t.changeRefs(ctx, "set current snapshot", func(m *metadata.Table) ([]metadata.Update, []string, error) {
		if m.Snapshot(snapshotID) == nil {
			return nil, nil, noSnapshot(snapshotID)
		}
		return t.moveBranch(m, metadata.MainBranch, snapshotID, metadata.MainBranch)
	})
}

// changeRefs commits a change of refs; change returns no updates when there is
// nothing to do, and the refs that must not have moved meanwhile.
func (t *Table) changeRefs(ctx context.Context, what string, change func(m *metadata.Table) ([]metadata.Update, []string, error)) error {
	_, _, err := t.CommitUpdates(ctx, func(base *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		updates, reads, err := change(base.Metadata)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", what, err)
		}
		var reqs []metadata.Requirement
		for _, name := range reads {
			r := metadata.AssertRefSnapshot{Ref: name}
			if ref, ok := base.Metadata.Refs[name]; ok {
				id := ref.SnapshotID
				r.SnapshotID = &id
			}
			reqs = append(reqs, r)
		}
		return updates, reqs, nil
	})
	return err
}

// The summary keys by which snapshots are known to have been published.
const (
	sourceSnapshotKey = "source-snapshot-id"
	wapIDKey          = "wap.id"
	publishedWAPKey   = "published-wap-id"
)

// CherryPick publishes the rows that a snapshot added, wherever it is, on main: as
// a new snapshot with the same files, or, when the snapshot's parent is the
// current one, by making it current. Only snapshots that do nothing but append
// can be picked on top of others; a snapshot is picked at most once. The source
// positions stay those of main.
func (t *Table) CherryPick(ctx context.Context, snapshotID int64) (*metadata.Snapshot, error) {
	what := fmt.Sprintf("cherry-pick %d", snapshotID)
	forwarded := false
	err := t.changeRefs(ctx, what, func(m *metadata.Table) ([]metadata.Update, []string, error) {
		s, err := t.pickable(m, snapshotID)
		if err != nil {
			return nil, nil, err
		}
		head := m.Current()
		forwarded = head == nil && s.ParentID == nil || head != nil && s.ParentID != nil && *s.ParentID == head.ID
		if !forwarded {
			return nil, nil, nil
		}
		return t.moveBranch(m, metadata.MainBranch, s.ID, metadata.MainBranch)
	})
	if err != nil {
		return nil, err
	}
	if forwarded {
		return t.Metadata().Current(), nil
	}
	m := t.Metadata()
	s := m.Snapshot(snapshotID)
	if s == nil {
		return nil, fmt.Errorf("table %s: %s: %w", t.id, what, noSnapshot(snapshotID))
	}
	if s.Operation != metadata.OpAppend {
		return nil, fmt.Errorf("table %s: %s: it is not an append, and main has moved since its parent: %w", t.id, what, snapshot.ErrInvalid)
	}
	files, err := t.filesAdded(ctx, m, s)
	if err != nil {
		return nil, fmt.Errorf("table %s: %s: %w", t.id, what, err)
	}
	summary := map[string]string{sourceSnapshotKey: strconv.FormatInt(snapshotID, 10)}
	if id := s.Summary[wapIDKey]; id != "" {
		summary[publishedWAPKey] = id
	}
	changes := &snapshot.Changes{Operation: metadata.OpAppend, AddData: files}
	return t.CommitRewrite(ctx, Rewrite{Summary: summary, Changes: func(_ context.Context, base *RewriteBase) (*snapshot.Changes, error) {
		if _, err := t.pickable(base.Metadata, snapshotID); err != nil {
			return nil, err
		}
		return changes, nil
	}})
}

// pickable returns a snapshot that was not published yet.
func (t *Table) pickable(m *metadata.Table, id int64) (*metadata.Snapshot, error) {
	s := m.Snapshot(id)
	if s == nil {
		return nil, noSnapshot(id)
	}
	head := m.Current()
	if head == nil {
		return s, nil
	}
	for a := range m.Ancestors(head.ID) {
		switch wap := s.Summary[wapIDKey]; {
		case a.ID == id:
			return nil, fmt.Errorf("snapshot %d is in the history of main: %w", id, snapshot.ErrInvalid)
		case a.Summary[sourceSnapshotKey] == strconv.FormatInt(id, 10),
			wap != "" && (a.Summary[publishedWAPKey] == wap || a.Summary[wapIDKey] == wap):
			return nil, fmt.Errorf("snapshot %d was picked already, as %d: %w", id, a.ID, snapshot.ErrInvalid)
		}
	}
	return s, nil
}

// filesAdded returns the data files that a snapshot added, as new ones.
func (t *Table) filesAdded(ctx context.Context, m *metadata.Table, s *metadata.Snapshot) ([]*manifest.DataFile, error) {
	var files []*manifest.DataFile
	opts := &snapshot.LiveOptions{Cache: t.opts.Cache, Stats: manifest.StatsAll}
	for c, err := range snapshot.ChangedFiles(ctx, t.entry().Store, m, s.ParentID, s.ID, opts) {
		if err != nil {
			return nil, err
		}
		if c.Entry.Status != manifest.StatusAdded || c.Entry.File.Content != manifest.ContentData {
			return nil, fmt.Errorf("it does more than append (%s): %w", c.Entry.File.Path, snapshot.ErrInvalid)
		}
		f := *c.Entry.File
		f.FirstRowID = nil // the rows get ids where they are published
		files = append(files, &f)
	}
	return files, nil
}
