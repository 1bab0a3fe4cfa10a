// Package bitmap is a flat bitset over the rows of a batch or row group.
package bitmap

import "math/bits"

// Bitmap is a fixed number of bits, packed least significant bit first in
// 64-bit words; bits past the length are zero.
type Bitmap struct {
	words []uint64
	n     int
}

// New returns n zero bits.
func New(n int) *Bitmap { return &Bitmap{words: make([]uint64, (n+63)/64), n: n} }

// NewSet returns n one bits.
func NewSet(n int) *Bitmap {
	b := New(n)
	for i := range b.words {
		b.words[i] = ^uint64(0)
	}
	b.trim()
	return b
}

func (b *Bitmap) trim() {
	if r := b.n & 63; r != 0 {
		b.words[len(b.words)-1] &= 1<<r - 1
	}
}

// Len returns the number of bits.
func (b *Bitmap) Len() int { return b.n }

// Words exposes the packed words; writers must keep bits past Len zero.
func (b *Bitmap) Words() []uint64 { return b.words }

// Get reports bit i, Set sets it, Clear clears it.
func (b *Bitmap) Get(i int) bool { return b.words[i>>6]>>(i&63)&1 != 0 }

// Set sets bit i.
func (b *Bitmap) Set(i int) { b.words[i>>6] |= 1 << (i & 63) }

// Clear clears bit i.
func (b *Bitmap) Clear(i int) { b.words[i>>6] &^= 1 << (i & 63) }

// Count returns the number of one bits.
func (b *Bitmap) Count() int {
	n := 0
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// And keeps the bits that o has too; both have the same length.
func (b *Bitmap) And(o *Bitmap) {
	for i := range b.words {
		b.words[i] &= o.words[i]
	}
}

// AndNot clears the bits that o has; both have the same length.
func (b *Bitmap) AndNot(o *Bitmap) {
	for i := range b.words {
		b.words[i] &^= o.words[i]
	}
}

// Or sets the bits that o has; both have the same length.
func (b *Bitmap) Or(o *Bitmap) {
	for i := range b.words {
		b.words[i] |= o.words[i]
	}
}

// Not flips every bit.
func (b *Bitmap) Not() {
	for i := range b.words {
		b.words[i] = ^b.words[i]
	}
	b.trim()
}

// ClearRange clears bits lo to hi, hi excluded.
func (b *Bitmap) ClearRange(lo, hi int) {
	for i := lo; i < hi; {
		if i&63 == 0 && i+64 <= hi {
			b.words[i>>6] = 0
			i += 64
			continue
		}
		b.Clear(i)
		i++
	}
}

// AnyInRange reports whether any of bits lo to hi, hi excluded, is one.
func (b *Bitmap) AnyInRange(lo, hi int) bool {
	if lo >= hi {
		return false
	}
	first, last := lo>>6, (hi-1)>>6
	head := ^uint64(0) << (lo & 63)
	tail := ^uint64(0) >> (63 - (hi-1)&63)
	if first == last {
		return b.words[first]&head&tail != 0
	}
	if b.words[first]&head != 0 || b.words[last]&tail != 0 {
		return true
	}
	for _, w := range b.words[first+1 : last] {
		if w != 0 {
			return true
		}
	}
	return false
}

// NextSet returns the first one bit at or after i, or -1.
func (b *Bitmap) NextSet(i int) int {
	if i >= b.n {
		return -1
	}
	w := b.words[i>>6] &^ (1<<(i&63) - 1)
	for k := i >> 6; ; {
		if w != 0 {
			return k<<6 + bits.TrailingZeros64(w)
		}
		if k++; k == len(b.words) {
			return -1
		}
		w = b.words[k]
	}
}
