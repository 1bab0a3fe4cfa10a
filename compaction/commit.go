package compaction

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// commit is one commit of a job: pieces that replace files, or files whose
// equality deletes become positions, never both. Every attempt checks against
// the state it builds on, file by file, what still holds; nothing is concluded
// from the history of snapshots, which may have expired.
type commit struct {
	*job
	pieces  []*piece
	convert []*input

	written []string // delete files of all attempts
	last    *snapshot.Changes
	made    string // what last was made of
	// Of the last attempt.
	given   []*piece // not committed
	added   map[string]bool
	carried int64
	removed int
	files   int // inputs that went, or were converted
}

// run commits what is still valid and reports it.
func (c *commit) run(ctx context.Context, what string) error {
	snap, err := c.t.CommitRewrite(ctx, table.Rewrite{
		Branch: c.o.Branch, Timeout: c.o.Timeout, Changes: c.changes,
		Summary: map[string]string{"frazil.maintenance": what},
	})
	if errors.Is(err, catalog.ErrUnknownOutcome) {
		return err // nothing may be deleted
	}
	if err != nil || snap == nil {
		c.added, c.given = nil, c.pieces
	}
	c.clean(ctx)
	if err != nil {
		return err
	}
	c.rep.GivenUp += len(c.given)
	for range c.given {
		c.o.tell("give-up", "others replaced a file that was being rewritten", 1, 0)
	}
	if snap == nil {
		return nil
	}
	c.report(snap)
	return nil
}

func (c *commit) report(snap *metadata.Snapshot) {
	r := c.rep
	r.Commits++
	r.SnapshotID = snap.ID
	r.Carried += c.carried
	r.DeletesRemoved += c.removed
	if len(c.convert) > 0 {
		r.FilesConverted += c.files
	} else {
		r.FilesRewritten += c.files
	}
	for _, p := range c.pieces {
		if slices.Contains(c.given, p) {
			continue
		}
		for i := range p.inputs {
			r.RowsDropped += int64(p.inputs[i].dead.Len())
			r.BytesRead += p.inputs[i].task.Data.File.FileSize
		}
		for _, f := range p.outputs {
			if c.added[f.Path] {
				r.FilesAdded++
				r.RowsWritten += f.RecordCount
				r.BytesWritten += f.FileSize
			}
		}
	}
	c.o.tell("commit", fmt.Sprintf("snapshot %d", snap.ID), c.files, 0)
}

// clean deletes files that the table did not take.
func (c *commit) clean(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, p := range c.pieces {
		for _, f := range p.outputs {
			if !c.added[f.Path] {
				_ = c.entry.Store.Delete(ctx, f.Path) // else an orphan
			}
		}
	}
	for _, uri := range c.written {
		if !c.added[uri] {
			_ = c.entry.Store.Delete(ctx, uri)
		}
	}
}

// attempt is what one attempt gathers.
type attempt struct {
	*commit
	base  *table.RewriteBase
	state *State
	byURI map[string]*scan.FileTask
	ch    snapshot.Changes
	// gone are data files that the commit removes, resolved as in dangling.
	gone     map[string]bool
	resolved map[string]int64
	outputs  []*manifest.Entry
	targets  []deletes.Target
	// removes are delete files that go by name.
	removes map[fileID]*manifest.DataFile
}

// changes says what to commit on base.
func (c *commit) changes(ctx context.Context, base *table.RewriteBase) (*snapshot.Changes, error) {
	c.given, c.carried, c.files, c.removed = nil, 0, 0, 0
	a := &attempt{
		commit: c, base: base, byURI: map[string]*scan.FileTask{}, gone: map[string]bool{},
		resolved: map[string]int64{}, removes: map[fileID]*manifest.DataFile{},
	}
	var err error
	if a.state, err = load(ctx, c.t, base.Entry, base.Head); err != nil {
		return nil, err
	}
	for i := range a.state.Files {
		a.byURI[a.state.Files[i].Data.File.Path] = &a.state.Files[i]
	}
	seq := c.state.Snapshot.SequenceNumber
	a.ch.DataSequence = &seq
	a.ch.Operation = metadata.OpReplace
	for _, p := range c.pieces {
		ok, err := a.piece(ctx, p)
		if err != nil {
			return nil, err
		}
		if !ok {
			c.given = append(c.given, p)
		}
	}
	for _, in := range c.convert {
		if err := a.conversion(ctx, in); err != nil {
			return nil, err
		}
	}
	if err := a.dropDangling(ctx); err != nil {
		return nil, err
	}
	return a.finish(ctx)
}

// finish writes delete files and completes the changes; nil if there are none.
func (a *attempt) finish(ctx context.Context) (*snapshot.Changes, error) {
	c, ch := a.commit, &a.ch
	if len(ch.AddData)+len(ch.RemoveData)+len(a.targets)+len(a.removes) == 0 {
		return nil, nil
	}
	for _, f := range a.removes {
		ch.RemoveDeletes = append(ch.RemoveDeletes, f)
	}
	slices.SortFunc(ch.RemoveDeletes, func(x, y *manifest.DataFile) int {
		a, b := idOf(x), idOf(y)
		if a.path != b.path {
			return strings.Compare(a.path, b.path)
		}
		return int(a.offset - b.offset)
	})
	c.removed = len(ch.RemoveDeletes)
	made := a.describe()
	if c.last != nil && made == c.made {
		return c.last, nil
	}
	if len(c.convert) > 0 {
		// To other engines new deletes for a file matter only if the snapshot is not
		// a replace: a rewrite they began before must not undo the conversion.
		ch.Operation = ""
		if len(ch.AddData) == 0 && len(a.targets)+len(ch.RemoveData) == 0 {
			ch.Operation = metadata.OpReplace
		}
	}
	var err error
	if ch.AddDeletes, err = a.writeDeletes(ctx); err != nil {
		return nil, err
	}
	c.added = map[string]bool{}
	for _, list := range [][]*manifest.DataFile{ch.AddData, ch.AddDeletes} {
		for _, f := range list {
			c.added[f.Path] = true
		}
	}
	c.last, c.made = ch, made
	return ch, nil
}

// describe is equal for attempts whose changes are.
func (a *attempt) describe() string {
	var b strings.Builder
	for _, list := range [][]*manifest.DataFile{a.ch.AddData, a.ch.RemoveData, a.ch.RemoveDeletes} {
		for _, f := range list {
			fmt.Fprintf(&b, "%s %d\n", f.Path, idOf(f).offset)
		}
		b.WriteByte('\n')
	}
	for _, t := range a.targets {
		fmt.Fprintf(&b, "%s", t.Path)
		for p := range t.Positions.All() {
			fmt.Fprintf(&b, " %d", p)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "v%d", a.base.Metadata.FormatVersion)
	return b.String()
}

// piece adds a piece to the changes, with the deletes carried over that arrived
// since its inputs were read. An input that is no longer what was read is taken
// as one whose rows are all deleted: if it was removed, they are, or they live on
// elsewhere; if not, it stays beside the outputs. A piece three quarters of
// whose rows are such is given up: false.
func (a *attempt) piece(ctx context.Context, p *piece) (bool, error) {
	moved := make([]*deletes.Positions, len(p.outputs))
	var carried, out, lost int64
	for _, f := range p.outputs {
		out += f.RecordCount
	}
	valid := make([]bool, len(p.inputs))
	for i := range p.inputs {
		in := &p.inputs[i]
		more, ok, err := a.newDeletes(ctx, in)
		if err != nil {
			return false, err
		}
		if valid[i] = ok; !ok {
			more = &deletes.Positions{}
			more.AddRange(0, uint64(in.task.Data.File.RecordCount))
			lost += in.live()
		}
		if more != nil {
			carried += p.carry(i, more, moved)
		}
	}
	if lost > 0 && 4*lost >= 3*out || !slices.Contains(valid, true) {
		return false, nil
	}
	entries := make([]*manifest.Entry, len(p.outputs))
	for i, f := range p.outputs {
		entries[i] = &manifest.Entry{Status: manifest.StatusAdded, SequenceNumber: *a.ch.DataSequence, File: f}
	}
	if !a.sameEquality(p, valid, entries) {
		return false, nil
	}
	for i, f := range p.outputs {
		if moved[i] != nil && int64(moved[i].Len()) == f.RecordCount {
			continue // every row was deleted meanwhile
		}
		a.ch.AddData = append(a.ch.AddData, f)
		a.outputs = append(a.outputs, entries[i])
		if moved[i] != nil {
			a.targets = append(a.targets, deletes.Target{Path: f.Path, SpecID: f.SpecID, Partition: f.Partition, Positions: moved[i]})
		}
	}
	for i := range p.inputs {
		if valid[i] {
			f := a.byURI[p.inputs[i].task.Data.File.Path].Data.File
			a.ch.RemoveData = append(a.ch.RemoveData, f)
			a.gone[f.Path] = true
			a.files++
		}
	}
	a.carried += carried
	return true, nil
}

// newDeletes returns the rows of an input that deletes by position remove now
// and that were not gone already, nil for none. It is not ok when the file is no
// longer what was read: it was replaced, or a delete that was applied does not
// hold any more (a rollback).
func (a *attempt) newDeletes(ctx context.Context, in *input) (*deletes.Positions, bool, error) {
	was := &in.task
	now := a.byURI[was.Data.File.Path]
	if now == nil || now.Data.SequenceNumber != was.Data.SequenceNumber || !sameRowID(now.Data.File, was.Data.File) {
		return nil, false, nil
	}
	if a.base.Metadata.FormatVersion >= 3 && a.entry.Metadata.FormatVersion < 3 && now.Data.File.FirstRowID != nil {
		return nil, false, nil // rows got ids meanwhile, which the outputs lack
	}
	// Equality deletes: those of the snapshot read must be those that hold now, up
	// to its sequence number; later ones apply to the outputs as well.
	applied := map[string]bool{}
	for _, e := range was.Equality {
		applied[e.File.Path] = true
	}
	still := 0
	for _, e := range now.Equality {
		if applied[e.File.Path] {
			still++
		} else if e.SequenceNumber <= a.job.state.Snapshot.SequenceNumber {
			return nil, false, nil
		}
	}
	resolvedElsewhere := still < len(was.Equality)
	if sameEntries(now.DV, was.DV, now.Positions, was.Positions) && !resolvedElsewhere {
		return nil, true, nil
	}
	places, err := deadByPosition(ctx, a.base.Entry, a.t.Name(), *now)
	if err != nil {
		return nil, false, err
	}
	must := in.places
	if resolvedElsewhere {
		must = in.dead // someone else turned them to positions, or they are undone
	}
	if !covers(places, must) {
		return nil, false, nil
	}
	if places = minus(places, in.dead); places.Len() == 0 {
		places = nil
	}
	return places, true, nil
}

func sameRowID(a, b *manifest.DataFile) bool {
	if a.FirstRowID == nil || b.FirstRowID == nil {
		return a.FirstRowID == b.FirstRowID
	}
	return *a.FirstRowID == *b.FirstRowID
}

// sameEntries reports whether the deletes by position of a file are the same.
func sameEntries(dv, oldDV *manifest.Entry, pos, oldPos []*manifest.Entry) bool {
	if (dv == nil) != (oldDV == nil) || dv != nil && idOf(dv.File) != idOf(oldDV.File) || len(pos) != len(oldPos) {
		return false
	}
	old := map[string]bool{}
	for _, e := range oldPos {
		old[e.File.Path] = true
	}
	for _, e := range pos {
		if !old[e.File.Path] {
			return false
		}
	}
	return true
}

// sameEquality reports whether the equality deletes that arrived later and apply
// to a piece's inputs are those that apply to its outputs. They are when both
// are in the same partition of the same spec.
func (a *attempt) sameEquality(p *piece, valid []bool, outputs []*manifest.Entry) bool {
	seq := *a.ch.DataSequence
	if p.scattered == nil {
		return true
	}
	later := func(e *manifest.Entry) map[string]bool {
		f := *e.File
		f.Metrics, f.Path = manifest.Metrics{}, "" // nothing is to be pruned, nor matched by path
		d, err := a.state.index.For(&manifest.Entry{SequenceNumber: max(seq, e.SequenceNumber), File: &f})
		if err != nil {
			return nil
		}
		set := map[string]bool{}
		for _, x := range d.Equality {
			if x.SequenceNumber > seq {
				set[x.File.Path] = true
			}
		}
		return set
	}
	var want map[string]bool
	for i := range p.inputs {
		if !valid[i] {
			continue
		}
		set := later(p.inputs[i].task.Data)
		if want == nil {
			want = set
		}
		if set == nil || !sameSet(set, want) {
			return false
		}
	}
	for _, e := range outputs {
		if set := later(e); set == nil || !sameSet(set, want) {
			return false
		}
	}
	return true
}

func sameSet(a, b map[string]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

// writeDeletes writes deletion vectors (format version 3) in one file, or a
// position delete file for each data file (version 2).
func (a *attempt) writeDeletes(ctx context.Context) ([]*manifest.DataFile, error) {
	if len(a.targets) == 0 {
		return nil, nil
	}
	name := func(specID int, tuple partition.Tuple, suffix string) string {
		uri := objstore.Join(table.DataDirectory(a.base.Entry, specID, tuple), a.t.NewUUID()+suffix)
		a.written = append(a.written, uri)
		return uri
	}
	if a.base.Metadata.FormatVersion >= 3 {
		uri := name(-1, nil, ".puffin")
		return deletes.WriteDVs(ctx, a.base.Store, uri, a.targets, nil)
	}
	opts, err := table.ParquetOptions(a.base.Entry, true)
	if err != nil {
		return nil, err
	}
	out := make([]*manifest.DataFile, len(a.targets))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(deleteWriters)
	for i, t := range a.targets {
		uri := name(t.SpecID, t.Partition, "-deletes.parquet")
		g.Go(func() (err error) {
			out[i], err = deletes.WritePositions(ctx, a.base.Store, uri, t, opts)
			return err
		})
	}
	return out, g.Wait()
}

// deleteWriters is how many position delete files are written at a time.
const deleteWriters = 16

// dropDangling removes the delete files that apply to nothing afterwards.
func (a *attempt) dropDangling(ctx context.Context) error {
	stay := make([]scan.FileTask, 0, len(a.state.Files))
	for i := range a.state.Files {
		if !a.gone[a.state.Files[i].Data.File.Path] {
			stay = append(stay, a.state.Files[i])
		}
	}
	for _, f := range dangling(a.state, stay, a.outputs, a.resolved) {
		a.removes[idOf(f)] = f
	}
	return a.dropByContent(ctx)
}

// Position deletes for several files are read to see whether any of these is
// left, as long as that is cheap.
const (
	maxReadFiles = 2000
	maxReadBytes = 8 << 20
)

func (a *attempt) dropByContent(ctx context.Context) error {
	if len(a.gone) == 0 {
		return nil
	}
	live := map[string]bool{}
	for i := range a.state.Files {
		if p := a.state.Files[i].Data.File.Path; !a.gone[p] {
			live[barePath(p)] = true
		}
	}
	n := 0
	for _, e := range a.state.Deletes {
		f := e.File
		if f.Content != manifest.ContentPositionDeletes || f.IsDV() || f.ReferencedDataFile != "" ||
			a.removes[idOf(f)] != nil || f.FileSize > maxReadBytes || n == maxReadFiles {
			continue
		}
		n++
		sets, err := deletes.ReadPositions(ctx, a.base.Store, f, nil)
		if err != nil {
			continue // cannot tell: it stays
		}
		needed := false
		for path := range sets {
			needed = needed || live[barePath(path)]
		}
		if !needed {
			a.removes[idOf(f)] = f
		}
	}
	return ctx.Err()
}
