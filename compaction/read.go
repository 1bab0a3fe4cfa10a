package compaction

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/scan"
)

// reader reads files of one state with their deletes applied. Files that share
// equality deletes have to share a reader, which loads them once.
type reader struct{ task *scan.Task }

// newReader prepares to read columns of files, nil for all of the current
// schema, and after them the metadata columns named.
func newReader(e *catalog.Entry, name string, files []scan.FileTask, memory int64, batchRows int, columns []string) (*reader, error) {
	sc := scan.New(scan.Source{Store: e.Store, Metadata: e.Metadata, Name: name}, &scan.Options{
		Columns: columns, UseCurrentSchema: true, MemoryBudget: memory, BatchRows: batchRows,
	})
	t, err := sc.NewTask(files...)
	if err != nil {
		return nil, err
	}
	return &reader{task: t}, nil
}

// longGap is how many rows on end are added to a set as a range.
const longGap = 1 << 12

// file reads one of the files. The last column of each batch must be _pos. It
// returns the rows that were not there.
func (r *reader) file(ctx context.Context, n int, f func(b arrow.RecordBatch) error) (*deletes.Positions, error) {
	task := r.task.Files[n]
	return r.rows(ctx, task, 0, task.Data.File.RecordCount, f)
}

// rows is file for one of the files limited to some row groups, which hold the
// rows first to end, exclusive.
func (r *reader) rows(ctx context.Context, task scan.FileTask, first, end int64, f func(b arrow.RecordBatch) error) (*deletes.Positions, error) {
	one := *r.task
	one.Files = []scan.FileTask{task}
	dead := &deletes.Positions{}
	next := first
	var gone []int64
	for b, err := range one.Batches(ctx) {
		if err != nil {
			return nil, err
		}
		last := int(b.NumCols()) - 1
		pos, ok := b.Column(last).(*array.Int64)
		if !ok {
			return nil, fmt.Errorf("%s: positions are %s", task.Data.File.Path, b.Column(last).DataType())
		}
		gone = gone[:0]
		for _, p := range pos.Int64Values() {
			if p-next > longGap {
				dead.AddRange(uint64(next), uint64(p))
			} else {
				for ; next < p; next++ {
					gone = append(gone, next)
				}
			}
			next = p + 1
		}
		dead.AddMany(gone)
		if next > end {
			return nil, fmt.Errorf("%w: %s has rows behind its row %d, where it ought to end", ErrVerify, task.Data.File.Path, end)
		}
		if f == nil {
			continue
		}
		if err := f(b); err != nil {
			return nil, err
		}
	}
	dead.AddRange(uint64(next), uint64(end))
	return dead, nil
}

// columnNames are the columns of a rewrite, with _pos at the end.
func columnNames(e *catalog.Entry, lineage bool) []string {
	var out []string
	for _, f := range e.Metadata.CurrentSchema().Fields {
		out = append(out, f.Name)
	}
	if lineage {
		out = append(out, "_row_id", "_last_updated_sequence_number")
	}
	return append(out, "_pos")
}

// without returns b without its last column.
func without(b arrow.RecordBatch, s *arrow.Schema) arrow.RecordBatch {
	return array.NewRecordBatch(s, b.Columns()[:b.NumCols()-1], b.NumRows())
}

// withoutLast is without for a batch of any columns; it shares those of b and
// need not be released.
func withoutLast(b arrow.RecordBatch) arrow.RecordBatch {
	n := int(b.NumCols()) - 1
	return array.NewRecordBatch(arrow.NewSchema(b.Schema().Fields()[:n], nil), b.Columns()[:n], b.NumRows())
}
