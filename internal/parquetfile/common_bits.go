package parquetfile

import (
	"encoding/binary"
	"unsafe"
)

// loadBits returns n ≤ 64 bits of an Arrow bitmap from bit at on, the rest zero.
func loadBits(b []byte, at, n int) uint64 {
	i, s := at>>3, uint(at&7)
	var w uint64
	if i+9 <= len(b) {
		w = binary.LittleEndian.Uint64(b[i:]) >> s
		if s > 0 {
			w |= uint64(b[i+8]) << (64 - s)
		}
	} else {
		for k := 0; k < 9 && i+k < len(b); k++ {
			if k < 8 {
				w |= uint64(b[i+k]) << (8 * k) >> s
			} else if s > 0 {
				w |= uint64(b[i+k]) << (64 - s)
			}
		}
	}
	if n < 64 {
		w &= 1<<n - 1
	}
	return w
}

// castSlice views a slice of fixed-size values as another type of the same size.
func castSlice[To, From any](v []From) []To {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*To)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}

// rawBytes views fixed-size values as their bytes in memory, which are PLAIN
// on the little-endian machines this package is for.
func rawBytes[T uint32 | uint64 | int32 | int64](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	var z T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(z)))
}

// castBytes views memory as values of a fixed-size type.
func castBytes[U any](b []byte) []U {
	var z U
	n := len(b) / int(unsafe.Sizeof(z))
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*U)(unsafe.Pointer(unsafe.SliceData(b))), n)
}
