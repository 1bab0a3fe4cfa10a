package compaction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// ExpireOptions say which snapshots go; nil and the zero value follow the
// table's retention properties.
type ExpireOptions struct {
	// Policy as in snapshot.Expire. The heads of refs, and what their retention
	// keeps, never go.
	Policy snapshot.ExpirePolicy
	// DryRun finds out what would go and changes nothing.
	DryRun bool
	// KeepFiles removes snapshots from the metadata and deletes no file.
	KeepFiles bool
	// Workers bounds parallel deletes; default 16.
	Workers int
}

// ExpireReport says what went, or would.
type ExpireReport struct {
	Snapshots []int64
	Refs      []string
	Files     snapshot.Unreachable
	// Deleted counts files deleted, Missing those that were gone already, Failed
	// those that could not be deleted; they are found by the next run.
	Deleted, Missing, Failed int
	// Finished counts the files of an earlier, interrupted run among Deleted.
	Finished int
	// Leased are snapshots that went, or would have, while readers hold them: the
	// former's files stay until a run after the leases.
	Leased []int64
}

// Expire removes old snapshots from a table, then the files that only they
// needed: never one that a remaining snapshot holds, or one under a lease
// (table.Lease). The list of files is stored
// before the snapshots go, so that a run that was interrupted is finished by the
// next. A table with the property gc.enabled=false is refused.
func Expire(ctx context.Context, t *table.Table, opts *ExpireOptions) (*ExpireReport, error) {
	var o ExpireOptions
	if opts != nil {
		o = *opts
	}
	set(&o.Workers, 16)
	x := &expiry{t: t, o: o, rep: &ExpireReport{}}
	if err := x.run(ctx); err != nil {
		return x.rep, fmt.Errorf("expire: %w", err)
	}
	return x.rep, nil
}

type expiry struct {
	t   *table.Table
	o   ExpireOptions
	rep *ExpireReport
	log string // where the list of files is, "" none
}

func (x *expiry) run(ctx context.Context) error {
	if x.o.DryRun {
		return x.plan(ctx)
	}
	if !x.o.KeepFiles {
		if err := x.finishOld(ctx); err != nil {
			return err
		}
	}
	before, after, err := x.t.CommitUpdates(ctx, func(base *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		return x.updates(ctx, base)
	})
	if errors.Is(err, catalog.ErrUnknownOutcome) {
		return err // the list stays: the next run finds out
	}
	if err != nil {
		x.dropLog(ctx, before)
		return err
	}
	if x.o.KeepFiles || len(x.rep.Snapshots) == 0 {
		return nil
	}
	// The catalog may have committed on top of a newer state than was planned on.
	files, err := snapshot.FindUnreachable(ctx, after.Store, before.Metadata, after.Metadata, &snapshot.LiveOptions{Cache: x.t.Cache()})
	if err != nil {
		return err
	}
	x.rep.Files = *files
	// A lease that was not there when the snapshots were chosen, and whose reader
	// found its snapshot in the metadata, is there now.
	if held, err := x.leased(ctx, after); err != nil || held {
		return err // the list stays for a later run
	}
	if err := x.delete(ctx, after.Store, inOrder(files)); err != nil {
		return err
	}
	if x.rep.Failed == 0 {
		x.dropLog(ctx, after)
	}
	return x.finishOld(ctx) // what a run that did not commit had meant to delete
}

// leased reports whether a snapshot that has left the metadata is under a lease.
func (x *expiry) leased(ctx context.Context, e *catalog.Entry) (bool, error) {
	leases, err := x.t.Leases(ctx, e)
	if err != nil {
		return false, err
	}
	held := false
	for id := range leases {
		if e.Metadata.Snapshot(id) == nil {
			held = true
			x.note(id)
		}
	}
	return held, nil
}

func (x *expiry) note(id int64) {
	if !slices.Contains(x.rep.Leased, id) {
		x.rep.Leased = append(x.rep.Leased, id)
	}
}

// choose says which snapshots and refs of a state go.
func (x *expiry) choose(ctx context.Context, base *catalog.Entry) error {
	p := x.o.Policy
	var err error
	if p.Leased, err = x.t.Leases(ctx, base); err != nil {
		return err
	}
	x.rep.Snapshots, x.rep.Refs, err = snapshot.Expire(base.Metadata, p, x.t.Clock())
	if err != nil || len(p.Leased) == 0 {
		return err
	}
	p.Leased = nil // what would go without leases?
	all, _, err := snapshot.Expire(base.Metadata, p, x.t.Clock())
	for _, id := range all {
		if !slices.Contains(x.rep.Snapshots, id) {
			x.note(id)
		}
	}
	return err
}

func (x *expiry) plan(ctx context.Context) error {
	base, err := x.t.Load(ctx)
	if err != nil {
		return err
	}
	if err := x.choose(ctx, base); err != nil {
		return err
	}
	files, err := x.unreachable(ctx, base)
	if err == nil {
		x.rep.Files = *files
	}
	return err
}

// updates says what to remove of a state, and stores the list of files first.
func (x *expiry) updates(ctx context.Context, base *catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
	m := base.Metadata
	if err := x.choose(ctx, base); err != nil {
		return nil, nil, err
	}
	if len(x.rep.Snapshots)+len(x.rep.Refs) == 0 {
		return nil, nil, nil
	}
	if !x.o.KeepFiles {
		if err := x.writeLog(ctx, base); err != nil {
			return nil, nil, err
		}
	}
	var reqs []metadata.Requirement
	for name, r := range m.Refs {
		id := r.SnapshotID
		reqs = append(reqs, metadata.AssertRefSnapshot{Ref: name, SnapshotID: &id})
	}
	return removals(x.rep), reqs, nil
}

func removals(rep *ExpireReport) []metadata.Update {
	var updates []metadata.Update
	for _, r := range rep.Refs {
		updates = append(updates, metadata.RemoveRef{Name: r})
	}
	if len(rep.Snapshots) > 0 {
		updates = append(updates, metadata.RemoveSnapshots{IDs: rep.Snapshots})
	}
	return updates
}

// unreachable returns the files that would be unreachable if what the report
// names went.
func (x *expiry) unreachable(ctx context.Context, base *catalog.Entry) (*snapshot.Unreachable, error) {
	after, err := base.Metadata.Apply(removals(x.rep), x.t.Clock(), base.MetadataLocation)
	if err != nil {
		return nil, err
	}
	return snapshot.FindUnreachable(ctx, base.Store, base.Metadata, after, &snapshot.LiveOptions{Cache: x.t.Cache()})
}

// inOrder lists files so that what names others goes after them.
func inOrder(u *snapshot.Unreachable) [][]string {
	return [][]string{u.DataFiles, u.DeleteFiles, u.Statistics, u.Manifests, u.ManifestLists}
}

const (
	expireLogPrefix = "frazil-expire-"
	expireLogSuffix = ".json"
	maxExpireLog    = 1 << 30
)

// expireLog is what a run intends to delete. It is a hint: before anything of an
// old list is deleted it is checked against the table.
type expireLog struct {
	Files [][]string `json:"files"`
}

func (x *expiry) writeLog(ctx context.Context, base *catalog.Entry) error {
	files, err := x.unreachable(ctx, base)
	if err != nil {
		return err
	}
	data, err := json.Marshal(expireLog{Files: inOrder(files)})
	if err != nil {
		return err
	}
	if x.log == "" {
		x.log = objstore.Join(snapshot.MetadataDirectory(base.Metadata), expireLogPrefix+x.t.NewUUID()+expireLogSuffix)
	}
	return base.Store.Put(ctx, x.log, data, nil)
}

func (x *expiry) dropLog(ctx context.Context, e *catalog.Entry) {
	if x.log == "" {
		return
	}
	if e == nil {
		e = x.t.Entry()
	}
	_ = e.Store.Delete(context.WithoutCancel(ctx), x.log) // the next run finds nothing in it to delete
}

// finishOld deletes what earlier runs left behind.
func (x *expiry) finishOld(ctx context.Context) error {
	e, err := x.t.Load(ctx)
	if err != nil {
		return err
	}
	if err := gcEnabled(e.Metadata); err != nil {
		return err
	}
	for info, err := range e.Store.ListDir(ctx, snapshot.MetadataDirectory(e.Metadata)) {
		if err != nil {
			return err
		}
		name := info.URI[strings.LastIndexByte(info.URI, '/')+1:]
		if info.Dir || !strings.HasPrefix(name, expireLogPrefix) || !strings.HasSuffix(name, expireLogSuffix) {
			continue
		}
		if err := x.finishOne(ctx, info); err != nil {
			return err
		}
	}
	return nil
}

func (x *expiry) finishOne(ctx context.Context, info objstore.Info) error {
	e := x.t.Entry()
	data, err := objstore.ReadAll(ctx, e.Store, info.URI, maxExpireLog)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var l expireLog
	if err := json.Unmarshal(data, &l); err != nil {
		return nil // not ours, or torn: orphan removal takes it
	}
	fresh, err := x.t.Load(ctx)
	if err != nil {
		return err
	}
	if held, err := x.leased(ctx, fresh); err != nil || held {
		return err
	}
	reach, err := reachable(ctx, x.t, fresh)
	if err != nil {
		return err
	}
	pending := 0
	for i, files := range l.Files {
		l.Files[i] = slices.DeleteFunc(files, func(uri string) bool {
			ok := !objstore.Under(fresh.Metadata.Location, uri) || reach.has(uri)
			if ok {
				pending++
			}
			return ok
		})
	}
	deleted := x.rep.Deleted
	if err := x.delete(ctx, fresh.Store, l.Files); err != nil {
		return err
	}
	x.rep.Finished += x.rep.Deleted - deleted
	// Files still needed: the run they belong to has not committed, perhaps not
	// yet. Then its list is left to it for a day.
	if pending > 0 && x.t.Clock().Sub(info.ModTime) < 24*time.Hour {
		return nil
	}
	if err := fresh.Store.Delete(ctx, info.URI); err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return err
	}
	return nil
}

func gcEnabled(m *metadata.Table) error {
	if strings.EqualFold(m.Property("gc.enabled", "true"), "false") {
		return fmt.Errorf("%w: table property gc.enabled is false: its files may belong to other tables as well", ErrRefused)
	}
	return nil
}

// delete deletes files, one list after the other.
func (x *expiry) delete(ctx context.Context, store objstore.Store, lists [][]string) error {
	for _, files := range lists {
		d, err := deleteAll(ctx, store, files, x.o.Workers)
		x.rep.Deleted += d.deleted
		x.rep.Missing += d.missing
		x.rep.Failed += d.failed
		if err != nil {
			return err
		}
	}
	return nil
}

type deletions struct{ deleted, missing, failed int }

// deleteAll deletes files in parallel; only the end of ctx stops it.
func deleteAll(ctx context.Context, store objstore.Store, uris []string, workers int) (deletions, error) {
	var deleted, missing, failed atomic.Int64
	var g errgroup.Group
	g.SetLimit(workers)
	for _, uri := range uris {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			switch err := store.Delete(ctx, uri); {
			case err == nil:
				deleted.Add(1)
			case errors.Is(err, objstore.ErrNotFound):
				missing.Add(1)
			default:
				failed.Add(1)
			}
			return nil
		})
	}
	_ = g.Wait()
	return deletions{int(deleted.Load()), int(missing.Load()), int(failed.Load())}, ctx.Err()
}
