package deletes

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/internal/puffin"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

func memStore(t testing.TB) objstore.Store {
	t.Helper()
	return objstore.NewMemory("mem://t")
}

func TestDVFiles(t *testing.T) {
	ctx, store := context.Background(), memStore(t)
	targets := []Target{
		{Path: "mem://t/data/a.parquet", SpecID: 3, Partition: partition.Tuple{int32(1)}, Positions: set(1, 5)},
		{Path: "mem://t/data/b.parquet", Positions: set(0, 1<<33)},
	}
	files, err := WriteDVs(ctx, store, "mem://t/d.puffin", targets, map[string]string{"created-by": "a test"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := store.Open(ctx, "mem://t/d.puffin")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	foot, err := puffin.ReadFooter(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		tg, b := targets[i], foot.Blobs[i]
		if !f.IsDV() || f.RecordCount != 2 || f.ReferencedDataFile != tg.Path || f.SpecID != tg.SpecID ||
			!slices.Equal(f.Partition, tg.Partition) || f.FileSize != o.Size() || *f.ContentOffset != b.Offset || *f.ContentSize != b.Length {
			t.Errorf("entry %d: %+v", i, f)
		}
		if b.Type != puffin.TypeDeletionVector || !slices.Equal(b.Fields, []int{2147483645}) || b.SnapshotID != -1 ||
			b.SequenceNumber != -1 || b.Codec != "" || b.Properties["referenced-data-file"] != tg.Path || b.Properties["cardinality"] != "2" {
			t.Errorf("blob %d: %+v", i, b)
		}
		p, err := ReadDV(ctx, store, f)
		if err != nil || !slices.Equal(slices.Collect(p.All()), slices.Collect(tg.Positions.All())) {
			t.Errorf("read %d: %v", i, err)
		}
		wrong := *f
		wrong.RecordCount++
		if _, err := ReadDV(ctx, store, &wrong); !errors.Is(err, ErrCorrupt) {
			t.Errorf("wrong count: %v", err)
		}
		wrong = *f
		size := *f.ContentSize + 10_000
		wrong.ContentSize = &size
		if _, err := ReadDV(ctx, store, &wrong); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("past the end: %v", err)
		}
	}
	// A lone blob without a container, as old DuckDB versions write.
	blob, _ := EncodeDV(set(2))
	if err := store.Put(ctx, "mem://t/bare.bin", blob, nil); err != nil {
		t.Fatal(err)
	}
	off, n := int64(0), int64(len(blob))
	p, err := ReadDV(ctx, store, &manifest.DataFile{
		Content: manifest.ContentPositionDeletes, Format: manifest.FormatPuffin, Path: "mem://t/bare.bin",
		RecordCount: 1, ContentOffset: &off, ContentSize: &n,
	})
	if err != nil || !p.Contains(2) {
		t.Errorf("bare blob: %v", err)
	}
	if _, err := WriteDVs(ctx, store, "mem://t/e.puffin", []Target{targets[0], targets[0]}, nil); err == nil {
		t.Error("two vectors for one file")
	}
	if _, err := store.Stat(ctx, "mem://t/e.puffin"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("a failed write is visible: %v", err)
	}
}

func TestPositionFiles(t *testing.T) {
	ctx, store := context.Background(), memStore(t)
	want := &Positions{}
	want.AddRange(10, 100_010)
	want.Add(7)
	path := "mem://t/data/part=1/00000-0-0123456789abcdef-00001.parquet"
	f, err := WritePositions(ctx, store, "mem://t/p.parquet", Target{Path: path, SpecID: 2, Partition: partition.Tuple{"x"}, Positions: want}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lo, _ := f.Lower.Get(schema.IDDeleteFilePath)
	hi, _ := f.Upper.Get(schema.IDDeleteFilePath)
	if f.Content != manifest.ContentPositionDeletes || f.Format != manifest.FormatParquet || f.RecordCount != 100_001 ||
		f.ReferencedDataFile != path || f.SpecID != 2 || string(lo) != path || string(hi) != path {
		t.Errorf("entry %+v", f)
	}
	got, err := ReadPositions(ctx, store, f, nil)
	if err != nil || len(got) != 1 || !slices.Equal(slices.Collect(got[path].All()), slices.Collect(want.All())) {
		t.Errorf("read: %d sets, %v", len(got), err)
	}
	if got, err := ReadPositions(ctx, store, f, func(string) bool { return false }); err != nil || len(got) != 0 {
		t.Errorf("unwanted: %d sets, %v", len(got), err)
	}
	long := *f
	long.RecordCount++
	if _, err := ReadPositions(ctx, store, &long, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("too few rows: %v", err)
	}
	orc := *f
	orc.Format = manifest.FormatORC
	if _, err := ReadPositions(ctx, store, &orc, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("orc: %v", err)
	}
}

// write stores batches as a Parquet file.
func write(t *testing.T, store objstore.Store, uri string, s *schema.Schema, cols ...arrow.Array) *manifest.DataFile {
	t.Helper()
	f, err := writeFile(context.Background(), store, uri, s, writerOptions(nil, nil), batches(s, cols...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func batches(s *schema.Schema, cols ...arrow.Array) func(func(arrow.RecordBatch, error) bool) {
	return func(yield func(arrow.RecordBatch, error) bool) {
		yield(recordBatch(s, cols...), nil)
	}
}

func recordBatch(s *schema.Schema, cols ...arrow.Array) arrow.RecordBatch {
	return array.NewRecordBatch(schema.ArrowSchema(s), cols, int64(cols[0].Len()))
}

func TestPositionFileOfSeveral(t *testing.T) {
	store := memStore(t)
	s := schema.MustNew(
		schema.Field{ID: schema.IDDeleteFilePath, Name: "file_path", Type: schema.String},
		schema.Field{ID: schema.IDDeletePos, Name: "pos", Type: schema.Long},
		schema.Field{ID: schema.IDDeleteRow, Name: "row", Type: schema.Struct(schema.Field{ID: 1, Name: "a", Type: schema.Int})})
	s = schema.MustNew(s.Fields[:2]...)
	f := write(t, store, "mem://t/p.parquet", s,
		strs([]string{"a", "a", "", "b", "a", "b"}, []bool{true, true, false, true, true, true}),
		longs([]int64{3, 1, 9, 0, 1, 4}, nil))
	f.Content = manifest.ContentPositionDeletes
	got, err := ReadPositions(context.Background(), store, f, nil)
	if err != nil || len(got) != 2 || !slices.Equal(slices.Collect(got["a"].All()), []uint64{1, 3}) ||
		!slices.Equal(slices.Collect(got["b"].All()), []uint64{0, 4}) {
		t.Errorf("%v, %v", got, err)
	}
	for name, pos := range map[string]arrow.Array{
		"negative": longs([]int64{-1}, nil),
		"null":     longs([]int64{0}, []bool{false}),
	} {
		f := write(t, store, "mem://t/"+name, s, strs([]string{"a"}, nil), pos)
		f.Content = manifest.ContentPositionDeletes
		if _, err := ReadPositions(context.Background(), store, f, nil); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s position: %v", name, err)
		}
	}
}

func TestEqualityFiles(t *testing.T) {
	ctx, store := context.Background(), memStore(t)
	keys := schema.MustNew(
		schema.Field{ID: 4, Name: "name", Type: schema.String},
		schema.Field{ID: 2, Name: "id", Type: schema.Int})
	f, err := WriteEquality(ctx, store, "mem://t/e.parquet", keys,
		batches(keys, strs([]string{"x", ""}, []bool{true, false}), ints([]int32{1, math.MinInt32}, nil)), 1, partition.Tuple{nil}, &parquetfile.WriterOptions{KeyColumns: []int{2}})
	if err != nil {
		t.Fatal(err)
	}
	if f.Content != manifest.ContentEqualityDeletes || !slices.Equal(f.EqualityIDs, []int{2, 4}) || f.RecordCount != 2 || f.SpecID != 1 {
		t.Errorf("entry %+v", f)
	}
	wide := []schema.Field{{ID: 2, Name: "id", Type: schema.Long}, {ID: 4, Name: "was_name", Type: schema.String}}
	n := 0
	for b, err := range ReadEquality(ctx, store, f, wide) {
		if err != nil {
			t.Fatal(err)
		}
		h := mustHasher(t, 1, wide...)
		got := h.Hash([]arrow.Array{b.Column(0), b.Column(1)}, nil)
		if got[0] != h.HashValues([]any{int64(1), "x"}) || got[1] != h.HashValues([]any{int64(math.MinInt32), nil}) {
			t.Error("keys differ")
		}
		n += int(b.NumRows())
	}
	if n != 2 {
		t.Errorf("%d rows", n)
	}
	double := schema.MustNew(schema.Field{ID: 1, Name: "d", Type: schema.Double})
	if _, err := WriteEquality(ctx, store, "mem://t/x", double, batches(double), 0, nil, nil); err == nil {
		t.Error("a double is an equality column")
	}
}
