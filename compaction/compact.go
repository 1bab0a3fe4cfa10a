package compaction

import (
	"context"
	"fmt"
	"slices"

	"github.com/frazildb/frazil/table"
)

// Compact brings a table into good shape, beside its writers, and reports what
// it did. It plans and works until nothing is left to do, at most
// Options.MaxRounds times. The table needs format version 2 or later. When it
// fails, what was committed before stays, and stands by itself.
func Compact(ctx context.Context, t *table.Table, opts *Options) (*Report, error) {
	rep := &Report{}
	for round := 0; ; round++ {
		if err := t.Refresh(ctx); err != nil {
			return rep, err
		}
		j, plan, err := prepare(ctx, t, opts, rep)
		if err != nil {
			return rep, fmt.Errorf("table %s: compact: %w", t.Name(), err)
		}
		if round == 0 {
			rep.Before = j.state.Totals()
		}
		rep.After = j.state.Totals()
		if plan.Empty() || round == j.o.MaxRounds {
			return rep, nil
		}
		before := *rep
		if err := j.execute(ctx, plan); err != nil {
			return rep, fmt.Errorf("table %s: compact: %w", t.Name(), err)
		}
		if rep.Commits == before.Commits && rep.GivenUp == before.GivenUp {
			return rep, nil // others were there before us
		}
		if j.o.MaxBytes > 0 {
			round = j.o.MaxRounds - 1
		}
	}
}

func prepare(ctx context.Context, t *table.Table, opts *Options, rep *Report) (*job, *Plan, error) {
	e := t.Entry()
	j := &job{t: t, o: opts.withDefaults(e.Metadata), entry: e, rep: rep}
	if e.Metadata.FormatVersion < 2 {
		return nil, nil, fmt.Errorf("%w: format version %d has no deletes to keep apart: upgrade the table first", ErrRefused, e.Metadata.FormatVersion)
	}
	for _, f := range e.Metadata.CurrentSchema().Fields {
		if slices.Contains([]string{"_pos", "_row_id", "_last_updated_sequence_number"}, f.Name) {
			return nil, nil, fmt.Errorf("%w: column %q has the name of a metadata column", ErrRefused, f.Name)
		}
	}
	var err error
	if j.cluster, err = j.o.clustering(e.Metadata); err != nil {
		return nil, nil, err
	}
	if j.cluster != nil && !j.cluster.declared {
		j.o.MaxRounds = 1
	}
	if j.state, err = load(ctx, t, e, e.Metadata.RefSnapshot(j.o.Branch), j.cluster.fields()...); err != nil {
		return nil, nil, err
	}
	if j.o.pace == nil {
		j.o.pace = newPacer(j.o.Share, j.o.BytesPerSecond)
		j.o.pace.begin()
	}
	if j.o.pace != nil { // commits use the state they are made on, which is not paced
		paced := *e
		paced.Store = j.o.pace.store(e.Store)
		j.entry = &paced
	}
	plan := Choose(j.state, &j.o)
	return j, plan, nil
}

// execute carries out a plan: rewrites first, since deletes that only rewritten
// files need then go; conversions after.
func (j *job) execute(ctx context.Context, plan *Plan) error {
	found, plan, err := j.refine(ctx, plan)
	if err != nil {
		return err
	}
	var pieces []*piece
	var bytes int64
	commitPieces := func() error {
		if len(pieces) == 0 {
			return nil
		}
		c := &commit{job: j, pieces: pieces}
		pieces, bytes = nil, 0
		return c.run(ctx, "compact")
	}
	for i := range plan.Lanes {
		j.o.tell("plan", plan.Lanes[i].Reason, len(plan.Lanes[i].Files), plan.Lanes[i].Bytes)
		err := j.runLane(ctx, &plan.Lanes[i], func(p *piece) error {
			pieces = append(pieces, p)
			for _, f := range p.outputs {
				bytes += f.FileSize
			}
			if bytes >= j.o.CommitBytes {
				return commitPieces()
			}
			return nil
		})
		if err != nil {
			j.discard(ctx, pieces)
			return err
		}
	}
	if err := commitPieces(); err != nil {
		return err
	}
	if len(found) > 0 {
		c := &commit{job: j, convert: found}
		return c.run(ctx, "convert")
	}
	if len(plan.Lanes) == 0 && len(plan.Dangling) > 0 {
		c := &commit{job: j}
		return c.run(ctx, "drop-deletes")
	}
	return nil
}

// refine finds the rows that the deletes of files to convert remove, and plans
// again with that known: a file that turns out to have lost too many rows is
// rewritten at once, not after its deletes were.
func (j *job) refine(ctx context.Context, plan *Plan) ([]*input, *Plan, error) {
	if len(plan.Convert) == 0 {
		return nil, plan, nil
	}
	found, err := j.findDead(ctx, plan.Convert)
	if err != nil || j.o.ConvertOnly {
		return found, plan, err
	}
	o := j.o
	o.dead = map[string]int64{}
	for _, in := range found {
		o.dead[in.task.Data.File.Path] = int64(in.dead.Len())
	}
	plan = Choose(j.state, &o)
	convert := map[string]bool{}
	for i := range plan.Convert {
		convert[plan.Convert[i].Data.File.Path] = true
	}
	found = slices.DeleteFunc(found, func(in *input) bool { return !convert[in.task.Data.File.Path] })
	return found, plan, nil
}

// discard deletes the files of pieces that will not be committed.
func (j *job) discard(ctx context.Context, pieces []*piece) {
	c := &commit{job: j, pieces: pieces}
	c.clean(ctx)
	for _, p := range pieces {
		p.moves.remove()
	}
}
