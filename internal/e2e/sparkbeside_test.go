package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// upgradeTo raises the format version of a table.
func upgradeTo(t *testing.T, tab *table.Table, version int) {
	t.Helper()
	_, _, err := tab.CommitUpdates(t.Context(), func(*catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
		return []metadata.Update{metadata.UpgradeFormatVersion{Version: version}}, nil, nil
	})
	if err == nil {
		err = tab.Refresh(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// modelled is a table of id, name, n and the rows it must have.
type modelled struct {
	*sparkTest
	tab  *table.Table
	rows map[int32]schema.Row
}

func (m *modelled) put(t *testing.T, w *table.Writer, tag string, ids ...int32) {
	t.Helper()
	for _, id := range ids {
		m.rows[id] = schema.Row{id, tag, int64(id) * 3}
		if err := w.Upsert(t.Context(), slices.Clone(m.rows[id])); err != nil {
			t.Fatal(err)
		}
	}
}

// commit upserts rows in a commit of their own.
func (m *modelled) commit(t *testing.T, tag string, ids ...int32) {
	t.Helper()
	w, err := m.tab.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	m.put(t, w, tag, ids...)
	if _, err := w.Commit(t.Context(), nil); err != nil {
		t.Fatalf("%s: %v", tag, err)
	}
}

// check compares what Spark and we read with the model.
func (m *modelled) check(t *testing.T, what string) {
	t.Helper()
	if err := m.tab.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := rowjson.NewEncoder(m.tab.Schema(), rowjson.Canonical)
	var want []string
	for _, row := range m.rows {
		line, err := e.AppendValues(nil, m.tab.Schema(), row)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, strings.TrimSuffix(string(line), "\n"))
	}
	slices.Sort(want)
	same(t, what+": we", rowsOf(t, m.tab, nil), want)
	same(t, what+": Spark", m.sql(t, "SELECT * FROM h.%s", m.tab.Name()), want)
}

func sequence(from, to, step int32) (ids []int32) {
	for i := from; i < to; i += step {
		ids = append(ids, i)
	}
	return ids
}

// testUpgrade takes a table of Spark's from version 1 to 3, with deletes for
// several files at once on the way, and goes on in each with upserts.
func (s *sparkTest) testUpgrade(t *testing.T) {
	const name = "db.upgraded"
	s.sql(t, `CREATE TABLE h.%s (id INT NOT NULL, name STRING, n BIGINT) USING iceberg PARTITIONED BY (truncate(100, id))
		TBLPROPERTIES ('format-version'='1', 'write.delete.mode'='merge-on-read', 'write.delete.granularity'='partition')`, name)
	m := &modelled{sparkTest: s, rows: map[int32]schema.Row{}}
	for k := range int32(3) {
		s.sql(t, "INSERT INTO h.%s SELECT CAST(id AS INT), 'v1', id * 3 FROM range(%d, 200, 3)", name, k)
	}
	for _, id := range sequence(0, 200, 1) {
		m.rows[id] = schema.Row{id, "v1", int64(id) * 3}
	}
	m.tab = s.open(t, name)
	m.check(t, "version 1")
	upgradeTo(t, m.tab, 2)
	if err := m.tab.Evolve(t.Context(), func(e *schema.Evolution) error { return e.SetIdentifier("id") }, nil); err != nil {
		t.Fatal(err)
	}
	m.check(t, "upgraded to 2")
	m.commit(t, "v2", sequence(0, 40, 4)...)
	m.check(t, "upserts in 2")
	s.sql(t, "DELETE FROM h.%s WHERE id %% 5 = 1", name) // one delete file for all files of a partition
	for id := range m.rows {
		if id%5 == 1 {
			delete(m.rows, id)
		}
	}
	m.check(t, "Spark's deletes in 2")
	several := 0
	for _, l := range inspected(t, m.tab, "delete_files", nil) {
		if strings.Contains(l, `"referenced_data_file":null`) {
			several++
		}
	}
	if several == 0 {
		t.Error("no delete file is for several data files: this tests nothing")
	}
	upgradeTo(t, m.tab, 3)
	m.check(t, "upgraded to 3")
	m.commit(t, "v3", 1, 3, 50, 51, 150) // rows deleted before among them
	m.check(t, "upserts in 3")
	s.sql(t, "DELETE FROM h.%s WHERE id %% 5 = 2", name)
	for id := range m.rows {
		if id%5 == 2 {
			delete(m.rows, id)
		}
	}
	m.check(t, "Spark's deletes in 3")
	m.commit(t, "again", sequence(100, 130, 1)...)
	m.check(t, "upserts over both")
	s.readsSame(t, name)
}

// besideSpark starts a statement, calls meanwhile once the table has a new data
// file of Spark's, that is in the middle of the rewriting, and returns what
// became of the statement. Spark's catalog swaps metadata by an unguarded rename
// (the spec says so of file systems), so that we must not swap just then.
func (s *sparkTest) besideSpark(t *testing.T, tab *table.Table, sql string, meanwhile func()) error {
	t.Helper()
	files := func() int {
		n := 0
		_ = filepath.WalkDir(filepath.Join(s.dir, strings.ReplaceAll(tab.Name(), ".", "/"), "data"), func(path string, d os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".parquet") {
				n++
			}
			return nil
		})
		return n
	}
	before := files()
	done := make(chan error, 1)
	go func() {
		_, err := s.app.SQL(sql)
		done <- err
	}()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			t.Errorf("%s ended before it wrote a file: %v", sql, err)
			return err
		case <-tick.C:
			if files() > before {
				meanwhile()
				return <-done
			}
		}
	}
}

// testBeside lets Spark maintain a table while our writer writes: what we commit
// meanwhile is there afterwards, whether Spark's rewrite came through or gave up.
func (s *sparkTest) testBeside(t *testing.T) {
	for _, version := range []int{2, 3} {
		name := fmt.Sprintf("db.beside%d", version)
		spec, err := partition.Parse("bucket(8, id)")
		if err != nil {
			t.Fatal(err)
		}
		sch := schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Int, Required: true},
			schema.Field{ID: 2, Name: "name", Type: schema.String},
			schema.Field{ID: 3, Name: "n", Type: schema.Long})
		m := &modelled{sparkTest: s, rows: map[int32]schema.Row{}}
		m.tab = s.create(t, name, sch, &table.CreateOptions{Key: []string{"id"}, Partition: spec, FormatVersion: version})
		for k := range int32(3) {
			m.commit(t, fmt.Sprint("base", k), sequence(k*7, 300, 2)...)
		}
		w, err := m.tab.NewWriter(&table.WriterOptions{KeepSnapshots: -1}) // open all along
		if err != nil {
			t.Fatal(err)
		}
		commit := func(what string) {
			if _, err := w.Commit(t.Context(), nil); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		rewrite := fmt.Sprintf("CALL h.system.rewrite_data_files(table => '%s', options => map('rewrite-all', 'true', 'max-concurrent-file-group-rewrites', '1'))", name)

		// New keys only: both come through.
		err = s.besideSpark(t, m.tab, rewrite, func() { m.put(t, w, "new", sequence(1000, 1020, 1)...); commit("new keys") })
		if err != nil {
			t.Errorf("%s: a rewrite beside appends: %v", name, err)
		}
		m.check(t, name+" new keys beside a rewrite")
		// Replaced keys of files being rewritten: we come through, Spark gives up.
		err = s.besideSpark(t, m.tab, rewrite, func() { m.put(t, w, "replaced", sequence(0, 300, 3)...); commit("replaced keys") })
		if err == nil || !strings.Contains(err.Error(), "ValidationException") {
			t.Errorf("%s: a rewrite of files that got deletes meanwhile: %v", name, err)
		}
		m.check(t, name+" replaced keys beside a rewrite")
		// Spark rewrites and expires everything between our rows and our commit.
		m.put(t, w, "late", sequence(1, 300, 5)...)
		s.sql(t, "%s", rewrite)
		s.sql(t, "CALL h.system.rewrite_manifests('%s')", name)
		if version == 2 {
			s.sql(t, "CALL h.system.rewrite_position_delete_files(table => '%s', options => map('rewrite-all', 'true'))", name)
		}
		s.sql(t, "CALL h.system.expire_snapshots(table => '%s', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)", name)
		commit("after all maintenance")
		m.check(t, name+" after all maintenance")
		w.Close()
	}
}
