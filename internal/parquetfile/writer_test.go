package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/frazildb/frazil/schema"
)

// written is a file and what it should hold.
type written struct {
	schema *schema.Schema
	rows   []schema.Row
	opts   *WriterOptions
	data   []byte
	result *Result
	leaves [][][]entry // by leaf, by row
}

// writeRows writes rows in random batches, some of them slices of larger ones.
func writeRows(t testing.TB, rnd *rand.Rand, s *schema.Schema, rows []schema.Row, opts *WriterOptions) *written {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, opts)
	if err != nil {
		t.Fatal(err)
	}
	for lo := 0; lo < len(rows); {
		n := min(1+rnd.IntN(1+rnd.IntN(3000)), len(rows)-lo)
		var b arrow.RecordBatch
		if skip := rnd.IntN(3); skip > 0 && lo+n <= len(rows) {
			from := max(lo-rnd.IntN(70), 0)
			to := min(lo+n+rnd.IntN(5), len(rows))
			all := makeBatch(t, s, rows[from:to])
			b = all.NewSlice(int64(lo-from), int64(lo-from+n))
		} else {
			b = makeBatch(t, s, rows[lo:lo+n])
		}
		if err := w.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		lo += n
		if w.Rows() != int64(lo) {
			t.Fatalf("Rows %d after %d", w.Rows(), lo)
		}
	}
	res, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	f := &written{schema: s, rows: rows, opts: opts, data: buf.Bytes(), result: res}
	f.shred()
	return f
}

// shred computes the leaves of the rows.
func (f *written) shred() {
	for _, r := range f.rows {
		for k, e := range shredRow(f.schema.Fields, r) {
			if k == len(f.leaves) {
				f.leaves = append(f.leaves, nil)
			}
			f.leaves[k] = append(f.leaves[k], e)
		}
	}
}

func makeBatch(t testing.TB, s *schema.Schema, rows []schema.Row) arrow.RecordBatch {
	t.Helper()
	b, err := schema.RowsToBatch(s, rows, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// randomFile writes a file of a random schema with random options.
func randomFile(t testing.TB, rnd *rand.Rand, plain bool) *written {
	m := &maker{rnd: rnd, plain: plain, few: rnd.IntN(2) == 0, nulls: []float64{0, 0.1, 0.5, 0.95}[rnd.IntN(4)]}
	s := m.schema()
	if len(testLeaves(s)) == 0 {
		return randomFile(t, rnd, plain) // parquet-go cannot open such a file
	}
	n := rnd.IntN(1 + []int{3, 100, 3000, 9000}[rnd.IntN(4)])
	rows := make([]schema.Row, n)
	for i := range rows {
		if rnd.IntN(500) == 0 {
			m.few = !m.few
		}
		rows[i] = m.row(s.Fields)
	}
	codecs := 5 // parquet-go fails to read some LZ4_RAW pages that others read
	if plain {
		codecs = 6
	}
	opts := &WriterOptions{
		Codec:           []Codec{Zstd, Snappy, Gzip, Uncompressed, Brotli, LZ4Raw}[rnd.IntN(codecs)],
		RowGroupRows:    []int{0, 1 + rnd.IntN(50), 1000, 2500}[rnd.IntN(4)],
		RowGroupBytes:   []int64{0, 0, 10000}[rnd.IntN(3)],
		PageBytes:       []int{0, 100, 3000}[rnd.IntN(3)],
		DictionaryBytes: []int{0, 200}[rnd.IntN(2)],
		Concurrency:     1 + rnd.IntN(3),
		KeyValues:       map[string]string{"test": "yes"},
	}
	if opts.RowGroupRows > 0 && opts.RowGroupRows < 50 && n > 3000 {
		opts.RowGroupRows = 700
	}
	for id := 1; id <= m.nextID; id++ {
		if rnd.IntN(4) == 0 {
			opts.KeyColumns = append(opts.KeyColumns, id)
		}
	}
	return writeRows(t, rnd, s, rows, opts)
}

// asParquet converts an expected value to its physical bytes.
func asParquet(t schema.Type, v any) []byte {
	switch x := v.(type) {
	case bool:
		if x {
			return []byte{1}
		}
		return []byte{0}
	case int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(x))
	case int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(x))
	case float32:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(x))
	case float64:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))
	case string:
		return []byte(x)
	case []byte:
		return x
	case [16]byte:
		return x[:]
	case decimal128.Num:
		switch {
		case t.Precision <= 9:
			return binary.LittleEndian.AppendUint32(nil, uint32(x.LowBits()))
		case t.Precision <= 18:
			return binary.LittleEndian.AppendUint64(nil, x.LowBits())
		}
		b := binary.BigEndian.AppendUint64(nil, uint64(x.HighBits()))
		b = binary.BigEndian.AppendUint64(b, x.LowBits())
		return b[16-testDecimalWidth(t.Precision):]
	}
	panic(fmt.Sprintf("%T", v))
}

func testDecimalWidth(p int) int {
	for n := 1; ; n++ {
		if int(math.Floor(float64(8*n-1)*math.Log10(2))) >= p {
			return n
		}
	}
}

func openParquet(t testing.TB, data []byte) *parquet.File {
	t.Helper()
	// parquet-go's own reading of page indexes fails when a column has none.
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkValues reads all rows back with parquet-go.
func checkValues(t *testing.T, w *written) {
	t.Helper()
	f := openParquet(t, w.data)
	if f.NumRows() != int64(len(w.rows)) {
		t.Fatalf("%d rows, want %d", f.NumRows(), len(w.rows))
	}
	leaves := testLeaves(w.schema)
	row := 0
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 64)
		for {
			n, err := rows.ReadRows(buf)
			for _, r := range buf[:n] {
				checkRow(t, w, leaves, r, row)
				row++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if row != len(w.rows) {
		t.Fatalf("read %d rows, want %d", row, len(w.rows))
	}
}

func checkRow(t *testing.T, w *written, leaves []testLeaf, r parquet.Row, row int) {
	t.Helper()
	at := make([]int, len(leaves))
	for _, v := range r {
		k := v.Column()
		want := w.leaves[k][row]
		if at[k] >= len(want) {
			t.Fatalf("row %d leaf %s: more than %d entries", row, leaves[k].name, len(want))
		}
		e := want[at[k]]
		at[k]++
		if v.RepetitionLevel() != int(e.rep) || v.DefinitionLevel() != int(e.def) || v.IsNull() != (e.val == nil) {
			t.Fatalf("row %d leaf %s: levels %d/%d null %v, want %+v", row, leaves[k].name, v.RepetitionLevel(), v.DefinitionLevel(), v.IsNull(), e)
		}
		if e.val != nil && !bytes.Equal(v.Bytes(), asParquet(leaves[k].typ, e.val)) {
			t.Fatalf("row %d leaf %s: %x, want %x", row, leaves[k].name, v.Bytes(), asParquet(leaves[k].typ, e.val))
		}
	}
	for k := range at {
		if at[k] != len(w.leaves[k][row]) {
			t.Fatalf("row %d leaf %s: %d entries, want %d", row, leaves[k].name, at[k], len(w.leaves[k][row]))
		}
	}
}

// testLeaf is a leaf as the tests see it.
type testLeaf struct {
	id       int
	name     string
	typ      schema.Type
	repeated bool
	variant  bool
}

func testLeaves(s *schema.Schema) (out []testLeaf) {
	var walk func(f *schema.Field, name string, repeated bool)
	walk = func(f *schema.Field, name string, repeated bool) {
		switch f.Type.Kind {
		case schema.KindUnknown:
		case schema.KindVariant:
			for range 2 {
				out = append(out, testLeaf{f.ID, name, schema.Binary, repeated, true})
			}
		case schema.KindStruct, schema.KindList, schema.KindMap:
			for i := range f.Type.Fields {
				c := &f.Type.Fields[i]
				walk(c, name+"."+c.Name, repeated || f.Type.Kind != schema.KindStruct)
			}
		default:
			out = append(out, testLeaf{f.ID, name, f.Type, repeated, false})
		}
	}
	for i := range s.Fields {
		walk(&s.Fields[i], s.Fields[i].Name, false)
	}
	return out
}

// checkWritten checks all that a file says.
func checkWritten(t *testing.T, i int, w *written, rnd *rand.Rand) {
	t.Helper()
	ok := t.Run(fmt.Sprint(i), func(t *testing.T) {
		checkValues(t, w)
		checkStatistics(t, w)
		checkResult(t, w)
		checkBlooms(t, w, rnd)
	})
	if !ok {
		t.Fatalf("case %d: schema %v, options %+v", i, w.schema.Fields, *w.opts)
	}
}

func TestWriterProperty(t *testing.T) {
	seed := testSeed(t)
	n := 60
	if testing.Short() {
		n = 15
	}
	for i := range n {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		w := randomFile(t, rnd, false)
		checkWritten(t, i, w, rnd)
	}
}

func TestWriterEmpty(t *testing.T) {
	s := schemaR6()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(context.Background(), makeBatch(t, s, nil)); err != nil {
		t.Fatal(err)
	}
	r, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if f := openParquet(t, buf.Bytes()); f.NumRows() != 0 || len(f.RowGroups()) != 0 {
		t.Fatalf("%d rows, %d row groups", f.NumRows(), len(f.RowGroups()))
	}
	if r.FileSize != int64(buf.Len()) || r.RecordCount != 0 || r.Lower != nil {
		t.Fatalf("%+v", r)
	}
}

func TestWriterErrors(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "st", Type: schema.Struct(
			schema.Field{ID: 3, Name: "in", Type: schema.List(schema.Field{ID: 4, Type: schema.Int, Required: true})})},
	)
	loose := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long},
		schema.Field{ID: 2, Name: "st", Type: schema.Struct(
			schema.Field{ID: 3, Name: "in", Type: schema.List(schema.Field{ID: 4, Type: schema.Int})})},
	)
	ok := schema.Row{int64(1), schema.Row{[]any{int32(1)}}}
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(rows []schema.Row, of *schema.Schema, target error, text string) {
		t.Helper()
		err := w.Write(context.Background(), makeBatch(t, of, rows))
		if !errors.Is(err, target) || target != nil && !bytes.Contains([]byte(err.Error()), []byte(text)) {
			t.Fatalf("got %v, want %v with %q", err, target, text)
		}
	}
	check([]schema.Row{ok, {nil, nil}}, loose, ErrNull, "column id, row 1")
	check([]schema.Row{ok, ok, {int64(3), schema.Row{[]any{int32(1), nil}}}}, loose, ErrNull, "column st.in.element, row 2")
	check([]schema.Row{{"x"}}, schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.String}), ErrColumnType, "1 columns")
	check([]schema.Row{{int32(1), nil}}, schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Int}, loose.Fields[1]), ErrColumnType, "column id")
	check([]schema.Row{ok, {int64(2), nil}, {int64(3), schema.Row{nil}}}, loose, nil, "")
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	checkValues(t, &written{schema: s, data: buf.Bytes(), rows: make([]schema.Row, 3), leaves: [][][]entry{
		{{{0, 0, int64(1)}}, {{0, 0, int64(2)}}, {{0, 0, int64(3)}}},
		{{{0, 3, int32(1)}}, {{0, 0, nil}}, {{0, 1, nil}}},
	}})
	check([]schema.Row{ok}, s, ErrWriterClosed, "")
	if _, err := w.Close(); !errors.Is(err, ErrWriterClosed) {
		t.Fatal(err)
	}
	w.Abort()

	for _, bad := range []schema.Type{
		schema.Struct(schema.Field{ID: 9, Name: "u", Type: schema.Unknown}),
		schema.List(schema.Field{ID: 9, Type: schema.Unknown}),
	} {
		if _, err := NewWriter(io.Discard, schema.MustNew(schema.Field{ID: 1, Name: "c", Type: bad}), nil); err == nil {
			t.Fatalf("%v accepted", bad)
		}
	}
	if _, err := NewWriter(io.Discard, s, &WriterOptions{Codec: 99}); err == nil {
		t.Fatal("codec 99 accepted")
	}
}

// failing fails after n bytes.
type failing struct{ n int }

func (f *failing) Write(b []byte) (int, error) {
	if len(b) > f.n {
		return f.n, errDisk
	}
	f.n -= len(b)
	return len(b), nil
}

var errDisk = errors.New("disk full")

func TestWriterBroken(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	b := batchR6(rnd, 0, 5000, 0.1)
	for n := 0; ; n += 9999 {
		w, err := NewWriter(&failing{n}, schemaR6(), &WriterOptions{RowGroupRows: 2000})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(context.Background(), b)
		if err != nil {
			if !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
			if err := w.Write(context.Background(), b); !errors.Is(err, ErrWriterClosed) || !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
		}
		if _, err = w.Close(); err == nil {
			break
		}
		if !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		w.Abort()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w, _ := NewWriter(io.Discard, schemaR6(), nil)
	if err := w.Write(ctx, b); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestWriterGarbageUnderNulls writes arrays whose null slots hold values.
func TestWriterGarbageUnderNulls(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "s", Type: schema.String}, schema.Field{ID: 2, Name: "n", Type: schema.Int},
		schema.Field{ID: 3, Name: "l", Type: schema.List(schema.Field{ID: 4, Type: schema.Int})})
	valid := memory.NewBufferBytes([]byte{0b101})
	ints := func(v ...int32) *memory.Buffer { return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(v)) }
	str := array.NewData(arrow.BinaryTypes.String, 3, []*memory.Buffer{valid, ints(0, 2, 4, 6), memory.NewBufferBytes([]byte("aazzbb"))}, nil, 1, 0)
	num := array.NewData(arrow.PrimitiveTypes.Int32, 3, []*memory.Buffer{valid, ints(1, 999, 3)}, nil, 1, 0)
	elem := array.NewData(arrow.PrimitiveTypes.Int32, 6, []*memory.Buffer{nil, ints(1, 2, 888, 777, 5, 6)}, nil, 0, 0)
	list := array.NewData(arrow.ListOf(arrow.PrimitiveTypes.Int32), 3, []*memory.Buffer{valid, ints(0, 2, 4, 6)}, []arrow.ArrayData{elem}, 1, 0)
	b := array.NewRecordBatch(schema.ArrowSchema(s), []arrow.Array{array.MakeFromData(str), array.MakeFromData(num), array.MakeFromData(list)}, 3)
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	res, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	f := &written{schema: s, data: buf.Bytes(), opts: &WriterOptions{}, result: res, rows: []schema.Row{
		{"aa", int32(1), []any{int32(1), int32(2)}}, {nil, nil, nil}, {"bb", int32(3), []any{int32(5), int32(6)}},
	}}
	f.leaves = make([][][]entry, 3)
	for _, r := range f.rows {
		for k, e := range shredRow(s.Fields, r) {
			f.leaves[k] = append(f.leaves[k], e)
		}
	}
	checkValues(t, f)
	checkStatistics(t, f)
	checkResult(t, f)
}
