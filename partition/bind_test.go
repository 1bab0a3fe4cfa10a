package partition

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

func testSchema() *schema.Schema {
	return schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long},
		schema.Field{ID: 2, Name: "at", Type: schema.TimestampTz},
		schema.Field{ID: 3, Name: "name", Type: schema.String},
		schema.Field{ID: 4, Name: "p", Type: schema.Struct(schema.Field{ID: 5, Name: "q", Type: schema.Int})},
		schema.Field{ID: 6, Name: "l", Type: schema.List(schema.Field{ID: 7, Type: schema.Int})},
		schema.Field{ID: 8, Name: "id_bucket", Type: schema.Int},
		schema.Field{ID: 9, Name: "f", Type: schema.Double},
	)
}

func TestBind(t *testing.T) {
	s := testSchema()
	terms, err := Parse("day(at), truncate(4, name), p.q, void(id), bucket(4, id) as b")
	if err != nil {
		t.Fatal(err)
	}
	spec, last, err := Bind(terms, s, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := spec.MarshalJSON()
	want := `{"spec-id":0,"fields":[` +
		`{"name":"at_day","transform":"day","source-id":2,"field-id":1000},` +
		`{"name":"name_trunc","transform":"truncate[4]","source-id":3,"field-id":1001},` +
		`{"name":"p.q","transform":"identity","source-id":5,"field-id":1002},` +
		`{"name":"id_null","transform":"void","source-id":1,"field-id":1003},` +
		`{"name":"b","transform":"bucket[4]","source-id":1,"field-id":1004}]}`
	if string(got) != want || last != 1004 {
		t.Errorf("%s, last %d", got, last)
	}

	// The same again is the same spec; equivalent fields keep their ids.
	again, last, err := Bind(terms, s, []Spec{spec}, 1004)
	if err != nil || again.ID != 0 || last != 1004 {
		t.Errorf("%v, last %d, %v", again, last, err)
	}
	next, _, err := Bind([]Field{Hour("at"), Bucket("id", 4)}, s, []Spec{spec}, 1004)
	if err == nil {
		t.Errorf("name of a column is accepted: %v", next)
	}
	b := Bucket("id", 4)
	b.Name = "bb"
	next, last, err = Bind([]Field{Hour("at"), b}, s, []Spec{spec}, 1004)
	if err != nil || next.ID != 1 || last != 1005 || next.Fields[0].FieldID != 1005 || next.Fields[1].FieldID != 1004 {
		t.Errorf("%v, last %d, %v", next, last, err)
	}
	// An unpartitioned spec beside a partitioned one gets an id of its own.
	none, last, err := Bind(nil, s, []Spec{spec}, 1004)
	if err != nil || none.ID != 1 || last != 1004 || !none.IsUnpartitioned() {
		t.Errorf("%v, last %d, %v", none, last, err)
	}
}

func TestBindRefusals(t *testing.T) {
	s := testSchema()
	cases := map[string]string{
		"nope":                    `no column "nope"`,
		"l.element":               "inside a list or map",
		"bucket(4, f)":            "cannot be applied",
		"p":                       "cannot be applied",
		"id, id":                  "used twice",
		"day(at), hour(at)":       "redundant",
		"id as x, id as y":        "redundant",
		"bucket(4, id)":           "that of a column",
		"day(at) as x, id as x":   "used twice",
		"day(at), name as at_day": "used twice",
	}
	for text, want := range cases {
		terms, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = Bind(terms, s, nil, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", text, err, want)
		}
	}
}

func TestUnpartitioned(t *testing.T) {
	void := Field{SourceIDs: []int{1}, FieldID: 1000, Name: "v", Transform: Transform{Kind: VoidTransform}}
	if !(Spec{Fields: []Field{void}}).IsUnpartitioned() || !(Spec{}).IsUnpartitioned() {
		t.Error("void fields partition")
	}
	day := Field{SourceIDs: []int{2}, FieldID: 1001, Name: "at_day", Transform: Transform{Kind: DayTransform}}
	s := Spec{Fields: []Field{void, day}}
	if s.IsUnpartitioned() {
		t.Error("a day field does not partition")
	}
	if got := s.Path(testSchema(), Tuple{nil, int32(0)}); got != "v=null/at_day=1970-01-01" {
		t.Errorf("path %s", got)
	}
	types := Spec{Fields: []Field{day, {SourceIDs: []int{77}, Transform: day.Transform}}}.Types(testSchema())
	if types[0].Kind != schema.KindDate || types[1].Kind != schema.KindUnknown {
		t.Errorf("types %v", types)
	}
}

func TestBindSort(t *testing.T) {
	fields, err := ParseSort("bucket(4, id), p.q desc")
	if err != nil {
		t.Fatal(err)
	}
	order, err := BindSort(fields, testSchema(), []SortOrder{Unsorted()})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := order.MarshalJSON()
	want := `{"order-id":1,"fields":[{"transform":"bucket[4]","source-id":1,"direction":"asc","null-order":"nulls-first"},` +
		`{"transform":"identity","source-id":5,"direction":"desc","null-order":"nulls-last"}]}`
	if string(got) != want {
		t.Errorf("%s", got)
	}
	same, err := BindSort(fields, testSchema(), []SortOrder{{}, {ID: 5, Fields: order.Fields}})
	if err != nil || same.ID != 5 {
		t.Errorf("%v %v", same, err)
	}
	if o, err := BindSort(nil, testSchema(), []SortOrder{order}); err != nil || o.ID != 0 {
		t.Errorf("%v %v", o, err)
	}
	if _, err := BindSort([]SortField{Asc("nope")}, testSchema(), nil); err == nil {
		t.Error("an unknown column is accepted")
	}
}

// Directories that Spark wrote show how the reference renders and escapes.
func TestPathsOfSpark(t *testing.T) {
	root := testenv.Shared(t, "tables", "spark")
	cases := []struct {
		table, dir string
		f          Field
		result     schema.Type
		v          any
	}{
		{"odd_names", "sp+ace=a+b", Field{Name: "sp ace", Transform: Transform{Kind: IdentityTransform}}, schema.String, "a b"},
		{"odd_names", "sp+ace=p%25q", Field{Name: "sp ace", Transform: Transform{Kind: IdentityTransform}}, schema.String, "p%q"},
		{"transforms_day_hour", "dt_day=1815-06-18", Field{Name: "dt_day", Transform: Transform{Kind: DayTransform}}, schema.Date, int32(-56445)},
		{"types_time", "tm=12%3A00", Field{Name: "tm", Transform: Transform{Kind: IdentityTransform}}, schema.Time, int64(43200e6)},
		{"types_time", "tm=00%3A00%3A00.000001", Field{Name: "tm", Transform: Transform{Kind: IdentityTransform}}, schema.Time, int64(1)},
	}
	for _, c := range cases {
		var b strings.Builder
		escapePath(&b, c.f.Name)
		b.WriteByte('=')
		escapePath(&b, c.f.Transform.Human(c.result, c.v))
		if b.String() != c.dir {
			t.Errorf("%s: %s, want %s", c.table, b.String(), c.dir)
		}
		if _, err := os.Stat(filepath.Join(root, c.table, "data", c.dir)); err != nil {
			t.Error(err)
		}
	}
}
