package metadata

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Bounds on metadata files, so that a hostile one cannot exhaust memory.
const (
	maxPacked = 64 << 20
	maxRaw    = 512 << 20
	// maxRatio bounds unpacked to packed bytes, beyond a free first MiB.
	maxRatio  = 1000
	freeBytes = 1 << 20
)

// unpack returns the JSON of a file: the codec is told by the first bytes, since
// names lie. The result shares no memory with data.
func unpack(data []byte) ([]byte, error) {
	var r io.Reader
	switch {
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		gz, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		r = gz
	case bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		defer z.Close()
		r = z
	default:
		if len(data) > maxRaw {
			return nil, fmt.Errorf("%d bytes of JSON, at most %d are read", len(data), maxRaw)
		}
		return bytes.Clone(data), nil
	}
	if len(data) > maxPacked {
		return nil, fmt.Errorf("%d compressed bytes, at most %d are read", len(data), maxPacked)
	}
	limit := min(int64(len(data))*maxRatio+freeBytes, maxRaw)
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if n > limit {
		return nil, fmt.Errorf("decompresses to more than %d bytes", limit)
	}
	return out.Bytes(), nil
}
