package scan_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

var everyType = schema.MustNew(
	schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
	schema.Field{ID: 2, Name: "flag", Type: schema.Boolean},
	schema.Field{ID: 3, Name: "small", Type: schema.Int},
	schema.Field{ID: 4, Name: "f", Type: schema.Float},
	schema.Field{ID: 5, Name: "d", Type: schema.Double},
	schema.Field{ID: 6, Name: "amount", Type: schema.Decimal(12, 2)},
	schema.Field{ID: 7, Name: "big", Type: schema.Decimal(20, 0)},
	schema.Field{ID: 8, Name: "day", Type: schema.Date},
	schema.Field{ID: 9, Name: "clock", Type: schema.Time},
	schema.Field{ID: 10, Name: "at", Type: schema.TimestampTz},
	schema.Field{ID: 11, Name: "local", Type: schema.Timestamp},
	schema.Field{ID: 12, Name: "name", Type: schema.String},
	schema.Field{ID: 13, Name: "uid", Type: schema.UUID},
	schema.Field{ID: 14, Name: "raw", Type: schema.Binary},
	schema.Field{ID: 15, Name: "fix", Type: schema.Fixed(3)},
	schema.Field{ID: 16, Name: "place", Type: schema.Struct(
		schema.Field{ID: 17, Name: "city", Type: schema.String},
		schema.Field{ID: 18, Name: "zip", Type: schema.Int})},
	schema.Field{ID: 19, Name: "tags", Type: schema.List(schema.Field{ID: 20, Type: schema.String})},
	schema.Field{ID: 21, Name: "stock", Type: schema.Map(schema.Field{ID: 22, Type: schema.String, Required: true}, schema.Field{ID: 23, Type: schema.Int})},
	schema.Field{ID: 24, Name: "places", Type: schema.List(schema.Field{ID: 25, Type: schema.Struct(
		schema.Field{ID: 26, Name: "city", Type: schema.String})})},
	schema.Field{ID: 27, Name: "addr", Type: schema.String})

type place struct {
	City string `frazil:"city"`
	Zip  *int   `frazil:"zip"`
}

type base struct {
	ID   uint32 `frazil:"id"`
	File string `frazil:"_file"`
}

type status string

type record struct {
	base
	Flag    *bool             `frazil:"flag"`
	Small   sql.NullInt32     `frazil:"small"`
	F       *float32          `frazil:"f"`
	D       sql.Null[float64] `frazil:"d"`
	Amount  *string           `frazil:"amount"`
	Big     *uint64           `frazil:"big"`
	Day     *time.Time        `frazil:"day"`
	Clock   *time.Duration    `frazil:"clock"`
	At      sql.NullTime      `frazil:"at"`
	Local   *time.Time        `frazil:"local"`
	Name    *status           // by its own name
	UID     *[16]byte         `frazil:"uid"`
	Raw     []byte            `frazil:"raw"`
	Fix     *[3]byte          `frazil:"fix"`
	Place   *place            `frazil:"place"`
	Tags    []*string         `frazil:"tags"`
	Stock   map[string]*int32 `frazil:"stock"`
	Places  []place2          `frazil:"places"`
	Addr    *netip.Addr       `frazil:"addr"`
	Skipped chan int          `frazil:"-"`
	Later   string            `frazil:"not_yet,optional"`
}

type place2 struct {
	Town sql.NullString `frazil:"city"`
}

func everyTypeTable(t *testing.T) scan.Source {
	t.Helper()
	day := time.Date(2026, 1, 31, 12, 34, 56, 1000, time.UTC)
	full := schema.Row{
		int64(7), true, int32(-3), float32(1.5), 2.25, decimal128.FromI64(123450), decimal128.FromU64(1 << 63),
		int32(day.Unix() / 86400), int64(45_296_000_001), day.UnixMicro(), day.UnixMicro(), "ok",
		[16]byte{1, 15: 2},
		[]byte{1, 2},
		[]byte{3, 4, 5},
		schema.Row{"Ulm", int32(89)},
		[]any{"a", nil, "c"},
		schema.MapValue{Keys: []any{"x", "y"}, Values: []any{int32(1), nil}},
		[]any{schema.Row{"Ulm"}, schema.Row{nil}},
		"10.0.0.1",
	}
	empty := make(schema.Row, len(full))
	empty[0] = int64(8)
	rows := []schema.Row{full, empty}
	for i := range 600 { // more than a chunk, nulls and values mixed
		r := append(schema.Row(nil), [2]schema.Row{full, empty}[i%2]...)
		r[0] = int64(100 + i)
		rows = append(rows, r)
	}
	b := newBuilder(t, 2, everyType)
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{b.data(nil, rows)}})
	return b.source()
}

func TestInto(t *testing.T) {
	ctx := context.Background()
	src := everyTypeTable(t)
	var got []record
	for r, err := range scan.Into[record](ctx, scan.New(src, &scan.Options{Ordered: true, BatchRows: 300, Allocator: new(testenv.DirtyMemory)})) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if len(got) != 602 {
		t.Fatalf("%d values", len(got))
	}
	text, null := func(s string) *string { return &s }, record{}
	flag, f, one, zip := true, float32(1.5), int32(1), 89
	big63, ok := uint64(1<<63), status("ok")
	day := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	clock := 12*time.Hour + 34*time.Minute + 56*time.Second + time.Microsecond
	at := time.Date(2026, 1, 31, 12, 34, 56, 1000, time.UTC)
	addr := netip.MustParseAddr("10.0.0.1")
	want := record{
		Flag: &flag, Small: sql.NullInt32{Int32: -3, Valid: true}, F: &f, D: sql.Null[float64]{V: 2.25, Valid: true}, Amount: text("1234.50"),
		Big: &big63, Day: &day, Clock: &clock, At: sql.NullTime{Time: at, Valid: true}, Local: &at, Name: &ok, UID: &[16]byte{1, 15: 2},
		Raw: []byte{1, 2}, Fix: &[3]byte{3, 4, 5}, Place: &place{"Ulm", &zip}, Tags: []*string{text("a"), nil, text("c")},
		Stock: map[string]*int32{"x": &one, "y": nil}, Places: []place2{{sql.NullString{String: "Ulm", Valid: true}}, {}}, Addr: &addr,
	}
	for i, r := range got {
		w := want
		if i%2 == 1 {
			w = null
		}
		w.ID, w.File = uint32([]int{7, 8}[min(i, 1)]), got[0].File
		if i > 1 {
			w.ID = uint32(98 + i)
		}
		if !reflect.DeepEqual(r, w) {
			t.Fatalf("value %d:\n%+v\nwant\n%+v", i, r, w)
		}
	}
	if !strings.Contains(got[0].File, "data.parquet") {
		t.Errorf("_file is %q", got[0].File)
	}
}

// The same values by other types, one field at a time.
func TestIntoConversions(t *testing.T) {
	src := everyTypeTable(t)
	if _, err := first[struct {
		A any `frazil:"amount"`
		B any `frazil:"amount"`
	}](src); err == nil || !strings.Contains(err.Error(), `fields A and B of`) {
		t.Errorf("two fields of one column: %v", err)
	}
	v, err := first[struct {
		Amount decimal128.Num `frazil:"amount"`
		Place  schema.Row     `frazil:"place"`
		Stock  any            `frazil:"stock"`
		Rat    *big.Rat       `frazil:"big"`
		Day    string         `frazil:"day"`
		At     int64          `frazil:"at"`
		City   *string        `frazil:"place.city"`
		Flag   string         `frazil:"flag"`
		UID    string         `frazil:"uid"`
		F      float64        `frazil:"f"`
		Local  any            `frazil:"local"`
		Name   []byte         `frazil:"name"`
		Tags   []any          `frazil:"tags"`
	}](src)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(v.Amount.LowBits(), v.Place, v.Stock, v.Rat, v.Day, v.At, *v.City, v.Flag, v.UID, v.F, v.Local, string(v.Name), v.Tags)
	want := "123450 [Ulm 89] {[x y] [1 <nil>]} 9223372036854775808/1 2026-01-31 1769862896000001 Ulm true 01000000-0000-0000-0000-000000000002 1.5 1769862896000001 ok [a <nil> c]\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// first is the first row as a T, and the scan's error.
func first[T any](src scan.Source) (v T, err error) {
	n := 0
	for x, err := range scan.Into[T](context.Background(), scan.New(src, &scan.Options{Ordered: true, Allocator: new(testenv.DirtyMemory)})) {
		if err != nil {
			return v, err
		}
		if n++; n == 1 {
			v = x
			return v, nil
		}
	}
	return v, nil
}

// countInto reads every row as a T.
func countInto[T any](src scan.Source) (n int, err error) {
	for _, err := range scan.Into[T](context.Background(), scan.New(src, &scan.Options{Ordered: true})) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func TestIntoErrors(t *testing.T) {
	src := everyTypeTable(t)
	for _, c := range []struct {
		name string
		rows int
		err  error
		want string
	}{
		fails[struct {
			Amount float64 `frazil:"amount"`
		}](src, "a decimal as a float", 0, `no conversion from decimal(12,2) to float64`),
		fails[struct {
			Missing int `frazil:"amnt"`
		}](src, "no such column", 0, `did you mean amount`),
		fails[struct {
			Name string `frazil:"name"`
		}](src, "null", 1, `column "name" does not fit field struct { Name string "frazil:\"name\"" }.Name: it is null`),
		fails[struct {
			ID int8 `frazil:"id"`
		}](src, "too large", 30, `128 is out of the range of int8`),
		fails[struct {
			Place struct {
				Zip string `frazil:"zap"`
			} `frazil:"place"`
		}](src, "nested", 0, `no column "zap"`),
		fails[struct {
			Clock time.Time `frazil:"clock"`
		}](src, "time of day", 0, `no conversion from time to time.Time`),
		fails[struct {
			ID int64 `frazil:"id,omitempty"`
		}](src, "option", 0, `tag option "omitempty" is unknown`),
		fails[struct {
			*base
		}](src, "embedded pointer", 0, `embedded pointers are not filled`),
		fails[struct {
			id int64 `frazil:"id"`
		}](src, "unexported", 0, `is not exported`),
		fails[int](src, "no struct", 0, `int is not a struct`),
		fails[struct {
			Tags []string `frazil:"tags"`
		}](src, "null element", 0, `element 1: it is null`),
		fails[struct {
			City string `frazil:"place.city"`
		}](src, "null struct around", 1, `it is null`),
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %d rows, %v; want %s", c.name, c.rows, c.err, c.want)
		}
	}
}

type failure = struct {
	name string
	rows int
	err  error
	want string
}

func fails[T any](src scan.Source, name string, rows int, want string) failure {
	n, err := countInto[T](src)
	if n != rows {
		want = fmt.Sprintf("%d rows before %s", rows, want)
	}
	return failure{name, n, err, want}
}

// Structs cost little more than the batches they come from.
func BenchmarkInto(b *testing.B) {
	bld := newBuilder(b, 2, keyValue)
	bld.commit(snapshot.Changes{AddData: []*manifest.DataFile{bld.data(nil, kv(0, 100_000))}})
	type pair struct {
		ID int64   `frazil:"id"`
		V  *string `frazil:"v"`
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for p, err := range scan.Into[pair](b.Context(), scan.New(bld.source(), nil)) {
			if err != nil {
				b.Fatal(err)
			}
			n += int(p.ID & 1)
		}
		if n != 50_000 {
			b.Fatal(n)
		}
	}
}
