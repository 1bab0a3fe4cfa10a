package table

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// KeyIndex knows in which rows of which data files the keys of a table are, so
// that a commit need not read the key columns of the files it deletes from.
// keyindex.Index is one. It is a cache, tied to the table's snapshots: a table
// comes out the same with it, without it, or with one that forgets. Methods may
// be called concurrently.
type KeyIndex interface {
	// Find brings the index to state at, whose data files are files, and calls
	// found for every row known to hold one of keys in one of them; rows deleted
	// meanwhile may be among them. covered says for which files that is all there
	// is to know; the others are to be read, and may be learned. An index that is
	// of no use at that state covers none. The error is ctx's alone: an index in
	// trouble forgets.
	Find(ctx context.Context, at *deletes.IndexState, files []deletes.IndexFile, keys []deletes.Digest,
		found func(file int, pos int64)) (covered []bool, err error)
	// Learn adds a file, whose rows live at a state are those read yields. The
	// error is that of read.
	Learn(ctx context.Context, at *deletes.IndexState, file deletes.IndexFile, read deletes.IndexReader) error
	// Committed tells of a commit made on top of a state. An index that is at
	// another one ignores it.
	Committed(at *deletes.IndexState, c *deletes.IndexCommit)
}

// hashVersion changes with the definition of deletes.Digest.
const hashVersion = 1

// useIndex sets the index of the commit. A table without a key has none.
func (r *resolver) useIndex(index KeyIndex, branch string, m *metadata.Table) {
	r.branch = branch
	if len(m.CurrentSchema().IdentifierFieldIDs) > 0 {
		r.index = index
	}
}

// indexState describes base to the key index.
func (r *resolver) indexState(base *catalog.Entry, head *metadata.Snapshot, branch string) *deletes.IndexState {
	var id strings.Builder
	fmt.Fprintf(&id, "hash %d seed %x table %s branch %q key", hashVersion, r.seed, base.Metadata.UUID, branch)
	for _, f := range r.fields {
		fmt.Fprintf(&id, " %d %s", f.ID, hashedAs(f.Type))
	}
	s := &deletes.IndexState{Identity: id.String(), Sequence: base.Metadata.LastSequenceNumber}
	s.Undeleted = func(ctx context.Context, from int64) (map[string]bool, bool) {
		return r.t.undeleted(ctx, base, head, from)
	}
	if head != nil {
		s.Snapshot = head.ID
		s.IsAncestor = func(id int64) bool {
			return base.Metadata.IsAncestor(id, head.ID) || r.t.opts.off == "index follows the table's history"
		}
	}
	return s
}

// hashedAs names a key column's type so that types whose values have the same
// digests have the same name.
func hashedAs(t schema.Type) string {
	switch t.Kind {
	case schema.KindInt, schema.KindLong:
		return "long"
	case schema.KindFloat, schema.KindDouble:
		return "double"
	case schema.KindDecimal:
		return fmt.Sprintf("decimal scale %d", t.Scale)
	}
	return t.String()
}

// askIndex looks the keys up in the index and returns which files are settled by
// that.
func (r *resolver) askIndex(ctx context.Context, live []*manifest.Entry) ([]bool, error) {
	files := make([]deletes.IndexFile, len(live))
	for i, e := range live {
		files[i] = deletes.IndexFile{Path: e.File.Path, Sequence: e.FileSequenceNumber}
	}
	rows := make([][]int64, len(files))
	covered, err := r.index.Find(ctx, r.at, files, digestsOf(r.asked), func(file int, pos int64) { rows[file] = append(rows[file], pos) })
	if err != nil {
		return nil, err
	}
	for i, pos := range rows {
		if r.t.opts.off == "read files the index does not cover" {
			covered[i] = true
		}
		if len(pos) == 0 || !covered[i] {
			continue
		}
		pos = sortPositions(pos, live[i].File.RecordCount)
		p := r.found[files[i].Path]
		if p == nil {
			p = &deletes.Positions{}
			r.found[files[i].Path] = p
		}
		p.AddMany(pos)
	}
	return covered, nil
}

// digestsOf returns the digests of keys, which must not be changed. With several
// sets a key may be there twice.
func digestsOf(keys []stagedKeys) []deletes.Digest {
	if len(keys) == 1 {
		return keys[0].digests
	}
	n := 0
	for _, k := range keys {
		n += len(k.digests)
	}
	out := make([]deletes.Digest, 0, n)
	for _, k := range keys {
		out = append(out, k.digests...)
	}
	return out
}

// sortPositions sorts positions in a file of so many rows: where they are many,
// by setting bits.
func sortPositions(pos []int64, rows int64) []int64 {
	if int64(len(pos)) < rows/256 || rows > math.MaxInt32 {
		slices.Sort(pos)
		return pos
	}
	set := make([]uint64, rows/64+1)
	for _, p := range pos {
		if p>>6 >= int64(len(set)) { // more rows than the metadata says
			slices.Sort(pos)
			return pos
		}
		set[p>>6] |= 1 << (p & 63)
	}
	out := pos[:0]
	for i, w := range set {
		for ; w != 0; w &= w - 1 {
			out = append(out, int64(i)<<6|int64(bits.TrailingZeros64(w)))
		}
	}
	return out
}

// learnFile reads a file that the index does not cover, for this commit and for
// the index.
func (r *resolver) learnFile(ctx context.Context, sc *scan.Scan, h *deletes.Hasher, task scan.FileTask) (*findings, error) {
	var f *findings
	file := deletes.IndexFile{Path: task.Data.File.Path, Sequence: task.Data.FileSequenceNumber}
	err := r.index.Learn(ctx, r.at, file, func(ctx context.Context, add func(deletes.IndexRows) error) error {
		f = &findings{} // an index may read again
		return r.eachKeys(ctx, sc, h, task, func(k keyBatch) error {
			r.judge(f, k)
			return add(deletes.IndexRows{Keys: k.digests, Positions: k.pos})
		})
	})
	return f, err
}

// keyBatch is a batch of the live rows of a file, valid during a call.
type keyBatch struct {
	digests []deletes.Digest
	pos     []int64
	order   []arrow.Array // the order columns
}

// eachKeys calls f with the keys of the live rows of a file, batch by batch.
func (r *resolver) eachKeys(ctx context.Context, sc *scan.Scan, h *deletes.Hasher, task scan.FileTask, f func(keyBatch) error) error {
	var k keyBatch
	t, err := sc.NewTask(task)
	if err != nil {
		return err
	}
	for b, err := range t.Batches(ctx) {
		if err != nil {
			return err
		}
		n := int(b.NumCols()) - 1
		k.digests = h.Hash(b.Columns()[:len(h.Fields())], k.digests[:0])
		k.order = k.order[:0]
		for _, f := range r.orderFields {
			k.order = append(k.order, b.Column(b.Schema().FieldIndices(f.Name)[0]))
		}
		k.pos = b.Column(n).(*array.Int64).Int64Values()
		if err := f(k); err != nil {
			return err
		}
	}
	return nil
}

// tellIndex lets the index know what a commit that was made has changed. Files
// whose rows were appended without a look at their keys are left for it to learn
// when a commit reads them.
func (r *resolver) tellIndex(snap *metadata.Snapshot) {
	if r.index == nil || r.at == nil || snap == nil {
		return
	}
	c := &deletes.IndexCommit{Snapshot: snap.ID, Sequence: snap.SequenceNumber}
	number := make([]int32, len(r.own))
	for n, f := range r.own {
		number[n] = -1
		if !r.appended[n] {
			number[n] = int32(len(c.Files))
			c.Files = append(c.Files, deletes.IndexFile{Path: f.Path, Sequence: snap.SequenceNumber})
		}
	}
	place := func(loc upsert.Loc) deletes.IndexPlace {
		if loc.IsWritten() {
			return deletes.IndexPlace{File: number[loc.File()], Position: loc.Pos()}
		}
		return deletes.IndexPlace{File: -1}
	}
	late := r.lateKeys()
	switch {
	case r.several:
		r.latest.Update(func(d deletes.Digest, loc upsert.Loc) upsert.Loc {
			if !late[d] { // what the index knows of a late change's key stays true
				c.Keys, c.Places = append(c.Keys, d), append(c.Places, place(loc))
			}
			return loc
		})
	case len(late) > 0:
		for _, k := range r.keys {
			for i, d := range k.digests {
				if !late[d] {
					c.Keys, c.Places = append(c.Keys, d), append(c.Places, place(k.locs[i]))
				}
			}
		}
	default:
		c.Keys = digestsOf(r.keys)
		c.Places = make([]deletes.IndexPlace, 0, len(c.Keys))
		for _, k := range r.keys {
			for _, loc := range k.locs {
				c.Places = append(c.Places, place(loc))
			}
		}
	}
	r.index.Committed(r.at, c)
}

// LearnKeys lets an index learn all files of a branch ("" is main) that it does
// not cover, which the next commit would otherwise do on its way.
func (t *Table) LearnKeys(ctx context.Context, index KeyIndex, branch string) error {
	setDefault(&branch, metadata.MainBranch)
	base, err := t.reload(ctx)
	if err != nil {
		return fmt.Errorf("table %s: learn keys: %w", t.id, err)
	}
	m := base.Metadata
	head := m.RefSnapshot(branch)
	if head == nil || len(m.CurrentSchema().IdentifierFieldIDs) == 0 {
		return nil
	}
	r, err := newResolver(t, m.CurrentSchema(), []*Staged{{seed: keySeed}})
	if err != nil {
		return err
	}
	r.useIndex(index, branch, m)
	r.at = r.indexState(base, head, branch)
	live, deletes, err := r.liveFiles(ctx, base, head)
	if err == nil {
		err = r.lookInto(ctx, base, live, deletes, nil)
	}
	if err != nil {
		return fmt.Errorf("table %s: learn keys: %w", t.id, err)
	}
	return nil
}
