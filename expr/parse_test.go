package expr

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	cases := []struct{ in, want string }{
		{"id = 5", "id = 5"},
		{"5 < id", "id > 5"},
		{"a.b >= -1.50 AND \"sel ect\" <> 'it''s'", "a.b >= -1.50 AND \"sel ect\" <> 'it''s'"},
		{"a=1 or b=2 and not c=3", "a = 1 OR (b = 2 AND NOT (c = 3))"},
		{"(a = 1 OR b != 2) AND c == 3", "(a = 1 OR b <> 2) AND c = 3"},
		{"a in (1, 2.5, null)", "a IN (1, 2.5, NULL)"},
		{"a not in ('x')", "a NOT IN ('x')"},
		{"a between 1 and 2 and b = 3", "a >= 1 AND a <= 2 AND b = 3"},
		{"a not between 1 and 2", "NOT (a >= 1 AND a <= 2)"},
		{"a is null or a is not null or a is nan or a is not NaN", "a IS NULL OR a IS NOT NULL OR a IS NAN OR a IS NOT NAN"},
		{"a like 'x%'", "a LIKE 'x%'"},
		{"a not like 'x%'", "a NOT LIKE 'x%'"},
		{`a like '50\%\_%'`, `a LIKE '50\%\_%'`},
		{"a like 'abc'", "a = 'abc'"},
		{"a not like 'abc'", "a <> 'abc'"},
		{"a like '%'", "a LIKE '%'"},
		{"at >= date '2026-01-01' and date < timestamp'2026-01-01 00:00:00'", "at >= '2026-01-01' AND date < '2026-01-01 00:00:00'"},
		{"flag", "flag = TRUE"},
		{"NOT flag AND TRUE", "NOT (flag = TRUE) AND TRUE"},
		{"b = X'0aFF'", "b = X'0aff'"},
		{"f > .5 and f < 1. and f <> 1E3 and f <> +7 and f <> 007", "f > 0.5 AND f < 1 AND f <> 1e3 AND f <> 7 AND f <> 7"},
		{"f = nan or f < -infinity", ""},
		{"naïve = 'é' and 数 = 1", "naïve = 'é' AND 数 = 1"},
		{`"a""b"."c" = 1`, `"a""b.c" = 1`},
	}
	for _, c := range cases {
		e, err := Parse(c.in)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: %s", c.in, e)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if e.String() != c.want {
			t.Errorf("%s: %s, want %s", c.in, e, c.want)
		}
		again, err := Parse(e.String())
		if err != nil || again.String() != e.String() {
			t.Errorf("%s reads as %v, %v", e, again, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	cases := []struct {
		in      string
		column  int
		message string
	}{
		{"", 1, "a column or a literal expected at the end"},
		{"id", 0, ""},
		{"id =", 5, "a literal expected at the end"},
		{"id = 5 id", 8, "AND, OR or the end expected"},
		{"é = 5 and x ~ 3", 13, "unexpected character '~'"},
		{"id = 'abc", 6, "the quote is not closed"},
		{`"id = 5`, 1, "the quote is not closed"},
		{"id = other", 6, "columns cannot be compared"},
		{"5 = 5", 1, "one side of a comparison must be a column"},
		{"id = null", 6, "use IS NULL"},
		{"null = id", 1, "use IS NULL"},
		{"id in (1, 2", 12, "a comma or ) expected"},
		{"id in ()", 8, "a literal expected"},
		{"id in 1", 7, "( expected"},
		{"id is 5", 7, "NULL or NAN expected"},
		{"id not 5", 8, "IN, BETWEEN or LIKE expected"},
		{"id like 5", 9, "a pattern in quotes expected"},
		{"id like '%x'", 9, "only patterns of the form 'prefix%'"},
		{"id like 'x_'", 9, "only patterns"},
		{"id between 1 or 2", 14, "AND expected"},
		{"(id = 5", 8, ") expected at the end"},
		{"id = 1e", 7, "the exponent has no digits"},
		{"id = -", 6, "a number or a column expected"},
		{"!id", 1, "no operator !"},
		{"id = x'zz'", 6, "is not hex"},
		{"a. = 5", 4, "a name expected"},
		{"id = 5 and", 11, "a column or a literal expected at the end"},
		{strings.Repeat("(", 500) + "a", 201, "nested deeper"},
		{strings.Repeat("NOT ", 500) + "a", 801, "nested deeper"},
	}
	for _, c := range cases {
		e, err := Parse(c.in)
		if c.message == "" {
			if err != nil {
				t.Errorf("%s: %v", c.in, err)
			}
			continue
		}
		var s *SyntaxError
		if !errors.As(err, &s) || s.Column != c.column || !strings.Contains(s.Message, c.message) {
			t.Errorf("%.40s: %v, %v; want column %d: …%s…", c.in, e, err, c.column, c.message)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`a.b >= -1.50 AND "sel ect" <> 'it''s' OR NOT (c IN (1, null) AND d NOT LIKE 'x\%%')`)
	f.Add("x between date '2026-01-01' and X'0a' and f is not nan or flag")
	f.Fuzz(func(t *testing.T, where string) {
		e, err := Parse(where)
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) {
				t.Fatalf("%q: %v", where, err)
			}
			return
		}
		again, err := Parse(e.String())
		if err != nil {
			if strings.Contains(err.Error(), "nested deeper") {
				return
			}
			t.Fatalf("%q is written as %q: %v", where, e, err)
		}
		if again.String() != e.String() {
			t.Fatalf("%q is written as %q, then as %q", where, e, again)
		}
	})
}
