package cdc

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/bitmap"
)

// VersionStream is the entry of a table's committed positions that holds the
// [Shape.Version] in force, beside the entries of its streams.
const VersionStream = "#schema"

// Op says what a row of a batch does.
type Op uint8

// The operations of rows. A table with a key gets OpInsert, OpUpsert, OpDelete
// and OpOldKey; one without a key gets OpInsert and OpDelete.
const (
	// OpInsert adds a row that the source says is new. In a table with a key it
	// must replace a row with the same key all the same: streams repeat themselves.
	OpInsert Op = iota
	// OpUpsert adds a row or replaces the row with its key.
	OpUpsert
	// OpDelete removes the row with the key of this row; absent is no error. The
	// columns outside the key hold the before-image where the source sent one, else
	// null. In a table without a key it removes exactly one row that equals this
	// row in every column, if there is one.
	OpDelete
	// OpOldKey changes nothing: its key columns name the row, as it was before
	// this batch's earlier delete of it, that the next row takes its unchanged
	// columns from. It comes only directly before such a row.
	OpOldKey
)

// Batch is a run of changes to one table, in order.
type Batch struct {
	// Shape tells the columns of Rows.
	Shape *Shape
	// Ops has one operation a row.
	Ops []Op
	// Rows has the columns of Shape in its order, named as they are, without field
	// ids.
	Rows arrow.RecordBatch
	// Unchanged is nil, or has per column nil or a bitmap with a bit set for each
	// row whose value the source did not send because it did not change: the row
	// keeps the value that is stored (see OpOldKey for a row whose key changed).
	Unchanged []*bitmap.Bitmap
	// Bytes is about the memory that Rows takes.
	Bytes int64
}

// Len returns the number of rows.
func (b *Batch) Len() int { return len(b.Ops) }

// Sink opens and creates the tables that an Applier writes. It may be called
// from one goroutine at a time.
type Sink interface {
	// Open opens a table for writing; nil without an error when it does not exist.
	Open(ctx context.Context, table string) (TableSink, error)
	// Create creates a table with the columns and key of the shape.
	Create(ctx context.Context, table string, shape *Shape) (TableSink, error)
}

// TableSink writes one table. Nothing that it is given is visible to readers
// before Commit. One goroutine uses it at a time; different tables of a sink may
// be used at once.
type TableSink interface {
	// Shape returns the columns and the key that the table has.
	Shape() *Shape
	// Positions returns the source positions of the table's last commit by any
	// writer, nil when there are none.
	Positions() map[string]string
	// Evolve gives the table the columns of shape, in its order: columns that
	// shape lacks are dropped, new ones added, types widened. A new column with a
	// default has it in every row that is there, buffered ones too. Changes that
	// were applied before are under the older shape. Applying the shape that the
	// table has is no change.
	Evolve(ctx context.Context, shape *Shape) error
	// Apply takes a batch, whose memory the sink then owns.
	Apply(ctx context.Context, batch *Batch) error
	// Truncate removes every row there is at this point.
	Truncate(ctx context.Context) error
	// Buffered returns how much was applied since the last commit.
	Buffered() (rows, bytes int64)
	// Commit makes what was applied visible, together with the positions that it
	// reaches. Those of other streams stay as the table has them by then.
	Commit(ctx context.Context, positions map[string]string) error
	// Discard drops what was applied since the last commit.
	Discard() error
	// Close releases the table; what was not committed is dropped.
	Close() error
}
