package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// oddValues are values of a type that go wrong first.
func oddValues(ty schema.Type) []any {
	switch ty.Kind {
	case schema.KindBoolean:
		return []any{false, true}
	case schema.KindInt:
		return []any{int32(0), int32(1), int32(-1), int32(34), int32(-17), int32(math.MaxInt32), int32(math.MinInt32)}
	case schema.KindLong:
		return []any{int64(0), int64(1), int64(-1), int64(34), int64(-17), int64(math.MaxInt64), int64(math.MinInt64)}
	case schema.KindFloat:
		return []any{
			float32(0), float32(math.Copysign(0, -1)), float32(1.5), float32(-1.5), float32(math.NaN()),
			float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.MaxFloat32), float32(math.SmallestNonzeroFloat32),
		}
	case schema.KindDouble:
		return []any{
			0.0, math.Copysign(0, -1), 1.5, -1.5, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64,
		}
	case schema.KindDecimal:
		top, err := schema.ParseLiteral(schema.Decimal(ty.Precision, 0), strings.Repeat("9", ty.Precision))
		if err != nil {
			panic(err)
		}
		d := top.(schema.Unscaled)
		return []any{decimal128.FromI64(0), decimal128.FromI64(1), decimal128.FromI64(-1), decimal128.FromI64(1420), decimal128.FromI64(-129), d, d.Negate()}
	case schema.KindDate:
		return []any{int32(0), int32(-1), int32(1), int32(-719162), int32(2932896), int32(17486), int32(-365), int32(-366)}
	case schema.KindTimestamp, schema.KindTimestampTz:
		return []any{
			int64(0), int64(-1), int64(1), int64(-62135596800000000), int64(253402300799999999), int64(1510871468000001),
			int64(-3600000001), int64(-86400000000), int64(-86400000001),
		}
	case schema.KindString:
		return []any{
			"", "a", "iceberg", "aaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaac", "zzzzzzzzzzzzzzzzzzzzzz", "h\u00e9llo \U0001F600", "tab\tquote\"back\\",
			strings.Repeat("\U0010FFFF", 20), strings.Repeat("\uD7FF", 20), "\u0001\u0000",
		}
	case schema.KindUUID:
		return []any{[16]byte{}, [16]byte{0xf7, 0x9c, 0x3e, 9, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7}, [16]byte{0: 0x7f, 15: 1}, [16]byte{0: 0x80, 8: 0xff}}
	case schema.KindFixed:
		var out []any
		for _, c := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			out = append(out, slices.Repeat([]byte{c}, ty.Length))
		}
		return out
	case schema.KindBinary:
		return []any{[]byte{}, []byte{0}, []byte{1, 2, 3}, slices.Repeat([]byte{0xff}, 20), slices.Repeat([]byte{0x80}, 20), append(slices.Repeat([]byte{0x80}, 20), 1)}
	}
	panic(ty.String())
}

// oddRows makes n rows of a flat schema whose first column is an int id; every
// fifth value is null where it may be. Tame rows have no numbers that truncating
// makes overflow.
func oddRows(s *schema.Schema, n int, tame bool) []schema.Row {
	rows := make([]schema.Row, n)
	for i := range rows {
		r := schema.Row{int32(i)}
		for c, f := range s.Fields[1:] {
			v := oddValues(f.Type)
			if tame {
				v = tamed(f.Type, v)
			}
			if k := i*(c+3) + i/7; k%5 == 4 && !f.Required {
				r = append(r, nil)
			} else {
				r = append(r, v[(k+i/5)%len(v)])
			}
		}
		rows[i] = r
	}
	return rows
}

// tamed leaves the extremes out.
func tamed(ty schema.Type, v []any) []any {
	switch ty.Kind {
	case schema.KindInt, schema.KindLong, schema.KindDecimal:
		return v[:len(v)-2]
	}
	return v
}

// write commits rows in so many commits.
func write(t *testing.T, tab *table.Table, rows []schema.Row, commits int) {
	t.Helper()
	ctx := context.Background()
	w, err := tab.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for chunk := range slices.Chunk(rows, (len(rows)+commits-1)/commits) {
		for _, r := range chunk {
			if err := w.Upsert(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Commit(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// filter is a condition on one column: for Spark, for us, and what it is true of.
type filter struct {
	sql   string
	where expr.Expr
	match func(v any) bool
}

// sqlLiteral writes a value for Spark.
func sqlLiteral(ty schema.Type, v any) string {
	text := "'" + schema.FormatValue(ty, v) + "'"
	switch ty.Kind {
	case schema.KindString:
		return "decode(unhex('" + hex.EncodeToString([]byte(v.(string))) + "'), 'UTF-8')"
	case schema.KindUUID:
		return text
	case schema.KindFixed, schema.KindBinary:
		return "X'" + hex.EncodeToString(v.([]byte)) + "'"
	case schema.KindTimestamp:
		return "CAST(" + text + " AS TIMESTAMP_NTZ)"
	case schema.KindTimestampTz:
		return "CAST(" + text + " AS TIMESTAMP)"
	case schema.KindLong:
		return "CAST(" + text + " AS BIGINT)"
	default:
		return "CAST(" + text + " AS " + strings.ToUpper(ty.String()) + ")"
	}
}

// compare is Compare as SQL has it: the zeros are equal.
func compare(ty schema.Type, a, b any) int {
	switch x := a.(type) {
	case float32:
		if x == b.(float32) {
			return 0
		}
	case float64:
		if x == b.(float64) {
			return 0
		}
	}
	return schema.Compare(ty, a, b)
}

// filtersOf makes conditions with values: for each, equality and two orders in
// turn. Of uuids there is only equality: Iceberg Java orders them as signed
// numbers and so misses rows by right bounds.
func filtersOf(f schema.Field, values []any) (out []filter) {
	name := f.Name
	for i, v := range values {
		lit := sqlLiteral(f.Type, v)
		for k, op := range []struct {
			text string
			make func(string, any) expr.Expr
			ok   func(c int) bool
		}{
			{"=", expr.Eq, func(c int) bool { return c == 0 }},
			{"<", expr.Lt, func(c int) bool { return c < 0 }},
			{">", expr.Gt, func(c int) bool { return c > 0 }},
			{"<=", expr.Le, func(c int) bool { return c <= 0 }},
			{">=", expr.Ge, func(c int) bool { return c >= 0 }},
			{"<>", expr.Ne, func(c int) bool { return c != 0 }},
		} {
			if k > 0 && (f.Type.Kind == schema.KindUUID && k < 5 || k < 5 && (k-1)/2 != i%2 || k == 5 && i > 0) {
				continue
			}
			out = append(out, filter{
				fmt.Sprintf("%s %s %s", name, op.text, lit), op.make(name, v),
				func(x any) bool { return x != nil && op.ok(compare(f.Type, x, v)) },
			})
		}
	}
	out = append(out,
		filter{name + " IS NULL", expr.IsNull(name), func(x any) bool { return x == nil }},
		filter{name + " IS NOT NULL", expr.NotNull(name), func(x any) bool { return x != nil }})
	if len(values) > 1 {
		a, b := values[0], values[1]
		in := func(x any) bool { return compare(f.Type, x, a) == 0 || compare(f.Type, x, b) == 0 }
		list := sqlLiteral(f.Type, a) + ", " + sqlLiteral(f.Type, b)
		out = append(out,
			filter{name + " IN (" + list + ")", expr.In(name, a, b), func(x any) bool { return x != nil && in(x) }},
			filter{name + " NOT IN (" + list + ")", expr.NotIn(name, a, b), func(x any) bool { return x != nil && !in(x) }})
	}
	if f.Type.Kind == schema.KindString {
		for _, p := range []string{"a", "aaaaaaaaaaaaaaaaaaaab"} {
			out = append(out, filter{
				"startswith(" + name + ", " + sqlLiteral(f.Type, p) + ")", expr.StartsWith(name, p),
				func(x any) bool { return x != nil && strings.HasPrefix(x.(string), p) },
			})
		}
	}
	return out
}

// withNaN adds to what Spark read the wanted rows with NaN in a column: Iceberg
// Java passes over files of nothing but NaN when it looks for large numbers.
func withNaN(got, want []string, rows []schema.Row, column int) []string {
	for _, r := range rows {
		id := fmt.Sprint(r[0])
		f, ok := r[column].(float64)
		if x, single := r[column].(float32); single {
			f, ok = float64(x), true
		}
		if ok && math.IsNaN(f) && slices.Contains(want, id) && !slices.Contains(got, id) {
			got = append(got, id)
		}
	}
	slices.Sort(got)
	return got
}

// filtersSame lets Spark and us read a table with conditions on its columns, and
// compares the ids with those the rows say. Of every column so many values are
// tried, from one of the odd ones on.
func (s *sparkTest) filtersSame(t *testing.T, tab *table.Table, rows []schema.Row, first, perColumn int) {
	t.Helper()
	var all []filter
	var columns []int
	for c, f := range tab.Schema().Fields {
		var values []any
		for k, odd := 0, oddValues(f.Type); k < min(perColumn, len(odd)); k++ {
			values = append(values, odd[(first+3*k)%len(odd)])
		}
		if !tab.Metadata().DefaultSpec().IsUnpartitioned() {
			// Iceberg Java has the zeros in partitions of their own, unequal.
			values = slices.DeleteFunc(values, func(v any) bool { return v == float32(0) || v == 0.0 })
		}
		if f.Name == "id" {
			values = []any{int32(0), int32(len(rows) / 2), int32(-5)}
		}
		for _, x := range filtersOf(f, values) {
			all, columns = append(all, x), append(columns, c)
		}
	}
	for from := 0; from < len(all); from += 60 {
		to := min(from+60, len(all))
		var parts []string
		for i := from; i < to; i++ {
			parts = append(parts, fmt.Sprintf("SELECT %d AS q, id FROM h.%s WHERE %s", i, tab.Name(), all[i].sql))
		}
		inSpark := map[int][]string{}
		for _, l := range s.sql(t, "%s", strings.Join(parts, "\nUNION ALL ")) {
			var q, id int
			if _, err := fmt.Sscanf(l, `{"q":%d,"id":%d}`, &q, &id); err != nil {
				t.Fatal(l, err)
			}
			inSpark[q] = append(inSpark[q], fmt.Sprint(id))
		}
		for i := from; i < to; i++ {
			var want []string
			for _, r := range rows {
				if all[i].match(r[columns[i]]) {
					want = append(want, fmt.Sprint(r[0]))
				}
			}
			slices.Sort(want)
			slices.Sort(inSpark[i])
			same(t, "Spark: "+tab.Name()+" where "+all[i].sql, withNaN(inSpark[i], want, rows, columns[i]), want)
			var ours []string
			for row, err := range tab.Scan(&scan.Options{Columns: []string{"id"}, Filter: all[i].where}).Rows(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				ours = append(ours, fmt.Sprint(row[0]))
			}
			slices.Sort(ours)
			same(t, "we: "+tab.Name()+" where "+all[i].sql, ours, want)
		}
	}
	t.Logf("%s: %d filters", tab.Name(), len(all))
}

func parse(t *testing.T, where string) expr.Expr {
	t.Helper()
	e, err := expr.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func dec(v int64) schema.Unscaled { return decimal128.FromI64(v) }
