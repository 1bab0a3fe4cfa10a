// Package avrodata reads Avro data and delete files of Iceberg tables into Arrow
// record batches, columns matched by field id.
//
// It is the one owner of hamba/avro, which parses the writer's schema after its
// length and depth were checked; everything that follows sizes found in a file
// (framing, decompression, values) is done here and in internal/avrofile, where
// each of them is checked against what is left.
package avrodata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/objstore"
)

// Errors of a File; they are wrapped with the file and the column.
var (
	// ErrCorrupt: the file is not valid Avro, or its blocks contradict its schema.
	ErrCorrupt = errors.New("corrupt avro file")
	// ErrTruncated: the file ends within a block. It is an ErrCorrupt too.
	ErrTruncated = fmt.Errorf("truncated: %w", ErrCorrupt)
	// ErrUnsupported: the file uses a feature this reader does not have.
	ErrUnsupported = errors.New("unsupported avro feature")
)

const (
	// wholeFile is the size up to which a file is held in memory; larger ones
	// are read window by window.
	wholeFile = 32 << 20
	window    = 4 << 20
	// maxBlock bounds a block, also after decompression.
	maxBlock  = 256 << 20
	maxHeader = 64 << 20
	maxBlocks = 4 << 20
	// maxRows bounds the rows of a file.
	maxRows = 1 << 40
)

// Block is where a block's objects are, compressed, and which rows they are.
type Block struct {
	Offset         int64
	Size           int
	FirstRow, Rows int64
}

// File is an open Avro file. Its methods may be called concurrently, and any
// number of Cursors may read it at a time.
type File struct {
	o      objstore.Object
	head   []byte // the container's header, or the whole file
	root   *node
	hasIDs bool
	blocks []Block
	rows   int64
}

// Open reads the header of a file and finds its blocks. The File owns o from
// then on, also when Open fails.
func Open(ctx context.Context, o objstore.Object) (f *File, err error) {
	f = &File{o: o}
	defer func() {
		if err != nil {
			_ = o.Close()
			f, err = nil, fmt.Errorf("%s: %w", o.URI(), err)
		}
	}()
	defer guard(&err)
	r, err := f.readHeader(ctx)
	if err != nil {
		return nil, err
	}
	text, ok := r.Meta("avro.schema")
	if !ok {
		return nil, fmt.Errorf("%w: no schema in the header", ErrCorrupt)
	}
	if f.root, f.hasIDs, err = parseSchema(text); err != nil {
		return nil, err
	}
	if f.root.kind != kindRecord {
		return nil, fmt.Errorf("%w: the schema is not a record", ErrCorrupt)
	}
	return f, f.index(ctx, r)
}

// guard turns a panic, which no input should cause, into an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: internal error: %v", ErrCorrupt, p)
	}
}

// readHeader reads as much of the file as has the header, which says itself
// where it ends.
func (f *File) readHeader(ctx context.Context) (*avrofile.Reader, error) {
	size := f.o.Size()
	if size < 4 {
		return nil, fmt.Errorf("%w: %d bytes are no avro file", ErrTruncated, size)
	}
	n := min(size, int64(window))
	if size <= wholeFile {
		n = size
	}
	for {
		f.head = make([]byte, n)
		if err := readFull(ctx, f.o, f.head, 0); err != nil {
			return nil, err
		}
		r, err := f.container()
		switch {
		case err == nil:
			return r, nil
		case n == size && errors.Is(err, avrofile.ErrCorrupt) && bytes.HasPrefix(f.head, []byte("Obj\x01")):
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		case n >= min(size, maxHeader) || !bytes.HasPrefix(f.head, []byte("Obj\x01")):
			if errors.Is(err, avrofile.ErrCorrupt) {
				return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
			return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		n = min(size, maxHeader, 4*n)
	}
}

// container returns a decoder of the file's blocks, for one goroutine.
func (f *File) container() (*avrofile.Reader, error) {
	return avrofile.NewReader(f.head, &avrofile.Limits{Header: maxHeader, Block: maxBlock})
}

// index finds the blocks.
func (f *File) index(ctx context.Context, r *avrofile.Reader) error {
	src := source{f: f}
	size := f.o.Size()
	sync := bytes.Clone(r.Sync())
	off := int64(r.Offset())
	if int64(len(f.head)) < size {
		f.head = bytes.Clone(f.head[:off])
	}
	for off < size {
		head, err := src.at(ctx, off, int(min(20, size-off)))
		if err != nil {
			return err
		}
		count, n := avrofile.Varint(head)
		if n <= 0 {
			return f.torn(off, size)
		}
		length, m := avrofile.Varint(head[n:])
		if m <= 0 {
			return f.torn(off, size)
		}
		b := Block{Offset: off + int64(n+m), FirstRow: f.rows, Rows: count}
		switch {
		case count < 0 || count > maxRows || length < 0:
			return fmt.Errorf("%w: block at byte %d has %d rows in %d bytes", ErrCorrupt, off, count, length)
		case length > size-b.Offset-int64(len(sync)):
			return fmt.Errorf("%w: block of %d bytes at byte %d of %d", ErrTruncated, length, off, size)
		case length > maxBlock:
			return fmt.Errorf("%w: block of %d bytes", ErrUnsupported, length)
		}
		b.Size = int(length)
		off = b.Offset + length
		mark, err := src.at(ctx, off, len(sync))
		if err != nil {
			return err
		}
		if !bytes.Equal(mark, sync) {
			return fmt.Errorf("%w: the block before byte %d does not end in the sync marker", ErrCorrupt, off)
		}
		off += int64(len(sync))
		if count == 0 {
			continue
		}
		if f.rows += count; f.rows > maxRows || len(f.blocks) == maxBlocks {
			return fmt.Errorf("%w: more than %d rows or %d blocks", ErrUnsupported, int64(maxRows), maxBlocks)
		}
		f.blocks = append(f.blocks, b)
	}
	return nil
}

// torn says that a block header at off is not one.
func (f *File) torn(off, size int64) error {
	if size-off < 20 {
		return fmt.Errorf("%w: the file ends in the header of a block", ErrTruncated)
	}
	return fmt.Errorf("%w: no block at byte %d", ErrCorrupt, off)
}

// NumRows returns the number of rows that the blocks say they have.
func (f *File) NumRows() int64 { return f.rows }

// Blocks describes the blocks in file order; the result must not be changed.
func (f *File) Blocks() []Block { return f.blocks }

// HasFieldIDs reports whether any field of the file has a field id.
func (f *File) HasFieldIDs() bool { return f.hasIDs }

// Close closes the object. Cursors of the file must not be used after.
func (f *File) Close() error { return f.o.Close() }

// source reads a file for one goroutine: what is at hand of it, else a window.
type source struct {
	f   *File
	buf []byte
	off int64
}

// at returns the n bytes at off, valid until the next call.
func (s *source) at(ctx context.Context, off int64, n int) ([]byte, error) {
	if end := off + int64(n); end <= int64(len(s.f.head)) {
		return s.f.head[off:end], nil
	} else if off >= s.off && end <= s.off+int64(len(s.buf)) {
		return s.buf[off-s.off:][:n], nil
	}
	want := int(min(int64(max(n, window)), s.f.o.Size()-off))
	if want < n {
		return nil, fmt.Errorf("%w: %d bytes at byte %d of %d", ErrTruncated, n, off, s.f.o.Size())
	}
	if cap(s.buf) < want {
		s.buf = make([]byte, want)
	}
	s.buf, s.off = s.buf[:want], off
	if err := readFull(ctx, s.f.o, s.buf, off); err != nil {
		s.buf = s.buf[:0]
		return nil, err
	}
	return s.buf[:n], nil
}

// readFull reads len(p) bytes at off.
func readFull(ctx context.Context, o objstore.Object, p []byte, off int64) error {
	n, err := o.ReadAt(ctx, p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %d bytes at byte %d where %d are expected", ErrTruncated, n, off, len(p))
	}
	return err
}
