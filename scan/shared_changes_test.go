package scan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

func TestSharedSparkChanges(t *testing.T) {
	dir := filepath.Join(sharedTables(t), "spark")
	store := objstore.MapPrefix(local(t, dir), "file:/warehouse", dir)
	c := &tally{t: t}
	for _, e := range load[[]struct {
		Table   string
		Changes bool
	}](t, filepath.Join(dir, "index.json")) {
		if !e.Changes {
			continue
		}
		x := load[tableCase](t, filepath.Join(dir, "expected", e.Table+".json"))
		src, err := source(t, store, filepath.Join(dir, e.Table, x.MetadataFile))
		if err != nil {
			c.fail(e.Table, "%v", err)
			continue
		}
		for _, want := range load[[]struct {
			ID                int64  `json:"snapshot_id"`
			Parent            *int64 `json:"parent_id"`
			Deleted, Inserted []json.RawMessage
		}](t, filepath.Join(dir, "expected", e.Table+".changes.json")) {
			what := fmt.Sprintf("%s changes of %d", e.Table, want.ID)
			c.total++
			gone, came, err := changes(src, want.Parent, want.ID)
			switch {
			case errors.Is(err, scan.ErrUnsupported):
				c.refused++
			case err != nil:
				c.fail(what, "%v", err)
			case !sameLines(gone, want.Deleted):
				c.fail(what, "%d deleted, want %d: %s", len(gone), len(want.Deleted), firstDifference(gone, want.Deleted))
			case !sameLines(came, want.Inserted):
				c.fail(what, "%d inserted, want %d: %s", len(came), len(want.Inserted), firstDifference(came, want.Inserted))
			default:
				c.right++
			}
		}
	}
	c.report("changes of snapshots")
}

func sameLines(got [][]byte, want []json.RawMessage) bool {
	return slices.EqualFunc(got, want, func(a []byte, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// changes returns the rows that a snapshot took away and added, sorted.
func changes(src scan.Source, from *int64, to int64) (gone, came [][]byte, err error) {
	cs := scan.Changes(src, &scan.ChangesOptions{From: from, To: &to})
	sc, err := cs.Schema()
	if err != nil {
		return nil, nil, err
	}
	n := len(sc.Fields) - 3
	own := schema.MustNew(sc.Fields[:n]...)
	e := rowjson.NewEncoder(own, rowjson.Canonical)
	for b, err := range cs.Batches(context.Background()) {
		if err != nil {
			return nil, nil, err
		}
		for i := range int(b.NumRows()) {
			l := bytes.TrimSuffix(e.AppendRow(nil, b, i), []byte("\n"))
			switch kind := schema.ValueAt(b.Column(n), schema.String, i); kind {
			case string(scan.Delete):
				gone = append(gone, l)
			case string(scan.Insert):
				came = append(came, l)
			default:
				return nil, nil, fmt.Errorf("change type %v", kind)
			}
		}
	}
	slices.SortFunc(gone, bytes.Compare)
	slices.SortFunc(came, bytes.Compare)
	return gone, came, nil
}

// The rows of an old snapshot and the changes since give the rows of the last.
func TestSharedFlinkChanges(t *testing.T) {
	dir := filepath.Join(sharedTables(t), "flink")
	for _, name := range []string{"flink_upsert_v2", "flink_upsert_v3"} {
		x := load[tableCase](t, filepath.Join(dir, "expected", name+".json"))
		src, err := source(t, flinkStore(t, dir, name), filepath.Join(dir, name, "db", "t", "metadata", x.MetadataFile))
		if err != nil {
			t.Fatal(err)
		}
		from := src.Metadata.Current()
		for range 12 {
			from = src.Metadata.Snapshot(*from.ParentID)
		}
		rows := byID(t, src, &scan.Options{SnapshotID: &from.ID})
		kinds := replay(t, src, from.ID, rows)
		want := byID(t, src, nil)
		for id, row := range want {
			if rows[id] != row {
				t.Fatalf("%s: row %d differs", name, id)
			}
		}
		if len(rows) != len(want) {
			t.Errorf("%s: %d rows, want %d", name, len(rows), len(want))
		}
		t.Logf("%s: %v", name, kinds)
	}
}

// byID reads a table by its first column.
func byID(t *testing.T, src scan.Source, o *scan.Options) map[int64]string {
	rows := map[int64]string{}
	for row, err := range scan.New(src, o).Rows(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		rows[row[0].(int64)] = fmt.Sprint(row...)
	}
	return rows
}

// replay applies the changes after a snapshot to rows and counts their types.
func replay(t *testing.T, src scan.Source, from int64, rows map[int64]string) map[string]int {
	cs := scan.Changes(src, &scan.ChangesOptions{From: &from, Updates: true, Key: []string{"id"}})
	sc, err := cs.Schema()
	if err != nil {
		t.Fatal(err)
	}
	n := len(sc.Fields) - 3
	kinds := map[string]int{}
	for row, err := range cs.Rows(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		id, kind, text := row[0].(int64), row[n].(string), fmt.Sprint(row[:n]...)
		kinds[kind]++
		old, there := rows[id]
		switch scan.ChangeType(kind) {
		case scan.Delete, scan.UpdateBefore:
			if old != text {
				t.Fatalf("%s of row %d, which is not as it was", kind, id)
			}
			delete(rows, id)
		default:
			if there {
				t.Fatalf("%s of row %d, which is there", kind, id)
			}
			rows[id] = text
		}
	}
	return kinds
}
