// Package keyindex is the key index: for every key of a table the data files and
// row positions where its rows are, so that a commit of upserts finds the rows
// it replaces without reading the table. It lives in memory up to a budget and
// then, where a directory is given, on disk.
//
// An index is a cache. What it knows of a data file holds at one snapshot and
// its descendants; files it does not know are read by the writer, and learned on
// the way. So it may be lost, be left behind or be damaged: it is checked, and
// built again.
package keyindex

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/frazildb/frazil/deletes"
)

// Options configure an index; nil and zero fields mean the documented default.
type Options struct {
	// Dir is a directory of the index's own, on a local file system, which keeps
	// it from one run to the next and holds what does not fit into memory. One
	// process at a time can use it. Default none: memory only.
	Dir string
	// MemoryBudget in bytes; default 256 MiB, which holds 6 to 8 million keys.
	// Past it the index moves to disk and the budget goes to its cache and filter;
	// without Dir it stops learning, and the files it does not know are read at
	// every commit.
	MemoryBudget int64
	// Problem, when not nil, is told why what the index knew has been dropped.
	Problem func(error)
}

// Index is a key index, a table.KeyIndex. It is safe for concurrent use.
type Index struct {
	o Options

	mu    sync.Mutex
	state state
	// epoch counts resets: what began before one is not continued after.
	epoch int
	// files by ordinal, from 1; alive says which count, covered ones and those
	// being learned.
	files   []fileInfo
	alive   []bool
	covered map[string]uint32 // by path
	// mem has everything, or, with a disk, the changes of commits not written
	// there yet: what it says of a key is all there is to say. pending are the
	// files those commits added.
	mem     memory
	disk    *disk
	pending map[uint32]fileInfo
	full    bool // no Dir and no room
	stats   Stats
	closed  bool
	lock    io.Closer // of Dir
}

type state struct {
	identity           string
	snapshot, sequence int64
}

type fileInfo struct {
	path     string
	sequence int64
}

// Stats tell what an index holds and has done.
type Stats struct {
	// Keys in memory, or on disk as far as known; Bytes of memory.
	Keys  int64
	Bytes int64
	// Files covered, and whether the keys are on disk.
	Files  int
	OnDisk bool
	// Learned counts files read into the index, Resets how often all was dropped.
	Learned, Resets int64
}

// Open returns an index with what its directory has from an earlier run. Damaged
// contents are dropped; an error is one of making or locking the directory.
func Open(opts *Options) (*Index, error) {
	x := &Index{}
	if opts != nil {
		x.o = *opts
	}
	if x.o.MemoryBudget <= 0 {
		x.o.MemoryBudget = 256 << 20
	}
	x.clear()
	if x.o.Dir == "" {
		return x, nil
	}
	if err := x.open(); err != nil {
		return nil, fmt.Errorf("key index %s: %w", x.o.Dir, err)
	}
	return x, nil
}

// clear forgets everything, in memory.
func (x *Index) clear() {
	x.state = state{}
	x.files, x.alive = make([]fileInfo, 1), make([]bool, 1)
	x.covered = map[string]uint32{}
	x.mem = memory{roomy: min(x.o.MemoryBudget/4, 64<<20)}
	x.pending = nil
	x.full = false
	x.epoch++
}

// reset forgets everything, on disk too.
func (x *Index) reset(why error) {
	x.stats.Resets++
	if x.o.Problem != nil && why != nil {
		x.o.Problem(why)
	}
	x.dropDisk()
	x.clear()
}

// errOther: the index belongs to another table, key or history.
var errOther = errors.New("made for another table, or for a history that the table has left")

// sync brings the index to a state, dropping what does not hold there. It reports
// false when the state is older than the index, which is left alone.
func (x *Index) sync(ctx context.Context, at *deletes.IndexState) bool {
	switch {
	case x.state.identity != at.Identity:
		if x.state.identity != "" {
			x.reset(errOther)
		}
	case at.Sequence < x.state.sequence:
		return false
	case x.state.snapshot != at.Snapshot && x.state.snapshot != 0 && (at.IsAncestor == nil || !at.IsAncestor(x.state.snapshot)):
		x.reset(errOther)
	case x.state.snapshot != at.Snapshot && x.state.snapshot != 0 && at.Undeleted != nil && len(x.covered) > 0:
		x.forgetUndeleted(ctx, at)
	}
	x.state = state{at.Identity, at.Snapshot, at.Sequence}
	return true
}

// forgetUndeleted makes files that have gained rows since the index's state ones
// to be learned again.
func (x *Index) forgetUndeleted(ctx context.Context, at *deletes.IndexState) {
	paths, all := at.Undeleted(ctx, x.state.snapshot)
	if all {
		x.reset(errUndeleted)
		return
	}
	for path := range paths {
		if ord, ok := x.covered[path]; ok {
			x.forget(path, ord)
		}
	}
}

// forget drops a covered file.
func (x *Index) forget(path string, ord uint32) {
	delete(x.covered, path)
	x.alive[ord] = false
	x.files[ord].path = ""
	x.forgotten(ord)
}

var errUndeleted = errors.New("another engine has taken deletes back, of which files cannot be told")

// at reports whether the index is at a state.
func (x *Index) at(s *deletes.IndexState) bool {
	return x.state.identity == s.Identity && x.state.snapshot == s.Snapshot
}

// Find is table.KeyIndex's: it calls found for every row known to hold one of
// keys in one of files, which are all live files at the state. found must not
// call the index.
func (x *Index) Find(ctx context.Context, at *deletes.IndexState, files []deletes.IndexFile, keys []deletes.Digest, found func(file int, pos int64)) ([]bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	covered := make([]bool, len(files))
	if x.closed || !x.sync(ctx, at) {
		return covered, ctx.Err()
	}
	number := x.match(files, covered)
	if len(x.covered) == 0 {
		return covered, ctx.Err()
	}
	report := func(l loc) {
		if n := number[l.ord()]; n >= 0 {
			found(int(n), l.pos())
		}
	}
	if x.disk == nil {
		x.mem.find(keys, report)
		return covered, ctx.Err()
	}
	if err := x.disk.find(ctx, x.mem.findSome(keys, report, x.disk.keys[:0]), report); err != nil {
		if ctx.Err() == nil {
			x.reset(err)
		}
		return make([]bool, len(files)), ctx.Err()
	}
	return covered, nil
}

// match marks the covered files, forgets those that are live no more, and
// returns the number in files of each ordinal, -1 for none.
func (x *Index) match(files []deletes.IndexFile, covered []bool) []int32 {
	number := make([]int32, len(x.files))
	for i := range number {
		number[i] = -1
	}
	n := 0
	for i, f := range files {
		ord, ok := x.covered[f.Path]
		if ok && x.files[ord].sequence == f.Sequence {
			covered[i] = true
			number[ord] = int32(i)
			n++
		}
	}
	if n < len(x.covered) {
		for path, ord := range x.covered {
			if number[ord] < 0 {
				x.forget(path, ord)
			}
		}
	}
	return number
}

// newFile takes an ordinal; 0 when there is none left.
func (x *Index) newFile(f deletes.IndexFile) uint32 {
	if len(x.files) > maxOrd {
		return 0
	}
	x.files = append(x.files, fileInfo{f.Path, f.Sequence})
	x.alive = append(x.alive, true)
	return uint32(len(x.files) - 1)
}

// Learn is table.KeyIndex's: it adds a data file, whose rows live at the state
// are those that read yields.
func (x *Index) Learn(ctx context.Context, at *deletes.IndexState, file deletes.IndexFile, read deletes.IndexReader) error {
	l := x.startLearning(at, file)
	err := read(ctx, l.add)
	x.mu.Lock()
	defer x.mu.Unlock()
	l.end(at, err == nil)
	return err
}

// learning is a file being learned.
type learning struct {
	x     *Index
	file  deletes.IndexFile
	ord   uint32 // 0: nothing is to be learned
	epoch int
	run   []entry // on disk: rows not yet written
}

func (x *Index) startLearning(at *deletes.IndexState, file deletes.IndexFile) *learning {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := &learning{x: x, file: file, epoch: x.epoch}
	if _, known := x.covered[file.Path]; !x.closed && !known && !x.full && x.at(at) {
		l.ord = x.newFile(file)
	}
	return l
}

// add adds rows; it never fails.
func (l *learning) add(rows deletes.IndexRows) error {
	if l.ord == 0 {
		return nil
	}
	x := l.x
	x.mu.Lock()
	defer x.mu.Unlock()
	if !l.current() || x.makeRoom(len(rows.Keys)) != nil {
		l.giveUp()
		return nil
	}
	for _, p := range rows.Positions {
		if p < 0 || p > maxPos {
			l.giveUp()
			return nil
		}
	}
	if x.disk == nil {
		for i, k := range rows.Keys {
			x.mem.add(k, makeLoc(l.ord, rows.Positions[i]), x.alive)
		}
		return nil
	}
	for i, k := range rows.Keys {
		at := makeLoc(l.ord, rows.Positions[i])
		if l.run = append(l.run, entry{k, at}); x.mem.has(k) {
			x.mem.add(k, at, x.alive) // memory's word will replace the disk's
		}
	}
	if len(l.run) >= x.runRows() {
		l.flush(nil)
	}
	return nil
}

func (l *learning) current() bool { return l.ord != 0 && l.epoch == l.x.epoch && !l.x.closed }

// giveUp leaves the file to be read.
func (l *learning) giveUp() {
	if l.current() {
		l.x.alive[l.ord] = false
	}
	l.ord, l.run = 0, nil
}

// end makes the file covered, if the state is still the one its rows are of.
func (l *learning) end(at *deletes.IndexState, ok bool) {
	x := l.x
	if !l.current() {
		return
	}
	if _, known := x.covered[l.file.Path]; !ok || known || !x.at(at) {
		l.giveUp()
		return
	}
	if x.disk != nil && !l.flush(map[uint32]fileInfo{l.ord: x.files[l.ord]}) {
		return
	}
	x.covered[l.file.Path] = l.ord
	x.stats.Learned++
}

// flush writes the gathered rows to disk; files become covered with them.
func (l *learning) flush(files map[uint32]fileInfo) bool {
	l.run = l.x.disk.sort(l.run)
	l.x.disk.setAlive(l.x.alive)
	err := l.x.disk.write(&change{entries: l.run, merge: true, files: files, state: l.x.state, next: len(l.x.files)})
	l.run = l.run[:0]
	if err != nil {
		l.x.reset(err)
		l.ord = 0
	}
	return err == nil
}

// makeRoom sees to it that n more keys fit: it moves the index to disk, or fails.
func (x *Index) makeRoom(n int) error {
	if x.disk != nil || x.mem.bytes+int64(n)*slotBytes*2 <= x.o.MemoryBudget {
		return nil
	}
	if x.o.Dir == "" {
		x.full = true
		return errFull
	}
	if err := x.toDisk(); err != nil {
		x.reset(err)
		return err
	}
	return nil
}

var errFull = errors.New("memory budget exhausted")

// Committed is table.KeyIndex's: it moves the index on by a commit made on top
// of a state.
func (x *Index) Committed(at *deletes.IndexState, c *deletes.IndexCommit) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return
	}
	if !x.at(at) {
		if len(x.covered) > 0 || at.Sequence < x.state.sequence {
			return
		}
		x.state.identity = at.Identity
	}
	if x.makeRoom(len(c.Keys)) != nil && x.disk == nil && x.full {
		x.supersede(c)
		x.state.snapshot, x.state.sequence = c.Snapshot, c.Sequence
		return
	}
	ords := make([]uint32, len(c.Files))
	for i, f := range c.Files {
		if ords[i] = x.newFile(f); ords[i] == 0 {
			x.reset(fmt.Errorf("file numbers used up"))
			return
		}
	}
	x.state = state{at.Identity, c.Snapshot, c.Sequence}
	x.put(c, ords)
	for i, f := range c.Files {
		x.covered[f.Path] = ords[i]
		if x.disk != nil {
			x.pending[ords[i]] = x.files[ords[i]]
		}
	}
	if x.disk != nil && int64(x.mem.n)*overlayBytes >= x.o.MemoryBudget/4 {
		if err := x.flush(); err != nil {
			x.reset(err)
		}
	}
}

// overlayBytes is what a key in memory takes, about.
const overlayBytes = 40

// put sets the places of a commit's keys, in memory.
func (x *Index) put(c *deletes.IndexCommit, ords []uint32) {
	x.mem.inOrder(c.Keys, func(i int) {
		if p := c.Places[i]; p.File < 0 {
			x.mem.remove(c.Keys[i], x.alive)
		} else {
			x.mem.set(c.Keys[i], makeLoc(ords[p.File], p.Position), x.alive)
		}
	})
}

// supersede forgets the places that keys had, when there is no room for new ones.
func (x *Index) supersede(c *deletes.IndexCommit) {
	for _, k := range c.Keys {
		x.mem.remove(k, x.alive)
	}
}

// Stats returns figures about the index.
func (x *Index) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.stats
	s.Keys, s.Bytes, s.Files, s.OnDisk = int64(x.mem.n), x.mem.bytes, len(x.covered), x.disk != nil
	if x.disk != nil {
		s.Keys, s.Bytes = x.disk.n, x.mem.bytes+x.disk.filter.bytes()
	}
	return s
}

// Close keeps what is in memory in the directory, if there is one, and closes
// the index, which then covers nothing.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil
	}
	x.closed = true
	if x.o.Dir == "" {
		return nil
	}
	if err := x.close(); err != nil {
		return fmt.Errorf("key index %s: %w", x.o.Dir, err)
	}
	return nil
}

// entry is a place of a key.
type entry struct {
	key deletes.Digest
	loc loc
}

// runRows is how many rows are sorted and written to disk at once.
func (x *Index) runRows() int { return int(min(1<<20, max(4096, x.o.MemoryBudget/8/slotBytes))) }

func compareEntries(a, b entry) int {
	for i := range a.key {
		if a.key[i] != b.key[i] {
			if a.key[i] < b.key[i] {
				return -1
			}
			return 1
		}
	}
	switch {
	case a.loc < b.loc:
		return -1
	case a.loc > b.loc:
		return 1
	}
	return 0
}
