package scan

import (
	"context"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/schema"
)

// Rows yields rows of Schema; each is valid until the next step.
func (s *Scan) Rows(ctx context.Context) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		if s.err != nil {
			yield(nil, s.err)
			return
		}
		rowsOf(s.view.out, s.Batches(ctx), yield)
	}
}

// rowsOf yields the rows of batches of s.
func rowsOf(s *schema.Schema, batches iter.Seq2[arrow.RecordBatch, error], yield func(schema.Row, error) bool) {
	row := make(schema.Row, len(s.Fields))
	for b, err := range batches {
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range int(b.NumRows()) {
			for c := range row {
				row[c] = schema.ValueAt(b.Column(c), s.Fields[c].Type, i)
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}
