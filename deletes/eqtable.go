package deletes

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

// EqualityTable answers, for all data files of a scope, which rows equality
// deletes on one set of columns remove: key → highest data sequence number of a
// delete. Its memory follows the distinct deleted keys, not delete files or
// tasks. Add may be called concurrently with Add; Dead concurrently with Dead,
// after the last Add.
type EqualityTable struct {
	hasher *Hasher
	o      EqualityOptions
	bytes  atomic.Int64
	dense  *dense      // nil for none
	hashed atomic.Bool // some key is in the shards
	shards [shardCount]shard
}

const (
	shardBits  = 5
	shardCount = 1 << shardBits
	// A group is eight slots and, in one word, a tag byte for each: zero for a
	// free slot, else the high bit and seven bits of the key's hash. Most look-ups
	// of keys that are not there touch that one word.
	groupSlots = 8
	groupBytes = groupSlots * (24 + 1)
	lowBits    = 0x0101010101010101
	highBits   = 0x8080808080808080
)

// shard holds the keys whose digest starts with its number, in open addressing
// with linear probing by groups; at most seven eighths of its slots are taken.
type shard struct {
	mu   sync.Mutex
	tags []uint64 // a group each; a power of two, or none
	// slots has groupSlots a group.
	slots []slot
	n     int
}

type slot struct {
	key Digest
	seq int64
}

// tagOf returns the tag of a key in every byte. Its bits are neither those that
// choose the shard nor those that choose the group.
func tagOf(key *Digest) uint64 { return (key[0]>>40&0x7f | 0x80) * lowBits }

// matches returns the high bit of every byte of w that equals tag's; there may be
// some more, never fewer.
func matches(w, tag uint64) uint64 {
	w ^= tag
	return (w - lowBits) &^ w & highBits
}

// EqualityOptions bound a table; nil and zero mean the documented default.
type EqualityOptions struct {
	// Seed of the key hash; 0 picks a random one, which keys made to collide
	// cannot know.
	Seed uint64
	// MemoryBudget in bytes, past which Add fails with ErrBudget; 0 is none.
	MemoryBudget int64
	// Account, when not nil, is told of every change of the memory used, from any
	// goroutine; false refuses growth, and Add fails with ErrBudget.
	Account func(delta int64) bool
	// Parts, a power of two, makes a table of only those keys that hash to Part;
	// the others are as if never added. 0 is one part.
	Parts, Part uint64
	// Rows is about how many deletes will be added, 0 for unknown. Low and High
	// are between which integers the keys of a single integer column lie, as far
	// as is known; when they lie close together a table of them is much faster.
	// Others may be added all the same.
	Rows      int64
	Low, High int64
}

// NewEqualityTable returns an empty table on the given key columns; their types
// are the widest the columns ever had.
func NewEqualityTable(fields []schema.Field, opts *EqualityOptions) (*EqualityTable, error) {
	var o EqualityOptions
	if opts != nil {
		o = *opts
	}
	for o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	h, err := NewHasher(fields, o.Seed)
	if err != nil {
		return nil, fmt.Errorf("equality deletes: %w", err)
	}
	t := &EqualityTable{hasher: h, o: o}
	t.newDense(fields)
	return t, nil
}

// Fields returns the key columns, in the order that Add and Dead take them; they
// must not be changed.
func (t *EqualityTable) Fields() []schema.Field { return t.hasher.Fields() }

// Add records that the keys in cols were deleted at data sequence number seq.
func (t *EqualityTable) Add(cols []arrow.Array, seq int64) error {
	if seq <= 0 {
		return nil // no data file is older
	}
	if t.dense != nil && t.dense.add(cols[0], seq) {
		return nil
	}
	// Also those that dense has: they are few where some are not.
	return t.AddDigests(t.hasher.Hash(cols, nil), seq)
}

// AddDigests is Add for keys already hashed by Hasher, whose order it may change.
func (t *EqualityTable) AddDigests(keys []Digest, seq int64) error {
	if mask := t.o.Parts - 1; t.o.Parts > 1 {
		n := 0
		for i := range keys {
			if keys[i][0]&mask == t.o.Part {
				keys[n] = keys[i]
				n++
			}
		}
		keys = keys[:n]
	}
	if len(keys) > 0 {
		t.hashed.Store(true)
	}
	// Keys of one shard together, so that each shard is locked once.
	var ends [shardCount]int
	for i := range keys {
		ends[keys[i][0]>>(64-shardBits)]++
	}
	sum := 0
	for i, n := range ends {
		ends[i] = sum
		sum += n
	}
	sorted := make([]Digest, len(keys))
	for i := range keys {
		s := keys[i][0] >> (64 - shardBits)
		sorted[ends[s]] = keys[i]
		ends[s]++
	}
	start := 0
	for i, end := range ends {
		if start == end {
			continue
		}
		if err := t.addTo(&t.shards[i], sorted[start:end], seq); err != nil {
			return err
		}
		start = end
	}
	return nil
}

func (t *EqualityTable) addTo(s *shard, keys []Digest, seq int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range keys {
		if at := s.find(&keys[i]); at != nil {
			at.seq = max(at.seq, seq)
			continue
		}
		if 8*(s.n+1) > 7*len(s.slots) {
			if err := t.grow(s); err != nil {
				return err
			}
		}
		s.insert(slot{keys[i], seq})
		s.n++
	}
	return nil
}

// find returns the slot of key, nil if it is not there.
func (s *shard) find(key *Digest) *slot {
	if len(s.tags) == 0 {
		return nil
	}
	mask := uint64(len(s.tags) - 1)
	tag := tagOf(key)
	for g := key[1] & mask; ; g = (g + 1) & mask {
		w := s.tags[g]
		for m := matches(w, tag); m != 0; m &= m - 1 {
			at := &s.slots[g*groupSlots+uint64(bits.TrailingZeros64(m))/8]
			if at.key == *key {
				return at
			}
		}
		if ^w&highBits != 0 {
			return nil
		}
	}
}

// insert puts a key that is not there into the first free slot.
func (s *shard) insert(v slot) {
	mask := uint64(len(s.tags) - 1)
	for g := v.key[1] & mask; ; g = (g + 1) & mask {
		if free := ^s.tags[g] & highBits; free != 0 {
			bit := uint(bits.TrailingZeros64(free)) - 7
			s.tags[g] |= tagOf(&v.key) & 0xff << bit
			s.slots[g*groupSlots+uint64(bit)/8] = v
			return
		}
	}
}

func (t *EqualityTable) grow(s *shard) error {
	groups := max(1, 2*len(s.tags))
	more := int64(groups-len(s.tags)) * groupBytes
	total := t.bytes.Add(more)
	if t.o.MemoryBudget > 0 && total > t.o.MemoryBudget || t.o.Account != nil && !t.o.Account(more) {
		t.bytes.Add(-more)
		return fmt.Errorf("equality deletes: table of %d bytes cannot grow: %w", total-more, ErrBudget)
	}
	old := s.slots
	s.tags, s.slots = make([]uint64, groups), make([]slot, groups*groupSlots)
	for i := range old {
		if old[i].seq != 0 {
			s.insert(old[i])
		}
	}
	return nil
}

// Release gives back the memory; the table is empty afterwards. It must not run
// beside any other method.
func (t *EqualityTable) Release() {
	for i := range t.shards {
		t.shards[i].tags, t.shards[i].slots, t.shards[i].n = nil, nil, 0
	}
	t.dense = nil
	t.hashed.Store(false)
	if n := t.bytes.Swap(0); n > 0 && t.o.Account != nil {
		t.o.Account(-n)
	}
}

// Hasher returns the table's hasher.
func (t *EqualityTable) Hasher() *Hasher { return t.hasher }

// seq returns the highest sequence number the shards have of a key, 0 for none.
func (t *EqualityTable) seq(key Digest) int64 {
	if at := t.shards[key[0]>>(64-shardBits)].find(&key); at != nil {
		return at.seq
	}
	return 0
}

// deadRows is how many rows Dead hashes at a time: their digests stay in cache.
const deadRows = 4096

// Dead clears in live the bits of rows whose key was deleted after the data
// file with data sequence number fileSeq was written.
func (t *EqualityTable) Dead(cols []arrow.Array, fileSeq int64, live *bitmap.Bitmap) {
	if len(cols) == 0 {
		return
	}
	if t.dense != nil && t.dense.dead(cols[0], fileSeq, live) && !t.hashed.Load() {
		return
	}
	n := cols[0].Len()
	if n <= deadRows {
		t.dead(t.hasher.Hash(cols, nil), fileSeq, live, 0)
		return
	}
	buf := make([]Digest, deadRows)
	part := make([]arrow.Array, len(cols))
	for from := 0; from < n; from += deadRows {
		to := min(n, from+deadRows)
		if !live.AnyInRange(from, to) {
			continue
		}
		for i, c := range cols {
			part[i] = array.NewSlice(c, int64(from), int64(to))
		}
		buf = t.hasher.Hash(part, buf)
		for _, c := range part {
			c.Release()
		}
		t.dead(buf, fileSeq, live, from)
	}
}

// lookAhead is how many keys dead looks up at a time.
const lookAhead = 64

// dead clears the bits from first on of dead keys. Rows already dead are not
// looked up. A table is mostly larger than the caches: the tags of many keys are
// loaded before the first is looked at, and so are the slots they point to, for
// their cache misses to overlap.
func (t *EqualityTable) dead(keys []Digest, fileSeq int64, live *bitmap.Bitmap, first int) {
	var words [lookAhead]uint64
	var found [lookAhead]candidate
	for len(keys) > 0 {
		part := keys[:min(lookAhead, len(keys))]
		for i := range part {
			s := &t.shards[part[i][0]>>(64-shardBits)]
			if n := len(s.tags); n > 0 {
				words[i] = s.tags[part[i][1]&uint64(n-1)]
			} else {
				words[i] = 0
			}
		}
		n := 0
		for i := range part {
			w := words[i]
			m := matches(w, tagOf(&part[i]))
			if m == 0 && ^w&highBits != 0 || !live.Get(first+i) {
				continue
			}
			s := &t.shards[part[i][0]>>(64-shardBits)]
			at := part[i][1] & uint64(len(s.tags)-1) * groupSlots
			if m != 0 {
				at += uint64(bits.TrailingZeros64(m)) / 8
			}
			found[n] = candidate{slot: &s.slots[at], row: i}
			found[n].key = found[n].slot.key[0]
			n++
		}
		for _, c := range found[:n] {
			key := &part[c.row]
			seq := int64(0)
			if c.key == key[0] && c.slot.key[1] == key[1] {
				seq = c.slot.seq
			} else {
				seq = t.seq(*key)
			}
			if seq > fileSeq {
				live.Clear(first + c.row)
			}
		}
		keys = keys[len(part):]
		first += len(part)
	}
}

// candidate is the slot where a key is most likely to be.
type candidate struct {
	slot *slot
	key  uint64 // the slot's, half of it
	row  int
}

// Len returns the number of distinct keys; some may be counted twice where
// integers are outside of the range that was expected. It must not be called
// while Add runs.
func (t *EqualityTable) Len() int {
	n := 0
	if t.dense != nil {
		n = t.dense.len()
	}
	for i := range t.shards {
		n += t.shards[i].n
	}
	return n
}

// MemoryBytes returns the memory the table takes.
func (t *EqualityTable) MemoryBytes() int64 { return t.bytes.Load() }
