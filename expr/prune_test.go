package expr

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// fileMetrics are statistics as a careful but lazy writer leaves them.
type fileMetrics struct {
	rows                int64
	values, nulls, nans map[int]int64
	lower, upper        map[int][]byte
}

func (m *fileMetrics) Rows() int64                           { return m.rows }
func (m *fileMetrics) ValueCount(id int) (int64, bool)       { v, ok := m.values[id]; return v, ok }
func (m *fileMetrics) NullCount(id int) (int64, bool)        { v, ok := m.nulls[id]; return v, ok }
func (m *fileMetrics) NaNCount(id int) (int64, bool)         { v, ok := m.nans[id]; return v, ok }
func (m *fileMetrics) LowerBound(id int) (b []byte, ok bool) { b, ok = m.lower[id]; return b, ok }
func (m *fileMetrics) UpperBound(id int) (b []byte, ok bool) { b, ok = m.upper[id]; return b, ok }

// measure makes the statistics of rows, leaving out and truncating at random.
func measure(t testing.TB, r *rand.Rand, tab *table, rows []schema.Row) *fileMetrics {
	m := &fileMetrics{
		rows: int64(len(rows)), values: map[int]int64{}, nulls: map[int]int64{}, nans: map[int]int64{},
		lower: map[int][]byte{}, upper: map[int][]byte{},
	}
	if r.IntN(8) == 0 {
		m.rows = -1
	}
	for i, k := range tab.kinds {
		nulls, nans := int64(0), int64(0)
		var lo, hi any
		for _, row := range rows {
			switch v := row[i]; {
			case v == nil:
				nulls++
			case schema.IsNaN(v):
				nans++
			default:
				if lo == nil || schema.Compare(k.typ, v, lo) < 0 {
					lo = v
				}
				if hi == nil || schema.Compare(k.typ, v, hi) > 0 {
					hi = v
				}
			}
		}
		if r.IntN(4) > 0 {
			m.values[i+1] = int64(len(rows))
		}
		if r.IntN(4) > 0 {
			m.nulls[i+1] = nulls
		}
		if isFloat(k.typ) && r.IntN(4) > 0 {
			m.nans[i+1] = nans
		}
		if lo != nil {
			bounds(t, r, m, i+1, k.typ, lo, hi)
		}
	}
	return m
}

func bounds(t testing.TB, r *rand.Rand, m *fileMetrics, id int, typ schema.Type, lo, hi any) {
	ok := true
	if r.IntN(3) == 0 {
		lo = schema.TruncateLower(typ, lo, 1)
		hi, ok = schema.TruncateUpper(typ, hi, 1)
	}
	if r.IntN(5) > 0 {
		m.lower[id] = encodeBound(t, typ, lo)
	}
	if ok && r.IntN(5) > 0 {
		m.upper[id] = encodeBound(t, typ, hi)
	}
	if r.IntN(20) == 0 {
		m.lower[id] = []byte{1, 2, 3, 4, 5} // nonsense for most types
		if k := typ.Kind; k == schema.KindString || k == schema.KindBinary || k == schema.KindDecimal {
			delete(m.lower, id)
		}
	}
}

func encodeBound(t testing.TB, typ schema.Type, v any) []byte {
	b, err := schema.EncodeBound(typ, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPruningKeepsMatches is the promise of this package: neither statistics nor
// partitions ever drop a row that matches, and what is said to match wholly does.
func TestPruningKeepsMatches(t *testing.T) {
	rng := newRand(t)
	pruned, certain, kept := 0, 0, 0
	for range 3000 {
		tab := randomTable(rng, 1+rng.IntN(12))
		e := tab.randomExpr(rng, 2)
		b, err := Bind(e, tab.schema, false)
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		hits := 0
		for _, row := range tab.rows {
			hits += boolInt(b.EvalRow(tab.getter(row)))
		}
		m := measure(t, rng, tab, tab.rows)
		might, all := b.MightMatch(m), b.AllMatch(m)
		if !might && hits > 0 {
			t.Fatalf("%s: pruned by %+v\nrows %v", b, m, tab.rows)
		}
		if all && hits < len(tab.rows) {
			t.Fatalf("%s: all rows are said to match by %+v\nrows %v", b, m, tab.rows)
		}
		pruned, certain, kept = pruned+boolInt(!might), certain+boolInt(all), kept+boolInt(might)
	}
	t.Logf("%d pruned, %d certain, %d kept", pruned, certain, kept)
	if pruned < 200 || certain < 50 {
		t.Errorf("only %d pruned and %d certain: the test tests nothing", pruned, certain)
	}
}

func randomSpec(r *rand.Rand, tab *table) partition.Spec {
	var spec partition.Spec
	for i := range 1 + r.IntN(3) {
		c := r.IntN(len(tab.kinds))
		names := strings.Fields(tab.kinds[c].transforms + " void zorder[2]")
		spec.Fields = append(spec.Fields, partition.Field{
			SourceIDs: []int{c + 1}, FieldID: 1000 + i, Name: fmt.Sprint("p", i), Transform: partition.ParseTransform(names[r.IntN(len(names))]),
		})
	}
	return spec
}

func TestPartitionPruningKeepsMatches(t *testing.T) {
	rng := newRand(t)
	pruned, certain, manifests := 0, 0, 0
	for range 3000 {
		tab := randomTable(rng, 1+rng.IntN(8))
		e := tab.randomExpr(rng, 2)
		b, err := Bind(e, tab.schema, false)
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		spec := randomSpec(rng, tab)
		inclusive, strict := b.Project(spec, tab.schema, true), b.Project(spec, nil, false)
		var tuples []partition.Tuple
		anyKept := false
		for _, row := range tab.rows {
			tuple := make(partition.Tuple, len(spec.Fields))
			for i, f := range spec.Fields {
				id := f.SourceIDs[0]
				tuple[i] = f.Transform.Apply(tab.kinds[id-1].typ, row[id-1])
			}
			tuples = append(tuples, tuple)
			hit := b.EvalRow(tab.getter(row))
			keep, sure := inclusive.KeepTuple(tuple), strict.KeepTuple(tuple)
			if hit && !keep {
				t.Fatalf("%s by %v: row %v pruned with tuple %v\nfilter %s", b, spec, row, tuple, inclusive.root)
			}
			if !hit && sure {
				t.Fatalf("%s by %v: row %v is said to match with tuple %v\nfilter %s", b, spec, row, tuple, strict.root)
			}
			anyKept = anyKept || keep
			pruned, certain = pruned+boolInt(!keep), certain+boolInt(sure)
		}
		sums := summarise(t, rng, spec, tab, tuples)
		if mk := inclusive.KeepSummaries(sums); !mk && anyKept {
			t.Fatalf("%s by %v: tuples %v pruned by summaries %+v", b, spec, tuples, sums)
		} else if !mk {
			manifests++
		}
	}
	t.Logf("%d tuples pruned, %d certain, %d manifests pruned", pruned, certain, manifests)
	if pruned < 1000 || certain < 100 || manifests < 50 {
		t.Error("the test tests nothing")
	}
}

func summarise(t testing.TB, r *rand.Rand, spec partition.Spec, tab *table, tuples []partition.Tuple) []Summary {
	sums := make([]Summary, len(spec.Fields))
	types := spec.Types(tab.schema)
	for i := range sums {
		var lo, hi any
		nan := false
		for _, tuple := range tuples {
			switch v := tuple[i]; {
			case v == nil:
				sums[i].ContainsNull = true
			case schema.IsNaN(v):
				nan = true
			default:
				if lo == nil || schema.Compare(types[i], v, lo) < 0 {
					lo = v
				}
				if hi == nil || schema.Compare(types[i], v, hi) > 0 {
					hi = v
				}
			}
		}
		if r.IntN(3) > 0 {
			sums[i].ContainsNaN = &nan
		}
		if lo != nil {
			sums[i].Lower, sums[i].Upper = encodeBound(t, types[i], lo), encodeBound(t, types[i], hi)
		}
	}
	return sums
}

func TestProject(t *testing.T) {
	s := testSchema()
	cases := []struct{ where, terms, inclusive, strict string }{
		{"i = 5", "i", "i = 5", "i = 5"},
		{"i = 5 AND l > 3", "i", "i = 5", "FALSE"},
		{"i = 5 OR l > 3", "i", "TRUE", "i = 5"},
		{"s = 'iceberg'", "bucket(16, s)", "s_bucket = 9", "FALSE"},
		{"s <> 'iceberg'", "bucket(16, s)", "TRUE", "s_bucket <> 9"},
		{"s IS NULL", "bucket(16, s)", "s_bucket IS NULL", "s_bucket IS NULL"},
		{"s > 'x'", "bucket(16, s)", "TRUE", "FALSE"},
		{"l < 100", "truncate(10, l)", "l_trunc <= 90 OR l_trunc > 9223372036854775797", "l_trunc < 100"},
		{"l >= 100", "truncate(10, l)", "l_trunc >= 100", "l_trunc > 90 AND l_trunc <= 9223372036854775797"},
		{"s LIKE 'ab%'", "truncate(3, s)", "s_trunc LIKE 'ab%'", "s_trunc LIKE 'ab%'"},
		{"s LIKE 'abcd%'", "truncate(3, s)", "s_trunc = 'abc'", "FALSE"},
		{"s NOT LIKE 'abcd%'", "truncate(3, s)", "TRUE", "s_trunc <> 'abc'"},
		{"ts < '2026-01-02'", "day(ts)", "ts_day <= '2026-01-01'", "ts_day < '2026-01-02'"},
		{"ts >= '2026-01-02' AND ts < '2026-01-03'", "day(ts)", "ts_day >= '2026-01-02' AND ts_day <= '2026-01-02'", "ts_day > '2026-01-01' AND ts_day < '2026-01-03'"},
		{"dt = '1969-12-30'", "day(dt)", "dt_day IN ('1969-12-30', '1969-12-31')", "FALSE"},
		{"dt = '2026-05-17'", "month(dt)", "dt_month = 676", "FALSE"},
		{"i = 5", "void(i)", "TRUE", "FALSE"},
		{"i = 5", "i, bucket(4, i) as bb", "i = 5 AND bb = 3", "i = 5"},
		{"FALSE", "i", "FALSE", "FALSE"},
	}
	for _, c := range cases {
		e, err := Parse(c.where)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Bind(e, s, false)
		if err != nil {
			t.Fatal(err)
		}
		fields, err := partition.Parse(c.terms)
		if err != nil {
			t.Fatal(err)
		}
		spec, _, err := partition.Bind(fields, s, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Project(spec, s, true).root.String(); got != c.inclusive {
			t.Errorf("%s by %s: inclusive %s, want %s", c.where, c.terms, got, c.inclusive)
		}
		if got := b.Project(spec, s, false).root.String(); got != c.strict {
			t.Errorf("%s by %s: strict %s, want %s", c.where, c.terms, got, c.strict)
		}
	}
}

// A tuple of a column's older type, or a missing value, decides nothing.
func TestOldTuples(t *testing.T) {
	s := schema.MustNew(schema.Field{ID: 1, Name: "ts", Type: schema.Timestamp}, schema.Field{ID: 2, Name: "l", Type: schema.Long})
	spec := partition.Spec{Fields: []partition.Field{
		{SourceIDs: []int{1}, Name: "ts", Transform: partition.ParseTransform("identity")},
		{SourceIDs: []int{2}, Name: "l", Transform: partition.ParseTransform("identity")},
	}}
	b, err := Bind(And(Eq("ts", "2026-01-01"), Eq("l", 5)), s, false)
	if err != nil {
		t.Fatal(err)
	}
	in, strict := b.Project(spec, s, true), b.Project(spec, s, false)
	for _, tuple := range []partition.Tuple{{int32(7), int32(5)}, {}, {"x", int64(5)}} {
		if !in.KeepTuple(tuple) || strict.KeepTuple(tuple) {
			t.Errorf("tuple %v: %v, %v", tuple, in.KeepTuple(tuple), strict.KeepTuple(tuple))
		}
	}
	if in.KeepTuple(partition.Tuple{int32(7), int32(6)}) {
		t.Error("an int tuple of a long column is not used")
	}
	if !in.KeepSummaries(nil) {
		t.Error("missing summaries prune")
	}
}

func TestMightMatch(t *testing.T) {
	typ := schema.Double
	s := schema.MustNew(schema.Field{ID: 1, Name: "c", Type: typ}, schema.Field{ID: 2, Name: "s", Type: schema.String}, schema.Field{ID: 3, Name: "l", Type: schema.Long})
	m := &fileMetrics{
		rows: 10, values: map[int]int64{1: 10, 2: 10, 3: 10}, nulls: map[int]int64{1: 0, 2: 10, 3: 0}, nans: map[int]int64{1: 1},
		lower: map[int][]byte{1: encodeBound(t, typ, 1.0), 3: {5, 0, 0, 0}}, upper: map[int][]byte{1: encodeBound(t, typ, 2.0), 3: {9, 0, 0, 0}},
	}
	cases := []struct {
		where      string
		might, all bool
	}{
		{"c = 3", false, false},
		{"c > 3", true, false}, // the NaN
		{"c >= 1", true, true},
		{"c < 1", false, false},
		{"c <= 2", true, false},
		{"c <> 7", true, true},
		{"c IS NAN", true, false},
		{"c IN (0, 3)", false, false},
		{"c IS NULL", false, false},
		{"s = 'x'", false, false},
		{"s <> 'x'", false, false},
		{"s IS NULL", true, true},
		{"s IS NOT NULL", false, false},
		{"l > 4", true, true}, // bounds from before the promotion of int to long
		{"l > 9", false, false},
		{"l NOT IN (1, 2, 10)", true, true},
		{"l IN (6)", true, false},
		{"TRUE", true, true},
		{"FALSE", false, false},
	}
	for _, c := range cases {
		e, err := Parse(c.where)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Bind(e, s, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.MightMatch(m); got != c.might {
			t.Errorf("%s might match: %v", c.where, got)
		}
		if got := b.AllMatch(m); got != c.all {
			t.Errorf("%s matches all: %v", c.where, got)
		}
	}
	bad := &fileMetrics{rows: 10, lower: map[int][]byte{3: {9, 0, 0, 0}, 1: {0, 0, 0, 0, 0, 0, 0xf8, 0x7f}}, upper: map[int][]byte{3: {5, 0, 0, 0}}, values: map[int]int64{3: 4}, nulls: map[int]int64{3: 4}}
	for _, where := range []string{"l = 7", "c < -5", "l = 100"} {
		e, _ := Parse(where)
		b, err := Bind(e, s, false)
		if err != nil {
			t.Fatal(err)
		}
		if !b.MightMatch(bad) || b.AllMatch(bad) {
			t.Errorf("%s trusts contradictory statistics", where)
		}
	}
}
