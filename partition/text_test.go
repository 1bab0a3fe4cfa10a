package partition

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := Parse(`bucket(8, id), day(at), region, truncate(4, "na me") as n, bucket(a.b,3),"day"`)
	if err != nil {
		t.Fatal(err)
	}
	named := Truncate("na me", 4)
	named.Name = "n"
	want := []Field{Bucket("id", 8), Day("at"), Identity("region"), named, Bucket("a.b", 3), Identity("day")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, err := Parse("  "); err != nil || got != nil {
		t.Errorf("empty text: %v, %v", got, err)
	}
	bad := map[string]string{
		"a,":             "a name expected at the end",
		"bucket(id)":     "takes a number and a column",
		"bucket(0, id)":  "needs a number",
		"bucket(x, id)":  "needs a number",
		"day(a, b)":      "takes one column",
		"foo(a)":         "no transform",
		"a b":            `"," expected`,
		"day(a":          `"," expected at the end`,
		`"a`:             "not closed",
		",a":             "a name expected",
		"day()":          "a name expected",
		"bucket(3,a) as": "a name expected",
	}
	for text, part := range bad {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want …%s…", text, err, part)
		}
	}
}

func TestParseSort(t *testing.T) {
	got, err := ParseSort("a desc nulls first, bucket(4, b), c asc NULLS LAST, d desc")
	if err != nil {
		t.Fatal(err)
	}
	want := []SortField{Desc("a"), Asc("b"), Asc("c"), Desc("d")}
	want[0].NullsFirst = true
	want[1].Transform = Transform{Kind: BucketTransform, Param: 4}
	want[2].NullsFirst = false
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, text := range []string{"a nulls", "a up", "a desc,"} {
		if _, err := ParseSort(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestSpecJSON(t *testing.T) {
	cases := map[string]string{
		`{"spec-id":0,"fields":[]}`: "",
		`{"spec-id":3,"fields":[{"name":"a_b","transform":"bucket[4]","source-id":2,"field-id":1003}]}`:             "",
		`{"spec-id":3,"fields":[{"name":"z","transform":"zorder[4]","source-ids":[2,3],"field-id":1003}]}`:          "",
		`{"fields":[{"name":"a","transform":"day","source-id":2},{"name":"b","transform":"void","source-id":2}]}`:   `{"spec-id":0,"fields":[{"name":"a","transform":"day","source-id":2,"field-id":1000},{"name":"b","transform":"void","source-id":2,"field-id":1001}]}`,
		`{"spec-id":1,"x":{},"fields":[{"name":"a","transform":"day","source-ids":[2],"field-id":1000,"extra":1}]}`: `{"spec-id":1,"fields":[{"name":"a","transform":"day","source-id":2,"field-id":1000}]}`,
	}
	for in, want := range cases {
		if want == "" {
			want = in
		}
		var s Spec
		if err := s.UnmarshalJSON([]byte(in)); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, err := s.MarshalJSON(); err != nil || string(got) != want {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	for _, bad := range []string{
		`{`, `[]`, `null`, `{"spec-id":1}`, `{"fields":[{"transform":"day","source-id":1}]}`,
		`{"fields":[{"name":"a","source-id":1}]}`, `{"fields":[{"name":"a","transform":"day"}]}`,
		`{"fields":[{"name":"a","transform":"day","source-id":1,"field-id":0}]}`,
		`{"fields":[{"name":"a","transform":"day","source-id":-1}]}`,
		`{"fields":[{"name":"a","transform":"day","source-id":1},{"name":"a","transform":"day","source-id":1}]}`,
	} {
		var s Spec
		if err := s.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestSortJSON(t *testing.T) {
	for _, in := range []string{
		`{"order-id":0,"fields":[]}`,
		`{"order-id":2,"fields":[{"transform":"identity","source-id":1,"direction":"desc","null-order":"nulls-last"},{"transform":"bucket[2]","source-ids":[1,2],"direction":"asc","null-order":"nulls-first"}]}`,
	} {
		var o SortOrder
		if err := o.UnmarshalJSON([]byte(in)); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, err := o.MarshalJSON(); err != nil || string(got) != in {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	for _, bad := range []string{
		`{}`, `{"order-id":1}`, `{"order-id":1,"fields":[{"transform":"identity","source-id":1,"direction":"up","null-order":"nulls-last"}]}`,
		`{"order-id":1,"fields":[{"transform":"identity","direction":"asc","null-order":"nulls-last"}]}`,
		`{"order-id":1,"fields":[{"source-id":1,"direction":"asc","null-order":"nulls-last"}]}`,
		`{"order-id":1,"fields":[{"transform":"identity","source-id":1,"direction":"asc","null-order":"middle"}]}`,
	} {
		var o SortOrder
		if err := o.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func FuzzSpecJSON(f *testing.F) {
	f.Add([]byte(`{"spec-id":3,"fields":[{"name":"a_b","transform":"bucket[4]","source-id":2,"field-id":1003}]}`))
	f.Add([]byte(`{"fields":[{"name":"z","transform":"zorder[4]","source-ids":[2,3]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s, again Spec
		if s.UnmarshalJSON(data) != nil {
			return
		}
		out, err := s.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalJSON(out); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if !s.Equivalent(again) || s.ID != again.ID {
			t.Fatalf("%v became %v", s, again)
		}
	})
}

func FuzzSortJSON(f *testing.F) {
	f.Add([]byte(`{"order-id":2,"fields":[{"transform":"identity","source-id":1,"direction":"desc","null-order":"nulls-last"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var o, again SortOrder
		if o.UnmarshalJSON(data) != nil {
			return
		}
		out, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalJSON(out); err != nil || !o.Equivalent(again) {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

func FuzzParseTerms(f *testing.F) {
	f.Add(`bucket(8, id), day(at), "re""gion", truncate(4, name) as n`)
	f.Add("a desc nulls last, bucket(4, b)")
	f.Fuzz(func(t *testing.T, text string) {
		if fields, err := Parse(text); err == nil {
			for _, x := range fields {
				if x.Column == "" && !strings.Contains(text, `""`) {
					t.Fatalf("%q: field without a column", text)
				}
			}
		}
		_, _ = ParseSort(text)
	})
}
