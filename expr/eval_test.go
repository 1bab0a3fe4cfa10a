package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

// kind is a column type of the random tests: values from a small range, so that
// predicates hit, and the transforms it can be partitioned by.
type kind struct {
	typ        schema.Type
	transforms string
	random     func(*rand.Rand) any
}

var kinds = []kind{
	{schema.Boolean, "identity", func(r *rand.Rand) any { return r.IntN(2) == 0 }},
	{schema.Int, "identity bucket[3] truncate[4]", func(r *rand.Rand) any {
		return []int32{int32(r.IntN(20) - 10), int32(r.IntN(20) - 10), math.MinInt32 + int32(r.IntN(6)), math.MaxInt32 - int32(r.IntN(6))}[r.IntN(4)]
	}},
	{schema.Long, "identity bucket[3] truncate[4]", func(r *rand.Rand) any {
		return []int64{r.Int64N(20) - 10, r.Int64N(20) - 10, math.MinInt64 + r.Int64N(6), math.MaxInt64 - r.Int64N(6)}[r.IntN(4)]
	}},
	{schema.Float, "identity", func(r *rand.Rand) any {
		return []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), 1, -1, 1.5, float32(math.Inf(1)), float32(math.Inf(-1))}[r.IntN(8)]
	}},
	{schema.Double, "identity", func(r *rand.Rand) any {
		return []float64{0, math.Copysign(0, -1), math.NaN(), 1, -1, 1.5, math.Inf(1), math.Inf(-1)}[r.IntN(8)]
	}},
	{schema.Decimal(9, 2), "identity bucket[3] truncate[30]", func(r *rand.Rand) any { return decimal128.FromI64(r.Int64N(200) - 100) }},
	{schema.Date, "identity bucket[3] year month day", func(r *rand.Rand) any { return int32(r.IntN(1000) - 500) }},
	{schema.Time, "identity bucket[3]", func(r *rand.Rand) any { return r.Int64N(5) }},
	{schema.Timestamp, "identity bucket[3] year month day hour", func(r *rand.Rand) any { return (r.Int64N(400)-200)*9e11 + r.Int64N(3) - 1 }},
	{schema.TimestampTzNs, "identity bucket[3] year month day hour", func(r *rand.Rand) any { return (r.Int64N(400)-200)*9e14 + r.Int64N(3) - 1 }},
	{schema.String, "identity bucket[3] truncate[2]", func(r *rand.Rand) any {
		return []string{"", "a", "ab", "abc", "abd", "é😀x", "é😀", "éé", "b", "\U0010ffff\U0010ffffz"}[r.IntN(10)]
	}},
	{schema.Binary, "identity bucket[3] truncate[2]", func(r *rand.Rand) any { return []byte{255, byte(r.IntN(3)) * 127, byte(r.IntN(3))}[:r.IntN(4)] }},
	{schema.Fixed(2), "identity bucket[3]", func(r *rand.Rand) any { return []byte{255, byte(r.IntN(4))} }},
	{schema.UUID, "identity bucket[3]", func(r *rand.Rand) any { return [16]byte{byte(r.IntN(2)) * 255, byte(r.IntN(3))} }},
}

// table is a random table of one to four columns.
type table struct {
	schema *schema.Schema
	kinds  []kind
	rows   []schema.Row
}

func randomTable(r *rand.Rand, rows int) *table {
	t := &table{}
	var fields []schema.Field
	for i := range 1 + r.IntN(4) {
		k := kinds[r.IntN(len(kinds))]
		t.kinds = append(t.kinds, k)
		fields = append(fields, schema.Field{ID: i + 1, Name: fmt.Sprint("c", i), Type: k.typ})
	}
	t.schema = schema.MustNew(fields...)
	for range rows {
		row := make(schema.Row, len(fields))
		for i, k := range t.kinds {
			if r.IntN(5) > 0 {
				row[i] = k.random(r)
			}
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// randomExpr makes a predicate over the table's columns.
func (t *table) randomExpr(r *rand.Rand, depth int) Expr {
	if depth > 0 && r.IntN(2) == 0 {
		a, b := t.randomExpr(r, depth-1), t.randomExpr(r, depth-1)
		switch r.IntN(3) {
		case 0:
			return And(a, b)
		case 1:
			return Or(a, b)
		}
		return Not(a)
	}
	i := r.IntN(len(t.kinds))
	name, k := fmt.Sprint("c", i), t.kinds[i]
	v := func() any { return k.random(r) }
	switch n := r.IntN(14); {
	case n < 6:
		return leaf([]op{opEq, opNe, opLt, opLe, opGt, opGe}[n], name, v())
	case n < 8:
		set := make([]any, 1+r.IntN(12))
		for j := range set {
			set[j] = v()
		}
		return leaf([]op{opIn, opNotIn}[n-6], name, set...)
	case n == 8:
		return IsNull(name)
	case n == 9:
		return NotNull(name)
	case isFloat(k.typ):
		return leaf([]op{opIsNaN, opNotNaN}[n%2], name)
	case k.typ.Kind == schema.KindString:
		return leaf([]op{opStartsWith, opNotStartsWith}[n%2], name, v())
	}
	return Between(name, v(), v())
}

func (t *table) getter(row schema.Row) func(int) any {
	return func(id int) any { return row[id-1] }
}

func newRand(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestEvalAgreesWithRows evaluates random predicates over random batches, also
// sliced and dictionary-encoded ones, and compares with the evaluation of rows.
func TestEvalAgreesWithRows(t *testing.T) {
	rng := newRand(t)
	for range 400 {
		n, skip := rng.IntN(200), rng.IntN(70)
		tab := randomTable(rng, n+skip)
		batch, err := schema.RowsToBatch(tab.schema, tab.rows, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		batch = batch.NewSlice(int64(skip), int64(n+skip))
		rows := tab.rows[skip:]
		e := tab.randomExpr(rng, 3)
		b, err := Bind(e, tab.schema, false)
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		cols := func(id int) arrow.Array { return batch.Column(id - 1) }
		if rng.IntN(3) == 0 {
			cols = func(id int) arrow.Array { return encoded(batch.Column(id - 1)) }
		}
		dst := bitmap.NewSet(n)
		if err := b.Eval(cols, n, dst); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		count := 0
		for i, row := range rows {
			want := b.EvalRow(tab.getter(row))
			if dst.Get(i) != want {
				t.Fatalf("%s on row %d %v: %v, want %v", b, i, row, dst.Get(i), want)
			}
			count += boolInt(want)
		}
		if dst.Count() != count {
			t.Fatalf("%s: bits beyond the rows", b)
		}
	}
}

// encoded returns a dictionary array with one entry a row, in reverse, and a
// dictionary entry that no row uses.
func encoded(a arrow.Array) arrow.Array {
	idx := array.NewInt32Builder(memory.DefaultAllocator)
	for i := range a.Len() {
		if a.IsNull(i) {
			idx.AppendNull()
		} else {
			idx.Append(int32(i))
		}
	}
	return array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: a.DataType()}, idx.NewArray(), a)
}

// TestMeaning checks the meaning of predicates against a plain reading of
// SQL with NaN as the greatest number.
func TestMeaning(t *testing.T) {
	nan, zero, minus := math.NaN(), 0.0, math.Copysign(0, -1)
	cases := []struct {
		where string
		typ   schema.Type
		in    []any
		want  string // one letter a value: t or f
	}{
		{"c = 1", schema.Double, []any{1.0, nan, nil, 2.0}, "tfff"},
		{"c <> 1", schema.Double, []any{1.0, nan, nil, 2.0}, "ftft"},
		{"NOT c = 1", schema.Double, []any{1.0, nan, nil, 2.0}, "ftft"},
		{"c > 1", schema.Double, []any{1.0, nan, nil, 2.0, math.Inf(1)}, "ftftt"},
		{"NOT c > 1", schema.Double, []any{1.0, nan, nil, 2.0}, "tfff"},
		{"c < 'Infinity'", schema.Double, []any{1.0, nan, nil, math.Inf(1)}, "tfff"},
		{"c = 'NaN'", schema.Float, []any{float32(1), float32(nan), nil}, "ftf"},
		{"c <= 'NaN'", schema.Double, []any{1.0, nan, nil}, "ttf"},
		{"c = 0", schema.Double, []any{zero, minus, nil}, "ttf"},
		{"c IN (0, 5)", schema.Double, []any{zero, minus, nil, nan}, "ttff"},
		{"c < 0", schema.Double, []any{zero, minus}, "ff"},
		{"c IS NAN", schema.Double, []any{1.0, nan, nil}, "ftf"},
		{"c IS NOT NAN", schema.Double, []any{1.0, nan, nil}, "tft"},
		{"NOT c IS NAN", schema.Double, []any{1.0, nan, nil}, "tft"},
		{"c IS NULL", schema.Double, []any{1.0, nan, nil}, "fft"},
		{"c NOT IN (1, 'NaN')", schema.Double, []any{1.0, nan, nil, 2.0}, "ffft"},
		{"c IN (1, NULL)", schema.Long, []any{int64(1), int64(2), nil}, "tff"},
		{"c NOT IN (1, NULL)", schema.Long, []any{int64(1), int64(2), nil}, "fff"},
		{"c LIKE 'a%'", schema.String, []any{"a", "ab", "b", nil, ""}, "ttfff"},
		{"c NOT LIKE 'a%'", schema.String, []any{"a", "ab", "b", nil, ""}, "fftft"},
		{"c BETWEEN 'a' AND 'b'", schema.String, []any{"a", "é", "b", "ba", nil}, "tftff"},
		{"c > 'z'", schema.String, []any{"a", "é", "😀"}, "ftt"},
		{"c", schema.Boolean, []any{true, false, nil}, "tff"},
		{"NOT c", schema.Boolean, []any{true, false, nil}, "ftf"},
		{"c < TRUE", schema.Boolean, []any{true, false, nil}, "ftf"},
		{"c >= FALSE", schema.Boolean, []any{true, false, nil}, "ttf"},
	}
	for _, c := range cases {
		s := schema.MustNew(schema.Field{ID: 1, Name: "c", Type: c.typ})
		e, err := Parse(c.where)
		if err != nil {
			t.Fatalf("%s: %v", c.where, err)
		}
		b, err := Bind(e, s, false)
		if err != nil {
			t.Fatalf("%s: %v", c.where, err)
		}
		var got strings.Builder
		for _, v := range c.in {
			got.WriteByte("ft"[boolInt(b.EvalRow(func(int) any { return v }))])
		}
		if got.String() != c.want {
			t.Errorf("%s on %v: %s, want %s", c.where, c.in, got.String(), c.want)
		}
	}
}

func TestEvalMissingColumn(t *testing.T) {
	s := testSchema()
	for where, want := range map[string]int{"i = 1": 0, "i <> 1": 0, "i IS NULL": 70, "d IS NOT NAN": 70, "i = 1 OR d IS NULL": 70} {
		e, err := Parse(where)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Bind(e, s, false)
		if err != nil {
			t.Fatal(err)
		}
		dst := bitmap.New(70)
		if err := b.Eval(func(int) arrow.Array { return nil }, 70, dst); err != nil || dst.Count() != want {
			t.Errorf("%s: %d, %v", where, dst.Count(), err)
		}
	}
	b, err := Bind(Eq("i", 1), s, false)
	if err != nil {
		t.Fatal(err)
	}
	wrong := array.NewStringBuilder(memory.DefaultAllocator)
	wrong.Append("x")
	if err := b.Eval(func(int) arrow.Array { return wrong.NewArray() }, 1, bitmap.New(1)); err == nil {
		t.Error("a column of another type is evaluated")
	}
	short := array.NewInt32Builder(memory.DefaultAllocator)
	if err := b.Eval(func(int) arrow.Array { return short.NewArray() }, 1, bitmap.New(1)); err == nil {
		t.Error("a short column is evaluated")
	}
}
