package partition

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/twmb/murmur3"

	"github.com/frazildb/frazil/schema"
)

func uuidOf(t testing.TB, s string) (u [16]byte) {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		t.Fatalf("uuid %q: %v", s, err)
	}
	return [16]byte(b)
}

// The vectors of the spec's appendix B.
func TestHashVectors(t *testing.T) {
	ns := int64(1510871468000000) * 1000
	cases := []struct {
		typ  schema.Type
		v    any
		want int32
	}{
		{schema.Int, int32(34), 2017239379},
		{schema.Long, int64(34), 2017239379},
		{schema.Decimal(9, 2), decimal128.FromI64(1420), -500754589},
		{schema.Date, int32(17486), -653330422},
		{schema.Time, int64(81068000000), -662762989},
		{schema.Timestamp, int64(1510871468000000), -2047944441},
		{schema.TimestampTz, int64(1510871468000000), -2047944441},
		{schema.TimestampNs, ns, -2047944441},
		{schema.TimestampTzNs, ns + 999, -2047944441},
		{schema.String, "iceberg", 1210000089},
		{schema.UUID, uuidOf(t, "f79c3e09-677c-4bbd-a479-3f349cb785e7"), 1488055340},
		{schema.Fixed(4), []byte{0, 1, 2, 3}, -188683207},
		{schema.Binary, []byte{0, 1, 2, 3}, -188683207},
	}
	for _, c := range cases {
		got, ok := Hash(c.typ, c.v)
		if !ok || int32(got) != c.want {
			t.Errorf("hash of %v %v: %d, want %d", c.typ.Kind, c.v, int32(got), c.want)
		}
	}
}

func TestHashAgainstOtherImplementation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if got, want := hashBytes(b), murmur3.Sum32(b); got != want {
			t.Fatalf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

func TestApply(t *testing.T) {
	dec := func(n int64) schema.Unscaled { return decimal128.FromI64(n) }
	cases := []struct {
		transform string
		typ       schema.Type
		in, want  any
	}{
		{"truncate[10]", schema.Int, int32(1), int32(0)},
		{"truncate[10]", schema.Int, int32(-1), int32(-10)},
		{"truncate[10]", schema.Long, int64(-11), int64(-20)},
		{"truncate[10]", schema.Long, int64(10), int64(10)},
		{"truncate[50]", schema.Decimal(9, 2), dec(1065), dec(1050)},
		{"truncate[10]", schema.Decimal(9, 2), dec(-5), dec(-10)},
		{"truncate[3]", schema.String, "iceberg", "ice"},
		{"truncate[2]", schema.String, "é😀x", "é😀"},
		{"truncate[3]", schema.Binary, []byte{1, 2, 3, 4}, []byte{1, 2, 3}},
		{"year", schema.Date, int32(-1), int32(-1)},
		{"month", schema.Date, int32(-1), int32(-1)},
		{"day", schema.Date, int32(-1), int32(-1)},
		{"year", schema.Timestamp, int64(-1), int32(-1)},
		{"month", schema.Timestamp, int64(-1), int32(-1)},
		{"day", schema.Timestamp, int64(-1), int32(-1)},
		{"hour", schema.Timestamp, int64(-1), int32(-1)},
		{"hour", schema.TimestampNs, int64(-1), int32(-1)},
		{"year", schema.Timestamp, int64(1510871468000000), int32(47)},
		{"month", schema.Timestamp, int64(1510871468000000), int32(574)},
		{"day", schema.TimestampTz, int64(1510871468000000), int32(17486)},
		{"hour", schema.TimestampTz, int64(1510871468000000), int32(419686)},
		{"hour", schema.TimestampTzNs, int64(1510871468000000001), int32(419686)},
		{"bucket[16]", schema.Long, int64(34), int32(2017239379 % 16)},
		{"bucket[10]", schema.Date, int32(17486), int32((-653330422 & 0x7fffffff) % 10)},
		{"void", schema.Long, int64(34), nil},
		{"identity", schema.String, "x", "x"},
		{"zorder[3]", schema.String, "x", nil},
		{"bucket[4]", schema.String, nil, nil},
	}
	for _, c := range cases {
		got := ParseTransform(c.transform).Apply(c.typ, c.in)
		if fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", c.want, c.want) {
			t.Errorf("%s(%v): %T %v, want %T %v", c.transform, c.in, got, got, c.want, c.want)
		}
	}
}

func TestExtremesDoNotPanic(t *testing.T) {
	for _, name := range []string{"bucket[2147483647]", "truncate[2147483647]", "truncate[1]", "year", "month", "day", "hour"} {
		tr := ParseTransform(name)
		for _, v := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, math.MaxInt64} {
			for _, typ := range []schema.Type{schema.Long, schema.Timestamp, schema.TimestampNs} {
				tr.Apply(typ, v)
				tr.Human(typ, v)
			}
			tr.Apply(schema.Date, int32(v))
			tr.Apply(schema.Decimal(38, 0), decimal128.New(v, uint64(v)))
		}
	}
}

func TestTransformText(t *testing.T) {
	for _, s := range []string{"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour", "void", "zorder[2]", "bucket[0]", "bucket[-1]", "bucket[99999999999]", "bucket[", ""} {
		if got := ParseTransform(s).String(); got != s {
			t.Errorf("%q reads and writes as %q", s, got)
		}
	}
	for s, kind := range map[string]TransformKind{"Bucket[4]": BucketTransform, "DAY": DayTransform, "bucket[0]": UnknownTransform, "bucket[x]": UnknownTransform} {
		if got := ParseTransform(s).Kind; got != kind {
			t.Errorf("%q has kind %d, want %d", s, got, kind)
		}
	}
}

func TestResultType(t *testing.T) {
	all := []schema.Type{
		schema.Boolean, schema.Int, schema.Long, schema.Float, schema.Double, schema.Decimal(9, 2), schema.Date,
		schema.Time, schema.Timestamp, schema.TimestampTz, schema.TimestampNs, schema.TimestampTzNs, schema.String,
		schema.UUID, schema.Fixed(4), schema.Binary, schema.Unknown, schema.Variant,
		{Kind: schema.KindGeometry},
		{Kind: schema.KindGeography},
	}
	// One letter a type: the kind of result, - for refused, s for the source's.
	want := map[string]string{
		"identity":    "sssssssssssssssss---",
		"bucket[4]":   "-ii--iiiiiiiiiii----",
		"truncate[4]": "-ss--s------s--s----",
		"year":        "------i-iiii--------",
		"month":       "------i-iiii--------",
		"day":         "------d-dddd--------",
		"hour":        "--------iiii--------",
		"void":        "ssssssssssssssssssss",
	}
	for name, letters := range want {
		for i, src := range all {
			got, err := ParseTransform(name).ResultType(src)
			ok := map[byte]bool{
				'-': err != nil,
				's': err == nil && got.Kind == src.Kind,
				'i': err == nil && got.Kind == schema.KindInt,
				'd': err == nil && got.Kind == schema.KindDate,
			}[letters[i]]
			if !ok {
				t.Errorf("%s of kind %d: kind %d, %v; want %c", name, src.Kind, got.Kind, err, letters[i])
			}
		}
	}
}

func TestKey(t *testing.T) {
	s := Spec{Fields: make([]Field, 1)}
	nan2 := math.Float64frombits(0x7ff8000000000001)
	same := [][2]any{
		{int32(1), int64(1)},
		{math.NaN(), nan2},
		{float32(math.NaN()), math.NaN()},
		{float32(0.5), 0.5},
		{[]byte("a"), []byte("a")},
	}
	for _, p := range same {
		if s.Key(Tuple{p[0]}) != s.Key(Tuple{p[1]}) {
			t.Errorf("keys of %v and %v differ", p[0], p[1])
		}
	}
	distinct := []any{
		nil, int64(0), 0.0, math.Copysign(0, -1), math.NaN(), "", "0",
		[]byte{},
		[]byte("0"), false, true,
		decimal128.FromI64(0),
		[16]byte{},
		int64(1), decimal128.FromI64(-1),
	}
	seen := map[string]any{}
	for _, v := range distinct {
		k := s.Key(Tuple{v})
		if o, ok := seen[k]; ok {
			t.Errorf("%T %v and %T %v share a key", v, v, o, o)
		}
		seen[k] = v
	}
	if s.Key(nil) != s.Key(Tuple{nil}) {
		t.Error("a missing value is not null")
	}
	two := Spec{Fields: make([]Field, 2)}
	if two.Key(Tuple{"a", "bc"}) == two.Key(Tuple{"ab", "c"}) {
		t.Error("neighbouring strings run together")
	}
}

// TestLongPath: names of directories stay within what file systems take, and
// differ where the values do.
func TestLongPath(t *testing.T) {
	s := Spec{Fields: []Field{{SourceIDs: []int{1}, FieldID: 1000, Name: "v", Transform: Transform{Kind: IdentityTransform}}}}
	seen := map[string]bool{}
	for _, end := range []string{"", "a", "b"} {
		for _, c := range []string{"x", "é"} {
			p := s.Path(testSchema(), Tuple{strings.Repeat(c, 400) + end})
			if len(p) > 255 || seen[p] || !strings.HasPrefix(p, "v=") {
				t.Errorf("path of %d bytes: %s", len(p), p)
			}
			if i := strings.LastIndexByte(p, '%'); i >= 0 && len(p) < i+3 {
				t.Errorf("cut within an escape: %s", p)
			}
			seen[p] = true
		}
	}
}

func TestHuman(t *testing.T) {
	cases := []struct {
		transform string
		result    schema.Type
		v         any
		want      string
	}{
		{"year", schema.Int, int32(47), "2017"},
		{"month", schema.Int, int32(-1), "1969-12"},
		{"month", schema.Int, int32(574), "2017-11"},
		{"day", schema.Date, int32(-56445), "1815-06-18"},
		{"hour", schema.Int, int32(-1), "1969-12-31-23"},
		{"identity", schema.Date, int32(0), "1970-01-01"},
		{"identity", schema.Time, int64(43200000000), "12:00"},
		{"identity", schema.Time, int64(1), "00:00:00.000001"},
		{"identity", schema.Time, int64(1000), "00:00:00.001"},
		{"identity", schema.Timestamp, int64(-1), "1969-12-31T23:59:59.999999"},
		{"identity", schema.TimestampTz, int64(0), "1970-01-01T00:00Z"},
		{"identity", schema.TimestampNs, int64(1), "1970-01-01T00:00:00.000000001"},
		{"identity", schema.Binary, []byte{1, 2}, "AQI="},
		{"identity", schema.Decimal(9, 2), decimal128.FromI64(-5), "-0.05"},
		{"identity", schema.Boolean, true, "true"},
		{"identity", schema.Double, 1.0, "1.0"},
		{"identity", schema.Double, math.Copysign(0, -1), "-0.0"},
		{"identity", schema.Double, math.SmallestNonzeroFloat64, "5.0E-324"},
		{"identity", schema.Double, -1.25e100, "-1.25E100"},
		{"identity", schema.Double, 1e7, "1.0E7"},
		{"identity", schema.Float, float32(1234567), "1234567.0"},
		{"identity", schema.Float, float32(math.MaxFloat32), "3.4028235E38"},
		{"identity", schema.Float, float32(math.Inf(1)), "Infinity"},
		{"identity", schema.Double, math.Inf(-1), "-Infinity"},
		{"identity", schema.Double, math.NaN(), "NaN"},
		{"identity", schema.String, nil, "null"},
		{"identity", schema.UUID, uuidOf(t, "f79c3e09-677c-4bbd-a479-3f349cb785e7"), "f79c3e09-677c-4bbd-a479-3f349cb785e7"},
		{"bucket[4]", schema.Int, int32(3), "3"},
	}
	for _, c := range cases {
		if got := ParseTransform(c.transform).Human(c.result, c.v); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.transform, c.v, got, c.want)
		}
	}
	var b strings.Builder
	escapePath(&b, "a/b=c d%é*-_.😀")
	if b.String() != "a%2Fb%3Dc+d%25%C3%A9*-_.%F0%9F%98%80" {
		t.Errorf("escaped: %s", b.String())
	}
}
