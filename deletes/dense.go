package deletes

import (
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

// dense has the deletes of integer keys that lie close together, two bytes for
// every integer of a range: a key is found without hashing, mostly in the
// processor's cache. Keys outside the range are the hash table's, as are nulls.
type dense struct {
	mu   sync.Mutex
	low  int64
	ords []uint16 // by key; 0 none, else an index in seqs
	seqs []int64  // in the order they came; seqs[0] is not used
	ord  map[int64]uint16
}

// maxOrds bounds the sequence numbers a dense has; deletes of others are hashed.
const maxOrds = 1 << 16

// denseRow is how many bytes of a dense a deleted row may take: about what it
// takes in the hash table.
const denseRow = 24

// wantDense reports whether keys from low to high, of so many deletes, are close
// enough.
func wantDense(fields []schema.Field, o *EqualityOptions) (n int64, ok bool) {
	if o.Rows <= 0 || o.Low > o.High || o.Parts > 1 || len(fields) != 1 {
		return 0, false
	}
	if k := fields[0].Type.Kind; k != schema.KindInt && k != schema.KindLong {
		return 0, false
	}
	span := uint64(o.High) - uint64(o.Low) // right also where the signed difference overflows
	limit := uint64(min(o.Rows, 1<<40)) * denseRow / 2
	if span >= limit || span >= 1<<40 {
		return 0, false
	}
	return int64(span) + 1, true
}

// newDense makes the table's dense, if it is to have one and the memory for it.
func (t *EqualityTable) newDense(fields []schema.Field) {
	n, ok := wantDense(fields, &t.o)
	if !ok || t.o.MemoryBudget > 0 && 2*n > t.o.MemoryBudget || t.o.Account != nil && !t.o.Account(2*n) {
		return
	}
	t.bytes.Add(2 * n)
	t.dense = &dense{low: t.o.Low, ords: make([]uint16, n), seqs: make([]int64, 1), ord: make(map[int64]uint16)}
}

// add records deletes of integers and reports whether all of them were in range;
// else none is recorded that is not.
func (d *dense) add(col arrow.Array, seq int64) bool {
	switch c := col.(type) {
	case *array.Int64:
		return addDense(d, c, c.Int64Values(), seq)
	case *array.Int32:
		return addDense(d, c, c.Int32Values(), seq)
	}
	return false
}

func addDense[T int32 | int64](d *dense, col arrow.Array, vals []T, seq int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	ord, ok := d.ord[seq]
	if !ok {
		if len(d.seqs) == maxOrds {
			return false
		}
		ord = uint16(len(d.seqs))
		d.ord[seq] = ord
		d.seqs = append(d.seqs, seq)
	}
	all := true
	nulls := col.NullN() > 0
	for i, v := range vals {
		k := uint64(int64(v)) - uint64(d.low)
		if k >= uint64(len(d.ords)) || nulls && col.IsNull(i) {
			all = false
			continue
		}
		if old := d.ords[k]; old == 0 || d.seqs[old] < seq {
			d.ords[k] = ord
		}
	}
	return all
}

// dead clears in live the bits of rows whose key was deleted after fileSeq and
// reports whether it can tell for this type of array.
func (d *dense) dead(col arrow.Array, fileSeq int64, live *bitmap.Bitmap) bool {
	kill := make([]uint64, len(d.seqs))
	for i, seq := range d.seqs[1:] {
		if seq > fileSeq {
			kill[i+1] = 1
		}
	}
	switch c := col.(type) {
	case *array.Int64:
		deadDense(d, c, c.Int64Values(), kill, live)
	case *array.Int32:
		deadDense(d, c, c.Int32Values(), kill, live)
	default:
		return false
	}
	return true
}

func deadDense[T int32 | int64](d *dense, col arrow.Array, vals []T, kill []uint64, live *bitmap.Bitmap) {
	words := live.Words()
	nulls := col.NullN() > 0
	low, ords := uint64(d.low), d.ords
	for w := 0; len(vals) > 0; w++ {
		part := vals[:min(64, len(vals))]
		vals = vals[len(part):]
		if words[w] == 0 {
			continue
		}
		var gone uint64
		for i, v := range part {
			if k := uint64(int64(v)) - low; k < uint64(len(ords)) {
				gone |= kill[ords[k]] << (i & 63)
			}
		}
		if nulls && gone != 0 {
			for i := range part { // what is under a null says nothing
				if col.IsNull(w<<6 + i) {
					gone &^= 1 << (i & 63)
				}
			}
		}
		words[w] &^= gone
	}
}

// len returns the number of distinct keys.
func (d *dense) len() int {
	n := 0
	for _, o := range d.ords {
		if o != 0 {
			n++
		}
	}
	return n
}
