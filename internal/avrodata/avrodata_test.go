package avrodata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// nested is the schema of testdata/nested-*.avro, which fastavro 1.12 wrote.
var nested = []schema.Field{
	{ID: 1, Name: "id", Type: schema.Long, Required: true},
	{ID: 2, Name: "n", Type: schema.Int},
	{ID: 3, Name: "s", Type: schema.String},
	{ID: 4, Name: "pt", Type: schema.Struct(
		schema.Field{ID: 5, Name: "x", Type: schema.Float, Required: true},
		schema.Field{ID: 6, Name: "y", Type: schema.Int})},
	{ID: 7, Name: "tags", Type: schema.List(schema.Field{ID: 8, Name: "element", Type: schema.String})},
	{ID: 9, Name: "attrs", Type: schema.Map(
		schema.Field{ID: 10, Name: "key", Type: schema.String, Required: true},
		schema.Field{ID: 11, Name: "value", Type: schema.Long, Required: true})},
	{ID: 12, Name: "byint", Type: schema.Map(
		schema.Field{ID: 13, Name: "key", Type: schema.Int, Required: true},
		schema.Field{ID: 14, Name: "value", Type: schema.String})},
	{ID: 15, Name: "d", Type: schema.Date},
	{ID: 16, Name: "ns", Type: schema.TimestampNs},
	{ID: 17, Name: "ms", Type: schema.TimestampTz},
	{ID: 18, Name: "us_text", Type: schema.UUID},
	{ID: 19, Name: "dec", Type: schema.Decimal(7, 2)},
	{ID: 20, Name: "1a", Type: schema.Boolean},
}

// nestedRow is row i of those files, from -3 to 39.
func nestedRow(i int) schema.Row {
	if i%7 == 0 {
		return append(schema.Row{int64(i)}, make(schema.Row, len(nested)-1)...)
	}
	pmod := func(a, b int) int { return ((a % b) + b) % b } // as in Python
	r := schema.Row{int64(i), nil, fmt.Sprintf("v%d", i), schema.Row{float32(i) + 0.5, nil}}
	if i%2 != 0 {
		r[1] = int32(i * 1000)
	}
	if i%3 == 0 {
		r[3].(schema.Row)[1] = int32(i)
	}
	if i%5 == 0 {
		r = append(r, nil)
	} else {
		r = append(r, append([]any{}, []any{"a", nil, fmt.Sprintf("b%d", i)}[:min(3, pmod(i, 4))]...))
	}
	var m, k schema.MapValue
	for j := range pmod(i, 3) {
		m.Keys, m.Values = append(m.Keys, fmt.Sprintf("k%d", j)), append(m.Values, int64(j*10))
	}
	for j := range pmod(i, 4) {
		k.Keys = append(k.Keys, int32(-j))
		if j%2 == 0 {
			k.Values = append(k.Values, fmt.Sprintf("m%d", j))
		} else {
			k.Values = append(k.Values, nil)
		}
	}
	dec := int64(i * 100)
	if i%2 == 0 {
		dec = int64(i * 25)
	}
	return append(r, m, k, int32(i*100-300), int64(i)*1000000007, int64(-i)*1001000,
		[16]byte{15: byte(i + 100)}, decimal128.FromI64(dec), i%2 == 0)
}

func open(t testing.TB, data []byte) (*File, error) {
	t.Helper()
	ctx := context.Background()
	store := objstore.NewMemory("")
	if err := store.Put(ctx, "mem://memory/f.avro", data, nil); err != nil {
		t.Fatal(err)
	}
	o, err := store.Open(ctx, "mem://memory/f.avro")
	if err != nil {
		t.Fatal(err)
	}
	return Open(ctx, o)
}

// rows reads all rows of a file; keep, when not nil, selects them by position.
func rows(f *File, o *ReadOptions, keep func(pos int64) bool) (out []schema.Row, err error) {
	ctx := context.Background()
	own := *o
	own.Allocator = new(testenv.DirtyMemory)
	c, err := f.Read(ctx, &own)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for {
		pos, n := c.Peek()
		var sel *bitmap.Bitmap
		if keep != nil {
			sel = bitmap.New(n)
			for i := range n {
				if keep(pos + int64(i)) {
					sel.Set(i)
				}
			}
		}
		b, err := c.Next(ctx, sel)
		if errors.Is(err, io.EOF) && n == 0 {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(b.NumRows()) {
			r := make(schema.Row, len(o.Fields))
			for k, fl := range o.Fields {
				r[k] = schema.ValueAt(b.Column(k), fl.Type, i)
			}
			out = append(out, r)
		}
		b.Release()
	}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// reframe packs the blocks of a file anew: with another codec and schema.
func reframe(t testing.TB, data []byte, codec avrofile.Codec, schema func(string) string) []byte {
	t.Helper()
	r, err := avrofile.NewReader(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := r.Meta("avro.schema")
	w := avrofile.NewWriter(schema(string(text)), codec, nil)
	root, _, err := parseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, n, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		d := decoder{}
		d.reset(b)
		for range n {
			from := d.off
			if err := d.skip(root); err != nil {
				t.Fatal(err)
			}
			if err := w.Commit(append(w.Buffer(), b[from:d.off]...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(s string) string { return s }

func TestNested(t *testing.T) {
	null := sample(t, "nested-null.avro")
	files := map[string][]byte{
		"null": null, "deflate": sample(t, "nested-deflate.avro"),
		"snappy": reframe(t, null, avrofile.Snappy, same), "zstd": reframe(t, null, avrofile.Zstandard, same),
	}
	for name, data := range files {
		for _, batch := range []int{0, 1, 7} {
			for what, keep := range map[string]func(int64) bool{
				"all": nil, "even": func(p int64) bool { return p%2 == 0 }, "none": func(int64) bool { return false },
			} {
				f, err := open(t, data)
				if err != nil {
					t.Fatal(err)
				}
				got, err := rows(f, &ReadOptions{Fields: nested, BatchRows: batch}, keep)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				var want []schema.Row
				for i := -3; i < 40; i++ {
					if keep == nil || keep(int64(i+3)) {
						want = append(want, nestedRow(i))
					}
				}
				if f.NumRows() != 43 || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s, batches of %d, %s:\n%v\nwant\n%v", name, batch, what, got, want)
				}
			}
		}
	}
}

func TestEvolution(t *testing.T) {
	f, err := open(t, sample(t, "nested-null.avro"))
	if err != nil {
		t.Fatal(err)
	}
	fields := []schema.Field{
		{ID: 15, Name: "day", Type: schema.Timestamp},
		{ID: 2, Name: "wide", Type: schema.Long},
		{ID: 4, Name: "pt", Type: schema.Struct(
			schema.Field{ID: 30, Name: "new", Type: schema.String, InitialDefault: "fresh"},
			schema.Field{ID: 5, Name: "x2", Type: schema.Double, Required: true},
			schema.Field{ID: 31, Name: "none", Type: schema.Int})},
		{ID: 32, Name: "c", Type: schema.Int},
		{ID: 33, Name: "def", Type: schema.Decimal(4, 1), InitialDefault: decimal128.FromI64(15)},
		{ID: 19, Name: "dec", Type: schema.Decimal(38, 2)},
		{ID: 3, Name: "s", Type: schema.Unknown},
	}
	got, err := rows(f, &ReadOptions{Fields: fields, Constants: map[int]any{32: int32(9)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 43 {
		t.Fatalf("%d rows", len(got))
	}
	if want := (schema.Row{
		int64(-200) * microsPerDay, int64(1000), schema.Row{"fresh", 1.5, nil}, int32(9), decimal128.FromI64(15), decimal128.FromI64(100), nil,
	}); !reflect.DeepEqual(got[4], want) {
		t.Errorf("%v, want %v", got[4], want)
	}
	if got[3][2] != nil {
		t.Errorf("null struct is %v", got[3][2])
	}
	for what, fl := range map[string]schema.Field{
		"is not in the file":       {ID: 99, Name: "x", Type: schema.Int, Required: true},
		"cannot be read as int":    {ID: 1, Name: "id", Type: schema.Int},
		"cannot be read as string": {ID: 7, Name: "tags", Type: schema.String},
		"timestamptz":              {ID: 15, Name: "d", Type: schema.TimestampTz},
		"decimal(7,3)":             {ID: 19, Name: "dec", Type: schema.Decimal(7, 3)},
	} {
		if _, err := rows(f, &ReadOptions{Fields: []schema.Field{fl}}, nil); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v: %v", fl, err)
		}
	}
}

// TestNames reads a file without ids, by name mapping and by position.
func TestNames(t *testing.T) {
	data := reframe(t, sample(t, "nested-null.avro"), avrofile.Null, func(s string) string {
		return strings.ReplaceAll(s, "-id\"", "-nr\"")
	})
	f, err := open(t, data)
	if err != nil || f.HasFieldIDs() {
		t.Fatal(err)
	}
	mapping := schema.MappingFor(schema.MustNew(nested...))
	got, err := rows(f, &ReadOptions{Fields: nested, NameMapping: mapping}, nil)
	if err != nil || !reflect.DeepEqual(got[5], nestedRow(2)) {
		t.Errorf("by name: %v, %v", got, err)
	}
	byPosition := []schema.Field{
		{ID: 3, Name: "other", Type: schema.String},
		{ID: 4, Name: "pt", Type: schema.Struct(schema.Field{ID: 77, Name: "x", Type: schema.Float})},
	}
	got, err = rows(f, &ReadOptions{Fields: byPosition}, nil)
	if err != nil || !reflect.DeepEqual(got[5], schema.Row{"v2", schema.Row{float32(2.5)}}) {
		t.Errorf("by position: %v, %v", got, err)
	}
}

// TestWindows reads a file too large to be held in memory.
func TestWindows(t *testing.T) {
	w := avrofile.NewWriter(`{"type":"record","name":"t","fields":[{"name":"s","type":"string","field-id":1}]}`, avrofile.Null, nil)
	const n = 400
	for i := range n {
		text := strings.Repeat(string(rune('a'+i%26)), 100_000+i)
		if err := w.Commit(avrofile.AppendBytes(w.Buffer(), text)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := w.Close()
	if err != nil || len(data) <= wholeFile {
		t.Fatal(len(data), err)
	}
	f, err := open(t, data)
	if err != nil || f.NumRows() != n {
		t.Fatal(f, err)
	}
	if int64(len(f.head)) > 1000 {
		t.Errorf("%d bytes are kept", len(f.head))
	}
	got, err := rows(f, &ReadOptions{Fields: []schema.Field{{ID: 1, Name: "s", Type: schema.String}}}, nil)
	if err != nil || len(got) != n {
		t.Fatal(len(got), err)
	}
	for i, r := range got {
		if s := r[0].(string); len(s) != 100_000+i || s[len(s)-1] != byte('a'+i%26) {
			t.Errorf("row %d: %d bytes", i, len(s))
		}
	}
	if _, err := open(t, data[:len(data)-50_000]); !errors.Is(err, ErrTruncated) {
		t.Errorf("cut: %v", err)
	}
}
