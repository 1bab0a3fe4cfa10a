package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/debezium"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// columnarFile is an open Parquet or Arrow file.
type columnarFile struct {
	name, stream string
	schema       *schema.Schema
	// next returns the next batch, io.EOF after the last; the caller releases it.
	next  func(ctx context.Context) (arrow.RecordBatch, error)
	close func()
}

// regular returns the path of a plain file with an input's content, which for
// standard input and packed files is a temporary one, and the digest of that
// content.
func (in *ingestion) regular(path string, p *progress) (plain string, digest string, remove func(), err error) {
	src, _, err := in.e.input(path)
	if err != nil {
		return "", "", nil, err
	}
	defer src.Close()
	var head [4]byte
	n, err := io.ReadFull(src, head[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", "", nil, err
	}
	packed := bytes.HasPrefix(head[:n], []byte{0x1f, 0x8b}) || bytes.Equal(head[:n], []byte{0x28, 0xb5, 0x2f, 0xfd})
	all := io.MultiReader(bytes.NewReader(head[:n]), p.reader(src))
	h := sha256.New()
	sum := func() string { return hex.EncodeToString(h.Sum(nil)[:8]) }
	if path != "-" && !packed {
		_, err = io.Copy(h, all)
		return path, sum(), func() {}, err
	}
	unpacked, err := debezium.Unpack(all)
	if err != nil {
		return "", "", nil, err
	}
	defer unpacked.Close()
	tmp, err := os.CreateTemp("", "frazil-ingest-*")
	if err != nil {
		return "", "", nil, err
	}
	remove = func() { _ = os.Remove(tmp.Name()) }
	_, err = io.Copy(io.MultiWriter(tmp, h), unpacked)
	if err = errors.Join(err, tmp.Close()); err != nil {
		remove()
		return "", "", nil, err
	}
	return tmp.Name(), sum(), remove, nil
}

func (in *ingestion) openColumnar(ctx context.Context, path, format string, p *progress) (*columnarFile, error) {
	plain, digest, remove, err := in.regular(path, p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	name := baseName(path)
	f := &columnarFile{name: name, stream: rowStreams + name + "#" + digest}
	if format == "parquet" {
		err = f.openParquet(ctx, plain)
	} else {
		err = f.openArrow(plain)
	}
	if err != nil {
		remove()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	closeFile := f.close
	f.close = func() { closeFile(); remove() }
	return f, nil
}

func (f *columnarFile) openParquet(ctx context.Context, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	store, err := objstore.NewLocal(filepath.Dir(abs), nil)
	if err != nil {
		return err
	}
	o, err := store.Open(ctx, abs)
	if err != nil {
		return err
	}
	file, s, err := parquetfile.OpenByName(ctx, o, nil)
	if err != nil {
		return err
	}
	c, err := file.Read(ctx, &parquetfile.ReadOptions{Fields: s.Fields, BatchRows: batchRows})
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.schema = s
	f.next = func(ctx context.Context) (arrow.RecordBatch, error) { return c.Next(ctx, nil) }
	f.close = func() { c.Close(); _ = file.Close(); _ = store.Close() }
	return nil
}

// openArrow opens an Arrow IPC file or stream.
func (f *columnarFile) openArrow(path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // the library's answer to some malformed files
			err = fmt.Errorf("malformed Arrow file: %v", p)
		}
		if err != nil {
			_ = file.Close()
		}
	}()
	var magic [6]byte
	n, _ := io.ReadFull(file, magic[:])
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := checkArrow(file, string(magic[:n]) == "ARROW1"); err != nil {
		return err
	}
	st, err := file.Stat()
	if err != nil {
		return err
	}
	limits := []ipc.Option{ipc.WithBodySizeLimit(max(st.Size(), 1)), ipc.WithAllocator(newBoundedAllocator(st.Size()))}
	var as *arrow.Schema
	var next func() (arrow.RecordBatch, error)
	var closeReader func()
	if string(magic[:n]) == "ARROW1" {
		r, err := ipc.NewFileReader(file, limits...)
		if err != nil {
			return fmt.Errorf("malformed Arrow file: %w", err)
		}
		as, closeReader = r.Schema(), func() { _ = r.Close() }
		i := 0
		next = func() (arrow.RecordBatch, error) {
			if i++; i > r.NumRecords() {
				return nil, io.EOF
			}
			return r.RecordBatchAt(i - 1)
		}
	} else {
		r, err := ipc.NewReader(file, limits...)
		if err != nil {
			return fmt.Errorf("malformed Arrow stream: %w", err)
		}
		as, closeReader = r.Schema(), r.Release
		next = func() (arrow.RecordBatch, error) {
			b, err := r.Read()
			if err == nil {
				b.Retain()
			}
			return b, err
		}
	}
	if f.schema, err = schema.FromArrow(as); err != nil {
		closeReader()
		return err
	}
	f.next = func(context.Context) (b arrow.RecordBatch, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("malformed Arrow file: %v", p)
			}
		}()
		return next()
	}
	f.close = func() { closeReader(); _ = file.Close() }
	return nil
}

// columnarFile ingests a Parquet or Arrow file.
func (r *rowIngest) columnarFile(ctx context.Context, path, format string) error {
	f, err := r.in.openColumnar(ctx, path, format, r.p)
	if err != nil {
		return err
	}
	defer f.close()
	if r.t == nil {
		if err := r.make(ctx, f.name, f.schema.Fields); err != nil {
			return err
		}
	}
	m, err := r.match(f)
	if err != nil {
		return fmt.Errorf("%s: table %s: %w", f.name, r.name, err)
	}
	stream, position := r.resume(f.stream)
	var skip int64
	if position != "" {
		if skip, err = strconv.ParseInt(position, 10, 64); err != nil {
			return fmt.Errorf("table %s has a position %q, which this version cannot read", r.name, position)
		}
	}
	if position == "" {
		done, err := r.folded(f.name, path, stream, func() (string, int64, error) { return f.whole(ctx) })
		if errors.Is(err, errOtherContent) { // the name has the content's digest: it was read in part
			err = fmt.Errorf("%s: table %s has some of its rows and no longer knows how many: --replay adds all of them again", f.name, r.name)
		}
		if err != nil || done {
			return err
		}
	}
	var at int64 // rows passed
	for {
		b, err := f.next(ctx)
		if err == io.EOF {
			break
		}
		if err == nil {
			err = soundBatch(b)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		err = r.columnarBatch(ctx, m, b, at, skip, stream)
		at += b.NumRows()
		b.Release()
		if err != nil {
			return err
		}
	}
	r.skipped += min(skip, at)
	r.pending[stream] = strconv.FormatInt(at, 10)
	return nil
}

// whole reads a file to its end and returns its position there and its rows.
func (f *columnarFile) whole(ctx context.Context) (string, int64, error) {
	var rows int64
	for {
		b, err := f.next(ctx)
		if err == io.EOF {
			return strconv.FormatInt(rows, 10), rows, nil
		}
		if err != nil {
			return "", 0, fmt.Errorf("%s: %w", f.name, err)
		}
		rows += b.NumRows()
		b.Release()
	}
}

// soundBatch refuses what would break whoever reads the batch: offsets that lead
// outside, texts that are not UTF-8. It releases what it refuses.
func soundBatch(b arrow.RecordBatch) (err error) {
	defer func() {
		if p := recover(); p != nil { // the check itself can be led outside
			err = fmt.Errorf("malformed file: %v", p)
		}
		if err != nil {
			b.Release()
		}
	}()
	for i, c := range b.Columns() {
		if int64(c.Len()) != b.NumRows() {
			return fmt.Errorf("malformed file: column %q has %d values for %d rows", b.ColumnName(i), c.Len(), b.NumRows())
		}
		if err := array.ValidateFull(c); err != nil {
			return fmt.Errorf("malformed file: column %q: %w", b.ColumnName(i), err)
		}
	}
	return nil
}

// columnarBatch applies the rows of a batch that begins at row at of the file,
// but for the first skip rows of the file.
func (r *rowIngest) columnarBatch(ctx context.Context, m *columnMatch, b arrow.RecordBatch, at, skip int64, stream string) error {
	for from := max(skip-at, 0); from < b.NumRows(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+batchRows, b.NumRows())
		if limit := r.in.commitRows; limit > 0 {
			to = min(to, from+max(limit-r.buffered, 1))
		}
		part := b.NewSlice(from, to)
		err := r.columnarRows(ctx, m, part, at+from)
		part.Release()
		if err != nil {
			return err
		}
		r.read += to - from
		r.p.items.Add(to - from)
		from = to
		r.pending[stream] = strconv.FormatInt(at+from, 10)
		if r.due(0) {
			if err := r.commit(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// columnarRows applies rows of a file; first is the number of the first.
func (r *rowIngest) columnarRows(ctx context.Context, m *columnMatch, b arrow.RecordBatch, first int64) error {
	ops, cols, err := m.convert(b)
	if err == nil {
		return r.apply(ctx, cols, ops)
	}
	if b.NumRows() > 1 { // some row does not fit: halves tell which
		half := b.NumRows() / 2
		for _, part := range [][2]int64{{0, half}, {half, b.NumRows()}} {
			p := b.NewSlice(part[0], part[1])
			err := r.columnarRows(ctx, m, p, first+part[0])
			p.Release()
			if err != nil {
				return err
			}
		}
		return nil
	}
	line := cdc.Line{File: m.file.name, Number: first + 1}
	raw := []byte(nil)
	if s, err := batchOf(m.file.schema, b); err == nil {
		raw = rowjson.NewEncoder(m.file.schema, rowjson.Lines).AppendRow(nil, s, 0)
		s.Release()
	}
	return r.bad(&rowError{table: r.name, line: line, row: true, raw: raw, err: err})
}

// batchOf gives a batch the Arrow types of a schema.
func batchOf(s *schema.Schema, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(s.Fields))
	for i, f := range s.Fields {
		c, err := schema.Conform(b.Column(i), f.Type, nil)
		if err != nil {
			return nil, err
		}
		defer c.Release()
		cols[i] = c
	}
	return array.NewRecordBatch(schema.ArrowSchema(s), cols, b.NumRows()), nil
}
