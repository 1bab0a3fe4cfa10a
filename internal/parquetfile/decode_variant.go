package parquetfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The binary encoding of variants (parquet-format VariantEncoding.md), as far as
// putting shredded values together takes it. Values that were not shredded are
// passed on as they are.

// Primitive type ids of a variant value.
const (
	variantNull          = 0
	variantTrue          = 1
	variantFalse         = 2
	variantInt8          = 3
	variantInt16         = 4
	variantInt32         = 5
	variantInt64         = 6
	variantDouble        = 7
	variantDecimal4      = 8
	variantDecimal8      = 9
	variantDecimal16     = 10
	variantDate          = 11
	variantTimestamp     = 12
	variantTimestampNTZ  = 13
	variantFloat         = 14
	variantBinary        = 15
	variantString        = 16
	variantTime          = 17
	variantTimestampNs   = 18
	variantTimestampNTZN = 19
	variantUUID          = 20

	variantShortString = 1 // basic types, in the two low bits
	variantObject      = 2
	variantArray       = 3
)

var errVariant = errors.New("malformed variant")

// variantMeta is the dictionary of field names of a variant.
type variantMeta struct {
	raw   []byte
	names []string
	ids   map[string]int
}

func parseVariantMeta(b []byte) (*variantMeta, error) {
	if len(b) < 1 || b[0]&0x0f != 1 {
		return nil, fmt.Errorf("%w: metadata version", errVariant)
	}
	w := int(b[0]>>6) + 1
	n, ok := uintAt(b, 1, w)
	if !ok || n > len(b) {
		return nil, fmt.Errorf("%w: metadata of %d names", errVariant, n)
	}
	base := 1 + w + (n+1)*w
	if base > len(b) {
		return nil, fmt.Errorf("%w: metadata of %d names", errVariant, n)
	}
	m := &variantMeta{raw: bytes.Clone(b), ids: make(map[string]int, n), names: make([]string, n)}
	from, _ := uintAt(b, 1+w, w)
	for i := range n {
		to, _ := uintAt(b, 1+w+(i+1)*w, w)
		if from > to || to > len(b)-base {
			return nil, fmt.Errorf("%w: name %d", errVariant, i)
		}
		m.names[i] = string(b[base+from : base+to])
		m.ids[m.names[i]] = i
		from = to
	}
	return m, nil
}

// uintAt reads a little-endian number of w ≤ 4 bytes.
func uintAt(b []byte, at, w int) (int, bool) {
	if at < 0 || at+w > len(b) {
		return 0, false
	}
	v := 0
	for i := range w {
		v |= int(b[at+i]) << (8 * i)
	}
	return v, true
}

// variantField is a field of an object and its encoded value.
type variantField struct {
	name  string
	id    int
	value []byte
}

// parseVariantObject splits an object into its fields; ok is false when v is of
// another type.
func parseVariantObject(m *variantMeta, v []byte) (fields []variantField, ok bool, err error) {
	if len(v) == 0 {
		return nil, false, fmt.Errorf("%w: empty value", errVariant)
	}
	if v[0]&3 != variantObject {
		return nil, false, nil
	}
	h := v[0] >> 2
	offW, idW, countW := int(h&3)+1, int(h>>2&3)+1, 1
	if h&0x10 != 0 {
		countW = 4
	}
	n, ok := uintAt(v, 1, countW)
	if !ok || n > len(v) {
		return nil, false, fmt.Errorf("%w: object of %d fields", errVariant, n)
	}
	ids := 1 + countW
	offs := ids + n*idW
	data := offs + (n+1)*offW
	if data > len(v) {
		return nil, false, fmt.Errorf("%w: object of %d fields", errVariant, n)
	}
	for i := range n {
		id, _ := uintAt(v, ids+i*idW, idW)
		from, _ := uintAt(v, offs+i*offW, offW)
		if id >= len(m.names) || from > len(v)-data {
			return nil, false, fmt.Errorf("%w: field %d of an object", errVariant, i)
		}
		size, err := variantSize(v[data+from:])
		if err != nil {
			return nil, false, err
		}
		fields = append(fields, variantField{m.names[id], id, v[data+from : data+from+size]})
	}
	return fields, true, nil
}

// variantSize returns the bytes of the value b begins with. (The offsets of an
// object's fields need not ascend, so they do not tell.)
func variantSize(b []byte) (int, error) {
	bad := fmt.Errorf("%w: value ends early", errVariant)
	if len(b) == 0 {
		return 0, bad
	}
	h := int(b[0] >> 2)
	size := 0
	switch b[0] & 3 {
	case variantShortString:
		size = 1 + h
	case variantObject, variantArray:
		offW, idW, countW := h&3+1, 0, 1
		large := h&4 != 0
		if b[0]&3 == variantObject {
			idW, large = h>>2&3+1, h&0x10 != 0
		}
		if large {
			countW = 4
		}
		n, ok := uintAt(b, 1, countW)
		if !ok || n > len(b) {
			return 0, bad
		}
		offs := 1 + countW + n*idW
		end, ok := uintAt(b, offs+n*offW, offW)
		if !ok {
			return 0, bad
		}
		size = offs + (n+1)*offW + end
	default:
		fixed := [...]int{1, 1, 1, 2, 3, 5, 9, 9, 6, 10, 18, 5, 9, 9, 5, 0, 0, 9, 9, 9, 17}
		switch {
		case h >= len(fixed):
			return 0, fmt.Errorf("%w: type %d", errVariant, h)
		case fixed[h] > 0:
			size = fixed[h]
		default:
			n, ok := uintAt(b, 1, 4)
			if !ok {
				return 0, bad
			}
			size = 5 + n
		}
	}
	if size > len(b) {
		return 0, bad
	}
	return size, nil
}

// appendVariantObject encodes an object.
func appendVariantObject(dst []byte, m *variantMeta, fields []variantField) ([]byte, error) {
	slices.SortFunc(fields, func(a, b variantField) int { return strings.Compare(a.name, b.name) })
	total := 0
	for _, f := range fields {
		total += len(f.value)
	}
	idW, offW := bytesOf(len(m.names)), bytesOf(total)
	h := byte(offW-1) | byte(idW-1)<<2
	if len(fields) > 255 {
		h |= 0x10
	}
	dst = append(dst, h<<2|variantObject)
	if len(fields) > 255 {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(fields)))
	} else {
		dst = append(dst, byte(len(fields)))
	}
	for _, f := range fields {
		dst = appendUint(dst, f.id, idW)
	}
	off := 0
	for _, f := range fields {
		dst = appendUint(dst, off, offW)
		off += len(f.value)
	}
	dst = appendUint(dst, off, offW)
	for _, f := range fields {
		dst = append(dst, f.value...)
	}
	return dst, nil
}

// appendVariantArray encodes an array.
func appendVariantArray(dst []byte, elements [][]byte) []byte {
	total := 0
	for _, e := range elements {
		total += len(e)
	}
	w := bytesOf(total)
	h := byte(w - 1)
	if len(elements) > 255 {
		h |= 4
	}
	dst = append(dst, h<<2|variantArray)
	if len(elements) > 255 {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(elements)))
	} else {
		dst = append(dst, byte(len(elements)))
	}
	off := 0
	for _, e := range elements {
		dst = appendUint(dst, off, w)
		off += len(e)
	}
	dst = appendUint(dst, off, w)
	for _, e := range elements {
		dst = append(dst, e...)
	}
	return dst
}

// appendVariantString encodes a string.
func appendVariantString(dst []byte, s string) []byte {
	if len(s) < 64 {
		dst = append(dst, byte(len(s))<<2|variantShortString)
	} else {
		dst = append(dst, variantString<<2)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
	}
	return append(dst, s...)
}

func bytesOf(n int) int {
	w := 1
	for ; n > 255; n >>= 8 {
		w++
	}
	return w
}

func appendUint(dst []byte, v, w int) []byte {
	for range w {
		dst = append(dst, byte(v))
		v >>= 8
	}
	return dst
}
