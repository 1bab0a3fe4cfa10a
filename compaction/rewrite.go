package compaction

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// job carries out one plan. Everything is read from entry's state.
type job struct {
	t     *table.Table
	o     Options
	entry *catalog.Entry
	state *State
	rep   *Report
	// cluster is the order that rows are written in, nil for that of the files.
	cluster *clustering
}

// laneRun rewrites one lane, piece by piece.
type laneRun struct {
	*job
	lane    *Lane
	lineage bool
	// mayCopy says that row groups may be copied as they are.
	mayCopy bool
	reader  *reader
	// positions reads no columns, to find rows that are not there.
	positions *reader
	arrow     *arrow.Schema
	sorter    *sorter // of the piece, nil unless rows are sorted

	w     *table.RewriteWriter
	p     *piece
	first int // index in the lane of the piece's first file
	nulls []int64
	rows  int64
	bytes int64 // of input
}

// runLane rewrites a lane and hands each piece to done as soon as it is
// complete. Files that cannot be read are left out and reported.
func (j *job) runLane(ctx context.Context, l *Lane, done func(p *piece) error) error {
	r := &laneRun{job: j, lane: l, mayCopy: !l.Route && j.o.SpliceBytes > 0 && j.cluster == nil}
	if j.entry.Metadata.FormatVersion >= 3 {
		for i := range l.Files {
			r.lineage = r.lineage || l.Files[i].Data.File.FirstRowID != nil
		}
	}
	bad := map[int]bool{}
	for i := 0; i < len(l.Files); i++ {
		if bad[i] {
			continue
		}
		err := r.add(ctx, i)
		if err != nil && skippable(ctx, err) {
			// The piece has rows of this file already: begin it anew without.
			i, bad[i] = r.first-1, true
			j.skip(err)
			r.abort(ctx)
			continue
		}
		if err == nil && r.full() {
			err = r.finish(ctx, done)
		}
		if err != nil {
			r.abort(ctx)
			return err
		}
	}
	if err := r.finish(ctx, done); err != nil {
		r.abort(ctx)
		return err
	}
	return nil
}

// skippable reports whether an error is one file's fault, so that others can go
// on.
func skippable(ctx context.Context, err error) bool {
	var f *fileFault
	return ctx.Err() == nil && errors.As(err, &f)
}

// fileFault is an error in reading a data file or its deletes.
type fileFault struct {
	path string
	err  error
}

func (f *fileFault) Error() string { return f.err.Error() }
func (f *fileFault) Unwrap() error { return f.err }

func (j *job) skip(err error) {
	var f *fileFault
	if errors.As(err, &f) {
		j.rep.Skipped = append(j.rep.Skipped, Skipped{Path: f.path, Err: f.err})
		j.o.tell("skip", err.Error(), 1, 0)
	}
}

// begin starts a piece with file i of the lane.
func (r *laneRun) begin(i int) error {
	var err error
	opts := &table.RewriteWriterOptions{TargetFileBytes: r.o.TargetFileBytes, Lineage: r.lineage, MaxGroupBytes: r.o.MemoryBudget / 2}
	if r.w, err = r.t.NewRewriteWriter(r.entry, opts); err != nil {
		return err
	}
	s := r.w.Schema()
	r.arrow = schema.ArrowSchema(s)
	r.p, r.first = &piece{routed: r.lane.Route}, i
	r.nulls, r.rows, r.bytes = make([]int64, len(s.Fields)), 0, 0
	if r.cluster != nil {
		if err := r.beginSort(s); err != nil {
			return err
		}
	}
	if r.reader == nil {
		r.reader, err = newReader(r.entry, r.t.Name(), r.lane.Files, r.o.MemoryBudget, r.batchRows(), columnNames(r.entry, r.lineage))
	}
	return err
}

// batchBytes is how much of a file, compressed, a batch of rows should take.
const batchBytes = 2 << 20

// batchRows is small where files are to be small, so that they do not overshoot.
func (r *laneRun) batchRows() int {
	var rows int64
	for i := range r.lane.Files {
		rows += r.lane.Files[i].Data.File.RecordCount
	}
	perRow := max(r.lane.Bytes/max(rows, 1), 1)
	return int(min(max(min(r.o.TargetFileBytes/8, batchBytes)/perRow, 1024), 64<<10))
}

// add copies the rows of file i to the piece.
func (r *laneRun) add(ctx context.Context, i int) error {
	if r.w == nil {
		if err := r.begin(i); err != nil {
			return err
		}
	}
	task := r.lane.Files[i]
	in := input{task: task}
	var err error
	if in.dead, err = r.fileRows(ctx, i); err != nil {
		return err
	}
	in.places = in.dead
	if len(task.Equality) > 0 {
		if in.places, err = newGoneRows([]*input{&in}).of(ctx, r.entry.Store, &task); err != nil {
			return &fileFault{task.Data.File.Path, err}
		}
	}
	r.p.inputs = append(r.p.inputs, in)
	r.bytes += task.Data.File.FileSize
	return nil
}

// fileRows writes the rows of file i and returns those that are not there.
func (r *laneRun) fileRows(ctx context.Context, i int) (*deletes.Positions, error) {
	f, parts, dead, err := r.sections(ctx, i)
	if err != nil {
		return nil, &fileFault{r.lane.Files[i].Data.File.Path, err}
	}
	if f == nil {
		task := r.lane.Files[i]
		return r.copy(ctx, &section{task: task, end: task.Data.File.RecordCount})
	}
	defer f.Close()
	return dead, r.addSections(ctx, f, parts)
}

// copy reads a section in a goroutine of its own and writes here. The context
// given to the writer has to outlive the file.
func (r *laneRun) copy(ctx context.Context, s *section) (*deletes.Positions, error) {
	var dead *deletes.Positions
	batches := make(chan arrow.RecordBatch, 1)
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.Go(func() (err error) {
		defer close(batches)
		dead, err = r.reader.rows(rctx, s.task, s.first, s.end, func(b arrow.RecordBatch) error {
			b = without(b, r.arrow)
			select {
			case batches <- b:
				return nil
			case <-rctx.Done():
				b.Release()
				return rctx.Err()
			}
		})
		return err
	})
	var failed error
	for b := range batches {
		if failed == nil {
			if failed = r.write(ctx, b); failed != nil {
				cancel()
			}
		}
		b.Release()
	}
	err := g.Wait()
	switch {
	case failed != nil:
		return nil, failed
	case err != nil && ctx.Err() == nil:
		return nil, &fileFault{s.task.Data.File.Path, err}
	}
	return dead, err
}

func (r *laneRun) write(ctx context.Context, b arrow.RecordBatch) error {
	for c := range r.nulls {
		r.nulls[c] += int64(b.Column(c).NullN())
	}
	r.rows += b.NumRows()
	if r.sorter != nil {
		return r.sorter.add(ctx, b)
	}
	if !r.lane.Route {
		return r.w.WritePartition(ctx, r.lane.Partition, b, nil)
	}
	base := len(r.p.scattered)
	r.p.scattered = append(r.p.scattered, make([]place, b.NumRows())...)
	return r.w.Write(ctx, b, func(row int32, file int, pos int64) {
		r.p.scattered[base+int(row)] = newPlace(file, pos)
	})
}

// full reports, at the end of a file, whether the piece is complete: the next
// file would begin a new output anyway, or nearly.
func (r *laneRun) full() bool {
	if r.sorter != nil {
		return false // all files of the lane are sorted together
	}
	if r.lane.Route {
		return r.bytes >= 4*r.o.TargetFileBytes
	}
	pending := r.w.Pending()
	return pending == 0 && r.w.Files() > 0 || pending >= r.o.TargetFileBytes/10*9
}

func (r *laneRun) abort(ctx context.Context) {
	if r.w != nil {
		r.w.Abort(ctx)
	}
	if r.sorter != nil {
		r.sorter.close()
	}
	if r.p != nil {
		r.p.moves.remove()
	}
	r.w, r.p, r.sorter = nil, nil, nil
}

// finish completes the piece and verifies it.
func (r *laneRun) finish(ctx context.Context, done func(p *piece) error) error {
	if r.w == nil {
		return nil
	}
	w, p := r.w, r.p
	if r.sorter != nil {
		if err := r.endSort(ctx); err != nil {
			return err
		}
	}
	files, err := w.Close()
	if err != nil {
		return err
	}
	p.order(files)
	if err := r.verify(ctx, p); err != nil {
		return err
	}
	r.stamp(files)
	r.w, r.p, r.sorter = nil, nil, nil // the files are the job's from here on
	r.o.tell("rewrite", fmt.Sprintf("%d files into %d", len(p.inputs), len(files)), len(p.inputs), r.bytes)
	return done(p)
}

// verify compares what was written with what was read: rows in are rows out and
// rows dropped, nulls per column are as many, and the files are there.
func (r *laneRun) verify(ctx context.Context, p *piece) error {
	var in, live, out int64
	for i := range p.inputs {
		in += p.inputs[i].task.Data.File.RecordCount
		live += p.inputs[i].live()
	}
	for _, f := range p.outputs {
		out += f.RecordCount
	}
	if live != out || r.rows != out {
		return fmt.Errorf("%w: %d rows of %d are live, %d were read and %d written", ErrVerify, live, in, r.rows, out)
	}
	if err := r.verifyNulls(p.outputs); err != nil {
		return err
	}
	for _, f := range p.outputs {
		info, err := r.entry.Store.Stat(ctx, f.Path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrVerify, err)
		}
		if info.Size != f.FileSize {
			return fmt.Errorf("%w: %s has %d bytes, %d were written", ErrVerify, f.Path, info.Size, f.FileSize)
		}
	}
	return nil
}

func (r *laneRun) verifyNulls(outputs []*manifest.DataFile) error {
	if len(outputs) == 0 {
		return nil
	}
	for c, f := range r.entry.Metadata.CurrentSchema().Fields {
		if f.Type.IsNested() || f.Type.Kind == schema.KindUnknown || f.Type.Kind == schema.KindVariant {
			continue
		}
		var nulls int64
		known := true
		for _, o := range outputs {
			n, ok := o.NullCounts.Get(f.ID)
			known = known && ok
			nulls += n
		}
		if known && nulls != r.nulls[c] {
			return fmt.Errorf("%w: column %q: %d nulls were read and %d written", ErrVerify, f.Name, r.nulls[c], nulls)
		}
	}
	return nil
}
