package puffin

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/frazildb/frazil/objstore"
)

// tailRead is how much of a file's end is read at once: most footers fit.
const tailRead = 16 << 10

// ReadFooter reads and validates a file's footer: every blob it names lies
// between the file's head and the footer.
func ReadFooter(ctx context.Context, o objstore.Object) (*Footer, error) {
	f, err := readFooter(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("puffin file %s: %w", o.URI(), err)
	}
	return f, nil
}

func readFooter(ctx context.Context, o objstore.Object) (*Footer, error) {
	size := o.Size()
	if size < int64(2*headSize+trailerSize) {
		return nil, fmt.Errorf("%d bytes are too few: %w", size, ErrMalformed)
	}
	tail := make([]byte, min(size, tailRead))
	if err := ReadFull(ctx, o, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	trailer := tail[len(tail)-trailerSize:]
	if string(trailer[8:]) != magic {
		return nil, fmt.Errorf("no magic at the end: %w", ErrMalformed)
	}
	n := int64(int32(binary.LittleEndian.Uint32(trailer)))
	start := size - trailerSize - n - int64(headSize)
	if n < 0 || n > maxFooter || start < int64(headSize) {
		return nil, fmt.Errorf("footer payload of %d bytes in a file of %d: %w", n, size, ErrMalformed)
	}
	flags := trailer[4:8]
	if flags[0]&^flagCompressed != 0 || flags[1]|flags[2]|flags[3] != 0 {
		return nil, fmt.Errorf("unknown footer flags %x: %w", flags, ErrMalformed)
	}
	foot := tail
	if from := start - (size - int64(len(tail))); from >= 0 {
		foot = tail[from:]
	} else {
		foot = make([]byte, size-start)
		if err := ReadFull(ctx, o, foot, start); err != nil {
			return nil, err
		}
	}
	if string(foot[:headSize]) != magic {
		return nil, fmt.Errorf("no magic before the footer: %w", ErrMalformed)
	}
	payload := foot[headSize : int64(headSize)+n]
	if flags[0]&flagCompressed != 0 {
		var err error
		if payload, err = decompress(CodecLZ4, payload, maxFooter); err != nil {
			return nil, fmt.Errorf("footer: %w", err)
		}
	}
	f, err := parseFooter(payload, start)
	if err != nil {
		return nil, err
	}
	f.Size = size - start
	return f, nil
}

// parseFooter decodes a footer payload; blobs must lie before end.
func parseFooter(payload []byte, end int64) (*Footer, error) {
	var f Footer
	if err := json.Unmarshal(payload, &f); err != nil {
		return nil, fmt.Errorf("footer: %w: %w", ErrMalformed, err)
	}
	if len(f.Blobs) > maxBlobs {
		return nil, fmt.Errorf("%d blobs are too many: %w", len(f.Blobs), ErrMalformed)
	}
	for i, b := range f.Blobs {
		if b.Offset < int64(headSize) || b.Length < 0 || b.Offset > end || b.Length > end-b.Offset {
			return nil, fmt.Errorf("blob %d at %d+%d is outside the file: %w", i, b.Offset, b.Length, ErrMalformed)
		}
	}
	return &f, nil
}

// ReadBlob reads a blob and decompresses it; limit bounds its size in bytes,
// stored and decompressed, 0 is 1 GiB. The blob's place need not come from a
// footer: it is checked against the object's size.
func ReadBlob(ctx context.Context, o objstore.Object, b Blob, limit int64) ([]byte, error) {
	data, err := readBlob(ctx, o, b, limit)
	if err != nil {
		return nil, fmt.Errorf("puffin file %s: blob at %d+%d: %w", o.URI(), b.Offset, b.Length, err)
	}
	return data, nil
}

func readBlob(ctx context.Context, o objstore.Object, b Blob, limit int64) ([]byte, error) {
	if limit <= 0 {
		limit = defaultBlobLimit
	}
	size := o.Size()
	switch {
	case b.Offset < 0 || b.Length < 0:
		return nil, fmt.Errorf("negative place: %w", ErrMalformed)
	case b.Offset > size || b.Length > size-b.Offset:
		return nil, fmt.Errorf("past the file's end at %d: %w", size, io.ErrUnexpectedEOF)
	case b.Length > limit:
		return nil, fmt.Errorf("larger than the limit of %d bytes: %w", limit, ErrMalformed)
	}
	data := make([]byte, b.Length)
	if err := ReadFull(ctx, o, data, b.Offset); err != nil {
		return nil, err
	}
	if b.Codec == "" {
		return data, nil
	}
	return decompress(b.Codec, data, limit)
}

// decompress undoes codec; more than limit bytes are an error.
func decompress(codec string, data []byte, limit int64) ([]byte, error) {
	var r io.Reader
	switch codec {
	case CodecLZ4:
		r = lz4.NewReader(bytes.NewReader(data))
	case CodecZstd:
		z, err := zstd.NewReader(bytes.NewReader(data),
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)+1))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		defer z.Close()
		r = z
	default:
		return nil, fmt.Errorf("unknown compression codec %q: %w", codec, ErrMalformed)
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", codec, ErrMalformed, err)
	}
	if int64(len(out)) > limit {
		return nil, fmt.Errorf("%s: decompresses to more than %d bytes: %w", codec, limit, ErrMalformed)
	}
	return out, nil
}

// ReadFull reads all of p at off; fewer bytes are io.ErrUnexpectedEOF.
func ReadFull(ctx context.Context, o objstore.Object, p []byte, off int64) error {
	n, err := o.ReadAt(ctx, p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d, got %d: %w", len(p), off, n, err)
}
