package table

import (
	"math/bits"
	"sync"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/metadata"
)

// freshKeys knows, of a table that this process has filled from its first
// snapshot, every key that has ever been in it, so that a key it has not seen
// needs no look-up: an initial load through Upsert costs little more than an
// append, and goes on as upserts without a switch. That the table was empty and
// that nobody else has committed is seen in its history; nothing is taken on
// the word of a source, for sources repeat themselves.
//
// It is a chain of bloom filters, 2.5 to 5 bytes a key, that take one key in some
// 3,000 for one seen before. The first commit of
// anybody else, an append without a look at keys, or a key beyond the budget end
// it: keys are then looked up as in any table.
type freshKeys struct {
	mu sync.Mutex
	// state: not begun, in use, or over.
	begun, over bool
	identity    string
	snapshot    int64 // head that it is complete for
	layers      []freshLayer
	bytes       int64
}

// freshLayer is a bloom filter whose bits of one key lie in one cache line: a
// test costs one miss. (Package deletes has one of bits-and-blooms, which spreads
// them over the whole filter; tests of that take 4 times as long.)
type freshLayer struct {
	blocks   [][8]uint64
	n, limit uint64
}

const (
	freshFirst      = 1 << 18 // keys of the first layer; each further one has twice as many
	freshBitsPerKey = 20
	freshBits       = 8 // set for a key
	// defaultFreshBytes is Options.KeyFilterBudget left out.
	defaultFreshBytes = 256 << 20
)

// block and its bits for a key. The digest's halves are mixed well.
func (l *freshLayer) block(d deletes.Digest) (*[8]uint64, uint64) {
	n, _ := bits.Mul64(d[0], uint64(len(l.blocks)))
	return &l.blocks[n], d[1] ^ d[0]<<32
}

func (l *freshLayer) add(d deletes.Digest) {
	b, h := l.block(d)
	for range freshBits {
		b[h>>3&7] |= 1 << (h >> 58)
		h *= 0x9e3779b97f4a7c15
	}
}

func (l *freshLayer) test(d deletes.Digest) bool {
	b, h := l.block(d)
	for range freshBits {
		if b[h>>3&7]&(1<<(h>>58)) == 0 {
			return false
		}
		h *= 0x9e3779b97f4a7c15
	}
	return true
}

// at reports whether the filter is complete for a state of the table.
func (k *freshKeys) at(s *deletes.IndexState, m *metadata.Table, head *metadata.Snapshot) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.over:
		return false
	case !k.begun:
		return head == nil && m.LastSequenceNumber == 0
	}
	return k.identity == s.Identity && head != nil && sameRows(m, head, k.snapshot)
}

// sameRows reports whether a snapshot has the rows of an ancestor: that itself,
// or a compaction of ours on top of it.
func sameRows(m *metadata.Table, head *metadata.Snapshot, ancestor int64) bool {
	for s := range m.Ancestors(head.ID) {
		if s.ID == ancestor {
			return true
		}
		if s.Summary["engine-name"] != engineName || s.Operation != metadata.OpReplace {
			return false
		}
	}
	return false
}

// mayHave reports whether a key may have been in the table.
func (k *freshKeys) mayHave(d deletes.Digest) bool {
	for i := len(k.layers) - 1; i >= 0; i-- {
		if k.layers[i].test(d) {
			return true
		}
	}
	return false
}

// end stops the use of the filter for good.
func (k *freshKeys) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over, k.layers, k.bytes = true, nil, 0
}

// committed adds the keys of a commit that was made on top of a state that the
// filter was complete for.
func (k *freshKeys) committed(s *deletes.IndexState, snapshot int64, keys []stagedKeys, budget int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return
	}
	k.begun, k.identity, k.snapshot = true, s.Identity, snapshot
	for _, run := range keys {
		for i, d := range run.digests {
			if !run.locs[i].IsWritten() {
				continue
			}
			l := k.room(budget)
			if l == nil {
				k.over, k.layers, k.bytes = true, nil, 0
				return
			}
			l.add(d)
			l.n++
		}
	}
}

// room returns a layer with room for a key, nil when the budget is used up.
func (k *freshKeys) room(budget int64) *freshLayer {
	if n := len(k.layers); n > 0 && k.layers[n-1].n < k.layers[n-1].limit {
		return &k.layers[n-1]
	}
	limit := uint64(freshFirst) << len(k.layers)
	size := int64(limit) * freshBitsPerKey / 8
	if k.bytes+size > budget {
		return nil
	}
	k.bytes += size
	k.layers = append(k.layers, freshLayer{blocks: make([][8]uint64, size/64), limit: limit})
	return &k.layers[len(k.layers)-1]
}

// rowsAsked says which rows of a run of resolver.keys are asked for: nil is all.
type rowsAsked struct {
	run  int
	rows []int32
}

// askFresh sets the keys that have to be looked up in base: those of the commit
// that may be in the table.
func (r *resolver) askFresh(base *catalog.Entry, head *metadata.Snapshot) error {
	used := r.fresh
	r.fresh, r.asked, r.askedRows = nil, r.keys, nil
	for n := range r.keys {
		r.askedRows = append(r.askedRows, rowsAsked{run: n})
	}
	if r.branch != metadata.MainBranch || len(r.bag) > 0 || len(r.appended) > 0 || len(r.fields) == 0 {
		return nil
	}
	k, state := &r.t.fresh, r.indexState(base, head, r.branch)
	if r.t.opts.off == "filter of the table's own head" && used != nil {
		r.fresh = used
	} else if k.at(state, base.Metadata, head) {
		r.fresh, r.freshState = k, state
	}
	if used != r.fresh {
		r.wanted = upsert.KeyTable{}
	}
	if r.fresh == nil {
		return nil
	}
	r.asked, r.askedRows = nil, nil
	for n, run := range r.keys {
		var idx []int32
		for i, d := range run.digests {
			if k.mayHave(d) {
				idx = append(idx, int32(i))
			}
		}
		switch {
		case len(idx) == 0:
			continue
		case len(idx) == len(run.digests):
			idx = nil
			r.asked = append(r.asked, run)
		}
		r.askedRows = append(r.askedRows, rowsAsked{n, idx})
		if idx == nil {
			continue
		}
		some := stagedKeys{gen: run.gen}
		for _, i := range idx {
			some.digests, some.locs = append(some.digests, run.digests[i]), append(some.locs, run.locs[i])
		}
		var err error
		if some.batch, err = arrowsel.TakeBatch(run.batch, idx, nil); err != nil {
			return err
		}
		r.asked = append(r.asked, some)
	}
	return nil
}

// tellFresh lets the filter of keys know of a commit that was made.
func (r *resolver) tellFresh(snap *metadata.Snapshot) {
	k := &r.t.fresh
	switch {
	case snap == nil || r.branch != metadata.MainBranch:
	case r.fresh == nil:
		k.end()
	default:
		budget := r.t.opts.KeyFilterBudget
		setDefault(&budget, defaultFreshBytes)
		k.committed(r.freshState, snap.ID, r.keys, budget)
	}
}
