package table

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/metadata"
)

// keyRun holds the key columns of changes no longer in the buffer and the
// generation they belong to.
type keyRun struct {
	keys arrow.RecordBatch
	gen  int
}

func (w *Writer) spillIfOver(ctx context.Context) error {
	if w.buf.Bytes() < w.o.MemoryBudget || w.buf.Rows() == 0 {
		return nil
	}
	return w.spill(ctx)
}

// spill writes the buffered live rows to data files of this commit. Later
// changes of their keys delete them there by position.
func (w *Writer) spill(ctx context.Context) error {
	if err := w.keepKeys(); err != nil {
		return err
	}
	places := make([]upsert.Loc, w.buf.Rows())
	for _, c := range w.buf.Chunks() {
		idx := arrowsel.Indices(c.Live, nil)
		if len(idx) == 0 {
			continue
		}
		b, err := arrowsel.FilterBatch(c.Batch, c.Live, nil)
		if err != nil {
			return fmt.Errorf("table %s: %w", w.t.id, err)
		}
		err = w.files.write(ctx, b, func(row int32, file int, pos int64) {
			places[c.First+int(idx[row])] = upsert.Written(file, pos)
		})
		b.Release()
		if err != nil {
			return fmt.Errorf("table %s: %w", w.t.id, err)
		}
	}
	w.buf.MarkWritten(func(ordinal int) (int, int64) {
		p := places[ordinal]
		return p.File(), p.Pos()
	})
	return nil
}

// keepKeys remembers the key columns of all buffered rows, live rows and
// deletes, before their chunks go: the commit needs them to find older rows.
func (w *Writer) keepKeys() error {
	if len(w.schema.IdentifierFieldIDs) == 0 {
		return nil
	}
	for _, c := range w.buf.Chunks() {
		b, err := projectKeys(c.Batch, w.buf.KeyColumns())
		if err != nil {
			return err
		}
		w.spilled = append(w.spilled, keyRun{keys: b, gen: w.gen})
	}
	return nil
}

// projectKeys returns the key columns of a batch, retained.
func projectKeys(b arrow.RecordBatch, keys []int) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(keys))
	fields := make([]arrow.Field, len(keys))
	for i, k := range keys {
		cols[i], fields[i] = b.Column(k), b.Schema().Field(k)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, b.NumRows()), nil
}

func (w *Writer) dropSpilled() {
	for _, k := range w.spilled {
		k.keys.Release()
	}
	w.spilled = nil
}

// Flush writes what was collected to data files and returns it, to be committed
// by [Table.CommitStaged]; the Writer starts a new commit. A Staged that is
// never committed leaves its files behind unless it is discarded.
func (w *Writer) Flush(ctx context.Context) (*Staged, error) {
	s, err := w.stage(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.settle(); err != nil {
		s.Discard(ctx, w.t)
		return nil, fmt.Errorf("table %s: flush: %w", w.t.id, err)
	}
	s.published = nil
	return s, nil
}

// stage is Flush without the wait for the data files to be durable.
func (w *Writer) stage(ctx context.Context) (*Staged, error) {
	if err := w.begin(); err != nil {
		return nil, err
	}
	s, err := w.flush(ctx)
	if err != nil {
		w.files.abort(ctx)
		err = fmt.Errorf("table %s: flush: %w", w.t.id, err)
	}
	w.reset()
	return s, err
}

func (w *Writer) flush(ctx context.Context) (*Staged, error) {
	if err := w.seal(ctx); err != nil {
		return nil, err
	}
	if err := w.spill(ctx); err != nil {
		return nil, err
	}
	files, err := w.files.close()
	if err != nil {
		return nil, err
	}
	s := &Staged{
		tableUUID: w.entry.Metadata.UUID, schemaID: w.schema.ID, key: w.schema.IdentifierFieldIDs,
		writer: w.o.ID, epoch: w.o.Epoch, encoding: w.o.Encoding, seed: w.seed,
		files: files, stale: maps.Clone(w.buf.Stale()), appended: maps.Clone(w.appended),
		missing: maps.Clone(w.buf.Missing()), truncate: w.truncated, published: w.files.published,
		order: w.order, orderName: w.buf.OrderName(), late: w.buf.Late(), filled: w.filled,
	}
	return s, w.stageKeys(s)
}

// Commit writes and commits what was collected as one snapshot and returns it.
// With nothing to commit it returns the current snapshot, nil in an empty
// table. See catalog.ErrUnknownOutcome for the one error after which the
// changes may be in the table.
func (w *Writer) Commit(ctx context.Context, opts *CommitOptions) (*metadata.Snapshot, error) {
	s, err := w.stage(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := w.t.commitStaged(ctx, []*Staged{s}, &w.o, opts)
	if err != nil && !errors.Is(err, catalog.ErrUnknownOutcome) {
		s.Discard(ctx, w.t)
	}
	return snap, err
}
