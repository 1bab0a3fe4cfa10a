package table

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// resolver finds the rows that a commit deletes. Its answer always holds for
// exactly one base snapshot: each attempt calls resolve with its own base, and
// only files not looked at before are read. A file that vanished takes its
// deletes with it; the file its rows moved to is new and gets looked at. So
// neither a row moved by compaction or a rival's upsert nor a key a rival has
// just inserted is missed.
type resolver struct {
	t      *Table
	staged []*Staged
	own    []*manifest.DataFile // files of this commit, by number
	stale  map[int]*deletes.Positions
	gens   map[int]int // appended own files
	keys   []stagedKeys
	// asked are the keys to be looked up in this attempt: all, or with fresh those
	// that it does not rule out.
	asked      []stagedKeys
	askedRows  []rowsAsked
	fresh      *freshKeys
	freshState *deletes.IndexState
	wanted     upsert.KeyTable // digest → place in keys, encoded as Written(run, row); see want
	bag        map[deletes.Digest]int
	fields     []schema.Field // what is read of a file: the key, or all columns
	seed       uint64

	truncate bool
	latest   upsert.KeyTable // digest → where its row is; only of several sets
	newest   upsert.Orders   // digest → order value; only of several sets
	several  bool
	appended map[int]bool // own files whose rows' keys are not among keys
	index    KeyIndex     // nil: files are read
	branch   string
	at       *deletes.IndexState // of the last attempt

	// order, when not nil, compares changes with stored rows by the columns
	// orderFields; late has, by data file path, the changes that a row of it is
	// newer than, and lateOwn those that an appended row of this commit is.
	order       *upsert.Order
	orderFields []schema.Field
	late        map[string][]change
	lateOwn     []change
	lateSets    int64             // changes older than those of an earlier set
	lateNow     []change          // all of the last attempt
	live        []*manifest.Entry // data files of the last attempt's base
	head        int64             // of the last attempt

	// found has the rows to delete by data file path; probed the paths looked
	// at, with what deletes they had.
	found  map[string]*deletes.Positions
	probed map[string]string
	missed int // deletes of whole rows that met none
	// attempts counts calls of resolve.
	attempts int
}

// target is a live data file with rows to delete and the deletes it has.
type target struct {
	file      *manifest.Entry
	positions *deletes.Positions // new ones only
	existing  snapshot.Deletes
}

// newResolver combines staged sets in order: a key in two of them survives in
// the later one only.
func newResolver(t *Table, s *schema.Schema, staged []*Staged) (*resolver, error) {
	r := &resolver{
		t: t, staged: staged, stale: map[int]*deletes.Positions{}, gens: map[int]int{}, appended: map[int]bool{}, seed: staged[0].seed,
		bag: map[deletes.Digest]int{}, found: map[string]*deletes.Positions{}, probed: map[string]string{},
		late: map[string][]change{},
	}
	r.several = len(staged) > 1
	for _, k := range upsert.KeyColumns(s, s.IdentifierFieldIDs) {
		r.fields = append(r.fields, s.Fields[k])
	}
	if err := r.setOrder(s, staged); err != nil {
		return nil, err
	}
	gen := 0
	for _, set := range staged {
		if err := r.fits(set, s); err != nil {
			return nil, err
		}
		keys, err := r.conform(set.keys)
		if err != nil {
			return nil, err
		}
		gen = r.add(set, keys, gen)
	}
	return r, nil
}

// settle waits for the commit's own files, to read them.
func (r *resolver) settle() error {
	for _, s := range r.staged {
		if err := s.settle(); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses a set whose logical deletes mean nothing under the table's schema
// as it is now.
func (r *resolver) fits(set *Staged, s *schema.Schema) error {
	if len(set.keys) > 0 && !sameIDs(set.key, s.IdentifierFieldIDs) {
		return fmt.Errorf("%w: the table's key has changed since the changes were flushed", ErrBadRow)
	}
	if len(set.missing) > 0 && set.schemaID != s.ID {
		return fmt.Errorf("%w: the table's columns have changed since deletes of whole rows were flushed", ErrBadRow)
	}
	return nil
}

func sameIDs(a, b []int) bool {
	for _, id := range a {
		if indexOf(b, id) < 0 {
			return false
		}
	}
	return len(a) == len(b)
}

// conform brings key columns to the types the key has now, which may be wider
// than when they were flushed.
func (r *resolver) conform(keys []stagedKeys) ([]stagedKeys, error) {
	out := slices.Clone(keys)
	for n, k := range out {
		cols := make([]arrow.Array, len(r.fields))
		fields := make([]arrow.Field, len(r.fields))
		for c, f := range r.fields {
			col, err := schema.Conform(k.batch.Column(c), f.Type, nil)
			if err != nil {
				return nil, fmt.Errorf("key column %q: %w", f.Name, err)
			}
			defer col.Release()
			cols[c], fields[c] = col, schema.ArrowField(f)
		}
		out[n].batch = array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, k.batch.NumRows())
	}
	return out, nil
}

// add combines one set; gen is the first generation it may use.
func (r *resolver) add(set *Staged, keys []stagedKeys, gen int) int {
	if set.truncate {
		r.own, r.keys, r.truncate = nil, nil, true
		clear(r.stale)
		clear(r.gens)
		clear(r.bag)
		clear(r.appended)
		r.wanted, r.latest, r.newest = upsert.KeyTable{}, upsert.KeyTable{}, upsert.Orders{}
	}
	first := len(r.own)
	r.own = append(r.own, set.files...)
	for n, p := range set.stale {
		r.kill(first+n, p)
	}
	last := gen
	for n, g := range set.appended {
		r.gens[first+n] = gen + g
		r.appended[first+n] = true
		last = max(last, gen+g)
	}
	for d, n := range set.missing {
		r.bag[d] += n
	}
	for _, k := range keys {
		k.gen += gen
		last = max(last, k.gen)
		if r.several {
			r.supersede(k, first)
		}
		r.keys = append(r.keys, k)
	}
	return last + 1
}

// supersede makes the rows of k, whose files are numbered from first on, the
// newest of their keys: those in files of earlier sets go.
func (r *resolver) supersede(k stagedKeys, first int) {
	for i, d := range k.digests {
		loc := k.locs[i]
		if loc.IsWritten() {
			loc = upsert.Written(first+loc.File(), loc.Pos())
		}
		if r.order != nil && !r.newest.Advance(d, k.orders[i]) {
			r.killRow(loc)
			r.lateSets++
			continue
		}
		if old := r.latest.Swap(d, loc); r.t.opts.off != "keys across staged sets" {
			r.killRow(old)
		}
	}
}

// want makes the table of the keys to look for in files. With an index that
// covers all files it is never needed.
func (r *resolver) want() {
	if r.wanted.Len() > 0 {
		return
	}
	for _, a := range r.askedRows {
		if a.rows == nil {
			for i := range r.keys[a.run].digests {
				r.wantRow(a.run, i)
			}
		}
		for _, i := range a.rows {
			r.wantRow(a.run, int(i))
		}
	}
}

func (r *resolver) wantRow(run, i int) {
	k := &r.keys[run]
	if r.order != nil && r.several && !bytes.Equal(k.orders[i], r.newest.Get(k.digests[i])) {
		return // another set has a newer change of the key
	}
	r.wanted.Swap(k.digests[i], upsert.Written(run, int64(i)))
}

// killRow drops a row of this commit's own files; a deleted key has none.
func (r *resolver) killRow(loc upsert.Loc) {
	if loc.IsWritten() {
		p := &deletes.Positions{}
		p.Add(uint64(loc.Pos()))
		r.kill(loc.File(), p)
	}
}

func (r *resolver) kill(file int, p *deletes.Positions) {
	if old := r.stale[file]; old != nil {
		old.Union(p)
		return
	}
	r.stale[file] = p.Clone()
}

// resolve returns the live files of base that lose rows. keep restricts it to
// some files, nil is all.
func (r *resolver) resolve(ctx context.Context, base *catalog.Entry, head *metadata.Snapshot, keep func(e *manifest.Entry) bool) ([]target, error) {
	r.attempts++
	if r.index != nil {
		r.at = r.indexState(base, head, r.branch)
	}
	r.live = nil
	if err := r.askFresh(base, head); err != nil {
		return nil, err
	}
	if len(r.asked) == 0 && len(r.bag) == 0 {
		return nil, nil
	}
	r.forgetUndeleted(ctx, base, head)
	if len(r.bag) > 0 { // counts cannot be resolved file by file: begin again
		clear(r.found)
		clear(r.probed)
	}
	if r.truncate {
		head = nil
	}
	if head == nil && len(r.bag) == 0 {
		return nil, nil
	}
	live, index, err := r.liveFiles(ctx, base, head)
	if err != nil {
		return nil, err
	}
	if err := r.notThere(live); err != nil {
		return nil, err
	}
	if err := r.lookInto(ctx, base, live, index, keep); err != nil {
		return nil, err
	}
	r.live = live
	var targets []target
	for _, e := range live {
		p := r.found[e.File.Path]
		if p == nil || keep != nil && !keep(e) {
			continue
		}
		d, err := index.For(e)
		if err != nil {
			return nil, err
		}
		targets = append(targets, target{file: e, positions: p, existing: d})
	}
	return targets, nil
}

// notThere refuses sets whose files are in the table: they have been committed.
func (r *resolver) notThere(live []*manifest.Entry) error {
	own := make(map[string]bool, len(r.own))
	for _, f := range r.own {
		own[f.Path] = true
	}
	for _, e := range live {
		if own[e.File.Path] {
			return fmt.Errorf("%w: they are in the table already, with %s", ErrBadStaged, e.File.Path)
		}
	}
	return nil
}

// lookInto finds the rows of wanted keys in live files not looked at before: by
// the index where it covers them, else by reading them.
func (r *resolver) lookInto(ctx context.Context, base *catalog.Entry, live []*manifest.Entry, index *snapshot.DeleteIndex, keep func(e *manifest.Entry) bool) error {
	var covered []bool
	if r.index != nil && !r.settled() {
		var err error
		if covered, err = r.askIndex(ctx, live); err != nil {
			return err
		}
	}
	var tasks []probe
	var pruner *pruner // made when there is something to rule out
	for i, e := range live {
		known := covered != nil && covered[i]
		if keep != nil && !keep(e) || r.settled() || known && !r.mustCompare(e.File.Path) || !known && r.isProbed(e.File.Path) {
			continue
		}
		if pruner == nil {
			var err error
			if pruner, err = r.newPruner(base.Metadata); err != nil {
				return err
			}
		}
		// What rules most files out comes first; their deletes need not be found.
		if !known && len(r.asked) > 0 && !pruner.mayHold(e.File) {
			continue
		}
		d, err := index.For(e)
		if err != nil {
			return err
		}
		task := probe{file: scan.FileTask{Data: e, DV: d.DV, Positions: d.Positions, Equality: d.Equality}, known: known}
		if r.order != nil {
			task.deletes = deletesOf(d)
			if !known && r.isStill(e.File.Path, task.deletes) {
				continue
			}
		}
		tasks = append(tasks, task)
	}
	if len(tasks) == 0 && len(r.bag) == 0 {
		return nil
	}
	return r.probe(ctx, base, tasks, pruner)
}

// forgetUndeleted drops what earlier attempts found in files that have gained
// rows since.
func (r *resolver) forgetUndeleted(ctx context.Context, base *catalog.Entry, head *metadata.Snapshot) {
	if r.head != 0 && len(r.probed) > 0 {
		if paths, all := r.t.undeleted(ctx, base, head, r.head); all {
			clear(r.probed)
		} else {
			for path := range paths {
				delete(r.probed, path)
			}
		}
	}
	if head != nil {
		r.head = head.ID
	}
}

// settled reports, in tests only, that files added after the first attempt are
// not to be looked at.
func (r *resolver) settled() bool { return r.t.opts.off == "catch up with rivals" && r.attempts > 1 }

func (r *resolver) liveFiles(ctx context.Context, base *catalog.Entry, head *metadata.Snapshot) ([]*manifest.Entry, *snapshot.DeleteIndex, error) {
	ids := make([]int, len(r.fields), len(r.fields)+1)
	for i, f := range r.fields {
		ids[i] = f.ID
	}
	ids = append(ids, schema.IDDeleteFilePath) // which data file a position-delete file is about
	opts := &snapshot.LiveOptions{Cache: r.t.opts.Cache, Stats: manifest.StatsAll, StatsFields: ids}
	var data, dels []*manifest.Entry
	for e, err := range snapshot.LiveFiles(ctx, base.Store, base.Metadata, head, opts) {
		if err != nil {
			return nil, nil, err
		}
		if e.File.Content == manifest.ContentData {
			data = append(data, e)
		} else {
			dels = append(dels, e)
		}
	}
	index, err := snapshot.BuildDeleteIndex(base.Metadata, func(yield func(*manifest.Entry, error) bool) {
		for _, e := range dels {
			if !yield(e, nil) {
				return
			}
		}
	})
	return data, index, err
}
