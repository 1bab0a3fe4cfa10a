package parquetfile

import (
	"context"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

type bloomKey struct{ group, leaf int }

type bloomFilter struct{}

// Metrics returns the file's column statistics as far as its footer has them,
// for a file added to a table as it is. Bounds are those of the columns of s.
func (f *File) Metrics(s *schema.Schema, mode func(fieldID int) MetricsMode) (manifest.Metrics, error) {
	panic("unwritten")
}

// MightContain reports whether a row group may hold a value, going by the
// statistics of the column chunk and its bloom filter. value is of the table's
// type (see schema.Row). Absent columns and statistics answer true.
func (f *File) MightContain(ctx context.Context, rowGroup, fieldID int, value any) (bool, error) {
	panic("unwritten")
}
