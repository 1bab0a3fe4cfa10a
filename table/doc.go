// Package table creates, opens, evolves and writes Iceberg tables: what most
// programs that use Frazil import.
//
//	orders, err := table.Create(ctx, cat, "shop.orders", s, &table.CreateOptions{Key: []string{"id"}})
//	w, err := orders.NewWriter(nil)
//	defer w.Close() // discards whatever was not committed
//	err = w.Upsert(ctx, schema.Row{int64(1), "new"})
//	snap, err := w.Commit(ctx, nil)
//	for row, err := range orders.Scan(nil).Rows(ctx) { … }
//
// # Writing
//
// A [Writer] collects changes. Inside one commit only the last state of a key
// matters; earlier rows of a key that the table already holds are deleted by
// position (format version 2) or deletion vector (version 3), found by probing
// the files that can hold the key, or by equality delete where that is asked
// for. [Writer.Flush] ends the collecting: it writes the data files and returns
// a [Staged], which any process may commit, alone or with others; [Writer.Commit]
// does both. A commit is one snapshot, atomic and durable when Commit returns.
//
// # Exactly once
//
// A commit can carry source positions (stream → position). They live in the
// snapshot's summary and are carried forward, so that a reader of a change
// stream can resume where the table's current snapshot ends:
// [Table.Positions].
package table
