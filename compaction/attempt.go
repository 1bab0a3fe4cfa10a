package compaction

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/scan"
)

// inputs are all those of the commit.
func (c *commit) inputs() []*input {
	out := slices.Clone(c.convert)
	for _, p := range c.pieces {
		for i := range p.inputs {
			out = append(out, &p.inputs[i])
		}
	}
	return out
}

// prefetchers is how many delete files are read at a time.
const prefetchers = 16

// prefetch reads what is new in the deletes of the inputs. What cannot be read
// is left to whoever needs it.
func (a *attempt) prefetch(ctx context.Context) error {
	inputs := a.inputs()
	if a.rows == nil {
		a.rows = newGoneRows(inputs)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(prefetchers)
	for _, in := range inputs {
		now := a.byURI[in.task.Data.File.Path]
		if now == nil || sameEntries(now.DV, in.task.DV, now.Positions, in.task.Positions) && len(now.Equality) == len(in.task.Equality) {
			continue
		}
		if l := in.last; l != nil && sameEntries(now.DV, l.task.DV, now.Positions, l.task.Positions) {
			a.rows.keep(now)
			continue
		}
		g.Go(func() error {
			_, _ = a.rows.of(gctx, a.base.Store, now) // of failures the sequel tells
			return nil
		})
	}
	_ = g.Wait()
	return ctx.Err()
}

// piece adds a piece to the changes, with the deletes carried over that arrived
// since its inputs were read. An input that is no longer what was read is taken
// as one whose rows are all deleted: if it was removed, they are, or they live on
// elsewhere; if not, it stays beside the outputs. A piece three quarters of
// whose rows are such is given up: false.
func (a *attempt) piece(ctx context.Context, p *piece) (bool, error) {
	var out, lost int64
	for _, f := range p.outputs {
		out += f.RecordCount
	}
	valid := make([]bool, len(p.inputs))
	gone := make([]*deletes.Positions, len(p.inputs))
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
		gone[i] = more
	}
	if err := p.carryAll(gone); err != nil {
		return false, err
	}
	moved := p.moved
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
			a.target(f, moved[i], p.undone)
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
	a.carried += p.carried
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
	if l := in.last; l != nil && l.resolved == resolvedElsewhere && sameEntries(now.DV, l.task.DV, now.Positions, l.task.Positions) {
		return l.more, l.ok, nil
	}
	more, ok, err := a.compare(ctx, in, now, resolvedElsewhere)
	if err == nil {
		in.reads++
		in.last = &seen{task: *now, resolved: resolvedElsewhere, more: more, ok: ok}
	}
	return more, ok, err
}

// compare reads the deletes of a file as they are now.
func (a *attempt) compare(ctx context.Context, in *input, now *scan.FileTask, resolvedElsewhere bool) (*deletes.Positions, bool, error) {
	places, err := a.rows.of(ctx, a.base.Store, now)
	if err != nil {
		return nil, false, err
	}
	must := in.places
	if resolvedElsewhere {
		must = in.dead // someone else turned them to positions, or they are undone
	}
	if !places.Covers(must) {
		return nil, false, nil
	}
	if places.Minus(in.dead); places.Len() == 0 {
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
	if !p.routed {
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
