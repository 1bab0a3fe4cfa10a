package avrodata

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/schema"
)

var (
	errEnd   = fmt.Errorf("%w: a value goes beyond its block", ErrCorrupt)
	errInt   = fmt.Errorf("%w: bad integer", ErrCorrupt)
	errRange = errors.New("value out of the range of its type")
)

// decoder reads the objects of one block.
type decoder struct {
	b   []byte
	off int
	// free bounds the elements of arrays that take no bytes.
	free int64
	// nulls are the bytes that nulls of fixed width take in memory.
	nulls int64
}

const maxNullBytes = 1 << 30

func (d *decoder) reset(b []byte) {
	d.b, d.off, d.free = b, 0, int64(len(b))+1<<16
}

func (d *decoder) long() (int64, error) {
	// The commonest case first: one byte.
	if d.off < len(d.b) && d.b[d.off] < 0x80 {
		u := d.b[d.off]
		d.off++
		return int64(u>>1) ^ -int64(u&1), nil
	}
	v, n := avrofile.Varint(d.b[d.off:])
	if n <= 0 {
		return 0, errInt
	}
	d.off += n
	return v, nil
}

func (d *decoder) take(n int64) ([]byte, error) {
	if n < 0 || n > int64(len(d.b)-d.off) {
		return nil, errEnd
	}
	b := d.b[d.off : d.off+int(n)]
	d.off += int(n)
	return b, nil
}

func (d *decoder) bytes() ([]byte, error) {
	n, err := d.long()
	if err != nil {
		return nil, err
	}
	return d.take(n)
}

// record reads a record's fields into their builders.
func (d *decoder) record(r *record) error {
	for i := range r.steps {
		s := &r.steps[i]
		if s.col == nil {
			if err := d.skip(s.typ); err != nil {
				return err
			}
			continue
		}
		if err := d.value(s.col); err != nil {
			return fmt.Errorf("column %s: %w", s.col.name, err)
		}
	}
	for i := range r.absent {
		if err := r.absent[i].append(); err != nil {
			return err
		}
	}
	return nil
}

// value reads a value, or a null where the type is a union with null.
func (d *decoder) value(c *column) error {
	if c.null >= 0 {
		branch, err := d.long()
		switch {
		case err != nil:
			return err
		case branch == int64(c.null):
			if c.fixed != nil {
				if d.nulls += int64(c.width); d.nulls > maxNullBytes {
					return fmt.Errorf("%w: a batch of nulls of %d bytes each is too large", ErrUnsupported, c.width)
				}
			}
			c.b.AppendNull()
			return nil
		case branch != 1-int64(c.null):
			return fmt.Errorf("%w: no branch %d of a union", ErrCorrupt, branch)
		}
	}
	switch c.op {
	case op32, op64, op64Div:
		return d.integer(c)
	case opText, opTextFixed, opFixed, opFixedText, opUUIDText, opDecimal, opDecimalFixed:
		return d.text(c)
	case opStruct, opVariant:
		c.strct.Append(true)
		return d.record(c.record)
	case opList, opMap, opPairs:
		return d.elements(c)
	}
	return d.plain(c)
}

func (d *decoder) integer(c *column) error {
	v, err := d.long()
	switch {
	case err != nil:
		return err
	case c.op == op32:
		if v != int64(int32(v)) {
			return errRange
		}
		c.put32(int32(v))
		return nil
	case c.op == op64Div:
		v = floorDiv(v, c.by)
	case c.by != 1:
		var ok bool
		if v, ok = multiply(v, c.by); !ok {
			return errRange
		}
	}
	c.put64(v)
	return nil
}

func (d *decoder) plain(c *column) error {
	switch c.op {
	case opNull:
		if err := d.skip(c.skip); err != nil {
			return err
		}
		c.b.AppendNull()
	case opBool:
		b, err := d.take(1)
		if err != nil {
			return err
		}
		c.bools.Append(b[0] != 0)
	case opFloat, opFloatToDouble:
		b, err := d.take(4)
		if err != nil {
			return err
		}
		v := math.Float32frombits(binary.LittleEndian.Uint32(b))
		if c.op == opFloat {
			c.float.Append(v)
		} else {
			c.double.Append(float64(v))
		}
	case opDouble:
		b, err := d.take(8)
		if err != nil {
			return err
		}
		c.double.Append(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return nil
}

// text reads what is bytes in the file.
func (d *decoder) text(c *column) (err error) {
	var b []byte
	if c.op == opFixed || c.op == opTextFixed || c.op == opDecimalFixed {
		b, err = d.take(int64(c.width))
	} else {
		b, err = d.bytes()
	}
	if err != nil {
		return err
	}
	switch c.op {
	case opText, opTextFixed:
		c.text(b)
	case opDecimal, opDecimalFixed:
		if len(b) == 0 {
			b = []byte{0}
		}
		v, err := schema.DecodeUnscaled(b)
		if err != nil {
			return err
		}
		c.decimal.Append(v)
	case opUUIDText:
		u, err := uuid.ParseBytes(b)
		if err != nil {
			return err
		}
		c.fixed.Append(u[:])
	default:
		if len(b) != c.width {
			return fmt.Errorf("%w: value of %d bytes, want %d", ErrCorrupt, len(b), c.width)
		}
		c.fixed.Append(b)
	}
	return nil
}

// elements reads an array or map, which comes in blocks.
func (d *decoder) elements(c *column) error {
	if c.list != nil {
		c.list.Append(true)
	} else {
		c.pairs.Append(true)
	}
	for {
		n, _, err := d.count(c.empty)
		if err != nil || n == 0 {
			return err
		}
		for ; n > 0; n-- {
			if c.key != nil {
				if err := d.value(c.key); err != nil {
					return err
				}
			}
			if err := d.value(c.elem); err != nil {
				return err
			}
		}
	}
}

// count reads the number of elements in the next block of an array or map, 0 at
// its end, and the bytes they take if it says so, else -1.
func (d *decoder) count(empty bool) (n, size int64, err error) {
	if n, err = d.long(); err != nil {
		return 0, 0, err
	}
	size = -1
	if n < 0 {
		if size, err = d.long(); err != nil {
			return 0, 0, err
		}
		if n = -n; n < 0 {
			return 0, 0, errEnd
		}
	}
	switch {
	case empty:
		if d.free -= n; n > 1<<40 || d.free < 0 {
			return 0, 0, errEnd
		}
	case n > int64(len(d.b)-d.off):
		return 0, 0, errEnd
	}
	return n, size, nil
}

// skip passes over a value.
func (d *decoder) skip(n *node) error {
	switch n.kind {
	case kindNull:
		return nil
	case kindBoolean:
		_, err := d.take(1)
		return err
	case kindInt, kindLong, kindEnum:
		_, err := d.long()
		return err
	case kindFloat:
		_, err := d.take(4)
		return err
	case kindDouble:
		_, err := d.take(8)
		return err
	case kindBytes, kindString:
		_, err := d.bytes()
		return err
	case kindFixed:
		_, err := d.take(int64(n.size))
		return err
	case kindRecord:
		for _, t := range n.live {
			if err := d.skip(t); err != nil {
				return err
			}
		}
		return nil
	case kindUnion:
		i, err := d.long()
		if err != nil {
			return err
		}
		if i < 0 || i >= int64(len(n.branches)) {
			return fmt.Errorf("%w: no branch %d of a union", ErrCorrupt, i)
		}
		return d.skip(n.branches[i])
	}
	return d.skipElements(n)
}

func (d *decoder) skipElements(n *node) error {
	for {
		count, size, err := d.count(n.kind == kindArray && n.elem.empty)
		if err != nil || count == 0 {
			return err
		}
		if size >= 0 {
			if _, err := d.take(size); err != nil {
				return err
			}
			continue
		}
		if n.kind == kindArray && n.elem.empty {
			continue
		}
		for ; count > 0; count-- {
			if n.kind == kindMap {
				if _, err := d.bytes(); err != nil {
					return err
				}
			}
			if err := d.skip(n.elem); err != nil {
				return err
			}
		}
	}
}
