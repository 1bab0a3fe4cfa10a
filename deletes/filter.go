package deletes

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/bits-and-blooms/bloom/v3"
)

// Filter is a bloom filter of keys. Digests added and tested must come from
// hashers of one seed, which the owner of the filter keeps beside it. Test may
// be called concurrently with Test.
type Filter struct{ f *bloom.BloomFilter }

// A filter is encoded as
//
//	magic     "FZKF" and version 1   4 + 1 bytes
//	length    of the body            8 bytes LE
//	crc       CRC-32C of the body    4 bytes LE
//	body      m, k                   8 bytes LE each
//	          words                  8 bytes LE each, ceil(m/64)
const (
	filterMagic = "FZKF\x01"
	filterHead  = len(filterMagic) + 8 + 4
	// maxFilterBits bounds a filter to 4 GiB.
	maxFilterBits = 1 << 35
	maxFilterK    = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// NewFilter returns an empty filter sized for n keys at a false positive rate
// of fpp (outside 0 to 1: 0.01).
func NewFilter(n uint64, fpp float64) *Filter {
	if !(fpp > 0 && fpp < 1) {
		fpp = 0.01
	}
	m, k := bloom.EstimateParameters(uint(max(n, 64)), fpp)
	m = min(m, maxFilterBits)
	k = min(max(k, 1), maxFilterK)
	return &Filter{bloom.New((m+63)/64*64, k)}
}

// location returns the i-th bit of a digest, by double hashing.
func location(d Digest, i, m uint64) uint {
	return uint((d[0] + i*(d[1]|1)) % m)
}

// Add adds a key.
func (f *Filter) Add(d Digest) {
	bits, m := f.f.BitSet(), uint64(f.f.Cap())
	for i := range uint64(f.f.K()) {
		bits.Set(location(d, i, m))
	}
}

// Test reports whether d may have been added; false is certain.
func (f *Filter) Test(d Digest) bool {
	bits, m := f.f.BitSet(), uint64(f.f.Cap())
	for i := range uint64(f.f.K()) {
		if !bits.Test(location(d, i, m)) {
			return false
		}
	}
	return true
}

// MemoryBytes returns the memory the filter takes.
func (f *Filter) MemoryBytes() int64 { return int64(f.f.Cap()/8) + 64 }

// MarshalBinary encodes the filter with its length and a checksum.
func (f *Filter) MarshalBinary() ([]byte, error) {
	words := f.f.BitSet().Words()
	body := 16 + 8*len(words)
	b := make([]byte, 0, filterHead+body)
	b = append(b, filterMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(body))
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.f.Cap()))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.f.K()))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	binary.LittleEndian.PutUint32(b[filterHead-4:], crc32.Checksum(b[filterHead:], castagnoli))
	return b, nil
}

// UnmarshalBinary decodes what MarshalBinary encoded; damaged data is an error.
func (f *Filter) UnmarshalBinary(b []byte) error {
	if len(b) < filterHead+16 || string(b[:len(filterMagic)]) != filterMagic {
		return fmt.Errorf("key filter: not one of %d bytes: %w", len(b), ErrCorrupt)
	}
	body := b[filterHead:]
	if n := binary.LittleEndian.Uint64(b[len(filterMagic):]); n != uint64(len(body)) {
		return fmt.Errorf("key filter: %d bytes where %d are expected: %w", len(body), n, ErrCorrupt)
	}
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[filterHead-4:]) {
		return fmt.Errorf("key filter: wrong checksum: %w", ErrCorrupt)
	}
	m, k := binary.LittleEndian.Uint64(body), binary.LittleEndian.Uint64(body[8:])
	words := body[16:]
	if m == 0 || m > maxFilterBits || m > math.MaxInt || k == 0 || k > maxFilterK || uint64(len(words)) != (m+63)/64*8 {
		return fmt.Errorf("key filter: %d bits and %d hashes in %d bytes: %w", m, k, len(words), ErrCorrupt)
	}
	data := make([]uint64, len(words)/8)
	for i := range data {
		data[i] = binary.LittleEndian.Uint64(words[8*i:])
	}
	f.f = bloom.FromWithM(data, uint(m), uint(k))
	return nil
}
