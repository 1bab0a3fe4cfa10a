package compaction

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// PrefixMismatch says what becomes of a file that the table refers to by another
// scheme or authority, so that it may be the same file.
type PrefixMismatch int

// What to do about mismatches.
const (
	// MismatchError ends the run before anything is deleted.
	MismatchError PrefixMismatch = iota
	// MismatchKeep leaves such files alone.
	MismatchKeep
	// MismatchDelete takes them for different files.
	MismatchDelete
)

// OrphanOptions configure RemoveOrphans; nil and zero fields mean the documented
// default.
type OrphanOptions struct {
	// Delete deletes what is found; without it the run is a dry one.
	Delete bool
	// OlderThan is how old a file must be, by the store's clock; default 72
	// hours. It must exceed the longest time between the writing of a file and
	// its commit; less than 24 hours needs Force.
	OlderThan time.Duration
	Force     bool
	// Prefixes says what becomes of files under another spelling of a scheme or
	// authority. Spellings known to be equal, such as s3a and s3, do not count.
	Prefixes PrefixMismatch
	// Workers bounds parallel deletes; default 16.
	Workers int
}

// OrphanReport says what was found.
type OrphanReport struct {
	// Orphans are files under the table's location that nothing refers to.
	Orphans []objstore.Info
	Bytes   int64
	// Young counts files that nothing refers to but that may belong to a commit
	// in progress; Foreign those of other tables within this one's location,
	// whose directories are named.
	Young, Foreign    int
	ForeignTables     []string
	Mismatched        []string
	Deleted, Missing  int
	Failed, Rescued   int // Rescued turned out to be needed before they were deleted
	Temporaries       int
	Cutoff, StoreTime time.Time
}

// minOrphanAge is the least age without Force.
const minOrphanAge = 24 * time.Hour

// orphanBatch is how many files are deleted between two looks at the table's
// pointer.
const orphanBatch = 32

// RemoveOrphans finds the files under a table's location that no snapshot and no
// metadata refers to, such as those of writers that died, and deletes them if
// asked to. Nothing outside the location is touched, nor metadata files, nor
// files of another table that lies within. What the table refers to is read
// after the listing, and again when the table has changed before a delete. A
// table with the property gc.enabled=false is refused.
func RemoveOrphans(ctx context.Context, t *table.Table, opts *OrphanOptions) (*OrphanReport, error) {
	var o OrphanOptions
	if opts != nil {
		o = *opts
	}
	set(&o.OlderThan, 72*time.Hour)
	set(&o.Workers, 16)
	s := &sweep{t: t, o: o, rep: &OrphanReport{}}
	if err := s.run(ctx); err != nil {
		return s.rep, fmt.Errorf("table %s: remove orphans: %w", t.Name(), err)
	}
	return s.rep, nil
}

type sweep struct {
	t     *table.Table
	o     OrphanOptions
	rep   *OrphanReport
	entry *catalog.Entry
	reach *reach
}

func (s *sweep) run(ctx context.Context) error {
	if s.o.OlderThan < 0 {
		return fmt.Errorf("%w: files that are yet to be written", ErrRefused)
	}
	if s.o.OlderThan < minOrphanAge && !s.o.Force {
		return fmt.Errorf("%w: files younger than %v may belong to a commit in progress", ErrRefused, minOrphanAge)
	}
	var err error
	if s.entry, err = s.t.Load(ctx); err != nil {
		return err
	}
	if err := gcEnabled(s.entry.Metadata); err != nil {
		return err
	}
	if s.rep.StoreTime, err = storeTime(ctx, s.t, s.entry, s.o.Delete); err != nil {
		return err
	}
	s.rep.Cutoff = s.rep.StoreTime.Add(-s.o.OlderThan)
	// 1. List, then find out what is referred to: a commit in between is seen.
	found, err := s.list(ctx)
	if err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	// 2. What is left over, and old enough?
	s.choose(found)
	if len(s.rep.Mismatched) > 0 && s.o.Prefixes == MismatchError {
		return fmt.Errorf("%w: the table refers to %s, the store lists %s: say whether schemes and authorities that differ mean different files",
			ErrRefused, s.reach.spelled(s.rep.Mismatched[0]), s.rep.Mismatched[0])
	}
	if !s.o.Delete {
		return nil
	}
	return s.delete(ctx)
}

// look reads what the newest state refers to.
func (s *sweep) look(ctx context.Context) error {
	e, err := s.t.Load(ctx)
	if err != nil {
		return err
	}
	if e.Metadata.UUID != s.entry.Metadata.UUID {
		return fmt.Errorf("%w: the table was dropped and created again", ErrRefused)
	}
	if s.reach != nil && s.reach.at == e.MetadataLocation {
		return nil
	}
	leases, err := s.t.Leases(ctx, e)
	if err != nil {
		return err
	}
	for id := range leases {
		if e.Metadata.Snapshot(id) == nil {
			return fmt.Errorf("%w: a reader has a lease of snapshot %d, which has expired: its files cannot be told from orphans", ErrRefused, id)
		}
	}
	r, err := reachable(ctx, s.t, e)
	if err != nil {
		return err
	}
	s.entry, s.reach = e, r
	return nil
}

// storeTime returns the store's own time. A run that deletes nothing makes no
// file to find out, and takes the local time.
func storeTime(ctx context.Context, t *table.Table, e *catalog.Entry, probe bool) (time.Time, error) {
	if !probe {
		return t.Clock(), nil
	}
	return table.StoreTime(ctx, t, e)
}

// list lists the files that may be orphans by their names, and notes other
// tables within the location.
func (s *sweep) list(ctx context.Context) ([]objstore.Info, error) {
	root := s.entry.Metadata.Location
	var all []objstore.Info
	inner := map[string]bool{}
	own := snapshot.MetadataDirectory(s.entry.Metadata)
	for info, err := range s.entry.Store.List(ctx, root) {
		if err != nil {
			return nil, err
		}
		if !objstore.Under(root, info.URI) {
			continue // a sibling whose name begins with ours
		}
		cut := strings.LastIndexByte(info.URI, '/')
		dir, name := info.URI[:cut], info.URI[cut+1:]
		if strings.Contains(name, ".metadata.json") {
			if !objstore.Under(own, dir) {
				inner[strings.TrimSuffix(dir, "/metadata")] = true
			}
			continue // versions are the catalog's
		}
		if strings.HasSuffix(dir, "/"+table.LeaseDirectory) {
			continue // Leases sweeps them
		}
		if name == "version-hint.text" || hidden(relative(root, info.URI)) {
			continue
		}
		all = append(all, info)
	}
	kept := all[:0]
	for _, info := range all {
		foreign := false
		for dir := range inner {
			foreign = foreign || strings.HasPrefix(info.URI, dir+"/")
		}
		if foreign {
			s.rep.Foreign++
		} else {
			kept = append(kept, info)
		}
	}
	for dir := range inner {
		s.rep.ForeignTables = append(s.rep.ForeignTables, dir)
	}
	return kept, nil
}

// relative returns what of a location is below a root that it is under.
func relative(root, uri string) string {
	a, err := objstore.Canonical(root)
	b, err2 := objstore.Canonical(uri)
	if err != nil || err2 != nil {
		return uri
	}
	return strings.TrimPrefix(strings.TrimPrefix(b, a), "/")
}

func (s *sweep) choose(found []objstore.Info) {
	for _, info := range found {
		if s.reach.has(info.URI) {
			continue
		}
		if s.reach.spelled(info.URI) != "" && s.o.Prefixes != MismatchDelete {
			s.rep.Mismatched = append(s.rep.Mismatched, info.URI)
			continue
		}
		if !info.ModTime.Before(s.rep.Cutoff) {
			s.rep.Young++
			continue
		}
		s.rep.Orphans = append(s.rep.Orphans, info)
		s.rep.Bytes += info.Size
	}
}

// delete deletes the orphans, looking at the table's pointer between batches.
func (s *sweep) delete(ctx context.Context) error {
	for at := 0; at < len(s.rep.Orphans); at += orphanBatch {
		if err := s.look(ctx); err != nil {
			return err
		}
		var uris []string
		for _, info := range s.rep.Orphans[at:min(at+orphanBatch, len(s.rep.Orphans))] {
			// The file may have been replaced by one of the same name.
			now, err := s.entry.Store.Stat(ctx, info.URI)
			switch {
			case errors.Is(err, objstore.ErrNotFound):
				s.rep.Missing++
			case err != nil:
				s.rep.Failed++
			case s.reach.has(info.URI) || !now.ModTime.Before(s.rep.Cutoff):
				s.rep.Rescued++
			default:
				uris = append(uris, info.URI)
			}
		}
		d, err := deleteAll(ctx, s.entry.Store, uris, s.o.Workers)
		s.rep.Deleted += d.deleted
		s.rep.Missing += d.missing
		s.rep.Failed += d.failed
		if err != nil {
			return err
		}
	}
	n, err := objstore.SweepTemporaries(ctx, s.entry.Store, s.entry.Metadata.Location, max(s.o.OlderThan, minOrphanAge))
	s.rep.Temporaries = n
	return err
}
