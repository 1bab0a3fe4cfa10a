package parquetfile

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

// packedLevels encodes levels of w bits as one bit-packed run, as version 1
// pages have it, or in the deprecated encoding.
func packedLevels(levels []uint8, w int, old bool) []byte {
	if old {
		out := make([]byte, (len(levels)*w+7)/8)
		for i, l := range levels {
			for k := range w {
				bit := i*w + k
				out[bit>>3] |= l >> (w - 1 - k) & 1 << (7 - bit&7)
			}
		}
		return out
	}
	groups := (len(levels) + 7) / 8
	bits := make([]byte, groups*w)
	for i, l := range levels {
		for k := range w {
			bits[(i*w+k)/8] |= l >> k & 1 << ((i*w + k) % 8)
		}
	}
	b := append([]byte{byte(groups<<1 | 1)}, bits...)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// onePage is a version 1 page of INT32 values, uncompressed.
func onePage(reps, defs []uint8, values []int32, old bool) []byte {
	body := packedLevels(reps, 1, false)
	body = append(body, packedLevels(defs, 2, old)...)
	for _, v := range values {
		body = binary.LittleEndian.AppendUint32(body, uint32(v))
	}
	enc := byte(format.RLE)
	if old {
		enc = byte(format.BitPacked)
	}
	zz := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)<<1) }
	var h []byte
	for _, part := range [][]byte{
		{0x15, 0, 0x15},
		zz(len(body)),
		{0x15},
		zz(len(body)),
		{0x2c, 0x15},
		zz(len(reps)),
		{0x15, 0, 0x15, enc << 1, 0x15, byte(format.RLE) << 1, 0, 0},
	} {
		h = append(h, part...)
	}
	return append(h, body...)
}

// TestRowsAcrossPages reads lists whose rows go on from page to page, as version
// 1 pages may have it.
func TestRowsAcrossPages(t *testing.T) {
	// [1,2,3] [] null [4,null,5,6] [7] in a list of three levels.
	reps := []uint8{0, 1, 1, 0, 0, 0, 1, 1, 1, 0}
	defs := []uint8{3, 3, 3, 1, 0, 3, 2, 3, 3, 3}
	want := []string{"[1,2,3]", "[]", "null", "[4,null,5,6]", "[7]"}
	elements := []schemaElement{
		{name: "root", children: 1},
		{name: "l", children: 1, repetition: format.Optional, id: 1, hasID: true, logical: logicalType{kind: annotList}},
		{name: "list", children: 1, repetition: format.Repeated},
		{name: "element", hasType: true, typ: format.Int32, repetition: format.Optional, id: 2, hasID: true},
	}
	for k := 1; k <= len(reps); k++ {
		for _, old := range []bool{false, true} {
			data := []byte("PAR1")
			next := int32(1)
			for i := 0; i < len(reps); i += k {
				end := min(i+k, len(reps))
				var values []int32
				for _, d := range defs[i:end] {
					if d == 3 {
						values = append(values, next)
						next++
					}
				}
				data = append(data, onePage(reps[i:end], defs[i:end], values, old)...)
			}
			f := &File{
				o: &memObject{"pages.parquet", data}, size: int64(len(data)), maxPage: 1 << 20, readAhead: 1 << 20,
				meta: &footer{elements: elements, rows: 5, groups: []rowGroupMeta{{rows: 5, chunks: []chunkMeta{{
					typ: format.Int32, hasMeta: true, values: int64(len(reps)), dataOffset: 4,
					compressed: int64(len(data) - 4), uncompressed: int64(len(data) - 4), stats: chunkStats{nulls: -1},
				}}}}},
			}
			if err := f.check(int64(len(data))); err != nil {
				t.Fatal(err)
			}
			fields := []schema.Field{{ID: 1, Name: "l", Type: schema.List(schema.Field{ID: 2, Type: schema.Int})}}
			for batch := 1; batch <= 5; batch++ {
				checkRows(t, rowTexts(t, f, &ReadOptions{Fields: fields, BatchRows: batch}), want...)
			}
			for mask := range uint64(1 << 5) {
				checkMask(t, f, fields, mask, want, fmt.Sprintf("%d entries a page", k))
			}
		}
	}
}

func checkMask(t *testing.T, f *File, fields []schema.Field, mask uint64, want []string, what string) {
	t.Helper()
	c, err := f.Read(context.Background(), &ReadOptions{Fields: fields, BatchRows: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		pos, n := c.Peek()
		if n == 0 {
			return
		}
		m := bitmap.New(n)
		m.Words()[0] = mask >> pos & (1<<n - 1)
		b, err := c.Next(context.Background(), m)
		if err != nil {
			t.Fatalf("%s, mask %b: %v", what, mask, err)
		}
		k := 0
		for i := range n {
			if !m.Get(i) {
				continue
			}
			if got := nodeText(b.Column(0), k); got != want[int(pos)+i] {
				t.Fatalf("%s, mask %b, row %d: %s", what, mask, int(pos)+i, got)
			}
			k++
		}
		b.Release()
	}
}
