package cdc

import (
	"context"
	"time"
)

// Options tunes an Applier. Nil and zero values mean the defaults.
type Options struct {
	// CommitRows commits at the first transaction boundary after so many rows were
	// buffered over all tables. Default 100,000.
	CommitRows int64
	// CommitBytes does the same by memory. Default 256 MiB.
	CommitBytes int64
	// CommitInterval commits at the first boundary so long after the last commit.
	// Zero means no limit.
	CommitInterval time.Duration
	// BatchRows is the number of rows that are handed to a table at once.
	// Default 8,192.
	BatchRows int
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

// Stats counts what an Applier did.
type Stats struct {
	// Events were read; Rows of them changed rows; Skipped were in the tables
	// already; DeadLetters could not be applied.
	Events, Rows, Skipped, DeadLetters int64
	// Truncates and Evolutions were applied.
	Truncates, Evolutions int64
	// Commits counts commits of single tables.
	Commits int64
	// Tables that rows were applied to.
	Tables int
}

// Run applies the events of src to the tables of sink until the stream ends, and
// commits. See [Applier] for its errors.
func Run(ctx context.Context, src Source, sink Sink, opts *Options) (Stats, error) {
	a := NewApplier(sink, opts)
	err := a.Run(ctx, src)
	if cerr := a.Close(); err == nil {
		err = cerr
	}
	return a.Stats(), err
}

// Applier turns events into commits.
type Applier struct{}

// NewApplier returns an applier that writes to sink.
func NewApplier(sink Sink, opts *Options) *Applier { panic("unwritten") }

// Run applies the events of src until it ends and commits.
func (a *Applier) Run(ctx context.Context, src Source) error { panic("unwritten") }

// Stats returns the counts so far.
func (a *Applier) Stats() Stats { panic("unwritten") }

// Close closes all tables.
func (a *Applier) Close() error { panic("unwritten") }
