package parquetfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

// sampleFile is a file of random schema and rows written by the Writer.
type sampleFile struct {
	fields []schema.Field
	texts  [][]string // by column
	data   []byte
}

func makeSample(t testing.TB, rnd *rand.Rand, rows int) *sampleFile {
	t.Helper()
	id := 0
	var fields []schema.Field
	for i := range 1 + rnd.IntN(4) {
		fields = append(fields, sampleField(rnd, fmt.Sprintf("c%d", i), rnd.IntN(4), &id))
	}
	s := schema.MustNew(fields...)
	values := make([]schema.Row, rows)
	for i := range values {
		values[i] = make(schema.Row, len(fields))
		for k, f := range fields {
			values[i][k] = sampleValue(rnd, f)
		}
	}
	batch, err := schema.RowsToBatch(s, values, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Release()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, &WriterOptions{
		Codec: Codec(rnd.IntN(int(Brotli) + 1)), PageBytes: 100 + rnd.IntN(2000),
		RowGroupRows: 1 + rnd.IntN(2*rows+1), DictionaryBytes: 1 + rnd.IntN(500),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := &sampleFile{fields: fields, data: buf.Bytes()}
	for _, c := range batch.Columns() {
		col := make([]string, rows)
		for i := range col {
			col[i] = nodeText(c, i)
		}
		r.texts = append(r.texts, col)
	}
	return r
}

func sampleField(rnd *rand.Rand, name string, depth int, id *int) schema.Field {
	*id++
	f := schema.Field{ID: *id, Name: name, Required: rnd.IntN(3) == 0}
	kind := rnd.IntN(3)
	switch {
	case depth == 0 || rnd.IntN(3) == 0:
		all := []schema.Type{
			schema.Boolean, schema.Int, schema.Long, schema.Float, schema.Double, schema.Date, schema.Time,
			schema.Timestamp, schema.TimestampTz, schema.TimestampNs, schema.String, schema.UUID, schema.Binary,
			schema.Fixed(3), schema.Decimal(7, 2), schema.Decimal(15, 3), schema.Decimal(33, 4),
		}
		f.Type = all[rnd.IntN(len(all))]
	case kind == 0:
		var fields []schema.Field
		for i := range 1 + rnd.IntN(3) {
			fields = append(fields, sampleField(rnd, fmt.Sprintf("f%d", i), depth-1, id))
		}
		f.Type = schema.Struct(fields...)
	case kind == 1:
		f.Type = schema.List(sampleField(rnd, "", depth-1, id))
	default:
		key := sampleField(rnd, "", 0, id)
		f.Type = schema.Map(key, sampleField(rnd, "", depth-1, id))
	}
	return f
}

func sampleValue(rnd *rand.Rand, f schema.Field) any {
	if !f.Required && rnd.IntN(4) == 0 {
		return nil
	}
	n := rnd.Uint64()
	if rnd.IntN(2) == 0 {
		n %= 4 // so that dictionaries are worth it
	}
	text := strings.Repeat(string(rune('a'+n%26)), rnd.IntN(3)*rnd.IntN(25))
	switch f.Type.Kind {
	case schema.KindBoolean:
		return n&1 == 0
	case schema.KindInt, schema.KindDate:
		return int32(n)
	case schema.KindLong, schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs:
		return int64(n)
	case schema.KindTime:
		return int64(n % 86_400_000_000)
	case schema.KindFloat:
		return float32(n)
	case schema.KindDouble:
		return math.Float64frombits(n)
	case schema.KindDecimal:
		v := decimal128.FromU64(n % 10_000_000)
		if f.Type.Precision > 30 {
			v = v.Mul(decimal128.FromU64(10_000_000_000_000_000)).Add(decimal128.FromU64(n))
		}
		if n&8 != 0 {
			v = v.Negate()
		}
		return v
	case schema.KindString:
		return text
	case schema.KindBinary:
		return []byte(text)
	case schema.KindFixed:
		return []byte{byte(n), 1, 2}
	case schema.KindUUID:
		return [16]byte{byte(n), 9: 9}
	case schema.KindStruct:
		row := make(schema.Row, len(f.Type.Fields))
		for i, c := range f.Type.Fields {
			row[i] = sampleValue(rnd, c)
		}
		return row
	case schema.KindList:
		list := make([]any, rnd.IntN(4)*rnd.IntN(3))
		for i := range list {
			list[i] = sampleValue(rnd, *f.Type.Element())
		}
		return list
	case schema.KindMap:
		var m schema.MapValue
		for range rnd.IntN(4) {
			m.Keys = append(m.Keys, sampleValue(rnd, *f.Type.Key()))
			m.Values = append(m.Values, sampleValue(rnd, *f.Type.Value()))
		}
		return m
	}
	panic(f.Type.Kind)
}

// randomMask selects rows in one of several manners.
func randomMask(rnd *rand.Rand, n int) *bitmap.Bitmap {
	m := bitmap.New(n)
	switch rnd.IntN(6) {
	case 0: // none
	case 1:
		return bitmap.NewSet(n)
	case 2:
		m.Set(rnd.IntN(n))
	case 3: // runs
		for i := 0; i < n; {
			k := 1 + rnd.IntN(200)
			on := rnd.IntN(2) == 0
			for ; k > 0 && i < n; k-- {
				if on {
					m.Set(i)
				}
				i++
			}
		}
	default:
		p := []int{2, 10, 100}[rnd.IntN(3)]
		for i := range n {
			if (rnd.IntN(p) == 0) == (p < 100) {
				m.Set(i)
			}
		}
	}
	return m
}

// checkSelections reads a file with random masks, batch sizes and columns and
// compares with the rows wanted, given as texts.
func checkSelections(t *testing.T, rnd *rand.Rand, f *File, fields []schema.Field, texts [][]string) {
	t.Helper()
	order := rnd.Perm(len(fields))[:1+rnd.IntN(len(fields))]
	var wanted []schema.Field
	for _, i := range order {
		wanted = append(wanted, fields[i])
	}
	mem := memory.NewCheckedAllocator(new(testenv.DirtyMemory))
	opts := &ReadOptions{Fields: wanted, BatchRows: 1 + rnd.IntN(2000), Sparse: rnd.IntN(2) == 0, Allocator: mem}
	if rnd.IntN(2) == 0 {
		opts.Allocator = nil
	}
	c, err := f.Read(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	row := int64(0)
	for {
		pos, n := c.Peek()
		if pos != row {
			t.Fatalf("at row %d, want %d", pos, row)
		}
		if n == 0 {
			break
		}
		m := randomMask(rnd, n)
		if rnd.IntN(4) == 0 {
			m = nil
		}
		b, err := c.Next(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		k := 0
		for i := range n {
			if m != nil && !m.Get(i) {
				continue
			}
			for j, col := range order {
				if got, want := nodeText(b.Column(j), k), texts[col][row+int64(i)]; got != want {
					t.Fatalf("column %s, row %d: %s, want %s", fields[col].Name, row+int64(i), got, want)
				}
			}
			k++
		}
		if int64(k) != b.NumRows() {
			t.Fatalf("%d rows, want %d", b.NumRows(), k)
		}
		b.Release()
		row += int64(n)
	}
	if _, err := c.Next(context.Background(), nil); !errors.Is(err, io.EOF) {
		t.Fatalf("at the end: %v", err)
	}
	c.Close()
	mem.AssertSize(t, 0)
	if row != f.NumRows() || len(texts[0]) != int(row) {
		t.Fatalf("%d rows read of %d", row, f.NumRows())
	}
}

// TestSelectionsEqualFilterAfterRead is a property test over random schemas,
// rows, layouts and selections.
func TestSelectionsEqualFilterAfterRead(t *testing.T) {
	for i := range 150 {
		seed := uint64(i)
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 99))
			r := makeSample(t, rnd, 1+rnd.IntN(1200))
			f := openBytes(t, "random.parquet", r.data)
			for range 6 {
				checkSelections(t, rnd, f, r.fields, r.texts)
			}
		}) {
			return
		}
	}
}

// TestCloseKeepsBatches closes a cursor before its batch is released.
func TestCloseKeepsBatches(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	r := makeSample(t, rnd, 500)
	f := openBytes(t, "random.parquet", r.data)
	c, err := f.Read(context.Background(), &ReadOptions{Fields: r.fields})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Next(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	c, err = f.Read(context.Background(), &ReadOptions{Fields: r.fields})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	other, err := c.Next(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, col := range b.Columns() {
		if !array.Equal(col, other.Column(i)) {
			t.Fatal("column", i)
		}
		for k := range col.Len() {
			if nodeText(col, k) != r.texts[i][k] {
				t.Fatal("column", i, "row", k)
			}
		}
	}
	b.Release()
	other.Release()
}

// TestConcurrentCursors reads one File from several goroutines.
func TestConcurrentCursors(t *testing.T) {
	s := makeSample(t, rand.New(rand.NewPCG(8, 8)), 700)
	f := openBytes(t, "random.parquet", s.data)
	var g errgroup.Group
	for i := range 6 {
		g.Go(func() error {
			if _, err := f.MightContain(context.Background(), 0, 1, int64(i)); err != nil {
				return err
			}
			cols, err := readAll(f, &ReadOptions{Fields: s.fields, BatchRows: 50 * (i + 1), Sparse: i%2 == 0})
			if err == nil && fmt.Sprint(cols) != fmt.Sprint(s.texts) {
				err = fmt.Errorf("cursor %d reads other rows", i)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
