// Package cdc turns a stream of row changes into the rows of tables.
//
// A [Source] (package cdc/debezium reads one from Debezium's JSON) yields
// [Event] values in commit order. An [Applier] takes them, appends their rows to
// columnar batches, and hands the batches to a [Sink], which is a thin layer over
// a table's writer:
//
//	Source ──► Event ──► Applier ──► Batch ──► TableSink ──► commit
//	                     per table: Builder (columns + one Op a row)
//
// What the applier guarantees:
//
//   - A commit holds whole source transactions only, where the stream tells
//     where they end. Rows of a transaction that has not ended stay outside the
//     sink, or, when it is too large for that, in the sink after everything before
//     it was committed.
//   - Every commit of a table carries the source positions of that table. A table
//     skips events at or below its own committed positions, so a stream that is
//     read again, from any earlier point, adds nothing.
//   - A line that cannot be applied stops the run after everything before its
//     transaction was committed, or goes to the dead-letter function when there
//     is one. Half a row is never applied.
package cdc
