package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/parquet-go/bitpack"
)

var errLevelsEnd = errors.New("run-length data ends early")

// padding is how many bytes past its end every buffer of page bytes can be read
// (their content is arbitrary), so that loops may load whole words.
const padding = 64

// hybrid decodes the RLE / bit-packing hybrid step by step, so that memory
// follows what is asked for, never the run lengths the data claims.
type hybrid struct {
	src    []byte // has padding, if padded
	pos    int
	width  uint
	left   int    // values left of the run
	packed bool   // the run is bit-packed
	value  uint32 // of a repeated run
	start  int    // of a bit-packed run
	used   int    // values consumed of a bit-packed run
	bytes  int    // of a bit-packed run
}

func newHybrid(src []byte, width int) (hybrid, error) {
	if width > 32 {
		return hybrid{}, fmt.Errorf("bit width %d", width)
	}
	return hybrid{src: src, width: uint(width)}, nil
}

// run reads the next run's header.
func (h *hybrid) run() error {
	if h.packed {
		h.pos = h.start + h.bytes
	}
	for {
		if h.pos >= len(h.src) {
			return errLevelsEnd
		}
		u, n := binary.Uvarint(h.src[h.pos:])
		if n <= 0 {
			return errLevelsEnd
		}
		h.pos += n
		count := u >> 1
		if count == 0 {
			h.packed = false
			continue
		}
		if u&1 == 0 {
			if count > math.MaxInt32 {
				return fmt.Errorf("run of %d values", count)
			}
			return h.repeated(int(count))
		}
		if count > math.MaxInt32/8 {
			return fmt.Errorf("run of %d groups", count)
		}
		h.packed, h.start, h.used, h.left = true, h.pos, 0, int(count)*8
		h.bytes = int(count) * int(h.width)
		if rest := len(h.src) - h.pos; h.bytes > rest {
			// Some writers cut the padding of the last group.
			h.bytes = rest
			if h.width > 0 {
				h.left = min(h.left, rest*8/int(h.width))
			}
			if h.left == 0 {
				return errLevelsEnd
			}
		}
		return nil
	}
}

func (h *hybrid) repeated(count int) error {
	n := (int(h.width) + 7) / 8
	if n > len(h.src)-h.pos {
		return errLevelsEnd
	}
	var v uint32
	for i := range n {
		v |= uint32(h.src[h.pos+i]) << (8 * i)
	}
	h.pos += n
	if h.width < 32 && v>>h.width != 0 {
		return fmt.Errorf("run of value %d in %d bits", v, h.width)
	}
	h.packed, h.value, h.left = false, v, count
	return nil
}

// repeats takes k values if they all are of one repeated run.
func (h *hybrid) repeats(k int) (v uint32, ok bool, err error) {
	if h.left == 0 && k > 0 {
		if err := h.run(); err != nil {
			return 0, false, err
		}
	}
	if h.packed || h.left < k {
		return 0, false, nil
	}
	h.left -= k
	return h.value, true, nil
}

// at returns value i of a bit-packed run.
func (h *hybrid) at(i int) uint32 {
	bit := i * int(h.width)
	p := h.start + bit>>3
	var w [8]byte
	copy(w[:], h.src[p:min(p+8, len(h.src))])
	return uint32(binary.LittleEndian.Uint64(w[:]) >> (bit & 7) & (1<<h.width - 1))
}

// levels fills dst.
func (h *hybrid) levels(dst []uint8) error {
	for len(dst) > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
		}
		k := min(h.left, len(dst))
		if h.packed {
			h.unpackLevels(dst[:k])
			h.used += k
		} else {
			fill(dst[:k], uint8(h.value))
		}
		h.left -= k
		dst = dst[k:]
	}
	return nil
}

func (h *hybrid) unpackLevels(dst []uint8) {
	i := h.used
	for ; len(dst) > 0 && i&7 != 0; i++ {
		dst[0] = uint8(h.at(i))
		dst = dst[1:]
	}
	src := h.src[h.start+i/8*int(h.width):]
	switch {
	case h.width == 1:
		for len(dst) >= 8 {
			binary.LittleEndian.PutUint64(dst, spreadBits(src[0]))
			src, dst = src[1:], dst[8:]
			i += 8
		}
	case h.width <= 8:
		mask := uint64(1)<<h.width - 1
		for len(dst) >= 8 && len(src) >= 8 {
			w := binary.LittleEndian.Uint64(src)
			for j := range 8 {
				dst[j] = uint8(w & mask)
				w >>= h.width
			}
			src, dst = src[h.width:], dst[8:]
			i += 8
		}
	}
	for ; len(dst) > 0; i++ {
		dst[0] = uint8(h.at(i))
		dst = dst[1:]
	}
}

// spreadBits turns 8 bits into 8 bytes of 0 or 1, the lowest bit first.
func spreadBits(b byte) uint64 {
	x := uint64(b) * 0x0101010101010101 & 0x8040201008040201
	return (x + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101
}

// gatherBits is the inverse of spreadBits.
func gatherBits(x uint64) byte { return byte(x * 0x0102040810204080 >> 56) }

func fill(dst []uint8, v uint8) {
	if v == 0 {
		clear(dst)
		return
	}
	for i := range dst {
		dst[i] = v
	}
}

// indexes fills dst with values below limit.
func (h *hybrid) indexes(dst []uint32, limit uint32) error {
	for len(dst) > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
		}
		k := min(h.left, len(dst))
		if h.packed {
			if err := h.unpackIndexes(dst[:k], limit); err != nil {
				return err
			}
			h.used += k
		} else {
			if h.value >= limit {
				return fmt.Errorf("dictionary index %d of %d", h.value, limit)
			}
			for i := range dst[:k] {
				dst[i] = h.value
			}
		}
		h.left -= k
		dst = dst[k:]
	}
	return nil
}

func (h *hybrid) unpackIndexes(dst []uint32, limit uint32) error {
	all, i := dst, h.used
	for ; len(dst) > 0 && i&7 != 0; i++ {
		dst[0] = h.at(i)
		dst = dst[1:]
	}
	if len(dst) > 0 {
		p := h.start + i/8*int(h.width)
		n := (len(dst)*int(h.width) + 7) / 8
		unpackBits(unsafe.Slice((*int32)(unsafe.Pointer(&dst[0])), len(dst)), h.src[p:p+n], h.width)
	}
	if h.width < 32 && uint64(limit) >= 1<<h.width {
		return nil
	}
	top := uint32(0)
	for _, v := range all {
		top = max(top, v)
	}
	if top >= limit {
		return fmt.Errorf("dictionary index %d of %d", top, limit)
	}
	return nil
}

// unpackBits unpacks len(dst) values. The source is copied if it has not the
// room behind it that bitpack wants to read.
func unpackBits[T int32 | int64](dst []T, src []byte, width uint) {
	if width == 0 {
		clear(dst)
		return
	}
	const pad = bitpack.PaddingInt64
	if cap(src)-len(src) >= pad {
		src = src[:len(src)+pad]
	} else {
		src = append(make([]byte, 0, len(src)+pad), src...)[:len(src)+pad]
	}
	bitpack.Unpack(dst, src, width)
}

// skip passes over k values.
func (h *hybrid) skip(k int) error {
	for k > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
		}
		n := min(k, h.left)
		h.used += n
		h.left -= n
		k -= n
	}
	return nil
}

// bitPackedLevels decodes the deprecated BIT_PACKED encoding of levels, most
// significant bit first, and returns the bytes it took.
func bitPackedLevels(dst []uint8, src []byte, width int) (int, error) {
	n := (len(dst)*width + 7) / 8
	if n > len(src) {
		return 0, errLevelsEnd
	}
	bit := 0
	for i := range dst {
		v := uint8(0)
		for range width {
			v = v<<1 | src[bit>>3]>>(7-bit&7)&1
			bit++
		}
		dst[i] = v
	}
	return n, nil
}
