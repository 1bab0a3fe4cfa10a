package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/objstore"
)

// Errors of a File; they are wrapped with the file, the column and the page.
var (
	// ErrCorrupt: the file is not valid Parquet, or its pages contradict its
	// footer.
	ErrCorrupt = errors.New("corrupt parquet file")
	// ErrTruncated: the file is shorter than it says it is. It is an ErrCorrupt
	// too.
	ErrTruncated = fmt.Errorf("truncated: %w", ErrCorrupt)
	// ErrUnsupported: the file uses a feature this reader does not have.
	ErrUnsupported = errors.New("unsupported parquet feature")
)

// OpenOptions are the limits of a File; nil and zero fields mean the defaults.
type OpenOptions struct {
	// MaxFooterBytes bounds the footer; default 256 MiB.
	MaxFooterBytes int64
	// MaxPageBytes bounds one page uncompressed; default 256 MiB.
	MaxPageBytes int64
	// ReadAhead is the most bytes read at once of a column chunk; default 2 MiB.
	// It is what a cursor holds per column; distant stores want more.
	ReadAhead int
	// Meta is what was kept of the same file (File.Meta): it is not read again.
	Meta *FileMeta
}

// RowGroup describes a row group of a File.
type RowGroup struct {
	Index int
	// FirstRow is the file position of its first row, Rows how many it has.
	FirstRow, Rows int64
	// Offset is where its first page starts, Size the bytes of its column
	// chunks, compressed.
	Offset, Size int64
}

// File is an open Parquet file. Its methods may be called concurrently, and any
// number of Cursors may read it at a time.
type File struct {
	o         objstore.Object
	size      int64
	meta      *footer
	root      *node
	leaves    []*node
	hasIDs    bool
	maxPage   int64
	readAhead int
	shared    *FileMeta

	// tail is the end of the file, read for the footer, from tailOff on: indexes
	// are often in it.
	tail    []byte
	tailOff int64
}

const (
	magic = "PAR1"
	// maxRows bounds the rows of a file and the values of a column chunk, so that
	// sizes computed of them do not overflow.
	maxRows = 1 << 40
	// tailBytes is read at the end of a file at first, in the hope that the
	// footer is within.
	tailBytes = 64 << 10
)

// Open reads the footer of a file. The File owns o from then on, also when Open
// fails.
func Open(ctx context.Context, o objstore.Object, opts *OpenOptions) (f *File, err error) {
	f = &File{o: o, size: o.Size(), maxPage: 256 << 20, readAhead: 2 << 20}
	maxFooter := int64(256 << 20)
	if opts != nil {
		if opts.MaxFooterBytes > 0 {
			maxFooter = opts.MaxFooterBytes
		}
		if opts.MaxPageBytes > 0 {
			f.maxPage = min(opts.MaxPageBytes, math.MaxInt32)
		}
		if opts.ReadAhead > 0 {
			f.readAhead = opts.ReadAhead
		}
	}
	defer func() {
		if err != nil {
			_ = o.Close()
			f, err = nil, fmt.Errorf("%s: %w", o.URI(), err)
		}
	}()
	defer f.guard(&err)
	if opts != nil && f.adopt(opts.Meta) {
		return f, nil
	}
	end, err := f.readFooter(ctx, maxFooter)
	if err != nil {
		return nil, err
	}
	if err := f.check(end); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return f, nil
}

// guard turns a panic, which no input should cause, into an error.
func (f *File) guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: internal error: %v", ErrCorrupt, p)
	}
}

// readFooter finds and decodes the footer and returns the offset it starts at.
func (f *File) readFooter(ctx context.Context, maxFooter int64) (int64, error) {
	if f.size < 12 {
		return 0, fmt.Errorf("%w: %d bytes are no parquet file", ErrTruncated, f.size)
	}
	n := min(f.size, tailBytes)
	tail := make([]byte, n)
	if err := readFull(ctx, f.o, tail, f.size-n); err != nil {
		return 0, err
	}
	f.tail, f.tailOff = tail, f.size-n
	head := tail[:4]
	last := tail[n-8:]
	if string(last[4:]) != magic {
		return 0, f.noMagic(ctx, last[4:])
	}
	// The first magic costs a read of its own in a large file, and says nothing
	// about pages, so it is looked at only where it is at hand.
	if n == f.size && string(head) != magic {
		return 0, fmt.Errorf("%w: no magic at the start", ErrCorrupt)
	}
	length := int64(binary.LittleEndian.Uint32(last))
	if length > f.size-12 {
		return 0, fmt.Errorf("%w: footer of %d bytes in a file of %d", ErrTruncated, length, f.size)
	}
	if length > maxFooter {
		return 0, fmt.Errorf("%w: footer of %d bytes, limit %d", ErrCorrupt, length, maxFooter)
	}
	start := f.size - 8 - length
	var raw []byte
	if length <= n-8 {
		raw = bytes.Clone(tail[n-8-length : n-8]) // kept longer than the tail
	} else {
		raw = make([]byte, length)
		k := length - (n - 8)
		copy(raw[k:], tail[:n-8])
		if err := readFull(ctx, f.o, raw[:k], start); err != nil {
			return 0, err
		}
	}
	meta, err := decodeFooter(raw)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	f.meta = meta
	return start, nil
}

// noMagic says what a file without the closing magic is.
func (f *File) noMagic(ctx context.Context, last []byte) error {
	if string(last) == "PARE" {
		return fmt.Errorf("%w: encrypted file", ErrUnsupported)
	}
	head := make([]byte, 4)
	if err := readFull(ctx, f.o, head, 0); err != nil {
		return err
	}
	if string(head) == magic {
		return fmt.Errorf("%w: no magic at the end", ErrTruncated)
	}
	return fmt.Errorf("%w: no magic", ErrCorrupt)
}

// check compares the footer with itself and the file, whose pages end at end.
func (f *File) check(end int64) error {
	var err error
	if f.root, f.leaves, err = buildTree(f.meta.elements); err != nil {
		return err
	}
	for i := range f.meta.elements[1:] {
		f.hasIDs = f.hasIDs || f.meta.elements[i+1].hasID
	}
	rows := int64(0)
	for i := range f.meta.groups {
		g := &f.meta.groups[i]
		if g.rows < 0 || g.rows > maxRows-rows {
			return fmt.Errorf("row group %d: %d rows", i, g.rows)
		}
		rows += g.rows
		if len(g.chunks) != len(f.leaves) {
			return fmt.Errorf("row group %d: %d column chunks for %d columns", i, len(g.chunks), len(f.leaves))
		}
		for k := range g.chunks {
			if err := checkChunk(&g.chunks[k], f.leaves[k], g.rows, end); err != nil {
				return fmt.Errorf("row group %d, column %s: %w", i, f.leaves[k].path(), err)
			}
		}
	}
	if rows != f.meta.rows {
		return fmt.Errorf("row groups of %d rows in a file of %d", rows, f.meta.rows)
	}
	f.share(f.size - end)
	return nil
}

func checkChunk(c *chunkMeta, n *node, rows, end int64) error {
	if c.encrypted || c.otherFile || !c.hasMeta {
		return nil // refused when it is read
	}
	if c.typ != n.typ {
		return fmt.Errorf("column chunk is of type %v, the schema says %v", c.typ, n.typ)
	}
	if c.values < 0 || c.values > maxRows || n.maxRep == 0 && c.values != rows || n.maxRep > 0 && c.values < rows {
		return fmt.Errorf("%d values for %d rows", c.values, rows)
	}
	if rows == 0 {
		return nil
	}
	start := c.start()
	if start < 4 || c.compressed <= 0 || start > end || c.compressed > end-start {
		return fmt.Errorf("%d bytes at %d are outside of the %d before the footer", c.compressed, start, end)
	}
	return nil
}

// readable refuses column chunks that are elsewhere or encrypted.
func (c *chunkMeta) readable() error {
	switch {
	case c.encrypted || !c.hasMeta:
		return fmt.Errorf("%w: encrypted column", ErrUnsupported)
	case c.otherFile:
		return fmt.Errorf("%w: column chunk in another file", ErrUnsupported)
	}
	switch c.codec {
	case format.Uncompressed, format.Snappy, format.Gzip, format.Brotli, format.Lz4, format.Lz4Raw, format.Zstd:
		return nil
	}
	return fmt.Errorf("%w: codec %d", ErrUnsupported, c.codec)
}

// NumRows returns the number of rows of the file.
func (f *File) NumRows() int64 { return f.meta.rows }

// RowGroups describes the row groups in file order.
func (f *File) RowGroups() []RowGroup {
	groups := make([]RowGroup, len(f.meta.groups))
	first := int64(0)
	for i := range f.meta.groups {
		g := &f.meta.groups[i]
		r := RowGroup{Index: i, FirstRow: first, Rows: g.rows}
		for k := range g.chunks {
			c := &g.chunks[k]
			if s := c.start(); r.Offset == 0 || s < r.Offset {
				r.Offset = s
			}
			r.Size += c.compressed
		}
		first += g.rows
		groups[i] = r
	}
	return groups
}

// HasFieldIDs reports whether any column of the file has a field id.
func (f *File) HasFieldIDs() bool { return f.hasIDs }

// KeyValues returns the footer's key-value metadata, not to be changed.
func (f *File) KeyValues() map[string]string { return f.meta.keyValues }

// Close closes the object. Cursors of the file must not be used after.
func (f *File) Close() error { return f.o.Close() }
