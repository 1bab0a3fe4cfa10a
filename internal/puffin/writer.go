package puffin

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Writer writes one Puffin file. It is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	n      int64 // bytes written
	blobs  []Blob
	err    error
	closed bool
}

// NewWriter starts a file on w.
func NewWriter(w io.Writer) *Writer {
	p := &Writer{w: w}
	p.write([]byte(magic))
	return p
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(b)
	w.n += int64(n)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	w.err = err
}

// Add appends a blob as it is (already compressed if b.Codec says so) and
// returns b with its place.
func (w *Writer) Add(data []byte, b Blob) (Blob, error) {
	if w.closed {
		return Blob{}, fmt.Errorf("puffin: blob %q added after close", b.Type)
	}
	if b.Type == "" {
		return Blob{}, fmt.Errorf("puffin: blob without a type")
	}
	b.Offset, b.Length = w.n, int64(len(data))
	if b.Fields == nil {
		b.Fields = []int{}
	}
	w.write(data)
	if w.err != nil {
		return Blob{}, fmt.Errorf("puffin: write blob %q: %w", b.Type, w.err)
	}
	w.blobs = append(w.blobs, b)
	return b, nil
}

// Close writes the footer with the file's properties and returns the sizes of
// file and footer in bytes. It does not close the underlying writer.
func (w *Writer) Close(properties map[string]string) (fileSize, footerSize int64, err error) {
	if w.closed {
		return 0, 0, fmt.Errorf("puffin: closed twice")
	}
	w.closed = true
	f := Footer{Blobs: w.blobs, Properties: properties}
	if f.Blobs == nil {
		f.Blobs = []Blob{}
	}
	payload, err := json.Marshal(f)
	if err != nil {
		return 0, 0, fmt.Errorf("puffin: encode footer: %w", err)
	}
	if len(payload) > math.MaxInt32 || len(payload) > maxFooter {
		return 0, 0, fmt.Errorf("puffin: footer of %d bytes is too large", len(payload))
	}
	start := w.n
	w.write([]byte(magic))
	w.write(payload)
	var tail [trailerSize]byte
	binary.LittleEndian.PutUint32(tail[:], uint32(len(payload)))
	copy(tail[8:], magic)
	w.write(tail[:])
	if w.err != nil {
		return 0, 0, fmt.Errorf("puffin: write footer: %w", w.err)
	}
	return w.n, w.n - start, nil
}
