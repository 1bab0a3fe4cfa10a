package manifest

import (
	"encoding/binary"
	"math"
)

// cursor decodes Avro values from a block. A failed read sets bad and moves to
// the end, so that every later read fails as well and loops stop; callers check
// bad once per record.
type cursor struct {
	b   []byte
	off int
	bad bool
}

func (c *cursor) fail() {
	c.bad = true
	c.off = len(c.b)
}

// long reads a zig-zag varint. Bits past the 64th are dropped, as the reference
// implementation does: there are tables with snapshot ids above int64.
func (c *cursor) long() int64 {
	b, i := c.b, c.off
	if i < len(b) && b[i] < 0x80 {
		c.off = i + 1
		u := uint64(b[i])
		return int64(u>>1) ^ -int64(u&1)
	}
	var u uint64
	for shift := uint(0); i < len(b); shift += 7 {
		v := b[i]
		i++
		if v < 0x80 {
			u |= uint64(v) << shift
			c.off = i
			return int64(u>>1) ^ -int64(u&1)
		}
		if shift == 63 {
			break
		}
		u |= uint64(v&0x7f) << shift
	}
	c.fail()
	return 0
}

// int reads a varint that must fit 32 bits.
func (c *cursor) int() int {
	v := c.long()
	if v != int64(int32(v)) {
		c.fail()
		return 0
	}
	return int(v)
}

// bytes reads a length-prefixed string; the result aliases the block.
func (c *cursor) bytes() []byte {
	n := c.long()
	if n < 0 || n > int64(len(c.b)-c.off) {
		c.fail()
		return nil
	}
	v := c.b[c.off : c.off+int(n) : c.off+int(n)]
	c.off += int(n)
	return v
}

// fixed reads n bytes.
func (c *cursor) fixed(n int) []byte {
	if n > len(c.b)-c.off {
		c.fail()
		return nil
	}
	v := c.b[c.off : c.off+n : c.off+n]
	c.off += n
	return v
}

func (c *cursor) boolean() bool {
	v := c.fixed(1)
	if len(v) == 0 || v[0] > 1 {
		c.fail()
		return false
	}
	return v[0] == 1
}

func (c *cursor) float() float32 {
	if v := c.fixed(4); v != nil {
		return math.Float32frombits(binary.LittleEndian.Uint32(v))
	}
	return 0
}

func (c *cursor) double() float64 {
	if v := c.fixed(8); v != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(v))
	}
	return 0
}

// items reads the header of the next block of an array or map: the number of
// items, 0 at the end. When the writer gave the block's size in bytes it is
// returned too, else -1. empty says that items take no bytes.
func (c *cursor) items(empty bool) (n int, size int) {
	v := c.long()
	size = -1
	if v < 0 {
		s := c.long()
		if v = -v; v < 0 || s < 0 || s > int64(len(c.b)-c.off) {
			c.fail()
			return 0, -1
		}
		size = int(s)
	}
	if !empty && v > int64(len(c.b)-c.off) {
		c.fail()
		return 0, -1
	}
	if c.bad {
		return 0, -1
	}
	return int(v), size
}

// skip moves over a value.
func (c *cursor) skip(n *node) {
	switch n.kind {
	case avroNull:
	case avroBoolean:
		c.fixed(1)
	case avroInt, avroLong, avroEnum:
		c.long()
	case avroFloat:
		c.fixed(4)
	case avroDouble:
		c.fixed(8)
	case avroBytes, avroString:
		c.bytes()
	case avroFixed:
		c.fixed(n.size)
	case avroRecord:
		for _, t := range n.live {
			c.skip(t)
		}
	case avroUnion:
		if b := c.branch(n); b != nil {
			c.skip(b)
		}
	case avroArray:
		c.skipItems(n.elem, false)
	case avroMap:
		c.skipItems(n.elem, true)
	}
}

// branch reads a union's index and returns the branch.
func (c *cursor) branch(n *node) *node {
	i := c.long()
	if i < 0 || i >= int64(len(n.branches)) || c.bad {
		c.fail()
		return nil
	}
	return n.branches[i]
}

func (c *cursor) skipItems(elem *node, keyed bool) {
	empty := elem.empty && !keyed
	for {
		n, size := c.items(empty)
		if n == 0 {
			return
		}
		if size >= 0 {
			c.off += size
			continue
		}
		if empty {
			continue
		}
		for range n {
			if keyed {
				c.bytes()
			}
			c.skip(elem)
			if c.bad {
				return
			}
		}
	}
}

// skipVarintPairs moves over an array of records of two varints, and
// skipVarintBytes over one of varint and string: the statistics maps.
func (c *cursor) skipVarintPairs() {
	for {
		n, size := c.items(false)
		if n == 0 {
			return
		}
		if size >= 0 {
			c.off += size
			continue
		}
		b, i := c.b, c.off
		for left := 2 * n; left > 0; i++ {
			if i >= len(b) {
				c.fail()
				return
			}
			if b[i] < 0x80 {
				left--
			}
		}
		c.off = i
	}
}

func (c *cursor) skipVarintBytes() {
	for {
		n, size := c.items(false)
		if n == 0 {
			return
		}
		if size >= 0 {
			c.off += size
			continue
		}
		for range n {
			c.long()
			c.bytes()
			if c.bad {
				return
			}
		}
	}
}
