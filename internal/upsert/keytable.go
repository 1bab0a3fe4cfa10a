package upsert

import "github.com/frazildb/frazil/deletes"

// Loc says where the newest state of a key is inside one commit. The zero Loc
// means the commit has not touched the key.
type Loc uint64

// A Loc is two bits of kind and a payload: the ordinal of a buffered row, file
// and row position of a written one, or the ordinal of the delete.
const (
	kindBuffered Loc = 1 << 62
	kindWritten  Loc = 2 << 62
	kindDeleted  Loc = 3 << 62
	kindMask     Loc = 3 << 62

	posBits = 40
	posMask = 1<<posBits - 1
)

// Buffered is the Loc of the row with that ordinal in the buffer.
func Buffered(ordinal int) Loc { return kindBuffered | Loc(ordinal) }

// Written is the Loc of row pos of file number file of this commit.
func Written(file int, pos int64) Loc { return kindWritten | Loc(file)<<posBits | Loc(pos) }

// Deleted is the Loc of a key whose last change is a delete.
func Deleted(ordinal int) Loc { return kindDeleted | Loc(ordinal) }

// IsZero reports whether the key is untouched.
func (l Loc) IsZero() bool { return l == 0 }

// IsBuffered, IsWritten and IsDeleted report the kind of l.
func (l Loc) IsBuffered() bool { return l&kindMask == kindBuffered }

// IsWritten reports whether the key's row is in a file of this commit.
func (l Loc) IsWritten() bool { return l&kindMask == kindWritten }

// IsDeleted reports whether the key's last change is a delete.
func (l Loc) IsDeleted() bool { return l&kindMask == kindDeleted }

// Ordinal is the row of a Buffered or Deleted Loc.
func (l Loc) Ordinal() int { return int(l &^ kindMask) }

// File and Pos are the place of a Written Loc.
func (l Loc) File() int { return int((l &^ kindMask) >> posBits) }

// Pos is the row position of a Written Loc.
func (l Loc) Pos() int64 { return int64(l & posMask) }

// KeyTable maps key digests to a Loc: open addressing with linear probing, 24
// bytes a slot, at most three quarters full. It is not safe for concurrent use.
type KeyTable struct {
	slots []slot
	mask  uint64
	n     int
}

type slot struct {
	d   deletes.Digest
	loc Loc
}

const minSlots = 1 << 10

// Len returns the number of keys.
func (t *KeyTable) Len() int { return t.n }

// MemoryBytes returns the memory the table holds.
func (t *KeyTable) MemoryBytes() int64 { return int64(len(t.slots)) * 24 }

// Get returns the Loc of d, zero when absent.
func (t *KeyTable) Get(d deletes.Digest) Loc {
	if t.n == 0 {
		return 0
	}
	for i := d[0] & t.mask; ; i = (i + 1) & t.mask {
		s := &t.slots[i]
		if s.loc == 0 || s.d == d {
			return s.loc
		}
	}
}

// Swap sets the Loc of d, which must not be zero, and returns the one before.
func (t *KeyTable) Swap(d deletes.Digest, loc Loc) Loc {
	if t.n*4 >= len(t.slots)*3 {
		t.grow()
	}
	for i := d[0] & t.mask; ; i = (i + 1) & t.mask {
		s := &t.slots[i]
		if s.loc == 0 {
			s.d, s.loc = d, loc
			t.n++
			return 0
		}
		if s.d == d {
			old := s.loc
			s.loc = loc
			return old
		}
	}
}

func (t *KeyTable) grow() {
	old := t.slots
	t.slots = make([]slot, max(minSlots, 2*len(old)))
	t.mask = uint64(len(t.slots) - 1)
	for _, s := range old {
		if s.loc == 0 {
			continue
		}
		i := s.d[0] & t.mask
		for t.slots[i].loc != 0 {
			i = (i + 1) & t.mask
		}
		t.slots[i] = s
	}
}

// taken is the Loc of a key that Take has handed out.
const taken Loc = 1

// Take returns the Loc of d once: later calls return zero.
func (t *KeyTable) Take(d deletes.Digest) Loc {
	if t.n == 0 {
		return 0
	}
	for i := d[0] & t.mask; ; i = (i + 1) & t.mask {
		s := &t.slots[i]
		if s.loc == 0 {
			return 0
		}
		if s.d == d {
			loc := s.loc
			s.loc = taken
			if loc == taken {
				return 0
			}
			return loc
		}
	}
}

// Update calls f for every key and stores what it returns.
func (t *KeyTable) Update(f func(d deletes.Digest, loc Loc) Loc) {
	for i := range t.slots {
		if s := &t.slots[i]; s.loc != 0 {
			s.loc = f(s.d, s.loc)
		}
	}
}

// Reset forgets all keys and keeps the memory for reuse.
func (t *KeyTable) Reset() {
	clear(t.slots)
	t.n = 0
}
