package scan_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// dirtyTable has two partitions of rows of every type, half of them null, then
// columns of every type that its files lack, and deletes of both kinds.
func dirtyTable(t *testing.T) *builder {
	t.Helper()
	fields := append(slices.Clone(everyType.Fields), schema.Field{ID: 40, Name: "p", Type: schema.Int})
	s := schema.MustNew(fields...)
	b := newBuilder(t, 2, s, partition.Identity("p"))
	b.opts.RowGroupRows = 250
	var files []*manifest.DataFile
	for p := range int32(2) {
		var rows []schema.Row
		for row, err := range scan.New(everyTypeTable(t), &scan.Options{Ordered: true}).Rows(b.ctx) {
			if err != nil {
				t.Fatal(err)
			}
			row = append(slices.Clone(row), p)
			row[0] = row[0].(int64) + 1000*int64(p)
			rows = append(rows, row)
		}
		files = append(files, b.data(partition.Tuple{p}, rows))
	}
	b.commit(snapshot.Changes{AddData: files})
	fields = slices.Clone(b.meta.CurrentSchema().Fields)
	for i, f := range everyType.Fields {
		f.ID, f.Name, f.Required = 100+i, "lacks_"+f.Name, false
		if f.Type.IsNested() {
			f.Type = schema.List(schema.Field{ID: 200 + i, Type: schema.Struct(schema.Field{ID: 300 + i, Name: "x", Type: schema.String})})
		}
		fields = append(fields, f)
	}
	fields = append(fields, schema.Field{ID: 400, Name: "default", Type: schema.String})
	b.update(metadata.AddSchema{Schema: schema.MustNew(fields...)}, metadata.SetCurrentSchema{SchemaID: metadata.LastAdded})
	b.commit(snapshot.Changes{AddDeletes: []*manifest.DataFile{
		b.positions(files[0], 1, 7, 300, 301), b.equality(0, partition.Tuple{int32(1)}, []string{"id"}, []schema.Row{{int64(1100)}, {int64(1477)}}),
	}})
	return b
}

// TestDirtyMemory: whatever is read and made of it, with deletes, filters, columns
// that files lack, metadata columns and changes, relies on no memory being zero,
// and on none that was released.
func TestDirtyMemory(t *testing.T) {
	b := dirtyTable(t)
	first := b.meta.Snapshots[0].ID
	columns := []string{"_file", "_pos", "_spec_id", "_partition"}
	for _, f := range b.meta.CurrentSchema().Fields {
		columns = append(columns, f.Name)
	}
	ways := map[string]func(mem memory.Allocator) (scan.Reader, iter.Seq2[arrow.RecordBatch, error]){}
	for _, filter := range []expr.Expr{nil, expr.Ge("id", int64(400)), expr.NotNull("place.city")} {
		for _, rows := range []int{64, 1000} {
			o := scan.Options{Columns: columns, Filter: filter, Ordered: true, BatchRows: rows}
			ways[fmt.Sprint("scan ", filter, rows)] = func(mem memory.Allocator) (scan.Reader, iter.Seq2[arrow.RecordBatch, error]) {
				own := o
				own.Allocator = mem
				s := scan.New(b.source(), &own)
				return s, s.Batches(b.ctx)
			}
		}
	}
	ways["spilled"] = func(mem memory.Allocator) (scan.Reader, iter.Seq2[arrow.RecordBatch, error]) {
		s := scan.New(b.source(), &scan.Options{Columns: columns, MemoryBudget: 1, Ordered: true, Allocator: mem})
		return s, s.Batches(b.ctx)
	}
	ways["get"] = func(mem memory.Allocator) (scan.Reader, iter.Seq2[arrow.RecordBatch, error]) {
		s := scan.New(b.source(), &scan.Options{Columns: columns, Allocator: mem, Concurrency: 1})
		return s, s.GetBatches(b.ctx, []string{"id"}, []schema.Row{{int64(7)}, {int64(1100)}, {int64(1333)}})
	}
	ways["appends"] = func(mem memory.Allocator) (scan.Reader, iter.Seq2[arrow.RecordBatch, error]) {
		s := scan.Appends(b.source(), &scan.AppendsOptions{Options: scan.Options{Ordered: true, Allocator: mem}, SkipOthers: true})
		return s, s.Batches(b.ctx)
	}
	for _, o := range []scan.ChangesOptions{{}, {From: &first}, {Net: true}, {Updates: true, Key: []string{"id"}}} {
		ways[fmt.Sprintf("changes %+v", o)] = func(mem memory.Allocator) (scan.Reader, iter.Seq2[arrow.RecordBatch, error]) {
			own := o
			own.Allocator = mem
			s := scan.Changes(b.source(), &own)
			return s, s.Batches(b.ctx)
		}
	}
	for name, way := range ways {
		texts := func(mem memory.Allocator) (out []string) {
			r, batches := way(mem)
			s, err := r.Schema()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e := rowjson.NewEncoder(s, rowjson.Canonical)
			for batch, err := range batches {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for i := range int(batch.NumRows()) {
					out = append(out, string(e.AppendRow(nil, batch, i)))
				}
			}
			if e.Err() != nil {
				t.Fatalf("%s: %v", name, e.Err())
			}
			return out
		}
		clean := texts(nil)
		if len(clean) == 0 {
			t.Errorf("%s: no rows", name)
		}
		mem := memory.NewCheckedAllocator(new(testenv.DirtyMemory))
		if dirty := texts(mem); !slices.Equal(clean, dirty) {
			i := 0
			for i < min(len(clean), len(dirty)) && clean[i] == dirty[i] {
				i++
			}
			t.Errorf("%s: %d and %d rows, which differ from row %d:\n%s", name, len(clean), len(dirty), i, strings.Join(append(clean[i:min(i+1, len(clean))], dirty[i:min(i+1, len(dirty))]...), "\n"))
		}
		mem.AssertSize(t, 0)
	}
}
