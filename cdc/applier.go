package cdc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Options tunes an Applier. Nil and zero values mean the defaults.
type Options struct {
	// CommitRows commits at the first transaction boundary after so many rows were
	// buffered over all tables. Default 100,000, and up to MaxCommitRows while the
	// stream is ahead.
	CommitRows int64
	// MaxCommitRows bounds what the commits of a stream that is ahead grow to: each
	// is twice as large as the one before while more events wait ([Paced]), or, of
	// a source that does not tell, while commits follow each other within ten
	// seconds; else it is half as large, down to CommitRows. Large commits cost
	// less a row and show their rows later. Default a million, or CommitRows where
	// that is given: then all are alike.
	MaxCommitRows int64
	// CommitBytes does the same by memory. Default 256 MiB. A transaction that is
	// larger is written by and by, after a commit of all that came before it.
	CommitBytes int64
	// CommitInterval commits at the first boundary so long after the last commit.
	// Zero means no limit.
	CommitInterval time.Duration
	// BatchRows is the number of rows that are handed to a table at once.
	// Default 8,192.
	BatchRows int
	// Parallel is the number of tables that are committed at once. Default 4.
	Parallel int
	// DeadLetter takes an event that cannot be applied; the run goes on with the
	// next one unless it returns an error. Nil ends the run at such an event.
	DeadLetter func(*LineError) error
	// Clock returns the time for CommitInterval. Default time.Now.
	Clock func() time.Time
	// Replay ignores the positions that tables have.
	Replay bool
	// OnCommit is told after the tables of a boundary were committed.
	OnCommit func(Stats)
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.MaxCommitRows <= 0 {
		if out.MaxCommitRows = out.CommitRows; out.CommitRows <= 0 {
			out.MaxCommitRows = defaultMaxCommitRows
		}
	}
	if out.CommitRows <= 0 {
		out.CommitRows = min(100_000, out.MaxCommitRows)
	}
	out.MaxCommitRows = max(out.MaxCommitRows, out.CommitRows)
	if out.CommitBytes <= 0 {
		out.CommitBytes = 256 << 20
	}
	if out.BatchRows <= 0 {
		out.BatchRows = 8192
	}
	if out.Parallel <= 0 {
		out.Parallel = 4
	}
	if out.Clock == nil {
		out.Clock = time.Now
	}
	return out
}

const (
	defaultMaxCommitRows = 1_000_000
	// aheadWithin is how soon one full commit follows another when a stream is
	// ahead of us.
	aheadWithin = 10 * time.Second
)

// Stats counts what an Applier did.
type Stats struct {
	// Events were read; Rows of them changed rows; Skipped were in the tables
	// already; DeadLetters could not be applied.
	Events, Rows, Skipped, DeadLetters int64
	// Truncates and Evolutions were applied.
	Truncates, Evolutions int64
	// Commits counts commits of single tables.
	Commits int64
	// LeftOut events belong to a transaction at the end of the stream whose own end
	// is missing; the next run over a longer stream applies them.
	LeftOut int64
	// Tables that events were seen of.
	Tables int
}

// Run applies the events of src to the tables of sink until the stream ends, and
// commits. See [Applier.Run] for its errors.
func Run(ctx context.Context, src Source, sink Sink, opts *Options) (Stats, error) {
	a := NewApplier(sink, opts)
	err := a.Run(ctx, src)
	if cerr := a.Close(); err == nil {
		err = cerr
	}
	return a.Stats(), err
}

// Applier turns events into commits. It is not safe for concurrent use.
type Applier struct {
	sink   Sink
	opts   Options
	tables map[string]*tableState
	// lastTable is the table of the event before.
	lastTable *tableState
	// touched are the tables with changes since the last boundary.
	touched []*tableState
	tx      txState
	// rows and bytes were applied since the last commit, txBytes since the last
	// boundary.
	rows, bytes, txBytes int64
	stats                Stats
	last                 time.Time
	// target is the rows of a commit for now, see Options.MaxCommitRows; source is
	// what Run reads, nil when events are applied one by one.
	target int64
	source Source
	failed error
}

var errStopped = errors.New("the applier was stopped")

// txState is the source transaction that events are being applied of.
type txState struct {
	id string
	// begun and ended tell that its markers were seen.
	begun, ended bool
	// continues holds a boundary back, see Event.Continues.
	continues bool
	// rows tells that there were changes other than truncates.
	rows bool
	// seen counts events, want is how many there are, -1 unknown.
	seen, want int64
}

// complete tells whether all of the transaction was seen. Without an id every
// event is a transaction of its own.
func (x *txState) complete() bool {
	switch {
	case x.continues:
		return false
	case x.id == "":
		return true
	}
	return x.ended && (x.want < 0 || x.seen >= x.want)
}

// cut tells, at the end of the stream, that the transaction's end is missing. A
// truncate's transaction has none.
func (x *txState) cut() bool { return x.begun && !x.ended && x.rows }

// NewApplier returns an applier that writes to sink.
func NewApplier(sink Sink, opts *Options) *Applier {
	a := &Applier{sink: sink, opts: opts.withDefaults(), tables: make(map[string]*tableState)}
	a.tx.want = -1
	a.last, a.target = a.opts.Clock(), a.opts.CommitRows
	return a
}

// Stats returns the counts so far.
func (a *Applier) Stats() Stats { return a.stats }

// Run applies the events of src until it ends, and commits. When an event cannot
// be applied and there is no DeadLetter, everything before its transaction is
// committed and Run returns its *[LineError]. Cancelling ctx drops what was not
// committed.
func (a *Applier) Run(ctx context.Context, src Source) error {
	a.source = src
	for {
		ev, err := src.Next(ctx)
		if err == io.EOF {
			return a.Finish(ctx)
		}
		if err == nil {
			err = a.Apply(ctx, ev)
		} else if bad, ok := errors.AsType[*LineError](err); ok {
			err = a.reject(ctx, bad)
		}
		if err != nil {
			return err
		}
	}
}

// Apply applies one event. After an error, Close is the only thing left to do.
func (a *Applier) Apply(ctx context.Context, ev *Event) error {
	if a.failed != nil {
		return a.failed
	}
	a.stats.Events++
	err := a.apply(ctx, ev)
	if err != nil {
		if bad, ok := errors.AsType[*LineError](err); ok {
			err = a.reject(ctx, bad)
		}
		a.failed = err
	}
	return err
}

// reject hands an event that cannot be applied to the dead-letter function, or
// commits what came before its transaction and returns it.
func (a *Applier) reject(ctx context.Context, bad *LineError) error {
	if a.opts.DeadLetter != nil {
		a.stats.DeadLetters++
		if err := a.opts.DeadLetter(bad); err != nil {
			return fmt.Errorf("dead letter of %s: %w", bad.Line, err)
		}
		return nil
	}
	if err := a.Stop(ctx); err != nil {
		return errors.Join(bad, err)
	}
	return bad
}

// Stop drops the changes since the last transaction boundary and commits the rest.
// Nothing may be applied after it.
func (a *Applier) Stop(ctx context.Context) error {
	for _, t := range a.touched {
		if err := t.rollback(); err != nil {
			return err
		}
	}
	a.touched = a.touched[:0]
	a.failed = errStopped
	return a.Commit(ctx)
}

// Finish ends the stream: it commits, without a transaction whose end is missing.
func (a *Applier) Finish(ctx context.Context) error {
	if a.tx.cut() && len(a.touched) > 0 {
		a.stats.LeftOut = a.tx.seen
		return a.Stop(ctx)
	}
	if err := a.boundary(ctx); err != nil {
		return err
	}
	return a.Commit(ctx)
}

// Close closes all tables; changes that were not committed are dropped.
func (a *Applier) Close() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(a.tables)) {
		if t := a.tables[name]; t.sink != nil {
			errs = append(errs, t.sink.Close())
			t.sink = nil
		}
	}
	a.failed = errStopped
	return errors.Join(errs...)
}

func (a *Applier) apply(ctx context.Context, ev *Event) error {
	switch ev.Kind {
	case KindBegin:
		if a.tx.id == ev.Tx && a.tx.id != "" {
			a.tx.begun = true
			return nil
		}
		err := a.boundary(ctx)
		a.tx = txState{id: ev.Tx, begun: true, want: -1}
		return err
	case KindEnd:
		if a.tx.id != ev.Tx {
			return nil // of a transaction that was left before
		}
		if a.tx.ended, a.tx.want = true, ev.TxEvents; a.tx.complete() {
			return a.boundary(ctx)
		}
	case KindShape:
		return a.applyShape(ctx, ev)
	case KindRow, KindTruncate:
		return a.applyChange(ctx, ev)
	}
	return nil
}

// applyChange applies an event that changes rows.
func (a *Applier) applyChange(ctx context.Context, ev *Event) error {
	if ev.Tx != a.tx.id {
		if !a.tx.continues {
			if err := a.boundary(ctx); err != nil {
				return err
			}
		}
		a.tx = txState{id: ev.Tx, want: -1}
	}
	a.tx.seen++
	a.tx.continues = ev.Continues
	a.tx.rows = a.tx.rows || ev.Kind == KindRow
	t, err := a.table(ctx, ev.Table)
	if err != nil {
		return err
	}
	if t.has(ev.Position) {
		a.stats.Skipped++
		t.passed(ev.Shape)
	} else if err := a.change(ctx, t, ev); err != nil {
		return err
	}
	if a.tx.complete() {
		return a.boundary(ctx)
	}
	return nil
}

// change applies an event that the table does not have.
func (a *Applier) change(ctx context.Context, t *tableState, ev *Event) error {
	a.touch(t)
	if ev.Shape != nil {
		if err := a.reshape(ctx, t, ev); err != nil {
			return err
		}
	}
	size := int64(len(ev.Raw))
	switch {
	case ev.Kind == KindTruncate:
		t.truncate()
		a.stats.Truncates++
	case t.builder == nil:
		return nil // the delete of a row in a table that there is none of
	default:
		n := t.builder.Len()
		if err := ev.Rows.AppendRows(t.builder); err != nil {
			t.builder.Truncate(n)
			return &LineError{Line: ev.Line, Table: ev.Table, Err: err, Raw: ev.Raw}
		}
		a.stats.Rows++
		t.pending += size
		if t.builder.Len() >= a.opts.BatchRows || t.pending >= maxBatchBytes {
			t.seal()
		}
	}
	t.advance(ev.Position)
	a.rows++
	a.bytes += size
	if a.txBytes += size; a.txBytes > a.opts.CommitBytes {
		return a.relieve(ctx)
	}
	return nil
}

// relieve writes a transaction that is too large to be held: everything before it
// is committed, so that the tables' sinks then hold nothing but its changes, which
// can be discarded if it fails.
func (a *Applier) relieve(ctx context.Context) error {
	if err := a.commit(ctx); err != nil {
		return err
	}
	for _, t := range a.touched {
		t.seal()
		t.spilled = true
		if err := t.flush(ctx, a.sink, len(t.steps)); err != nil {
			return err
		}
	}
	a.txBytes = 0
	return nil
}

func (a *Applier) touch(t *tableState) {
	if !t.touched {
		t.touched = true
		a.touched = append(a.touched, t)
	}
}

// reshape gives a table the columns of the event's shape.
func (a *Applier) reshape(ctx context.Context, t *tableState, ev *Event) error {
	if ev.Shape == t.source && t.builder != nil {
		return nil
	}
	next, err := t.next(ev.Shape)
	if err != nil {
		return &LineError{Line: ev.Line, Table: ev.Table, Err: err, Raw: ev.Raw}
	}
	t.source, t.awaited = ev.Shape, ""
	if ev.Shape.Version != "" {
		t.version = ev.Shape.Version
	}
	switch {
	case t.shape == nil:
		t.shape, t.builder = next, NewBuilder(next)
	case next.SameColumns(t.shape):
		if t.builder == nil {
			t.shape, t.builder = next, NewBuilder(next)
		}
	case t.sink == nil && next.Inferred && len(t.steps) == 0:
		// Guesses may change until the table is made of them.
		t.shape, t.builder = next, t.builder.adopt(next)
	default:
		a.stats.Evolutions++
		if t.clean() {
			// The change begins a transaction: the rows before it are committed, so
			// that the table evolves with nothing waiting.
			if err := a.commitTable(ctx, t); err != nil {
				return err
			}
		}
		t.evolve(next)
	}
	return nil
}

// applyShape applies a schema change that comes without rows.
func (a *Applier) applyShape(ctx context.Context, ev *Event) error {
	t, err := a.table(ctx, ev.Table)
	if err != nil || t.shape == nil {
		return err
	}
	if t.awaited != "" {
		// The table was committed under a later shape, or this one.
		t.passed(ev.Shape)
		return nil
	}
	if !a.tx.continues {
		if err := a.boundary(ctx); err != nil {
			return err
		}
	}
	a.touch(t)
	return a.reshape(ctx, t, ev)
}

// table returns the state of a table, which is opened the first time.
func (a *Applier) table(ctx context.Context, name string) (*tableState, error) {
	if a.lastTable != nil && a.lastTable.name == name {
		return a.lastTable, nil
	}
	t, ok := a.tables[name]
	if !ok {
		sink, err := a.sink.Open(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
		t = newTableState(name, sink, a.opts.Replay)
		a.tables[name] = t
		a.stats.Tables++
	}
	a.lastTable = t
	return t, nil
}
