package compaction

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
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

	rows    *goneRows
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
	defer func() {
		for _, p := range c.pieces {
			p.moves.remove()
		}
	}()
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
	// stamps differ when the targets' positions do.
	stamps strings.Builder
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
	if err := a.prefetch(ctx); err != nil {
		return nil, err
	}
	defer c.rows.forget()
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

// target has rows of a data file deleted. The stamp differs from that of another
// attempt's if, with as many rows, they are not the same.
func (a *attempt) target(f *manifest.DataFile, rows *deletes.Positions, stamp int) {
	a.targets = append(a.targets, deletes.Target{Path: f.Path, SpecID: f.SpecID, Partition: f.Partition, Positions: rows})
	fmt.Fprintf(&a.stamps, "%s %d %d\n", f.Path, rows.Len(), stamp)
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
	b.WriteString(a.stamps.String())
	fmt.Fprintf(&b, "v%d", a.base.Metadata.FormatVersion)
	return b.String()
}
