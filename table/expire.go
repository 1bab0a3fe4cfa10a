package table

import (
	"context"
	"slices"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/snapshot"
)

// deadFiles are files of expired snapshots, kept until readers that began before
// the expiry can be expected to be done.
type deadFiles struct {
	until time.Time
	uris  []string
	// of are the snapshots that needed them.
	of []int64
}

// toExpire chooses the ancestors of the branch's head past the number to keep.
// To spread the cost it waits until a tenth more have gathered. Snapshots that
// another ref needs, and any that are not on this branch, stay.
func (c *commit) toExpire(ctx context.Context, base *catalog.Entry, head *metadata.Snapshot) []int64 {
	m := base.Metadata
	keep := c.wo.KeepSnapshots
	if keep < 0 || head == nil || len(m.Snapshots) < keep+keep/10 {
		return nil
	}
	needed := map[int64]bool{}
	for name, ref := range m.Refs {
		if name == c.wo.Branch {
			continue
		}
		if ref.Type == "tag" {
			needed[ref.SnapshotID] = true
			continue
		}
		for s := range m.Ancestors(ref.SnapshotID) {
			needed[s.ID] = true
		}
	}
	var ids []int64
	n := 1 // the snapshot being made
	for s := range m.Ancestors(head.ID) {
		if n++; n > max(keep, 1) && !needed[s.ID] {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	leased, err := c.t.Leases(ctx, base)
	if err != nil { // another commit will
		c.t.opts.Logger.Warn("leases of readers", "table", c.t.Name(), "error", err)
		return nil
	}
	return slices.DeleteFunc(ids, func(id int64) bool { return leased[id] })
}

// bury notes the files that only expired snapshots used.
func (t *Table) bury(ctx context.Context, before, after *catalog.Entry, ids []int64, grace time.Duration) {
	u, err := snapshot.FindUnreachable(ctx, after.Store, before.Metadata, after.Metadata, &snapshot.LiveOptions{Cache: t.opts.Cache})
	if err != nil { // they become orphans, which orphan removal finds
		t.opts.Logger.Warn("files of expired snapshots", "table", t.Name(), "error", err)
		return
	}
	d := deadFiles{until: t.opts.Clock().Add(grace), of: ids}
	for _, list := range [][]string{u.DataFiles, u.DeleteFiles, u.Manifests, u.ManifestLists, u.Statistics} {
		d.uris = append(d.uris, list...)
	}
	if len(d.uris) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.graveyard = append(t.mu.graveyard, d)
}

// digGraves deletes buried files whose time has come, unless a reader has taken
// a lease of their snapshot just before it expired.
func (t *Table) digGraves(ctx context.Context, entry *catalog.Entry) {
	now := t.opts.Clock()
	t.mu.Lock()
	var due []deadFiles
	for len(t.mu.graveyard) > 0 && !t.mu.graveyard[0].until.After(now) {
		due = append(due, t.mu.graveyard[0])
		t.mu.graveyard = t.mu.graveyard[1:]
	}
	t.mu.Unlock()
	if len(due) == 0 {
		return
	}
	leased, err := t.Leases(ctx, entry)
	var uris []string
	var wait []deadFiles
	for _, d := range due {
		if err != nil || slices.ContainsFunc(d.of, func(id int64) bool { return leased[id] }) {
			wait = append(wait, d)
			continue
		}
		uris = append(uris, d.uris...)
	}
	if len(wait) > 0 {
		t.mu.Lock()
		t.mu.graveyard = append(wait, t.mu.graveyard...)
		t.mu.Unlock()
	}
	deleteQuietly(ctx, entry.Store, uris)
}
