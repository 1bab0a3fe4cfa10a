package parquetfile

import (
	"math"
	"math/bits"

	"github.com/parquet-go/parquet-go/bloom"
)

// maxBloomBytes bounds a filter, whatever the rate asked for.
const maxBloomBytes = 128 << 20

// encodeBloom returns header and bits of a split-block bloom filter of the
// hashes of a chunk's values. It is first built for as many distinct values as
// there are hashes, then folded in half for as long as the false positive rate
// measured on its bits stays within fpp: that sizes it by the distinct values
// without counting them. Sizes are powers of two because Arrow C++ refuses
// others.
func encodeBloom(hashes *hashList, fpp float64) []byte {
	f := make(bloom.SplitBlockFilter, bloomBlocks(hashes.n, fpp))
	for _, h := range hashes.blocks() {
		f.InsertBulk(h)
	}
	for len(f) > 1 {
		half := foldBloom(f)
		if bloomRate(half) > fpp {
			break
		}
		f = half
	}
	body := f.Bytes()
	return append(bloomHeader(len(body)), body...)
}

// bloomBlocks returns the blocks of 256 bits for n distinct values, rounded up
// to a power of two.
func bloomBlocks(n int, fpp float64) int {
	// Eight bits a value: fpp = (1 - e^(-8n/m))^8. Blocks fill unevenly, which
	// costs about a tenth more.
	m := -8 * float64(n) / math.Log(1-math.Pow(fpp, 1.0/8)) * 1.1
	blocks := uint(math.Ceil(m / 256))
	blocks = min(max(blocks, 1), maxBloomBytes/32)
	return 1 << bits.Len(blocks-1)
}

// foldBloom returns a filter of half the blocks with the same values: the
// block of a hash is chosen by its high bits, so neighbours join.
func foldBloom(f bloom.SplitBlockFilter) bloom.SplitBlockFilter {
	half := make(bloom.SplitBlockFilter, len(f)/2)
	for i := range half {
		for w := range half[i] {
			half[i][w] = f[2*i][w] | f[2*i+1][w]
		}
	}
	return half
}

// bloomRate returns the chance that a value not in f seems to be.
func bloomRate(f bloom.SplitBlockFilter) float64 {
	sum := 0.0
	for i := range f {
		p := 1.0
		for _, w := range f[i] {
			p *= float64(bits.OnesCount32(uint32(w))) / 32
		}
		sum += p
	}
	return sum / float64(len(f))
}
