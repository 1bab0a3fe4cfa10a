// Package arrowsel copies chosen rows out of Arrow arrays and record batches:
// by position ([Take]) or by bitmap ([Filter]). It exists because arrow-go's
// compute package, which has both, would double the size of a program that
// links the engine.
//
// All functions are safe for concurrent use on different outputs. Results are
// new arrays owned by the caller; inputs are not retained.
package arrowsel

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/bitmap"
)

// Indices returns the positions of the one bits of sel, appended to dst.
func Indices(sel *bitmap.Bitmap, dst []int32) []int32 {
	for i := sel.NextSet(0); i >= 0; i = sel.NextSet(i + 1) {
		dst = append(dst, int32(i))
	}
	return dst
}

// FilterBatch returns the rows of b whose bit in sel is one, in order. When all
// are, it is b itself, retained.
func FilterBatch(b arrow.RecordBatch, sel *bitmap.Bitmap, mem memory.Allocator) (arrow.RecordBatch, error) {
	n := sel.Count()
	if n == int(b.NumRows()) {
		b.Retain()
		return b, nil
	}
	return TakeBatch(b, Indices(sel, make([]int32, 0, n)), mem)
}

// TakeBatch returns rows idx of b in that order. An index may repeat; none may
// be negative.
func TakeBatch(b arrow.RecordBatch, idx []int32, mem memory.Allocator) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, b.NumCols())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range cols {
		c, err := Take(b.Column(i), idx, mem)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", b.ColumnName(i), err)
		}
		cols[i] = c
	}
	return array.NewRecordBatch(b.Schema(), cols, int64(len(idx))), nil
}

// Take returns values idx of a in that order; index -1 takes null.
func Take(a arrow.Array, idx []int32, mem memory.Allocator) (arrow.Array, error) {
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	d, err := take(a, idx, mem)
	if err != nil {
		return nil, err
	}
	defer d.Release()
	return array.MakeFromData(d), nil
}

func take(a arrow.Array, idx []int32, mem memory.Allocator) (*array.Data, error) {
	valid, nulls := takeValidity(a, idx, mem)
	if valid != nil {
		defer valid.Release()
	}
	switch a := a.(type) {
	case *array.Null:
		return array.NewData(a.DataType(), len(idx), []*memory.Buffer{nil}, nil, len(idx), 0), nil
	case *array.Boolean:
		return takeBits(a, idx, valid, nulls, mem), nil
	case *array.String:
		offs, data := takeVar(a.ValueOffsets(), a.ValueBytes(), a, idx, mem)
		return varData(a, len(idx), valid, offs, data, nulls), nil
	case *array.Binary:
		offs, data := takeVar(a.ValueOffsets(), a.ValueBytes(), a, idx, mem)
		return varData(a, len(idx), valid, offs, data, nulls), nil
	case *array.List:
		return takeList(a, a.ListValues(), idx, valid, nulls, mem)
	case *array.Map:
		return takeList(a, a.ListValues(), idx, valid, nulls, mem)
	case *array.Struct:
		return takeStruct(a, idx, valid, nulls, mem)
	case *array.Dictionary:
		keys, err := take(a.Indices(), idx, mem)
		if err != nil {
			return nil, err
		}
		defer keys.Release()
		dict := a.Dictionary().Data().(*array.Data)
		return array.NewDataWithDictionary(a.DataType(), len(idx), keys.Buffers(), keys.NullN(), 0, dict), nil
	}
	fw, ok := a.DataType().(arrow.FixedWidthDataType)
	if !ok {
		return nil, fmt.Errorf("cannot select rows of Arrow type %s", a.DataType())
	}
	return takeFixed(a, fw.BitWidth()/8, idx, valid, nulls, mem), nil
}

func takeValidity(a arrow.Array, idx []int32, mem memory.Allocator) (*memory.Buffer, int) {
	hasNull := a.NullN() > 0
	if !hasNull {
		for _, i := range idx {
			if i < 0 {
				hasNull = true
				break
			}
		}
	}
	if !hasNull {
		return nil, 0
	}
	buf := memory.NewResizableBuffer(mem)
	buf.Resize((len(idx) + 7) / 8)
	bits := buf.Bytes()
	clear(bits)
	nulls := 0
	for o, i := range idx {
		if i >= 0 && a.IsValid(int(i)) {
			bits[o>>3] |= 1 << (o & 7)
		} else {
			nulls++
		}
	}
	return buf, nulls
}

func takeBits(a *array.Boolean, idx []int32, valid *memory.Buffer, nulls int, mem memory.Allocator) *array.Data {
	buf := memory.NewResizableBuffer(mem)
	defer buf.Release()
	buf.Resize((len(idx) + 7) / 8)
	bits := buf.Bytes()
	clear(bits)
	for o, i := range idx {
		if i >= 0 && a.Value(int(i)) {
			bits[o>>3] |= 1 << (o & 7)
		}
	}
	return array.NewData(a.DataType(), len(idx), []*memory.Buffer{valid, buf}, nil, nulls, 0)
}

func takeFixed(a arrow.Array, width int, idx []int32, valid *memory.Buffer, nulls int, mem memory.Allocator) *array.Data {
	buf := memory.NewResizableBuffer(mem)
	defer buf.Release()
	buf.Resize(len(idx) * width)
	d := a.Data()
	src := d.Buffers()[1].Bytes()[d.Offset()*width:]
	dst := buf.Bytes()
	switch width {
	case 8:
		s, t := arrow.Uint64Traits.CastFromBytes(src), arrow.Uint64Traits.CastFromBytes(dst)
		for o, i := range idx {
			if i >= 0 {
				t[o] = s[i]
			} else {
				t[o] = 0
			}
		}
	case 4:
		s, t := arrow.Uint32Traits.CastFromBytes(src), arrow.Uint32Traits.CastFromBytes(dst)
		for o, i := range idx {
			if i >= 0 {
				t[o] = s[i]
			} else {
				t[o] = 0
			}
		}
	default:
		for o, i := range idx {
			to := dst[o*width : (o+1)*width]
			if i >= 0 {
				copy(to, src[int(i)*width:])
			} else {
				clear(to)
			}
		}
	}
	return array.NewData(a.DataType(), len(idx), []*memory.Buffer{valid, buf}, nil, nulls, 0)
}

// takeVar copies variable-length values. offs are a's offsets, data the bytes
// that offs[0] points at.
func takeVar(offs []int32, data []byte, a arrow.Array, idx []int32, mem memory.Allocator) (*memory.Buffer, *memory.Buffer) {
	total := 0
	for _, i := range idx {
		if i >= 0 {
			total += int(offs[i+1] - offs[i])
		}
	}
	ob := memory.NewResizableBuffer(mem)
	ob.Resize((len(idx) + 1) * 4)
	db := memory.NewResizableBuffer(mem)
	db.Resize(total)
	to, out := arrow.Int32Traits.CastFromBytes(ob.Bytes()), db.Bytes()
	base, at := int32(0), 0
	if len(offs) > 0 {
		base = offs[0]
	}
	to[0] = 0
	for o, i := range idx {
		if i >= 0 {
			at += copy(out[at:], data[offs[i]-base:offs[i+1]-base])
		}
		to[o+1] = int32(at)
	}
	return ob, db
}

func varData(a arrow.Array, n int, valid, offs, data *memory.Buffer, nulls int) *array.Data {
	defer offs.Release()
	defer data.Release()
	return array.NewData(a.DataType(), n, []*memory.Buffer{valid, offs, data}, nil, nulls, 0)
}

func takeList(a array.ListLike, values arrow.Array, idx []int32, valid *memory.Buffer, nulls int, mem memory.Allocator) (*array.Data, error) {
	ob := memory.NewResizableBuffer(mem)
	defer ob.Release()
	ob.Resize((len(idx) + 1) * 4)
	to := arrow.Int32Traits.CastFromBytes(ob.Bytes())
	to[0] = 0
	var child []int32
	for o, i := range idx {
		if i >= 0 && a.IsValid(int(i)) {
			from, end := a.ValueOffsets(int(i))
			for k := from; k < end; k++ {
				child = append(child, int32(k))
			}
		}
		to[o+1] = int32(len(child))
	}
	cd, err := take(values, child, mem)
	if err != nil {
		return nil, err
	}
	defer cd.Release()
	return array.NewData(a.DataType(), len(idx), []*memory.Buffer{valid, ob}, []arrow.ArrayData{cd}, nulls, 0), nil
}

func takeStruct(a *array.Struct, idx []int32, valid *memory.Buffer, nulls int, mem memory.Allocator) (*array.Data, error) {
	children := make([]arrow.ArrayData, a.NumField())
	defer func() {
		for _, c := range children {
			if c != nil {
				c.Release()
			}
		}
	}()
	for f := range children {
		d, err := take(a.Field(f), idx, mem)
		if err != nil {
			return nil, err
		}
		children[f] = d
	}
	return array.NewData(a.DataType(), len(idx), []*memory.Buffer{valid}, children, nulls, 0), nil
}
