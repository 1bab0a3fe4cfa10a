package keyindex

import (
	"math/bits"
	"slices"

	"github.com/frazildb/frazil/deletes"
)

// loc is the place of a row: file ordinal and position, and whether its key has
// more rows, which are in the overflow. Zero is a free slot; ordinal zero with a
// position is a key without a row.
type loc uint64

const (
	posBits  = 36
	ordBits  = 27
	maxPos   = 1<<posBits - 1
	maxOrd   = 1<<ordBits - 1
	moreFlag = loc(1) << 63
	gone     = loc(1)
)

func makeLoc(ord uint32, pos int64) loc { return loc(ord)<<posBits | loc(pos) }

func (l loc) ord() uint32 { return uint32(l >> posBits & maxOrd) }
func (l loc) pos() int64  { return int64(l & maxPos) }

// memory is the index in memory: open addressing with linear probing in order
// of the digest, so that sorted keys are met in the order of memory. 24 bytes a
// slot, 3/5 to 3/4 full: 32 to 40 bytes a key. Once it is large it grows by a
// quarter, one of its parts after another, so that it never needs much more than
// it has.
type memory struct {
	parts    [memParts]memPart
	overflow map[deletes.Digest][]loc
	n        int // slots taken
	bytes    int64
	keepGone bool   // that a key is gone is worth knowing
	roomy    int64  // bytes up to which a part that is full doubles
	sink     uint64 // keeps loads from being optimised away
	order    []int32
}

const (
	memPartBits = 6
	memParts    = 1 << memPartBits
	minSlots    = 64
	slotBytes   = 24
	overBytes   = 96 // an overflow entry, about
)

type memPart struct {
	slots []memSlot
	n     int
}

type memSlot struct {
	key deletes.Digest
	loc loc
}

func partOf(k deletes.Digest) int { return int(k[0] >> (64 - memPartBits)) }

// home is the slot a key belongs in.
func (p *memPart) home(k deletes.Digest) int {
	hi, _ := bits.Mul64(k[0]<<memPartBits, uint64(len(p.slots)))
	return int(hi)
}

// find returns the slot of k, or the free one where it would go.
func (p *memPart) find(k deletes.Digest) *memSlot {
	i := p.home(k)
	for {
		s := &p.slots[i]
		if s.loc == 0 || s.key == k {
			return s
		}
		if i++; i == len(p.slots) {
			i = 0
		}
	}
}

// slot returns the slot of k, taking one if need be; its loc is then zero and
// must be set. alive says which files still count.
func (m *memory) slot(k deletes.Digest, alive []bool) *memSlot {
	p := &m.parts[partOf(k)]
	if p.n*4 >= len(p.slots)*3 {
		m.grow(p, alive)
	}
	s := p.find(k)
	if s.loc == 0 {
		s.key = k
		p.n++
		m.n++
	}
	return s
}

// grow makes room in a part, first by dropping keys whose rows are gone.
func (m *memory) grow(p *memPart, alive []bool) {
	keep := 0
	for i := range p.slots {
		s := &p.slots[i]
		if s.loc != 0 && (m.prune(s, alive) || m.keepGone) {
			keep++
		}
	}
	old := p.slots
	size := len(old)
	if keep*5 >= size*3 {
		if m.bytes < m.roomy {
			size += size * 3 / 4
		}
		size = max(minSlots, size+size/4)
	}
	p.slots = make([]memSlot, size)
	m.n -= p.n
	m.bytes += int64(size-len(old)) * slotBytes
	p.n = 0
	for _, s := range old {
		if s.loc == 0 || s.loc == gone && !m.keepGone {
			continue
		}
		*p.find(s.key) = s
		p.n++
	}
	m.n += p.n
}

// prune forgets rows in files that no longer count and reports whether the key
// has any left.
func (m *memory) prune(s *memSlot, alive []bool) bool {
	if s.loc&moreFlag == 0 {
		if s.loc != gone && !alive[s.loc.ord()] {
			s.loc = gone
		}
		return s.loc != gone
	}
	more := m.overflow[s.key]
	left := more[:0]
	for _, l := range more {
		if alive[l.ord()] {
			left = append(left, l)
		}
	}
	first := s.loc &^ moreFlag
	if first == gone || !alive[first.ord()] {
		first = gone
		if len(left) > 0 {
			first, left = left[len(left)-1], left[:len(left)-1]
		}
	}
	if len(left) > 0 {
		m.overflow[s.key] = left
		s.loc = first | moreFlag
	} else {
		delete(m.overflow, s.key)
		m.bytes -= overBytes
		s.loc = first
	}
	return first != gone
}

// set makes l the one place of a key.
func (m *memory) set(k deletes.Digest, l loc, alive []bool) {
	s := m.slot(k, alive)
	m.dropMore(s)
	s.loc = l
}

func (m *memory) dropMore(s *memSlot) {
	if s.loc&moreFlag != 0 {
		m.bytes -= overBytes
		delete(m.overflow, s.key)
	}
}

// remove forgets a key, or keeps in mind that it is gone.
func (m *memory) remove(k deletes.Digest, alive []bool) {
	if m.keepGone {
		m.set(k, gone, alive)
		return
	}
	p := &m.parts[partOf(k)]
	if p.n == 0 {
		return
	}
	if s := p.find(k); s.loc != 0 {
		m.dropMore(s)
		s.loc = gone
	}
}

// add adds a place to those a key has.
func (m *memory) add(k deletes.Digest, l loc, alive []bool) {
	s := m.slot(k, alive)
	switch {
	case s.loc == 0 || s.loc == gone:
		s.loc = l
	case s.loc&^moreFlag == l:
	case !alive[s.loc.ord()]:
		s.loc = s.loc&moreFlag | l
	default:
		if m.overflow == nil {
			m.overflow = map[deletes.Digest][]loc{}
		}
		more := m.overflow[k]
		for _, o := range more {
			if o == l {
				return
			}
		}
		if s.loc&moreFlag == 0 {
			s.loc |= moreFlag
			m.bytes += overBytes
		}
		m.overflow[k] = append(more, l)
	}
}

// lookAhead is how many keys are looked up at a time: their slots are loaded
// before the first is looked at, for the cache misses to overlap.
const lookAhead = 64

// find calls f with every place of keys.
func (m *memory) find(keys []deletes.Digest, f func(l loc)) {
	m.inOrder(keys, func(i int) {
		if p := &m.parts[partOf(keys[i])]; p.n > 0 {
			m.each(p.find(keys[i]), f)
		}
	})
}

// has reports whether there is word of a key.
func (m *memory) has(k deletes.Digest) bool {
	p := &m.parts[partOf(k)]
	return p.n > 0 && p.find(k).loc != 0
}

// findSome calls f with every place of keys and appends those to rest of which
// there is no word.
func (m *memory) findSome(keys []deletes.Digest, f func(l loc), rest []deletes.Digest) []deletes.Digest {
	m.inOrder(keys, func(i int) {
		if p := &m.parts[partOf(keys[i])]; p.n > 0 {
			if s := p.find(keys[i]); s.loc != 0 {
				m.each(s, f)
				return
			}
		}
		rest = append(rest, keys[i])
	})
	return rest
}

// clear forgets all keys and keeps the room.
func (m *memory) clear() {
	for i := range m.parts {
		clear(m.parts[i].slots)
		m.parts[i].n = 0
	}
	m.bytes -= int64(len(m.overflow)) * overBytes
	m.n, m.overflow = 0, nil
}

const (
	orderBits = 11
	// orderFrom is from how many keys on it pays to order them.
	orderFrom = 4096
)

// inOrder calls f with the number of each key, roughly in the order of memory:
// without order each key would miss the caches of pages too.
func (m *memory) inOrder(keys []deletes.Digest, f func(i int)) {
	order := m.order[:0]
	if len(keys) < orderFrom {
		for i := range keys {
			order = append(order, int32(i))
		}
	} else {
		var at [1 << orderBits]int32
		for i := range keys {
			at[keys[i][0]>>(64-orderBits)]++
		}
		sum := int32(0)
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		order = slices.Grow(order, len(keys))[:len(keys)]
		for i := range keys {
			b := keys[i][0] >> (64 - orderBits)
			order[at[b]] = int32(i)
			at[b]++
		}
	}
	m.order = order
	for len(order) > 0 {
		block := order[:min(lookAhead, len(order))]
		for _, i := range block {
			if p := &m.parts[partOf(keys[i])]; p.n > 0 {
				m.sink += uint64(p.slots[p.home(keys[i])].loc)
			}
		}
		for _, i := range block {
			f(int(i))
		}
		order = order[len(block):]
	}
}

// each calls f with the places in a slot.
func (m *memory) each(s *memSlot, f func(l loc)) {
	l := s.loc &^ moreFlag
	if l == 0 {
		return
	}
	if l != gone {
		f(l)
	}
	if s.loc&moreFlag != 0 {
		for _, l := range m.overflow[s.key] {
			f(l)
		}
	}
}
