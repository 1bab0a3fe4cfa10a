package parquetfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

var errSize = errors.New("decompresses to another size than its header says")

// Decoders are costly to make and hold no state between pages.
var (
	zstdDecoders   sync.Pool // *zstd.Decoder
	gzipDecoders   sync.Pool // *gzip.Reader
	brotliDecoders sync.Pool // *brotli.Reader
)

// decompress fills dst, which must have padding behind it, with exactly what
// src decompresses to. No codec sees a buffer it could make grow.
func decompress(codec format.CompressionCodec, dst, src []byte) error {
	var n int
	var err error
	switch codec {
	case format.Uncompressed:
		n = len(src)
		if n == len(dst) {
			copy(dst, src)
		}
	case format.Snappy:
		n, err = unsnappy(dst, src)
	case format.Zstd:
		n, err = unzstd(dst, src)
	case format.Gzip:
		n, err = ungzip(dst, src)
	case format.Brotli:
		n, err = unbrotli(dst, src)
	case format.Lz4Raw:
		n, err = lz4.UncompressBlock(src, dst)
	case format.Lz4:
		n, err = unlz4(dst, src)
	default:
		return fmt.Errorf("%w: codec %d", ErrUnsupported, codec)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", codec, err)
	}
	if n != len(dst) {
		return fmt.Errorf("%v: %w", codec, errSize)
	}
	return nil
}

func unsnappy(dst, src []byte) (int, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return 0, err
	}
	if n != len(dst) {
		return 0, errSize
	}
	out, err := s2.Decode(dst, src)
	return len(out), err
}

func unzstd(dst, src []byte) (int, error) {
	d, _ := zstdDecoders.Get().(*zstd.Decoder)
	if d == nil {
		var err error
		d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(1<<31))
		if err != nil {
			return 0, err
		}
	}
	defer zstdDecoders.Put(d)
	// Room behind dst lets the decoder copy in whole words.
	out, err := d.DecodeAll(src, dst[:0:min(cap(dst), len(dst)+padding/2)])
	if err == nil && len(out) == len(dst) && len(out) > 0 && &out[0] != &dst[0] {
		copy(dst, out)
	}
	return len(out), err
}

func ungzip(dst, src []byte) (int, error) {
	d, _ := gzipDecoders.Get().(*gzip.Reader)
	if d == nil {
		d = new(gzip.Reader)
	}
	defer gzipDecoders.Put(d)
	if err := d.Reset(bytes.NewReader(src)); err != nil {
		return 0, err
	}
	return readExactly(d, dst)
}

func unbrotli(dst, src []byte) (int, error) {
	d, _ := brotliDecoders.Get().(*brotli.Reader)
	if d == nil {
		d = brotli.NewReader(nil)
	}
	defer brotliDecoders.Put(d)
	if err := d.Reset(bytes.NewReader(src)); err != nil {
		return 0, err
	}
	return readExactly(d, dst)
}

// readExactly fills dst and makes sure nothing follows.
func readExactly(r io.Reader, dst []byte) (int, error) {
	n, err := io.ReadFull(r, dst)
	if err != nil && err != io.EOF {
		return n, err
	}
	var one [1]byte
	for range 16 {
		k, err := r.Read(one[:])
		if k > 0 {
			return n, errSize
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, io.ErrNoProgress
}

// unlz4 decodes the deprecated LZ4 codec: Hadoop's framing of blocks (two
// big-endian lengths before each), and what Arrow wrote before it knew of that,
// a bare block.
func unlz4(dst, src []byte) (int, error) {
	if n, ok := unlz4Hadoop(dst, src); ok {
		return n, nil
	}
	return lz4.UncompressBlock(src, dst)
}

func unlz4Hadoop(dst, src []byte) (int, bool) {
	out := 0
	for len(src) > 0 {
		if len(src) < 8 {
			return 0, false
		}
		raw, packed := binary.BigEndian.Uint32(src), binary.BigEndian.Uint32(src[4:])
		src = src[8:]
		if uint64(raw) > uint64(len(dst)-out) || uint64(packed) > uint64(len(src)) {
			return 0, false
		}
		n, err := lz4.UncompressBlock(src[:packed], dst[out:out+int(raw)])
		if err != nil || n != int(raw) {
			return 0, false
		}
		out += n
		src = src[packed:]
	}
	return out, true
}
