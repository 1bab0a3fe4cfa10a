package deletes

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The portable layout of a 32-bit roaring bitmap (RoaringFormatSpec):
//
//	cookie      12347 | (containers-1)<<16, then a bit a container: it is a run
//	            container; or 12346 and the number of containers, 4 bytes
//	headers     per container: key, cardinality-1   2 bytes each
//	offsets     4 bytes a container; not with runs and fewer than 4 containers
//	containers  runs:    count, then start and length-1 of each
//	            array:   values, when cardinality ≤ 4096
//	            bitset:  8192 bytes
const (
	cookieRuns    = 12347
	cookieNoRuns  = 12346
	maxArray      = 4096
	bitsetBytes   = 8192
	noOffsetsRuns = 4
)

// checkRoaring validates the bitmap at the start of b and returns its size. The
// roaring library checks lengths only, and its Validate is quadratic in the
// number of runs; a bitmap with values out of order would delete wrong rows.
func checkRoaring(b []byte) (int, error) {
	n, isRun, off, err := roaringHead(b)
	if err != nil {
		return 0, err
	}
	if len(b)-off < 4*n {
		return 0, fmt.Errorf("%d containers in %d bytes", n, len(b)-off)
	}
	heads := b[off : off+4*n]
	off += 4 * n
	if isRun == nil || n >= noOffsetsRuns {
		if len(b)-off < 4*n {
			return 0, fmt.Errorf("no room for offsets of %d containers", n)
		}
		off += 4 * n
	}
	last := -1
	for i := range n {
		key := int(binary.LittleEndian.Uint16(heads[4*i:]))
		card := int(binary.LittleEndian.Uint16(heads[4*i+2:])) + 1
		if key <= last {
			return 0, fmt.Errorf("container %d: key %d does not ascend", i, key)
		}
		last = key
		check := checkBitset
		switch {
		case isRun != nil && isRun[i/8]>>(i%8)&1 != 0:
			check = checkRuns
		case card <= maxArray:
			check = checkArray
		}
		size, err := check(b[off:], card)
		if err != nil {
			return 0, fmt.Errorf("container %d: %w", i, err)
		}
		off += size
	}
	return off, nil
}

// roaringHead reads the cookie: the number of containers, which of them are runs
// (nil: none, in the layout without runs) and where the headers start.
func roaringHead(b []byte) (n int, isRun []byte, off int, err error) {
	if len(b) < 4 {
		return 0, nil, 0, fmt.Errorf("no cookie in %d bytes", len(b))
	}
	cookie := binary.LittleEndian.Uint32(b)
	switch {
	case cookie&0xffff == cookieRuns:
		n = int(cookie>>16) + 1
		off = 4 + (n+7)/8
		if len(b) < off {
			return 0, nil, 0, fmt.Errorf("%d containers in %d bytes", n, len(b))
		}
		return n, b[4:off], off, nil
	case cookie == cookieNoRuns:
		if len(b) < 8 {
			return 0, nil, 0, fmt.Errorf("no container count in %d bytes", len(b))
		}
		count := binary.LittleEndian.Uint32(b[4:])
		if count > 1<<16 {
			return 0, nil, 0, fmt.Errorf("%d containers", count)
		}
		return int(count), nil, 8, nil
	}
	return 0, nil, 0, fmt.Errorf("cookie is %d", cookie)
}

func checkRuns(b []byte, card int) (int, error) {
	if len(b) < 2 {
		return 0, fmt.Errorf("no run count")
	}
	n := int(binary.LittleEndian.Uint16(b))
	size := 2 + 4*n
	if len(b) < size {
		return 0, fmt.Errorf("%d runs in %d bytes", n, len(b))
	}
	end, total := -1, 0
	for i := range n {
		start := int(binary.LittleEndian.Uint16(b[2+4*i:]))
		length := int(binary.LittleEndian.Uint16(b[4+4*i:])) + 1
		if start <= end {
			return 0, fmt.Errorf("run %d at %d does not ascend", i, start)
		}
		if start+length > 1<<16 {
			return 0, fmt.Errorf("run %d at %d of %d is too long", i, start, length)
		}
		end = start + length - 1
		total += length
	}
	if total != card {
		return 0, fmt.Errorf("runs hold %d values, not %d", total, card)
	}
	return size, nil
}

func checkArray(b []byte, card int) (int, error) {
	if len(b) < 2*card {
		return 0, fmt.Errorf("%d values in %d bytes", card, len(b))
	}
	last := -1
	for i := range card {
		v := int(binary.LittleEndian.Uint16(b[2*i:]))
		if v <= last {
			return 0, fmt.Errorf("value %d does not ascend", v)
		}
		last = v
	}
	return 2 * card, nil
}

func checkBitset(b []byte, card int) (int, error) {
	if len(b) < bitsetBytes {
		return 0, fmt.Errorf("bitset in %d bytes", len(b))
	}
	n := 0
	for i := 0; i < bitsetBytes; i += 8 {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b[i:]))
	}
	if n != card {
		return 0, fmt.Errorf("bitset holds %d values, not %d", n, card)
	}
	return bitsetBytes, nil
}
