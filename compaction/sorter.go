package compaction

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

const (
	// sortBatch is how many rows of a sorted batch are at hand at most.
	sortBatch = 8192
	// sortFanIn is how many runs are merged at a time.
	sortFanIn = 16
)

// sorter sorts the rows of batches by key, those that do not fit the budget by
// way of files: runs, each in order, in a folder of its own, with the rank of
// each row among all that were added in a last column.
type sorter struct {
	keys   *keyer
	schema *schema.Schema
	arrow  *arrow.Schema // with the ranks
	budget int64
	parent string // of the folder

	dir   string // once there is one
	store objstore.Store
	runs  []string
	made  int

	batches []arrow.RecordBatch
	key     []byte // scratch of sorted
	entries []sortEntry
	bytes   int64
	next    int64 // rank
	all     int64 // bytes of all rows so far
}

// rankID is the last id before the reserved ones.
const rankID = 2147483446

func newSorter(keys *keyer, s *schema.Schema, budget int64, dir string) (*sorter, error) {
	with, err := schema.New(s.ID, append(slices.Clone(s.Fields), schema.Field{ID: rankID, Name: "_frazil_rank", Type: schema.Long, Required: true}), nil)
	if err != nil {
		return nil, err
	}
	return &sorter{keys: keys, schema: with, arrow: schema.ArrowSchema(with), budget: budget, parent: dir}, nil
}

// add takes the rows of a batch; it keeps it.
func (s *sorter) add(ctx context.Context, b arrow.RecordBatch) error {
	n := int(b.NumRows())
	ranks := array.NewInt64Builder(memory.DefaultAllocator)
	defer ranks.Release()
	ranks.Reserve(n)
	for i := range n {
		ranks.UnsafeAppend(s.next + int64(i))
	}
	s.next += int64(n)
	col := ranks.NewArray()
	defer col.Release()
	s.batches = append(s.batches, array.NewRecordBatch(s.arrow, append(slices.Clone(b.Columns()), col), int64(n)))
	size := int64(n) * 64 // rank, key and its place
	for _, c := range b.Columns() {
		size += dataBytes(c.Data())
	}
	s.bytes += size
	s.all += size
	if s.bytes < s.budget {
		return nil
	}
	return s.spill(ctx)
}

// batchRows is how many rows take no more than a share of the budget.
func (s *sorter) batchRows(share int64) int {
	return int(min(max(s.budget/share/max(s.all/max(s.next, 1), 1), 16), sortBatch))
}

func dataBytes(d arrow.ArrayData) (n int64) {
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Cap()) // buffers that grew have room to spare
		}
	}
	for _, c := range d.Children() {
		n += dataBytes(c)
	}
	return n
}

func (s *sorter) forget() {
	for _, b := range s.batches {
		b.Release()
	}
	s.batches, s.bytes = nil, 0
}

// close removes what is left.
func (s *sorter) close() {
	s.forget()
	if s.dir != "" {
		_ = s.store.Close()
		_ = os.RemoveAll(s.dir)
		s.dir = ""
	}
}

// pick is a row of one of several batches.
type pick struct{ batch, row int32 }

// sortEntry is a row in memory, with where its key is.
type sortEntry struct {
	prefix   uint64
	from, to int
	pick
}

// sorted yields what is in memory, in order.
func (s *sorter) sorted(yield func(b arrow.RecordBatch) error) error {
	keys, entries := s.key[:0], s.entries[:0]
	for i, b := range s.batches {
		for row := range int(b.NumRows()) {
			from := len(keys)
			var err error
			if keys, err = s.keys.append(keys, b, row); err != nil {
				return err
			}
			entries = append(entries, sortEntry{prefix8(keys[from:]), from, len(keys), pick{int32(i), int32(row)}})
		}
	}
	s.key, s.entries = keys, entries
	slices.SortFunc(entries, func(a, b sortEntry) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return cmp.Or(bytes.Compare(keys[a.from:a.to], keys[b.from:b.to]), cmp.Compare(a.batch, b.batch), cmp.Compare(a.row, b.row))
	})
	picks := make([]pick, 0, sortBatch)
	step := s.batchRows(8)
	for len(entries) > 0 {
		n := min(len(entries), step)
		picks = picks[:0]
		for _, e := range entries[:n] {
			picks = append(picks, e.pick)
		}
		entries = entries[n:]
		if err := s.emit(s.batches, picks, yield); err != nil {
			return err
		}
	}
	return nil
}

// emit yields the rows picked, in their order.
func (s *sorter) emit(batches []arrow.RecordBatch, picks []pick, yield func(b arrow.RecordBatch) error) error {
	b, err := gather(s.arrow, batches, picks)
	if err != nil {
		return err
	}
	defer b.Release()
	return yield(b)
}

// gather makes a batch of rows of several.
func gather(s *arrow.Schema, batches []arrow.RecordBatch, picks []pick) (arrow.RecordBatch, error) {
	rows := make([][]int32, len(batches))
	for _, p := range picks {
		rows[p.batch] = append(rows[p.batch], p.row)
	}
	at := make([]int32, len(batches)) // where the next row of each batch is
	var parts []arrow.RecordBatch
	defer func() {
		for _, p := range parts {
			p.Release()
		}
	}()
	n := int32(0)
	for i, idx := range rows {
		if len(idx) == 0 {
			continue
		}
		p, err := arrowsel.TakeBatch(batches[i], idx, nil)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		at[i] = n
		n += int32(len(idx))
	}
	if len(parts) == 1 {
		return array.NewRecordBatch(s, parts[0].Columns(), int64(n)), nil
	}
	order := make([]int32, len(picks))
	for i, p := range picks {
		order[i] = at[p.batch]
		at[p.batch]++
	}
	cols := make([]arrow.Array, len(s.Fields()))
	for c := range cols {
		same := make([]arrow.Array, len(parts))
		for i, p := range parts {
			same[i] = p.Column(c)
		}
		all, err := array.Concatenate(same, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		cols[c], err = arrowsel.Take(all, order, nil)
		all.Release()
		if err != nil {
			return nil, err
		}
		defer cols[c].Release()
	}
	return array.NewRecordBatch(s, cols, int64(n)), nil
}

// spill writes what is in memory to a run.
func (s *sorter) spill(ctx context.Context) error {
	if len(s.batches) == 0 {
		return nil
	}
	err := s.writeRun(ctx, s.sorted)
	s.forget()
	return err
}

func (s *sorter) writeRun(ctx context.Context, rows func(yield func(b arrow.RecordBatch) error) error) (err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp(s.parent, "frazil-sort-"); err != nil {
			return fmt.Errorf("sort: %w", err)
		}
		if s.store, err = objstore.NewLocal(s.dir, &objstore.LocalOptions{NoSync: true}); err != nil {
			return fmt.Errorf("sort: %w", err)
		}
	}
	s.made++
	uri := objstore.Join(s.store.Root(), fmt.Sprintf("%06d.parquet", s.made))
	out, err := s.store.Create(ctx, uri, nil)
	if err != nil {
		return fmt.Errorf("sort: %w", err)
	}
	w, err := parquetfile.NewWriter(out, s.schema, &parquetfile.WriterOptions{
		Codec: parquetfile.Snappy, RowGroupBytes: 4 << 20, PageBytes: 64 << 10, DictionaryBytes: 16 << 10,
		Metrics: func(int) parquetfile.MetricsMode { return parquetfile.MetricsMode{} },
	})
	if err == nil {
		if err = rows(func(b arrow.RecordBatch) error { return w.Write(ctx, b) }); err == nil {
			_, err = w.Close()
		}
		w.Abort()
	}
	if err != nil {
		return fmt.Errorf("sort: %w", errors.Join(err, out.Abort()))
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("sort: %w", err)
	}
	s.runs = append(s.runs, uri)
	return nil
}

// drain yields all rows in order, the rank of each in the last column.
func (s *sorter) drain(ctx context.Context, yield func(b arrow.RecordBatch) error) error {
	defer s.close()
	if len(s.runs) == 0 {
		return s.sorted(yield)
	}
	if err := s.spill(ctx); err != nil {
		return err
	}
	s.key, s.entries = nil, nil
	for len(s.runs) > sortFanIn {
		first := s.runs[:sortFanIn]
		s.runs = slices.Clone(s.runs[sortFanIn:])
		err := s.writeRun(ctx, func(yield func(b arrow.RecordBatch) error) error { return s.merge(ctx, first, yield) })
		if err != nil {
			return err
		}
		for _, uri := range first {
			if err := s.store.Delete(ctx, uri); err != nil {
				return fmt.Errorf("sort: %w", err)
			}
		}
	}
	return s.merge(ctx, s.runs, yield)
}
