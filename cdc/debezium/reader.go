package debezium

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/frazildb/frazil/cdc"
)

// Input is a file of events.
type Input struct {
	// Name is the input in messages, and in positions where events have no offset
	// of their own.
	Name string
	// Open opens it; gzip and Zstandard are unpacked.
	Open func() (io.ReadCloser, error)
}

// FileInput returns the input of a file, "-" for standard input.
func FileInput(path string) Input {
	if path == "-" {
		return Input{Name: "stdin", Open: func() (io.ReadCloser, error) { return io.NopCloser(os.Stdin), nil }}
	}
	return Input{Name: filepath.Base(path), Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// StreamInput returns an input that is open already.
func StreamInput(name string, r io.Reader) Input {
	return Input{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
}

// Reader reads events from JSON lines, input after input; it is a [cdc.Source].
// It is not safe for concurrent use.
type Reader struct {
	dec    *decoder
	inputs []Input
	line   cdc.Line
	buf    []byte
	br     *bufio.Reader
	close  func() error
	ended  bool
}

// NewReader returns a reader of the inputs. An error is about the options or the
// schema changes; inputs are opened as they are reached.
func NewReader(inputs []Input, opts *Options) (*Reader, error) {
	dec, err := newDecoder(opts)
	if err != nil {
		return nil, fmt.Errorf("debezium: %w", err)
	}
	return &Reader{dec: dec, inputs: inputs, br: bufio.NewReaderSize(nil, 1<<20)}, nil
}

// Next returns the next event, see [cdc.Source].
func (r *Reader) Next(ctx context.Context) (*cdc.Event, error) {
	if ev := r.dec.next(); ev != nil {
		return ev, nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		line, err := r.read()
		if err == io.EOF {
			if !r.ended {
				r.ended = true
				r.dec.pendingShapes(r.dec.maxPlace)
			}
			if ev := r.dec.next(); ev != nil {
				return ev, nil
			}
			return nil, io.EOF
		}
		if errors.Is(err, errLineTooLong) {
			return nil, &cdc.LineError{Line: r.line, Err: err}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.line, err)
		}
		if len(line) == 0 {
			continue
		}
		return r.dec.Decode(line, r.line)
	}
}

// read returns the next line without white space around it.
func (r *Reader) read() ([]byte, error) {
	for {
		if r.close == nil {
			if len(r.inputs) == 0 {
				return nil, io.EOF
			}
			if err := r.open(r.inputs[0]); err != nil {
				return nil, err
			}
			r.inputs = r.inputs[1:]
		}
		r.line.Number++
		line, err := readLine(r.br, r.buf[:0], r.dec.opts.MaxLineBytes)
		if err == io.EOF {
			if err := r.Close(); err != nil {
				return nil, err
			}
			continue
		}
		if cap(line) > cap(r.buf) && cap(line) <= 1<<22 {
			r.buf = line[:0]
		}
		return bytes.TrimSpace(line), err
	}
}

func (r *Reader) open(in Input) error {
	r.line = cdc.Line{File: in.Name}
	r.dec.bareStream = ""
	f, err := in.Open()
	if err != nil {
		return err
	}
	z, err := Unpack(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.br = bufio.NewReaderSize(z, 1<<20)
	r.close = func() error { return errors.Join(z.Close(), f.Close()) }
	return nil
}

// Close closes the input that is open.
func (r *Reader) Close() error {
	if r.close == nil {
		return nil
	}
	err := r.close()
	r.close = nil
	return err
}

var errLineTooLong = errors.New("the line is longer than the limit")

// readLine returns the next line without its end; io.EOF when there is none. A
// line over the limit is skipped and reported. Lines that fit the reader's buffer
// are returned in place, valid until the next call.
func readLine(br *bufio.Reader, buf []byte, limit int) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if err == nil {
		return line[:len(line)-1], nil
	}
	for err == bufio.ErrBufferFull {
		if len(buf)+len(line) > limit {
			for err == bufio.ErrBufferFull {
				_, err = br.ReadSlice('\n')
			}
			if err != nil && err != io.EOF {
				return nil, err
			}
			return nil, errLineTooLong
		}
		buf = append(buf, line...)
		line, err = br.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(buf) == 0 && len(line) == 0 {
		return nil, io.EOF
	}
	if err == io.EOF {
		if len(buf) == 0 {
			return line, nil
		}
		return append(buf, line...), nil
	}
	buf = append(buf, line...)
	return buf[:len(buf)-1], nil
}
