package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TablesOptions configure the tables that a [Tables] sink creates and writes;
// nil and zero fields mean the documented default.
type TablesOptions struct {
	// Create is the pattern of new tables: format version, partitioning by column
	// name, properties. Key and Location are ignored.
	Create table.CreateOptions
	// Writer is the pattern of every table's writer; OrderBy in it makes older
	// changes lose.
	Writer table.WriterOptions
	// KeyIndex, when not nil, opens the key index of a table for as long as the
	// table is open, and says how to close it; a nil index is none. Default: the
	// one of Writer, which serves one table. See [table.Table.LearnKeys] for one
	// that is to know the table from the start.
	KeyIndex func(ctx context.Context, t *table.Table) (table.KeyIndex, func() error, error)
	// NoBackfill leaves null in rows that were there before a column with a
	// default was added, instead of rewriting the files of a format version 2
	// table. Warn is told.
	NoBackfill bool
	// Warn is told what was not done; may be nil.
	Warn func(table, reason string)
}

// Tables is the [Sink] that writes the Iceberg tables of a catalog.
type Tables struct {
	cat  catalog.Catalog
	opts TablesOptions
}

// NewTables returns a sink over the tables of a catalog.
func NewTables(cat catalog.Catalog, opts *TablesOptions) *Tables {
	t := &Tables{cat: cat}
	if opts != nil {
		t.opts = *opts
	}
	return t
}

// Open opens a table for writing; nil without an error when it does not exist.
func (s *Tables) Open(ctx context.Context, name string) (TableSink, error) {
	t, err := table.Open(ctx, s.cat, name, &s.opts.Create.Options)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.sink(ctx, t)
}

// Create creates a table with the columns and key of the shape.
func (s *Tables) Create(ctx context.Context, name string, shape *Shape) (TableSink, error) {
	opts := s.opts.Create
	opts.Key, opts.Location = shape.Key, ""
	version := opts.FormatVersion
	fields := shape.Fields()
	if version < 3 {
		for i := range fields { // defaults are format version 3
			fields[i].InitialDefault, fields[i].WriteDefault = nil, nil
		}
	}
	t, err := table.Create(ctx, s.cat, name, &schema.Schema{Fields: fields}, &opts)
	if err != nil {
		return nil, err
	}
	return s.sink(ctx, t)
}

func (s *Tables) sink(ctx context.Context, t *table.Table) (TableSink, error) {
	if _, err := t.Positions(); err != nil {
		return nil, err
	}
	k := &tableSink{s: s, t: t, wo: s.opts.Writer}
	if s.opts.KeyIndex != nil {
		var err error
		if k.wo.KeyIndex, k.closeIndex, err = s.opts.KeyIndex(ctx, t); err != nil {
			return nil, err
		}
	}
	var err error
	if k.w, err = t.NewWriter(&k.wo); err != nil {
		return nil, errors.Join(err, k.dropIndex())
	}
	return k, nil
}

// tableSink writes one table. Changes under an older shape are flushed when the
// shape changes and committed together with the later ones.
type tableSink struct {
	s  *Tables
	t  *table.Table
	w  *table.Writer
	wo table.WriterOptions
	// closeIndex is nil without an index of the table's own.
	closeIndex func() error
	staged     []*table.Staged
	rows       int64
	bytes      int64
}

func (k *tableSink) Shape() *Shape { return ShapeOf(k.t.Schema()) }

func (k *tableSink) Positions() map[string]string {
	p, err := k.t.Positions()
	if err != nil { // checked when the sink was opened; a commit checks again
		return nil
	}
	return p
}

func (k *tableSink) Buffered() (rows, bytes int64) { return k.rows, k.bytes }

func (k *tableSink) Apply(ctx context.Context, b *Batch) error {
	defer b.Rows.Release()
	if b.Unchanged != nil || slices.Contains(b.Ops, OpOldKey) {
		return k.applyPartial(ctx, b)
	}
	rows, err := k.conform(b)
	if err != nil {
		return err
	}
	defer rows.Release()
	k.rows += int64(b.Len())
	k.bytes += b.Bytes
	return k.w.ApplyBatch(ctx, rows, k.tableOps(b.Ops))
}

// tableOps translates the operations; nil when all are upserts.
func (k *tableSink) tableOps(ops []Op) []table.Op {
	if !slices.Contains(ops, OpDelete) {
		return nil
	}
	out := make([]table.Op, len(ops)) // the writer keeps it
	for i, op := range ops {
		if op == OpDelete {
			out[i] = table.OpDelete
		}
	}
	return out
}

// conform gives the columns of a batch the table's order and field ids.
func (k *tableSink) conform(b *Batch) (arrow.RecordBatch, error) {
	s := k.w.Schema()
	want := schema.ArrowSchema(s)
	cols := make([]arrow.Array, len(s.Fields))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, f := range s.Fields {
		at := b.Shape.Index(f.Name)
		if at < 0 {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, want.Field(i).Type, b.Len())
			continue
		}
		col := b.Rows.Column(at)
		var ok bool
		if cols[i], ok = arrowsel.Retype(col, want.Field(i).Type); !ok {
			return nil, fmt.Errorf("table %s: column %q: batch has %s, table %s", k.t.Name(), f.Name, col.DataType(), want.Field(i).Type)
		}
	}
	return array.NewRecordBatch(want, cols, int64(b.Len())), nil
}

func (k *tableSink) Truncate(ctx context.Context) error {
	for _, s := range k.staged { // nothing of it would stay
		s.Discard(ctx, k.t)
	}
	k.staged = nil
	return k.w.Truncate(ctx)
}

func (k *tableSink) Commit(ctx context.Context, positions map[string]string) error {
	last, err := k.w.Flush(ctx)
	if err != nil {
		return err
	}
	last.SetPositions(positions)
	staged := append(k.staged, last)
	k.staged, k.rows, k.bytes = nil, 0, 0
	_, err = k.t.CommitStaged(ctx, staged, &k.wo, nil)
	if err != nil && !errors.Is(err, catalog.ErrUnknownOutcome) {
		for _, s := range staged {
			s.Discard(ctx, k.t)
		}
	}
	return err
}

func (k *tableSink) Discard() error {
	for _, s := range k.staged {
		s.Discard(context.Background(), k.t)
	}
	k.staged, k.rows, k.bytes = nil, 0, 0
	if err := k.w.Close(); err != nil {
		return err
	}
	var err error
	k.w, err = k.t.NewWriter(&k.wo)
	return err
}

func (k *tableSink) Close() error {
	if len(k.staged) > 0 {
		if err := k.Discard(); err != nil {
			return errors.Join(err, k.dropIndex())
		}
	}
	return errors.Join(k.w.Close(), k.dropIndex())
}

func (k *tableSink) dropIndex() error {
	if k.closeIndex == nil {
		return nil
	}
	closing := k.closeIndex
	k.closeIndex = nil
	return closing()
}

// Evolve changes the table's columns to those of shape.
func (k *tableSink) Evolve(ctx context.Context, shape *Shape) error {
	if shape.SameColumns(k.Shape()) {
		return nil
	}
	if k.rows > 0 {
		s, err := k.w.Flush(ctx)
		if err != nil {
			return err
		}
		k.staged = append(k.staged, s)
	}
	backfill, err := k.backfill(shape)
	if err != nil {
		return err
	}
	return k.t.Evolve(ctx, func(e *schema.Evolution) error {
		return evolveTo(e, k.Shape(), shape)
	}, &table.EvolveOptions{Backfill: backfill})
}

// backfill collects the defaults of new columns for the rows that are there.
func (k *tableSink) backfill(shape *Shape) (map[string]any, error) {
	have := k.Shape()
	out := map[string]any{}
	for _, c := range shape.Columns {
		if c.HasDefault && c.Default != nil && have.Index(c.Name) < 0 && have.Index(c.RenamedFrom) < 0 {
			out[c.Name] = c.Default
		}
	}
	if len(out) == 0 || k.t.Metadata().FormatVersion >= 3 {
		return out, nil
	}
	if k.s.opts.NoBackfill {
		for name := range out {
			k.warn(fmt.Sprintf("column %q is null in rows from before it was added: its default was not filled in", name))
		}
		return nil, nil
	}
	if len(k.staged) > 0 {
		return nil, fmt.Errorf("table %s: column with a default added in the middle of a transaction that already has changes: "+
			"format version 2 cannot give it to those rows; use format version 3 or leave the default out", k.t.Name())
	}
	return out, nil
}

func (k *tableSink) warn(reason string) {
	if k.s.opts.Warn != nil {
		k.s.opts.Warn(k.t.Name(), reason)
	}
}

// evolveTo takes the steps from one shape to another: renames, drops, adds,
// widenings, then the order of columns.
func evolveTo(e *schema.Evolution, have, want *Shape) error {
	for _, c := range want.Columns {
		if c.RenamedFrom != "" && have.Index(c.RenamedFrom) >= 0 && have.Index(c.Name) < 0 {
			if err := e.Rename(c.RenamedFrom, c.Name); err != nil {
				return err
			}
		}
	}
	for _, c := range have.Columns {
		if want.Index(c.Name) < 0 && !renamed(want, c.Name) {
			if err := e.Drop(c.Name); err != nil {
				return err
			}
		}
	}
	for i, c := range want.Columns {
		was := have.Index(c.Name)
		if was < 0 && c.RenamedFrom != "" {
			was = have.Index(c.RenamedFrom)
		}
		if was < 0 {
			if err := e.Add("", schema.Field{Name: c.Name, Type: c.Type}); err != nil {
				return err
			}
		} else if !sameType(have.Columns[was].Type, c.Type) {
			if err := e.Widen(c.Name, c.Type); err != nil {
				return err
			}
		}
		if err := place(e, want, i); err != nil {
			return err
		}
	}
	if !slices.Equal(have.Key, want.Key) {
		return e.SetIdentifier(want.Key...)
	}
	return nil
}

func renamed(want *Shape, old string) bool {
	return slices.ContainsFunc(want.Columns, func(c Column) bool { return c.RenamedFrom == old })
}

func place(e *schema.Evolution, want *Shape, i int) error {
	if i == 0 {
		return e.MoveFirst(want.Columns[0].Name)
	}
	return e.MoveAfter(want.Columns[i].Name, want.Columns[i-1].Name)
}

// applyPartial applies a batch in which rows leave values out.
func (k *tableSink) applyPartial(ctx context.Context, b *Batch) error {
	rows, err := k.conform(b)
	if err != nil {
		return err
	}
	defer rows.Release()
	s := k.w.Schema()
	p := table.Partial{Unchanged: make([]*bitmap.Bitmap, len(s.Fields))}
	for i, f := range s.Fields {
		if at := b.Shape.Index(f.Name); at >= 0 {
			p.Unchanged[i] = b.Unchanged[at]
		}
	}
	if slices.Contains(b.Ops, OpOldKey) {
		p.OldKey = make([]int32, len(b.Ops))
		for i := range b.Ops {
			p.OldKey[i] = -1
			if i > 0 && b.Ops[i-1] == OpOldKey {
				p.OldKey[i] = int32(i - 1)
			}
		}
	}
	k.rows += int64(b.Len())
	k.bytes += b.Bytes
	return k.w.ApplyPartial(ctx, rows, k.tableOps(b.Ops), p)
}
