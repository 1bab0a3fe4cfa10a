package parquetfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

// Rows of random ranges, whole or selected, page by page or not, from a file
// opened anew or with what was kept of it and of its pages, are those of the whole
// file.
func TestRowRanges(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	for range 60 {
		rows := 1 + rnd.IntN(400)
		s := makeSample(t, rnd, rows)
		var meta *FileMeta
		pages := keptPages(rnd)
		for range 6 {
			f, err := Open(context.Background(), &memObject{"ranges.parquet", s.data}, &OpenOptions{Meta: meta})
			if err != nil {
				t.Fatal(err)
			}
			if meta != nil && f.Meta() != meta {
				t.Fatal("what was kept was not used")
			}
			meta = f.Meta()
			o := &ReadOptions{Fields: s.fields, Rows: randomRanges(rnd, rows), BatchRows: 1 + rnd.IntN(2*rows), Sparse: rnd.IntN(2) == 0}
			if rnd.IntN(2) == 0 {
				o.Allocator = new(testenv.DirtyMemory)
			}
			if rnd.IntN(3) > 0 {
				o.Pages = pages
			}
			compareRanges(t, rnd, s, f, o)
			_ = f.Close()
		}
	}
}

// keptPages keeps pages in a map and forgets some.
func keptPages(rnd *rand.Rand) *PageCache {
	kept := make(map[PageID]any)
	return &PageCache{
		Get: func(id PageID) any { return kept[id] },
		Keep: func(id PageID, page any, bytes int64) {
			if bytes > 0 && rnd.IntN(5) > 0 {
				kept[id] = page
			}
		},
	}
}

func randomRanges(rnd *rand.Rand, rows int) []RowRange {
	out := []RowRange{}
	for at := rnd.IntN(rows); at < rows; {
		n := 1 + rnd.IntN(min(rows-at, 1+rnd.IntN(rows)))
		out = append(out, RowRange{int64(at), int64(n)})
		at += n + rnd.IntN(1+rows/3)
	}
	return out
}

func compareRanges(t *testing.T, rnd *rand.Rand, s *sampleFile, f *File, o *ReadOptions) {
	t.Helper()
	c, err := f.Read(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var want []int
	for _, r := range o.Rows {
		for i := range r.Rows {
			want = append(want, int(r.First+i))
		}
	}
	for {
		pos, n := c.Peek()
		var sel *bitmap.Bitmap
		if rnd.IntN(2) == 0 {
			sel = bitmap.New(n)
			for i := range n {
				if rnd.IntN(3) == 0 {
					sel.Set(i)
				}
			}
		}
		b, err := c.Next(context.Background(), sel)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(want) < n || want[0] != int(pos) || want[n-1] != int(pos)+n-1 {
			t.Fatalf("batch of rows %d to %d, ranges %v", pos, int(pos)+n, o.Rows)
		}
		k := 0
		for i := range n {
			if sel != nil && !sel.Get(i) {
				continue
			}
			for col := range s.fields {
				if got := nodeText(b.Column(col), k); got != s.texts[col][want[i]] {
					t.Fatalf("row %d, column %d: %s, want %s", want[i], col, got, s.texts[col][want[i]])
				}
			}
			k++
		}
		if int64(k) != b.NumRows() {
			t.Fatalf("%d rows, want %d", b.NumRows(), k)
		}
		want = want[n:]
		b.Release()
	}
	if len(want) > 0 {
		t.Fatalf("%d rows are missing from %d on, ranges %v", len(want), want[0], o.Rows)
	}
}

func TestRowRangesRefused(t *testing.T) {
	s := makeSample(t, rand.New(rand.NewPCG(1, 2)), 10)
	f := openBytes(t, "x", s.data)
	for _, r := range [][]RowRange{{{-1, 2}}, {{0, 0}}, {{5, 6}}, {{4, 1}, {3, 1}}, {{2, 3}, {4, 1}}, {{1, math.MaxInt64}}} {
		if _, err := f.Read(context.Background(), &ReadOptions{Fields: s.fields, Rows: r}); err == nil {
			t.Errorf("%v accepted", r)
		}
	}
}

var pageSchema = schema.MustNew(
	schema.Field{ID: 1, Name: "up", Type: schema.Long},
	schema.Field{ID: 2, Name: "i", Type: schema.Int},
	schema.Field{ID: 3, Name: "f", Type: schema.Double},
	schema.Field{ID: 4, Name: "s", Type: schema.String},
	schema.Field{ID: 5, Name: "d", Type: schema.Decimal(30, 2)},
	schema.Field{ID: 6, Name: "t", Type: schema.Timestamp},
	schema.Field{ID: 7, Name: "b", Type: schema.Boolean})

// Page indexes rule out no row that a predicate is true for, whatever the pages;
// also when a column is read as a wider type.
func TestKeepRows(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	left, all := int64(0), int64(0)
	for range 40 {
		rows := make([]schema.Row, 1+rnd.IntN(600))
		run := 1 + rnd.IntN(200) // of similar values
		for i := range rows {
			rows[i] = pageRow(rnd, i, run)
		}
		f := writePages(t, rnd, rows)
		for range 20 {
			s := pageSchema
			if rnd.IntN(2) == 0 {
				fields := slices.Clone(pageSchema.Fields)
				fields[1].Type = schema.Long
				s = schema.MustNew(fields...)
			}
			e := pageExpr(rnd, len(rows), 0)
			b, err := expr.Bind(e, s, false)
			if err != nil {
				t.Fatal(err)
			}
			kept := keptRows(t, f, b, s)
			for i, r := range rows {
				if !kept[i] && b.EvalRow(func(id int) any { return r[id-1] }) {
					t.Fatalf("row %d of %d is ruled out by %v: %v", i, len(rows), e, r)
				}
				all++
				if kept[i] {
					left++
				}
			}
		}
	}
	if left > all*9/10 {
		t.Errorf("%d of %d rows are left: pages are not ruled out", left, all)
	}
}

func keptRows(t *testing.T, f *File, b *expr.Bound, s *schema.Schema) map[int]bool {
	t.Helper()
	var fields []schema.Field
	for _, id := range b.FieldIDs() {
		fl, _ := s.FieldByID(id)
		fields = append(fields, *fl)
	}
	kept := make(map[int]bool)
	for g := range f.RowGroups() {
		ranges, err := f.KeepRows(context.Background(), g, fields, func(m *PageMetrics) bool { return b.MightMatch(m) })
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range ranges {
			for i := range r.Rows {
				kept[int(r.First+i)] = true
			}
		}
	}
	return kept
}

func pageRow(rnd *rand.Rand, i, run int) schema.Row {
	block := i / run
	r := schema.Row{
		int64(i), int32(block*10 + rnd.IntN(10)), float64(block) - rnd.Float64(), fmt.Sprintf("%c%d", 'a'+rune(block%20), rnd.IntN(50)),
		decimal128.FromI64(int64(block-3) * 100), int64(block * 1000), block%2 == 0,
	}
	for k := 1; k < len(r); k++ {
		if block%5 == k%5 || rnd.IntN(40) == 0 {
			r[k] = nil
		}
	}
	if r[2] != nil && rnd.IntN(30) == 0 {
		r[2] = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1)}[rnd.IntN(5)]
	}
	return r
}

func pageExpr(rnd *rand.Rand, rows, depth int) expr.Expr {
	if depth < 2 && rnd.IntN(3) == 0 {
		a, b := pageExpr(rnd, rows, depth+1), pageExpr(rnd, rows, depth+1)
		return []expr.Expr{expr.And(a, b), expr.Or(a, b), expr.And(a, expr.Not(b))}[rnd.IntN(3)]
	}
	name := pageSchema.Fields[rnd.IntN(len(pageSchema.Fields))].Name
	like := pageRow(rnd, rnd.IntN(rows), 1+rnd.IntN(100))
	f, _ := pageSchema.FieldByName(name)
	v := like[f.ID-1]
	switch rnd.IntN(9) {
	case 0:
		return expr.IsNull(name)
	case 1:
		return expr.NotNull(name)
	case 2:
		return expr.Lt(name, v)
	case 3:
		return expr.Ge(name, v)
	case 4:
		return expr.In(name, v, pageRow(rnd, rnd.IntN(rows), 50)[f.ID-1])
	case 5:
		return expr.Ne(name, v)
	case 6:
		return expr.StartsWith("s", string(rune('a'+rnd.IntN(20))))
	case 7:
		return []expr.Expr{expr.IsNaN("f"), expr.NotNaN("f")}[rnd.IntN(2)]
	}
	return expr.Eq(name, v)
}

func writePages(t *testing.T, rnd *rand.Rand, rows []schema.Row) *File {
	t.Helper()
	batch, err := schema.RowsToBatch(pageSchema, rows, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Release()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, pageSchema, &WriterOptions{PageBytes: 50 + rnd.IntN(1000), RowGroupRows: 1 + rnd.IntN(2*len(rows)), DictionaryBytes: 1 + rnd.IntN(500)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return openBytes(t, "pages", buf.Bytes())
}

// FuzzColumnIndex: no input makes the decoder panic, or take more memory than a
// small multiple of it.
func FuzzColumnIndex(f *testing.F) {
	s := makeSample(f, rand.New(rand.NewPCG(3, 4)), 50)
	file := openBytes(f, "x", s.data)
	for i := range file.meta.groups {
		for k := range file.meta.groups[i].chunks {
			c := &file.meta.groups[i].chunks[k]
			if c.columnIndexLength > 0 {
				f.Add(s.data[c.columnIndexOffset:][:c.columnIndexLength])
			}
		}
	}
	f.Add([]byte{0x19, 0xf1, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeColumnIndex(b)
		if err == nil && (len(x.min) != len(x.allNull) || len(x.max) != len(x.allNull)) {
			t.Fatal("lists of different lengths")
		}
	})
}
