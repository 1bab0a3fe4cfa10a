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

// file reads one of the files. The last column of each batch must be _pos; f
// gets the batch without it. It returns the rows that were not there.
func (r *reader) file(ctx context.Context, n int, f func(b arrow.RecordBatch) error) (*deletes.Positions, error) {
	one := *r.task
	one.Files = r.task.Files[n : n+1]
	rows := one.Files[0].Data.File.RecordCount
	dead := &deletes.Positions{}
	next := int64(0)
	var gone []int64
	for b, err := range one.Batches(ctx) {
		if err != nil {
			return nil, err
		}
		last := int(b.NumCols()) - 1
		pos, ok := b.Column(last).(*array.Int64)
		if !ok {
			return nil, fmt.Errorf("%s: positions are %s", one.Files[0].Data.File.Path, b.Column(last).DataType())
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
		if next > rows {
			return nil, fmt.Errorf("%w: %s has more rows than the %d its manifest says", ErrVerify, one.Files[0].Data.File.Path, rows)
		}
		if f == nil {
			continue
		}
		if err := f(b); err != nil {
			return nil, err
		}
	}
	dead.AddRange(uint64(next), uint64(rows))
	return dead, nil
}

// deadByPosition returns the rows that a file's deletion vector and position
// deletes remove.
func deadByPosition(ctx context.Context, e *catalog.Entry, name string, f scan.FileTask) (*deletes.Positions, error) {
	if f.DV == nil && len(f.Positions) == 0 {
		return &deletes.Positions{}, nil
	}
	f.Equality = nil
	r, err := newReader(e, name, []scan.FileTask{f}, 0, 0, []string{"_pos"})
	if err != nil {
		return nil, err
	}
	return r.file(ctx, 0, nil)
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
