package parquetfile

import (
	"bytes"
	"encoding/binary"
)

// bytesRange is the least and greatest of the byte strings seen, in unsigned
// byte order. It owns its memory.
type bytesRange struct {
	min, max []byte
	has      bool
}

func (r *bytesRange) reset() { r.has = false }

func (r *bytesRange) add(v []byte) {
	switch {
	case !r.has:
		r.min, r.max, r.has = append(r.min[:0], v...), append(r.max[:0], v...), true
	case bytes.Compare(v, r.min) < 0:
		r.min = append(r.min[:0], v...)
	case bytes.Compare(v, r.max) > 0:
		r.max = append(r.max[:0], v...)
	}
}

func (r *bytesRange) merge(o *bytesRange) {
	if o.has {
		r.add(o.min)
		r.add(o.max)
	}
}

// bounds returns copies.
func (r *bytesRange) bounds() pageBounds {
	if !r.has {
		return pageBounds{}
	}
	return pageBounds{min: append([]byte{}, r.min...), max: append([]byte{}, r.max...)}
}

// prefix returns the first eight bytes of v as a number of the same order,
// shorter values padded with zeros. Unequal prefixes order their values.
func prefix(v []byte) uint64 {
	if len(v) >= 8 {
		return binary.BigEndian.Uint64(v)
	}
	var x uint64
	for i, b := range v {
		x |= uint64(b) << (56 - 8*i)
	}
	return x
}

// addSpans widens the range by many values; most are settled by their prefix.
func (r *bytesRange) addSpans(spans []span, data []byte) {
	if len(spans) == 0 {
		return
	}
	lo, hi := spans[0], spans[0]
	loP := prefix(data[lo.lo:lo.hi])
	hiP := loP
	for _, s := range spans[1:] {
		v := data[s.lo:s.hi]
		p := prefix(v)
		if p > loP && p < hiP {
			continue
		}
		if p < loP || p == loP && bytes.Compare(v, data[lo.lo:lo.hi]) < 0 {
			lo, loP = s, p
		}
		if p > hiP || p == hiP && bytes.Compare(v, data[hi.lo:hi.hi]) > 0 {
			hi, hiP = s, p
		}
	}
	r.add(data[lo.lo:lo.hi])
	r.add(data[hi.lo:hi.hi])
}
