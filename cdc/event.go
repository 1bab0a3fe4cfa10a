package cdc

import (
	"context"
	"fmt"
	"strconv"
)

// Kind tells what an event is.
type Kind uint8

// The kinds of events.
const (
	// KindSkip carries nothing to apply (a tombstone, a heartbeat, a message).
	KindSkip Kind = iota
	// KindRow changes rows: Append adds them to a builder.
	KindRow
	// KindTruncate removes every row of the table.
	KindTruncate
	// KindShape changes the table's columns and nothing else.
	KindShape
	// KindBegin and KindEnd mark a source transaction.
	KindBegin
	KindEnd
)

// Position is a place in a stream.
type Position struct {
	// Stream names an ordered part of the source ("shop.sakila.film/0"); empty
	// when the event has no position of its own.
	Stream string
	// Offset grows along the stream.
	Offset int64
}

// Line is the place of an event in its input, for messages.
type Line struct {
	File   string
	Number int64
}

// String returns "file:number".
func (l Line) String() string { return l.File + ":" + strconv.FormatInt(l.Number, 10) }

// Event is one entry of a change stream. It is valid until the next call of the
// source's Next.
type Event struct {
	Kind  Kind
	Table string
	// Shape is the table's definition at this event. The same pointer means the
	// same definition. Nil for a row event means that only the table itself knows
	// its columns; such an event is passed over when the table does not exist.
	Shape    *Shape
	Position Position
	// Tx is the source transaction, empty when there is none or the stream does
	// not tell.
	Tx string
	// TxEvents is the number of events of the transaction that ended, -1 when it
	// is unknown. Only events of KindEnd have it.
	TxEvents int64
	// Continues tells that the next event belongs to the same change (the delete
	// half of a change of key), so that no commit may come between.
	Continues bool
	// Rows appends the rows of a KindRow event.
	Rows RowAppender
	Line Line
	// Raw is the input as it was.
	Raw []byte
}

// RowAppender appends the rows of the current event to a builder. On an error
// the builder may hold part of them: the caller rolls it back.
type RowAppender interface {
	AppendRows(b *Builder) error
}

// Source yields the events of a change stream in commit order.
type Source interface {
	// Next returns the next event, io.EOF after the last, or a *LineError for a
	// line that cannot be read; after a LineError the next call goes on with the
	// line that follows.
	Next(ctx context.Context) (*Event, error)
}

// Paced is a Source that knows whether more events wait to be read.
type Paced interface {
	Source
	// Ahead reports that the next event is there already: the stream is ahead of
	// its reader.
	Ahead() bool
}

// LineError is an event that cannot be applied.
type LineError struct {
	Line Line
	// Table is empty when the line does not tell.
	Table string
	Err   error
	// Raw is the input as it was, valid until the source's next call.
	Raw []byte
}

// Error returns "file:line: table x: reason".
func (e *LineError) Error() string {
	if e.Table == "" {
		return fmt.Sprintf("%s: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("%s: table %s: %v", e.Line, e.Table, e.Err)
}

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }
