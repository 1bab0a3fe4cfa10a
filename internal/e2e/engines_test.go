package e2e

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/judge"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var updateEngines = flag.Bool("engines.update", false, "write the table of engines and features into README.md")

// feature is something a table of ours may have; other engines get to read it.
type feature struct {
	name string
	opts table.CreateOptions
	spec string
	sch  *schema.Schema
	make func(t *testing.T, tab *table.Table)
	past bool // the first snapshot and a branch are read, not the head
}

// features are written by the writer as users have it; of every kind two commits
// at least, the second of which replaces and deletes rows of the first.
func features() []feature {
	flat := columns(schema.String, schema.Int)
	twice := func(e table.Encoding) func(*testing.T, *table.Table) {
		return func(t *testing.T, tab *table.Table) { upsertTwice(t, tab, e) }
	}
	v := func(version int) table.CreateOptions { return table.CreateOptions{FormatVersion: version} }
	nested := columns(
		schema.Struct(schema.Field{ID: 10, Name: "a", Type: schema.Int}, schema.Field{ID: 11, Name: "b", Type: schema.Struct(schema.Field{ID: 12, Name: "c", Type: schema.String})}),
		schema.List(schema.Field{ID: 13, Name: "element", Type: schema.Double}),
		schema.Map(schema.Field{ID: 14, Name: "key", Type: schema.String, Required: true}, schema.Field{ID: 15, Name: "value", Type: schema.Long}))
	types := columns(slices.DeleteFunc(slices.Clone(sparkTypes), func(ty schema.Type) bool { return ty.Kind == schema.KindUUID })...)
	return []feature{
		{name: "rows, version 2", opts: v(2), sch: flat, make: appendTwice},
		{name: "rows, version 3", opts: v(3), sch: flat, make: appendTwice},
		{name: "position deletes (v2)", opts: v(2), sch: flat, make: twice(table.EncodingPosition)},
		{name: "position deletes, partitioned (v2)", opts: v(2), spec: "bucket(3, id)", sch: flat, make: twice(table.EncodingPosition)},
		{name: "deletion vectors (v3)", opts: v(3), sch: flat, make: twice(table.EncodingPosition)},
		{name: "deletion vectors, partitioned (v3)", opts: v(3), spec: "truncate(10, id)", sch: flat, make: twice(table.EncodingPosition)},
		{name: "equality deletes", opts: v(2), sch: flat, make: twice(table.EncodingEquality)},
		{name: "equality deletes, partitioned", opts: v(2), spec: "bucket(3, id)", sch: flat, make: twice(table.EncodingEquality)},
		{name: "primitive types", opts: v(2), sch: types, make: appendTwice},
		{name: "uuid", opts: v(2), sch: columns(schema.UUID), make: appendTwice},
		{name: "time of day", opts: v(2), sch: columns(schema.Time), make: appendTwice},
		{name: "nanosecond timestamps (v3)", opts: v(3), sch: columns(schema.TimestampNs, schema.TimestampTzNs), make: appendTwice},
		{name: "structs, lists, maps", opts: v(2), sch: nested, make: appendTwice},
		{
			name: "partitions by date and time", opts: v(2), sch: columns(schema.Date, schema.Timestamp, schema.TimestampTz),
			spec: "year(c0), day(c1), hour(c2)", make: appendTwice,
		},
		{name: "columns renamed, widened, dropped, added again", opts: v(2), sch: flat, make: evolveColumns},
		{name: "column with a default (v3)", opts: v(3), sch: flat, make: addDefault},
		{name: "partitioning changed under live deletes", opts: v(2), spec: "bucket(2, id)", sch: flat, make: changePartitions},
		{name: "snapshots of the past, branches", opts: v(2), sch: flat, make: branchOff, past: true},
	}
}

func appendTwice(t *testing.T, tab *table.Table) {
	r := rand.New(rand.NewPCG(3, 4))
	value := func(f schema.Field, i int) any {
		if !f.Required && i%5 == 4 {
			return nil
		}
		return plainValue(r, f.Type)
	}
	for round := range 2 {
		var rows []schema.Row
		for i := range 40 {
			row := schema.Row{int32(round*40 + i)}
			for c, f := range tab.Schema().Fields[1:] {
				row = append(row, value(f, i+c))
			}
			rows = append(rows, row)
		}
		write(t, tab, rows, 1)
	}
}

// plainValue is a value within what every engine's type has: no year before 1700
// or after 2200, no NaN payloads.
func plainValue(r *rand.Rand, ty schema.Type) any {
	switch ty.Kind {
	case schema.KindDate:
		return int32(r.IntN(80_000) - 40_000)
	case schema.KindTimestamp, schema.KindTimestampTz:
		return r.Int64N(6_000_000_000_000_000) - 3_000_000_000_000_000
	case schema.KindTimestampNs, schema.KindTimestampTzNs:
		return r.Int64N(6_000_000_000_000_000_000) - 3_000_000_000_000_000_000
	case schema.KindTime:
		return r.Int64N(86_400_000_000)
	case schema.KindStruct:
		row := make(schema.Row, len(ty.Fields))
		for i, f := range ty.Fields {
			if row[i] = plainValue(r, f.Type); r.IntN(4) == 0 {
				row[i] = nil
			}
		}
		return row
	case schema.KindList:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, plainValue(r, ty.Fields[0].Type))
		}
		return list
	case schema.KindMap:
		m := schema.MapValue{}
		for i := range r.IntN(3) {
			m.Keys, m.Values = append(m.Keys, fmt.Sprint("k", i)), append(m.Values, plainValue(r, ty.Fields[1].Type))
		}
		return m
	}
	odd := oddValues(ty)
	return odd[r.IntN(len(odd))]
}

func upsertTwice(t *testing.T, tab *table.Table, e table.Encoding) {
	for round := range 3 {
		w, err := tab.NewWriter(&table.WriterOptions{Encoding: e, KeepSnapshots: -1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			id := int32(i * (round + 1))
			if (i+round)%4 == 3 {
				err = w.Delete(t.Context(), schema.Row{id})
			} else {
				err = w.Upsert(t.Context(), schema.Row{id, fmt.Sprint("r", round), int32(i)})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Commit(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
}

func evolved(t *testing.T, tab *table.Table, o *table.EvolveOptions, change func(e *schema.Evolution) error) {
	t.Helper()
	if err := tab.Evolve(t.Context(), change, o); err != nil {
		t.Fatal(err)
	}
}

func evolveColumns(t *testing.T, tab *table.Table) {
	upsertTwice(t, tab, table.EncodingPosition)
	evolved(t, tab, nil, func(e *schema.Evolution) error {
		return firstError(e.Rename("c0", "text"), e.Widen("c1", schema.Long), e.Add("", schema.Field{Name: "extra", Type: schema.String}))
	})
	write(t, tab, []schema.Row{{int32(1), "after", int64(1) << 40, "x"}, {int32(500), nil, nil, nil}}, 1)
	evolved(t, tab, nil, func(e *schema.Evolution) error {
		return firstError(e.Drop("extra"), e.MoveFirst("text"))
	})
	evolved(t, tab, nil, func(e *schema.Evolution) error {
		return e.Add("", schema.Field{Name: "extra", Type: schema.Int})
	})
	write(t, tab, []schema.Row{{"last", int32(2), int64(2), int32(9)}}, 1)
}

func addDefault(t *testing.T, tab *table.Table) {
	upsertTwice(t, tab, table.EncodingPosition)
	evolved(t, tab, &table.EvolveOptions{Backfill: map[string]any{"d": "was here"}}, func(e *schema.Evolution) error {
		return e.Add("", schema.Field{Name: "d", Type: schema.String})
	})
	write(t, tab, []schema.Row{{int32(1), "after", int32(1), nil}, {int32(500), "new", nil, "own"}}, 1)
}

func changePartitions(t *testing.T, tab *table.Table) {
	upsertTwice(t, tab, table.EncodingPosition)
	respec(t, tab, "truncate(50, id), c0")
	upsertTwice(t, tab, table.EncodingPosition)
}

func branchOff(t *testing.T, tab *table.Table) {
	upsertTwice(t, tab, table.EncodingPosition)
	if err := tab.CreateBranch(t.Context(), "side", nil); err != nil {
		t.Fatal(err)
	}
	w, err := tab.NewWriter(&table.WriterOptions{Branch: "side", KeepSnapshots: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := firstError(w.Upsert(t.Context(), schema.Row{int32(3), "side", nil}), w.Delete(t.Context(), schema.Row{int32(4)})); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// testEngines lets every engine read a table of every feature, and compares what
// came of it with the README's table.
func (s *sparkTest) testEngines(t *testing.T) {
	testenv.Python(t)
	engines := []judge.Engine{judge.DuckDB, judge.PyIceberg, judge.Polars, judge.ChDB}
	names, versions := []string{"DuckDB", "PyIceberg", "Polars", "chDB"}, engineVersions(t)
	var b bytes.Buffer
	b.WriteString("| feature | Spark " + versions["spark"])
	for i, e := range engines {
		fmt.Fprintf(&b, " | %s %s", names[i], versions[string(e)])
	}
	b.WriteString(" |\n|---|" + strings.Repeat("---|", len(engines)+1) + "\n")
	for i, f := range features() {
		tab := s.featured(t, fmt.Sprintf("eng.f%d", i), f)
		at := []int64{0}
		if f.past {
			at = []int64{tab.Metadata().Snapshots[0].ID, tab.Metadata().Refs["side"].SnapshotID}
		}
		fmt.Fprintf(&b, "| %s | %s", f.name, s.sparkReads(t, tab, at))
		for _, e := range engines {
			fmt.Fprintf(&b, " | %s", judgeReads(t, tab, e, at))
		}
		b.WriteString(" |\n")
	}
	compareReadme(t, "engines", b.String())
}

func (s *sparkTest) featured(t *testing.T, name string, f feature) *table.Table {
	t.Helper()
	spec, err := partition.Parse(f.spec)
	if err != nil {
		t.Fatal(err)
	}
	o := f.opts
	o.Key, o.Partition = []string{"id"}, spec
	tab := s.create(t, name, f.sch, &o)
	f.make(t, tab)
	if err := tab.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tab
}

// of returns the scan options of a snapshot, 0 for the table as it is.
func of(id int64) *scan.Options {
	if id == 0 {
		return nil
	}
	return &scan.Options{SnapshotID: &id}
}

func judgeReads(t *testing.T, tab *table.Table, e judge.Engine, at []int64) string {
	t.Helper()
	for _, id := range at {
		got, err := judge.Try(t, e, strings.TrimPrefix(tab.MetadataLocation(), "file://"), id)
		if err != nil {
			t.Logf("%s refuses %s: %.200s", e, tab.Name(), err)
			return "refuses"
		}
		if want := ours(t, tab, of(id)); got != want {
			t.Logf("%s reads %s as %+v, we as %+v", e, tab.Name(), got, want)
			return "differs"
		}
	}
	return "yes"
}

func (s *sparkTest) sparkReads(t *testing.T, tab *table.Table, at []int64) string {
	t.Helper()
	for _, id := range at {
		q := "SELECT * FROM h." + tab.Name()
		if id != 0 {
			q += fmt.Sprintf(" VERSION AS OF %d", id)
		}
		got, err := s.app.SQL(q)
		if err != nil {
			t.Logf("Spark refuses %s: %.200s", tab.Name(), err)
			return "refuses"
		}
		if want := rowsOf(t, tab, of(id)); !slices.Equal(got, want) {
			t.Logf("Spark reads %s differently: %.300s\n%.300s", tab.Name(), difference(want, got), difference(got, want))
			return "differs"
		}
	}
	return "yes"
}

// engineVersions reads the versions from where they are pinned.
func engineVersions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	data, err := os.ReadFile(filepath.Join(testenv.Root(), "internal", "judge", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z]+)(?:\[[a-z0-9,-]+\])?==(\S+)$`).FindAllStringSubmatch(string(data), -1) {
		out[m[1]] = m[2]
	}
	if data, err = os.ReadFile(filepath.Join("spark", "pom.xml")); err != nil {
		t.Fatal(err)
	}
	var pom struct {
		Spark   string `xml:"properties>spark.version"`
		Iceberg string `xml:"properties>iceberg.version"`
	}
	if err := xml.Unmarshal(data, &pom); err != nil {
		t.Fatal(err)
	}
	out["spark"] = pom.Spark + ", Iceberg " + pom.Iceberg
	return out
}

// compareReadme compares, or with -engines.update writes, the part of README.md
// between the comments NAME and /NAME.
func compareReadme(t *testing.T, name, want string) {
	t.Helper()
	path := filepath.Join(testenv.Root(), "README.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), "<!-- "+name+" -->\n")
	got, after, ok2 := strings.Cut(rest, "<!-- /"+name+" -->")
	if !ok || !ok2 {
		t.Fatalf("README.md has no part %s", name)
	}
	switch {
	case got == want:
	case *updateEngines:
		if err := os.WriteFile(path, []byte(before+"<!-- "+name+" -->\n"+want+"<!-- /"+name+" -->"+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("README.md says\n%s\nit was\n%s", got, want)
	}
}
