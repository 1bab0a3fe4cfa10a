package parquetfile

import (
	"bytes"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

// shortBytes is the most bytes of a byte array bound in Parquet statistics and
// indexes.
const shortBytes = 64

// truncateRunes returns the first n code points of s.
func truncateRunes(s []byte, n int) []byte {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRune(s[at:])
		at += size
	}
	return s[:at]
}

// bumpRunes returns the least string above all that begin with p, by
// incrementing its last code point that can be; false if there is none.
func bumpRunes(p []byte) ([]byte, bool) {
	for len(p) > 0 {
		r, size := utf8.DecodeLastRune(p)
		p = p[:len(p)-size]
		if r == utf8.RuneError && size == 1 || r == utf8.MaxRune {
			continue
		}
		if r++; r == 0xD800 {
			r = 0xE000
		}
		return utf8.AppendRune(bytes.Clone(p), r), true
	}
	return nil, false
}

// bumpBytes is bumpRunes for binary.
func bumpBytes(p []byte) ([]byte, bool) {
	for len(p) > 0 {
		if b := p[len(p)-1]; b != 0xFF {
			q := bytes.Clone(p)
			q[len(q)-1] = b + 1
			return q, true
		}
		p = p[:len(p)-1]
	}
	return nil, false
}

// shortLower returns a lower bound of at most shortBytes for a byte array, and
// whether it is the value itself.
func (c *leaf) shortLower(v []byte) (bound []byte, exact bool) {
	if c.phys != format.ByteArray || len(v) <= shortBytes {
		return v, true
	}
	return c.cut(v), false
}

// shortUpper is shortLower for an upper bound; a value that cannot be cut is
// returned whole.
func (c *leaf) shortUpper(v []byte) (bound []byte, exact bool) {
	if c.phys != format.ByteArray || len(v) <= shortBytes {
		return v, true
	}
	bump := bumpBytes
	if c.typ.Kind == schema.KindString {
		bump = bumpRunes
	}
	if b, ok := bump(c.cut(v)); ok {
		return b, false
	}
	return v, true
}

// cut returns the first shortBytes of v, fewer so as not to split a code point.
func (c *leaf) cut(v []byte) []byte {
	n := shortBytes
	if c.typ.Kind == schema.KindString {
		for n > shortBytes-utf8.UTFMax && !utf8.RuneStart(v[n]) {
			n--
		}
	}
	return v[:n]
}

// compareBytes compares byte arrays in the column's order.
func (c *leaf) compareBytes(a, b []byte) int {
	if c.typ.Kind == schema.KindDecimal {
		return compareSigned(a, b)
	}
	return bytes.Compare(a, b)
}

// icebergBounds turns a column's file bounds, in PLAIN encoding, into an
// Iceberg file's lower and upper bound, truncated; nil where there is none.
func (c *leaf) icebergBounds(b pageBounds, truncate int) (lower, upper []byte) {
	if b.min == nil {
		return nil, nil
	}
	lower, upper = b.min, b.max
	switch c.typ.Kind {
	case schema.KindDecimal:
		return minimalDecimal(c.phys, b.min), minimalDecimal(c.phys, b.max)
	case schema.KindString:
		if truncate > 0 {
			lower = truncateRunes(b.min, truncate)
			if p := truncateRunes(b.max, truncate); len(p) < len(b.max) {
				upper, _ = bumpRunes(p)
			}
		}
	case schema.KindBinary:
		if truncate > 0 {
			lower = b.min[:min(truncate, len(b.min))]
			if len(b.max) > truncate {
				upper, _ = bumpBytes(b.max[:truncate])
			}
		}
	}
	return lower, upper
}

// minimalDecimal returns the fewest big-endian two's complement bytes of a
// decimal in PLAIN encoding.
func minimalDecimal(phys format.Type, v []byte) []byte {
	b := bytes.Clone(v)
	if phys != format.FixedLenByteArray { // little-endian integer
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xFF && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}
