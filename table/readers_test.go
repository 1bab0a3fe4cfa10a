package table_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestReaders: what a policy admits, when the writer is made and when the table
// changes under it.
func TestReaders(t *testing.T) {
	for _, c := range []struct {
		version   int
		equality  bool
		partition bool
		readers   string
		want      string // of the error, "" for none
	}{
		{2, false, false, "spark duckdb snowflake chdb", `no reader "chdb" is known`},
		{2, false, true, "spark duckdb snowflake clickhouse PyIceberg", ""},
		{3, false, false, "spark duckdb snowflake", ""},
		{3, false, false, "spark clickhouse", "deletion vectors, which clickhouse does not read"},
		{2, true, false, "spark flink duckdb", ""},
		{2, true, true, "spark flink duckdb", "duckdb does not read equality deletes in partitioned tables"},
		{2, true, false, "spark snowflake", "snowflake does not read equality deletes: delete by position"},
	} {
		r := newRace(t, c.version, "")
		if c.partition {
			spec := partition.Spec{Fields: []partition.Field{{SourceIDs: []int{1}, Name: "b", Transform: partition.ParseTransform("bucket[2]")}}}
			r.update(metadata.AddSpec{Spec: spec}, metadata.SetDefaultSpec{SpecID: metadata.LastAdded})
		}
		wo := &table.WriterOptions{Readers: strings.Fields(c.readers)}
		if c.equality {
			wo.Encoding = table.EncodingEquality
		}
		_, err := r.ours.NewWriter(wo)
		switch {
		case c.want == "" && err != nil, c.want != "" && (!errors.Is(err, table.ErrReaders) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("version %d, equality %v, readers %s: %v, want %s", c.version, c.equality, c.readers, err, c.want)
		}
	}

	r := newRace(t, 2, "")
	wo := &table.WriterOptions{Readers: []string{"clickhouse"}}
	w, err := r.ours.NewWriter(wo)
	r.must(err)
	defer w.Close()
	r.must(w.Upsert(r.ctx, schema.Row{int64(1), "b"}))
	r.cat.before = func() { r.update(metadata.UpgradeFormatVersion{Version: 3}) }
	if _, err := w.Commit(r.ctx, nil); !errors.Is(err, table.ErrReaders) {
		t.Errorf("after an upgrade under the writer: %v", err)
	}
	if got := r.rows(); got != "1=a 2=a 3=a 4=a" {
		t.Errorf("rows %s", got)
	}
	if err := w.Upsert(r.ctx, schema.Row{int64(1), "b"}); !errors.Is(err, table.ErrReaders) {
		t.Errorf("the next commit: %v", err)
	}

	r = newRace(t, 2, "")
	r.put(r.ours, &table.WriterOptions{}, "9=x")
	if err := r.ours.Unreadable([]string{"snowflake"}); err != nil {
		t.Error(err)
	}
	w, err = r.ours.NewWriter(&table.WriterOptions{Encoding: table.EncodingEquality})
	r.must(err)
	r.must(w.Delete(r.ctx, schema.Row{int64(1)}))
	_, err = w.Commit(r.ctx, nil)
	r.must(err)
	if err := r.ours.Unreadable([]string{"snowflake"}); !errors.Is(err, table.ErrReaders) {
		t.Errorf("a table with equality deletes: %v", err)
	}
}

// TestReadersDocumented: docs/readers.md has every reader.
func TestReadersDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/readers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range table.ReaderTable() {
		if !strings.Contains(string(doc), line) {
			t.Errorf("docs/readers.md lacks the line\n%s", line)
		}
	}
	if !slices.IsSorted(table.Readers()) {
		t.Error("readers are not sorted")
	}
}

// TestDecisions: what became of the keys of a commit, in its summary and event.
func TestDecisions(t *testing.T) {
	const prefix = "frazil.keys."
	for _, c := range []struct {
		name    string
		version int
		wo      table.WriterOptions
		changes []string
		want    string
	}{
		{"inserts", 2, table.WriterOptions{}, []string{"8=x", "9=x"}, "absent=2"},
		{"position", 2, table.WriterOptions{}, []string{"1=x", "2", "9=x", "10"}, "absent=2 position=2"},
		{"vector", 3, table.WriterOptions{}, []string{"1=x", "2", "9=x", "10"}, "absent=2 vector=2"},
		{"whole file", 3, table.WriterOptions{}, []string{"1", "2", "3", "4=x"}, "with-file=4"},
		{"equality", 3, table.WriterOptions{Encoding: table.EncodingEquality}, []string{"1", "9=x"}, "equality=2"},
	} {
		r := newRace(t, c.version, "")
		var seen table.Decisions
		var err error
		r.ours, err = table.Open(r.ctx, r.cat, "r.t", &table.Options{Events: table.Events{Committed: func(i table.CommitInfo) { seen = i.Keys }}})
		r.must(err)
		w, err := r.ours.NewWriter(&c.wo)
		r.must(err)
		r.change(w, c.changes...)
		snap, err := w.Commit(r.ctx, nil)
		r.must(err)
		var got []string
		for _, k := range []string{"absent", "position", "vector", "with-file", "equality", "late"} {
			if v := snap.Summary[prefix+k]; v != "" {
				got = append(got, k+"="+v)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
		if seen == (table.Decisions{}) {
			t.Errorf("%s: the event has no counts", c.name)
		}
	}
	o := newOrdered(t, 3, "", table.WriterOptions{})
	o.commit(o.ours, "1@5 2@5 3@5 4@5")
	o.commit(o.ours, "1@4 -2@6 3@7 3@6 9@1", "3@1 9@2")
	s := o.ours.Metadata().Current().Summary
	if s[prefix+"late"] != "3" || s[prefix+"vector"] != "2" || s[prefix+"absent"] != "1" {
		t.Errorf("with an order: %v", s)
	}
}
