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
