package table_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/inspect"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestLocations writes one table into two stores: the metadata in one, the data
// in the other or under hashed directories, and reads it.
func TestLocations(t *testing.T) {
	const hash = `[01]{4}/[01]{4}/[01]{4}/[01]{8}`
	for _, c := range []struct {
		props   map[string]string
		data    string // what data and delete files look like
		version int
	}{
		{nil, `mem://meta/l/t/data/p=[ab]/[^/]+\.parquet`, 2},
		{map[string]string{"write.data.path": "mem://bulk/x"}, `mem://bulk/x/p=[ab]/[^/]+\.parquet`, 2},
		{map[string]string{"write.data.path": "mem://bulk/x"}, `mem://bulk/x/(p=[ab]/)?[^/]+\.(parquet|puffin)`, 3},
		{map[string]string{"write.object-storage.enabled": "true"}, `mem://meta/l/t/data/` + hash + `/p=[ab]/[^/]+\.parquet`, 2},
		{
			map[string]string{"write.object-storage.enabled": "true", "write.object-storage.partitioned-paths": "false"},
			`mem://meta/l/t/data/` + hash + `-[^/]+\.parquet`, 2,
		},
		{map[string]string{"write.object-storage.enabled": "true", "write.data.path": "mem://bulk/x"}, `mem://bulk/x/` + hash + `/l/t/p=[ab]/[^/]+\.parquet`, 2},
	} {
		store := objstore.Route(objstore.NewMemory("mem://meta"), objstore.NewMemory("mem://bulk"))
		cat := catalog.NewFiles(store, &catalog.FilesOptions{Allow: []string{"mem://bulk/x"}, AllowDelete: []string{"mem://bulk/x"}})
		tab, err := table.Create(t.Context(), cat, "l.t", schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "p", Type: schema.String},
		), &table.CreateOptions{
			Key: []string{"id"}, FormatVersion: c.version, Properties: maps.Clone(c.props), Partition: []partition.Field{partition.Identity("p")},
		})
		must(t, err)
		for range 2 {
			w, err := tab.NewWriter(nil)
			must(t, err)
			for i := range int64(10) {
				must(t, w.Upsert(t.Context(), schema.Row{i, string(rune('a' + i%2))}))
			}
			must(t, w.Delete(t.Context(), schema.Row{int64(3)}))
			_, err = w.Commit(t.Context(), nil)
			must(t, err)
			w.Close()
			// The rest comes back in the second round, beside deletes.
			w, err = tab.NewWriter(nil)
			must(t, err)
			must(t, w.Upsert(t.Context(), schema.Row{int64(4), "b"}))
			_, err = w.Commit(t.Context(), nil)
			must(t, err)
			w.Close()
		}
		files, err := inspect.New(tab.Source(), "all_files", &inspect.Options{Columns: []string{"content", "file_path"}})
		must(t, err)
		match := regexp.MustCompile("^" + c.data + "$")
		kinds := map[any]bool{}
		for row, err := range files.Rows(t.Context()) {
			must(t, err)
			kinds[row[0]] = true
			if !match.MatchString(row[1].(string)) {
				t.Errorf("%v: %v, want %s", c.props, row[1], match)
			}
		}
		if len(kinds) != 2 {
			t.Errorf("%v: contents %v", c.props, kinds)
		}
		reopened, err := table.Open(t.Context(), cat, "l.t", nil)
		must(t, err)
		var ids []string
		for row, err := range reopened.Scan(nil).Rows(t.Context()) {
			must(t, err)
			ids = append(ids, fmt.Sprintf("%v%v", row[0], row[1]))
		}
		slices.Sort(ids)
		if got := strings.Join(ids, " "); got != "0a 1b 2a 4b 5b 6a 7b 8a 9b" {
			t.Errorf("%v: %s", c.props, got)
		}
	}
}
