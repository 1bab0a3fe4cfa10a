package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/schema"
)

// assembler builds Arrow arrays from the levels and values of a batch.
type assembler struct {
	mem     memory.Allocator
	scratch []uint8
}

// build makes the array of a column, which has n slots.
func (a *assembler) build(c *fileColumn, n int) (arrow.Array, error) {
	switch c.kind {
	case columnAbsent:
		return a.absent(c, n)
	case columnStruct:
		return a.structs(c, n)
	case columnList:
		return a.lists(c, n)
	case columnVariant:
		return a.variants(c, n)
	default:
		return a.leaf(c, n)
	}
}

func slotsError(c *fileColumn, got, want int) error {
	return fmt.Errorf("%w: column %s has %d values where its siblings have %d", ErrCorrupt, c.leaf.node.path(), got, want)
}

// slotDefs returns the definition levels of c's slots, and how many there are.
// nil levels mean that none is null.
func (a *assembler) slotDefs(c *fileColumn) ([]uint8, int) {
	l := c.leaf
	if l.noNulls {
		return nil, l.slots
	}
	deep := l.node.maxRep > c.rep
	if !deep && c.from == 0 {
		return l.outDefs, len(l.outDefs)
	}
	// The buffer is only used until the next call, which is after the caller
	// has made its bitmap of it.
	a.scratch = resized(a.scratch, len(l.outDefs))
	out := a.scratch
	n := 0
	for i, d := range l.outDefs {
		out[n] = d
		if int(d) >= c.from && (!deep || int(l.outReps[i]) <= c.rep) {
			n++
		}
	}
	return out[:n], n
}

// validity packs which levels are at least def. The buffer is nil when all are.
func (a *assembler) validity(defs []uint8, def int) (*memory.Buffer, int) {
	if defs == nil || def == 0 {
		return nil, 0
	}
	var g growBuf
	g.reserve(a.mem, (len(defs)+7)/8)
	g.n = (len(defs) + 7) / 8
	valid := 0
	out := g.b
	low := uint64(def) * 0x0101010101010101
	i := 0
	for ; i+8 <= len(defs); i += 8 {
		// Levels are below 128: the top bit of each byte survives the
		// subtraction where the level is at least def.
		x := (binary.LittleEndian.Uint64(defs[i:]) | 0x8080808080808080) - low
		b := gatherBits(x >> 7 & 0x0101010101010101)
		out[i>>3] = b
		valid += bits.OnesCount8(b)
	}
	if i < len(defs) {
		b := byte(0)
		for k, d := range defs[i:] {
			if int(d) >= def {
				b |= 1 << k
				valid++
			}
		}
		out[i>>3] = b
	}
	if valid == len(defs) {
		g.drop(a.mem)
		return nil, 0
	}
	return g.take(a.mem), len(defs) - valid
}

func (a *assembler) structs(c *fileColumn, n int) (arrow.Array, error) {
	defs, slots := a.slotDefs(c)
	if slots != n {
		return nil, slotsError(c, slots, n)
	}
	valid, nulls := a.validity(defs, c.def)
	defer release(valid)
	children := make([]arrow.ArrayData, 0, len(c.children))
	defer func() {
		for _, d := range children {
			d.Release()
		}
	}()
	for _, k := range c.children {
		arr, err := a.build(k, n)
		if err != nil {
			return nil, err
		}
		arr.Data().Retain()
		children = append(children, arr.Data())
		arr.Release()
	}
	data := array.NewData(c.dtype, n, []*memory.Buffer{valid}, children, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

func release(b *memory.Buffer) {
	if b != nil {
		b.Release()
	}
}

func (a *assembler) lists(c *fileColumn, n int) (arrow.Array, error) {
	l := c.leaf
	var g growBuf
	g.reserve(a.mem, 4*(n+1))
	g.n = 4 * (n + 1)
	offs := viewAs[int32](g.b)[:n+1]
	a.scratch = resized(a.scratch, n)
	defs := a.scratch
	slots, elems, ok := 0, int32(0), true
	for i, r := range l.outReps {
		d := l.outDefs[i]
		switch {
		case int(r) <= c.rep:
			if int(d) < c.from {
				continue
			}
			if slots == n {
				g.drop(a.mem)
				return nil, slotsError(c, n+1, n)
			}
			offs[slots], defs[slots] = elems, d
			slots++
			if int(d) >= c.elemDef {
				elems++
			}
		case int(r) == c.elemRep:
			ok = ok && int(d) >= c.elemDef
			elems++
		}
	}
	if slots != n || !ok {
		g.drop(a.mem)
		return nil, slotsError(c, slots, n)
	}
	offs[n] = elems
	offsets := g.take(a.mem)
	defer offsets.Release()
	valid, nulls := a.validity(defs, c.def)
	defer release(valid)
	child, err := a.build(c.children[0], int(elems))
	if err != nil {
		return nil, err
	}
	defer child.Release()
	if c.dtype.ID() == arrow.MAP && child.Data().Children()[0].NullN() > 0 {
		return nil, fmt.Errorf("%w: map with a null key above column %s", ErrCorrupt, l.node.path())
	}
	data := array.NewData(c.dtype, n, []*memory.Buffer{valid, offsets}, []arrow.ArrayData{child.Data()}, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

func (a *assembler) leaf(c *fileColumn, n int) (arrow.Array, error) {
	l := c.leaf
	defs, slots := a.slotDefs(c)
	if slots != n {
		return nil, slotsError(c, slots, n)
	}
	valid, nulls := a.validity(defs, c.def)
	defer release(valid)
	if n-nulls != l.n {
		return nil, fmt.Errorf("%w: column %s has %d values for %d rows not null", ErrCorrupt, l.node.path(), l.n, n-nulls)
	}
	if nulls == 0 {
		defs = nil
	}
	var buffers []*memory.Buffer
	switch {
	case c.dtype.ID() == arrow.BOOL:
		buffers = []*memory.Buffer{valid, a.bools(l, defs, n)}
	case l.conv.width > 0:
		if defs != nil {
			spread(l, defs, uint8(c.def), n)
		}
		buffers = []*memory.Buffer{valid, l.fixed.take(a.mem)}
	default:
		if l.n > 0 { // the next batch will likely be much like this one
			l.perValue = l.vars.data.n/l.n*17/16 + 1
		}
		buffers = []*memory.Buffer{valid, a.offsets(l, defs, uint8(c.def), n), l.vars.data.take(a.mem)}
	}
	data := array.NewData(c.dtype, n, buffers, nil, nulls, 0)
	defer data.Release()
	for _, b := range buffers[1:] {
		b.Release()
	}
	return array.MakeFromData(data), nil
}

// spread moves the values to their slots, from the end on, and clears those of
// nulls.
func spread(l *leafReader, defs []uint8, def uint8, n int) {
	w := l.conv.width
	l.fixed.reserve(l.mem, n*w-l.fixed.n)
	l.fixed.n = n * w
	b := l.fixed.b[:n*w]
	switch w {
	case 1:
		spreadOf(b, defs, def, l.n)
	case 4:
		spreadOf(viewAs[uint32](b), defs, def, l.n)
	case 8:
		spreadOf(viewAs[uint64](b), defs, def, l.n)
	case 16:
		spreadOf(viewAs[[2]uint64](b), defs, def, l.n)
	default:
		j := l.n
		for i := n - 1; i >= 0; i-- {
			if defs[i] == def {
				j--
				copy(b[i*w:(i+1)*w], b[j*w:(j+1)*w])
			} else {
				clear(b[i*w : (i+1)*w])
			}
		}
	}
}

func spreadOf[T any](b []T, defs []uint8, def uint8, values int) {
	var zero T
	j := values
	for i := len(b) - 1; i >= 0 && j <= i; i-- {
		if defs[i] == def {
			j--
			b[i] = b[j]
		} else {
			b[i] = zero
		}
	}
}

// offsets makes the offsets of n slots of byte arrays.
func (a *assembler) offsets(l *leafReader, defs []uint8, def uint8, n int) *memory.Buffer {
	var g growBuf
	g.reserve(a.mem, 4*(n+1))
	g.n = 4 * (n + 1)
	offs := viewAs[int32](g.b)[:n+1]
	if defs == nil {
		copy(offs, l.vars.offs)
		return g.take(a.mem)
	}
	j := 0
	offs[0] = 0
	for i, d := range defs[:n] {
		if d == def {
			j++
		}
		offs[i+1] = l.vars.offs[j]
	}
	return g.take(a.mem)
}

// bools packs bytes of 0 and 1.
func (a *assembler) bools(l *leafReader, defs []uint8, n int) *memory.Buffer {
	if defs != nil {
		spread(l, defs, uint8(l.node.maxDef), n)
	}
	var g growBuf
	g.reserve(a.mem, (n+7)/8)
	g.n = (n + 7) / 8
	l.fixed.reserve(l.mem, 0)
	src := l.fixed.b
	clear(src[n : n+8])
	for i := range g.n {
		g.b[i] = gatherBits(binary.LittleEndian.Uint64(src[8*i:]))
	}
	return g.take(a.mem)
}

// absent makes a column of one value.
func (a *assembler) absent(c *fileColumn, n int) (arrow.Array, error) {
	if c.cached == nil || c.cached.Len() < n {
		all, err := repeatValue(c, n)
		if err != nil {
			return nil, err
		}
		if c.cached != nil {
			c.cached.Release()
		}
		c.cached = all
	}
	return array.NewSlice(c.cached, 0, int64(n)), nil
}

// repeatValue returns n times the value of an absent column. It does not serve from
// the assembler's memory: MakeArrayOfNull takes new memory to be zero, which what
// a recycler returns is not.
func repeatValue(c *fileColumn, n int) (arrow.Array, error) {
	if c.value == nil {
		return array.MakeArrayOfNull(memory.DefaultAllocator, c.dtype, n), nil
	}
	b := array.NewBuilder(memory.DefaultAllocator, c.dtype)
	defer b.Release()
	b.Reserve(n)
	for range n {
		if err := schema.AppendValue(b, c.field.Type, c.value); err != nil {
			return nil, fmt.Errorf("default of column %s: %w", c.field.Name, err)
		}
	}
	return b.NewArray(), nil
}
