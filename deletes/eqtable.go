package deletes

import (
	"fmt"
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
	shards [shardCount]shard
}

const (
	shardBits  = 5
	shardCount = 1 << shardBits
	slotBytes  = 24
	firstSlots = 16
)

// shard holds the keys whose digest starts with its number, in open addressing
// with linear probing; seq 0 marks a free slot.
type shard struct {
	mu    sync.Mutex
	slots []slot
	n     int
	_     [24]byte // a cache line each
}

type slot struct {
	key Digest
	seq int64
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
	return &EqualityTable{hasher: h, o: o}, nil
}

// Fields returns the key columns, in the order that Add and Dead take them; they
// must not be changed.
func (t *EqualityTable) Fields() []schema.Field { return t.hasher.Fields() }

// Add records that the keys in cols were deleted at data sequence number seq.
func (t *EqualityTable) Add(cols []arrow.Array, seq int64) error {
	if seq <= 0 {
		return nil // no data file is older
	}
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
		if 4*(s.n+1) > 3*len(s.slots) {
			if err := t.grow(s); err != nil {
				return err
			}
		}
		at := s.find(&keys[i])
		if at.seq == 0 {
			at.key = keys[i]
			s.n++
		}
		at.seq = max(at.seq, seq)
	}
	return nil
}

// find returns the slot of key, or the free one where it belongs.
func (s *shard) find(key *Digest) *slot {
	mask := uint64(len(s.slots) - 1)
	for i := key[1] & mask; ; i = (i + 1) & mask {
		at := &s.slots[i]
		if at.seq == 0 || at.key == *key {
			return at
		}
	}
}

func (t *EqualityTable) grow(s *shard) error {
	n := max(firstSlots, 2*len(s.slots))
	more := int64(n-len(s.slots)) * slotBytes
	total := t.bytes.Add(more)
	if t.o.MemoryBudget > 0 && total > t.o.MemoryBudget || t.o.Account != nil && !t.o.Account(more) {
		t.bytes.Add(-more)
		return fmt.Errorf("equality deletes: table of %d bytes cannot grow: %w", total-more, ErrBudget)
	}
	old := s.slots
	s.slots = make([]slot, n)
	for i := range old {
		if old[i].seq != 0 {
			*s.find(&old[i].key) = old[i]
		}
	}
	return nil
}

// Release gives back the memory; the table is empty afterwards. It must not run
// beside any other method.
func (t *EqualityTable) Release() {
	for i := range t.shards {
		t.shards[i].slots, t.shards[i].n = nil, 0
	}
	if n := t.bytes.Swap(0); n > 0 && t.o.Account != nil {
		t.o.Account(-n)
	}
}

// Hasher returns the table's hasher.
func (t *EqualityTable) Hasher() *Hasher { return t.hasher }

// Seq returns the highest sequence number a key was deleted at, 0 for none.
func (t *EqualityTable) Seq(key Digest) int64 {
	s := &t.shards[key[0]>>(64-shardBits)]
	if s.n == 0 {
		return 0
	}
	return s.find(&key).seq
}

// deadRows is how many rows Dead hashes at a time: their digests stay in cache.
const deadRows = 4096

// Dead clears in live the bits of rows whose key was deleted after the data
// file with data sequence number fileSeq was written.
func (t *EqualityTable) Dead(cols []arrow.Array, fileSeq int64, live *bitmap.Bitmap) {
	if len(cols) == 0 {
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

// dead clears the bits from first on of dead keys. Rows already dead are not
// looked up.
func (t *EqualityTable) dead(keys []Digest, fileSeq int64, live *bitmap.Bitmap, first int) {
	for i := range keys {
		if live.Get(first+i) && t.Seq(keys[i]) > fileSeq {
			live.Clear(first + i)
		}
	}
}

// Len returns the number of distinct keys. It must not be called while Add runs.
func (t *EqualityTable) Len() int {
	n := 0
	for i := range t.shards {
		n += t.shards[i].n
	}
	return n
}

// MemoryBytes returns the memory the table takes.
func (t *EqualityTable) MemoryBytes() int64 { return t.bytes.Load() }
