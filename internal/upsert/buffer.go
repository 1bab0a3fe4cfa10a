// Package upsert is the inside of the table writer: the set-based apply of
// changes within one commit. Inside a commit only the last state of a key
// matters, so changes go into a columnar [Buffer] and a hash table of keys;
// repeats of a key kill the row they replace before it is ever written.
//
// Nothing here is safe for concurrent use: a writer has one goroutine.
package upsert

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

// Op is what a buffered row does.
type Op uint8

// The operations. A Delete row needs only its key columns, or all columns in a
// table without a key, where it removes exactly one equal row.
const (
	Upsert Op = iota
	Delete
	Insert // a row of a table without a key
)

// Chunk is a batch of changes in the buffer.
type Chunk struct {
	Batch arrow.RecordBatch
	// Ops is nil when all rows are upserts.
	Ops []Op
	// First is the ordinal of the chunk's first row.
	First int
	// Live has a bit for each row that is to be written.
	Live *bitmap.Bitmap
}

// Buffer holds the changes of one commit that are not yet in a file.
type Buffer struct {
	hasher *deletes.Hasher
	keys   []int // column positions of the key, all columns without one
	bag    bool  // table without a key
	// order, when not nil, decides which of two changes of a key is the newer; its
	// columns are orderCols, and newest has the order value of each key.
	order     *Order
	orderCols []int
	newest    Orders
	value     []byte
	late      int64

	table   KeyTable
	prev    []int32 // bag: the equal row buffered before this one, -1 none
	chunks  []Chunk
	rows    int
	live    int
	bytes   int64
	digests []deletes.Digest
	cols    []arrow.Array

	// stale has, for each file of this commit, the positions that a later change
	// of the commit replaced.
	stale map[int]*deletes.Positions
	// missing counts the deletes of a table without a key that met no equal row
	// in the buffer: they are to find one in the table.
	missing map[deletes.Digest]int
}

// NewBuffer returns an empty buffer for rows of s; key is empty for a table
// without a key. seed is that of the digests.
func NewBuffer(s *schema.Schema, key []int, seed uint64) (*Buffer, error) {
	b := &Buffer{bag: len(key) == 0, stale: map[int]*deletes.Positions{}, missing: map[deletes.Digest]int{}}
	b.keys = KeyColumns(s, key)
	if !b.bag && len(b.keys) != len(key) {
		return nil, fmt.Errorf("key of %d fields has %d that are not top-level columns", len(key), len(key)-len(b.keys))
	}
	fields := make([]schema.Field, len(b.keys))
	for i, k := range b.keys {
		fields[i] = s.Fields[k]
	}
	var err error
	if b.bag {
		b.hasher, err = deletes.NewRowHasher(fields, seed)
	} else {
		b.hasher, err = deletes.NewHasher(fields, seed)
	}
	return b, err
}

// OrderBy makes changes that are older, by the columns of the given field ids,
// than the newest of their key lose. It is called before the first Add. The
// columns must not be null in any change.
func (b *Buffer) OrderBy(s *schema.Schema, ids []int) error {
	if b.bag {
		return errors.New("changes can be ordered in a table with a key only")
	}
	fields := make([]schema.Field, len(ids))
	for i, id := range ids {
		at := slices.IndexFunc(s.Fields, func(f schema.Field) bool { return f.ID == id })
		if at < 0 {
			return fmt.Errorf("order column with id %d is no top-level column", id)
		}
		fields[i], b.orderCols = s.Fields[at], append(b.orderCols, at)
	}
	var err error
	b.order, err = NewOrder(fields)
	return err
}

// Order returns what OrderBy has set, nil for none.
func (b *Buffer) Order() *Order { return b.order }

// OrderColumns returns the positions of the order columns in the schema.
func (b *Buffer) OrderColumns() []int { return b.orderCols }

// OrderName is the Name of the order, "" without one.
func (b *Buffer) OrderName() string {
	if b.order == nil {
		return ""
	}
	return b.order.Name()
}

// OrderOf returns the order value of a key's newest change, nil without an
// order. It is valid until the next Add.
func (b *Buffer) OrderOf(d deletes.Digest) []byte { return b.newest.Get(d) }

// Late returns how many changes were older than another of their key.
func (b *Buffer) Late() int64 { return b.late }

// KeyColumns returns the positions in s of the key's columns, of all columns
// for an empty key, by ascending field id: the one order that survives a change
// of the columns' order between a flush and its commit.
func KeyColumns(s *schema.Schema, key []int) []int {
	var out []int
	for i, f := range s.Fields {
		if len(key) == 0 || slices.Contains(key, f.ID) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return s.Fields[a].ID - s.Fields[b].ID })
	return out
}

// Rows returns the number of rows buffered.
func (b *Buffer) Rows() int { return b.rows }

// Live returns the number of buffered rows that are to be written.
func (b *Buffer) Live() int { return b.live }

// Bytes returns the memory of buffer and key table.
func (b *Buffer) Bytes() int64 {
	return b.bytes + b.table.MemoryBytes() + b.newest.MemoryBytes() + int64(len(b.missing))*48
}

// Empty reports whether no change has been applied since the last Reset.
func (b *Buffer) Empty() bool { return b.rows == 0 && b.table.Len() == 0 && len(b.missing) == 0 }

// KeyColumns returns the positions of the key columns in the schema.
func (b *Buffer) KeyColumns() []int { return b.keys }

// Add applies a batch of changes in order. ops is nil when all are upserts. The
// buffer retains the batch.
func (b *Buffer) Add(batch arrow.RecordBatch, ops []Op) {
	n := int(batch.NumRows())
	if n == 0 {
		return
	}
	batch.Retain()
	c := Chunk{Batch: batch, Ops: ops, First: b.rows, Live: bitmap.NewSet(n)}
	b.chunks = append(b.chunks, c)
	b.rows += n
	b.live += n
	for _, col := range batch.Columns() {
		b.bytes += int64(arraySize(col))
	}
	d := b.hash(batch)
	if b.bag {
		b.applyBag(c, d)
		return
	}
	var order []arrow.Array
	for _, at := range b.orderCols {
		order = append(order, batch.Column(at))
	}
	for i := range n {
		ord := c.First + i
		if b.order != nil {
			if b.value = b.order.Append(b.value[:0], order, i); !b.newest.Advance(d[i], b.value) {
				b.late++
				b.kill(ord)
				continue
			}
		}
		loc := Buffered(ord)
		if ops != nil && ops[i] == Delete {
			loc = Deleted(ord)
			b.kill(ord)
		}
		b.supersede(b.table.Swap(d[i], loc))
	}
}

// supersede drops the row that a newer change of its key replaces.
func (b *Buffer) supersede(old Loc) {
	switch {
	case old.IsBuffered():
		b.kill(old.Ordinal())
	case old.IsWritten():
		p := b.stale[old.File()]
		if p == nil {
			p = &deletes.Positions{}
			b.stale[old.File()] = p
		}
		p.Add(uint64(old.Pos()))
	}
}

// chunkOf finds the chunk of a buffered row.
func (b *Buffer) chunkOf(ord int) *Chunk {
	i, _ := slices.BinarySearchFunc(b.chunks, ord, func(c Chunk, ord int) int {
		switch {
		case ord < c.First:
			return 1
		case ord >= c.First+c.Live.Len():
			return -1
		}
		return 0
	})
	return &b.chunks[i]
}

// kill marks a buffered row as not to be written.
func (b *Buffer) kill(ord int) {
	c := b.chunkOf(ord)
	if c.Live.Get(ord - c.First) {
		c.Live.Clear(ord - c.First)
		b.live--
	}
}

// applyBag applies changes to a table without a key: a delete cancels one equal
// row inserted before it, else it is left for the table.
func (b *Buffer) applyBag(c Chunk, d []deletes.Digest) {
	for i := range d {
		ord := c.First + i
		b.prev = append(b.prev, -1)
		if c.Ops != nil && c.Ops[i] == Delete {
			b.kill(ord)
			old := b.table.Get(d[i])
			if !old.IsBuffered() {
				b.missing[d[i]]++
				continue
			}
			b.kill(old.Ordinal())
			if p := b.prev[old.Ordinal()]; p >= 0 {
				b.table.Swap(d[i], Buffered(int(p)))
			} else {
				b.table.Swap(d[i], Deleted(ord))
			}
			continue
		}
		if old := b.table.Swap(d[i], Buffered(ord)); old.IsBuffered() {
			b.prev[ord] = int32(old.Ordinal())
		}
	}
}

func (b *Buffer) hash(batch arrow.RecordBatch) []deletes.Digest {
	b.cols = b.cols[:0]
	for _, k := range b.keys {
		b.cols = append(b.cols, batch.Column(k))
	}
	b.digests = b.hasher.Hash(b.cols, b.digests[:0])
	return b.digests
}

// Digests returns the key digests of a batch that has the key columns only; the
// result is valid until the next call.
func (b *Buffer) Digests(keyCols []arrow.Array) []deletes.Digest {
	b.digests = b.hasher.Hash(keyCols, b.digests[:0])
	return b.digests
}

// Chunks returns the buffered chunks in order.
func (b *Buffer) Chunks() []Chunk { return b.chunks }

// Stale returns, by file number, the written rows that later changes of this
// commit replaced.
func (b *Buffer) Stale() map[int]*deletes.Positions { return b.stale }

// Missing returns the deletes of a table without a key that the table must
// resolve: digest of the whole row → how many rows.
func (b *Buffer) Missing() map[deletes.Digest]int { return b.missing }

// MarkWritten records that every live row has been written: place returns the
// file and position of the row with an ordinal. The buffer is then empty but
// remembers its keys.
func (b *Buffer) MarkWritten(place func(ordinal int) (file int, pos int64)) {
	if b.bag {
		b.table.Reset() // equal rows are interchangeable: later deletes look in the files
		b.prev = b.prev[:0]
	} else {
		b.table.Update(func(_ deletes.Digest, loc Loc) Loc {
			switch {
			case loc.IsBuffered():
				return Written(place(loc.Ordinal()))
			case loc.IsDeleted():
				return Deleted(0)
			}
			return loc
		})
	}
	b.release()
}

// Peek returns the Loc of a key, zero when this commit has not touched it.
func (b *Buffer) Peek(d deletes.Digest) Loc { return b.table.Get(d) }

// Row returns a copy of a buffered row.
func (b *Buffer) Row(ordinal int, s *schema.Schema) schema.Row {
	c := b.chunkOf(ordinal)
	row := make(schema.Row, len(s.Fields))
	for i, f := range s.Fields {
		row[i] = schema.ValueAt(c.Batch.Column(i), f.Type, ordinal-c.First)
	}
	return row
}

// Take returns the Loc of a key once, zero when asked again.
func (b *Buffer) Take(d deletes.Digest) Loc { return b.table.Take(d) }

// Keys returns the number of distinct keys touched.
func (b *Buffer) Keys() int { return b.table.Len() }

// Reset forgets everything, as after a truncate or a commit.
func (b *Buffer) Reset() {
	b.release()
	b.table.Reset()
	b.newest.Reset()
	b.late = 0
	b.prev = b.prev[:0]
	clear(b.stale)
	clear(b.missing)
}

func (b *Buffer) release() {
	for i := range b.chunks {
		b.chunks[i].Batch.Release()
	}
	b.chunks = nil
	b.rows, b.live, b.bytes = 0, 0, 0
}

// arraySize is the memory an array's own rows take, nested ones included.
func arraySize(a arrow.Array) uint64 {
	d := a.Data()
	size := uint64(0)
	for _, buf := range d.Buffers() {
		if buf != nil {
			size += uint64(buf.Len())
		}
	}
	for _, c := range d.Children() {
		for _, buf := range c.Buffers() {
			if buf != nil {
				size += uint64(buf.Len())
			}
		}
	}
	return size
}
