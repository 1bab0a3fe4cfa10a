package scan

import (
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/internal/datafile"
	"github.com/frazildb/frazil/internal/parquetfile"
)

// exec reads files of one scan; it holds the deletes they share.
type exec struct {
	v     *view
	cache *deleteCache
	// keepGroup, when not nil, is asked for every row group besides the view's;
	// sparse reads page by page.
	keepGroup func(ctx context.Context, f datafile.File, group int) (bool, error)
	sparse    bool
	// keep says that the same files will likely be looked at again: what is known
	// of them goes into the cache.
	keep bool
	// pages is the allocator of what is read; the view's serves what is made of it.
	pages memory.Allocator
	// once says that every file registered is read once.
	once bool
}

// newExec prepares to read files: all those that will ever be read with it when
// any has equality deletes.
func newExec(v *view, files []FileTask) *exec {
	x := &exec{v: v, cache: newDeleteCache(v), keep: len(v.probes) > 0}
	x.cache.keep = x.keep
	if x.pages = v.opts.Allocator; x.pages == nil {
		x.pages = parquetfile.NewRecycler()
	}
	for i := range files {
		x.cache.register(&files[i])
	}
	return x
}

// executionSplit is up to how many bytes one goroutine reads of a file.
const executionSplit = 64 << 20

// Batches yields record batches of Schema; each is valid until the next step
// unless retained.
func (s *Scan) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if s.err != nil {
			yield(nil, s.err)
			return
		}
		x, files, err := prepare(ctx, &planner{v: s.view})
		if err != nil {
			yield(nil, err)
			return
		}
		x.run(ctx, files, yield)
	}
}

// run reads files as the options say.
func (x *exec) run(ctx context.Context, files iter.Seq2[FileTask, error], yield func(arrow.RecordBatch, error) bool) {
	o := &x.v.opts
	if o.Limit > 0 {
		yield = limit(o.Limit, yield)
	}
	switch {
	case o.Concurrency == 1 || o.Limit > 0 && o.Limit <= int64(o.BatchRows):
		x.sequential(ctx, files, yield)
	case o.Ordered:
		x.ordered(ctx, o.Concurrency, files, yield)
	default:
		x.unordered(ctx, o.Concurrency, files, yield)
	}
}

// prepare plans for reading at once. Without equality deletes files stream while
// manifests are still being read; with them the tables have to know first which
// deletes they need.
func prepare(ctx context.Context, p *planner) (*exec, iter.Seq2[FileTask, error], error) {
	if err := p.start(ctx); err != nil {
		return nil, nil, err
	}
	if !p.equality {
		return newExec(p.v, nil), splits(p.files(ctx)), nil
	}
	var parts []FileTask
	for f, err := range splits(p.files(ctx)) {
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, f)
	}
	x := newExec(p.v, parts)
	x.once = true
	return x, seqOf(parts), nil
}

// splits cuts files into what one goroutine reads.
func splits(files iter.Seq2[FileTask, error]) iter.Seq2[FileTask, error] {
	return func(yield func(FileTask, error) bool) {
		for f, err := range files {
			if err != nil {
				yield(f, err)
				return
			}
			more := true
			split(&f, executionSplit, func(part FileTask) { more = more && yield(part, nil) })
			if !more {
				return
			}
		}
	}
}

// limit wraps yield so that it takes n rows and no more.
func limit(n int64, yield func(arrow.RecordBatch, error) bool) func(arrow.RecordBatch, error) bool {
	return func(b arrow.RecordBatch, err error) bool {
		if err != nil {
			return yield(b, err)
		}
		if b.NumRows() > n {
			b = b.NewSlice(0, n)
			defer b.Release()
		}
		n -= b.NumRows()
		return yield(b, nil) && n > 0
	}
}

// errStopped ends reading when the consumer has had enough.
var errStopped = errors.New("stopped")

// few is how many files a look-up reads one after the other: goroutines would
// only hold it up.
const few = 2

// anyOrder reads files as the options say, in no particular order.
func (x *exec) anyOrder(ctx context.Context, p *planner, files iter.Seq2[FileTask, error], yield func(arrow.RecordBatch, error) bool) {
	workers := x.v.opts.Concurrency
	if p.small {
		var all []FileTask
		for f, err := range files {
			if err != nil {
				yield(nil, err)
				return
			}
			all = append(all, f)
		}
		if files = seqOf(all); len(all) <= few {
			workers = 1
		}
	}
	if workers == 1 {
		x.sequential(ctx, files, yield)
		return
	}
	x.unordered(ctx, workers, files, yield)
}

// sequential reads files on the caller's goroutine.
func (x *exec) sequential(ctx context.Context, files iter.Seq2[FileTask, error], yield func(arrow.RecordBatch, error) bool) {
	for f, err := range files {
		if err == nil {
			err = x.read(ctx, &f, func(b arrow.RecordBatch) error {
				defer b.Release()
				if !yield(b, nil) {
					return errStopped
				}
				return nil
			})
		}
		if err != nil {
			if !errors.Is(err, errStopped) {
				yield(nil, err)
			}
			return
		}
	}
}

// job is a file to read and where its batches go.
type job struct {
	file FileTask
	out  chan arrow.RecordBatch
}

// send delivers b, or releases it when nobody wants it any more.
func send(ctx context.Context, out chan<- arrow.RecordBatch, b arrow.RecordBatch) error {
	select {
	case out <- b:
		return nil
	case <-ctx.Done():
		b.Release()
		return ctx.Err()
	}
}

// unordered reads files in parallel and yields batches as they come.
func (x *exec) unordered(ctx context.Context, workers int, files iter.Seq2[FileTask, error], yield func(arrow.RecordBatch, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	g, gctx := errgroup.WithContext(ctx)
	jobs := make(chan FileTask, workers)
	out := make(chan arrow.RecordBatch, workers)
	g.Go(func() error {
		defer close(jobs)
		for f, err := range files {
			if err != nil {
				return err
			}
			select {
			case jobs <- f:
			case <-gctx.Done():
				return gctx.Err()
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			for f := range jobs {
				if err := x.read(gctx, &f, func(b arrow.RecordBatch) error { return send(gctx, out, b) }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	failed := make(chan error, 1)
	go func() {
		failed <- g.Wait()
		close(out)
	}()
	stopped := false
	defer func() {
		cancel()
		for b := range out {
			b.Release()
		}
		if err := <-failed; err != nil && !stopped {
			yield(nil, err)
		}
	}()
	for b := range out {
		ok := yield(b, nil)
		b.Release()
		if !ok {
			stopped = true
			return
		}
	}
}

// ordered reads files in parallel and yields batches in the order of files.
func (x *exec) ordered(ctx context.Context, workers int, files iter.Seq2[FileTask, error], yield func(arrow.RecordBatch, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	g, gctx := errgroup.WithContext(ctx)
	// A job is in line before a worker gets it, and workers take jobs in order:
	// the first in line is always being read.
	line := make(chan job, 2*workers)
	jobs := make(chan job)
	g.Go(func() error {
		defer close(line)
		defer close(jobs)
		for f, err := range files {
			if err != nil {
				return err
			}
			j := job{file: f, out: make(chan arrow.RecordBatch, 2)}
			for _, ch := range []chan job{line, jobs} {
				select {
				case ch <- j:
				case <-gctx.Done():
					return gctx.Err()
				}
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			for j := range jobs {
				err := x.read(gctx, &j.file, func(b arrow.RecordBatch) error { return send(gctx, j.out, b) })
				if err != nil {
					return err // j.out stays open: what follows must not be taken for its end
				}
				close(j.out)
			}
			return nil
		})
	}
	last, stopped := x.deliver(gctx, line, yield)
	cancel()
	err := g.Wait()
	drain(last)
	for j := range line {
		drain(j.out)
	}
	if !stopped && err != nil {
		yield(nil, err)
	}
}

// deliver yields the batches of the jobs in line. It returns the channel it was
// reading last; stopped means that the consumer has had enough.
func (x *exec) deliver(ctx context.Context, line <-chan job, yield func(arrow.RecordBatch, error) bool) (last <-chan arrow.RecordBatch, stopped bool) {
	for j := range line {
		last = j.out
		for more := true; more; {
			var b arrow.RecordBatch
			select {
			case b, more = <-j.out:
			case <-ctx.Done():
				return last, false
			}
			if !more {
				break
			}
			ok := yield(b, nil)
			b.Release()
			if !ok {
				return last, true
			}
		}
	}
	return last, false
}

// drain releases what is waiting in a channel that may never be closed.
func drain(out <-chan arrow.RecordBatch) {
	for out != nil {
		select {
		case b, ok := <-out:
			if !ok {
				return
			}
			b.Release()
		default:
			return
		}
	}
}
