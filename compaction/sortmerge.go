package compaction

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/parquetfile"
)

// run reads one run.
type run struct {
	n     int
	file  *parquetfile.File
	in    *parquetfile.Cursor
	batch arrow.RecordBatch
	row   int
	key   []byte
}

// next moves to the next row; false at the end of the batch.
func (r *run) next(k *keyer) (bool, error) {
	if r.row++; r.row >= int(r.batch.NumRows()) {
		return false, nil
	}
	var err error
	r.key, err = k.append(r.key[:0], r.batch, r.row)
	return true, err
}

// load reads the next batch; false at the end of the run.
func (r *run) load(ctx context.Context, k *keyer) (bool, error) {
	for {
		if r.batch != nil {
			r.batch.Release()
			r.batch = nil
		}
		b, err := r.in.Next(ctx, nil)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("sort: %w", err)
		}
		r.batch, r.row = b, -1
		if more, err := r.next(k); more || err != nil {
			return more, err
		}
	}
}

func (r *run) close() {
	if r.batch != nil {
		r.batch.Release()
	}
	if r.in != nil {
		r.in.Close()
	}
	_ = r.file.Close()
}

// runHeap has the runs by their next key, equal ones in the order they were made.
type runHeap []*run

func (h runHeap) Len() int      { return len(h) }
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h runHeap) Less(i, j int) bool {
	return cmp.Or(bytes.Compare(h[i].key, h[j].key), cmp.Compare(h[i].n, h[j].n)) < 0
}
func (h *runHeap) Push(x any) { *h = append(*h, x.(*run)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (s *sorter) open(ctx context.Context, n int, uri string) (*run, error) {
	o, err := s.store.Open(ctx, uri)
	if err != nil {
		return nil, fmt.Errorf("sort: %w", err)
	}
	f, err := parquetfile.Open(ctx, o, &parquetfile.OpenOptions{ReadAhead: 64 << 10})
	if err != nil {
		return nil, fmt.Errorf("sort: %w", err)
	}
	r := &run{n: n, file: f}
	if r.in, err = f.Read(ctx, &parquetfile.ReadOptions{Fields: s.schema.Fields, BatchRows: s.batchRows(4 * sortFanIn)}); err != nil {
		r.close()
		return nil, fmt.Errorf("sort: %w", err)
	}
	return r, nil
}

// merge yields the rows of runs in order.
func (s *sorter) merge(ctx context.Context, uris []string, yield func(b arrow.RecordBatch) error) error {
	var runs []*run
	var left runHeap
	defer func() {
		for _, r := range runs {
			r.close()
		}
	}()
	for i, uri := range uris {
		r, err := s.open(ctx, i, uri)
		if err != nil {
			return err
		}
		runs = append(runs, r)
		more, err := r.load(ctx, s.keys)
		if err != nil {
			return err
		}
		if more {
			left = append(left, r)
		}
	}
	heap.Init(&left)
	step := s.batchRows(8)
	picks := make([]pick, 0, step)
	batches := make([]arrow.RecordBatch, len(runs))
	flush := func() error {
		if len(picks) == 0 {
			return nil
		}
		for i, r := range runs {
			batches[i] = r.batch
		}
		err := s.emit(batches, picks, yield)
		picks = picks[:0]
		return err
	}
	for len(left) > 0 {
		r := left[0]
		picks = append(picks, pick{int32(r.n), int32(r.row)})
		more, err := r.next(s.keys)
		if err == nil && (!more || len(picks) == step) {
			err = flush()
		}
		if err == nil && !more {
			more, err = r.load(ctx, s.keys)
		}
		if err != nil {
			return err
		}
		if more {
			heap.Fix(&left, 0)
		} else {
			heap.Pop(&left)
		}
	}
	return flush()
}
