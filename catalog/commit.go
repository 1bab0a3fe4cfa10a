package catalog

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

const (
	// maxRebases is how often a commit is made again on a newer version, as long
	// as its requirements hold there.
	maxRebases = 10
	// maxLooks is how often a commit of unknown outcome is looked up.
	maxLooks = 3
	// lookTime bounds looking up, which goes on when the caller has given up.
	lookTime = 30 * time.Second
)

// errRival: the version this commit wanted to be belongs to another. Nothing was
// committed.
var errRival = errors.New("another commit was first")

// CommitTable applies a commit. With Base the newest version and nothing amiss
// it reads nothing: it writes the next version, looks that Base was not deleted
// meanwhile, and writes the hint.
func (f *Files) CommitTable(ctx context.Context, c Commit) (*Entry, error) {
	if err := f.check(c.ID); err != nil {
		return nil, err
	}
	e, err := f.commit(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("table %s: commit: %w", c.ID, err)
	}
	return e, nil
}

func (f *Files) commit(ctx context.Context, c Commit) (*Entry, error) {
	base := c.Base
	if !f.usable(c.ID, base) {
		base = nil
	}
	loaded := false // base was found by load, so it cannot be an old one
	for rebases := 0; ; {
		if base == nil {
			var err error
			if base, err = f.load(ctx, c.ID); err != nil {
				return nil, err
			}
			loaded = true
		}
		next, err := f.apply(base, c)
		if stale := errors.Is(err, metadata.ErrRequirement) || errors.Is(err, metadata.ErrStale); stale {
			if loaded {
				return nil, fmt.Errorf("%w: %w", ErrConflict, err)
			}
			base = nil // it may hold for the newest version
			continue
		} else if err != nil {
			return nil, err
		}
		e, err := f.publish(ctx, base, next)
		if !errors.Is(err, errRival) {
			return e, err
		}
		if rebases++; rebases > maxRebases {
			return nil, fmt.Errorf("%w: %d times in a row, %w", ErrConflict, rebases, err)
		}
		base = nil
	}
}

// usable reports whether a base is a version of this table as this catalog has
// it.
func (f *Files) usable(id Identifier, base *Entry) bool {
	if base == nil || base.Metadata == nil {
		return false
	}
	_, ok := versionOf(fileName(base.MetadataLocation))
	return ok && tableDir(base.MetadataLocation) == f.dir(id)
}

// publish makes next the version after base. It returns the new entry, errRival,
// ErrUnknownOutcome, or an error that means that nothing was committed.
func (f *Files) publish(ctx context.Context, base *Entry, next *metadata.Table) (*Entry, error) {
	n, _ := versionOf(fileName(base.MetadataLocation))
	dir := tableDir(base.MetadataLocation)
	text, err := next.Marshal()
	if err != nil {
		return nil, err
	}
	data := stamp(text)
	// Another engine may have written this version compressed.
	if _, err := f.store.Stat(ctx, compressedURI(dir, n+1)); err == nil {
		return nil, errRival
	} else if !errors.Is(err, objstore.ErrNotFound) {
		return nil, err
	}
	uri := versionURI(dir, n+1)
	e, err := f.entry(ctx, dir, &Entry{ID: base.ID, Metadata: next, MetadataLocation: uri})
	if err != nil {
		return nil, err
	}
	if err := f.put(ctx, uri, data); err != nil {
		return nil, err
	}
	if err := f.confirm(ctx, base, e); err != nil {
		return nil, err
	}
	f.remember(dir, e)
	f.writeHint(ctx, dir, n+1)
	return e, nil
}

// stamp appends to JSON text a tail of 64 blanks and tabs that spell a random
// number: two writers of equal contents can then still tell their own object from
// the other's. No reader of JSON sees it.
func stamp(data []byte) []byte {
	var id [8]byte
	rand.Read(id[:]) // never fails
	out := make([]byte, 0, len(data)+65)
	out = append(append(out, data...), '\n')
	for _, b := range id {
		for bit := range 8 {
			out = append(out, " \t"[b>>bit&1])
		}
	}
	return out
}

// put creates a version and finds out how that went: nil, errRival,
// ErrUnknownOutcome, or an error of the store when nothing was written.
//
// A store may report that the object exists when it is our own, sent a second
// time by a client that lost the first reply; and it may lose the reply without
// telling us more. Either way what is there is compared with what was sent.
func (f *Files) put(ctx context.Context, uri string, data []byte) error {
	err := f.store.Put(ctx, uri, data, &objstore.PutOptions{IfAbsent: true})
	if err == nil {
		return nil
	}
	if !ambiguous(err) {
		return err
	}
	first := err
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
	defer cancel()
	for tries := range maxLooks {
		if errors.Is(err, objstore.ErrNotDurable) {
			break // it is ours, but no look can tell whether it will stay
		}
		if tries > 0 {
			f.pause(look, tries)
		}
		have, rerr := objstore.ReadAll(look, f.store, uri, 0)
		switch {
		case rerr == nil && bytes.Equal(have, data):
			return nil
		case rerr == nil:
			return errRival // and ours can never land now
		case !errors.Is(rerr, objstore.ErrNotFound):
			continue
		}
		// Not there, perhaps not yet: the same bytes again cannot do harm.
		if err = f.store.Put(look, uri, data, &objstore.PutOptions{IfAbsent: true}); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: %s: %w", ErrUnknownOutcome, fileName(uri), first)
}

// ambiguous reports whether a put that failed like this may have happened.
func ambiguous(err error) bool {
	return errors.Is(err, objstore.ErrExists) || errors.Is(err, objstore.ErrUnknownOutcome)
}

// pause waits before another look.
func (f *Files) pause(ctx context.Context, tries int) {
	t := time.NewTimer(f.opts.Pause << (tries - 1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// confirm makes sure that e, just created, follows the newest version. It does
// if its base is still there, because the newest two versions are never deleted.
// Else it has to be found out what happened.
func (f *Files) confirm(ctx context.Context, base, e *Entry) error {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
	defer cancel()
	var err error
	for tries := range maxLooks {
		if tries > 0 {
			f.pause(look, tries)
		}
		var info objstore.Info
		info, err = f.store.Stat(look, base.MetadataLocation)
		if err == nil && (base.etag == "" || info.ETag == base.etag) {
			if info, err := f.store.Stat(look, e.MetadataLocation); err == nil {
				e.etag = info.ETag
			}
			return nil
		}
		if err == nil || errors.Is(err, objstore.ErrNotFound) {
			return f.judge(look, base, e)
		}
	}
	return fmt.Errorf("%w: %s: %w", ErrUnknownOutcome, fileName(e.MetadataLocation), err)
}

// judge decides about a version e whose base is gone or another file:
//   - it is gone too: the table was dropped after it was created;
//   - nothing is above it: the table was dropped before it was created;
//   - the newest version has another file of its number in its log: commits went
//     so far past the base that its successor was deleted, and the put met a free
//     name by accident;
//   - the newest version holds its snapshots: it was committed, and others built
//     on it while this process slept.
//
// In the second and third case e is taken back. What fits none is unknown.
func (f *Files) judge(ctx context.Context, base, e *Entry) error {
	unknown := func(err error) error {
		return fmt.Errorf("%w: %s was created, then its base was gone: %w", ErrUnknownOutcome, fileName(e.MetadataLocation), err)
	}
	r := reader{store: f.store, limit: f.opts.MaxMetadataBytes}
	n, _ := versionOf(fileName(e.MetadataLocation))
	top, err := r.newest(ctx, tableDir(e.MetadataLocation))
	if errors.Is(err, ErrNotFound) {
		return errRival
	}
	if err == nil && top.n == n {
		return f.takeBack(ctx, e.MetadataLocation)
	}
	if err != nil {
		return unknown(err)
	}
	newest, err := r.read(ctx, e.ID, top.uri)
	if err != nil {
		return unknown(err)
	}
	if newest.Metadata.UUID != e.Metadata.UUID {
		return f.takeBack(ctx, e.MetadataLocation)
	}
	for _, s := range e.Metadata.Snapshots {
		if base.Metadata.Snapshot(s.ID) == nil && newest.Metadata.Snapshot(s.ID) != nil {
			return nil
		}
	}
	for _, l := range newest.Metadata.MetadataLog {
		if v, ok := versionOf(fileName(l.MetadataFile)); ok && v == n && l.TimestampMS != e.Metadata.LastUpdatedMS {
			return f.takeBack(ctx, e.MetadataLocation)
		}
	}
	return unknown(fmt.Errorf("the table is at %s", fileName(top.uri)))
}

// takeBack deletes a version that turned out to follow nothing and returns
// errRival.
func (f *Files) takeBack(ctx context.Context, uri string) error {
	var err error
	for tries := range maxLooks {
		if tries > 0 {
			f.pause(ctx, tries)
		}
		err = f.store.Delete(ctx, uri)
		if err == nil || errors.Is(err, objstore.ErrNotFound) {
			return errRival
		}
	}
	return fmt.Errorf("%w: %s: %w", ErrUnknownOutcome, fileName(uri), err)
}

// writeHint tells readers where to begin. It is not needed, so nothing is made
// of its failure, and it is not made durable.
func (f *Files) writeHint(ctx context.Context, dir string, n int64) {
	uri := objstore.Join(dir, metadataDir, hintName)
	_ = f.store.Put(ctx, uri, strconv.AppendInt(nil, n, 10), &objstore.PutOptions{Volatile: true})
}
