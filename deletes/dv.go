package deletes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
)

// A deletion vector blob:
//
//	length   4 bytes BE   of magic and vector
//	magic    D1 D3 39 64
//	vector   count        8 bytes LE
//	         count times  key 4 bytes LE, ascending; 32-bit roaring bitmap, portable
//	crc      4 bytes BE   CRC-32 (IEEE) of magic and vector
const (
	dvMagic    = "\xd1\xd3\x39\x64"
	dvOverhead = 4 + len(dvMagic) + 8 + 4
	// dvMaxKey is the highest key other engines accept.
	dvMaxKey = math.MaxInt32 - 1
	// minBitmap is the size of the smallest 32-bit bitmap, an empty one.
	minBitmap = 8
)

// EncodeDV encodes a deletion-vector-v1 blob (spec: Puffin, "deletion-vector-v1
// blob type"), run-length optimised.
func EncodeDV(p *Positions) ([]byte, error) {
	size := dvOverhead
	maps := make([]*roaring.Bitmap, len(p.maps))
	for i, m := range p.maps {
		// The set may be in use by readers: optimise a copy.
		maps[i] = m.Clone()
		maps[i].RunOptimize()
		size += 4 + int(maps[i].GetSerializedSizeInBytes())
	}
	if n := len(p.keys); n > 0 && p.keys[n-1] > dvMaxKey {
		return nil, fmt.Errorf("deletion vector: position %d is too large", uint64(p.keys[n-1])<<32)
	}
	if size > math.MaxInt32 {
		return nil, fmt.Errorf("deletion vector: %d bytes are too many", size)
	}
	var b bytes.Buffer
	b.Grow(size)
	var word [8]byte
	binary.BigEndian.PutUint32(word[:4], uint32(size-8))
	b.Write(word[:4])
	b.WriteString(dvMagic)
	binary.LittleEndian.PutUint64(word[:], uint64(len(maps)))
	b.Write(word[:])
	for i, m := range maps {
		binary.LittleEndian.PutUint32(word[:4], p.keys[i])
		b.Write(word[:4])
		if _, err := m.WriteTo(&b); err != nil {
			return nil, fmt.Errorf("deletion vector: %w", err)
		}
	}
	binary.BigEndian.PutUint32(word[:4], crc32.ChecksumIEEE(b.Bytes()[4:]))
	b.Write(word[:4])
	if b.Len() != size {
		return nil, fmt.Errorf("deletion vector: encoded %d bytes, not %d", b.Len(), size)
	}
	return b.Bytes(), nil
}

// DecodeDV decodes and validates a deletion-vector-v1 blob; wantCardinality is
// the number of positions it must hold, -1 any. b is not kept.
func DecodeDV(b []byte, wantCardinality int64) (*Positions, error) {
	p, err := decodeDV(b)
	if err != nil {
		return nil, fmt.Errorf("deletion vector: %w: %w", err, ErrCorrupt)
	}
	if n := p.Len(); wantCardinality >= 0 && n != uint64(wantCardinality) {
		return nil, fmt.Errorf("deletion vector: %d positions where %d are expected: %w", n, wantCardinality, ErrCorrupt)
	}
	return p, nil
}

func decodeDV(b []byte) (*Positions, error) {
	if len(b) < dvOverhead {
		return nil, fmt.Errorf("%d bytes are too few", len(b))
	}
	if n := binary.BigEndian.Uint32(b); uint64(n) != uint64(len(b)-8) {
		return nil, fmt.Errorf("length field says %d, not %d", n, len(b)-8)
	}
	body := b[4 : len(b)-4]
	if string(body[:4]) != dvMagic {
		return nil, fmt.Errorf("magic is %x", body[:4])
	}
	if got, want := crc32.ChecksumIEEE(body), binary.BigEndian.Uint32(b[len(b)-4:]); got != want {
		return nil, fmt.Errorf("checksum is %08x, not %08x", got, want)
	}
	count := binary.LittleEndian.Uint64(body[4:])
	rest := body[12:]
	if count > uint64(len(rest)/(4+minBitmap)) {
		return nil, fmt.Errorf("%d bitmaps in %d bytes", count, len(rest))
	}
	p := &Positions{keys: make([]uint32, 0, count), maps: make([]*roaring.Bitmap, 0, count)}
	for i := range count {
		if len(rest) < 4 {
			return nil, fmt.Errorf("bitmap %d: no key", i)
		}
		key := binary.LittleEndian.Uint32(rest)
		if n := len(p.keys); key > dvMaxKey || n > 0 && p.keys[n-1] >= key {
			return nil, fmt.Errorf("bitmap %d: key %d does not ascend", i, key)
		}
		size, err := checkRoaring(rest[4:])
		if err != nil {
			return nil, fmt.Errorf("bitmap %d: %w", i, err)
		}
		m := roaring.New()
		if err := m.UnmarshalBinary(rest[4 : 4+size]); err != nil {
			return nil, fmt.Errorf("bitmap %d: %w", i, err)
		}
		p.keys, p.maps = append(p.keys, key), append(p.maps, m)
		rest = rest[4+size:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes too many", len(rest))
	}
	return p, nil
}
