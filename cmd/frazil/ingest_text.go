package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/debezium"
)

const (
	// sampleRows and sampleBytes bound what types are guessed from.
	sampleRows  = 20_000
	sampleBytes = 16 << 20
)

// textFile is a file of JSON lines or CSV that is being read.
type textFile struct {
	name   string // as in messages
	stream string // what its positions are kept under
	close  func()
	r      *recordReader
	header []string  // of CSV
	sample []record  // rows read ahead
	digest hash.Hash // of all rows given out
	rows   int64     // given out
}

// openText opens a file and reads its first rows.
func (in *ingestion) openText(path string, comma byte, p *progress) (*textFile, error) {
	file, _, err := in.e.input(path)
	if err != nil {
		return nil, err
	}
	plain, err := debezium.Unpack(p.reader(file))
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &textFile{
		name: baseName(path), r: newRecordReader(plain, comma), digest: sha256.New(),
		close: func() { _ = plain.Close(); _ = file.Close() },
	}
	if err := f.begin(comma != 0); err != nil {
		f.close()
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return f, nil
}

// begin reads the header and the first row, which with its name tell a file from
// others.
func (f *textFile) begin(header bool) error {
	id := sha256.New()
	if header {
		r, err := f.r.next()
		if err == io.EOF {
			return errors.New("the file is empty; the first line should name the columns")
		}
		if err == nil {
			err = r.err
		}
		if err != nil {
			return err
		}
		for _, c := range r.cells {
			name := strings.TrimSpace(string(c.text))
			if name == "" {
				return fmt.Errorf("column %d has no name in the first line", len(f.header)+1)
			}
			for _, other := range f.header {
				if other == name {
					return fmt.Errorf("column %q is twice in the first line", name)
				}
			}
			f.header = append(f.header, name)
		}
		id.Write(append(r.raw, '\n'))
	}
	if err := f.readAhead(1); err != nil {
		return err
	}
	if len(f.sample) > 0 {
		id.Write(f.sample[0].raw)
		if !header && f.sample[0].raw[0] == '[' {
			return errors.New("line 1: an array; give one JSON object a line (jq -c '.[]' makes that of it)")
		}
	}
	f.stream = rowStreams + f.name + "#" + hex.EncodeToString(id.Sum(nil)[:6])
	return nil
}

// readAhead fills the sample up to so many rows.
func (f *textFile) readAhead(rows int) error {
	size := 0
	for len(f.sample) < rows && size < sampleBytes {
		r, err := f.r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		f.sample = append(f.sample, r.clone())
		size += len(r.raw)
	}
	return nil
}

// next returns the next row, io.EOF after the last.
func (f *textFile) next() (*record, error) {
	var r *record
	if len(f.sample) > 0 {
		r, f.sample = &f.sample[0], f.sample[1:]
	} else {
		var err error
		if r, err = f.r.next(); err != nil {
			return nil, err
		}
	}
	f.rows++
	f.digest.Write(r.raw)
	f.digest.Write([]byte{'\n'})
	return r, nil
}

// position says how far the file was given out, and what it was up to there.
func (f *textFile) position() string {
	return fmt.Sprintf("%d:%s", f.rows, hex.EncodeToString(f.digest.Sum(nil)[:8]))
}

// errOtherContent: a file does not begin with the rows that were ingested under
// its name.
var errOtherContent = errors.New("other content")

// skipTo passes over the rows that a position says are in the table.
func (f *textFile) skipTo(position string) error {
	var rows int64
	if _, err := fmt.Sscanf(position, "%d:", &rows); err != nil {
		return fmt.Errorf("the table has a position %q, which this version cannot read", position)
	}
	for f.rows < rows {
		_, err := f.next()
		if err == io.EOF {
			return errOtherContent
		}
		if err != nil {
			return err
		}
	}
	if f.position() != position {
		return errOtherContent
	}
	return nil
}

// textFile ingests a file of JSON lines or CSV.
func (r *rowIngest) textFile(ctx context.Context, path, format string) error {
	comma, err := r.in.comma(path, format)
	if err != nil {
		return err
	}
	f, err := r.in.openText(path, comma, r.p)
	if err != nil {
		return err
	}
	defer func() { f.close() }()
	if r.t == nil {
		if err := f.readAhead(sampleRows); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fields, err := infer(f.sample, f.header, r.in.null)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := r.make(ctx, f.name, fields); err != nil {
			return err
		}
	}
	p := newTextParser(r.name, r.t.Schema(), r.in.opColumn, r.in.null)
	p.orderBy(r.in.orderBy)
	if f.header != nil {
		if err := p.setHeader(f.header); err != nil {
			return fmt.Errorf("%s: table %s: %w", f.name, r.name, err)
		}
	}
	stream, from := r.resume(f.stream)
	if from == "" {
		switch done, err := r.folded(f.name, path, stream, f.whole); {
		case errors.Is(err, errOtherContent):
			if f, err = r.again(f, path, comma); err != nil {
				return err
			}
		case err != nil || done:
			return err
		}
	}
	if from != "" {
		switch err := f.skipTo(from); {
		case errors.Is(err, errOtherContent):
			if f, err = r.again(f, path, comma); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("%s: %w", f.name, err)
		}
		r.skipped += f.rows
	}
	return r.textRows(ctx, f, p, stream)
}

// again opens a file anew that is to be applied from its start although rows of
// it are in the table.
func (r *rowIngest) again(f *textFile, path string, comma byte) (*textFile, error) {
	if err := r.otherContent(f.name, path); err != nil {
		return f, err
	}
	next, err := r.in.openText(path, comma, r.p)
	if err != nil {
		return f, err
	}
	f.close()
	return next, nil
}

// whole reads a file to its end and returns its position there and its rows.
func (f *textFile) whole() (string, int64, error) {
	for {
		switch _, err := f.next(); {
		case err == io.EOF:
			return f.position(), f.rows, nil
		case err != nil:
			return "", 0, fmt.Errorf("%s: %w", f.name, err)
		}
	}
}

// otherContent decides about a file that changed before the place that was
// reached in it: by key it can be applied again as a whole.
func (r *rowIngest) otherContent(name, path string) error {
	if r.keyed && path != "-" && len(r.t.Schema().IdentifierFieldIDs) > 0 {
		r.e.note("note: %s is not as it was ingested before: it is applied from its start", name)
		return nil
	}
	return fmt.Errorf("%s: rows that table %s has from a file of this name have changed in it: give another name to a new file, or --replay to add all its rows again", name, r.name)
}

func (r *rowIngest) textRows(ctx context.Context, f *textFile, p *textParser, stream string) error {
	for {
		rec, err := f.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		r.read++
		r.p.items.Add(1)
		if err := p.parse(rec); err != nil {
			if err := r.bad(&rowError{table: r.name, line: cdc.Line{File: f.name, Number: rec.line}, raw: rec.raw, err: err}); err != nil {
				return err
			}
		}
		n := int64(p.b.Len())
		full := n >= batchRows || n&255 == 0 && p.b.Bytes() > batchBytes
		if due := r.due(n); full || due {
			if err := r.flush(ctx, p); err != nil {
				return err
			}
			r.pending[stream] = f.position()
			if due {
				if err := r.commit(ctx); err != nil {
					return err
				}
			}
		}
	}
	if err := r.flush(ctx, p); err != nil {
		return err
	}
	if f.rows > 0 {
		r.pending[stream] = f.position()
	}
	return ctx.Err()
}
