package parquetfile

import (
	"encoding/binary"
	"math/bits"
)

// appendHybrid appends v in the RLE/bit-packed hybrid encoding with the given
// bit width (Parquet: "Run Length Encoding / Bit-Packing Hybrid"). Stretches of
// equal values become runs, the rest groups of eight packed values.
func appendHybrid[T uint8 | uint32](dst []byte, v []T, width int) []byte {
	if width == 0 {
		return binary.AppendUvarint(dst, uint64(len(v))<<1)
	}
	const minRun = 16 // shorter stretches are cheaper packed
	i := 0
	for i < len(v) {
		if n := runLength(v[i:]); n >= minRun || i+n == len(v) {
			dst = binary.AppendUvarint(dst, uint64(n)<<1)
			for b, x := 0, uint32(v[i]); b < width; b += 8 {
				dst = append(dst, byte(x>>b))
			}
			i += n
			continue
		}
		// Pack groups of eight until a run begins at a group's start.
		start := i
		for i += 8; i+minRun <= len(v); i += 8 {
			if runLength(v[i:i+minRun]) >= minRun {
				break
			}
		}
		if i+minRun > len(v) {
			i = len(v)
		}
		groups := (i - start + 7) / 8
		dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
		dst = appendPacked(dst, v[start:i], width)
	}
	return dst
}

// runLength returns how many leading values are equal; v is not empty.
func runLength[T uint8 | uint32](v []T) int {
	x := v[0]
	for i := 1; i < len(v); i++ {
		if v[i] != x {
			return i
		}
	}
	return len(v)
}

// appendPacked appends v bit-packed, least significant bit first, padded with
// zeros to a multiple of eight values.
func appendPacked[T uint8 | uint32](dst []byte, v []T, width int) []byte {
	n := (len(v) + 7) / 8 * width
	at := len(dst)
	dst = append(dst, make([]byte, n+8)...) // 8 bytes of room to store whole words
	out := dst[at:]
	w := uint(width)
	for len(v) >= 8 {
		if width <= 8 {
			g := v[:8]
			x := uint64(g[0]) | uint64(g[1])<<w | uint64(g[2])<<(2*w) | uint64(g[3])<<(3*w) |
				uint64(g[4])<<(4*w) | uint64(g[5])<<(5*w) | uint64(g[6])<<(6*w) | uint64(g[7])<<(7*w)
			binary.LittleEndian.PutUint64(out, x)
		} else {
			packWide(out, v[:8], w)
		}
		out = out[width:]
		v = v[8:]
	}
	if len(v) > 0 {
		var g [8]T
		copy(g[:], v)
		packWide(out, g[:], w)
	}
	return dst[:at+n]
}

// packWide packs eight values of any width up to 32.
func packWide[T uint8 | uint32](out []byte, v []T, w uint) {
	var acc uint64
	var have uint
	at := 0
	for _, x := range v {
		acc |= uint64(x) << have
		for have += w; have >= 8; have -= 8 {
			out[at] = byte(acc)
			at++
			acc >>= 8
		}
	}
}

// bitWidth returns the bits that hold every value up to highest.
func bitWidth(highest int) int { return bits.Len(uint(highest)) }

// flatLevels collects the definition levels of an optional column outside
// lists: one bit a row. As long as nothing is null it only counts.
type flatLevels struct {
	n, nulls int
	bits     []byte // LSB first, valid once nulls > 0; bits past n are zero
}

func (l *flatLevels) reset() { l.n, l.nulls, l.bits = 0, 0, l.bits[:0] }

// addOnes appends n present rows.
func (l *flatLevels) addOnes(n int) {
	if l.nulls == 0 {
		l.n += n
		return
	}
	for ; n > 0; n -= min(n, 56) {
		k := min(n, 56)
		l.push(1<<k-1, k)
	}
}

// addBits appends n rows whose presence is in an Arrow bitmap from bit at on,
// and returns how many are present.
func (l *flatLevels) addBits(b []byte, at, n int) int {
	present := 0
	for n > 0 {
		k := min(n, 56)
		w := loadBits(b, at, k)
		ones := bits.OnesCount64(w)
		present += ones
		if l.nulls == 0 && ones < k {
			l.materialise()
		}
		if l.nulls+k-ones > 0 {
			l.nulls += k - ones
			l.push(w, k)
		} else {
			l.n += k
		}
		at, n = at+k, n-k
	}
	return present
}

// materialise writes down the ones counted so far.
func (l *flatLevels) materialise() {
	l.bits = l.bits[:0]
	for range l.n / 8 {
		l.bits = append(l.bits, 0xFF)
	}
	if r := l.n & 7; r > 0 {
		l.bits = append(l.bits, 1<<r-1)
	}
}

// push appends k ≤ 56 bits of w.
func (l *flatLevels) push(w uint64, k int) {
	s := l.n & 7
	at := l.n >> 3
	l.n += k
	need := (l.n + 7) >> 3
	for len(l.bits) < need+8 {
		l.bits = append(l.bits, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	x := w << s
	if s > 0 {
		x |= uint64(l.bits[at])
	}
	binary.LittleEndian.PutUint64(l.bits[at:], x)
	l.bits = l.bits[:need]
}

// appendTo appends the levels as a data page (v1) holds them: length, then
// hybrid runs of width 1.
func (l *flatLevels) appendTo(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	switch {
	case l.nulls == 0:
		dst = binary.AppendUvarint(dst, uint64(l.n)<<1)
		dst = append(dst, 1)
	case l.nulls == l.n:
		dst = binary.AppendUvarint(dst, uint64(l.n)<<1)
		dst = append(dst, 0)
	default:
		dst = binary.AppendUvarint(dst, uint64((l.n+7)/8)<<1|1)
		dst = append(dst, l.bits[:(l.n+7)/8]...)
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendLevels appends levels of a nested column as a data page (v1) does.
func appendLevels(dst []byte, levels []uint8, highest uint8) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendHybrid(dst, levels, bitWidth(int(highest)))
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}
