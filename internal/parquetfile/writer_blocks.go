package parquetfile

import "sync"

// blockSize is the size of a chunk's blocks of memory.
const blockSize = 128 << 10

// chunkBuf collects bytes in blocks, so that growing copies nothing. The first
// block grows from nothing, for the many small chunks.
type chunkBuf struct {
	first []byte
	more  [][]byte
	size  int64
	pool  *blockPool
}

func (b *chunkBuf) write(p []byte) {
	b.size += int64(len(p))
	if len(b.more) == 0 {
		if len(b.first)+len(p) <= blockSize || b.pool == nil {
			b.first = append(b.first, p...)
			return
		}
		b.more = append(b.more, b.pool.get())
	}
	for len(p) > 0 {
		last := &b.more[len(b.more)-1]
		if len(*last) == cap(*last) {
			b.more = append(b.more, b.pool.get())
			continue
		}
		n := min(len(p), cap(*last)-len(*last))
		*last = append(*last, p[:n]...)
		p = p[n:]
	}
}

func (b *chunkBuf) release(pool *blockPool) {
	pool.put(b.more)
	b.first, b.more, b.size, b.pool = b.first[:0], b.more[:0], 0, pool
}

// idleBlocks keeps blocks between writers.
var idleBlocks sync.Pool // of *[blockSize]byte

// blockPool keeps free blocks of a writer.
type blockPool struct {
	mu   sync.Mutex
	free [][]byte
}

func (p *blockPool) get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	if b, ok := idleBlocks.Get().(*[blockSize]byte); ok {
		return b[:0]
	}
	return make([]byte, 0, blockSize)
}

func (p *blockPool) put(blocks [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range blocks {
		p.free = append(p.free, blocks[i][:0])
		blocks[i] = nil
	}
}

// release hands the free blocks to other writers.
func (p *blockPool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.free {
		idleBlocks.Put((*[blockSize]byte)(b[:blockSize]))
	}
	p.free = nil
}

// hashList collects the hashes of a chunk's values in blocks.
type hashList struct {
	full [][]uint64
	last []uint64
	n    int
	pool *blockPool
}

const hashBlock = blockSize / 8

// room returns memory for between 1 and n more hashes, which become part of the
// list.
func (h *hashList) room(n int) []uint64 {
	if len(h.last) == cap(h.last) {
		h.grow()
	}
	at := len(h.last)
	n = min(n, cap(h.last)-at)
	h.last = h.last[:at+n]
	h.n += n
	return h.last[at:]
}

func (h *hashList) add(x uint64) { h.room(1)[0] = x }

// grow makes room in last: it doubles up to the size of a block, then blocks
// follow.
func (h *hashList) grow() {
	switch c := cap(h.last); {
	case c == hashBlock:
		h.full = append(h.full, h.last)
		h.last = castBytes[uint64](h.pool.get()[:blockSize])[:0]
	case c*4 >= hashBlock:
		h.last = append(castBytes[uint64](h.pool.get()[:blockSize])[:0], h.last...)
	default:
		h.last = append(make([]uint64, 0, max(64, 4*c)), h.last...)
	}
}

// blocks returns the hashes.
func (h *hashList) blocks() [][]uint64 {
	if len(h.last) == 0 {
		return h.full
	}
	return append(h.full, h.last)
}

func (h *hashList) release(pool *blockPool) {
	for _, b := range h.full {
		pool.put([][]byte{uint64Bytes(b)})
	}
	if cap(h.last) == hashBlock {
		pool.put([][]byte{uint64Bytes(h.last)})
	}
	*h = hashList{pool: pool}
}

func uint64Bytes(b []uint64) []byte { return rawBytes(b[:hashBlock]) }
