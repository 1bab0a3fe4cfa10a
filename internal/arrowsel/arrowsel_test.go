package arrowsel

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/bitmap"
)

// TestTake takes the same positions from one array of each kind, also sliced,
// and compares with the values asked one by one.
func TestTake(t *testing.T) {
	for _, c := range []struct {
		typ  arrow.DataType
		json string
	}{
		{arrow.FixedWidthTypes.Boolean, `[true, null, false, true, true]`},
		{arrow.PrimitiveTypes.Int32, `[1, null, 3, 4, 5]`},
		{arrow.PrimitiveTypes.Int64, `[1, 2, 3, 4, 5]`},
		{arrow.BinaryTypes.String, `["a", "", null, "déjà", "zz"]`},
		{&arrow.FixedSizeBinaryType{ByteWidth: 3}, `["YWJj", null, "AAAA", "/////w==", "YWJj"]`},
		{&arrow.Decimal128Type{Precision: 30, Scale: 2}, `["1.25", null, "-3.00", "0.01", "7.00"]`},
		{arrow.ListOf(arrow.PrimitiveTypes.Int64), `[[1], null, [], [2, null, 3], [4]]`},
		{arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), `[[{"key":"a","value":1}], [], null, [{"key":"b","value":null}], []]`},
		{arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, arrow.Field{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}), `[{"x":1,"s":"a"}, null, {"x":null,"s":"b"}, {"x":3,"s":null}, {"x":4,"s":"d"}]`},
		{arrow.Null, `[null, null, null, null, null]`},
	} {
		t.Run(c.typ.String(), func(t *testing.T) {
			if c.typ.ID() == arrow.FIXED_SIZE_BINARY {
				c.json = `["YWJj", null, "AAAA", "eHl6", "YWJj"]`
			}
			whole, _, err := array.FromJSON(memory.DefaultAllocator, c.typ, strings.NewReader(c.json))
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []arrow.Array{whole, array.NewSlice(whole, 1, 5)} {
				idx := []int32{3, 0, 0, 2, 1}
				got, err := Take(a, idx, nil)
				if err != nil {
					t.Fatal(err)
				}
				for o, i := range idx {
					if g, w := got.ValueStr(o), a.ValueStr(int(i)); g != w {
						t.Errorf("value %d: got %s, want %s", o, g, w)
					}
				}
				withNull, err := Take(a, []int32{-1, 2}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !withNull.IsNull(0) && c.typ.ID() != arrow.NULL {
					t.Error("index -1 did not give null")
				}
			}
		})
	}
}

func TestIndices(t *testing.T) {
	b := bitmap.New(130)
	for _, i := range []int{0, 63, 64, 129} {
		b.Set(i)
	}
	got := Indices(b, nil)
	if len(got) != 4 || got[0] != 0 || got[1] != 63 || got[2] != 64 || got[3] != 129 {
		t.Fatalf("got %v", got)
	}
}

// TestRetype renames the children of a struct and a map without a copy, and
// refuses another layout.
func TestRetype(t *testing.T) {
	from := arrow.StructOf(arrow.Field{Name: "a", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64)})
	m := arrow.MapOfFields(arrow.Field{Name: "key", Type: arrow.BinaryTypes.String},
		arrow.Field{Name: "value", Type: arrow.PrimitiveTypes.Int64, Nullable: true, Metadata: arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{"7"})})
	to := arrow.StructOf(arrow.Field{Name: "b", Type: m, Nullable: true})
	a, _, err := array.FromJSON(memory.DefaultAllocator, from, strings.NewReader(`[{"a":[{"key":"x","value":1}]},{"a":[]}]`))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := Retype(a, to)
	if !ok || !arrow.TypeEqual(got.DataType(), to, arrow.CheckMetadata()) {
		t.Fatalf("got %v, %v", got, ok)
	}
	if v := got.(*array.Struct).Field(0).(*array.Map).Items().(*array.Int64).Value(0); v != 1 {
		t.Errorf("value %d", v)
	}
	if _, ok := Retype(a, arrow.StructOf(arrow.Field{Name: "b", Type: arrow.PrimitiveTypes.Int64})); ok {
		t.Error("another layout was accepted")
	}
}
