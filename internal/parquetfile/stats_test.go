package parquetfile

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// bruteRange finds the bounds of values the slow way, NaN left out.
func bruteRange(t schema.Type, entries [][]entry) (lo, hi any, nulls, nans, n int64) {
	for _, row := range entries {
		for _, e := range row {
			n++
			if e.val == nil {
				nulls++
				continue
			}
			if schema.IsNaN(e.val) {
				nans++
				continue
			}
			if lo == nil || schema.Compare(t, e.val, lo) < 0 {
				lo = e.val
			}
			if hi == nil || schema.Compare(t, e.val, hi) > 0 {
				hi = e.val
			}
		}
	}
	return lo, hi, nulls, nans, n
}

// zeroRule makes a zero lower bound negative and a zero upper bound positive.
func zeroRule(v any, lower bool) any {
	sign := 1.0
	if lower {
		sign = -1
	}
	switch x := v.(type) {
	case float32:
		if x == 0 {
			return float32(math.Copysign(0, sign))
		}
	case float64:
		if x == 0 {
			return math.Copysign(0, sign)
		}
	}
	return v
}

// fromPlain decodes a bound in PLAIN encoding.
func fromPlain(t schema.Type, b []byte) any {
	switch t.Kind {
	case schema.KindBoolean:
		return b[0] != 0
	case schema.KindInt, schema.KindDate:
		return int32(binary.LittleEndian.Uint32(b))
	case schema.KindFloat:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case schema.KindDouble:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case schema.KindString:
		return string(b)
	case schema.KindUUID:
		return [16]byte(b)
	case schema.KindBinary, schema.KindFixed:
		return b
	case schema.KindDecimal:
		switch {
		case t.Precision <= 9:
			return decimal128.FromI64(int64(int32(binary.LittleEndian.Uint32(b))))
		case t.Precision <= 18:
			return decimal128.FromI64(int64(binary.LittleEndian.Uint64(b)))
		}
		var x [16]byte
		if b[0] >= 0x80 {
			for i := range x {
				x[i] = 0xFF
			}
		}
		copy(x[16-len(b):], b)
		return decimal128.New(int64(binary.BigEndian.Uint64(x[:])), binary.BigEndian.Uint64(x[8:]))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// misordered reports whether uuids compare otherwise as two signed numbers, as
// they do in Iceberg Java.
func misordered(t schema.Type, lo, hi any) bool {
	if t.Kind != schema.KindUUID || lo == nil {
		return false
	}
	a, b := lo.([16]byte), hi.([16]byte)
	return a[0]>>7 != b[0]>>7 || a[8]>>7 != b[8]>>7
}

// checkBounds compares bounds of a page or chunk with those found by brute
// force; they may be wider only if long.
func checkBounds(t *testing.T, lf testLeaf, where string, entries [][]entry, min, max []byte) {
	t.Helper()
	lo, hi, _, nans, _ := bruteRange(lf.typ, entries)
	if lo == nil || nans > 0 || misordered(lf.typ, lo, hi) || lf.variant || lf.typ.Kind == schema.KindGeometry {
		if len(min) > 0 || len(max) > 0 {
			t.Fatalf("%s %s: bounds %x %x, want none", lf.name, where, min, max)
		}
		return
	}
	lo, hi = zeroRule(lo, true), zeroRule(hi, false)
	gotLo, gotHi := fromPlain(lf.typ, min), fromPlain(lf.typ, max)
	long := func(v any) bool {
		return (lf.typ.Kind == schema.KindString || lf.typ.Kind == schema.KindBinary) && len(asParquet(lf.typ, v)) > shortBytes
	}
	if lf.typ.Kind == schema.KindString && (!utf8.Valid(min) || !utf8.Valid(max)) {
		t.Fatalf("%s %s: bounds %x %x are not UTF-8", lf.name, where, min, max)
	}
	if d := schema.Compare(lf.typ, gotLo, lo); d > 0 || d < 0 && !long(lo) {
		t.Fatalf("%s %s: lower bound %v, want %v", lf.name, where, gotLo, lo)
	}
	if d := schema.Compare(lf.typ, gotHi, hi); d < 0 || d > 0 && !long(hi) {
		t.Fatalf("%s %s: upper bound %v, want %v", lf.name, where, gotHi, hi)
	}
}

// checkStatistics compares chunk statistics and page indexes with brute force.
func checkStatistics(t *testing.T, w *written) {
	t.Helper()
	f := openParquet(t, w.data)
	leaves := testLeaves(w.schema)
	first := 0
	for gi, g := range f.Metadata().RowGroups {
		n := int(g.NumRows)
		if limit := w.opts.RowGroupRows; limit > 0 && n > limit {
			t.Fatalf("row group of %d rows, limit %d", n, limit)
		}
		if int(g.Ordinal) != gi || len(g.Columns) != len(leaves) {
			t.Fatalf("row group %d: ordinal %d, %d columns", gi, g.Ordinal, len(g.Columns))
		}
		at := g.FileOffset
		for k, c := range g.Columns {
			m := c.MetaData
			entries := w.leaves[k][first : first+n]
			_, _, nulls, _, values := bruteRange(leaves[k].typ, entries)
			if m.NumValues != values || m.Statistics.NullCount != nulls {
				t.Fatalf("%s: %d values, %d nulls, want %d, %d", leaves[k].name, m.NumValues, m.Statistics.NullCount, values, nulls)
			}
			checkBounds(t, leaves[k], "chunk", entries, m.Statistics.MinValue, m.Statistics.MaxValue)
			start := m.DataPageOffset
			if m.DictionaryPageOffset > 0 {
				start = m.DictionaryPageOffset
			}
			if start != at {
				t.Fatalf("%s: chunk starts at %d, want %d", leaves[k].name, start, at)
			}
			at += m.TotalCompressedSize
			checkPages(t, w, leaves[k], &c, entries)
		}
		if g.TotalCompressedSize != at-g.FileOffset {
			t.Fatalf("row group %d: %d compressed bytes, want %d", gi, g.TotalCompressedSize, at-g.FileOffset)
		}
		first += n
	}
}

func checkPages(t *testing.T, w *written, lf testLeaf, c *format.ColumnChunk, entries [][]entry) {
	t.Helper()
	var oi format.OffsetIndex
	decodeThrift(t, w.data[c.OffsetIndexOffset:][:c.OffsetIndexLength], &oi)
	pages := oi.PageLocations
	counted := 0
	for _, e := range c.MetaData.EncodingStats {
		if e.PageType == format.DataPage {
			counted += int(e.Count)
		}
	}
	if counted != len(pages) {
		t.Fatalf("%s: %d pages in the index, %d in the statistics", lf.name, len(pages), counted)
	}
	var ci format.ColumnIndex
	if c.ColumnIndexOffset > 0 {
		decodeThrift(t, w.data[c.ColumnIndexOffset:][:c.ColumnIndexLength], &ci)
	} else if !lf.variant && lf.typ.Kind != schema.KindGeometry && lf.typ.Kind != schema.KindFloat && lf.typ.Kind != schema.KindDouble && lf.typ.Kind != schema.KindUUID {
		t.Fatalf("%s: no column index", lf.name)
	}
	at := c.MetaData.DataPageOffset
	var lastLo, lastHi any
	for p := range pages {
		lo, hi := int(pages[p].FirstRowIndex), len(entries)
		if p+1 < len(pages) {
			hi = int(pages[p+1].FirstRowIndex)
		}
		if lo >= hi || hi-lo > maxPageRows || pages[p].Offset != at {
			t.Fatalf("%s: page %d has rows %d to %d and lies at %d, want %d", lf.name, p, lo, hi, pages[p].Offset, at)
		}
		at += int64(pages[p].CompressedPageSize)
		if c.ColumnIndexOffset == 0 {
			continue
		}
		_, _, nulls, nans, n := bruteRange(lf.typ, entries[lo:hi])
		if ci.NullCounts[p] != nulls || ci.NullPages[p] != (nulls == n) {
			t.Fatalf("%s: page %d: %d nulls, null page %v, want %d of %d", lf.name, p, ci.NullCounts[p], ci.NullPages[p], nulls, n)
		}
		if nulls == n {
			continue
		}
		if nans > 0 {
			t.Fatalf("%s: a column index with a page that has NaN", lf.name)
		}
		min, max := ci.MinValues[p], ci.MaxValues[p]
		checkBounds(t, lf, "page", entries[lo:hi], min, max)
		a, b := fromPlain(lf.typ, min), fromPlain(lf.typ, max)
		if lastLo != nil && ci.BoundaryOrder == format.Ascending && (schema.Compare(lf.typ, lastLo, a) > 0 || schema.Compare(lf.typ, lastHi, b) > 0) {
			t.Fatalf("%s: pages said to ascend do not", lf.name)
		}
		if lastLo != nil && ci.BoundaryOrder == format.Descending && (schema.Compare(lf.typ, lastLo, a) < 0 || schema.Compare(lf.typ, lastHi, b) < 0) {
			t.Fatalf("%s: pages said to descend do not", lf.name)
		}
		lastLo, lastHi = a, b
	}
}

func decodeThrift(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), b, v); err != nil {
		t.Fatal(err)
	}
}

func count(c manifest.Counts, id int) int64 {
	for _, x := range c {
		if x.FieldID == id {
			return x.N
		}
	}
	return -1
}

func bound(b manifest.Bounds, id int) []byte {
	for _, x := range b {
		if x.FieldID == id {
			return x.Value
		}
	}
	return nil
}

// checkResult compares the metrics for the manifest with brute force.
func checkResult(t *testing.T, w *written) {
	t.Helper()
	r := w.result
	if r.RecordCount != int64(len(w.rows)) || r.FileSize != int64(len(w.data)) {
		t.Fatalf("%d rows, %d bytes; want %d, %d", r.RecordCount, r.FileSize, len(w.rows), len(w.data))
	}
	f := openParquet(t, w.data)
	if len(r.SplitOffsets) != len(f.Metadata().RowGroups) {
		t.Fatalf("split offsets %v", r.SplitOffsets)
	}
	sizes := map[int]int64{}
	leaves := testLeaves(w.schema)
	for i, g := range f.Metadata().RowGroups {
		if g.FileOffset != r.SplitOffsets[i] {
			t.Fatalf("split offsets %v", r.SplitOffsets)
		}
		for k, c := range g.Columns {
			sizes[leaves[k].id] += c.MetaData.TotalCompressedSize
		}
	}
	for k, lf := range leaves {
		var all [][]entry
		if len(w.rows) > 0 {
			all = w.leaves[k]
		}
		lo, hi, nulls, nans, n := bruteRange(lf.typ, all)
		if got := count(r.ColumnSizes, lf.id); got != sizes[lf.id] {
			t.Fatalf("%s: size %d, want %d", lf.name, got, sizes[lf.id])
		}
		if lf.repeated {
			nulls, n = -1, -1
		}
		if a, b := count(r.ValueCounts, lf.id), count(r.NullCounts, lf.id); a != n || b != nulls {
			t.Fatalf("%s: %d values, %d nulls, want %d, %d", lf.name, a, b, n, nulls)
		}
		if lf.typ.Kind != schema.KindFloat && lf.typ.Kind != schema.KindDouble || lf.repeated {
			nans = -1
		}
		if got := count(r.NaNCounts, lf.id); got != nans {
			t.Fatalf("%s: %d NaN, want %d", lf.name, got, nans)
		}
		var wantLo, wantHi []byte
		if lo != nil && !lf.repeated && !lf.variant && !misordered(lf.typ, lo, hi) && lf.typ.Kind != schema.KindGeometry {
			lo, hi = zeroRule(lo, true), zeroRule(hi, false)
			if lf.typ.Kind != schema.KindFixed {
				lo = schema.TruncateLower(lf.typ, lo, 16)
			}
			wantLo, _ = schema.EncodeBound(lf.typ, lo)
			ok := true
			if lf.typ.Kind != schema.KindFixed {
				hi, ok = schema.TruncateUpper(lf.typ, hi, 16)
			}
			if ok && nans <= 0 {
				wantHi, _ = schema.EncodeBound(lf.typ, hi)
			}
		}
		if a, b := bound(r.Lower, lf.id), bound(r.Upper, lf.id); !bytes.Equal(a, wantLo) || !bytes.Equal(b, wantHi) {
			t.Fatalf("%s: bounds %x %x, want %x %x", lf.name, a, b, wantLo, wantHi)
		}
	}
}

// checkBlooms looks for every value of the key columns in the bloom filters.
func checkBlooms(t *testing.T, w *written, rnd *rand.Rand) {
	t.Helper()
	f := openParquet(t, w.data)
	leaves := testLeaves(w.schema)
	first := 0
	for _, g := range f.RowGroups() {
		n := int(g.NumRows())
		for k, cc := range g.ColumnChunks() {
			key := false
			for _, id := range w.opts.KeyColumns {
				key = key || id == leaves[k].id
			}
			key = key && bloomable(leaves[k].typ.Kind)
			filter := cc.BloomFilter()
			present := 0
			for _, row := range w.leaves[k][first : first+n] {
				for _, e := range row {
					if e.val == nil || !key {
						continue
					}
					present++
					if filter == nil {
						t.Fatalf("%s: no bloom filter", leaves[k].name)
					}
					if ok, err := filter.Check(parquetValue(cc.Type(), asParquet(leaves[k].typ, e.val))); err != nil || !ok {
						t.Fatalf("%s: bloom filter misses %v: %v", leaves[k].name, e.val, err)
					}
				}
			}
			if present == 0 && filter != nil {
				t.Fatalf("%s: unwanted bloom filter", leaves[k].name)
			}
		}
		first += n
	}
}

func parquetValue(t parquet.Type, b []byte) parquet.Value { return t.Kind().Value(b) }

func TestBloomSize(t *testing.T) {
	for _, distinct := range []int{1, 10, 1000, 50_000} {
		hashes := hashList{pool: new(blockPool)}
		for i := range 100_000 {
			hashes.add(uint64(i%distinct+1) * 0x9E3779B97F4A7C15)
		}
		b := encodeBloom(&hashes, 0.01)
		bits := float64(len(b)-len(bloomHeader(1))) * 8 / float64(distinct)
		t.Logf("%d distinct: %d bytes, %.1f bits each", distinct, len(b), bits)
		if distinct > 100 && (bits > 25 || bits < 8) {
			t.Errorf("%d distinct values take %.1f bits each", distinct, bits)
		}
	}
}
