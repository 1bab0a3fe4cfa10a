package scan

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/frazildb/frazil/metadata"
)

// FollowOptions choose what a follower reads; nil and zero fields mean the
// documented default.
type FollowOptions struct {
	// Changes say what to read of each increment, and where to begin: after From,
	// nil at the beginning of the table. To is not used; Ref is the branch
	// followed.
	Changes ChangesOptions
	// Appends reads the rows appended instead, as [Appends] does; SkipOthers as in
	// AppendsOptions. Updates, Key and Net do not matter then.
	Appends, SkipOthers bool
	// Poll is how often to look for new snapshots; default 1 s.
	Poll time.Duration
	// Wake, when not nil, makes the follower look at once whenever it receives: a
	// channel with room for one, sent to without waiting by whoever commits.
	Wake <-chan struct{}
	// Wait waits for at most d, less if wake receives, or until ctx ends, whose
	// error it then returns; default by the system's clock.
	Wait func(ctx context.Context, d time.Duration, wake <-chan struct{}) error
}

// Increment is what one or more new snapshots changed: a [Reader] of it, a
// [ChangeScan] or [AppendScan].
type Increment struct {
	Reader
	// From is the snapshot before, nil for none, To the last one included. To go on
	// after a restart, keep To's id once the increment has been dealt with, and
	// give it as From.
	From *int64
	To   *metadata.Snapshot
}

// GapError ends a follower that cannot go on: the snapshot it has read up to is
// no longer in the history of the branch, because it expired or because the
// branch was rolled back or replaced. To go on, read the table as of Head and
// follow from there, or take the Net changes from Last if Expired is false.
type GapError struct {
	Last    int64 // read up to
	Head    int64 // of the branch now; 0 if it has none
	Expired bool  // Last itself is gone from the table
}

func (e *GapError) Error() string {
	if e.Expired {
		return fmt.Sprintf("snapshot %d, read last, has expired: read the table as of snapshot %d and follow from there", e.Last, e.Head)
	}
	return fmt.Sprintf("snapshot %d, read last, is not an ancestor of %d: the branch was rolled back or replaced: take net changes", e.Last, e.Head)
}

// Unwrap makes a GapError an ErrExpired and an ErrNoSnapshot.
func (e *GapError) Unwrap() []error { return []error{ErrExpired, ErrNoSnapshot} }

// Follow yields an increment whenever the branch has new snapshots that matter,
// and waits in between, until ctx ends or the consumer stops. load returns the
// table's latest state. The first error ends it, ctx's own too; a [GapError] says
// that history was lost. Increments follow each other without a gap or an
// overlap; each is read, or not, by the consumer, and stays readable until the
// files of its snapshots are deleted.
func Follow(ctx context.Context, load func(context.Context) (Source, error), opts *FollowOptions) iter.Seq2[*Increment, error] {
	f := follower{load: load}
	if opts != nil {
		f.o = *opts
	}
	if f.o.Poll <= 0 {
		f.o.Poll = time.Second
	}
	if f.o.Wait == nil {
		f.o.Wait = waitOrWake
	}
	f.last = f.o.Changes.From
	return func(yield func(*Increment, error) bool) {
		if f.o.Changes.To != nil {
			yield(nil, errors.New("follow: To is set: a follower has no end; use Changes"))
			return
		}
		for {
			inc, err := f.look(ctx)
			if err == nil && inc == nil {
				err = f.o.Wait(ctx, f.o.Poll, f.o.Wake)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if inc != nil && !yield(inc, nil) {
				return
			}
		}
	}
}

type follower struct {
	load func(context.Context) (Source, error)
	o    FollowOptions
	last *int64
}

// look returns the next increment, nil when there is nothing new.
func (f *follower) look(ctx context.Context) (*Increment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	src, err := f.load(ctx)
	if err != nil {
		return nil, err
	}
	branch := f.o.Changes.Ref
	if branch == "" {
		branch = metadata.MainBranch
	}
	head := src.Metadata.RefSnapshot(branch)
	switch {
	case head == nil && f.last != nil:
		return nil, f.fail(src, &GapError{Last: *f.last, Expired: src.Metadata.Snapshot(*f.last) == nil})
	case head == nil || f.last != nil && head.ID == *f.last:
		return nil, nil
	}
	after, base, err := history(src.Metadata, f.last, head)
	if err != nil && f.last != nil || err == nil && base == nil && f.last != nil && !f.o.Appends {
		err = &GapError{Last: *f.last, Head: head.ID, Expired: src.Metadata.Snapshot(*f.last) == nil}
	}
	if err != nil {
		return nil, f.fail(src, err)
	}
	from := f.last
	f.last = &head.ID
	matters := false
	for _, s := range after {
		matters = matters || s.Operation != metadata.OpReplace
	}
	if !matters {
		return nil, nil
	}
	inc := &Increment{From: from, To: head}
	inc.Reader, err = f.reader(src, from, head)
	if err != nil {
		return nil, f.fail(src, err)
	}
	return inc, nil
}

func (f *follower) fail(src Source, err error) error {
	if src.Name != "" {
		return fmt.Errorf("table %s: follow: %w", src.Name, err)
	}
	return fmt.Errorf("follow: %w", err)
}

func (f *follower) reader(src Source, from *int64, to *metadata.Snapshot) (Reader, error) {
	c := f.o.Changes
	if f.o.Appends {
		s := Appends(src, &AppendsOptions{
			Options: Options{
				SnapshotID: &to.ID, Columns: c.Columns, Filter: c.Filter, CaseInsensitive: c.CaseInsensitive,
				Concurrency: c.Concurrency, MemoryBudget: c.MemoryBudget, Allocator: c.Allocator, Ordered: true,
			},
			From: from, SkipOthers: f.o.SkipOthers,
		})
		return s, s.err
	}
	c.From, c.To, c.Ref = from, &to.ID, ""
	s := Changes(src, &c)
	return s, s.err
}

func waitOrWake(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case _, open := <-wake:
		if !open { // it would wake us without end
			return waitOrWake(ctx, d, nil)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
