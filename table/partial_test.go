package table_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var partialSchema = schema.MustNew(
	schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "region", Type: schema.String},
	schema.Field{ID: 3, Name: "big", Type: schema.String}, schema.Field{ID: 4, Name: "ts", Type: schema.Long})

// partialRow is a change of a partial batch. A nil value other than in a delete is
// one that the row leaves out.
type partialRow struct {
	op     table.Op
	row    schema.Row
	oldKey int // number of the row that names the key as it was, or -1
}

// partialBatch makes a batch of changes with values left out.
func partialBatch(rows []partialRow) (arrow.RecordBatch, []table.Op, table.Partial) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(partialSchema))
	defer b.Release()
	p := table.Partial{Unchanged: make([]*bitmap.Bitmap, 4)}
	var ops []table.Op
	for i, r := range rows {
		ops = append(ops, r.op)
		for c, f := range partialSchema.Fields {
			v := r.row[c]
			if err := schema.AppendValue(b.Field(c), f.Type, v); err != nil {
				panic(err)
			}
			if v == nil && r.op != table.OpDelete {
				if p.Unchanged[c] == nil {
					p.Unchanged[c] = bitmap.New(len(rows))
				}
				p.Unchanged[c].Set(i)
			}
		}
		p.OldKey = append(p.OldKey, int32(r.oldKey))
	}
	return b.NewRecordBatch(), ops, p
}

// TestPartialModel: random streams of inserts, partial updates, changes of key and
// moves between partitions, with every encoding of deletes, partitioning, index
// and batch cut, against a map.
func TestPartialModel(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		ctx := context.Background()
		cat := catalog.NewFiles(objstore.NewMemory(fmt.Sprintf("mem://partial-%d", seed)), nil)
		co := &table.CreateOptions{Key: []string{"id"}, FormatVersion: 2 + r.IntN(2)}
		switch r.IntN(3) {
		case 0:
			co.Partition = []partition.Field{partition.Identity("region")} // rows move
		case 1:
			co.Partition = []partition.Field{partition.Bucket("id", 3)} // changes of key move
		}
		tab, err := table.Create(ctx, cat, "r.t", partialSchema, co)
		if err != nil {
			t.Fatal(err)
		}
		wo := &table.WriterOptions{MemoryBudget: []int64{1, 0}[r.IntN(2)], Encoding: table.Encoding(r.IntN(2))}
		if r.IntN(2) == 0 {
			x, err := keyindex.Open(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			wo.KeyIndex = x
		}
		w, err := tab.NewWriter(wo)
		if err != nil {
			t.Fatal(err)
		}
		rows := map[int64]schema.Row{}
		var log []string
		clock := int64(0)
		for commit := range 12 {
			for range 1 + r.IntN(3) {
				var batch []partialRow
				for range 1 + r.IntN(12) {
					batch = append(batch, randomPartial(r, rows, len(batch), &clock)...)
				}
				for _, c := range batch {
					log = append(log, fmt.Sprintf("%d %v old %d", c.op, c.row, c.oldKey))
				}
				b, ops, p := partialBatch(batch)
				if err := w.ApplyPartial(ctx, b, ops, p); err != nil {
					t.Fatalf("seed %d: %v\n%s", seed, err, strings.Join(log, "\n"))
				}
				b.Release()
			}
			if _, err := w.Commit(ctx, nil); err != nil {
				t.Fatal(err)
			}
			log = append(log, "commit")
			var got, want []string
			for row, err := range tab.Scan(nil).Rows(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, text(row))
			}
			for _, row := range rows {
				want = append(want, text(row))
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, commit %d, %+v %+v:\n got %v\nwant %v\n%s", seed, commit, co, wo, got, want, strings.Join(log, "\n"))
			}
		}
	}
}

// randomPartial makes one change, of one row or two, and applies it to the map.
func randomPartial(r *rand.Rand, rows map[int64]schema.Row, at int, clock *int64) []partialRow {
	id := int64(r.IntN(12))
	*clock++
	region := string(rune('a' + r.IntN(3)))
	old, there := rows[id]
	switch k := r.IntN(6); {
	case !there || k == 0:
		rows[id] = schema.Row{id, region, fmt.Sprint("big", *clock), *clock}
		return []partialRow{{table.OpUpsert, rows[id], -1}}
	case k == 1:
		delete(rows, id)
		return []partialRow{{table.OpDelete, schema.Row{id, nil, nil, nil}, -1}}
	case k == 2: // the key changes: a delete, the name of the old row, the new row
		to := int64(r.IntN(12))
		if to == id {
			return nil
		}
		delete(rows, id)
		rows[to] = schema.Row{to, old[1], old[2], *clock}
		return []partialRow{
			{table.OpDelete, schema.Row{id, nil, nil, nil}, -1},
			{table.OpUpsert, schema.Row{id, "x", "x", int64(0)}, -1},
			{table.OpUpsert, schema.Row{to, nil, nil, *clock}, at + 1},
		}
	case k == 3: // moves to another partition
		rows[id] = schema.Row{id, region, old[2], *clock}
		return []partialRow{{table.OpUpsert, schema.Row{id, region, nil, *clock}, -1}}
	}
	rows[id] = schema.Row{id, old[1], old[2], *clock}
	return []partialRow{{table.OpUpsert, schema.Row{id, nil, nil, *clock}, -1}}
}

// TestPartialOfChangedRow: a rival changes or deletes a row that a partial update
// was filled from; one that does not touch it does not matter.
func TestPartialOfChangedRow(t *testing.T) {
	for _, c := range []struct {
		rival string
		fails bool
	}{{"1=b", true}, {"1", true}, {"2=b", false}, {"9=b", false}} {
		for _, off := range []string{"", "rows that partial updates were filled from"} {
			r := newRace(t, 3, off)
			w, err := r.ours.NewWriter(nil)
			r.must(err)
			b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(r.ours.Schema()))
			b.Field(0).(*array.Int64Builder).Append(1)
			b.Field(1).(*array.StringBuilder).AppendNull()
			rec := b.NewRecordBatch()
			out := bitmap.NewSet(1)
			r.must(w.ApplyPartial(r.ctx, rec, nil, table.Partial{Unchanged: []*bitmap.Bitmap{nil, out}}))
			s, err := w.Flush(r.ctx)
			r.must(err)
			data, err := s.Marshal(r.ctx, r.ours)
			r.must(err)
			s, err = r.ours.UnmarshalStaged(r.ctx, data)
			r.must(err)
			r.cat.before = func() { r.put(r.rival, nil, c.rival) }
			_, err = r.ours.CommitStaged(r.ctx, []*table.Staged{s}, nil, nil)
			if changed := errors.Is(err, table.ErrRowsChanged); changed != (c.fails && off == "") || !changed && err != nil {
				t.Errorf("rival %s, check off %q: %v", c.rival, off, err)
			}
		}
	}
}
