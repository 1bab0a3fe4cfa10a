package table

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

func positionFile(of string, rows int64) *manifest.Entry {
	return &manifest.Entry{File: &manifest.DataFile{
		Path: fmt.Sprintf("d%d", rows), Content: manifest.ContentPositionDeletes, ReferencedDataFile: of, RecordCount: rows,
	}}
}

func TestWorthMerging(t *testing.T) {
	for _, c := range []struct {
		name     string
		existing []int64
		fresh    int64
		want     string
	}{
		{"none", nil, 5, "[]"},
		{"two small ones stay", []int64{5, 5}, 5, "[]"},
		{"the fourth merges", []int64{5, 6, 7}, 5, "[5 6 7]"},
		{"a larger one stays", []int64{5000, 6, 7, 8}, 5, "[6 7 8]"},
		{"a large one after small ones", []int64{5, 6}, 5000, "[]"},
		{"a large one takes in small ones", []int64{4000, 5, 6}, 5000, "[4000 5 6]"},
		{"a merge that begins another", []int64{2000, 3000, 4000, 500, 600, 700}, 800, "[500 600 700 2000 3000 4000]"},
		{"perhaps all rows", []int64{60_000, 39_000}, 1000, "[60000 39000]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &manifest.DataFile{Path: "a", RecordCount: 100_000}
			existing := []*manifest.Entry{positionFile("", 9), positionFile("b", 10)} // another's
			for _, n := range c.existing {
				existing = append(existing, positionFile("a", n))
			}
			got := []int64{}
			for _, e := range worthMerging(f, existing, c.fresh) {
				got = append(got, e.File.RecordCount)
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("merged %v, want %s", got, c.want)
			}
		})
	}
}

// TestWorthMergingStaysCheap: over a long stream of commits a data file has few
// delete files, and positions are rewritten a few times each, or a few hundred a
// commit.
func TestWorthMergingStaysCheap(t *testing.T) {
	for _, sizes := range [][2]int64{{1, 10}, {1, 3000}, {900, 1100}, {90_000, 90_001}} {
		r := rand.New(rand.NewPCG(1, uint64(sizes[1])))
		f := &manifest.DataFile{Path: "a", RecordCount: 1 << 40}
		var files []*manifest.Entry
		var added, written int64
		most := 0
		for range 2000 {
			fresh := sizes[0] + r.Int64N(sizes[1]-sizes[0])
			added += fresh
			gone := map[*manifest.Entry]bool{}
			for _, e := range worthMerging(f, files, fresh) {
				gone[e] = true
				fresh += e.File.RecordCount
			}
			kept := files[:0]
			for _, e := range files {
				if !gone[e] {
					kept = append(kept, e)
				}
			}
			files = append(kept, positionFile("a", fresh))
			written += fresh
			most = max(most, len(files))
		}
		t.Logf("sizes %v: at most %d files, each position written %.1f times", sizes, most, float64(written)/float64(added))
		if most > 16 || written > 8*added+2000*256 {
			t.Errorf("sizes %v: %d files, %d positions written for %d", sizes, most, written, added)
		}
	}
}

// TestPositionDeletesPile: position deletes of many commits rest in few files,
// and the cost of a commit does not follow them; the rows are always right and
// a file whose last row goes is removed with its deletes.
func TestPositionDeletesPile(t *testing.T) {
	const rows, each = 20_000, 250
	ctx := context.Background()
	tab, err := Create(ctx, catalog.NewFiles(objstore.NewMemory("mem://pile"), nil), "p.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
	), &CreateOptions{Key: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	w, err := tab.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for id := range int64(rows) {
		if err := w.Append(ctx, schema.Row{id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(ctx, nil); err != nil {
		t.Fatal(err)
	}
	var most, written int
	order := rand.New(rand.NewPCG(3, 4)).Perm(rows)
	for len(order) > 0 {
		for _, id := range order[:each] {
			if err := w.Delete(ctx, schema.Row{int64(id)}); err != nil {
				t.Fatal(err)
			}
		}
		order = order[each:]
		snap, err := w.Commit(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(snap.Summary["added-position-deletes"])
		written += n
		if n, err := tab.Scan(nil).Count(ctx); err != nil || n != int64(len(order)) {
			t.Fatalf("%d rows, %v; want %d", n, err, len(order))
		}
		files := 0
		for e, err := range snapshot.LiveFiles(ctx, tab.entry().Store, tab.Metadata(), snap, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if e.File.Content != manifest.ContentData {
				files++
			} else if len(order) == 0 {
				t.Errorf("%s is left without a row", e.File.Path)
			}
		}
		most = max(most, files)
	}
	if most > 9 || written > 6*rows {
		t.Errorf("up to %d delete files, %d positions written for %d rows", most, written, rows)
	}
}
