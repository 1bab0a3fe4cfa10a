package deletes

import (
	"iter"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/frazildb/frazil/internal/bitmap"
)

// Positions is a set of row positions of one data file, a 64-bit roaring
// bitmap. The zero value is an empty set. It may be read concurrently, not
// while it is changed.
type Positions struct {
	// keys are the upper halves of the positions in ascending order, maps the
	// lower halves of each.
	keys []uint32
	maps []*roaring.Bitmap
}

// sub returns the bitmap of a key, making it if there is none.
func (p *Positions) sub(key uint32) *roaring.Bitmap {
	i, ok := slices.BinarySearch(p.keys, key)
	if !ok {
		p.keys = slices.Insert(p.keys, i, key)
		p.maps = slices.Insert(p.maps, i, roaring.New())
	}
	return p.maps[i]
}

// Add adds pos.
func (p *Positions) Add(pos uint64) { p.sub(uint32(pos >> 32)).Add(uint32(pos)) }

// AddMany adds positions, fastest when they ascend.
func (p *Positions) AddMany(pos []int64) {
	var low [1024]uint32
	for len(pos) > 0 {
		key := uint32(uint64(pos[0]) >> 32)
		n := 0
		for n < len(pos) && n < len(low) && uint32(uint64(pos[n])>>32) == key {
			low[n] = uint32(pos[n])
			n++
		}
		p.sub(key).AddMany(low[:n])
		pos = pos[n:]
	}
}

// AddRange adds from to to, to excluded.
func (p *Positions) AddRange(from, to uint64) {
	for from < to {
		key := from >> 32
		end := to
		if key < to>>32 {
			end = (key + 1) << 32
		}
		base := key << 32
		p.sub(uint32(key)).AddRange(from-base, end-base)
		from = end
		if end == 0 { // past the last key
			return
		}
	}
}

// Contains reports whether pos is in the set.
func (p *Positions) Contains(pos uint64) bool {
	i, ok := slices.BinarySearch(p.keys, uint32(pos>>32))
	return ok && p.maps[i].Contains(uint32(pos))
}

// Intersects reports whether there is a position from from to to, exclusive.
func (p *Positions) Intersects(from, to uint64) bool {
	for i, key := range p.keys {
		lo, hi := uint64(key)<<32, (uint64(key)+1)<<32
		if max(from, lo) < min(to, hi) && p.maps[i].IntersectsWithInterval(max(from, lo)-lo, min(to, hi)-lo) {
			return true
		}
	}
	return false
}

// Union adds all of o, which it shares nothing with afterwards.
func (p *Positions) Union(o *Positions) {
	for i, key := range o.keys {
		p.sub(key).Or(o.maps[i])
	}
}

// Minus removes all of o.
func (p *Positions) Minus(o *Positions) {
	for i, key := range o.keys {
		if j, ok := slices.BinarySearch(p.keys, key); ok {
			p.maps[j].AndNot(o.maps[i])
		}
	}
}

// Covers reports whether all of o is in the set.
func (p *Positions) Covers(o *Positions) bool {
	for i, key := range o.keys {
		j, ok := slices.BinarySearch(p.keys, key)
		if !ok && o.maps[i].IsEmpty() {
			continue
		}
		if !ok || p.maps[j].AndCardinality(o.maps[i]) != o.maps[i].GetCardinality() {
			return false
		}
	}
	return true
}

// Truncate removes all positions from n on.
func (p *Positions) Truncate(n uint64) {
	for i, key := range p.keys {
		base := uint64(key) << 32
		switch {
		case n <= base:
			p.maps[i].Clear()
		case n-base < 1<<32:
			p.maps[i].RemoveRange(n-base, 1<<32)
		}
	}
}

// Len returns the number of positions.
func (p *Positions) Len() uint64 {
	var n uint64
	for _, m := range p.maps {
		n += m.GetCardinality()
	}
	return n
}

// Max returns the highest position; false when the set is empty.
func (p *Positions) Max() (uint64, bool) {
	for i := len(p.maps) - 1; i >= 0; i-- {
		if !p.maps[i].IsEmpty() {
			return uint64(p.keys[i])<<32 | uint64(p.maps[i].Maximum()), true
		}
	}
	return 0, false
}

// All yields the positions in ascending order.
func (p *Positions) All() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		var buf [512]uint32
		for i, m := range p.maps {
			base := uint64(p.keys[i]) << 32
			for it := m.ManyIterator(); ; {
				n := it.NextMany(buf[:])
				if n == 0 {
					break
				}
				for _, v := range buf[:n] {
					if !yield(base | uint64(v)) {
						return
					}
				}
			}
		}
	}
}

// Clone returns a copy that shares nothing.
func (p *Positions) Clone() *Positions {
	c := &Positions{keys: slices.Clone(p.keys), maps: make([]*roaring.Bitmap, len(p.maps))}
	for i, m := range p.maps {
		c.maps[i] = m.Clone()
	}
	return c
}

// MemoryBytes estimates the memory the set takes.
func (p *Positions) MemoryBytes() int64 {
	n := int64(64)
	for _, m := range p.maps {
		n += int64(m.GetSizeInBytes()) + 128
	}
	return n
}

// ClearIn clears in bm, whose bit 0 is position first, the bits of all
// positions of the set.
func (p *Positions) ClearIn(bm *bitmap.Bitmap, first int64) {
	lo, hi := uint64(first), uint64(first)+uint64(bm.Len())
	for i, key := range p.keys {
		base := uint64(key) << 32
		from, to := max(lo, base), min(hi, base+1<<32)
		if from >= to {
			continue
		}
		clearIn(p.maps[i], from-base, to-base, bm, int(from-lo))
	}
}

// sparse is up to how many positions are cleared one by one.
const sparse = 512

// clearIn clears the bits of the values of m from from up to to; value from is
// bit at of bm.
func clearIn(m *roaring.Bitmap, from, to uint64, bm *bitmap.Bitmap, at int) {
	n := m.CardinalityInRange(from, to)
	switch {
	case n == 0:
	case n == to-from:
		bm.ClearRange(at, at+int(n))
	case n <= sparse:
		it := m.Iterator()
		it.AdvanceIfNeeded(uint32(from))
		for ; n > 0; n-- {
			bm.Clear(int(uint64(it.Next())-from) + at)
		}
	default:
		clearDense(m, from, to, bm, at)
	}
}

// clearDense is clearIn by whole words: the part of m in question is copied out,
// moved so that it lines up with bm's words, and written as a flat bitset.
func clearDense(m *roaring.Bitmap, from, to uint64, bm *bitmap.Bitmap, at int) {
	part := roaring.New()
	part.AddRange(from, to)
	part.And(m)
	shift := at & 63
	part = roaring.AddOffset64(part, int64(shift)-int64(from))
	dense := part.ToDense()
	words := bm.Words()[at>>6:]
	for i, w := range dense {
		words[i] &^= w
	}
}
