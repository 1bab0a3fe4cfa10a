package parquetfile

import (
	"math/bits"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// recycler is the allocator of a Cursor whose caller brought none: buffers of
// released batches serve the next ones, so that a scan's memory stays that of a
// few batches and is not cleared again and again. Its methods may be called
// concurrently, as batches may be released anywhere.
type recycler struct {
	mu struct {
		sync.Mutex
		free  [40][][]byte // by the logarithm of the size
		bytes int
	}
}

// Buffers below the first class are left to the collector; those kept are
// bounded by count and bytes.
const (
	recycleMin   = 1 << 12
	recycleBytes = 64 << 20
)

var _ memory.Allocator = (*recycler)(nil)

// NewRecycler returns an allocator for ReadOptions that several cursors may
// share, like the one that a cursor has by itself. What it allocates is not
// cleared, so it serves nothing else.
func NewRecycler() memory.Allocator { return new(recycler) }

// class returns the class whose buffers hold size bytes. There are four classes
// to a doubling.
func class(size int) (c, capacity int) {
	if size < recycleMin {
		return -1, size
	}
	shift := bits.Len(uint(size-1)) - 3
	capacity = (size + 1<<shift - 1) >> shift << shift
	return bits.Len(uint(capacity-1)) - 1, capacity
}

// Allocate returns a buffer whose content is arbitrary; with the race detector it
// is never zero, so that whoever relies on that is found out.
func (r *recycler) Allocate(size int) []byte {
	b := r.allocate(size)
	if dirtyMemory {
		for i := range b {
			b[i] = 0xa5
		}
	}
	return b
}

func (r *recycler) allocate(size int) []byte {
	c, capacity := class(size)
	if c < 0 {
		return make([]byte, size)
	}
	if c < len(r.mu.free) {
		r.mu.Lock()
		list := r.mu.free[c]
		for i := len(list) - 1; i >= 0; i-- {
			if b := list[i]; cap(b) >= size {
				list[i] = list[len(list)-1]
				r.mu.free[c] = list[:len(list)-1]
				r.mu.bytes -= cap(b)
				r.mu.Unlock()
				return b[:size]
			}
		}
		r.mu.Unlock()
	}
	return make([]byte, size, capacity)
}

// Reallocate returns a buffer of another size with the content of b.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if cap(b) >= size {
		return b[:size]
	}
	n := r.Allocate(size)
	copy(n, b)
	r.Free(b)
	return n
}

// Free takes a buffer back.
func (r *recycler) Free(b []byte) {
	if cap(b) < recycleMin {
		return
	}
	c := bits.Len(uint(cap(b)-1)) - 1
	r.mu.Lock()
	defer r.mu.Unlock()
	if c < len(r.mu.free) && r.mu.bytes+cap(b) <= recycleBytes {
		r.mu.free[c] = append(r.mu.free[c], b)
		r.mu.bytes += cap(b)
	}
}

// growBuf is a byte buffer under construction that becomes an Arrow buffer.
type growBuf struct {
	b []byte // all of it; n bytes are used
	n int
}

// reserve makes room for extra bytes more, and padding behind them.
func (g *growBuf) reserve(mem memory.Allocator, extra int) {
	need := g.n + extra + padding
	if need <= len(g.b) {
		return
	}
	if g.b == nil {
		g.b = mem.Allocate(need)
		return
	}
	g.b = mem.Reallocate(max(need, len(g.b)+len(g.b)/2), g.b)
}

// take turns the buffer into an Arrow buffer of its n bytes and empties it.
func (g *growBuf) take(mem memory.Allocator) *memory.Buffer {
	if g.b == nil {
		g.reserve(mem, 0)
	}
	b := memory.NewBufferWithAllocator(g.b, mem)
	b.ResizeNoShrink(g.n)
	g.b, g.n = nil, 0
	return b
}

// drop frees the buffer.
func (g *growBuf) drop(mem memory.Allocator) {
	if g.b != nil {
		mem.Free(g.b)
		g.b, g.n = nil, 0
	}
}

// byteBuffers recycles the buffers file and page bytes pass through, from one
// file to the next.
var byteBuffers sync.Pool // *[]byte

// getBytes returns a buffer of length n with padding behind it.
func getBytes(n int) []byte {
	if p, _ := byteBuffers.Get().(*[]byte); p != nil {
		if cap(*p) >= n+padding {
			return (*p)[:n]
		}
		byteBuffers.Put(p)
	}
	_, capacity := class(n + padding)
	return make([]byte, n, capacity)
}

// putBytes takes a buffer back.
func putBytes(b []byte) {
	if cap(b) >= recycleMin && cap(b) <= recycleBytes {
		byteBuffers.Put(&b)
	}
}
