package testenv

import "github.com/apache/arrow-go/v18/arrow/memory"

// DirtyMemory is an allocator whose memory is never zero, as recycled memory is
// not, and which spoils what is freed: what takes new memory to be zero reads
// garbage, and so does what is used after its release.
type DirtyMemory struct{ memory.GoAllocator }

// Allocate returns memory that is full of garbage.
func (d *DirtyMemory) Allocate(size int) []byte { return spoil(d.GoAllocator.Allocate(size), 0xa5) }

// Reallocate returns other memory with the content of b and garbage behind it.
func (d *DirtyMemory) Reallocate(size int, b []byte) []byte {
	n := d.Allocate(size)
	copy(n, b)
	d.Free(b)
	return n
}

// Free spoils b.
func (d *DirtyMemory) Free(b []byte) { spoil(b[:cap(b)], 0x5a) }

func spoil(b []byte, with byte) []byte {
	for i := range b {
		b[i] = with
	}
	return b
}
