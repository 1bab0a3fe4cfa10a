package deletes

import (
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// fuzzDeletes reads bytes as a delete file whose manifest entry is right.
func fuzzDeletes(f *testing.F, store objstore.Store, entry *manifest.DataFile, read func(t *testing.T, store objstore.Store, entry *manifest.DataFile)) {
	good, err := objstore.ReadAll(f.Context(), store, entry.Path, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		store := objstore.NewMemory("mem://t")
		if err := store.Put(t.Context(), entry.Path, data, nil); err != nil {
			t.Fatal(err)
		}
		e := *entry
		e.FileSize = int64(len(data))
		read(t, store, &e)
	})
}

func FuzzPositionFile(f *testing.F) {
	store := memStore(f)
	entry, err := WritePositions(f.Context(), store, "mem://t/p.parquet", Target{Path: "mem://t/a.parquet", Positions: set(1, 5, 9)}, nil)
	if err != nil {
		f.Fatal(err)
	}
	fuzzDeletes(f, store, entry, func(t *testing.T, store objstore.Store, entry *manifest.DataFile) {
		m, err := ReadPositions(t.Context(), store, entry, nil)
		if err != nil {
			return
		}
		for path, p := range m {
			for pos := range p.All() {
				if path == "" || pos > math.MaxInt64 {
					t.Fatalf("position %d of %q", pos, path)
				}
			}
		}
	})
}

func FuzzEqualityFile(f *testing.F) {
	keys := schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long}, schema.Field{ID: 2, Name: "s", Type: schema.String})
	ids, names := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	ids.AppendValues([]int64{1, 2, 0}, []bool{true, true, false})
	names.AppendValues([]string{"a", "", "c"}, []bool{true, false, true})
	store := memStore(f)
	entry, err := WriteEquality(f.Context(), store, "mem://t/e.parquet", keys, batches(keys, arrow.Array(ids.NewArray()), names.NewArray()), 0, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	fuzzDeletes(f, store, entry, func(t *testing.T, store objstore.Store, entry *manifest.DataFile) {
		for b, err := range ReadEquality(t.Context(), store, entry, keys.Fields) {
			if err != nil {
				return
			}
			if b.NumCols() != 2 {
				t.Fatalf("%d columns", b.NumCols())
			}
		}
	})
}
