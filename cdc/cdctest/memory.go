package cdctest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

// Memory is a [cdc.Sink] that keeps the rows of its tables in memory. What was
// committed survives the applier, so that a stream can be stopped and read again.
type Memory struct {
	mu     sync.Mutex
	tables map[string]*MemoryTable
	// Fail, when set, is asked before every commit; an error fails it.
	Fail func(table string) error
	// Eager makes changes of columns, where no rows wait, visible at once rather
	// than with the next commit, as tables do whose metadata changes by a commit of
	// its own.
	Eager bool
}

// NewMemory returns a sink without tables.
func NewMemory() *Memory { return &Memory{tables: make(map[string]*MemoryTable)} }

// Table returns a table, nil when there is none.
func (m *Memory) Table(name string) *MemoryTable {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tables[name]
}

// Names returns the tables in order.
func (m *Memory) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.tables))
}

// Open opens a table.
func (m *Memory) Open(_ context.Context, name string) (cdc.TableSink, error) {
	if t := m.Table(name); t != nil {
		return &memorySink{m: m, t: t, shape: t.state.shape}, nil
	}
	return nil, nil
}

// Create creates a table.
func (m *Memory) Create(_ context.Context, name string, shape *cdc.Shape) (cdc.TableSink, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tables[name] != nil {
		return nil, fmt.Errorf("table %s exists", name)
	}
	t := &MemoryTable{name: name}
	t.state = state{shape: shape, rows: map[string]schema.Row{}, bag: map[string]*bagRow{}}
	m.tables[name] = t
	return &memorySink{m: m, t: t, shape: t.state.shape}, nil
}

// MemoryTable is a table of a Memory.
type MemoryTable struct {
	name  string
	state state
	// Commits counts commits, Missing rows of tables without a key that were to be
	// removed and not there.
	Commits, Missing int
}

// state is what a table holds.
type state struct {
	shape     *cdc.Shape
	rows      map[string]schema.Row
	bag       map[string]*bagRow
	positions map[string]string
	// gone are rows that were deleted since the last commit, for OpOldKey.
	gone map[string]schema.Row
}

type bagRow struct {
	row schema.Row
	n   int
}

// Shape returns the table's columns.
func (t *MemoryTable) Shape() *cdc.Shape { return t.state.shape }

// Positions returns the positions of the last commit.
func (t *MemoryTable) Positions() map[string]string { return t.state.positions }

// Rows calls f with every committed row, in no particular order.
func (t *MemoryTable) Rows(f func(schema.Row) error) error {
	for _, r := range t.state.rows {
		if err := f(r); err != nil {
			return err
		}
	}
	for _, b := range t.state.bag {
		for range b.n {
			if err := f(b.row); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sum returns the checksum of the committed rows.
func (t *MemoryTable) Sum(o *Table) (*Sum, error) {
	s := new(Sum)
	fields := t.state.shape.Fields()
	return s, t.Rows(func(r schema.Row) error { return s.Add(o, fields, r) })
}

// memorySink is a table that is written. What it is given waits for the commit.
type memorySink struct {
	m     *Memory
	t     *MemoryTable
	shape *cdc.Shape
	todo  []func(*state) error
	n     int64
}

func (k *memorySink) Shape() *cdc.Shape            { return k.shape }
func (k *memorySink) Positions() map[string]string { return k.t.state.positions }
func (k *memorySink) Buffered() (int64, int64)     { return k.n, k.n }
func (k *memorySink) Close() error                 { return nil }

func (k *memorySink) Discard() error {
	k.todo, k.n, k.shape = nil, 0, k.t.state.shape
	return nil
}

func (k *memorySink) Commit(_ context.Context, positions map[string]string) error {
	if k.m.Fail != nil {
		if err := k.m.Fail(k.t.name); err != nil {
			return err
		}
	}
	s := &k.t.state
	s.gone = map[string]schema.Row{}
	for _, do := range k.todo {
		if err := do(s); err != nil {
			return err
		}
	}
	all := make(map[string]string, len(s.positions)+len(positions))
	maps.Copy(all, s.positions)
	maps.Copy(all, positions)
	s.positions = all
	k.t.Commits++
	k.todo, k.n = nil, 0
	return nil
}

func (k *memorySink) Truncate(context.Context) error {
	k.todo = append(k.todo, func(s *state) error {
		clear(s.rows)
		clear(s.bag)
		return nil
	})
	return nil
}

// Evolve maps every row to the new columns.
func (k *memorySink) Evolve(_ context.Context, shape *cdc.Shape) error {
	k.shape = shape
	if k.m.Eager && len(k.todo) == 0 {
		k.t.state.evolve(shape)
		return nil
	}
	k.todo = append(k.todo, func(s *state) error {
		s.evolve(shape)
		return nil
	})
	return nil
}

func (k *state) evolve(shape *cdc.Shape) {
	from := make([]int, len(shape.Columns))
	for i, c := range shape.Columns {
		if from[i] = k.shape.Index(c.Name); from[i] < 0 && c.RenamedFrom != "" {
			from[i] = k.shape.Index(c.RenamedFrom)
		}
	}
	convert := func(r schema.Row) schema.Row {
		out := make(schema.Row, len(shape.Columns))
		for i, c := range shape.Columns {
			if from[i] < 0 {
				out[i] = c.Default
				continue
			}
			out[i] = widen(c.Type, r[from[i]])
		}
		return out
	}
	for key, r := range k.rows {
		k.rows[key] = convert(r)
	}
	bag := make(map[string]*bagRow, len(k.bag))
	for _, b := range k.bag {
		row := convert(b.row)
		if have := bag[keyOf(row, nil)]; have != nil {
			have.n += b.n
			continue
		}
		bag[keyOf(row, nil)] = &bagRow{row, b.n}
	}
	k.bag, k.shape = bag, shape
}

func widen(t schema.Type, v any) any {
	switch x := v.(type) {
	case int32:
		if t.Kind == schema.KindLong {
			return int64(x)
		}
	case float32:
		if t.Kind == schema.KindDouble {
			return float64(x)
		}
	}
	return v
}

// keyOf returns a text that is equal for rows with equal values in the columns,
// all of them when cols is nil.
func keyOf(r schema.Row, cols []int) string {
	if cols == nil {
		return fmt.Sprintf("%#v", []any(r))
	}
	out := ""
	for _, c := range cols {
		// Widening must not change keys.
		if n, ok := r[c].(int32); ok {
			out += fmt.Sprintf("%#v|", int64(n))
			continue
		}
		out += fmt.Sprintf("%#v|", r[c])
	}
	return out
}

// Apply takes the rows of a batch.
func (k *memorySink) Apply(_ context.Context, b *cdc.Batch) error {
	if !b.Shape.SameColumns(k.shape) {
		return errors.New("a batch of another shape than the table's")
	}
	k.n += int64(b.Len())
	k.todo = append(k.todo, func(s *state) error {
		defer b.Rows.Release()
		keys, err := b.Shape.KeyIndexes()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return k.applyBag(s, b)
		}
		return applyKeyed(s, b, keys)
	})
	return nil
}

func applyKeyed(s *state, b *cdc.Batch, keys []int) error {
	var from schema.Row
	for i, op := range b.Ops {
		row := RowAt(b, i)
		key := keyOf(row, keys)
		switch op {
		case cdc.OpDelete:
			if old, ok := s.rows[key]; ok {
				s.gone[key] = old
			}
			delete(s.rows, key)
		case cdc.OpOldKey:
			if from = s.gone[key]; from == nil {
				from = s.rows[key]
			}
			continue
		default:
			if from == nil {
				from = s.rows[key]
			}
			for c, m := range b.Unchanged {
				if m != nil && m.Get(i) {
					if from == nil {
						return fmt.Errorf("row %d keeps a value that there is none of", i)
					}
					row[c] = from[c]
				}
			}
			s.rows[key] = row
		}
		from = nil
	}
	return nil
}

func (k *memorySink) applyBag(s *state, b *cdc.Batch) error {
	for i, op := range b.Ops {
		row := RowAt(b, i)
		key := keyOf(row, nil)
		have := s.bag[key]
		switch {
		case op == cdc.OpInsert && have == nil:
			s.bag[key] = &bagRow{row, 1}
		case op == cdc.OpInsert:
			have.n++
		case op != cdc.OpDelete:
			return fmt.Errorf("operation %d in a table without a key", op)
		case have == nil || have.n == 0:
			k.t.Missing++
		default:
			have.n--
		}
	}
	return nil
}

// RowAt returns a row of a batch.
func RowAt(b *cdc.Batch, i int) schema.Row {
	row := make(schema.Row, len(b.Shape.Columns))
	for c := range row {
		row[c] = valueAt(b.Rows.Column(c), b.Shape.Columns[c].Type, i)
	}
	return row
}

func valueAt(a arrow.Array, t schema.Type, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int32:
		return a.Value(i)
	case *array.Int64:
		return a.Value(i)
	case *array.Float32:
		return a.Value(i)
	case *array.Float64:
		return a.Value(i)
	case *array.Decimal128:
		return a.Value(i)
	case *array.Date32:
		return int32(a.Value(i))
	case *array.Time64:
		return int64(a.Value(i))
	case *array.Timestamp:
		return int64(a.Value(i))
	case *array.String:
		return string([]byte(a.Value(i)))
	case *array.Binary:
		return slices.Clone(a.Value(i))
	case *array.FixedSizeBinary:
		if t.Kind == schema.KindUUID {
			return [16]byte(a.Value(i))
		}
		return slices.Clone(a.Value(i))
	case *array.Struct:
		row := make(schema.Row, a.NumField())
		for f := range row {
			row[f] = valueAt(a.Field(f), t.Fields[f].Type, i)
		}
		return row
	case *array.Map:
		from, to := a.ValueOffsets(i)
		var m schema.MapValue
		for j := from; j < to; j++ {
			m.Keys = append(m.Keys, valueAt(a.Keys(), t.Fields[0].Type, int(j)))
			m.Values = append(m.Values, valueAt(a.Items(), t.Fields[1].Type, int(j)))
		}
		return m
	case *array.List:
		from, to := a.ValueOffsets(i)
		out := []any{}
		for j := from; j < to; j++ {
			out = append(out, valueAt(a.ListValues(), t.Fields[0].Type, int(j)))
		}
		return out
	}
	panic(fmt.Sprintf("no value of %T", a))
}
