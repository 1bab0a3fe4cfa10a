package partition

import (
	"encoding/binary"
	"math/bits"
)

// The 32-bit x86 variant of MurmurHash3 with seed 0 (spec: "Appendix B: 32-bit
// Hash Requirements").
const (
	murmurC1 = 0xcc9e2d51
	murmurC2 = 0x1b873593
)

func murmurMix(h, k uint32) uint32 {
	k *= murmurC1
	k = bits.RotateLeft32(k, 15)
	k *= murmurC2
	h ^= k
	h = bits.RotateLeft32(h, 13)
	return h*5 + 0xe6546b64
}

func murmurEnd(h, n uint32) uint32 {
	h ^= n
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// hashLong hashes the eight little-endian bytes of v: the form of every integer
// type, date and time included.
func hashLong(v int64) uint32 {
	h := murmurMix(0, uint32(v))
	h = murmurMix(h, uint32(uint64(v)>>32))
	return murmurEnd(h, 8)
}

func hashBytes(b []byte) uint32 {
	n := uint32(len(b))
	var h uint32
	for ; len(b) >= 4; b = b[4:] {
		h = murmurMix(h, binary.LittleEndian.Uint32(b))
	}
	if len(b) > 0 {
		var k uint32
		for i := len(b) - 1; i >= 0; i-- {
			k = k<<8 | uint32(b[i])
		}
		k *= murmurC1
		k = bits.RotateLeft32(k, 15)
		h ^= k * murmurC2
	}
	return murmurEnd(h, n)
}

// bucketOf maps a hash to a bucket; the sign bit is masked first.
func bucketOf(h uint32, n int) int32 { return int32(h&0x7fffffff) % int32(n) }
