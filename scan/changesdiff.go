package scan

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"

	"github.com/zeebo/xxh3"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
)

// liveFiles are the data files of a snapshot with their deletes, by path, in
// the order of its manifests.
type liveFiles struct {
	byPath map[string]*FileTask
	order  []string
}

// liveFiles plans one snapshot of the chain; nil is before the first.
func (c *ChangeScan) liveFiles(ctx context.Context, s *metadata.Snapshot) (liveFiles, error) {
	f := liveFiles{byPath: make(map[string]*FileTask)}
	if s == nil {
		return f, nil
	}
	v := *c.view
	v.snap = s
	for ft, err := range (&planner{v: &v}).files(ctx) {
		if err != nil {
			return f, err
		}
		path := ft.Data.File.Path
		f.byPath[path] = &ft
		f.order = append(f.order, path)
	}
	return f, nil
}

// fileChange is a file to read for changes: its live rows, or with only those
// of them that these deletes hit.
type fileChange struct {
	file FileTask
	only *FileTask
}

// diffFiles says which rows of which files a commit took away and which it
// added. A file that stays loses rows to deletes that are new, and gets rows back
// from deletes that are gone.
func diffFiles(before, after liveFiles) (gone, came []fileChange) {
	for _, path := range before.order {
		old := before.byPath[path]
		now := after.byPath[path]
		if now == nil {
			gone = append(gone, fileChange{file: *old})
			continue
		}
		if only := without(now, old); only != nil {
			gone = append(gone, fileChange{*old, only})
		}
		if only := without(old, now); only != nil {
			came = append(came, fileChange{*now, only})
		}
	}
	for _, path := range after.order {
		if before.byPath[path] == nil {
			came = append(came, fileChange{file: *after.byPath[path]})
		}
	}
	return gone, came
}

// without returns file a with only the deletes that b does not have, nil if
// there are none.
func without(a, b *FileTask) *FileTask {
	has := make(map[deleteID]bool)
	for e := range allDeletes(b) {
		has[idOf(e.File)] = true
	}
	out := FileTask{Data: a.Data}
	if a.DV != nil && !has[idOf(a.DV.File)] {
		out.DV = a.DV
	}
	left := func(in []*manifest.Entry) []*manifest.Entry {
		return slices.DeleteFunc(slices.Clone(in), func(e *manifest.Entry) bool { return has[idOf(e.File)] })
	}
	out.Positions, out.Equality = left(a.Positions), left(a.Equality)
	if out.DV == nil && len(out.Positions) == 0 && len(out.Equality) == 0 {
		return nil
	}
	return &out
}

// allDeletes yields every delete entry of a file.
func allDeletes(f *FileTask) func(func(*manifest.Entry) bool) {
	return func(yield func(*manifest.Entry) bool) {
		if f.DV != nil && !yield(f.DV) {
			return
		}
		for _, l := range [][]*manifest.Entry{f.Positions, f.Equality} {
			for _, e := range l {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// collect reads the rows of changed files into one batch.
func (c *ChangeScan) collect(ctx context.Context, files []fileChange) (arrow.RecordBatch, error) {
	all, only := make([]FileTask, 0, len(files)), make([]FileTask, 0, len(files))
	for i := range files {
		all = append(all, files[i].file)
		if files[i].only != nil {
			only = append(only, *files[i].only)
		}
	}
	// Two sets of delete tables: what is new must not be mixed with what was.
	x, y := newExec(c.view, all), newExec(c.view, only)
	parts := make([][]arrow.RecordBatch, len(files))
	defer func() {
		for _, p := range parts {
			for _, b := range p {
				b.Release()
			}
		}
	}()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.view.opts.Concurrency)
	for i := range files {
		g.Go(func() error {
			return x.readHit(gctx, &files[i].file, y, files[i].only, func(b arrow.RecordBatch) error {
				parts[i] = append(parts[i], b)
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return concat(c.view, slices.Concat(parts...))
}

// readHit is read for only the rows that the deletes of only, loaded by y, hit.
func (x *exec) readHit(ctx context.Context, ft *FileTask, y *exec, only *FileTask, emit func(arrow.RecordBatch) error) error {
	if only == nil {
		return x.read(ctx, ft, emit)
	}
	hit, err := y.load(ctx, only)
	if err != nil {
		return err
	}
	return x.readWith(ctx, &fileReader{x: x, v: x.v, ft: ft, only: &hit}, emit)
}

func concat(v *view, batches []arrow.RecordBatch) (arrow.RecordBatch, error) {
	rows := int64(0)
	for _, b := range batches {
		rows += b.NumRows()
	}
	cols := make([]arrow.Array, len(v.out.Fields))
	defer func() {
		for _, a := range cols {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i, f := range v.out.Fields {
		if len(batches) == 0 {
			bld := array.NewBuilder(v.mem, schema.ArrowType(f.Type))
			cols[i] = bld.NewArray()
			bld.Release()
			continue
		}
		parts := make([]arrow.Array, len(batches))
		for j, b := range batches {
			parts[j] = b.Column(i)
		}
		var err error
		if cols[i], err = array.Concatenate(parts, v.mem); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(v.arrow, cols, rows), nil
}

// changeRow is a row of the deletes followed by the inserts, and what it is.
type changeRow struct {
	row  int32
	kind ChangeType
}

// match cancels rows that were deleted and inserted alike, pairs updates and
// puts the changes in order.
func (c *ChangeScan) match(dead, born arrow.RecordBatch) ([]changeRow, error) {
	cancelled, inserts, err := c.cancel(dead, born)
	if err != nil {
		return nil, err
	}
	removes := make([]int32, 0, len(cancelled))
	for i := range cancelled {
		if !cancelled[i] {
			removes = append(removes, int32(i))
		}
	}
	after, err := c.pair(dead, born, removes, inserts)
	if err != nil {
		return nil, err
	}
	base := int32(len(cancelled))
	out := make([]changeRow, 0, len(removes)+len(inserts))
	paired := make([]bool, born.NumRows())
	for k, i := range removes {
		if after != nil && after[k] >= 0 {
			out = append(out, changeRow{i, UpdateBefore}, changeRow{base + after[k], UpdateAfter})
			paired[after[k]] = true
		} else {
			out = append(out, changeRow{i, Delete})
		}
	}
	for _, j := range inserts {
		if !paired[j] {
			out = append(out, changeRow{base + j, Insert})
		}
	}
	return out, nil
}

// cancel finds rows that were only moved: cancelled says it of those deleted,
// inserts are the others inserted.
func (c *ChangeScan) cancel(dead, born arrow.RecordBatch) (cancelled []bool, inserts []int32, err error) {
	cancelled = make([]bool, dead.NumRows())
	inserts = make([]int32, 0, born.NumRows())
	if dead.NumRows() == 0 || born.NumRows() == 0 {
		for j := range int32(born.NumRows()) {
			inserts = append(inserts, j)
		}
		return cancelled, inserts, nil
	}
	was, err := c.rowDigests(dead, nil)
	if err != nil {
		return nil, nil, err
	}
	is, err := c.rowDigests(born, nil)
	if err != nil {
		return nil, nil, err
	}
	moved := newQueues(was, nil)
	for j := range is {
		if i := moved.pop(is[j]); i >= 0 {
			cancelled[i] = true
		} else {
			inserts = append(inserts, int32(j))
		}
	}
	return cancelled, inserts, nil
}

// pair finds for deleted rows the inserted row with the same key, -1 for none;
// nil when updates are not wanted.
func (c *ChangeScan) pair(dead, born arrow.RecordBatch, removes, inserts []int32) ([]int32, error) {
	if !c.opts.Updates || len(removes) == 0 || len(inserts) == 0 {
		return nil, nil
	}
	now, err := c.rowDigests(born, c.key)
	if err != nil {
		return nil, err
	}
	was, err := c.rowDigests(dead, c.key)
	if err != nil {
		return nil, err
	}
	byKey := newQueues(now, inserts)
	out := make([]int32, len(removes))
	for k, i := range removes {
		out[k] = byKey.pop(was[i])
	}
	return out, nil
}

// queues have the rows of each digest, in order.
type queues struct {
	first map[deletes.Digest]int32
	next  []int32 // by row; -1 ends
}

// newQueues queues rows, nil for all.
func newQueues(digests []deletes.Digest, rows []int32) *queues {
	n := len(digests)
	if rows != nil {
		n = len(rows)
	}
	q := &queues{first: make(map[deletes.Digest]int32, n), next: make([]int32, len(digests))}
	for k := n - 1; k >= 0; k-- { // the last first, for the first to be in front
		row := int32(k)
		if rows != nil {
			row = rows[k]
		}
		q.next[row] = -1
		if f, ok := q.first[digests[row]]; ok {
			q.next[row] = f
		}
		q.first[digests[row]] = row
	}
	return q
}

// pop takes the first row of a digest, -1 for none.
func (q *queues) pop(d deletes.Digest) int32 {
	row, ok := q.first[d]
	if !ok || row < 0 {
		return -1
	}
	q.first[d] = q.next[row]
	return row
}

// rowDigests hashes the rows of a batch, or some of its columns.
func (c *ChangeScan) rowDigests(b arrow.RecordBatch, cols []int) ([]deletes.Digest, error) {
	fields, arrays := c.view.out.Fields, b.Columns()
	if cols != nil {
		fields, arrays = make([]schema.Field, len(cols)), make([]arrow.Array, len(cols))
		for i, k := range cols {
			fields[i], arrays[i] = c.view.out.Fields[k], b.Column(k)
		}
	}
	plain := len(fields) > 0
	for i := range fields {
		switch fields[i].Type.Kind {
		case schema.KindStruct, schema.KindList, schema.KindMap, schema.KindVariant, schema.KindGeometry, schema.KindGeography, schema.KindUnknown:
			plain = false
		}
	}
	if plain {
		h, err := deletes.NewHasher(fields, c.seed)
		if err != nil {
			return nil, err
		}
		return h.Hash(arrays, nil), nil
	}
	return textDigests(fields, arrays, b.NumRows(), c.seed)
}

// textDigests hashes rows by their canonical text.
func textDigests(fields []schema.Field, arrays []arrow.Array, rows int64, seed uint64) ([]deletes.Digest, error) {
	s, err := schema.New(0, fields, nil)
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBatch(schema.ArrowSchema(s), arrays, rows)
	defer b.Release()
	e := rowjson.NewEncoder(s, rowjson.Canonical)
	out := make([]deletes.Digest, rows)
	var buf []byte
	for i := range out {
		buf = e.AppendRow(buf[:0], b, i)
		u := xxh3.Hash128Seed(buf, seed)
		out[i] = deletes.Digest{u.Lo, u.Hi}
	}
	return out, e.Err()
}

// batch builds a batch of the result from rows of cols.
func (c *ChangeScan) batch(cols []arrow.Array, rows []changeRow, ordinal int32, snapshotID int64) (arrow.RecordBatch, error) {
	idx := make([]int32, len(rows))
	kinds := array.NewStringBuilder(c.view.mem)
	defer kinds.Release()
	ordinals := array.NewInt32Builder(c.view.mem)
	defer ordinals.Release()
	ids := array.NewInt64Builder(c.view.mem)
	defer ids.Release()
	for i, r := range rows {
		idx[i] = r.row
		kinds.Append(string(r.kind))
		ordinals.Append(ordinal)
		ids.Append(snapshotID)
	}
	out := make([]arrow.Array, 0, len(cols)+3)
	defer func() {
		for _, a := range out {
			a.Release()
		}
	}()
	for _, a := range cols {
		t, err := arrowsel.Take(a, idx, c.view.mem)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	out = append(out, kinds.NewArray(), ordinals.NewArray(), ids.NewArray())
	return array.NewRecordBatch(schema.ArrowSchema(c.out), out, int64(len(rows))), nil
}
