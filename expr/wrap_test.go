package expr

import (
	"math"
	"testing"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// TestTruncateWraps: truncating integers next to the smallest wraps around to
// the largest (Iceberg Java's arithmetic), for literals as for values. Every pair
// of a value and a literal near the ends is tried.
func TestTruncateWraps(t *testing.T) {
	edge := func(low, high int64) (out []int64) {
		for i := range int64(120) {
			out = append(out, low+i, high-i)
		}
		return append(out, -60, -1, 0, 1, 60)
	}
	for _, c := range []struct {
		typ    schema.Type
		values []int64
		make   func(int64) any
	}{
		{schema.Int, edge(math.MinInt32, math.MaxInt32), func(v int64) any { return int32(v) }},
		{schema.Long, edge(math.MinInt64, math.MaxInt64), func(v int64) any { return v }},
	} {
		s := schema.MustNew(schema.Field{ID: 1, Name: "v", Type: c.typ})
		for _, width := range []int{1, 7, 50} {
			transform := partition.Transform{Kind: partition.TruncateTransform, Param: width}
			spec := partition.Spec{Fields: []partition.Field{{SourceIDs: []int{1}, FieldID: 1000, Name: "t", Transform: transform}}}
			for _, lit := range c.values {
				l := c.make(lit)
				for _, e := range []Expr{Eq("v", l), Ne("v", l), Lt("v", l), Le("v", l), Gt("v", l), Ge("v", l)} {
					b, err := Bind(e, s, false)
					if err != nil {
						t.Fatal(err)
					}
					inclusive, strict := b.Project(spec, s, true), b.Project(spec, s, false)
					for _, v := range c.values {
						x := c.make(v)
						tuple := partition.Tuple{transform.Apply(c.typ, x)}
						hit := b.EvalRow(func(int) any { return x })
						if hit && !inclusive.KeepTuple(tuple) || !hit && strict.KeepTuple(tuple) {
							t.Fatalf("%v, truncate[%d], value %v: matches %v, kept %v, certain %v", e, width, v, hit, inclusive.KeepTuple(tuple), strict.KeepTuple(tuple))
						}
					}
				}
			}
		}
	}
}
