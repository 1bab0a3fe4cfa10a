package keyindex

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/frazildb/frazil/deletes"
)

func key(n uint64) deletes.Digest {
	r := rand.NewPCG(n, 1)
	return deletes.Digest{r.Uint64(), r.Uint64()}
}

// world is a table of files without rows' contents: what an index may say about
// it is checked against what is there.
type world struct {
	t     *testing.T
	r     *rand.Rand
	x     *Index
	o     Options
	snap  int64 // its ancestors are all below it and at least root
	root  int64
	files map[string]*worldFile
	next  int
	// learned counts files over all times the index was opened.
	learned int64
}

type worldFile struct {
	sequence int64
	rows     []uint64 // key of each row
	dead     []bool
}

func newWorld(t *testing.T, seed uint64, o Options) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 3)), o: o, files: map[string]*worldFile{}, root: 1, snap: 1}
	w.open()
	t.Cleanup(func() { _ = w.x.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.x, err = Open(&w.o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) at() *deletes.IndexState {
	snap, root := w.snap, w.root
	return &deletes.IndexState{
		Identity: "t", Snapshot: snap, Sequence: snap,
		IsAncestor: func(id int64) bool { return id == snap || id >= root && id < snap },
	}
}

func (w *world) live() (files []deletes.IndexFile) {
	for path, f := range w.files {
		files = append(files, deletes.IndexFile{Path: path, Sequence: f.sequence})
	}
	slices.SortFunc(files, func(a, b deletes.IndexFile) int { return int(a.Sequence - b.Sequence) })
	return files
}

// find looks keys up and learns what is not covered, as a commit does; it checks
// that together that finds every live row, and nothing but rows of the key.
func (w *world) find(keys []uint64) {
	w.t.Helper()
	ctx := context.Background()
	digests := make([]deletes.Digest, len(keys))
	wanted := map[uint64]bool{}
	for i, k := range keys {
		digests[i], wanted[k] = key(k), true
	}
	files, at := w.live(), w.at()
	got := map[string]map[int64]bool{}
	for _, f := range files {
		got[f.Path] = map[int64]bool{}
	}
	covered, err := w.x.Find(ctx, at, files, digests, func(file int, pos int64) { got[files[file].Path][pos] = true })
	if err != nil {
		w.t.Fatal(err)
	}
	for i, f := range files {
		have := w.files[f.Path]
		for pos := range got[f.Path] {
			if !wanted[have.rows[pos]] {
				w.t.Fatalf("row %d of %s has another key", pos, f.Path)
			}
		}
		if !covered[i] {
			if w.r.IntN(3) > 0 {
				w.learn(at, f)
			}
			continue
		}
		for pos, k := range have.rows {
			if wanted[k] && !have.dead[pos] && !got[f.Path][int64(pos)] {
				w.t.Fatalf("row %d of %s, which is covered, is missed", pos, f.Path)
			}
		}
	}
}

func (w *world) learn(at *deletes.IndexState, f deletes.IndexFile) {
	have := w.files[f.Path]
	fail := w.r.IntN(10) == 0
	err := w.x.Learn(context.Background(), at, f, func(_ context.Context, add func(deletes.IndexRows) error) error {
		var rows deletes.IndexRows
		for pos, k := range have.rows {
			if !have.dead[pos] {
				rows.Keys, rows.Positions = append(rows.Keys, key(k)), append(rows.Positions, int64(pos))
			}
			if len(rows.Keys) == 3 {
				if err := add(rows); err != nil {
					return err
				}
				rows = deletes.IndexRows{}
			}
		}
		if fail {
			return os.ErrDeadlineExceeded
		}
		return add(rows)
	})
	if (err != nil) != fail {
		w.t.Fatal(err)
	}
}

// write makes a commit: keys get a new row, or none. The index is told, if tell.
func (w *world) write(keys []uint64, tell bool) {
	c := &deletes.IndexCommit{Snapshot: w.snap + 1, Sequence: w.snap + 1}
	at := w.at()
	for _, f := range w.files {
		for pos, k := range f.rows {
			f.dead[pos] = f.dead[pos] || slices.Contains(keys, k)
		}
	}
	w.snap++
	path := fmt.Sprintf("f%d", w.next)
	w.next++
	f := &worldFile{sequence: w.snap}
	for _, k := range keys {
		p := deletes.IndexPlace{File: -1}
		if w.r.IntN(4) > 0 {
			p = deletes.IndexPlace{File: 0, Position: int64(len(f.rows))}
			f.rows, f.dead = append(f.rows, k), append(f.dead, false)
		}
		c.Keys, c.Places = append(c.Keys, key(k)), append(c.Places, p)
	}
	w.files[path] = f
	c.Files = []deletes.IndexFile{{Path: path, Sequence: w.snap}}
	if tell {
		w.x.Committed(at, c)
	}
}

// appendFile adds rows whatever their keys, as an engine that knows no keys.
func (w *world) appendFile(keys []uint64) {
	w.snap++
	w.files[fmt.Sprintf("a%d", w.snap)] = &worldFile{sequence: w.snap, rows: keys, dead: make([]bool, len(keys))}
}

func (w *world) keys(n int) []uint64 {
	seen := map[uint64]bool{}
	for range w.r.IntN(n + 1) {
		seen[w.r.Uint64N(50)] = true
	}
	var out []uint64
	for k := range seen {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// compact replaces some files by one with their live rows.
func (w *world) compact() {
	out := &worldFile{}
	for path, f := range w.files {
		if w.r.IntN(2) == 0 {
			continue
		}
		for pos, k := range f.rows {
			if !f.dead[pos] {
				out.rows, out.dead = append(out.rows, k), append(out.dead, false)
			}
		}
		delete(w.files, path)
	}
	w.snap++
	out.sequence = w.snap
	w.files[fmt.Sprintf("c%d", w.snap)] = out
}

// TestIndex: whatever happens to table and index, a covered file's rows are all
// found.
func TestIndex(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			o := Options{MemoryBudget: []int64{1, 12_000, 1 << 20}[r.IntN(3)]}
			if r.IntN(3) > 0 {
				o.Dir = t.TempDir()
			}
			w := newWorld(t, seed, o)
			for range 150 {
				switch w.r.IntN(12) {
				case 0:
					w.appendFile(w.keys(20))
				case 1:
					w.compact()
				case 2:
					w.write(w.keys(10), false)
				case 3:
					w.learned += w.x.Stats().Learned
					if err := w.x.Close(); err != nil {
						t.Fatal(err)
					}
					w.open()
				case 4:
					if w.r.IntN(5) == 0 { // the history before is gone
						w.root = w.snap + 1
						w.snap++
					}
				default:
					w.find(w.keys(30))
					w.write(w.keys(10), true)
				}
				w.find(w.keys(50))
			}
			if w.learned+w.x.Stats().Learned == 0 && (o.Dir != "" || o.MemoryBudget > 1) {
				t.Error("nothing was ever learned")
			}
		})
	}
}

// TestForget: what belongs to another table, or to a history that the table has
// left, is dropped; a state older than the index's is not answered for.
func TestForget(t *testing.T) {
	w := newWorld(t, 1, Options{})
	w.write([]uint64{1, 2, 3}, true)
	covers := func(at *deletes.IndexState) bool {
		covered, err := w.x.Find(context.Background(), at, w.live(), []deletes.Digest{key(1)}, func(int, int64) {})
		if err != nil {
			t.Fatal(err)
		}
		return covered[0]
	}
	if !covers(w.at()) {
		t.Fatal("own file is not covered")
	}
	old := w.at()
	old.Snapshot, old.Sequence = 1, 1
	if covers(old) || !covers(w.at()) {
		t.Error("an older state")
	}
	w.root, w.snap = 100, 100
	if covers(w.at()) {
		t.Error("covered in a history that is not the index's")
	}
	w.snap++
	w.write([]uint64{4}, true)
	w.files = map[string]*worldFile{"f1": w.files["f1"]}
	if !covers(w.at()) {
		t.Error("not covered after starting anew")
	}
	other := w.at()
	other.Identity = "other"
	if covers(other) {
		t.Error("covered for another table")
	}
}

// TestDamage: a flipped bit or a cut in the file of the memory's contents is
// noticed.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, 1, Options{Dir: dir})
	w.write([]uint64{1, 2, 3, 4, 5, 6}, true)
	if err := w.x.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keys.mem")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) Stats {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		x, err := Open(&Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		s := x.Stats()
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := try(good); s.Files != 1 || s.Keys == 0 || s.Resets != 0 {
		t.Fatalf("undamaged: %+v", s)
	}
	for i := range good {
		b := slices.Clone(good)
		b[i] ^= 1 << (i % 8)
		if s := try(b); s.Files != 0 || s.Keys != 0 || s.Resets != 1 {
			t.Fatalf("byte %d changed: %+v", i, s)
		}
		if s := try(good[:i]); s.Files != 0 || s.Resets != 1 {
			t.Fatalf("cut at %d: %+v", i, s)
		}
	}
}

// TestDamagedStore: damage to any file of the store leads to an index that knows
// less, never to one that misses rows or ends the process.
func TestDamagedStore(t *testing.T) {
	for seed := range uint64(40) {
		w := newWorld(t, seed, Options{Dir: t.TempDir(), MemoryBudget: []int64{1, 12_000}[seed%2]})
		if err := w.x.makeRoom(1 << 20); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			w.write(w.keys(20), true)
			w.appendFile(w.keys(5))
			w.find(w.keys(50))
		}
		if err := w.x.Close(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(w.o.Dir, "keys", "*"))
		if err != nil {
			t.Fatal(err)
		}
		if seed%2 == 1 {
			files = append(files, w.x.filterFile())
		}
		path := files[w.r.IntN(len(files))]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 {
			b[w.r.IntN(len(b))] ^= 0x55
		}
		if w.r.IntN(4) == 0 {
			b = b[:len(b)/2]
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		w.open()
		for range 5 {
			w.find(w.keys(50))
			w.write(w.keys(10), true)
		}
		if err := w.x.Close(); err != nil {
			t.Logf("seed %d, %s damaged: %v", seed, filepath.Base(path), err)
		}
	}
}

// TestGrowth: an index of keys that are updated again and again does not grow,
// nor one whose table is compacted again and again.
func TestGrowth(t *testing.T) {
	for _, budget := range []int64{1 << 30, 1} {
		w := newWorld(t, 1, Options{Dir: t.TempDir(), MemoryBudget: budget})
		var keys []uint64
		for k := range uint64(2000) {
			keys = append(keys, k)
		}
		w.write(keys, true)
		for range 30 {
			for p := range w.files { // nothing of them is live
				delete(w.files, p)
			}
			if w.write(keys, true); budget == 1 && w.x.disk == nil {
				t.Fatal("not on disk")
			}
			w.appendFile(keys[:100])
			w.find(keys[:10])
		}
		n := w.x.mem.n
		if w.x.disk != nil {
			if err := w.x.disk.eachKey(func(deletes.Digest) { n++ }); err != nil {
				t.Fatal(err)
			}
		}
		if n < 1200 || n > 2500 {
			t.Errorf("budget %d: %d keys, %+v", budget, n, w.x.Stats())
		}
	}
}

func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	x, err := Open(&Options{Dir: dir})
	if err != nil {
		f.Fatal(err)
	}
	x.Committed(&deletes.IndexState{Identity: "t"}, &deletes.IndexCommit{
		Snapshot: 1, Files: []deletes.IndexFile{{Path: "p", Sequence: 1}},
		Keys: []deletes.Digest{{1, 2}}, Places: []deletes.IndexPlace{{File: 0, Position: 3}},
	})
	if err := x.Close(); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "keys.mem"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(memMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		x := &Index{o: Options{Dir: t.TempDir()}}
		x.clear()
		if err := os.WriteFile(x.memFile(), b, 0o644); err != nil {
			t.Fatal(err)
		}
		_ = x.loadMemory()
	})
}
