package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errDeltaEnd = errors.New("delta data ends early")

// maxDeltaBlock bounds the values of a block, as an empty block of any size
// takes but a few bytes. Writers use 128 to 2,048.
const maxDeltaBlock = 8192

// deltaHeader is what DELTA_BINARY_PACKED data begins with.
type deltaHeader struct {
	block, minis, total uint64
	size                int
}

func readDeltaHeader(src []byte) (h deltaHeader, err error) {
	for _, v := range []*uint64{&h.block, &h.minis, &h.total} {
		u, n := binary.Uvarint(src[h.size:])
		if n <= 0 {
			return h, errDeltaEnd
		}
		*v = u
		h.size += n
	}
	return h, nil
}

// deltaCount returns how many values DELTA_BINARY_PACKED data says it has, at
// most limit and not more than its bytes could hold.
func deltaCount(src []byte, limit int) (int, error) {
	h, err := readDeltaHeader(src)
	if err != nil {
		return 0, err
	}
	if n := h.total; n > uint64(limit) || n > uint64(len(src)/2+1)*maxDeltaBlock {
		return 0, fmt.Errorf("delta data of %d values in %d bytes, page of %d", n, len(src), limit)
	}
	return int(h.total), nil
}

// decodeDelta decodes DELTA_BINARY_PACKED data of exactly len(dst) values and
// returns the bytes it took.
func decodeDelta[T int32 | int64](dst []T, src []byte, maxWidth uint) (int, error) {
	h, err := readDeltaHeader(src)
	if err != nil {
		return 0, err
	}
	block, minis, total, pos := h.block, h.minis, h.total, h.size
	first, n := binary.Varint(src[pos:])
	if n <= 0 {
		return 0, errDeltaEnd
	}
	pos += n
	if total != uint64(len(dst)) {
		return 0, fmt.Errorf("delta data has %d values, page %d", total, len(dst))
	}
	if block == 0 || block > maxDeltaBlock || block%8 != 0 || minis == 0 || minis > block || block%minis != 0 {
		return 0, fmt.Errorf("delta block of %d values in %d parts", block, minis)
	}
	mini := int(block / minis)
	if mini%8 != 0 {
		return 0, fmt.Errorf("delta block of %d values in %d parts", block, minis)
	}
	if len(dst) == 0 {
		return pos, nil
	}
	last := T(first)
	dst[0] = last
	dst = dst[1:]
	for len(dst) > 0 {
		least, n := binary.Varint(src[pos:])
		if n <= 0 || int(minis) > len(src)-pos-n {
			return 0, errDeltaEnd
		}
		pos += n
		widths := src[pos : pos+int(minis)]
		pos += int(minis)
		for _, w := range widths {
			if len(dst) == 0 {
				break
			}
			if uint(w) > maxWidth {
				return 0, fmt.Errorf("delta of %d bits", w)
			}
			k := min(mini, len(dst))
			size := mini * int(w) / 8
			if have := len(src) - pos; size > have {
				// The padding of the last part may have been cut.
				if size = (k*int(w) + 7) / 8; size > have {
					return 0, errDeltaEnd
				}
			}
			last = deltaRun(dst[:k], src[pos:pos+size], uint(w), last, T(least))
			dst = dst[k:]
			pos += size
		}
	}
	return pos, nil
}

// deltaRun decodes one miniblock in place and returns its last value.
func deltaRun[T int32 | int64](dst []T, src []byte, width uint, last, least T) T {
	unpackBits(dst, src[:(len(dst)*int(width)+7)/8], width)
	for i, d := range dst {
		last += d + least
		dst[i] = last
	}
	return last
}

// decodeDeltaLengths decodes the lengths of byte arrays into offsets
// (len(offs)-1 values) and returns the bytes it took. The sum of the lengths is
// at most limit.
func decodeDeltaLengths(offs []int32, src []byte, limit int64) (int, error) {
	n, err := decodeDelta(offs[1:], src, 32)
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	offs[0] = 0
	for i, l := range offs[1:] {
		if l < 0 {
			return 0, fmt.Errorf("length %d of value %d", l, i)
		}
		if sum += int64(l); sum > limit {
			return 0, fmt.Errorf("values of more than %d bytes", limit)
		}
		offs[i+1] = int32(sum)
	}
	return n, nil
}

// decodeDeltaByteArray decodes DELTA_BYTE_ARRAY: each value is a prefix of the
// one before and a suffix. prefix and offs are scratch for one value more than
// there are; data is appended to.
func decodeDeltaByteArray(data []byte, offs, prefix []int32, src []byte, limit int64) ([]byte, error) {
	n := len(offs) - 1
	used, err := decodeDelta(prefix[:n], src, 32)
	if err != nil {
		return nil, err
	}
	src = src[used:]
	if used, err = decodeDeltaLengths(offs, src, int64(len(src))); err != nil {
		return nil, err
	}
	src = src[used:]
	if int(offs[n]) > len(src) {
		return nil, errDeltaEnd
	}
	total, before := int64(0), int64(0)
	for i, p := range prefix[:n] {
		if p < 0 || int64(p) > before {
			return nil, fmt.Errorf("prefix of %d bytes of a value of %d", p, before)
		}
		before = int64(p) + int64(offs[i+1]-offs[i])
		if total += before; total > limit {
			return nil, fmt.Errorf("values of more than %d bytes", limit)
		}
	}
	data = grown(data[:0], int(total))
	start := 0
	from := offs[0]
	for i, p := range prefix[:n] {
		end := len(data)
		to := offs[i+1]
		data = append(data, data[start:start+int(p)]...)
		data = append(data, src[from:to]...)
		from = to
		offs[i] = int32(end)
		start = end
	}
	offs[n] = int32(len(data))
	return data, nil
}

// grown returns b with room for n bytes in all and padding behind them.
func grown(b []byte, n int) []byte {
	if cap(b)-padding >= n {
		return b
	}
	return append(make([]byte, 0, n+padding), b...)
}

// decodeByteStreamSplit undoes BYTE_STREAM_SPLIT for values of w bytes.
func decodeByteStreamSplit(dst, src []byte, w int) {
	n := len(dst) / w
	switch w {
	case 4:
		a, b, c, d := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
		for i := range n {
			binary.LittleEndian.PutUint32(dst[4*i:],
				uint32(a[i])|uint32(b[i])<<8|uint32(c[i])<<16|uint32(d[i])<<24)
		}
	case 8:
		a, b, c, d := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
		e, f, g, h := src[4*n:5*n], src[5*n:6*n], src[6*n:7*n], src[7*n:8*n]
		for i := range n {
			binary.LittleEndian.PutUint64(dst[8*i:],
				uint64(a[i])|uint64(b[i])<<8|uint64(c[i])<<16|uint64(d[i])<<24|
					uint64(e[i])<<32|uint64(f[i])<<40|uint64(g[i])<<48|uint64(h[i])<<56)
		}
	default:
		for j := range w {
			s := src[j*n : (j+1)*n]
			for i, v := range s {
				dst[i*w+j] = v
			}
		}
	}
}
