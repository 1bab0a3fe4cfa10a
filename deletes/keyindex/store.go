package keyindex

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/kv"
)

// What is in the directory: a lock, and either the memory's contents, written
// when the index is closed, or the store and, when it was closed, its filter.
func (x *Index) memFile() string    { return filepath.Join(x.o.Dir, "keys.mem") }
func (x *Index) filterFile() string { return filepath.Join(x.o.Dir, "filter") }
func (x *Index) diskDir() string    { return filepath.Join(x.o.Dir, "keys") }

func (x *Index) open() error {
	var err error
	if x.lock, err = kv.Lock(x.o.Dir); err != nil {
		return err
	}
	if _, err := os.Stat(x.diskDir()); err == nil {
		if err := x.openDisk(); err != nil {
			x.reset(err)
		}
		return nil
	}
	err = x.loadMemory()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		x.reset(err)
	}
	return nil
}

// openDisk goes on with what is on disk.
func (x *Index) openDisk() error {
	d, err := openDisk(x.diskDir(), x.o.MemoryBudget)
	if err != nil {
		return err
	}
	x.disk = d
	s, files, err := d.load()
	if err != nil {
		return err
	}
	x.state = s
	x.setFiles(files)
	x.overlay()
	d.setAlive(x.alive)
	b, err := os.ReadFile(x.filterFile())
	if err == nil {
		// From here on it would miss keys.
		if err = os.Remove(x.filterFile()); err == nil {
			err = d.filter.unmarshal(b, d.runs)
		}
	}
	if err == nil {
		return nil
	}
	d.filter = filter{budget: d.filter.budget}
	d.filter.grow(uint64(d.n) + uint64(d.n)/4)
	return d.eachKey(func(k deletes.Digest) { d.filter.add(k) })
}

// setFiles takes over files by ordinal; those without a path are forgotten ones.
func (x *Index) setFiles(files []fileInfo) {
	x.files, x.alive = files, make([]bool, len(files))
	for ord, f := range files {
		if f.path != "" {
			x.alive[ord] = true
			x.covered[f.path] = uint32(ord)
		}
	}
}

// forgotten tells the disk of a file that no longer counts.
func (x *Index) forgotten(ord uint32) {
	if x.disk == nil {
		return
	}
	if _, ok := x.pending[ord]; ok {
		delete(x.pending, ord)
	} else {
		x.disk.dead = append(x.disk.dead, ord)
	}
}

// dropDisk removes what is on disk.
func (x *Index) dropDisk() {
	if x.disk != nil {
		_ = x.disk.db.Close() // it is removed
		x.disk = nil
	}
	if x.o.Dir != "" {
		_ = os.RemoveAll(x.diskDir()) // if it stays it is checked again
		_ = os.Remove(x.memFile())
		_ = os.Remove(x.filterFile())
	}
}

// toDisk moves the index from memory to disk.
func (x *Index) toDisk() error {
	x.dropDisk()
	d, err := openDisk(x.diskDir(), x.o.MemoryBudget)
	if err != nil {
		return err
	}
	x.disk = d
	d.setAlive(x.alive)
	d.filter.grow(uint64(x.mem.n) * 2)
	c := &change{state: x.state, next: len(x.files)}
	for i := range x.mem.parts {
		p := &x.mem.parts[i]
		for j := range p.slots {
			x.mem.each(&p.slots[j], func(l loc) {
				if x.alive[l.ord()] {
					c.entries = append(c.entries, entry{p.slots[j].key, l})
				}
			})
		}
		p.slots = nil
		if i+1 < memParts && len(c.entries) < x.runRows() {
			continue
		}
		if i+1 == memParts {
			c.files = map[uint32]fileInfo{}
			for _, ord := range x.covered {
				c.files[ord] = x.files[ord]
			}
		}
		c.entries = d.sort(c.entries)
		if err := d.write(c); err != nil {
			return err
		}
		c.entries = c.entries[:0]
	}
	d.sorted = nil
	x.overlay()
	return nil
}

// overlay makes memory ready to hold what is not on disk yet.
func (x *Index) overlay() {
	x.mem = memory{roomy: x.o.MemoryBudget / 8, keepGone: true}
	x.pending = map[uint32]fileInfo{}
}

// flush writes what is in memory to disk.
func (x *Index) flush() error {
	e := x.disk.scratch[:0]
	for i := range x.mem.parts {
		p := &x.mem.parts[i]
		for j := range p.slots {
			s := &p.slots[j]
			n := len(e)
			x.mem.each(s, func(l loc) {
				if x.alive[l.ord()] {
					e = append(e, entry{s.key, l})
				}
			})
			if len(e) == n && s.loc != 0 {
				e = append(e, entry{s.key, gone})
			}
		}
	}
	e = x.disk.sort(e)
	x.disk.scratch = e[:0]
	x.disk.setAlive(x.alive)
	if err := x.disk.write(&change{entries: e, files: x.pending, state: x.state, next: len(x.files)}); err != nil {
		return err
	}
	x.mem.clear()
	clear(x.pending)
	return nil
}

func (x *Index) close() error {
	var err error
	if x.disk != nil {
		d := x.disk
		if x.mem.n > 0 || len(x.pending) > 0 {
			err = x.flush()
		}
		var b []byte
		if err != nil {
			// The store is as it was before, and its filter is not.
		} else if b, err = d.filter.marshal(d.runs); err == nil && !d.filter.off {
			err = os.WriteFile(x.filterFile(), b, 0o600)
		}
		err = errors.Join(err, d.db.Close())
		x.disk = nil
	} else {
		err = x.saveMemory()
	}
	x.clear()
	return errors.Join(err, x.lock.Close())
}

// The memory's contents as a file, numbers 8 bytes LE:
//
//	magic "FZKM" and version 1       5 bytes
//	snapshot, sequence, length of identity, identity
//	files: number of ordinals; per ordinal: sequence, length of path, path
//	places: number; per place: digest 16 bytes, place
//	crc-32c of all before            4 bytes
const memMagic = "FZKM\x01"

type sumWriter struct {
	w   *bufio.Writer
	sum hash.Hash32
	b   [24]byte
}

func (w *sumWriter) bytes(p []byte) {
	_, _ = w.w.Write(p) // bufio keeps the error
	_, _ = w.sum.Write(p)
}

func (w *sumWriter) num(v uint64) {
	binary.LittleEndian.PutUint64(w.b[:], v)
	w.bytes(w.b[:8])
}

func (w *sumWriter) text(s string) {
	w.num(uint64(len(s)))
	w.bytes([]byte(s))
}

func (x *Index) saveMemory() (err error) {
	tmp := x.memFile() + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := &sumWriter{w: bufio.NewWriterSize(f, 1<<18), sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	x.encodeMemory(w)
	sum := w.sum.Sum32()
	_, _ = w.w.Write(binary.LittleEndian.AppendUint32(nil, sum))
	if err := errors.Join(w.w.Flush(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, x.memFile())
}

func (x *Index) encodeMemory(w *sumWriter) {
	w.bytes([]byte(memMagic))
	w.num(uint64(x.state.snapshot))
	w.num(uint64(x.state.sequence))
	w.text(x.state.identity)
	w.num(uint64(len(x.files)))
	for ord, f := range x.files {
		if x.covered[f.path] != uint32(ord) {
			f = fileInfo{}
		}
		w.num(uint64(f.sequence))
		w.text(f.path)
	}
	each := func(f func(k deletes.Digest, l loc)) {
		for i := range x.mem.parts {
			p := &x.mem.parts[i]
			for j := range p.slots {
				x.mem.each(&p.slots[j], func(l loc) {
					if x.alive[l.ord()] {
						f(p.slots[j].key, l)
					}
				})
			}
		}
	}
	n := uint64(0)
	each(func(deletes.Digest, loc) { n++ })
	w.num(n)
	each(func(k deletes.Digest, l loc) {
		binary.LittleEndian.PutUint64(w.b[:], k[0])
		binary.LittleEndian.PutUint64(w.b[8:], k[1])
		binary.LittleEndian.PutUint64(w.b[16:], uint64(l))
		w.bytes(w.b[:])
	})
}

// loadMemory reads what saveMemory wrote. What it puts into the index before it
// finds damage is for the caller to clear.
func (x *Index) loadMemory() error {
	f, err := os.Open(x.memFile())
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r := &sumReader{r: bufio.NewReaderSize(f, 1<<18), left: info.Size() - 4, sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	if err := x.decodeMemory(r); err != nil {
		return fmt.Errorf("%s: %w", x.memFile(), err)
	}
	return nil
}

type sumReader struct {
	r    io.Reader
	left int64 // before the checksum
	sum  hash.Hash32
	b    [24]byte
	err  error
}

func (r *sumReader) bytes(p []byte) {
	if r.err == nil && int64(len(p)) > r.left {
		r.err = io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return
	}
	if _, r.err = io.ReadFull(r.r, p); r.err == nil {
		r.left -= int64(len(p))
		_, _ = r.sum.Write(p)
	}
}

func (r *sumReader) num() uint64 {
	r.bytes(r.b[:8])
	if r.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(r.b[:])
}

func (r *sumReader) text() string {
	n := r.num()
	if r.err == nil && n > uint64(max(r.left, 0)) {
		r.err = io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return ""
	}
	b := make([]byte, n)
	r.bytes(b)
	return string(b)
}

// count reads a number of things of a least size.
func (r *sumReader) count(size uint64) uint64 {
	n := r.num()
	if r.err == nil && n > uint64(max(r.left, 0))/size {
		r.err = io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (x *Index) decodeMemory(r *sumReader) error {
	magic := make([]byte, len(memMagic))
	r.bytes(magic)
	if r.err != nil || string(magic) != memMagic {
		return errors.Join(r.err, errFormat)
	}
	var s state
	s.snapshot, s.sequence = int64(r.num()), int64(r.num())
	s.identity = r.text()
	files := make([]fileInfo, r.count(16))
	for i := range files {
		files[i].sequence = int64(r.num())
		files[i].path = r.text()
	}
	if r.err != nil || len(files) == 0 || len(files) > maxOrd+1 || files[0].path != "" {
		return errors.Join(r.err, errFormat)
	}
	x.setFiles(files)
	for range r.count(24) {
		r.bytes(r.b[:])
		if r.err != nil {
			break
		}
		l := loc(binary.LittleEndian.Uint64(r.b[16:]))
		if l.ord() == 0 || int(l.ord()) >= len(files) || l&moreFlag != 0 {
			return errFormat
		}
		x.mem.add(deletes.Digest{binary.LittleEndian.Uint64(r.b[:]), binary.LittleEndian.Uint64(r.b[8:])}, l, x.alive)
	}
	if r.err != nil || r.left != 0 {
		return errors.Join(r.err, errFormat)
	}
	var sum [4]byte
	if _, err := io.ReadFull(r.r, sum[:]); err != nil || binary.LittleEndian.Uint32(sum[:]) != r.sum.Sum32() {
		return errors.Join(err, errors.New("wrong checksum"))
	}
	x.state = s
	return nil
}
