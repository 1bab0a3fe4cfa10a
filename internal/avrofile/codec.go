package avrofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// Codec is the compression of a container's blocks.
type Codec uint8

// The codecs.
const (
	Null Codec = iota
	Deflate
	Snappy
	Zstandard
)

// ParseCodec reads a codec's name: Avro's own, or the one of table properties
// (gzip, zstd, none, uncompressed). The empty name is Null.
func ParseCodec(name string) (Codec, error) {
	switch strings.ToLower(name) {
	case "", "null", "none", "uncompressed":
		return Null, nil
	case "deflate", "gzip":
		return Deflate, nil
	case "snappy":
		return Snappy, nil
	case "zstandard", "zstd":
		return Zstandard, nil
	}
	return Null, fmt.Errorf("avro codec %.40q is not supported", name)
}

// String returns Avro's name of the codec.
func (c Codec) String() string {
	return [...]string{"null", "deflate", "snappy", "zstandard"}[c]
}

var errTooLarge = errors.New("decompressed block is too large")

// flate and zstd coders are large (40 KB to 1 MB) beside a small manifest, so
// they are pooled.
var (
	flateReaders sync.Pool
	flateWriters sync.Pool
	zstdReaders  sync.Pool
	zstdWriters  sync.Pool
)

// decompressor holds the buffers of one Reader.
type decompressor struct {
	buf  []byte
	src  bytes.Reader
	zstd *zstd.Decoder
}

func (d *decompressor) close() {
	if d.zstd != nil {
		zstdReaders.Put(d.zstd)
		d.zstd = nil
	}
	d.buf = nil
}

// decompress returns raw decompressed, at most limit bytes; valid until the
// next call.
func (d *decompressor) decompress(c Codec, raw []byte, limit int) ([]byte, error) {
	switch c {
	case Null:
		if len(raw) > limit {
			return nil, errTooLarge
		}
		return raw, nil
	case Deflate:
		return d.inflate(raw, limit)
	case Snappy:
		return d.unsnappy(raw, limit)
	default:
		return d.unzstd(raw, limit)
	}
}

func (d *decompressor) inflate(raw []byte, limit int) ([]byte, error) {
	d.src.Reset(raw)
	fr, ok := flateReaders.Get().(io.ReadCloser)
	if !ok {
		fr = flate.NewReader(&d.src)
	} else if err := fr.(flate.Resetter).Reset(&d.src, nil); err != nil {
		return nil, err
	}
	defer flateReaders.Put(fr)
	// Grows with what really comes out, never by what is claimed.
	buf := d.buf[:0]
	if cap(buf) == 0 {
		buf = make([]byte, 0, min(max(4*len(raw), 4096), limit, 1<<20))
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := fr.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return nil, errTooLarge
		}
		if err == io.EOF {
			d.buf = buf
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (d *decompressor) unsnappy(raw []byte, limit int) ([]byte, error) {
	if len(raw) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	body, sum := raw[:len(raw)-4], binary.BigEndian.Uint32(raw[len(raw)-4:])
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return nil, err
	}
	// Snappy expands at most about 64 times: two bytes copy 64.
	if n > limit || n > 64*len(body)+64 {
		return nil, errTooLarge
	}
	if cap(d.buf) < n {
		d.buf = make([]byte, n)
	}
	out, err := snappy.Decode(d.buf[:n], body)
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(out) != sum {
		return nil, errors.New("checksum mismatch")
	}
	return out, nil
}

func (d *decompressor) unzstd(raw []byte, limit int) ([]byte, error) {
	if d.zstd == nil {
		dec, ok := zstdReaders.Get().(*zstd.Decoder)
		if !ok {
			var err error
			dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
			if err != nil {
				return nil, err
			}
		}
		d.zstd = dec
	}
	d.src.Reset(raw)
	if err := d.zstd.Reset(&d.src); err != nil {
		return nil, err
	}
	buf := bytes.NewBuffer(d.buf[:0])
	n, err := io.Copy(buf, io.LimitReader(d.zstd, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if n > int64(limit) {
		return nil, errTooLarge
	}
	d.buf = buf.Bytes()
	return d.buf, nil
}

// compress appends raw compressed to dst.
func compress(c Codec, dst, raw []byte) ([]byte, error) {
	switch c {
	case Null:
		return append(dst, raw...), nil
	case Deflate:
		out := bytes.NewBuffer(dst)
		fw, ok := flateWriters.Get().(*flate.Writer)
		if !ok {
			var err error
			if fw, err = flate.NewWriter(out, flate.DefaultCompression); err != nil {
				return nil, err
			}
		} else {
			fw.Reset(out)
		}
		defer flateWriters.Put(fw)
		if _, err := fw.Write(raw); err != nil {
			return nil, err
		}
		if err := fw.Close(); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	case Snappy:
		enc := snappy.Encode(nil, raw)
		return binary.BigEndian.AppendUint32(append(dst, enc...), crc32.ChecksumIEEE(raw)), nil
	default:
		enc, ok := zstdWriters.Get().(*zstd.Encoder)
		if !ok {
			var err error
			enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
			if err != nil {
				return nil, err
			}
		}
		defer zstdWriters.Put(enc)
		return enc.EncodeAll(raw, dst), nil
	}
}
