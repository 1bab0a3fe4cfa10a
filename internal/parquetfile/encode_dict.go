package parquetfile

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// byteDict numbers distinct byte strings in the order they are met. plain holds
// them as the dictionary page does.
type byteDict struct {
	plain []byte
	ends  []uint32 // of each entry in plain
	keys  []dictKey
	idx   []uint32 // of the page being filled
	raw   int      // PLAIN bytes of the page being filled
	table []uint32 // index + 1, 0 for empty
	seed  maphash.Seed
}

// dictKey tells values apart: those of up to 16 bytes are equal if their keys
// are, with lo and hi their bytes padded with zeros. Of longer ones lo is the
// hash.
type dictKey struct {
	lo, hi uint64
	n      int
}

func newByteDict() *byteDict {
	return &byteDict{table: make([]uint32, 256), seed: maphash.MakeSeed()}
}

func (d *byteDict) reset() {
	d.plain, d.ends, d.keys, d.idx, d.raw = d.plain[:0], d.ends[:0], d.keys[:0], d.idx[:0], 0
	if len(d.table) > 1<<14 {
		d.table = make([]uint32, 256)
	} else {
		clear(d.table)
	}
}

// span returns where entry i lies in plain.
func (d *byteDict) span(i uint32) span {
	lo := uint32(4)
	if i > 0 {
		lo += d.ends[i-1]
	}
	return span{int32(lo), int32(d.ends[i])}
}

// key returns the key of data[s]. Short values take two loads and masks
// whatever their length, so that mixed lengths cost no mispredicted branch.
func (d *byteDict) key(data []byte, s span) dictKey {
	n := int(s.hi - s.lo)
	if n > 16 {
		return dictKey{lo: maphash.Bytes(d.seed, data[s.lo:s.hi]), n: n}
	}
	var b *[16]byte
	if int(s.lo)+16 <= len(data) {
		b = (*[16]byte)(data[s.lo:])
	} else {
		b = new([16]byte)
		copy(b[:], data[s.lo:s.hi])
	}
	bit := uint(n) * 8
	return dictKey{
		lo: binary.LittleEndian.Uint64(b[:]) & (1<<min(bit, 64) - 1),
		hi: binary.LittleEndian.Uint64(b[8:]) & (1<<(max(bit, 64)-64) - 1),
		n:  n,
	}
}

func (k *dictKey) hash() uint32 {
	x := (k.lo ^ bits.RotateLeft64(k.hi*0xC2B2AE3D27D4EB4F, 29) ^ uint64(k.n)<<56) * 0x9E3779B97F4A7C15
	return uint32(x>>32) ^ uint32(x>>49)
}

// add appends the indexes of values and returns how many it added before the
// dictionary would have had more than limit bytes.
func (d *byteDict) add(spans []span, data []byte, limit int) int {
	mask := uint32(len(d.table) - 1)
	at := len(d.idx)
	d.idx = append(d.idx, make([]uint32, len(spans))...)
	out := d.idx[at:]
	raw := 0
	var last []byte // the value before, and its index
	var lastAt uint32
	for j, s := range spans {
		// Long values often repeat the one before: paths, sorted columns.
		v := data[s.lo:s.hi]
		if len(v) > 16 && bytes.Equal(v, last) {
			out[j] = lastAt
			raw += 4 + len(v)
			continue
		}
		k := d.key(data, s)
		h := k.hash() & mask
		for {
			i := d.table[h]
			if i == 0 {
				if len(d.plain)+4+k.n > limit {
					d.idx = d.idx[:at+j]
					d.raw += raw
					return j
				}
				d.insert(data[s.lo:s.hi], k, h)
				mask = uint32(len(d.table) - 1)
				out[j] = uint32(len(d.ends) - 1)
				break
			}
			if d.keys[i-1] == k && (k.n <= 16 || d.same(i-1, data[s.lo:s.hi])) {
				out[j] = i - 1
				break
			}
			h = (h + 1) & mask
		}
		raw += 4 + k.n
		last, lastAt = v, out[j]
	}
	d.raw += raw
	return len(spans)
}

func (d *byteDict) same(i uint32, v []byte) bool {
	e := d.span(i)
	return bytes.Equal(d.plain[e.lo:e.hi], v)
}

func (d *byteDict) insert(v []byte, k dictKey, h uint32) {
	d.plain = binary.LittleEndian.AppendUint32(d.plain, uint32(len(v)))
	d.plain = append(d.plain, v...)
	d.ends = append(d.ends, uint32(len(d.plain)))
	d.keys = append(d.keys, k)
	d.table[h] = uint32(len(d.ends))
	if len(d.ends)*2 <= len(d.table) {
		return
	}
	d.table = make([]uint32, len(d.table)*4)
	mask := uint32(len(d.table) - 1)
	for i := range d.keys {
		h := d.keys[i].hash() & mask
		for d.table[h] != 0 {
			h = (h + 1) & mask
		}
		d.table[h] = uint32(i) + 1
	}
}
