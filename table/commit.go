package table

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/snapshot"
)

// CommitInfo describes a commit that was made.
type CommitInfo struct {
	Table    string
	Snapshot *metadata.Snapshot
	Attempts int
	Duration time.Duration
	// Keys says what became of the keys of the commit, as the snapshot's summary.
	Keys Decisions
}

// commit is one commit in progress, over all its attempts.
type commit struct {
	t      *Table
	wo     WriterOptions
	co     CommitOptions
	staged []*Staged

	id        int64 // of the snapshot, the same in every attempt
	resolver  *resolver
	positions map[string]string
	reset     *marks // replaces the table's positions
	// producer is kept over attempts while the changes stay the same.
	producer *snapshot.Producer
	plain    bool // the producer's changes have no deletes
	added    int  // and so many data files of ours: late changes may take some away
	// written are delete files of the attempts, by attempt; only the last
	// attempt's are needed.
	written []string
	changes snapshot.Changes // of the last attempt
	started time.Time
	expired []int64
	alone   bool // not to be made together with others
	// decisions of the last attempt.
	decisions Decisions
}

// CommitStaged commits flushed changes, in the order given, as one snapshot. A
// key that several sets change ends as the last of them says. The options of
// the writer that matter here are Encoding, KeepSnapshots, ExpireGrace and
// Branch. With several sets deletes are always by position.
func (t *Table) CommitStaged(ctx context.Context, staged []*Staged, wo *WriterOptions, co *CommitOptions) (*metadata.Snapshot, error) {
	o := wo.withDefaults()
	return t.commitStaged(ctx, staged, &o, co)
}

func (t *Table) commitStaged(ctx context.Context, staged []*Staged, wo *WriterOptions, co *CommitOptions) (*metadata.Snapshot, error) {
	c := &commit{t: t, wo: *wo, staged: staged, started: t.opts.Clock()}
	if co != nil {
		c.co = *co
	}
	setDefault(&c.co.Timeout, 2*time.Minute)
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("table %s: commit: %w", t.id, err)
	}
	if c.nothingToDo() {
		return t.Metadata().RefSnapshot(wo.Branch), nil
	}
	snap, err := t.commitInGroup(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("table %s: commit: %w", t.id, err)
	}
	return snap, nil
}

func (c *commit) check() error {
	m := c.t.Metadata()
	c.positions = map[string]string{}
	for _, s := range c.staged {
		if s.tableUUID != m.UUID {
			return fmt.Errorf("staged changes belong to the table with uuid %s, this is %s", s.tableUUID, m.UUID)
		}
		if s.committed.Load() {
			return fmt.Errorf("%w: they are in the table already", ErrBadStaged)
		}
		maps.Copy(c.positions, s.positions)
	}
	maps.Copy(c.positions, c.co.Positions)
	return nil
}

func (c *commit) nothingToDo() bool {
	for _, s := range c.staged {
		if !s.IsEmpty() {
			return false
		}
	}
	return len(c.positions) == 0 && !c.co.Empty
}

// run makes attempts until one succeeds, fails for good, or time is up.
func (c *commit) run(ctx context.Context) (*metadata.Snapshot, error) {
	c.id = c.t.newSnapshotID()
	base := c.t.entry()
	var err error
	if c.resolver, err = newResolver(c.t, base.Metadata.CurrentSchema(), c.staged); err != nil {
		return nil, err
	}
	c.resolver.useIndex(c.wo.KeyIndex, c.wo.Branch, base.Metadata)
	backoff := 10 * time.Millisecond
	for attempt := 1; ; attempt++ {
		if base, err = c.t.yield(ctx, base, ""); err != nil {
			c.abandon(ctx)
			return nil, err
		}
		entry, err := c.attempt(ctx, base)
		if errors.Is(err, catalog.ErrUnknownOutcome) {
			if entry, err = c.lookUp(ctx, err); err != nil {
				return nil, err // nothing is cleaned up
			}
		}
		if err == nil {
			return c.succeed(ctx, base, entry, attempt), nil
		}
		if !c.t.retryable(ctx, base, err) || c.t.opts.Clock().Sub(c.started) > c.co.Timeout || ctx.Err() != nil {
			c.abandon(ctx)
			return nil, err
		}
		if f := c.t.opts.Events.Retrying; f != nil {
			f(c.t.Name(), attempt, err)
		}
		if attempt > 1 { // the first retry only brings us up to date
			if err := c.wait(ctx, backoff); err != nil {
				c.abandon(ctx)
				return nil, err
			}
			backoff = min(2*backoff, 2*time.Second)
		}
		if base, err = c.t.reload(ctx); err != nil {
			c.abandon(ctx)
			return nil, err
		}
	}
}

// retryable reports whether an attempt on base may succeed on a newer state: the
// table has changed, or a file of base is gone because someone has since expired
// its snapshot.
func (t *Table) retryable(ctx context.Context, base *catalog.Entry, err error) bool {
	if errors.Is(err, catalog.ErrConflict) || errors.Is(err, metadata.ErrStale) {
		return true
	}
	if !errors.Is(err, objstore.ErrNotFound) {
		return false
	}
	now, err := t.cat.LoadTable(ctx, t.id)
	return err == nil && now.MetadataLocation != base.MetadataLocation
}

// wait sleeps between a half and the whole of d.
func (c *commit) wait(ctx context.Context, d time.Duration) error {
	jitter := time.Duration(c.t.opts.Random() % uint64(d/2))
	return c.t.opts.Wait(ctx, d/2+jitter)
}

// attempt tries to commit on top of base. Every check runs anew: fencing,
// positions, and where the rows to delete are now.
func (c *commit) attempt(ctx context.Context, base *catalog.Entry) (*catalog.Entry, error) {
	// 1. May this writer still commit, and what positions does the table get?
	head := base.Metadata.RefSnapshot(c.wo.Branch)
	marks, err := c.advance(base.Metadata, head)
	if err != nil {
		return nil, err
	}
	if err := c.checkReaders(base.Metadata); err != nil {
		return nil, err
	}
	if err := c.resolver.checkFilled(ctx, base, head); err != nil {
		return nil, err
	}
	// 2. Find the rows to delete in the files of base.
	changes, err := c.resolveChanges(ctx, base, head)
	if err != nil {
		return nil, err
	}
	changes.Summary = c.summary(marks)
	c.decisions.addTo(changes.Summary)
	c.changes = changes
	// 3. Write manifests and list.
	a, err := c.produce(ctx, base, changes)
	if err != nil {
		return nil, err
	}
	// 4. Expire old snapshots and record positions in the same swap.
	updates := a.Updates
	if marks != nil {
		updates = append(updates, metadata.SetProperties{Properties: map[string]string{marksProperty: marks.property(c.id)}})
	}
	updates = append(updates, c.t.endTurn(base.Metadata, "")...)
	c.expired = c.toExpire(ctx, base, head)
	if len(c.expired) > 0 {
		updates = append(updates, metadata.RemoveSnapshots{IDs: c.expired})
	}
	// 5. Everything the snapshot refers to must be durable before it is.
	for _, s := range c.staged {
		if err := s.settle(); err != nil {
			return nil, err
		}
	}
	// 6. Swap.
	return c.t.cat.CommitTable(ctx, catalog.Commit{ID: c.t.id, Base: base, Requirements: a.Requirements, Updates: updates})
}

// checkReaders refuses deletes that a reader of the table would not apply; the
// table may have changed since they were made.
func (c *commit) checkReaders(m *metadata.Table) error {
	for _, s := range c.staged {
		if len(s.keys)+len(s.missing) == 0 && len(s.stale) == 0 {
			continue
		}
		if err := checkReaders(c.wo.Readers, s.encoding, m); err != nil {
			return err
		}
	}
	return nil
}

// produce applies changes to base, with the producer of the last attempt while
// neither has deletes.
func (c *commit) produce(ctx context.Context, base *catalog.Entry, changes snapshot.Changes) (snapshot.Attempt, error) {
	plain := len(changes.AddDeletes)+len(changes.RemoveData)+len(changes.RemoveDeletes) == 0
	if c.producer != nil && !(plain && c.plain && len(changes.AddData) == c.added) {
		if err := c.producer.Cleanup(ctx, false); err != nil {
			c.t.opts.Logger.Warn("clean-up of a failed attempt", "table", c.t.Name(), "error", err)
		}
		c.producer = nil
	}
	if c.producer == nil {
		c.producer = snapshot.NewProducer(snapshot.Options{
			Store: base.Store, Clock: c.t.opts.Clock, NewID: func() int64 { return c.id },
			CommitUUID: c.t.opts.newUUID(), Cache: c.t.opts.Cache,
		}, changes, snapshot.Conditions{})
		c.plain, c.added = plain, len(changes.AddData)
	}
	c.producer.SetSummary(changes.Summary) // the positions of the base are in it
	return c.producer.Apply(ctx, base.Metadata, c.wo.Branch)
}

// lookUp finds out what became of a commit whose outcome is unknown: it is
// committed iff the table knows its snapshot. Not finding it proves nothing, for
// the write may still be on its way.
func (c *commit) lookUp(ctx context.Context, cause error) (*catalog.Entry, error) {
	for try := range 3 {
		if try > 0 {
			if err := c.wait(ctx, time.Second<<try); err != nil {
				break
			}
		}
		entry, err := c.t.reload(ctx)
		if err == nil && entry.Metadata.Snapshot(c.id) != nil {
			return entry, nil
		}
	}
	return nil, fmt.Errorf("snapshot %d: %w", c.id, cause)
}

func (c *commit) succeed(ctx context.Context, base, entry *catalog.Entry, attempts int) *metadata.Snapshot {
	c.t.setEntry(entry)
	for _, s := range c.staged {
		s.committed.Store(true)
	}
	if err := c.producer.Cleanup(ctx, true); err != nil {
		c.t.opts.Logger.Warn("clean-up after a commit", "table", c.t.Name(), "error", err)
	}
	c.dropUnused(ctx, entry)
	c.dropLeftovers(ctx, entry)
	c.t.trimMetadata(ctx, base, entry)
	snap := entry.Metadata.Snapshot(c.id)
	if c.resolver != nil {
		c.resolver.tellIndex(snap)
		c.resolver.tellFresh(snap)
	}
	c.t.tell(CommitInfo{Table: c.t.Name(), Snapshot: snap, Attempts: attempts, Duration: c.t.opts.Clock().Sub(c.started), Keys: c.decisions})
	if len(c.expired) > 0 {
		c.t.bury(ctx, base, entry, c.expired, c.wo.ExpireGrace)
	}
	c.t.digGraves(ctx, entry)
	return snap
}

// abandon deletes what the attempts of a commit that did not happen wrote. The
// staged data files are the caller's.
func (c *commit) abandon(ctx context.Context) {
	if c.producer != nil {
		if err := c.producer.Cleanup(context.WithoutCancel(ctx), false); err != nil {
			c.t.opts.Logger.Warn("clean-up of a failed commit", "table", c.t.Name(), "error", err)
		}
	}
	deleteQuietly(ctx, c.t.entry().Store, c.written)
}

func (t *Table) newSnapshotID() int64 {
	m := t.Metadata()
	for {
		if id := int64(t.opts.Random() >> 1); id > 0 && m.Snapshot(id) == nil {
			return id
		}
	}
}
