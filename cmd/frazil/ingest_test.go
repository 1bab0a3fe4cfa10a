package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/frazildb/frazil/schema"
)

const everyType = `id long!, a int, b float, c double, d decimal(38,9), e date, f time, g timestamp, h timestamptz, i string, j uuid, ` +
	`k binary, l fixed[3], m boolean, n list<string>, o map<string, int>, p struct<x: long!, y: list<double>>, q decimal(5,0), "odd, name" string`

// randomRow is a row of everyType as JSON.
func randomRow(r *rand.Rand, id int) map[string]any {
	texts := []string{"", "a", "NULL", "é\u2028", `"quoted"`, "comma, semi; tab\t", "line\nbreak\r\n", "null", " 1 ", "🐧", "\\N"}
	text := func() string { return texts[r.IntN(len(texts))] }
	floats := []any{0.0, math.Copysign(0, -1), 1.5, 1e300, -1e-300, "NaN", "Infinity", "-Infinity"}
	small := []any{0.0, 0.1, 3e38, "NaN", "-Infinity"}
	hexOf := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return fmt.Sprintf("%x", b)
	}
	at := time.Unix(r.Int64N(8_000_000_000)-4_000_000_000, r.Int64N(1e9)).UTC()
	row := map[string]any{
		"a": int32(r.Uint32()), "b": small[r.IntN(len(small))], "c": floats[r.IntN(len(floats))],
		"d": fmt.Sprintf("%d.%09d", r.Int64N(1<<60), r.IntN(1e9)), "e": at.Format("2006-01-02"), "f": at.Format("15:04:05.000000"),
		"g": at.Format("2006-01-02T15:04:05.000000"), "h": at.Format("2006-01-02T15:04:05.000000") + "+00:00", "i": text(),
		"j": hexOf(16), "k": hexOf(r.IntN(5)), "l": hexOf(3), "m": r.IntN(2) == 0,
		"n": []any{text(), nil}[:r.IntN(3)], "o": map[string]any{"keys": []string{text()}, "values": []any{r.IntN(9)}},
		"p": map[string]any{"x": r.Int64(), "y": []any{1.5, nil, "NaN"}[:r.IntN(4)]}, "q": r.IntN(99999), "odd, name": text(),
	}
	for k := range row {
		if r.IntN(6) == 0 {
			row[k] = nil
		}
	}
	row["id"] = id
	return row
}

// TestForms: what is printed in any form is ingested again to the same rows.
func TestForms(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	t.Chdir(t.TempDir())
	var rows bytes.Buffer
	enc := json.NewEncoder(&rows)
	for i := range 300 {
		if err := enc.Encode(randomRow(r, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("rows.jsonl", rows.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "create", "s.t", "--schema", everyType, "--key", "id")
	must(t, "ingest", "s.t", "rows.jsonl", "--key", "id", "--commit-rows", "170")
	want := must(t, "scan", "s.t", "--output", "canonical")
	if n := strings.Count(want, "\n"); n != 300 {
		t.Fatalf("%d rows", n)
	}
	for _, form := range []string{"jsonl", "csv", "parquet", "arrow"} {
		file := "out." + form
		if err := os.WriteFile(file, []byte(must(t, "scan", "s.t", "--output", form)), 0o644); err != nil {
			t.Fatal(err)
		}
		must(t, "create", "s."+form, "--schema", everyType, "--key", "id")
		must(t, "ingest", "s."+form, file, "--key", "id", "--commit-rows", "101")
		if got := must(t, "scan", "s."+form, "--output", "canonical"); got != want {
			t.Errorf("%s: %s", form, firstDifference(want, got))
		}
		if form == "parquet" || form == "arrow" { // exact types make the same table
			must(t, "ingest", "s.new"+form, file, "--key", "id", "--create")
			if got := must(t, "scan", "s.new"+form, "--output", "canonical"); got != want {
				t.Errorf("%s --create: %s", form, firstDifference(want, got))
			}
		}
	}
}

// TestDamagedFiles: no damage to a file makes a panic or half an ingest.
func TestDamagedFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "create", "s.t", "--schema", everyType, "--key", "id")
	r := rand.New(rand.NewPCG(1, 2))
	var rows bytes.Buffer
	for i := range 50 {
		b, _ := json.Marshal(randomRow(r, i))
		rows.Write(append(b, '\n'))
	}
	if _, errs, code := call(t, &rows, "ingest", "s.t", "-", "--format", "jsonl", "--key", "id"); code != 0 {
		t.Fatal(errs)
	}
	for _, form := range []string{"parquet", "arrow", "csv", "jsonl"} {
		data := []byte(must(t, "scan", "s.t", "--output", form))
		for i := range 60 {
			bad := bytes.Clone(data)
			if i%3 == 0 {
				bad = bad[:r.IntN(len(bad))]
			} else {
				for range 1 + r.IntN(3) {
					bad[r.IntN(len(bad))] ^= byte(1 + r.IntN(255))
				}
			}
			name := fmt.Sprintf("bad%d.%s", i, form)
			if err := os.WriteFile(name, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			_, errs, code := call(t, nil, "ingest", "s.t", name, "--key", "id", "--quiet")
			if code != 0 && strings.Count(errs, "\n") != 1 {
				t.Errorf("%s: exit %d: %s", name, code, errs)
			}
		}
	}
	if out := must(t, "scan", "s.t", "--checksum"); out == "" {
		t.Error("the table cannot be read any more")
	}
}

// FuzzRecords: rows of CSV come apart as encoding/csv takes them apart, where
// that accepts them.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\"x\"\"y\",\"l1\nl2\"\r\n,\n", "\"open", "a\"b,c\n\"a\"b\n", "\xef\xbb\xbfa\n\n\n b\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := newRecordReader(strings.NewReader(text), ',')
		var got [][]string
		clean := true
		for {
			rec, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			clean = clean && rec.err == nil
			var cells []string
			for _, c := range rec.cells {
				cells = append(cells, string(c.text))
			}
			got = append(got, cells)
		}
		if strings.ContainsAny(text, "\r") || strings.Contains(text, "\ufeff") {
			return // line ends within cells differ there
		}
		std := csv.NewReader(strings.NewReader(text))
		std.FieldsPerRecord = -1
		want, err := std.ReadAll()
		if err != nil || !clean {
			return
		}
		var kept [][]string
		for _, w := range want { // rows of white space are blank lines here
			if len(w) > 1 || strings.TrimSpace(w[0]) != "" || strings.Contains(text, "\"") {
				kept = append(kept, w)
			}
		}
		if !strings.Contains(text, "\"") && fmt.Sprint(got) != fmt.Sprint(kept) {
			t.Errorf("%q: %q, want %q", text, got, kept)
		}
	})
}

// FuzzRow: a row that fails leaves nothing behind in the builder.
func FuzzRow(f *testing.F) {
	fields, err := parseColumns(everyType)
	if err != nil {
		f.Fatal(err)
	}
	s, err := schema.New(0, fields, nil)
	if err != nil {
		f.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 10 {
		b, _ := json.Marshal(randomRow(r, i))
		f.Add(b)
	}
	f.Add([]byte(`{"id":1,"p":{"x":1,"y":[1,"a"]},"n":["a",1]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := newTextParser("s.t", s, "", "")
		for range 2 {
			before := p.b.Len()
			err := p.parse(&record{raw: raw})
			if err == nil && p.b.Len() != before+1 || err != nil && p.b.Len() != before {
				t.Fatalf("%d rows after %d, %v", p.b.Len(), before, err)
			}
			for i := range p.fields {
				if p.b.Column(i).Len() != p.b.Len() {
					t.Fatalf("column %d has %d values for %d rows", i, p.b.Column(i).Len(), p.b.Len())
				}
			}
			if err != nil && !utf8.ValidString(err.Error()) && utf8.Valid(raw) {
				t.Fatalf("%q", err)
			}
		}
		b := p.b.Batch()
		b.Rows.Release()
		if _, err := infer([]record{{raw: raw}}, nil, ""); err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatal(err)
		}
	})
}

func TestGuess(t *testing.T) {
	for text, want := range map[string]guess{
		"1": guessLong, "-17": guessLong, "007": guessString, "0": guessLong, "0.5": guessDouble, "1e3": guessDouble, "9223372036854775808": guessBig,
		"true": guessBool, "FALSE": guessBool, "": guessString, "-": guessString, ".5": guessDouble, "1_0": guessString, "0x1p3": guessString, "1e999": guessString,
		"2026-01-31": guessDate, "2026-02-31": guessString, "2026-01-31 12:00:00": guessTimestamp, "2026-01-31T12:00:00Z": guessTimestampTz,
		"2026-01-31T12:00:00.1+02:00": guessTimestampTz, "2026-1-1": guessString, "NaN": guessString, fmt.Sprint(math.MaxInt64): guessLong,
	} {
		if got := guessText(text, true); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for a := guessNull; a <= guessString; a++ {
		for b := guessNull; b <= guessString; b++ {
			if a.join(b) != b.join(a) || a.join(a) != a {
				t.Errorf("join of %d and %d: %d, %d", a, b, a.join(b), b.join(a))
			}
			for c := guessNull; c <= guessString; c++ {
				if a.join(b).join(c) != a.join(b.join(c)) {
					t.Errorf("join of %d, %d, %d depends on the order", a, b, c)
				}
			}
		}
	}
}

// TestInferNested: objects and arrays become structs and lists.
func TestInferNested(t *testing.T) {
	var sample []record
	for _, l := range []string{
		`{"a":1,"b":{"c":"x","d":[1,2.5]},"e":[{"f":true}],"g":null,"h":[]}`,
		`{"a":2.5,"b":{"c":"y","z":"2026-01-31"},"e":[],"i":[null]}`,
	} {
		sample = append(sample, record{raw: []byte(l)})
	}
	fields, err := infer(sample, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	got := typeText(schema.Struct(fields...))
	want := "struct<a: double, b: struct<c: string, d: list<double>, z: date>, e: list<struct<f: boolean>>, g: string, h: list<string>, i: list<string>>"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, l := range []string{`{"a":{"x":1}}` + "\n" + `{"a":1}`, `{"a":{}}`} {
		sample = nil
		for _, part := range strings.Split(l, "\n") {
			sample = append(sample, record{raw: []byte(part)})
		}
		if _, err := infer(sample, nil, ""); err == nil {
			t.Errorf("%s: no error", l)
		}
	}
}

// TestDecompressed: packed files are unpacked, and read the same again packed or not.
func TestPackedInput(t *testing.T) {
	t.Chdir(t.TempDir())
	data, err := demoFiles.ReadFile("demo/sakila-2.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(".", "events.jsonl.zst"), data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	_, errs, code := call(t, nil, "ingest", "s.t", "events.jsonl.zst", "--create")
	if code != exitFailed || strings.Count(errs, "\n") > 2 {
		t.Errorf("a truncated packed file: exit %d: %s", code, errs)
	}
}
