package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/snapshot"
)

// LeaseDirectory is the directory, below a table's metadata directory, of the
// leases of its readers: one small JSON file each,
//
//	{"snapshot-id": 3055729675574597004, "seconds": 600}
//
// in force until so many seconds after it was last written, by the store's own
// clock. Whoever expires snapshots keeps those under a lease, and looks again
// after they left the metadata, before deleting files: a lease that a reader
// wrote, and after which it still found its snapshot in the metadata, is never
// missed.
const LeaseDirectory = "frazil-leases"

const (
	defaultLease = 10 * time.Minute
	// maxLease bounds what is believed of a lease file.
	maxLease      = 7 * 24 * time.Hour
	maxLeaseBytes = 4 << 10
)

// Lease keeps a snapshot's files from being deleted by Frazil's own expiry while
// a reader, or many that share a plan, need them. Other engines know nothing of
// it.
type Lease struct {
	t        *Table
	uri      string
	snapshot int64
	d        time.Duration
}

type leaseFile struct {
	SnapshotID int64 `json:"snapshot-id"`
	Seconds    int64 `json:"seconds"`
}

// Lease takes a lease of a snapshot, nil for the current one of the last refresh
// or commit, for a time that Renew begins anew; 0 is 10 minutes, at most 7 days.
// The error wraps scan.ErrNoSnapshot if the snapshot is gone.
func (t *Table) Lease(ctx context.Context, snapshotID *int64, d time.Duration) (*Lease, error) {
	setDefault(&d, defaultLease)
	l := &Lease{t: t, d: min(max(d, time.Second), maxLease)}
	switch s := t.Metadata().Current(); {
	case snapshotID != nil:
		l.snapshot = *snapshotID
	case s != nil:
		l.snapshot = s.ID
	default:
		return nil, fmt.Errorf("table %s: lease: the table is empty: %w", t.id, scan.ErrNoSnapshot)
	}
	e := t.entry()
	l.uri = objstore.Join(leaseDirectory(e.Metadata), t.opts.newUUID()+".json")
	if err := l.Renew(ctx); err != nil {
		_ = l.Release(context.WithoutCancel(ctx))
		return nil, err
	}
	return l, nil
}

func leaseDirectory(m *metadata.Table) string {
	return objstore.Join(snapshot.MetadataDirectory(m), LeaseDirectory)
}

// SnapshotID returns the snapshot that the lease keeps.
func (l *Lease) SnapshotID() int64 { return l.snapshot }

// Renew has the lease last its whole time from now on. An error that wraps
// scan.ErrNoSnapshot says that the snapshot was expired before, because the lease
// was over or by another engine.
func (l *Lease) Renew(ctx context.Context) error {
	data, err := json.Marshal(leaseFile{l.snapshot, int64((l.d + time.Second - 1) / time.Second)})
	if err != nil {
		return err
	}
	e := l.t.entry()
	if err := e.Store.Put(ctx, l.uri, data, nil); err != nil {
		return fmt.Errorf("table %s: lease of snapshot %d: %w", l.t.id, l.snapshot, err)
	}
	now, err := l.t.Load(ctx) // after the lease was written: who expires it from here on sees it
	if err != nil {
		return fmt.Errorf("table %s: lease of snapshot %d: %w", l.t.id, l.snapshot, err)
	}
	if now.Metadata.Snapshot(l.snapshot) == nil {
		return fmt.Errorf("table %s: lease of snapshot %d: %w", l.t.id, l.snapshot, scan.ErrNoSnapshot)
	}
	return nil
}

// Keep renews the lease until ctx ends, at a third of its time, and returns the
// first error of Renew, or nil when ctx ended.
func (l *Lease) Keep(ctx context.Context) error {
	for {
		if err := l.t.opts.Wait(ctx, l.d/3); err != nil {
			return nil
		}
		if err := l.Renew(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// Release ends the lease. Without it the lease ends by itself.
func (l *Lease) Release(ctx context.Context) error {
	if err := l.t.entry().Store.Delete(ctx, l.uri); err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return fmt.Errorf("table %s: release the lease of snapshot %d: %w", l.t.id, l.snapshot, err)
	}
	return nil
}

// Leases returns the snapshots of a table that are under a lease, whether it has
// them or not. A file that is no lease, or one that cannot be read, counts for
// nothing a day after it was written, and until then is an error.
func (t *Table) Leases(ctx context.Context, e *catalog.Entry) (map[int64]bool, error) {
	out := map[int64]bool{}
	var now time.Time
	for info, err := range e.Store.ListDir(ctx, leaseDirectory(e.Metadata)) {
		if err != nil {
			return nil, fmt.Errorf("leases of readers: %w", err)
		}
		if info.Dir || !strings.HasSuffix(info.URI, ".json") {
			continue
		}
		if now.IsZero() {
			if now, err = StoreTime(ctx, t, e); err != nil {
				return nil, err
			}
		}
		l, err := readLease(ctx, e.Store, info)
		switch {
		case errors.Is(err, objstore.ErrNotFound): // released meanwhile
		case err != nil && now.Sub(info.ModTime) < 24*time.Hour:
			return nil, fmt.Errorf("lease %s: %w", info.URI, err)
		case err != nil || now.Sub(info.ModTime) > time.Duration(l.Seconds)*time.Second:
			if now.Sub(info.ModTime) > maxLease { // its reader died
				_ = e.Store.Delete(ctx, info.URI)
			}
		default:
			out[l.SnapshotID] = true
		}
	}
	return out, nil
}

func readLease(ctx context.Context, store objstore.Store, info objstore.Info) (leaseFile, error) {
	var l leaseFile
	data, err := objstore.ReadAll(ctx, store, info.URI, maxLeaseBytes)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(data, &l); err != nil {
		return l, err
	}
	if l.Seconds < 0 || l.Seconds > int64(maxLease/time.Second) {
		return l, fmt.Errorf("%d seconds: at most %d are allowed", l.Seconds, int64(maxLease/time.Second))
	}
	return l, nil
}

// StoreTime returns the store's own time, by which it dates files: that of a
// file made for the purpose.
func StoreTime(ctx context.Context, t *Table, e *catalog.Entry) (time.Time, error) {
	uri := objstore.Join(snapshot.MetadataDirectory(e.Metadata), "_frazil-clock-"+t.NewUUID())
	if err := e.Store.Put(ctx, uri, []byte("clock"), &objstore.PutOptions{Volatile: true}); err != nil {
		return time.Time{}, fmt.Errorf("ask the store for the time: %w", err)
	}
	info, err := e.Store.Stat(ctx, uri)
	_ = e.Store.Delete(context.WithoutCancel(ctx), uri) // of no use to anyone
	if err != nil {
		return time.Time{}, fmt.Errorf("ask the store for the time: %w", err)
	}
	return info.ModTime, nil
}
