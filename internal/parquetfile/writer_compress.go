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

// compressor compresses page bodies for one goroutine. dst is memory to reuse.
type compressor func(dst, src []byte) ([]byte, error)

// compression is a codec at a level.
type compression struct {
	codec  Codec
	level  int
	format format.CompressionCodec
}

// newCompression checks a codec and its level; 0 is the codec's default.
func newCompression(c Codec, level int) (compression, error) {
	formats := map[Codec]format.CompressionCodec{
		Zstd: format.Zstd, Snappy: format.Snappy, Gzip: format.Gzip,
		Uncompressed: format.Uncompressed, LZ4Raw: format.Lz4Raw, Brotli: format.Brotli,
	}
	f, ok := formats[c]
	if !ok {
		return compression{}, fmt.Errorf("codec %d is not known", c)
	}
	switch {
	case level != 0:
	case c == Zstd:
		level = 1
	case c == Gzip:
		level = gzip.DefaultCompression
	case c == Brotli:
		level = brotli.DefaultQuality
	}
	return compression{codec: c, level: level, format: f}, nil
}

// start returns a compressor, and a function that gives back its memory.
func (c compression) start() (compressor, func(), error) {
	switch c.codec {
	case Zstd:
		return startZstd(zstd.EncoderLevelFromZstd(c.level))
	case Snappy:
		return func(dst, src []byte) ([]byte, error) { return s2.EncodeSnappy(dst[:cap(dst)], src), nil }, nil, nil
	case Gzip:
		return encodeWith(&gzip.Codec{Level: c.level}), nil, nil
	case LZ4Raw:
		return encodeWith(&lz4.Codec{Level: lz4.Fast}), nil, nil
	case Brotli:
		return encodeWith(&brotli.Codec{Quality: c.level, LGWin: brotli.DefaultLGWin}), nil, nil
	}
	return func(_, src []byte) ([]byte, error) { return src, nil }, nil, nil
}

// zstdEncoders keeps idle encoders by level: making one takes half a megabyte,
// far more than a small file.
var zstdEncoders [zstd.SpeedBestCompression + 1]sync.Pool

func startZstd(level zstd.EncoderLevel) (compressor, func(), error) {
	pool := &zstdEncoders[level]
	e, ok := pool.Get().(*zstd.Encoder)
	if !ok {
		var err error
		// The window comes before the level, which else halves the blocks: a page
		// mostly fits into one. Values without repeats, like UUIDs as text, still
		// get Huffman codes.
		e, err = zstd.NewWriter(nil, zstd.WithWindowSize(1<<20), zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", err)
		}
	}
	return func(dst, src []byte) ([]byte, error) { return e.EncodeAll(src, dst[:0]), nil }, func() { pool.Put(e) }, nil
}

func encodeWith(c compress.Codec) compressor {
	return func(dst, src []byte) ([]byte, error) { return c.Encode(dst[:0], src) }
}

// worker is the scratch memory of one encoding goroutine.
type worker struct {
	raw, packed []byte
	thrift      thriftWriter
	team        *team
	encode      compressor // made when first needed
	free        func()
}

// compress returns the compressed body, valid until the next call.
func (wk *worker) compress(raw []byte) ([]byte, error) {
	if wk.encode == nil {
		var err error
		if wk.encode, wk.free, err = wk.team.compression.start(); err != nil {
			return nil, err
		}
	}
	out, err := wk.encode(wk.packed, raw)
	if err == nil && !sameMemory(out, raw) {
		wk.packed = out
	}
	return out, err
}

// release gives back what the worker borrowed.
func (wk *worker) release() {
	if wk.free != nil {
		wk.free()
	}
	wk.encode, wk.free = nil, nil
}
