package compaction

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// openBytes is what opening a file costs a reader, in bytes it could have read.
const openBytes = 256 << 10

// ReadCost estimates what reading all of the state costs: the bytes of its data
// and delete files, and 256 KiB for every one that has to be opened.
func (s *State) ReadCost() int64 {
	var n int64
	for i := range s.Files {
		n += s.Files[i].Data.File.FileSize + openBytes
	}
	puffins := map[string]bool{}
	for _, e := range s.Deletes {
		f := e.File
		size := f.FileSize
		if f.IsDV() && f.ContentSize != nil {
			size = *f.ContentSize
		}
		n += size
		if !puffins[f.Path] {
			puffins[f.Path] = true
			n += openBytes
		}
	}
	return n
}

// Estimate says what carrying out a plan would leave, about.
type Estimate struct {
	DataFiles, DeleteFiles int
	// BytesRead is what carrying it out reads of data files.
	BytesRead int64
	// ReadCost is State.ReadCost afterwards.
	ReadCost int64
}

// Estimate says what carrying out p, which was chosen for s, would leave.
func (p *Plan) Estimate(s *State, opts *Options) Estimate {
	o := opts.withDefaults(s.Metadata)
	var e Estimate
	inLane, converted := map[string]bool{}, map[string]bool{}
	for i := range p.Lanes {
		l := &p.Lanes[i]
		out := l.LiveBytes/o.TargetFileBytes + 1
		e.DataFiles += int(out)
		e.ReadCost += l.LiveBytes + out*openBytes
		e.BytesRead += l.Bytes
		for j := range l.Files {
			inLane[l.Files[j].Data.File.Path] = true
		}
	}
	for i := range p.Convert {
		converted[p.Convert[i].Data.File.Path] = true
		e.BytesRead += p.Convert[i].Data.File.FileSize / 8 // the key's columns
	}
	needed := map[fileID]bool{}
	for i := range s.Files {
		f := &s.Files[i]
		path := f.Data.File.Path
		if inLane[path] {
			continue
		}
		e.DataFiles++
		e.ReadCost += f.Data.File.FileSize + openBytes
		if converted[path] { // one delete file takes the place of all
			e.DeleteFiles++
			e.ReadCost += openBytes
			continue
		}
		if f.DV != nil {
			needed[idOf(f.DV.File)] = true
		}
		for _, d := range f.Positions {
			needed[idOf(d.File)] = true
		}
		for _, d := range f.Equality {
			needed[idOf(d.File)] = true
		}
	}
	left := State{Metadata: s.Metadata}
	for _, d := range s.Deletes {
		if needed[idOf(d.File)] {
			left.Deletes = append(left.Deletes, d)
		}
	}
	e.DeleteFiles += len(left.Deletes)
	e.ReadCost += left.ReadCost()
	return e
}

// Due says in a few words what maintenance a table needs and what it would save,
// "" for none.
func Due(s *State, opts *Options) string {
	p := Choose(s, opts)
	if p.Empty() {
		return ""
	}
	files := 0
	for i := range p.Lanes {
		files += len(p.Lanes[i].Files)
	}
	var what []string
	add := func(n int, text string) {
		if n > 0 {
			what = append(what, strconv.Itoa(n)+" "+text)
		}
	}
	add(files, "files to join or free of deleted rows")
	add(len(p.Convert), "files with equality deletes to convert")
	add(len(p.Dangling), "delete files that apply to nothing")
	e := p.Estimate(s, opts)
	if before := s.ReadCost(); e.ReadCost < before {
		what = append(what, fmt.Sprintf("reads would cost %d %% less", (before-e.ReadCost)*100/before))
	}
	return strings.Join(what, ", ")
}

// Health is the state of a table as far as maintenance is concerned.
type Health struct {
	Totals
	Snapshots, Manifests int
	// ReadCost is that of State.ReadCost.
	ReadCost int64
	// Due is that of [Due].
	Due string
}

// CheckHealth reads the manifests of a branch, default main, of the table's last
// refresh or commit.
func CheckHealth(ctx context.Context, t *table.Table, branch string, opts *Options) (*Health, error) {
	set(&branch, metadata.MainBranch)
	return healthOf(ctx, t.Entry(), branch, t.Cache(), opts)
}

// HealthOf is CheckHealth for a table that is only read.
func HealthOf(ctx context.Context, e *catalog.Entry) (*Health, error) {
	return healthOf(ctx, e, metadata.MainBranch, snapshot.NewCache(0), nil)
}

func healthOf(ctx context.Context, e *catalog.Entry, branch string, cache *snapshot.Cache, opts *Options) (*Health, error) {
	h := &Health{Snapshots: len(e.Metadata.Snapshots)}
	head := e.Metadata.RefSnapshot(branch)
	s, err := loadWith(ctx, cache, e, head)
	if err != nil || head == nil {
		return h, err
	}
	files, err := snapshot.Manifests(ctx, e.Store, e.Metadata, head, cache)
	if err != nil {
		return nil, err
	}
	h.Totals, h.Manifests, h.ReadCost, h.Due = s.Totals(), len(files), s.ReadCost(), Due(s, opts)
	return h, nil
}

// MaintainOptions say what Maintain does besides compaction; nil and zero fields
// mean the documented default.
type MaintainOptions struct {
	// Compact says how; CommitBytes is 512 MiB by default here, so that little is
	// lost if the run is killed.
	Compact Options
	// KeepManifests leaves manifests as they are; else they are rewritten where
	// that is worth it.
	KeepManifests bool
	// Expire, when not nil, expires snapshots, and Orphans removes orphan files.
	Expire  *ExpireOptions
	Orphans *OrphanOptions
}

// MaintainReport says what Maintain did and what came of it.
type MaintainReport struct {
	Before, After *Health
	// Convert and Compact are the reports of these steps, nil if not reached.
	Convert, Compact *Report
	Manifests        *ManifestReport
	Expire           *ExpireReport
	Orphans          *OrphanReport
}

// Commits counts the commits that were made.
func (r *MaintainReport) Commits() int {
	n := 0
	for _, c := range []*Report{r.Convert, r.Compact} {
		if c != nil {
			n += c.Commits
		}
	}
	if r.Manifests != nil && r.Manifests.SnapshotID != 0 {
		n++
	}
	if r.Expire != nil && len(r.Expire.Snapshots)+len(r.Expire.Refs) > 0 {
		n++
	}
	return n
}

// Maintain brings a table back to health, beside whoever writes it: equality
// deletes first, for readers suffer most from them, then small files and those
// with many deleted rows, then manifests, and if asked for old snapshots and
// orphan files. Every step stands by itself: a run that was killed is taken up by
// the next. After an error the report tells what was done before.
func Maintain(ctx context.Context, t *table.Table, opts *MaintainOptions) (*MaintainReport, error) {
	var o MaintainOptions
	if opts != nil {
		o = *opts
	}
	set(&o.Compact.CommitBytes, 512<<20)
	r := &MaintainReport{}
	err := r.run(ctx, t, &o)
	if err == nil {
		err = t.Refresh(ctx)
	}
	if r.Before != nil && ctx.Err() == nil {
		after, failed := CheckHealth(ctx, t, o.Compact.Branch, &o.Compact)
		r.After = after
		err = errors.Join(err, failed)
	}
	return r, err
}

func (r *MaintainReport) run(ctx context.Context, t *table.Table, o *MaintainOptions) error {
	err := t.Refresh(ctx)
	if err != nil {
		return err
	}
	if r.Before, err = CheckHealth(ctx, t, o.Compact.Branch, &o.Compact); err != nil {
		return err
	}
	// What one commit rewrites need not be converted first.
	if r.Before.EqualityFiles > 0 && !o.Compact.KeepEqualityDeletes && !o.Compact.ConvertOnly && r.Before.Bytes > o.Compact.CommitBytes {
		c := o.Compact
		c.ConvertOnly = true
		if r.Convert, err = Compact(ctx, t, &c); err != nil {
			return err
		}
	}
	if r.Compact, err = Compact(ctx, t, &o.Compact); err != nil {
		return err
	}
	if !o.KeepManifests {
		m := &ManifestOptions{Branch: o.Compact.Branch}
		if r.Manifests, err = RewriteManifests(ctx, t, m); err != nil {
			return err
		}
	}
	if o.Expire != nil {
		if r.Expire, err = Expire(ctx, t, o.Expire); err != nil {
			return err
		}
	}
	if o.Orphans != nil {
		r.Orphans, err = RemoveOrphans(ctx, t, o.Orphans)
	}
	return err
}
