package torture

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"maps"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var flipStride = flag.Int("flip.stride", 11, "TestByteFlips changes every nth byte; 1 is all")

// TestByteFlips (S4) changes one byte of a table at a time and reads the table:
// that is an error or gives the right rows. Where a checksum covers the byte
// (pages of data, deletion vectors) wrong rows are a failure; elsewhere, in
// metadata, manifests and the footers of Parquet files, which have none, they are
// counted.
func TestByteFlips(t *testing.T) {
	if testing.Short() {
		*flipStride = max(*flipStride, 211)
	}
	flipped, silent, errs := map[string]int{}, map[string]int{}, 0
	for name, make := range flipTables {
		w := newWorld(t, objstore.NewMemory(root), 3)
		make(w)
		f := &flips{t: t, name: name, img: imageOf(t, w.inner), want: w.rows(""), flipped: flipped, silent: silent}
		read := f.read()
		for i, o := range f.img {
			if read[o.uri] { // else an older version, a replaced file
				f.file(i)
			}
		}
		errs += f.errs
	}
	total := sum(flipped)
	testenv.Figures(t, "flips=%d (%v) errors=%d equal=%d silent=%v", total, flipped, errs, total-errs-sum(silent), silent)
	for _, kind := range []string{"metadata", "hint", "list", "manifest", "footer", "data", "deletes"} {
		if flipped[kind] == 0 {
			t.Errorf("no byte of %s was changed", kind)
		}
	}
	if silent["data"]+silent["deletes"] > 0 {
		t.Errorf("%d wrong results from changed pages of data, %d from deletes", silent["data"], silent["deletes"])
	}
}

// flipTables make small tables of every kind.
var flipTables = map[string]func(w *world){
	"positions":        func(w *world) { base(w, 2) },
	"deletion vectors": func(w *world) { base(w, 3) },
	"equality deletes": func(w *world) {
		w.must(w.create(2))
		w.must(w.write(changes{1: "a", 2: "b", 3: "c"}, "", nil))
		w.must(w.write(changes{2: "", 3: "d"}, "", &table.WriterOptions{Encoding: table.EncodingEquality}))
	},
	"compacted": func(w *world) {
		base(w, 3)
		w.must(w.compact(nil))
		_, err := compaction.RewriteManifests(w.ctx, w.tab, &compaction.ManifestOptions{Always: true})
		w.must(err)
	},
	"partitioned": func(w *world) {
		var err error
		w.tab, err = table.Create(w.ctx, w.cat, tableName, schema.MustNew(columns...), &table.CreateOptions{
			Key: []string{"id"}, Partition: []partition.Field{partition.Bucket("id", 2)}, Options: *w.options(),
		})
		w.must(err)
		w.must(w.write(changes{1: "a", 2: "b", 3: "c", 4: "d"}, "", nil))
		w.must(w.write(changes{1: "", 2: "e"}, "", nil))
	},
}

type flips struct {
	t       *testing.T
	name    string
	img     image
	want    map[int64]string
	flipped map[string]int // bytes changed, by what they belong to
	silent  map[string]int // of which wrong rows came
	errs    int
}

// read returns the files that reading the table reads.
func (f *flips) read() map[string]bool {
	fs := faultstore.New(f.img.store(f.t, root), nil)
	if got, err := readStore(fs); err != nil || !maps.Equal(got, f.want) {
		f.t.Fatalf("%s: %v, rows %s", f.name, err, text(got))
	}
	read := map[string]bool{}
	for _, c := range fs.Log() {
		if c.Op == faultstore.OpRead {
			read[c.URI] = true
		}
	}
	return read
}

// file changes bytes of one file.
func (f *flips) file(i int) {
	o := f.img[i]
	r := rand.New(rand.NewPCG(uint64(len(o.data)), uint64(i)))
	store := f.img.store(f.t, root)
	for at := r.IntN(min(*flipStride, len(o.data))); at < len(o.data); at += *flipStride {
		b := bytes.Clone(o.data)
		if r.IntN(2) == 0 {
			b[at] ^= 1 << r.IntN(8)
		} else {
			b[at] ^= byte(1 + r.IntN(255))
		}
		if err := store.Put(context.Background(), o.uri, b, nil); err != nil {
			f.t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := readStore(store)
		runtime.ReadMemStats(&after)
		kind := flipKind(o, at)
		f.flipped[kind]++
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			f.t.Errorf("%s: %s, byte %d: %d MiB allocated", f.name, o.uri, at, used>>20)
		}
		switch {
		case err != nil && strings.Contains(err.Error(), "internal error"):
			f.t.Errorf("%s: %s, byte %d: %v", f.name, o.uri, at, err)
		case err != nil:
			f.errs++
		case !maps.Equal(got, f.want):
			f.silent[kind]++
			if kind == "data" || kind == "deletes" {
				f.t.Logf("%s: %s, byte %d of %d, %#x became %#x: %s", f.name, o.uri, at, len(o.data), o.data[at], b[at], text(got))
			}
		}
	}
}

// flipKind says what a byte belongs to.
func flipKind(o stored, at int) string {
	switch name := o.uri[strings.LastIndexByte(o.uri, '/')+1:]; {
	case strings.HasSuffix(name, ".metadata.json"):
		return "metadata"
	case strings.HasPrefix(name, "snap-"):
		return "list"
	case strings.HasSuffix(name, ".avro"):
		return "manifest"
	case strings.HasSuffix(name, ".parquet") && at >= len(o.data)-8-int(binary.LittleEndian.Uint32(o.data[len(o.data)-8:])):
		return "footer"
	case strings.HasSuffix(name, ".puffin") || strings.Contains(name, "delete"):
		return "deletes"
	case strings.HasSuffix(name, ".parquet"):
		return "data"
	}
	return "hint"
}

// readStore reads the table as a new process does.
func readStore(s objstore.Store) (map[int64]string, error) {
	ctx := context.Background()
	tab, err := table.Open(ctx, catalog.NewFiles(s, nil), tableName, nil)
	if err != nil {
		return nil, err
	}
	return readRows(ctx, tab, "")
}
