package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

// readHostile opens and reads bytes that may be anything: an error or success,
// but no panic and no more memory than the input warrants.
func readHostile(t testing.TB, b []byte, fields []schema.Field, sparse bool) error {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := readSome(b, fields, sparse)
	runtime.ReadMemStats(&after)
	if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(64<<20+20*len(b)); used > limit {
		t.Fatalf("%d bytes allocated for an input of %d (error: %v)", used, len(b), err)
	}
	if err != nil && strings.Contains(err.Error(), "internal error") {
		t.Fatal(err)
	}
	return err
}

func readSome(b []byte, fields []schema.Field, sparse bool) error {
	ctx := context.Background()
	f, err := Open(ctx, &memObject{"hostile.parquet", b}, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	if fields == nil {
		if fields, err = fieldsOf(f); err != nil {
			return err
		}
	}
	for g := range f.RowGroups() {
		if g > 3 {
			break
		}
		for _, fl := range fields {
			if _, err := f.MightContain(ctx, g, fl.ID, int64(7)); err != nil {
				return err
			}
			if _, err := f.MightContain(ctx, g, fl.ID, "x"); err != nil {
				return err
			}
		}
	}
	c, err := f.Read(ctx, &ReadOptions{Fields: fields, Sparse: sparse, BatchRows: 4096})
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range 16 {
		var m *bitmap.Bitmap
		if _, n := c.Peek(); sparse && n > 0 {
			m = bitmap.New(n)
			m.Set((i*7 + n/2) % n)
		}
		batch, err := c.Next(ctx, m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		batch.Release()
	}
	return nil
}

// hostileSamples are small files of many kinds.
func hostileSamples(t testing.TB) []*sampleFile {
	t.Helper()
	var files []*sampleFile
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		files = append(files, makeSample(t, rnd, 40))
	}
	return files
}

func TestByteFlips(t *testing.T) {
	for i, s := range hostileSamples(t) {
		rnd := rand.New(rand.NewPCG(uint64(i), 3))
		for at := range s.data {
			b := bytes.Clone(s.data)
			if rnd.IntN(2) == 0 {
				b[at] ^= 1 << rnd.IntN(8)
			} else {
				b[at] = byte(rnd.Uint32())
			}
			fields := s.fields
			if rnd.IntN(4) == 0 {
				fields = nil
			}
			if err := readHostile(t, b, fields, rnd.IntN(3) == 0); err != nil && !typedError(err) {
				t.Fatalf("file %d, byte %d: untyped error %v", i, at, err)
			}
		}
	}
}

// typedError reports whether an error is one of the package's, or of a field
// that does not fit the (changed) schema.
func typedError(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnsupported) ||
		strings.Contains(err.Error(), "cannot be read as") || strings.Contains(err.Error(), "is not in the file")
}

func TestTruncations(t *testing.T) {
	for i, s := range hostileSamples(t) {
		for n := range len(s.data) {
			err := readHostile(t, s.data[:n], s.fields, n%3 == 0)
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("file %d cut at %d of %d: %v", i, n, len(s.data), err)
			}
		}
	}
}

// shrinking is an object that lost its end after it was opened.
type shrinking struct {
	memObject
	size int64
}

func (o *shrinking) Size() int64 { return o.size }

func TestFileShrinksWhileRead(t *testing.T) {
	s := makeSample(t, rand.New(rand.NewPCG(1, 1)), 2000)
	for _, cut := range []int{5, len(s.data) / 3, len(s.data) / 2} {
		o := &shrinking{memObject{"s.parquet", s.data}, int64(len(s.data))}
		f, err := Open(context.Background(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.b = s.data[:cut]
		if _, err := readAll(f, &ReadOptions{Fields: s.fields}); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

func TestBadFooters(t *testing.T) {
	tail := func(n uint32, magic string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, n), magic...)
	}
	file := func(footer ...byte) []byte {
		b := append([]byte("PAR1"), footer...)
		return append(b, tail(uint32(len(footer)), "PAR1")...)
	}
	deep := append([]byte{0x1c}, bytes.Repeat([]byte{0x1c}, 1<<16)...)
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":           {nil, ErrTruncated},
		"magic only":      {[]byte("PAR1"), ErrTruncated},
		"no end":          {append([]byte("PAR1"), make([]byte, 100)...), ErrTruncated},
		"no magic":        {make([]byte, 100), ErrCorrupt},
		"no start":        {append(make([]byte, 100), tail(10, "PAR1")...), ErrCorrupt},
		"encrypted":       {append([]byte("PARE12345678"), tail(4, "PARE")...), ErrUnsupported},
		"footer of 4 GiB": {append([]byte("PAR11234"), tail(1<<32-1, "PAR1")...), ErrTruncated},
		"empty footer":    {file(), ErrCorrupt},
		"huge list":       {file(0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f), ErrCorrupt},
		"huge string":     {file(0x68, 0xff, 0xff, 0xff, 0xff, 0x0f), ErrCorrupt},
		"deep":            {file(deep...), ErrCorrupt},
		"list of lists":   {file(append([]byte{0xe9}, bytes.Repeat([]byte{0x19}, 1<<16)...)...), ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			if err := readHostile(t, c.b, nil, false); !errors.Is(err, c.want) {
				t.Fatal(err)
			}
		})
	}
}

// TestErrorsNameThePlace flips a byte of a page that has a checksum.
func TestErrorsNameThePlace(t *testing.T) {
	s := schema.MustNew(schema.Field{ID: 1, Name: "a", Type: schema.Long})
	rows := make([]schema.Row, 100)
	for i := range rows {
		rows[i] = schema.Row{int64(i * i)}
	}
	batch := makeBatch(t, s, rows)
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, &WriterOptions{Codec: Uncompressed, DictionaryBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b := buf.Bytes()
	b[500] ^= 1
	f := openBytes(t, "bad.parquet", b)
	_, err = readAll(f, &ReadOptions{Fields: s.Fields})
	if !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
	for _, part := range []string{"bad.parquet", "row group 0", "column a", "page 0"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}

func FuzzOpenRead(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(makeSample(f, rand.New(rand.NewPCG(seed, 1)), 5).data, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, sparse bool) {
		if err := readSome(b, nil, sparse); err != nil && strings.Contains(err.Error(), "internal error") {
			t.Fatal(err)
		}
	})
}

func FuzzLevels(f *testing.F) {
	f.Add([]byte{8, 1, 3, 0xaa}, uint8(1), uint16(12))
	f.Add([]byte{5, 0xff, 0x12}, uint8(3), uint16(17))
	f.Fuzz(func(t *testing.T, b []byte, width uint8, n uint16) {
		h, err := newHybrid(b, int(width%33))
		if err != nil {
			t.Fatal(err)
		}
		whole := make([]uint32, n)
		err = h.indexes(whole, 1<<31)
		// In steps of other sizes the same comes out.
		h, _ = newHybrid(b, int(width%33))
		parts := make([]uint32, n)
		var err2 error
		for i, k := 0, 1; i < len(parts) && err2 == nil; i, k = i+k, k%13+1 {
			err2 = h.indexes(parts[i:min(i+k, len(parts))], 1<<31)
		}
		if (err == nil) != (err2 == nil) || err == nil && fmt.Sprint(whole) != fmt.Sprint(parts) {
			t.Fatalf("%v %v\n%v\n%v", err, err2, whole, parts)
		}
	})
}

// TestHugeClaims opens footers that promise far more than their file holds.
func TestHugeClaims(t *testing.T) {
	page := onePage(nil, []uint8{1, 1, 1, 1}, []int32{1, 2, 3, 4}, false)
	data := append([]byte("PAR1"), page...)
	for _, e := range []schemaElement{
		{typ: format.FixedLenByteArray, length: 1 << 20},
		{typ: format.ByteArray},
		{typ: format.Int64},
	} {
		for _, rows := range []int64{4, 1 << 20, 1 << 39} {
			e.name, e.hasType, e.id, e.hasID, e.repetition = "x", true, 1, true, format.Optional
			f := &File{
				o: &memObject{"huge.parquet", data}, size: int64(len(data)), maxPage: 256 << 20, readAhead: 1 << 20,
				meta: &footer{elements: []schemaElement{{name: "root", children: 1}, e}, rows: rows, groups: []rowGroupMeta{{rows: rows, chunks: []chunkMeta{{
					typ: e.typ, hasMeta: true, values: rows, dataOffset: 4, uncompressed: 1 << 60, unencoded: 1 << 59,
					compressed: int64(len(page)), stats: chunkStats{nulls: -1},
				}}}}},
			}
			if err := f.check(int64(len(data))); err != nil {
				t.Fatal(err)
			}
			fields, err := fieldsOf(f)
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = readAll(f, &ReadOptions{Fields: fields})
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), "internal error") {
				t.Errorf("%v, %d rows: %v", e.typ, rows, err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
				t.Errorf("%v, %d rows: %d bytes allocated", e.typ, rows, used)
			}
		}
	}
}
