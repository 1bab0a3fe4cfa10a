package cdc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxBatchBytes bounds the input that one batch is made of.
const maxBatchBytes = 16 << 20

// tableState is a table that events are applied to. Changes go into the builder;
// what must not wait there, because it is full or because the table changes, is a
// step for the sink. Steps reach the sink at the next boundary, rows in the builder
// when it is full or at the next commit.
type tableState struct {
	name string
	// sink is nil until the table exists.
	sink TableSink
	// shape is that of the builder, source the stream's own.
	shape, source *Shape
	builder       *Builder
	pending       int64
	steps         []step

	// doneSteps steps were complete at the last boundary, and doneRows rows of
	// what follows: the next step, or the builder when there is none.
	doneSteps, doneRows int
	streams             []streamPos
	version             string
	doneVersion         string

	// awaited is the version that the table was committed under, until the stream
	// has come to it.
	awaited string
	// touched: changed since the last boundary. spilled: changes of the open
	// transaction are in the sink. dirty: the sink has something to commit.
	touched, spilled, dirty bool
}

// step is one thing for the sink to do.
type step struct {
	batch *Batch
	shape *Shape
}

// streamPos is a position, and the one at the last boundary. moved says that it is
// of events that came here; else it is as the table had it, and may have gone on
// there since.
type streamPos struct {
	name         string
	at, done     int64
	set, doneSet bool
	moved        bool
}

func newTableState(name string, sink TableSink, replay bool) *tableState {
	t := &tableState{name: name, sink: sink}
	if sink == nil {
		return t
	}
	t.shape = sink.Shape()
	if replay {
		return t
	}
	for stream, text := range sink.Positions() {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case stream == VersionStream:
			t.version, t.doneVersion, t.awaited = text, text, text
		case err == nil: // others are not of change streams
			t.streams = append(t.streams, streamPos{name: stream, at: n, done: n, set: true, doneSet: true})
		}
	}
	return t
}

func (t *tableState) stream(name string) *streamPos {
	for i := range t.streams {
		if t.streams[i].name == name {
			return &t.streams[i]
		}
	}
	return nil
}

// has tells whether a position is at or below the table's own.
func (t *tableState) has(p Position) bool {
	if p.Stream == "" {
		return false
	}
	s := t.stream(p.Stream)
	return s != nil && s.set && p.Offset <= s.at
}

func (t *tableState) advance(p Position) {
	if p.Stream == "" {
		return
	}
	s := t.stream(p.Stream)
	if s == nil {
		t.streams = append(t.streams, streamPos{name: p.Stream})
		s = &t.streams[len(t.streams)-1]
	}
	s.at, s.set = p.Offset, true
}

// passed notes the shape of an event that the table has already.
func (t *tableState) passed(shape *Shape) {
	if shape == nil || t.builder != nil {
		return
	}
	t.source = shape
	if shape.Version == t.awaited {
		t.awaited = ""
	}
}

// next returns the shape that the table must have for rows of the given one.
func (t *tableState) next(shape *Shape) (*Shape, error) {
	next, err := Reconcile(t.shape, t.source, shape)
	if err == nil || t.sink != nil || !shape.Inferred || len(t.steps) > 0 {
		return next, err
	}
	loose := *t.shape
	loose.Columns = append([]Column(nil), t.shape.Columns...)
	for i := range loose.Columns {
		c := &loose.Columns[i]
		if k := shape.Index(c.Name); k >= 0 && guessable(c.Type, shape.Columns[k].Type) {
			c.Type = shape.Columns[k].Type
		}
	}
	return Reconcile(&loose, t.source, shape)
}

// clean tells whether the table has nothing of the transaction that is open.
func (t *tableState) clean() bool {
	return t.builder != nil && len(t.steps) == 0 && t.doneRows == t.builder.Len() && !t.spilled
}

// seal makes the builder's rows a step.
func (t *tableState) seal() {
	if t.builder == nil || t.builder.Len() == 0 {
		return
	}
	t.steps = append(t.steps, step{batch: t.builder.Batch()})
	t.pending = 0
}

// evolve changes the table's shape after the rows so far.
func (t *tableState) evolve(shape *Shape) {
	t.seal()
	t.steps = append(t.steps, step{shape: shape})
	t.shape, t.builder = shape, NewBuilder(shape)
}

// truncate removes the rows so far.
func (t *tableState) truncate() {
	t.seal()
	t.steps = append(t.steps, step{})
}

// complete notes that the changes so far end at a boundary.
func (t *tableState) complete() {
	t.doneSteps, t.doneRows = len(t.steps), 0
	if t.builder != nil {
		t.doneRows = t.builder.Len()
	}
	for i := range t.streams {
		s := &t.streams[i]
		s.moved = s.moved || s.set && (!s.doneSet || s.at != s.done)
		s.done, s.doneSet = s.at, s.set
	}
	t.doneVersion = t.version
	t.touched, t.spilled = false, false
}

// rollback drops the changes since the last boundary.
func (t *tableState) rollback() error {
	if t.spilled {
		// Everything before the transaction was committed then.
		t.spilled, t.dirty, t.doneRows, t.doneSteps = false, false, 0, 0
		if t.sink != nil {
			if err := t.sink.Discard(); err != nil {
				return fmt.Errorf("table %s: %w", t.name, err)
			}
		}
	}
	if t.doneSteps < len(t.steps) {
		keep := t.steps[:t.doneSteps]
		if t.doneRows > 0 {
			keep = append(keep, step{batch: t.steps[t.doneSteps].batch.slice(0, t.doneRows)})
		}
		t.steps, t.builder = keep, nil
	} else if t.builder != nil {
		t.builder.Truncate(t.doneRows)
	}
	for i := range t.streams {
		t.streams[i].at, t.streams[i].set = t.streams[i].done, t.streams[i].doneSet
	}
	t.version, t.touched = t.doneVersion, false
	return nil
}

// flush hands the first n steps to the sink.
func (t *tableState) flush(ctx context.Context, sink Sink, n int) error {
	for i := range n {
		if err := t.do(ctx, sink, &t.steps[i]); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	t.steps = append(t.steps[:0], t.steps[n:]...)
	t.doneSteps = max(t.doneSteps-n, 0)
	return nil
}

func (t *tableState) do(ctx context.Context, sink Sink, s *step) error {
	shape := s.shape
	if s.batch != nil {
		shape = s.batch.Shape
	}
	switch {
	case t.sink == nil && shape == nil:
		return nil // truncate before there was anything
	case t.sink == nil:
		var err error
		if t.sink, err = sink.Create(ctx, t.name, shape); err != nil {
			return err
		}
	}
	t.dirty = true
	switch {
	case s.batch != nil:
		batch := s.batch
		s.batch = nil
		return t.sink.Apply(ctx, batch)
	case s.shape != nil:
		return t.sink.Evolve(ctx, s.shape)
	}
	return t.sink.Truncate(ctx)
}

// settle splits what is complete from what is not, as steps: the complete ones
// are then the first doneSteps.
func (t *tableState) settle() {
	if t.doneRows == 0 {
		return
	}
	t.seal()
	b := t.steps[t.doneSteps].batch
	rest := append([]step(nil), t.steps[t.doneSteps+1:]...)
	t.steps = append(t.steps[:t.doneSteps], step{batch: b.slice(0, t.doneRows)})
	if t.doneRows < b.Len() {
		t.steps = append(t.steps, step{batch: b.slice(t.doneRows, b.Len())})
	}
	b.Rows.Release()
	t.steps = append(t.steps, rest...)
	t.doneSteps, t.doneRows = t.doneSteps+1, 0
}

// positions are those of the last boundary, of the streams that were read here.
func (t *tableState) positions() map[string]string {
	out := make(map[string]string, len(t.streams)+1)
	for _, s := range t.streams {
		if s.doneSet && s.moved {
			out[s.name] = strconv.FormatInt(s.done, 10)
		}
	}
	if t.doneVersion != "" {
		out[VersionStream] = t.doneVersion
	}
	return out
}

// boundary notes that everything so far may be committed, and commits when it is
// time.
func (a *Applier) boundary(ctx context.Context) error {
	for _, t := range a.touched {
		t.complete()
		if len(t.steps) > 0 {
			if err := t.flush(ctx, a.sink, len(t.steps)); err != nil {
				return err
			}
		}
	}
	a.touched, a.txBytes = a.touched[:0], 0
	if a.Due() {
		return a.Commit(ctx)
	}
	return nil
}

// Due tells whether enough was applied, or time has passed, for a commit at the
// next boundary. A source that waits for events calls it, and [Applier.Commit],
// from time to time.
func (a *Applier) Due() bool {
	if a.rows == 0 {
		return false
	}
	return a.rows >= a.target || a.bytes >= a.opts.CommitBytes ||
		a.opts.CommitInterval > 0 && a.opts.Clock().Sub(a.last) >= a.opts.CommitInterval
}

// Commit commits everything up to the last boundary.
func (a *Applier) Commit(ctx context.Context) error {
	err := a.commit(ctx)
	if err == nil && a.opts.OnCommit != nil {
		a.opts.OnCommit(a.stats)
	}
	return err
}

func (a *Applier) commit(ctx context.Context) error {
	var ready []*tableState
	for _, name := range slices.Sorted(maps.Keys(a.tables)) {
		t := a.tables[name]
		if t.spilled {
			continue
		}
		// Tables are made one after the other, and only where there are rows.
		t.settle()
		for t.doneSteps > 0 && t.sink == nil {
			if err := t.flush(ctx, a.sink, 1); err != nil {
				return err
			}
		}
		if t.doneSteps > 0 || t.dirty {
			ready = append(ready, t)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(a.opts.Parallel)
	for _, t := range ready {
		g.Go(func() error { return t.commit(gctx, a.sink) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	a.stats.Commits += int64(len(ready))
	now := a.opts.Clock()
	a.adapt(a.rows, now.Sub(a.last))
	a.rows, a.bytes, a.last = 0, 0, now
	return nil
}

// adapt sets the size of the next commit by whether the stream is ahead, after a
// commit of so many rows so long after the one before.
func (a *Applier) adapt(rows int64, took time.Duration) {
	ahead := rows >= a.target && took < aheadWithin
	if p, ok := a.source.(Paced); ok {
		ahead = p.Ahead()
	}
	if ahead {
		a.target = min(2*a.target, a.opts.MaxCommitRows)
	} else {
		a.target = max(a.target/2, a.opts.CommitRows)
	}
}

// commit hands the complete changes to the sink and commits them.
func (t *tableState) commit(ctx context.Context, sink Sink) error {
	if err := t.flush(ctx, sink, t.doneSteps); err != nil {
		return err
	}
	if t.sink == nil || !t.dirty {
		return nil
	}
	if err := t.sink.Commit(ctx, t.positions()); err != nil {
		return fmt.Errorf("table %s: commit: %w", t.name, err)
	}
	t.dirty = false
	return nil
}

// commitTable commits one table up to the last boundary.
func (a *Applier) commitTable(ctx context.Context, t *tableState) error {
	t.settle()
	if t.doneSteps == 0 && !t.dirty {
		return nil
	}
	a.stats.Commits++
	return t.commit(ctx, a.sink)
}
