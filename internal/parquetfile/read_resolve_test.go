package parquetfile

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go"
	"github.com/pierrec/lz4/v4"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// writeFile writes rows in small pages.
func writeFile(t testing.TB, s *schema.Schema, rows ...schema.Row) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, &WriterOptions{PageBytes: 64})
	if err != nil {
		t.Fatal(err)
	}
	b := makeBatch(t, s, rows)
	defer b.Release()
	if err := w.Write(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// withoutIDs drops the field ids of an open file.
func withoutIDs(f *File) {
	f.hasIDs = false
	for i := range f.meta.elements {
		f.meta.elements[i].hasID = false
	}
}

// rowTexts reads a file and returns a line a row.
func rowTexts(t *testing.T, f *File, opts *ReadOptions) []string {
	t.Helper()
	cols, err := readAll(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]string, f.NumRows())
	for i := range rows {
		parts := make([]string, len(cols))
		for k := range cols {
			parts[k] = cols[k][i]
		}
		rows[i] = strings.Join(parts, " ")
	}
	return rows
}

func checkRows(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPromotions(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "i", Type: schema.Int},
		schema.Field{ID: 2, Name: "f", Type: schema.Float},
		schema.Field{ID: 3, Name: "d", Type: schema.Decimal(7, 2)},
		schema.Field{ID: 4, Name: "day", Type: schema.Date},
		schema.Field{ID: 5, Name: "list", Type: schema.List(schema.Field{ID: 6, Type: schema.Int})},
	)
	data := writeFile(t, s,
		schema.Row{int32(-5), float32(1.5), decimal128.FromI64(-123), int32(2), []any{int32(1), nil}},
		schema.Row{nil, nil, nil, nil, nil},
		schema.Row{int32(math.MaxInt32), float32(-2), decimal128.FromI64(99), int32(-1), []any{}},
	)
	f := openBytes(t, "promoted.parquet", data)
	wide := []schema.Field{
		{ID: 1, Name: "i", Type: schema.Long},
		{ID: 2, Name: "f", Type: schema.Double},
		{ID: 3, Name: "d", Type: schema.Decimal(38, 2)},
		{ID: 4, Name: "day", Type: schema.Timestamp},
		{ID: 5, Name: "list", Type: schema.List(schema.Field{ID: 6, Type: schema.Long})},
	}
	checkRows(t, rowTexts(t, f, &ReadOptions{Fields: wide}),
		"-5 3ff8000000000000 -123 172800000000 [1,null]",
		"null null null null null",
		"2147483647 c000000000000000 99 -86400000000 []")
	wide[3].Type = schema.TimestampNs
	checkRows(t, rowTexts(t, f, &ReadOptions{Fields: wide[3:4]}), "172800000000000", "null", "-86400000000000")
	for _, bad := range []schema.Type{
		schema.TimestampTz, schema.String, schema.Decimal(9, 3), schema.Boolean, schema.UUID,
		schema.List(schema.Field{ID: 9, Type: schema.Int}), schema.Struct(),
	} {
		for _, id := range []int{4, 3} {
			_, err := f.Read(context.Background(), &ReadOptions{Fields: []schema.Field{{ID: id, Name: "x", Type: bad}}})
			if err == nil || !strings.Contains(err.Error(), "cannot be read as") {
				t.Errorf("field %d as %v: %v", id, bad, err)
			}
		}
	}
}

func TestAbsentColumns(t *testing.T) {
	inner := schema.Struct(schema.Field{ID: 3, Name: "a", Type: schema.Int})
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "st", Type: inner},
		schema.Field{ID: 4, Name: "ls", Type: schema.List(schema.Field{ID: 5, Type: schema.Struct(schema.Field{ID: 13, Name: "a", Type: schema.Int})})},
		schema.Field{ID: 6, Name: "gone", Type: schema.String},
	)
	data := writeFile(t, s,
		schema.Row{int64(1), schema.Row{int32(7)}, []any{schema.Row{int32(8)}, nil}, "x"},
		schema.Row{int64(2), nil, nil, "y"},
		schema.Row{int64(3), schema.Row{nil}, []any{}, nil},
	)
	f := openBytes(t, "absent.parquet", data)
	added := schema.Field{ID: 20, Name: "b", Type: schema.String, InitialDefault: "dd", Required: true}
	null := schema.Field{ID: 21, Name: "n", Type: schema.List(schema.Field{ID: 22, Type: schema.Int})}
	fields := []schema.Field{
		{ID: 30, Name: "part", Type: schema.Int},
		{ID: 1, Name: "renamed", Type: schema.Long, Required: true},
		{ID: 2, Name: "st", Type: schema.Struct(added, null)}, // none of its fields is in the file
		{ID: 4, Name: "ls", Type: schema.List(schema.Field{ID: 5, Type: schema.Struct(null, schema.Field{ID: 13, Name: "a", Type: schema.Long}, added)})},
		added,
	}
	opts := &ReadOptions{Fields: fields, Constants: map[int]any{30: int32(5)}, BatchRows: 2}
	checkRows(t, rowTexts(t, f, opts),
		"5 1 {x6464,null} [{null,8,x6464},null] x6464",
		"5 2 null null x6464",
		"5 3 {x6464,null} [] x6464")
	_, err := f.Read(context.Background(), &ReadOptions{Fields: []schema.Field{{ID: 40, Name: "must", Type: schema.Int, Required: true}}})
	if err == nil || !strings.Contains(err.Error(), "required field must") {
		t.Error(err)
	}
	// Without any field the rows are still counted.
	c, err := f.Read(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Next(context.Background(), nil)
	if err != nil || b.NumRows() != 3 || b.NumCols() != 0 {
		t.Fatal(b, err)
	}
}

func TestFilesWithoutIDs(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 7, Name: "a.b", Type: schema.Long},
		schema.Field{ID: 8, Name: "st", Type: schema.Struct(schema.Field{ID: 9, Name: "x", Type: schema.Int})},
		schema.Field{ID: 10, Name: "ls", Type: schema.List(schema.Field{ID: 11, Type: schema.Struct(schema.Field{ID: 12, Name: "y", Type: schema.String})})},
	)
	f := openBytes(t, "noids.parquet", writeFile(t, s, schema.Row{int64(1), schema.Row{int32(2)}, []any{schema.Row{"z"}}}))
	withoutIDs(f)
	if f.HasFieldIDs() {
		t.Error("has ids")
	}
	m := schema.MappingFor(s)
	checkRows(t, rowTexts(t, f, &ReadOptions{Fields: s.Fields, NameMapping: m}), "1 {2} [{x7a}]")
	// By position where there is no mapping: top-level columns are 1, 2, 3 and
	// what is nested goes by name.
	byPosition := slices.Clone(s.Fields)
	for i := range byPosition {
		byPosition[i].ID = i + 1
	}
	checkRows(t, rowTexts(t, f, &ReadOptions{Fields: byPosition}), "1 {2} [{x7a}]")
	checkRows(t, rowTexts(t, f, &ReadOptions{Fields: s.Fields}), "null null null")
	metrics, err := f.Metrics(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(metrics.ValueCounts, manifest.Count{FieldID: 12, N: 1}) || len(metrics.Lower) != 2 {
		t.Errorf("%+v", metrics)
	}
	// A mapping does not count where the file has ids.
	other := schema.MappingFor(schema.MustNew(schema.Field{ID: 8, Name: "a.b", Type: schema.Long}))
	f = openBytes(t, "ids.parquet", writeFile(t, s, schema.Row{int64(1), nil, nil}))
	checkRows(t, rowTexts(t, f, &ReadOptions{Fields: s.Fields[:1], NameMapping: other}), "1")
}

// TestLegacyLists reads the forms of lists parquet-go is made to write.
func TestLegacyLists(t *testing.T) {
	type pair struct {
		X int32  `parquet:"x"`
		Y string `parquet:"y"`
	}
	type one struct {
		X int32 `parquet:"x"`
	}
	type row struct {
		Bare  []int32                     `parquet:"bare"`
		Group []pair                      `parquet:"group"`
		Two   struct{ Array []int32 }     `parquet:"two"`
		Avro  struct{ Array []one }       `parquet:"avro"`
		Tuple struct{ Tuple_tuple []one } `parquet:"tuple"`
		Three struct{ Bag []one }         `parquet:"three"`
	}
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[row](&buf)
	var r row
	r.Bare = []int32{1, 2}
	r.Group = []pair{{3, "p"}}
	r.Two.Array = []int32{4}
	r.Avro.Array = []one{{5}, {6}}
	r.Tuple.Tuple_tuple = []one{{7}}
	r.Three.Bag = []one{{8}, {9}}
	if _, err := w.Write([]row{r, {}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := openBytes(t, "legacy.parquet", buf.Bytes())
	for _, n := range f.root.children {
		switch n.name {
		case "two", "avro", "tuple", "three":
			n.logical.kind = annotList
		}
		for _, c := range n.children {
			switch c.name {
			case "Array":
				c.name = "array"
			case "Tuple_tuple":
				c.name = "tuple_tuple"
			}
		}
	}
	id := func(name string) int {
		return slices.IndexFunc(f.root.children, func(n *node) bool { return n.name == name }) + 1
	}
	elem := func(t schema.Type) schema.Type { return schema.List(schema.Field{ID: 99, Type: t, Required: true}) }
	x := schema.Struct(schema.Field{ID: 50, Name: "x", Type: schema.Int})
	fields := []schema.Field{
		{ID: id("bare"), Name: "bare", Type: elem(schema.Long)},
		{ID: id("group"), Name: "group", Type: elem(schema.Struct(schema.Field{ID: 1, Name: "y", Type: schema.String}, schema.Field{ID: 2, Name: "x", Type: schema.Int}))},
		{ID: id("two"), Name: "two", Type: elem(schema.Int)},
		{ID: id("avro"), Name: "avro", Type: elem(x)},
		{ID: id("tuple"), Name: "tuple", Type: elem(x)},
		{ID: id("three"), Name: "three", Type: elem(schema.Int)},
	}
	checkRows(t, rowTexts(t, f, &ReadOptions{Fields: fields}),
		"[1,2] [{x70,3}] [4] [{5},{6}] [{7}] [8,9]",
		"[] [] [] [] [] []")
}

func TestBitPackedLevels(t *testing.T) {
	// The example of the format's description: 0 to 7 in three bits.
	dst := make([]uint8, 8)
	n, err := bitPackedLevels(dst, []byte{0x05, 0x39, 0x77, 0xff}, 3)
	if err != nil || n != 3 || !slices.Equal(dst, []uint8{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Fatal(dst, n, err)
	}
	if _, err := bitPackedLevels(dst, []byte{1, 2}, 3); err == nil {
		t.Fatal("short data")
	}
}

func TestBigEndian(t *testing.T) {
	for _, c := range []struct {
		b    string
		want int64
		ok   bool
	}{
		{"", 0, true},
		{"\x7f", 127, true},
		{"\xff", -1, true},
		{"\xff\x00", -256, true},
		{"\x00\x80", 128, true},
		{strings.Repeat("\xff", 20) + "\x85", -123, true},
		{strings.Repeat("\x00", 20) + "\x05", 5, true},
		{"\x01" + strings.Repeat("\x00", 16), 0, false},
		{"\x00" + strings.Repeat("\xff", 16), 0, false},
	} {
		v, ok := bigEndian([]byte(c.b))
		if ok != c.ok || ok && v != [2]uint64{uint64(c.want), uint64(c.want >> 63)} {
			t.Errorf("%x: %v %v", c.b, v, ok)
		}
	}
}

func TestLZ4Framings(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	want := make([]byte, 5000)
	for i := range want {
		want[i] = byte(rnd.IntN(4))
	}
	block := func(b []byte) []byte {
		dst := make([]byte, lz4.CompressBlockBound(len(b)))
		n, err := lz4.CompressBlock(b, dst, nil)
		if err != nil {
			t.Fatal(err)
		}
		return dst[:n]
	}
	frame := func(b []byte) []byte {
		c := block(b)
		n, m := len(b), len(c)
		return append([]byte{0, 0, byte(n >> 8), byte(n), 0, 0, byte(m >> 8), byte(m)}, c...)
	}
	for name, src := range map[string][]byte{
		"bare":   block(want),
		"hadoop": append(frame(want[:3000]), frame(want[3000:])...),
	} {
		got := make([]byte, len(want), len(want)+padding)
		if n, err := unlz4(got, src); err != nil || n != len(want) || !bytes.Equal(got, want) {
			t.Errorf("%s: %d %v", name, n, err)
		}
	}
}

func TestMightContain(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "i", Type: schema.Int},
		schema.Field{ID: 2, Name: "s", Type: schema.String},
		schema.Field{ID: 3, Name: "n", Type: schema.Long},
		schema.Field{ID: 4, Name: "d", Type: schema.Decimal(20, 2)},
		schema.Field{ID: 5, Name: "u", Type: schema.UUID},
	)
	var rows []schema.Row
	for i := range 3000 {
		rows = append(rows, schema.Row{
			int32(i * 10), strings.Repeat("k", i%7) + string(rune('a'+i%26)), nil,
			decimal128.FromI64(int64(i)*1000 - 500_000),
			[16]byte{byte(i), byte(i >> 8), 1},
		})
	}
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, &WriterOptions{KeyColumns: []int{1, 2, 3, 4, 5}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(context.Background(), makeBatch(t, s, rows)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := openBytes(t, "bloom.parquet", buf.Bytes())
	ask := func(id int, v any) bool {
		t.Helper()
		ok, err := f.MightContain(context.Background(), 0, id, v)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	for i, r := range rows {
		for k, v := range r {
			if v != nil && !ask(k+1, v) {
				t.Fatalf("row %d, column %d: %v is there", i, k, v)
			}
		}
		if !ask(1, int64(r[0].(int32))) { // as after a promotion to long
			t.Fatal(i)
		}
	}
	wrong := 0
	for i := range 3000 {
		if i%10 != 0 && ask(1, int64(i)) {
			wrong++
		}
	}
	if wrong > 100 {
		t.Errorf("%d of 2700 false positives", wrong)
	}
	for _, c := range []struct {
		id   int
		v    any
		want bool
	}{
		{1, int64(1) << 40, false},
		{1, int32(-1), false},
		{3, int64(5), false},
		{3, nil, true},
		{1, nil, false},
		{2, "zzzzzz", false},
		{9, "x", true},
		{4, decimal128.FromI64(-500_001), false},
		{5, [16]byte{9, 9, 9}, false},
	} {
		if got := ask(c.id, c.v); got != c.want {
			t.Errorf("column %d, %v: %v", c.id, c.v, got)
		}
	}
}

// TestMetricsAgreeWithTheWriter compares what a footer tells with what the
// writer reported.
func TestMetricsAgreeWithTheWriter(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 42))
		id := 0
		fields := []schema.Field{sampleField(rnd, "a", 0, &id), sampleField(rnd, "b", 0, &id)}
		s := schema.MustNew(fields...)
		var rows []schema.Row
		for range 200 {
			rows = append(rows, schema.Row{sampleValue(rnd, fields[0]), sampleValue(rnd, fields[1])})
		}
		var buf bytes.Buffer
		w, err := NewWriter(&buf, s, &WriterOptions{RowGroupRows: 70})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(context.Background(), makeBatch(t, s, rows)); err != nil {
			t.Fatal(err)
		}
		want, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		f := openBytes(t, "m.parquet", buf.Bytes())
		got, err := f.Metrics(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.ValueCounts, want.ValueCounts) || !slices.Equal(got.NullCounts, want.NullCounts) ||
			!slices.Equal(got.ColumnSizes, want.ColumnSizes) {
			t.Errorf("seed %d: counts %+v, writer %+v", seed, got, want.Metrics)
		}
		for _, b := range got.Lower {
			if i := slices.IndexFunc(want.Lower, func(w manifest.Bound) bool { return w.FieldID == b.FieldID }); i >= 0 && !bytes.Equal(want.Lower[i].Value, b.Value) {
				t.Errorf("seed %d: %v lower bound %x, writer %x", seed, fields, b.Value, want.Lower[i].Value)
			}
		}
		for _, b := range got.Upper {
			if i := slices.IndexFunc(want.Upper, func(w manifest.Bound) bool { return w.FieldID == b.FieldID }); i >= 0 && !bytes.Equal(want.Upper[i].Value, b.Value) {
				t.Errorf("seed %d: %v upper bound %x, writer %x", seed, fields, b.Value, want.Upper[i].Value)
			}
		}
	}
}
