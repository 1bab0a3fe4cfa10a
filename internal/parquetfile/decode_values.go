package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/parquet-go/parquet-go/format"
)

var (
	errValuesEnd = errors.New("values end early")
	errTooMuch   = errors.New("strings of a batch exceed 2 GiB; read with a smaller BatchRows")
)

// plainDictionary is the older name of both the encoding of dictionaries and
// that of indexes into them.
const plainDictionary = format.Encoding(2)

type valueKind uint8

const (
	valuesNone    valueKind = iota
	valuesFixed             // raw: values side by side, used bytes of them consumed
	valuesBits              // h: booleans, run-length encoded
	valuesDict              // h: indexes into the dictionary
	valuesPlain             // raw: byte arrays, each after its length
	valuesOffsets           // raw and offs: byte arrays, used of them consumed
)

// pageValues are the values of the current page. Nothing is decoded before it
// is asked for where the encoding allows it.
type pageValues struct {
	kind  valueKind
	width int // of a value of valuesFixed
	raw   []byte
	offs  []int32
	used  int
	h     hybrid

	// Scratch that lives from page to page.
	decoded []byte
	lengths []int32
	prefix  []int32
}

// set prepares the values of a page. src has padding behind it.
func (p *pageValues) set(n *node, enc format.Encoding, src []byte, values int, limit int64) error {
	p.raw, p.used, p.kind, p.width = src, 0, valuesNone, n.width()
	switch enc {
	case format.Plain:
		switch n.typ {
		case format.ByteArray:
			p.kind = valuesPlain
		case format.Boolean:
			p.kind = valuesFixed
			p.raw = p.scratch(min(len(src)*8, (values+7)&^7))
			for i := 0; i+8 <= len(p.raw); i += 8 {
				binary.LittleEndian.PutUint64(p.raw[i:], spreadBits(src[i>>3]))
			}
		default:
			p.kind = valuesFixed
		}
		return nil
	case plainDictionary, format.RLEDictionary:
		p.kind = valuesDict
		if len(src) == 0 {
			p.h = hybrid{}
			return nil
		}
		var err error
		p.h, err = newHybrid(src[1:], int(src[0]))
		return err
	case format.RLE:
		if n.typ != format.Boolean {
			break
		}
		if len(src) < 4 || uint64(binary.LittleEndian.Uint32(src)) > uint64(len(src)-4) {
			return errValuesEnd
		}
		p.kind = valuesBits
		var err error
		p.h, err = newHybrid(src[4:4+binary.LittleEndian.Uint32(src)], 1)
		return err
	case format.DeltaBinaryPacked:
		return p.setDelta(n, src, values)
	case format.DeltaLengthByteArray:
		if n.typ == format.ByteArray {
			return p.setDeltaLength(src, values)
		}
	case format.DeltaByteArray:
		return p.setDeltaByteArray(n, src, values, limit)
	case format.ByteStreamSplit:
		if p.width == 0 || n.typ == format.Boolean || n.typ == format.Int96 {
			break
		}
		if len(src)%p.width != 0 {
			return fmt.Errorf("%d bytes of values of %d", len(src), p.width)
		}
		p.kind = valuesFixed
		p.raw = p.scratch(len(src))
		decodeByteStreamSplit(p.raw, src, p.width)
		return nil
	}
	return fmt.Errorf("encoding %v of %v", enc, n.typ)
}

// scratch returns n bytes with padding behind them.
func (p *pageValues) scratch(n int) []byte {
	if cap(p.decoded) < n+padding {
		p.decoded = make([]byte, n+padding+n/4)
	}
	return p.decoded[:n]
}

func (p *pageValues) setDelta(n *node, src []byte, values int) error {
	count, err := deltaCount(src, values)
	if err != nil {
		return err
	}
	p.kind = valuesFixed
	switch n.typ {
	case format.Int32:
		p.raw = p.scratch(4 * count)
		_, err = decodeDelta(viewAs[int32](p.raw), src, 32)
	case format.Int64:
		p.raw = p.scratch(8 * count)
		_, err = decodeDelta(viewAs[int64](p.raw), src, 64)
	default:
		err = fmt.Errorf("delta encoding of %v", n.typ)
	}
	return err
}

func (p *pageValues) setDeltaLength(src []byte, values int) error {
	count, err := deltaCount(src, values)
	if err != nil {
		return err
	}
	p.lengths = resized(p.lengths, count+1)
	used, err := decodeDeltaLengths(p.lengths, src, int64(len(src)))
	if err != nil {
		return err
	}
	if int(p.lengths[count]) > len(src)-used {
		return errValuesEnd
	}
	p.kind, p.raw, p.offs = valuesOffsets, src[used:], p.lengths
	return nil
}

func (p *pageValues) setDeltaByteArray(n *node, src []byte, values int, limit int64) error {
	count, err := deltaCount(src, values)
	if err != nil {
		return err
	}
	p.lengths, p.prefix = resized(p.lengths, count+1), resized(p.prefix, count+1)
	p.decoded, err = decodeDeltaByteArray(p.decoded, p.lengths, p.prefix, src, limit)
	if err != nil {
		return err
	}
	p.raw = p.decoded
	switch n.typ {
	case format.ByteArray:
		p.kind, p.offs = valuesOffsets, p.lengths
	case format.FixedLenByteArray:
		p.kind = valuesFixed
		for i, o := range p.lengths {
			if int(o) != i*p.width {
				return fmt.Errorf("value %d is not of %d bytes", i-1, p.width)
			}
		}
	default:
		return fmt.Errorf("delta byte array encoding of %v", n.typ)
	}
	return nil
}

// skip passes over n values.
func (p *pageValues) skip(n int) error {
	switch p.kind {
	case valuesFixed:
		if n*p.width > len(p.raw)-p.used {
			return errValuesEnd
		}
		p.used += n * p.width
	case valuesBits, valuesDict:
		return p.h.skip(n)
	case valuesPlain:
		for range n {
			if len(p.raw)-p.used < 4 {
				return errValuesEnd
			}
			l := binary.LittleEndian.Uint32(p.raw[p.used:])
			if uint64(l) > uint64(len(p.raw)-p.used-4) {
				return errValuesEnd
			}
			p.used += 4 + int(l)
		}
	case valuesOffsets:
		if n > len(p.offs)-1-p.used {
			return errValuesEnd
		}
		p.used += n
	}
	return nil
}

// fixed returns the next n values of valuesFixed.
func (p *pageValues) fixed(n int) ([]byte, error) {
	if n*p.width > len(p.raw)-p.used {
		return nil, errValuesEnd
	}
	b := p.raw[p.used : p.used+n*p.width]
	p.used += len(b)
	return b, nil
}

// viewAs views bytes as values; the alignment of b does not matter on the
// machines Arrow's buffers are in little-endian order on.
func viewAs[T any](b []byte) []T {
	var t T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(t)))
}

func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// take copies the values of src, of w bytes, at positions pick.
func take(dst, src []byte, w int, pick []int32) {
	switch w {
	case 1:
		for i, p := range pick {
			dst[i] = src[p]
		}
	case 4:
		d, s := viewAs[uint32](dst)[:len(pick)], viewAs[uint32](src)
		for i, p := range pick {
			d[i] = s[p]
		}
	case 8:
		d, s := viewAs[uint64](dst)[:len(pick)], viewAs[uint64](src)
		for i, p := range pick {
			d[i] = s[p]
		}
	case 16:
		d, s := viewAs[[2]uint64](dst)[:len(pick)], viewAs[[2]uint64](src)
		for i, p := range pick {
			d[i] = s[p]
		}
	default:
		for i, p := range pick {
			copy(dst[i*w:(i+1)*w], src[int(p)*w:])
		}
	}
}

// lookup is take for dictionary indexes, which are within bounds.
func lookup(dst, dict []byte, w int, idx []uint32) {
	take(dst, dict, w, unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(idx))), len(idx)))
}

// varOut are byte arrays under construction.
type varOut struct {
	data growBuf
	offs []int32 // of the values so far, the first 0
}

// plain appends n length-prefixed values of raw[used:], or those of them at the
// ascending positions pick.
func (p *pageValues) plain(l *leafReader, n int, pick []int32, all bool) error {
	out := &l.vars
	src := p.raw
	if int64(out.data.n)+int64(len(src)-p.used) > math.MaxInt32 {
		if err := p.fits(n, int64(out.data.n)); err != nil {
			return err
		}
	}
	out.data.reserve(l.mem, len(src)-p.used)
	if cap(src)-len(src) < padding {
		src = grown(append([]byte(nil), src...), len(src))
	}
	if !all {
		return p.plainPicked(l, src, n, pick)
	}
	dst, d := unsafe.Pointer(&out.data.b[0]), out.data.n
	base := unsafe.Pointer(unsafe.SliceData(src))
	offs := l.moreOffsets(n)
	used, end := p.used, len(src)
	for i := range offs {
		if end-used < 4 {
			return errValuesEnd
		}
		size := int(*(*uint32)(unsafe.Add(base, used)))
		used += 4
		if size > end-used {
			return errValuesEnd
		}
		// Short values are copied as whole words: both buffers have padding.
		if size <= 32 {
			copy32(unsafe.Add(dst, d), unsafe.Add(base, used))
		} else {
			copy(out.data.b[d:], src[used:used+size])
		}
		used += size
		d += size
		offs[i] = int32(d)
	}
	p.used, out.data.n = used, d
	return nil
}

// fits checks that the next n values do not take a batch past 2 GiB.
func (p *pageValues) fits(n int, have int64) error {
	used := p.used
	for range n {
		if len(p.raw)-used < 4 {
			return errValuesEnd
		}
		size := int64(binary.LittleEndian.Uint32(p.raw[used:]))
		if size > int64(len(p.raw)-used-4) {
			return errValuesEnd
		}
		used += 4 + int(size)
		if have += size; have > math.MaxInt32 {
			return errTooMuch
		}
	}
	return nil
}

// plainPicked walks all n values, as only their lengths tell where they are. It
// copies each before it knows whether it is wanted, to spare the branch.
func (p *pageValues) plainPicked(l *leafReader, src []byte, n int, pick []int32) error {
	out := &l.vars
	offs := l.moreOffsets(len(pick))
	dst, d := unsafe.Pointer(unsafe.SliceData(out.data.b)), out.data.n
	base := unsafe.Pointer(unsafe.SliceData(src))
	used, end, at := p.used, len(src), 0
	next := int(pick[0])
	for i := range n {
		if end-used < 4 {
			return errValuesEnd
		}
		size := int(*(*uint32)(unsafe.Add(base, used)))
		used += 4
		if size > end-used {
			return errValuesEnd
		}
		if size <= 32 {
			copy32(unsafe.Add(dst, d), unsafe.Add(base, used))
		} else if i == next {
			copy(out.data.b[d:], src[used:used+size])
		}
		used += size
		if i == next {
			d += size
			offs[at] = int32(d)
			if at++; at < len(pick) {
				next = int(pick[at])
			} else {
				next = n
			}
		}
	}
	p.used, out.data.n = used, d
	return nil
}

// slices appends n byte arrays of valuesOffsets, or those at pick.
func (p *pageValues) slices(l *leafReader, n int, pick []int32, all bool) error {
	if n > len(p.offs)-1-p.used {
		return errValuesEnd
	}
	offs := p.offs[p.used : p.used+n+1]
	p.used += n
	size := int64(offs[n] - offs[0])
	out := &l.vars
	if int64(out.data.n)+size > math.MaxInt32 {
		return errTooMuch
	}
	out.data.reserve(l.mem, int(size))
	if !all {
		for _, i := range pick {
			out.data.n += copy(out.data.b[out.data.n:], p.raw[offs[i]:offs[i+1]])
			out.offs = append(out.offs, int32(out.data.n))
		}
		return nil
	}
	shift := int32(out.data.n) - offs[0]
	out.data.n += copy(out.data.b[out.data.n:], p.raw[offs[0]:offs[n]])
	more := l.moreOffsets(n)
	for i := range more {
		more[i] = offs[i+1] + shift
	}
	return nil
}

// moreOffsets makes room for n more offsets and returns it.
func (l *leafReader) moreOffsets(n int) []int32 {
	have := len(l.vars.offs)
	if cap(l.vars.offs)-have < n {
		l.vars.offs = append(l.vars.offs, make([]int32, n)...)
	} else {
		l.vars.offs = l.vars.offs[:have+n]
	}
	return l.vars.offs[have:]
}

// varDict is a dictionary of byte arrays; data has padding behind it.
type varDict struct {
	data   []byte
	offs   []int32
	widest int32
}

// append adds the values at idx, which are within bounds.
func (d *varDict) append(l *leafReader, idx []uint32) error {
	out := &l.vars
	offs := d.offs
	size := int64(d.widest) * int64(len(idx))
	if out.data.n+int(size)+padding > len(out.data.b) {
		size = 0
		for _, x := range idx {
			size += int64(offs[x+1] - offs[x])
		}
	}
	if int64(out.data.n)+size > math.MaxInt32 {
		return errTooMuch
	}
	out.data.reserve(l.mem, int(size))
	more := l.moreOffsets(len(idx))
	n := out.data.n
	dst, base := unsafe.Pointer(unsafe.SliceData(out.data.b)), unsafe.Pointer(unsafe.SliceData(d.data))
	switch {
	case d.widest <= 16:
		for i, x := range idx {
			from, to := offs[x], offs[x+1]
			copy16(unsafe.Add(dst, n), unsafe.Add(base, int(from)))
			n += int(to - from)
			more[i] = int32(n)
		}
	case d.widest <= 32:
		for i, x := range idx {
			from, to := offs[x], offs[x+1]
			copy32(unsafe.Add(dst, n), unsafe.Add(base, int(from)))
			n += int(to - from)
			more[i] = int32(n)
		}
	default:
		for i, x := range idx {
			n += copy(out.data.b[n:], d.data[offs[x]:offs[x+1]])
			more[i] = int32(n)
		}
	}
	out.data.n = n
	return nil
}

// copy16 and copy32 copy that many bytes. (An assignment of arrays would be a
// call of memmove, as the compiler must think they may overlap.)
func copy16(dst, src unsafe.Pointer) {
	a, b := *(*uint64)(src), *(*uint64)(unsafe.Add(src, 8))
	*(*uint64)(dst) = a
	*(*uint64)(unsafe.Add(dst, 8)) = b
}

func copy32(dst, src unsafe.Pointer) {
	a, b := *(*uint64)(src), *(*uint64)(unsafe.Add(src, 8))
	c, d := *(*uint64)(unsafe.Add(src, 16)), *(*uint64)(unsafe.Add(src, 24))
	*(*uint64)(dst) = a
	*(*uint64)(unsafe.Add(dst, 8)) = b
	*(*uint64)(unsafe.Add(dst, 16)) = c
	*(*uint64)(unsafe.Add(dst, 24)) = d
}
