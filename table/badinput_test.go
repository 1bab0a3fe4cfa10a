package table_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// bad is a table with rows 1 and 2, and a writer with row 3 in it.
type bad struct {
	t   *testing.T
	ctx context.Context
	fs  *failing
	cat catalog.Catalog
	tab *table.Table
	w   *table.Writer
}

func newBad(t *testing.T) *bad {
	t.Helper()
	b := &bad{t: t, ctx: context.Background()}
	b.fs = &failing{Store: objstore.NewMemory("mem://bad")}
	b.cat = catalog.NewFiles(b.fs, nil)
	var err error
	b.tab, err = table.Create(b.ctx, b.cat, "b.t", badSchema(), &table.CreateOptions{Key: []string{"id"}})
	b.must(err)
	b.w, err = b.tab.NewWriter(nil)
	b.must(err)
	b.must(b.w.Upsert(b.ctx, schema.Row{int64(1), "a"}))
	b.must(b.w.Upsert(b.ctx, schema.Row{int64(2), "a"}))
	_, err = b.w.Commit(b.ctx, nil)
	b.must(err)
	b.must(b.w.Upsert(b.ctx, schema.Row{int64(3), "a"}))
	return b
}

// failing is a store whose writes fail, those of streams half-way.
type failing struct {
	objstore.Store
	err error
}

func (f *failing) Put(ctx context.Context, uri string, data []byte, o *objstore.PutOptions) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.Put(ctx, uri, data, o)
}

func (f *failing) Create(ctx context.Context, uri string, o *objstore.PutOptions) (objstore.Writer, error) {
	if errors.Is(f.err, fs.ErrPermission) {
		return nil, f.err
	}
	w, err := f.Store.Create(ctx, uri, o)
	return &failingWriter{w, f}, err
}

type failingWriter struct {
	objstore.Writer
	f *failing
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.f.err != nil {
		n, _ := w.Writer.Write(p[:len(p)/2])
		return n, w.f.err
	}
	return w.Writer.Write(p)
}

// failWith commits while writes fail.
func (b *bad) failWith(err error) error {
	b.fs.err = err
	_, err = b.w.Commit(b.ctx, nil)
	b.fs.err = nil
	return err
}

func badSchema() *schema.Schema {
	return schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "v", Type: schema.String, Required: true})
}

func (b *bad) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// rows reads the table anew, as another process would.
func (b *bad) rows() string {
	b.t.Helper()
	tab, err := table.Open(b.ctx, b.cat, "b.t", nil)
	b.must(err)
	n := 0
	var ids []string
	for row, err := range tab.Scan(nil).Rows(b.ctx) {
		b.must(err)
		ids = append(ids, string(rune('0'+row[0].(int64))))
		n++
	}
	return strings.Join(ids, "")
}

// batch makes a batch of two columns of the given types, of one row each.
func batch(id, v arrow.Array) arrow.RecordBatch {
	s := arrow.NewSchema([]arrow.Field{{Name: "id", Type: id.DataType()}, {Name: "v", Type: v.DataType()}}, nil)
	return array.NewRecordBatch(s, []arrow.Array{id, v}, int64(id.Len()))
}

func longs(values ...int64) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

func texts(values ...string) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

// badInputs are what must not harm: each gives its error, by name and by words, and
// leaves the table readable and the same work possible.
var badInputs = []struct {
	name string
	do   func(b *bad) error
	is   error
	says string
	// gone says that the pending row 3 is lost with the error, so that it has to be
	// given again.
	gone bool
	// after puts things right again; the writer may have to be a new one.
	after func(b *bad)
}{
	{name: "unknown key column", do: func(b *bad) error {
		_, err := table.Create(b.ctx, b.cat, "b.u", badSchema(), &table.CreateOptions{Key: []string{"nope"}})
		return err
	}, says: `key column "nope" is not in the schema`},
	{name: "missing value", do: func(b *bad) error { return b.w.Upsert(b.ctx, schema.Row{int64(4)}) }, is: table.ErrBadRow, says: "1 values for 2 columns"},
	{name: "null key", do: func(b *bad) error { return b.w.Upsert(b.ctx, schema.Row{nil, "x"}) }, is: table.ErrBadRow, says: `column "id" is required and null`},
	{name: "null key in a delete", do: func(b *bad) error { return b.w.Delete(b.ctx, schema.Row{nil}) }, is: table.ErrBadRow, says: `column "id"`},
	{name: "null key in a batch", do: func(b *bad) error {
		k := array.NewInt64Builder(memory.DefaultAllocator)
		k.AppendValues([]int64{4, 0}, []bool{true, false})
		return b.w.ApplyBatch(b.ctx, batch(k.NewArray(), texts("x", "x")), nil)
	}, is: table.ErrBadRow, says: `row 1: column "id" is required and null`},
	{name: "value of another type", do: func(b *bad) error { return b.w.Upsert(b.ctx, schema.Row{"x", "x"}) }, is: table.ErrBadRow, says: `column "id"`},
	{name: "column of another type", do: func(b *bad) error { return b.w.ApplyBatch(b.ctx, batch(texts("4"), texts("x")), nil) }, is: table.ErrBadRow, says: `column "id" is utf8 in the batch, int64 in the table`},
	{name: "other columns", do: func(b *bad) error {
		s := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
		return b.w.ApplyBatch(b.ctx, array.NewRecordBatch(s, []arrow.Array{longs(4)}, 1), nil)
	}, is: table.ErrBadRow, says: "batch has 1 columns, the table 2"},
	{name: "operations for other rows", do: func(b *bad) error {
		return b.w.ApplyBatch(b.ctx, batch(longs(4), texts("x")), []table.Op{table.OpDelete, table.OpDelete})
	}, is: table.ErrBadRow, says: "2 operations for 1 rows"},
	{name: "the key changes under a staged set", do: func(b *bad) error {
		s, err := b.w.Flush(b.ctx)
		b.must(err)
		b.must(b.tab.Evolve(b.ctx, func(e *schema.Evolution) error { return e.SetIdentifier("v") }, nil))
		_, err = b.tab.CommitStaged(b.ctx, []*table.Staged{s}, nil, nil)
		return err
	}, is: table.ErrBadRow, says: "the table's key has changed", gone: true, after: func(b *bad) {
		b.must(b.tab.Evolve(b.ctx, func(e *schema.Evolution) error { return e.SetIdentifier("id") }, nil))
	}},
	{name: "one staged set twice", do: func(b *bad) error {
		s, err := b.w.Flush(b.ctx)
		b.must(err)
		_, err = b.tab.CommitStaged(b.ctx, []*table.Staged{s}, nil, nil)
		b.must(err)
		_, err = b.tab.CommitStaged(b.ctx, []*table.Staged{s}, nil, nil)
		return err
	}, is: table.ErrBadStaged, says: "already", gone: true},
	{name: "one staged set twice, by bytes", do: func(b *bad) error {
		s, err := b.w.Flush(b.ctx)
		b.must(err)
		data, err := s.Marshal(b.ctx, b.tab)
		b.must(err)
		for range 2 {
			if s, err = b.tab.UnmarshalStaged(b.ctx, data); err != nil {
				return err
			}
			if _, err = b.tab.CommitStaged(b.ctx, []*table.Staged{s}, nil, nil); err != nil {
				return err
			}
		}
		return nil
	}, is: table.ErrBadStaged, says: "already", gone: true},
	{name: "a set of another table", do: func(b *bad) error {
		o := newBad(b.t)
		s, err := o.w.Flush(b.ctx)
		b.must(err)
		_, err = b.tab.CommitStaged(b.ctx, []*table.Staged{s}, nil, nil)
		return err
	}, says: "belong to the table with uuid"},
	{name: "damaged staged bytes", do: func(b *bad) error {
		_, err := b.tab.UnmarshalStaged(b.ctx, []byte("FRZS\x01damaged"))
		return err
	}, is: table.ErrBadStaged},
	{name: "closed writer", do: func(b *bad) error {
		b.must(b.w.Close())
		return b.w.Upsert(b.ctx, schema.Row{int64(4), "x"})
	}, is: table.ErrClosed, gone: true, after: (*bad).newWriter},
	{name: "cancelled context", do: func(b *bad) error {
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		_, err := b.w.Commit(ctx, nil)
		return err
	}, is: context.Canceled, gone: true},
	{name: "fenced writer", do: func(b *bad) error {
		for _, epoch := range []int64{2, 1} {
			w, err := b.tab.NewWriter(&table.WriterOptions{ID: "x", Epoch: epoch})
			b.must(err)
			b.must(w.Upsert(b.ctx, schema.Row{int64(1), "x"}))
			if _, err := w.Commit(b.ctx, nil); err != nil {
				return err
			}
		}
		return nil
	}, is: table.ErrFenced, says: `writer "x" has epoch 1`},
	{name: "dropped table", do: func(b *bad) error {
		id, err := catalog.ParseIdentifier("b.t")
		b.must(err)
		b.must(b.cat.DropTable(b.ctx, id, false))
		_, err = b.w.Commit(b.ctx, nil)
		return err
	}, is: catalog.ErrNotFound, gone: true, after: func(b *bad) {
		var err error
		b.tab, err = table.Create(b.ctx, b.cat, "b.t", badSchema(), &table.CreateOptions{Key: []string{"id"}})
		b.must(err)
		b.newWriter()
		b.must(b.w.Upsert(b.ctx, schema.Row{int64(1), "a"}))
		b.must(b.w.Upsert(b.ctx, schema.Row{int64(2), "a"}))
	}},
	{name: "full disk", do: func(b *bad) error {
		return b.failWith(&fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC})
	}, is: syscall.ENOSPC, says: "no space left", gone: true},
	{name: "read-only directory", do: func(b *bad) error {
		return b.failWith(&fs.PathError{Op: "open", Path: "f", Err: syscall.EACCES})
	}, is: fs.ErrPermission, says: "permission denied", gone: true},
}

func (b *bad) newWriter() {
	var err error
	b.w, err = b.tab.NewWriter(nil)
	b.must(err)
}

// TestBadInput: every bad input is a named error, the table can be read, and the
// same work goes on after it.
func TestBadInput(t *testing.T) {
	for _, c := range badInputs {
		t.Run(c.name, func(t *testing.T) {
			b := newBad(t)
			err := c.do(b)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v %q", err, c.is, c.says)
			}
			if c.after != nil {
				c.after(b)
			} else if got := b.rows(); got != "12" && got != "21" && !strings.Contains(c.name, "twice") {
				t.Errorf("after the error the table has rows %s", got)
			}
			if c.gone {
				b.must(b.w.Upsert(b.ctx, schema.Row{int64(3), "a"}))
			}
			b.must(b.w.Delete(b.ctx, schema.Row{int64(2)}))
			_, err = b.w.Commit(b.ctx, nil)
			b.must(err)
			if got := b.rows(); got != "13" && got != "31" {
				t.Errorf("in the end the table has rows %s", got)
			}
		})
	}
}
