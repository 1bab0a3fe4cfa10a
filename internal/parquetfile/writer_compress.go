package parquetfile

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/brotli"
	"github.com/parquet-go/parquet-go/compress/gzip"
	"github.com/parquet-go/parquet-go/compress/lz4"
	"github.com/parquet-go/parquet-go/format"
)

// compressor compresses page bodies; it is shared by a writer's goroutines.
// dst is memory to reuse.
type compressor func(dst, src []byte) ([]byte, error)

// newCompressor returns the compressor of a codec, and its format name.
func newCompressor(c Codec, level, concurrency int) (compressor, format.CompressionCodec, error) {
	switch c {
	case Zstd:
		if level == 0 {
			level = 1
		}
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
			zstd.WithEncoderConcurrency(concurrency), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, 0, fmt.Errorf("zstd: %w", err)
		}
		return func(dst, src []byte) ([]byte, error) { return e.EncodeAll(src, dst[:0]), nil }, format.Zstd, nil
	case Snappy:
		return func(dst, src []byte) ([]byte, error) { return s2.EncodeSnappy(dst[:cap(dst)], src), nil }, format.Snappy, nil
	case Uncompressed:
		return func(_, src []byte) ([]byte, error) { return src, nil }, format.Uncompressed, nil
	case Gzip:
		if level == 0 {
			level = gzip.DefaultCompression
		}
		return encodeWith(&gzip.Codec{Level: level}), format.Gzip, nil
	case LZ4Raw:
		codec := &lz4.Codec{Level: lz4.Fast}
		return encodeWith(codec), format.Lz4Raw, nil
	case Brotli:
		if level == 0 {
			level = brotli.DefaultQuality
		}
		return encodeWith(&brotli.Codec{Quality: level, LGWin: brotli.DefaultLGWin}), format.Brotli, nil
	}
	return nil, 0, fmt.Errorf("codec %d is not known", c)
}

func encodeWith(c compress.Codec) compressor {
	return func(dst, src []byte) ([]byte, error) { return c.Encode(dst[:0], src) }
}

// worker is the scratch memory of one encoding goroutine.
type worker struct {
	raw, packed []byte
	thrift      thriftWriter
	encode      compressor
}

// compress returns the compressed body, valid until the next call.
func (wk *worker) compress(raw []byte) ([]byte, error) {
	out, err := wk.encode(wk.packed, raw)
	if err == nil && (len(out) == 0 || len(raw) == 0 || &out[0] != &raw[0]) {
		wk.packed = out
	}
	return out, err
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
