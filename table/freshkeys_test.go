package table_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestInitialLoad: a load through Upsert into an empty table reads nothing
// of the table back while only it commits, repeats of keys included, and goes on
// right when others commit, the writer is another one, or the filter has no
// room.
func TestInitialLoad(t *testing.T) {
	const perCommit = 200
	key := func(i int) int64 { return int64(i*7919) % 1_000_003 } // files overlap
	for _, c := range []struct {
		name   string
		budget int64
		rival  bool // commits in the middle
		reopen bool // in the middle
	}{
		{"alone", 0, false, false},
		{"a rival in the middle", 0, true, false},
		{"a restart in the middle", 0, false, true},
		{"no filter", -1, false, false},
		{"no room", 1000, false, false},
	} {
		for _, version := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s/v%d", c.name, version), func(t *testing.T) {
				ctx := context.Background()
				must := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				fs := faultstore.New(objstore.NewMemory("mem://load"), nil)
				cat := catalog.NewFiles(fs, nil)
				opts := table.Options{KeyFilterBudget: c.budget}
				tab, err := table.Create(ctx, cat, "r.t", schema.MustNew(
					schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "v", Type: schema.String}),
					&table.CreateOptions{Key: []string{"id"}, FormatVersion: version, Options: opts})
				must(err)
				want := map[int64]string{}
				upsert := func(w *table.Writer, id int64, v string) {
					must(w.Upsert(ctx, schema.Row{id, v}))
					want[id] = v
				}
				w, err := tab.NewWriter(nil)
				must(err)
				reads := 0 // of data files, in commits of new keys
				for n := range 10 {
					switch {
					case n == 5 && c.rival:
						other, err := table.Open(ctx, catalog.NewFiles(fs, nil), "r.t", nil)
						must(err)
						ow, err := other.NewWriter(nil)
						must(err)
						upsert(ow, key(7*perCommit+3), "rival") // a key that the load has yet to come to
						upsert(ow, key(3), "rival")
						_, err = ow.Commit(ctx, nil)
						must(err)
					case n == 5 && c.reopen:
						tab, err = table.Open(ctx, cat, "r.t", &opts)
						must(err)
						w, err = tab.NewWriter(nil)
						must(err)
					}
					for i := range perCommit {
						upsert(w, key(n*perCommit+i), fmt.Sprint("v", n))
					}
					if n > 5 { // updates of rows loaded before, and repeats
						upsert(w, key(n), "late")
						upsert(w, key(n*perCommit), "again")
						must(w.Delete(ctx, schema.Row{key(100 + n)}))
						delete(want, key(100+n))
					}
					before := len(fs.Log())
					snap, err := w.Commit(ctx, nil)
					must(err)
					for _, call := range fs.Log()[before:] {
						if n >= 1 && n < 5 && strings.Contains(call.URI, "/data/") && call.Op == faultstore.OpOpen {
							reads++
						}
					}
					if n <= 5 && !c.rival && snap.Summary["frazil.keys.absent"] != fmt.Sprint(perCommit) {
						t.Errorf("commit %d: %v", n, snap.Summary)
					}
				}
				if looked := c.budget != 0; (reads > 0) != looked {
					t.Errorf("%d data files opened in an initial load", reads)
				}
				got := 0
				for row, err := range tab.Scan(nil).Rows(ctx) {
					must(err)
					if got++; want[row[0].(int64)] != row[1] {
						t.Errorf("row %v, want %s", row, want[row[0].(int64)])
					}
				}
				if got != len(want) {
					t.Errorf("%d rows, want %d", got, len(want))
				}
			})
		}
	}
}

// TestFreshFilter: the filter of keys never misses one, and takes few for others.
func TestFreshFilter(t *testing.T) {
	const n = 1 << 18
	h, err := deletes.NewHasher([]schema.Field{{ID: 1, Name: "id", Type: schema.Long}}, 0x9e3779b97f4a7c15)
	if err != nil {
		t.Fatal(err)
	}
	l := table.NewFreshLayer(n)
	for i := range int64(n) {
		l.Add(h.HashValues([]any{i}))
	}
	wrong := 0
	for i := range int64(4 * n) {
		switch got := l.Test(h.HashValues([]any{i})); {
		case i < n && !got:
			t.Fatalf("key %d is missing", i)
		case i >= n && got:
			wrong++
		}
	}
	t.Logf("%d of %d", wrong, 3*n)
	if wrong > 3*n/2000 {
		t.Errorf("%d of %d keys taken for others", wrong, 3*n)
	}
}
