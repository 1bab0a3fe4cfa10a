package parquetfile

import (
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// bind sets c.src to c's arrays below that of its top-level field.
func (c *column) bind(a arrow.Array) {
	c.src.nodes = c.src.nodes[:0]
	for i := range c.steps {
		d := a.Data()
		nd := arrayNode{off: d.Offset()}
		if a.NullN() > 0 && d.Buffers()[0] != nil {
			nd.valid = d.Buffers()[0].Bytes()
		}
		switch c.steps[i].kind {
		case stepStruct:
			a = a.(*array.Struct).Field(c.steps[i].child)
		case stepList:
			l := a.(*array.List)
			nd.offsets = listOffsets(l, d)
			a = l.ListValues()
		case stepMap:
			m := a.(*array.Map)
			nd.offsets = listOffsets(m.List, d)
			a = m.ListValues().(*array.Struct).Field(c.steps[i].child)
		default:
			c.src.data = d
		}
		c.src.nodes = append(c.src.nodes, nd)
	}
}

// noOffsets are those of an empty list array, which may have no buffer.
var noOffsets = []int32{0}

func listOffsets(l *array.List, d arrow.ArrayData) []int32 {
	if d.Len() == 0 {
		return noOffsets
	}
	return l.Offsets()[d.Offset():]
}

// unbind drops the references to a batch.
func (c *column) unbind() {
	clear(c.src.nodes)
	c.src.data = nil
}

// shredBlock appends rows lo to hi of a nested column: their levels, and the
// leaf slots that hold values.
func (c *column) shredBlock(lo, hi int) error {
	c.runs = c.runs[:0]
	at := len(c.defs)
	c.shred(0, lo, hi, 0, 0)
	c.pageSlots += len(c.defs) - at
	if len(c.runs) == 0 {
		return nil
	}
	sel := selection{runs: c.runs}
	return c.wrap(c.vals.add(&c.src, &sel))
}

// shred descends into slots lo to hi of step k. rep is the repetition level of
// the first of them, later ones are of the step's own; def is the definition
// level of what surrounds them.
func (c *column) shred(k, lo, hi int, rep, def uint8) {
	st, nd := &c.steps[k], &c.src.nodes[k]
	if nd.valid == nil || st.required {
		c.present(k, lo, hi, rep, st.def)
		return
	}
	for lo < hi {
		n := stretch(nd.valid, nd.off+lo, hi-lo)
		if n > 0 {
			c.present(k, lo, lo+n, rep, st.def)
		} else {
			n = -n
			c.absent(n, rep, st.rep, def)
		}
		lo += n
		rep = st.rep
	}
}

// stretch returns how many bits from at on, at most n, are ones, or minus how
// many are zeros.
func stretch(b []byte, at, n int) int {
	done, one := 0, b[at>>3]>>(at&7)&1 != 0
	for done < n {
		k := min(64, n-done)
		w := loadBits(b, at+done, k)
		if one {
			w = ^w
		}
		z := min(bits.TrailingZeros64(w), k)
		done += z
		if z < k {
			break
		}
	}
	if one {
		return done
	}
	return -done
}

// absent appends the levels of n slots without value.
func (c *column) absent(n int, rep, nextRep, def uint8) {
	c.levels(n, rep, nextRep, def)
}

// levels appends n equal definition levels, and repetition levels of which the
// first may differ.
func (c *column) levels(n int, rep, nextRep, def uint8) {
	for range n {
		c.defs = append(c.defs, def)
	}
	if c.maxRep == 0 {
		return
	}
	c.reps = append(c.reps, rep)
	for range n - 1 {
		c.reps = append(c.reps, nextRep)
	}
}

// present handles slots lo to hi of step k, all of them there; def is their
// definition level.
func (c *column) present(k, lo, hi int, rep, def uint8) {
	st, nd := &c.steps[k], &c.src.nodes[k]
	switch st.kind {
	case stepLeaf:
		c.levels(hi-lo, rep, st.rep, def)
		if n := len(c.runs); n > 0 && c.runs[n-1].hi == lo {
			c.runs[n-1].hi = hi
		} else {
			c.runs = append(c.runs, run{lo, hi})
		}
	case stepStruct:
		c.shred(k+1, lo, hi, rep, def)
	default:
		for i := lo; i < hi; i++ {
			if from, to := nd.offsets[i], nd.offsets[i+1]; from < to {
				c.shred(k+1, int(from), int(to), rep, def+1)
			} else {
				c.levels(1, rep, rep, def)
			}
			rep = st.rep
		}
	}
}

// checkRequired returns an error for the first null in a required field, of
// the first n rows; a null below a missing parent does not count.
func (c *column) checkRequired(n int) error {
	for k := range c.steps {
		if c.steps[k].required && c.src.nodes[k].valid != nil {
			for row := range n {
				if c.hasNull(k, 0, row, row+1) {
					return fmt.Errorf("%w: column %s, row %d", ErrNull, c.steps[k].name, row)
				}
			}
		}
	}
	return nil
}

// hasNull reports whether slots lo to hi of step k lead to a null at step
// target without meeting one before.
func (c *column) hasNull(target, k, lo, hi int) bool {
	st, nd := &c.steps[k], &c.src.nodes[k]
	for i := lo; i < hi; i++ {
		if nd.valid != nil && nd.valid[(nd.off+i)>>3]>>((nd.off+i)&7)&1 == 0 {
			if k == target {
				return true
			}
			continue
		}
		if k == target {
			continue
		}
		from, to := i, i+1
		if st.kind == stepList || st.kind == stepMap {
			from, to = int(nd.offsets[i]), int(nd.offsets[i+1])
		}
		if c.hasNull(target, k+1, from, to) {
			return true
		}
	}
	return false
}
