package parquetfile

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/frazildb/frazil/objstore"
)

// readFull reads len(p) bytes at off, or fails with ErrTruncated when the
// object ends before.
func readFull(ctx context.Context, o objstore.Object, p []byte, off int64) error {
	n, err := o.ReadAt(ctx, p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %d of %d bytes at offset %d", ErrTruncated, n, len(p), off)
	}
	return &readError{len(p), off, err}
}

// readError is a failed read, which says nothing about the file.
type readError struct {
	n   int
	off int64
	err error
}

func (e *readError) Error() string {
	return fmt.Sprintf("read %d bytes at offset %d: %v", e.n, e.off, e.err)
}

func (e *readError) Unwrap() error { return e.err }

// sharedRange is a run of small neighbouring column chunks read at once, when
// the first of them is needed.
type sharedRange struct {
	off, size int64
	data      []byte
	users     int // chunks not yet done with it
}

func (s *sharedRange) load(ctx context.Context, o objstore.Object) error {
	if s.data != nil {
		return nil
	}
	b := getBytes(int(s.size))
	if err := readFull(ctx, o, b, s.off); err != nil {
		return err
	}
	s.data = b
	return nil
}

// chunkSource reads the bytes of one column chunk in order, a window at a time.
type chunkSource struct {
	o      objstore.Object
	off    int64 // of the chunk in the file
	size   int64
	pos    int64 // next byte to hand out, from off
	window int   // how much to read at once; 0 just what is asked for
	shared *sharedRange

	buf    []byte // window, with padding behind
	bufOff int64
}

func (s *chunkSource) reset(off, size int64, window int, shared *sharedRange) {
	s.leave()
	if shared != nil {
		shared.users++
		putBytes(s.buf)
		s.buf = nil
	}
	s.off, s.size, s.pos, s.window, s.shared = off, size, 0, window, shared
	s.bufOff = 0
	s.buf = s.buf[:0]
}

// leave gives up a shared range; its last user recycles the bytes.
func (s *chunkSource) leave() {
	if s.shared == nil {
		return
	}
	s.buf = nil // never read over what others share
	if s.shared.users--; s.shared.users == 0 {
		putBytes(s.shared.data)
		s.shared.data = nil
	}
	s.shared = nil
}

// close recycles the window.
func (s *chunkSource) close() {
	s.leave()
	putBytes(s.buf)
	s.buf = nil
}

func (s *chunkSource) remaining() int64 { return s.size - s.pos }

// peek returns the bytes from pos on: at least n of them, all that are at hand,
// fewer only at the end of the chunk. They stay valid until the next peek or
// next that has to read.
func (s *chunkSource) peek(ctx context.Context, n int) ([]byte, error) {
	n = int(min(int64(n), s.remaining()))
	if i := s.pos - s.bufOff; i >= 0 && i+int64(n) <= int64(len(s.buf)) {
		return s.buf[i:], nil
	}
	if s.shared != nil {
		if err := s.shared.load(ctx, s.o); err != nil {
			return nil, err
		}
		from := s.off - s.shared.off
		s.buf, s.bufOff = s.shared.data[from:from+s.size], 0
		return s.buf[s.pos:], nil
	}
	want := int(min(int64(max(n, s.window)), s.remaining()))
	have := 0
	if i := s.pos - s.bufOff; i >= 0 && i < int64(len(s.buf)) {
		have = len(s.buf) - int(i)
		if cap(s.buf) >= want+padding {
			copy(s.buf[:have], s.buf[i:])
		} else {
			b := getBytes(want)
			copy(b, s.buf[i:])
			putBytes(s.buf)
			s.buf = b
		}
	} else if cap(s.buf) < want+padding {
		putBytes(s.buf)
		s.buf = getBytes(want)
	}
	s.buf, s.bufOff = s.buf[:want], s.pos
	if err := readFull(ctx, s.o, s.buf[have:], s.off+s.pos+int64(have)); err != nil {
		s.buf = s.buf[:0]
		return nil, err
	}
	return s.buf, nil
}

// next returns the next n bytes, valid as those of peek are.
func (s *chunkSource) next(ctx context.Context, n int) ([]byte, error) {
	if int64(n) > s.remaining() {
		return nil, fmt.Errorf("page of %d bytes, %d remain of the column chunk", n, s.remaining())
	}
	b, err := s.peek(ctx, n)
	if err != nil {
		return nil, err
	}
	s.pos += int64(n)
	return b[:n], nil
}
