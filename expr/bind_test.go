package expr

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/schema"
)

func testSchema() *schema.Schema {
	return schema.MustNew(
		schema.Field{ID: 1, Name: "i", Type: schema.Int},
		schema.Field{ID: 2, Name: "l", Type: schema.Long},
		schema.Field{ID: 3, Name: "f", Type: schema.Float},
		schema.Field{ID: 4, Name: "d", Type: schema.Double},
		schema.Field{ID: 5, Name: "dec", Type: schema.Decimal(5, 2)},
		schema.Field{ID: 6, Name: "dt", Type: schema.Date},
		schema.Field{ID: 7, Name: "ts", Type: schema.TimestampTz},
		schema.Field{ID: 8, Name: "s", Type: schema.String},
		schema.Field{ID: 9, Name: "b", Type: schema.Boolean},
		schema.Field{ID: 10, Name: "bin", Type: schema.Binary},
		schema.Field{ID: 11, Name: "u", Type: schema.UUID},
		schema.Field{ID: 12, Name: "st", Type: schema.Struct(schema.Field{ID: 13, Name: "x", Type: schema.Int})},
		schema.Field{ID: 14, Name: "li", Type: schema.List(schema.Field{ID: 15, Type: schema.Int})},
		schema.Field{ID: 16, Name: "un", Type: schema.Unknown},
		schema.Field{ID: 17, Name: "tm", Type: schema.Time},
		schema.Field{ID: 18, Name: "Mixed", Type: schema.Int},
	)
}

func TestBind(t *testing.T) {
	cases := []struct{ in, want string }{
		{"i = 5", "i = 5"},
		{"NOT (i < 5 AND l >= 3)", "i >= 5 OR l < 3"},
		{"NOT (i IN (1,2) OR s LIKE 'a%')", "i NOT IN (1, 2) AND s NOT LIKE 'a%'"},
		{"NOT NOT i = 5", "i = 5"},
		{"NOT (i IS NULL)", "i IS NOT NULL"},
		{"i = 1.5", "FALSE"},
		{"i <> 1.5", "i IS NOT NULL"},
		{"i < 1.5", "i <= 1"},
		{"i <= 1.5", "i <= 1"},
		{"i > 1.5", "i > 1"},
		{"i >= 1.5", "i > 1"},
		{"i >= -1.5", "i > -2"},
		{"i < 3000000000", "i IS NOT NULL"},
		{"i > 3000000000", "FALSE"},
		{"i > -3000000000", "i IS NOT NULL"},
		{"NOT i > 3000000000", "i IS NOT NULL"},
		{"l = 1e3", "l = 1000"},
		{"l = 1e999", "FALSE"},
		{"l = 1e99999", ""},
		{"dec = 1.5", "dec = 1.50"},
		{"dec < 1.005", "dec <= 1.00"},
		{"dec > 99999", "FALSE"},
		{"dec < 99999", "dec IS NOT NULL"},
		{"i IN (1, 1.5, 2, 2, NULL)", "i IN (1, 2)"},
		{"i IN (1.5)", "FALSE"},
		{"i IN (7, 7)", "i = 7"},
		{"i NOT IN (1.5, 3)", "i IS NOT NULL AND i <> 3"},
		{"i NOT IN (1, NULL)", "FALSE"},
		{"d = 'NaN'", "d IS NAN"},
		{"d < 'NaN'", "d IS NOT NULL AND d IS NOT NAN"},
		{"d <= 'NaN'", "d IS NOT NULL"},
		{"d > 'NaN'", "FALSE"},
		{"d >= 'NaN'", "d IS NAN"},
		{"NOT d = 'NaN'", "d IS NOT NULL AND d IS NOT NAN"},
		{"d IN (1, 'NaN', 2)", "d IS NAN OR d IN (1, 2)"},
		{"d NOT IN (1, 'NaN')", "d IS NOT NULL AND d IS NOT NAN AND d <> 1"},
		{"d = -inf", ""},
		{"f = 0.1", "f = 0.1"},
		{"f < 16777217", "f < 1.6777216e+07"},
		{"dt = '2026-01-31'", "dt = '2026-01-31'"},
		{"ts >= date '2026-01-31'", "ts >= '2026-01-31T00:00:00.000000+00:00'"},
		{"ts < '2026-01-31T01:00:00+01:00'", "ts < '2026-01-31T00:00:00.000000+00:00'"},
		{"b", "b = TRUE"},
		{"NOT b", "b <> TRUE"},
		{"b IN (TRUE, FALSE)", "b IS NOT NULL"},
		{"bin = X'0aff'", "bin = X'0aff'"},
		{"u = 'f79c3e09-677c-4bbd-a479-3f349cb785e7'", "u = 'f79c3e09-677c-4bbd-a479-3f349cb785e7'"},
		{"st.x = 1", "st.x = 1"},
		{"li IS NULL AND st IS NOT NULL", "li IS NULL AND st IS NOT NULL"},
		{"un IS NULL AND i = 1", "i = 1"},
		{"un = 5 OR i = 1", "i = 1"},
		{"s LIKE '%'", "s IS NOT NULL"},
		{"s NOT LIKE '%'", "FALSE"},
		{"i = 1 AND FALSE", "FALSE"},
		{"i = 1 OR TRUE", "TRUE"},
		{"tm = '12:00:00'", "tm = '12:00:00.000000'"},
	}
	for _, c := range cases {
		e, err := Parse(c.in)
		if err != nil {
			if c.want != "" {
				t.Errorf("%s: %v", c.in, err)
			}
			continue
		}
		b, err := Bind(e, testSchema(), false)
		if err != nil {
			if c.want != "" {
				t.Errorf("%s: %v", c.in, err)
			}
			continue
		}
		if b.String() != c.want {
			t.Errorf("%s: %s, want %s", c.in, b, c.want)
		}
	}
}

func TestBindErrors(t *testing.T) {
	cases := map[string]string{
		"nope = 1":         "nope",
		"ii = 1":           "i",
		"mixed = 1":        "Mixed",
		"st = 1":           "cannot be compared",
		"li.element = 1":   "inside a list or map",
		"i = 'abc'":        "column i: 'abc' is no int: give a number such as 42",
		"dt = 5":           "column dt: 5 is no date: give a date such as '2026-01-31'",
		"dt = '2026-13-1'": "column dt: '2026-13-1' is no date",
		"i LIKE 'a%'":      "needs a string column",
		"i IS NAN":         "needs float or double",
		"b = 5":            "column b: 5 is no boolean: give true or false",
		"s = 5":            "column s: 5 is no string: give a text in single quotes",
		"i":                "column i",
	}
	for in, want := range cases {
		e, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := Bind(e, testSchema(), false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want …%s…", in, b, err, want)
		}
	}
	if b, err := Bind(Eq("MIXED", 1), testSchema(), true); err != nil || b.String() != "Mixed = 1" {
		t.Errorf("%v, %v", b, err)
	}
}

func TestBindGoValues(t *testing.T) {
	cases := []struct {
		e    Expr
		want string
	}{
		{Eq("l", 5), "l = 5"},
		{Eq("i", uint64(math.MaxUint64)), "FALSE"},
		{Lt("i", math.Inf(1)), "i IS NOT NULL"},
		{Gt("i", math.NaN()), "FALSE"},
		{Eq("ts", time.Unix(0, 0).UTC()), "ts = '1970-01-01T00:00:00.000000+00:00'"},
		{Eq("s", nil), "FALSE"},
		{Not(Eq("s", nil)), "FALSE"},
		{In("s"), "FALSE"},
		{NotIn("s"), "TRUE"},
		{And(), "TRUE"},
		{Or(), "FALSE"},
		{Between("i", 1, 3), "i >= 1 AND i <= 3"},
		{Eq("dec", "1.25"), "dec = 1.25"},
		{And(True, Eq("i", 1), And(Eq("l", 2), Eq("s", "x"))), "i = 1 AND l = 2 AND s = 'x'"},
	}
	for _, c := range cases {
		b, err := Bind(c.e, testSchema(), false)
		if err != nil || b.String() != c.want {
			t.Errorf("%s: %v, %v, want %s", c.e, b, err, c.want)
		}
	}
	b, err := Bind(Or(Eq("s", "x"), And(Eq("i", 1), Gt("s", "y"))), testSchema(), false)
	if err != nil || fmt.Sprint(b.FieldIDs()) != "[1 8]" {
		t.Errorf("%v, %v", b.FieldIDs(), err)
	}
}

func TestCandidates(t *testing.T) {
	cases := []struct {
		e    Expr
		want string
	}{
		{Eq("i", 5), "[5] true"},
		{In("i", 5, 3), "[3 5] true"},
		{And(In("i", 5, 3), Gt("l", 1), Eq("i", 4)), "[4] true"},
		{Or(Eq("i", 5), Eq("i", 3), In("i", 5, 9)), "[3 5 9] true"},
		{Or(Eq("i", 5), Eq("l", 3)), "[] false"},
		{Ne("i", 5), "[] false"},
		{And(Eq("i", 5), False), "[] true"},
	}
	for _, c := range cases {
		b, err := Bind(c.e, testSchema(), false)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := b.Candidates(1)
		if fmt.Sprint(got, ok) != c.want {
			t.Errorf("%s: %v %v, want %s", c.e, got, ok, c.want)
		}
	}
	b, err := Bind(In("f", 1, 0), testSchema(), false)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := b.Candidates(3); fmt.Sprint(got, ok) != "[-0 0 1] true" {
		t.Errorf("zeros: %v %v", got, ok)
	}
}
