package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// maxArrowMetadata bounds the metadata of an Arrow message, in bytes.
const maxArrowMetadata = 64 << 20

// boundedAllocator refuses, by a panic that the reader recovers from, to allocate
// what only a malformed file can ask for: lengths are taken from the file.
type boundedAllocator struct {
	memory.Allocator
	limit int
}

// newBoundedAllocator admits what compressed buffers of a file of some size may
// hold.
func newBoundedAllocator(size int64) boundedAllocator {
	return boundedAllocator{memory.DefaultAllocator, int(max(256<<20, 200*size))}
}

func (a boundedAllocator) check(size int) {
	if size > a.limit {
		panic(fmt.Sprintf("a buffer of %d bytes is claimed", size))
	}
}

func (a boundedAllocator) Allocate(size int) []byte {
	a.check(size)
	return a.Allocator.Allocate(size)
}

func (a boundedAllocator) Reallocate(size int, b []byte) []byte {
	a.check(size)
	return a.Allocator.Reallocate(size, b)
}

var errArrowSchema = errors.New("malformed Arrow schema")

// checkArrow looks at the schema of an Arrow stream or file before the library
// does, which allocates what the vectors in it claim to hold. The file is at its
// beginning before and after.
func checkArrow(file io.ReadSeeker, isFile bool) error {
	var err error
	if isFile {
		err = checkArrowFile(file)
	} else {
		err = checkArrowStream(file)
	}
	if _, serr := file.Seek(0, io.SeekStart); err == nil {
		err = serr
	}
	return err
}

func checkArrowStream(r io.Reader) error {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("%w: cut short", errArrowSchema)
	}
	n := binary.LittleEndian.Uint32(head[4:])
	var rest []byte
	if binary.LittleEndian.Uint32(head[:4]) != 0xffffffff { // before 0.15: no marker
		n, rest = binary.LittleEndian.Uint32(head[:4]), head[4:]
	}
	b, err := readBounded(r, int64(n), rest)
	if err != nil {
		return err
	}
	t := flat{b: b}
	return t.finish(t.schema(t.table(t.root(), 2)))
}

func checkArrowFile(file io.ReadSeeker) error {
	size, err := file.Seek(-10, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("%w: cut short", errArrowSchema)
	}
	var tail [10]byte
	if _, err := io.ReadFull(file, tail[:]); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size {
		return fmt.Errorf("%w: footer of %d bytes", errArrowSchema, n)
	}
	if _, err := file.Seek(size-n, io.SeekStart); err != nil {
		return err
	}
	b, err := readBounded(file, n, nil)
	if err != nil {
		return err
	}
	t := flat{b: b}
	root := t.root()
	t.vector(root, 2, 24)
	t.vector(root, 3, 24)
	t.vector(root, 4, 4)
	return t.finish(t.schema(t.table(root, 1)))
}

func readBounded(r io.Reader, n int64, head []byte) ([]byte, error) {
	if n < 8 || n > maxArrowMetadata {
		return nil, fmt.Errorf("%w: metadata of %d bytes", errArrowSchema, n)
	}
	rest, err := io.ReadAll(io.LimitReader(r, n-int64(len(head))))
	if err != nil {
		return nil, err
	}
	b := append(append([]byte(nil), head...), rest...)
	if int64(len(b)) < n {
		return nil, fmt.Errorf("%w: cut short", errArrowSchema)
	}
	return b, nil
}

// flat walks the tables of a flatbuffer; bad is set by whatever does not fit.
type flat struct {
	b     []byte
	bad   bool
	nodes int
}

func (t *flat) u32(at int) int {
	if at < 0 || at+4 > len(t.b) {
		t.bad = true
		return 0
	}
	return int(binary.LittleEndian.Uint32(t.b[at:]))
}

func (t *flat) root() int { return t.u32(0) }

// slot returns where a table's field is, 0 when it has none.
func (t *flat) slot(table, field int) int {
	vt := table - int(int32(t.u32(table)))
	at := vt + 4 + 2*field
	if t.bad || vt < 0 || vt+4 > len(t.b) {
		t.bad = true
		return 0
	}
	if size := int(binary.LittleEndian.Uint16(t.b[vt:])); 4+2*field+2 > size {
		return 0
	}
	if at+2 > len(t.b) {
		t.bad = true
		return 0
	}
	off := int(binary.LittleEndian.Uint16(t.b[at:]))
	if off == 0 {
		return 0
	}
	return table + off
}

// table follows a field to a table, 0 when there is none.
func (t *flat) table(table, field int) int {
	at := t.slot(table, field)
	if at == 0 {
		return 0
	}
	return at + t.u32(at)
}

// vector checks that a field's vector of n elements of a width fits.
func (t *flat) vector(table, field, width int) (first, n int) {
	at := t.slot(table, field)
	if at == 0 || t.bad {
		return 0, 0
	}
	v := at + t.u32(at)
	n = t.u32(v)
	if t.bad || n > (len(t.b)-v-4)/width {
		t.bad = true
		return 0, 0
	}
	return v + 4, n
}

func (t *flat) schema(s int) bool {
	if s == 0 || t.bad {
		return false
	}
	t.vector(s, 2, 4)
	t.vector(s, 3, 8)
	t.fields(s, 1, 0)
	return true
}

func (t *flat) fields(table, field, depth int) {
	first, n := t.vector(table, field, 4)
	for i := range n {
		if t.nodes++; t.bad || depth > 64 || t.nodes > 100_000 {
			t.bad = true
			return
		}
		at := first + 4*i
		f := at + t.u32(at)
		t.vector(f, 6, 4)
		t.fields(f, 5, depth+1)
	}
}

func (t *flat) finish(ok bool) error {
	if t.bad || !ok {
		return errArrowSchema
	}
	return nil
}
