package table

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/snapshot"
)

// RewriteBase is the state of the table that an attempt at a commit builds on.
type RewriteBase struct {
	*catalog.Entry
	// Head is the head of the branch, nil for an empty one.
	Head *metadata.Snapshot
	// SnapshotID is that of the snapshot being made, the same in all attempts.
	SnapshotID int64
	// Time of the snapshot.
	Time time.Time
	// Summary has to go into the snapshot's summary: the engine, and the source
	// positions, which a commit carries on.
	Summary map[string]string
}

// Rewrite is a commit that changes how rows are stored, not which rows there
// are: compaction, conversion of deletes, rewritten manifests.
type Rewrite struct {
	// Branch is "main" by default.
	Branch string
	// Timeout bounds the time spent on attempts; default 10 minutes.
	Timeout time.Duration
	// Summary is added to the snapshot summary.
	Summary map[string]string
	// Changes is called for every attempt and says what to commit on base; it
	// must check all that the change depends on. Nil, without an error, is
	// nothing to commit. Returning the same pointer again saves writing manifests
	// again. Files it wrote for attempts that came to nothing are the caller's.
	Changes func(ctx context.Context, base *RewriteBase) (*snapshot.Changes, error)
	// Build, instead of Changes, makes the whole snapshot.
	Build func(ctx context.Context, base *RewriteBase) (*snapshot.Attempt, error)
}

// CommitRewrite commits a rewrite on the newest state of the table, and tries
// again as often as other writers get in between, whom it asks for a turn after
// a few attempts. It carries source positions on. The snapshot is nil when there was nothing to commit. After
// catalog.ErrUnknownOutcome nothing that the last change refers to may be
// deleted; after any other error nothing was committed.
func (t *Table) CommitRewrite(ctx context.Context, r Rewrite) (*metadata.Snapshot, error) {
	setDefault(&r.Branch, metadata.MainBranch)
	setDefault(&r.Timeout, 10*time.Minute)
	c := &rewriteCommit{r: r, commit: commit{
		t: t, wo: (*WriterOptions)(nil).withDefaults(), started: t.opts.Clock(), id: t.newSnapshotID(),
	}}
	c.wo.Branch = r.Branch
	c.co.Summary = r.Summary
	snap, err := c.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("table %s: rewrite: %w", t.id, err)
	}
	return snap, nil
}

// rewriteCommit shares with commit what does not depend on staged changes.
type rewriteCommit struct {
	commit
	r    Rewrite
	last *snapshot.Changes // what the producer was made of
	// sums is the producer's summary, brought up to date in every attempt.
	sums map[string]string
	turn turn
}

// alone is the attempt from which on other committers of this process wait. The
// first attempt, which reads the most, keeps nobody waiting.
const alone = 2

func (c *rewriteCommit) run(ctx context.Context) (*metadata.Snapshot, error) {
	c.turn = turn{t: c.t}
	var took time.Duration
	for attempt := 1; ; attempt++ {
		if attempt == alone {
			c.t.commitMu.Lock()
			defer c.t.commitMu.Unlock()
		}
		base, err := c.t.reload(ctx)
		if err == nil {
			base, err = c.turn.before(ctx, base, attempt, took)
		}
		if err != nil {
			c.abandon(ctx)
			return nil, err
		}
		began := c.t.opts.Clock()
		entry, nothing, err := c.attempt(ctx, base)
		took = c.t.opts.Clock().Sub(began)
		if errors.Is(err, catalog.ErrUnknownOutcome) {
			if entry, err = c.lookUp(ctx, err); err != nil {
				return nil, err // nothing is cleaned up
			}
		}
		switch {
		case err == nil && nothing:
			c.abandon(ctx)
			return nil, nil
		case err == nil && c.producer == nil: // Build
			c.t.setEntry(entry)
			c.t.trimMetadata(ctx, base, entry)
			return c.report(entry, attempt), nil
		case err == nil:
			return c.succeed(ctx, base, entry, attempt), nil
		}
		if !c.t.retryable(ctx, base, err) || c.t.opts.Clock().Sub(c.started) > c.r.Timeout || ctx.Err() != nil {
			c.abandon(ctx)
			return nil, err
		}
		if f := c.t.opts.Events.Retrying; f != nil {
			f(c.t.Name(), attempt, err)
		}
	}
}

// abandon also gives back a turn that was not used.
func (c *rewriteCommit) abandon(ctx context.Context) {
	c.commit.abandon(ctx)
	c.turn.drop(ctx)
}

// report tells of a commit that has no producer.
func (c *rewriteCommit) report(entry *catalog.Entry, attempts int) *metadata.Snapshot {
	snap := entry.Metadata.Snapshot(c.id)
	c.t.tell(CommitInfo{Table: c.t.Name(), Snapshot: snap, Attempts: attempts, Duration: c.t.opts.Clock().Sub(c.started)})
	return snap
}

// attempt tries to commit on top of base; nothing says that there is nothing to
// commit.
func (c *rewriteCommit) attempt(ctx context.Context, base *catalog.Entry) (entry *catalog.Entry, nothing bool, err error) {
	head := base.Metadata.RefSnapshot(c.r.Branch)
	// Positions that are unknown stay so: a rewrite neither needs nor changes them.
	marks, err := c.advance(base.Metadata, head)
	if err != nil && !errors.Is(err, ErrPositionsUnknown) {
		return nil, false, err
	}
	b := &RewriteBase{Entry: base, Head: head, SnapshotID: c.id, Time: c.t.opts.Clock(), Summary: c.summary(marks)}
	a, err := c.prepare(ctx, b)
	if err != nil || a == nil {
		return nil, a == nil, err
	}
	updates := a.Updates
	if marks != nil {
		updates = append(updates, metadata.SetProperties{Properties: map[string]string{marksProperty: marks.property(c.id)}})
	}
	updates = append(updates, c.turn.end(base.Metadata)...)
	entry, err = c.t.cat.CommitTable(ctx, catalog.Commit{ID: c.t.id, Base: base, Requirements: a.Requirements, Updates: updates})
	return entry, false, err
}

func (c *rewriteCommit) prepare(ctx context.Context, b *RewriteBase) (*snapshot.Attempt, error) {
	if c.r.Build != nil {
		return c.r.Build(ctx, b)
	}
	changes, err := c.r.Changes(ctx, b)
	if err != nil || changes == nil {
		return nil, err
	}
	if c.producer != nil && changes != c.last {
		if err := c.producer.Cleanup(ctx, false); err != nil {
			c.t.opts.Logger.Warn("clean-up of a failed attempt", "table", c.t.Name(), "error", err)
		}
		c.producer = nil
	}
	if c.producer == nil {
		c.last, c.sums = changes, map[string]string{}
		with := *changes
		with.Summary = c.sums
		c.producer = snapshot.NewProducer(snapshot.Options{
			Store: b.Store, Clock: c.t.opts.Clock, NewID: func() int64 { return c.id },
			CommitUUID: c.t.opts.newUUID(), Cache: c.t.opts.Cache,
		}, with, snapshot.Conditions{})
	}
	clear(c.sums)
	maps.Copy(c.sums, b.Summary)
	a, err := c.producer.Apply(ctx, b.Metadata, c.r.Branch)
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// CommitUpdates commits metadata updates that depend on the table's state:
// change is called for every attempt with the newest state and says what to
// change, and what must still hold; no updates is nothing to commit. It returns
// the states before and after.
func (t *Table) CommitUpdates(ctx context.Context, change func(base *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error)) (before, after *catalog.Entry, err error) {
	turn := turn{t: t}
	defer func() {
		if err != nil {
			turn.drop(ctx)
		}
	}()
	t.commitMu.Lock()
	defer t.commitMu.Unlock()
	for attempt := 1; ; attempt++ {
		base, err := t.reload(ctx)
		if err == nil {
			base, err = turn.before(ctx, base, attempt, 0)
		}
		if err != nil {
			return nil, nil, err
		}
		updates, reqs, err := change(base)
		if err != nil {
			return nil, nil, fmt.Errorf("table %s: %w", t.id, err)
		}
		if len(updates) == 0 {
			turn.drop(ctx)
			return base, base, nil
		}
		updates = append(updates, turn.end(base.Metadata)...)
		reqs = append(reqs, metadata.AssertUUID{UUID: base.Metadata.UUID})
		after, err := t.cat.CommitTable(ctx, catalog.Commit{ID: t.id, Base: base, Updates: updates, Requirements: reqs})
		if err == nil {
			t.setEntry(after)
			t.trimMetadata(ctx, base, after)
			return base, after, nil
		}
		if !t.retryable(ctx, base, err) || attempt == 100 {
			return nil, nil, fmt.Errorf("table %s: %w", t.id, err)
		}
	}
}

// Load reads the table's newest state without making it the open table's own.
func (t *Table) Load(ctx context.Context) (*catalog.Entry, error) {
	return t.cat.LoadTable(ctx, t.id)
}

// Entry returns the table's state as of the last refresh or commit.
func (t *Table) Entry() *catalog.Entry { return t.entry() }

// Clock returns the time as the table's options tell it.
func (t *Table) Clock() time.Time { return t.opts.Clock() }

// Cache returns the cache of manifests that commits and scans share.
func (t *Table) Cache() *snapshot.Cache { return t.opts.Cache }

// NewUUID returns a new UUID from the table's source of randomness.
func (t *Table) NewUUID() string { return t.opts.newUUID() }
