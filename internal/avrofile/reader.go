package avrofile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits bound what a Reader accepts; zero fields mean the defaults.
type Limits struct {
	// Header is the size of the header in bytes, 64 MiB by default.
	Header int
	// Keys is the number of header keys, 4096 by default.
	Keys int
	// Block is the size of one decompressed block in bytes, 64 MiB by default.
	Block int
	// Total is the size of all decompressed blocks in bytes, 1 GiB by default.
	Total int64
}

func (l *Limits) withDefaults() Limits {
	out := Limits{Header: 64 << 20, Keys: 4096, Block: 64 << 20, Total: 1 << 30}
	if l == nil {
		return out
	}
	if l.Header > 0 {
		out.Header = l.Header
	}
	if l.Keys > 0 {
		out.Keys = l.Keys
	}
	if l.Block > 0 {
		out.Block = l.Block
	}
	if l.Total > 0 {
		out.Total = l.Total
	}
	return out
}

// ErrCorrupt is wrapped by errors about malformed containers.
var ErrCorrupt = errors.New("malformed avro container")

// corrupt builds an ErrCorrupt error.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

var magic = []byte("Obj\x01")

const syncSize = 16

// Reader reads a container held in memory. It is not safe for concurrent use.
type Reader struct {
	data   []byte
	off    int
	sync   []byte
	meta   []pair
	codec  Codec
	limits Limits
	total  int64
	block  int
	dec    decompressor
}

type pair struct {
	key   string
	value []byte
}

// NewReader reads the header of a container. data must not change while the
// Reader is in use.
func NewReader(data []byte, limits *Limits) (*Reader, error) {
	r := &Reader{data: data, limits: limits.withDefaults()}
	if len(data) < len(magic) || !bytes.Equal(data[:len(magic)], magic) {
		return nil, corrupt("no magic at the start")
	}
	r.off = len(magic)
	if err := r.readMeta(); err != nil {
		return nil, err
	}
	if len(data)-r.off < syncSize {
		return nil, corrupt("header ends before its sync marker")
	}
	r.sync = data[r.off : r.off+syncSize]
	r.off += syncSize
	name, _ := r.Meta("avro.codec")
	codec, err := ParseCodec(string(name))
	if err != nil {
		return nil, err
	}
	r.codec = codec
	return r, nil
}

// readMeta reads the header's map of byte strings.
func (r *Reader) readMeta() error {
	end := min(len(r.data), r.limits.Header)
	for {
		count, err := r.long(end)
		if err != nil {
			return err
		}
		if count == 0 {
			return nil
		}
		if count < 0 {
			if _, err := r.long(end); err != nil { // size in bytes, not needed
				return err
			}
			count = -count
		}
		// A pair takes two bytes at least, and MinInt64 stays negative.
		if count < 0 || count > int64(end-r.off)/2 || count > int64(r.limits.Keys-len(r.meta)) {
			return corrupt("header claims %d keys", count)
		}
		for range count {
			k, err := r.bytes(end)
			if err != nil {
				return err
			}
			v, err := r.bytes(end)
			if err != nil {
				return err
			}
			r.meta = append(r.meta, pair{string(k), v})
		}
	}
}

func (r *Reader) long(end int) (int64, error) {
	v, n := Varint(r.data[r.off:end])
	if n <= 0 {
		return 0, corrupt("bad integer at byte %d of the file", r.off)
	}
	r.off += n
	return v, nil
}

func (r *Reader) bytes(end int) ([]byte, error) {
	n, err := r.long(end)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > int64(end-r.off) {
		return nil, corrupt("length %d at byte %d of the file exceeds what is left", n, r.off)
	}
	b := r.data[r.off : r.off+int(n)]
	r.off += int(n)
	return b, nil
}

// Meta returns a header value; the last one wins if a key occurs twice.
func (r *Reader) Meta(key string) ([]byte, bool) {
	for i := len(r.meta) - 1; i >= 0; i-- {
		if r.meta[i].key == key {
			return r.meta[i].value, true
		}
	}
	return nil, false
}

// Codec returns the codec of the blocks.
func (r *Reader) Codec() Codec { return r.codec }

// Offset returns where the next block starts: after NewReader the first one.
func (r *Reader) Offset() int { return r.off }

// Sync returns the marker that ends every block.
func (r *Reader) Sync() []byte { return r.sync }

// Decompress returns the objects of a block that the caller has found itself,
// for containers that are not in memory as a whole; valid until the next call.
// Limits.Total is not kept.
func (r *Reader) Decompress(raw []byte) ([]byte, error) {
	b, err := r.dec.decompress(r.codec, raw, r.limits.Block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return b, nil
}

// Next returns the next block decompressed and the number of objects it claims
// to hold, io.EOF after the last. The block is valid until the next call. An
// object may take no bytes (an empty record), so count is bounded by nothing but
// the caller's decoder.
func (r *Reader) Next() (block []byte, count int64, err error) {
	for {
		if r.off == len(r.data) {
			return nil, 0, io.EOF
		}
		count, err = r.long(len(r.data))
		if err != nil {
			return nil, 0, err
		}
		raw, err := r.bytes(len(r.data))
		if err != nil {
			return nil, 0, err
		}
		if count < 0 {
			return nil, 0, corrupt("block %d has %d objects", r.block, count)
		}
		if len(r.data)-r.off < syncSize || !bytes.Equal(r.data[r.off:r.off+syncSize], r.sync) {
			return nil, 0, corrupt("block %d is not followed by the sync marker", r.block)
		}
		r.off += syncSize
		block, err = r.dec.decompress(r.codec, raw, r.limits.Block)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: block %d: %w", ErrCorrupt, r.block, err)
		}
		r.block++
		if r.total += int64(len(block)); r.total > r.limits.Total {
			return nil, 0, corrupt("more than %d bytes in blocks", r.limits.Total)
		}
		if count > 0 {
			return block, count, nil
		}
	}
}

// Close returns buffers for reuse; blocks returned before become invalid.
func (r *Reader) Close() { r.dec.close() }

// Varint decodes a zig-zag varint as Avro writes it and returns its size, 0 or
// negative when b holds none.
func Varint(b []byte) (int64, int) {
	var u uint64
	for i, c := range b {
		if i == 9 && c > 1 {
			return 0, -1
		}
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), i + 1
		}
		if i == 9 {
			return 0, -1
		}
	}
	return 0, 0
}

// AppendVarint appends a zig-zag varint.
func AppendVarint(b []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		b = append(b, byte(u)|0x80)
		u >>= 7
	}
	return append(b, byte(u))
}

// AppendBytes appends a length-prefixed string.
func AppendBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(AppendVarint(b, int64(len(v))), v...)
}
