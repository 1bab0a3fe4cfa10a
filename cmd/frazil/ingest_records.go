package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxRecordBytes bounds one row of a text file.
const maxRecordBytes = 64 << 20

// record is a row of a text file as it was, valid until the next one.
type record struct {
	// line is the number of the line it starts on.
	line int64
	raw  []byte
	// cells are those of a CSV row.
	cells []csvCell
	// err says why the row cannot be taken apart; what follows still can.
	err error
}

// csvCell is a cell of a CSV row. A quoted cell is never null.
type csvCell struct {
	text   []byte
	quoted bool
}

func (r *record) clone() record {
	c := record{line: r.line, raw: bytes.Clone(r.raw), err: r.err}
	for _, x := range r.cells {
		c.cells = append(c.cells, csvCell{bytes.Clone(x.text), x.quoted})
	}
	return c
}

// recordReader reads the rows of JSON lines or CSV.
type recordReader struct {
	r     *bufio.Reader
	comma byte // 0: JSON lines
	line  int64
	rec   record
	text  []byte
	cells []cellSpan
}

// cellSpan is where a cell's text is within recordReader.text.
type cellSpan struct {
	from, to int
	quoted   bool
}

func newRecordReader(r io.Reader, comma byte) *recordReader {
	br := bufio.NewReaderSize(r, 1<<18)
	if head, _ := br.Peek(3); bytes.Equal(head, []byte("\xef\xbb\xbf")) { // a byte order mark
		_, _ = br.Discard(3)
	}
	return &recordReader{r: br, comma: comma}
}

// next returns the next row, io.EOF after the last. Blank lines are passed over.
func (r *recordReader) next() (*record, error) {
	for {
		r.rec = record{raw: r.rec.raw[:0], line: r.line + 1}
		if err := r.readLine(); err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(r.rec.raw)) == 0 {
			continue
		}
		if r.comma != 0 {
			if err := r.split(); err != nil {
				return nil, err
			}
		}
		r.rec.raw = bytes.TrimRight(r.rec.raw, "\r\n")
		return &r.rec, nil
	}
}

// readLine appends a line with its end to the record.
func (r *recordReader) readLine() error {
	for n := 0; ; {
		part, err := r.r.ReadSlice('\n')
		r.rec.raw = append(r.rec.raw, part...)
		n += len(part)
		switch {
		case len(r.rec.raw) > maxRecordBytes:
			return fmt.Errorf("line %d: a row of more than %d MiB", r.rec.line, maxRecordBytes>>20)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && n > 0:
			err = nil
		}
		if err == nil {
			r.line++
		}
		return err
	}
}

// split takes a CSV row apart (RFC 4180). A cell in quotes may go over several
// lines; quotes inside other cells are taken as they are.
func (r *recordReader) split() error {
	r.text, r.cells = r.text[:0], r.cells[:0]
	var bad error
	for i := 0; ; {
		span := cellSpan{from: len(r.text)}
		if i < len(r.rec.raw) && r.rec.raw[i] == '"' {
			span.quoted = true
			end, err := r.quotedCell(i + 1)
			if err != nil {
				return err
			}
			if end < 0 {
				bad = errors.New("a quote is not closed before the end of the file")
				break
			}
			i = end
		}
		rest := r.rec.raw[i:]
		n := bytes.IndexByte(rest, r.comma)
		if n < 0 {
			n = len(bytes.TrimRight(rest, "\r\n"))
			rest = rest[:n]
		}
		if span.quoted && n > 0 && bad == nil {
			bad = fmt.Errorf("text after the closing quote of cell %d", len(r.cells)+1)
		}
		r.text = append(r.text, rest[:n]...)
		span.to = len(r.text)
		r.cells = append(r.cells, span)
		if n == len(rest) {
			break
		}
		i += n + 1
	}
	r.rec.err = bad
	for _, s := range r.cells {
		r.rec.cells = append(r.rec.cells, csvCell{r.text[s.from:s.to], s.quoted})
	}
	return nil
}

// quotedCell reads a cell from behind its opening quote, with further lines if it
// goes on there, and returns where it ends, -1 if it does not.
func (r *recordReader) quotedCell(i int) (int, error) {
	for {
		n := bytes.IndexByte(r.rec.raw[i:], '"')
		if n < 0 {
			r.text = append(r.text, r.rec.raw[i:]...)
			i = len(r.rec.raw)
			if err := r.readLine(); err == io.EOF {
				return -1, nil
			} else if err != nil {
				return 0, err
			}
			continue
		}
		r.text = append(r.text, r.rec.raw[i:i+n]...)
		i += n + 1
		if i >= len(r.rec.raw) || r.rec.raw[i] != '"' {
			return i, nil
		}
		r.text = append(r.text, '"')
		i++
	}
}
