package partition

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/schema"
)

// Identity returns a field that partitions by the column's value.
func Identity(column string) Field { panic("unwritten") }

// Bucket returns a field that partitions by the column's hash into n buckets.
func Bucket(column string, n int) Field { panic("unwritten") }

// Truncate returns a field that partitions by the column truncated to width w.
func Truncate(column string, w int) Field { panic("unwritten") }

// Year returns a field that partitions by the year of the column.
func Year(column string) Field { panic("unwritten") }

// Month returns a field that partitions by the month of the column.
func Month(column string) Field { panic("unwritten") }

// Day returns a field that partitions by the day of the column.
func Day(column string) Field { panic("unwritten") }

// Hour returns a field that partitions by the hour of the column.
func Hour(column string) Field { panic("unwritten") }

// Void returns a field that is always null.
func Void(column string) Field { panic("unwritten") }

// ParseTransform parses the text of a transform, such as "bucket[16]". Text it
// does not know is an UnknownTransform, never an error.
func ParseTransform(s string) Transform { panic("unwritten") }

// String returns the transform's text in metadata.
func (t Transform) String() string { panic("unwritten") }

// ResultType returns the type of the transform's results for a source type.
func (t Transform) ResultType(src schema.Type) (schema.Type, error) { panic("unwritten") }

// Apply transforms one value (as at schema.Row); nil gives nil.
func (t Transform) Apply(src schema.Type, v any) any { panic("unwritten") }

// Parse parses a comma-separated list of terms such as
// "bucket(8, id), day(at), region".
func Parse(terms string) ([]Field, error) { panic("unwritten") }

// Bind resolves columns and names of fields and assigns partition field ids,
// reusing those of equivalent fields in existing specs. It returns the spec,
// whose ID is that of an equivalent existing spec or the next free one, and the
// new last partition id.
func Bind(fields []Field, s *schema.Schema, existing []Spec, lastPartitionID int) (Spec, int, error) {
	panic("unwritten")
}

// IsUnpartitioned reports whether the spec has no fields other than void ones.
func (s Spec) IsUnpartitioned() bool { panic("unwritten") }

// Types returns the result type of every field; schema.Unknown where the source
// column no longer exists or the transform is unknown.
func (s Spec) Types(sc *schema.Schema) []schema.Type { panic("unwritten") }

// Key returns a bit-exact comparable key of the tuple.
func (s Spec) Key(t Tuple) string { panic("unwritten") }

// Path returns the tuple as a relative directory, a=1/b=x; "" if unpartitioned.
func (s Spec) Path(sc *schema.Schema, t Tuple) string { panic("unwritten") }

// Equivalent reports whether two specs have the same sources, transforms and
// names in the same positions.
func (s Spec) Equivalent(o Spec) bool { panic("unwritten") }

// MarshalJSON writes the spec object of table metadata.
func (s Spec) MarshalJSON() ([]byte, error) { panic("unwritten") }

// UnmarshalJSON reads the spec object of table metadata.
func (s *Spec) UnmarshalJSON(data []byte) error { panic("unwritten") }

// MarshalFields writes the bare array of fields, as manifests carry it.
func MarshalFields(s Spec) ([]byte, error) { panic("unwritten") }

// UnmarshalFields reads the bare array of fields.
func UnmarshalFields(id int, data []byte) (Spec, error) { panic("unwritten") }

// Router sends rows of batches to partitions.
type Router struct{ _ int }

// NewRouter makes a router; batches have one column per field of s, in order.
func NewRouter(spec Spec, s *schema.Schema) (*Router, error) { panic("unwritten") }

// Route returns, per row, the ordinal of its tuple, appended to dst[:0].
func (r *Router) Route(b arrow.RecordBatch, dst []int32) ([]int32, error) { panic("unwritten") }

// Tuple returns the tuple of an ordinal; it must not be changed.
func (r *Router) Tuple(ordinal int32) Tuple { panic("unwritten") }

// Len returns the number of tuples seen: ordinals are below it.
func (r *Router) Len() int { panic("unwritten") }

// Unsorted returns sort order 0.
func Unsorted() SortOrder { return SortOrder{} }

// Asc returns an ascending sort field, nulls first.
func Asc(column string) SortField { panic("unwritten") }

// Desc returns a descending sort field, nulls last.
func Desc(column string) SortField { panic("unwritten") }

// ParseSort parses terms such as "a desc nulls last, bucket(4, b)".
func ParseSort(terms string) ([]SortField, error) { panic("unwritten") }

// BindSort resolves the columns of fields against a schema; id is that of an
// equivalent existing order or the next free one, 0 without fields.
func BindSort(fields []SortField, s *schema.Schema, existing []SortOrder) (SortOrder, error) {
	panic("unwritten")
}

// IsUnsorted reports whether the order has no fields.
func (o SortOrder) IsUnsorted() bool { return len(o.Fields) == 0 }

// Equivalent reports whether two orders have the same fields.
func (o SortOrder) Equivalent(p SortOrder) bool { panic("unwritten") }

// MarshalJSON writes the sort order object of table metadata.
func (o SortOrder) MarshalJSON() ([]byte, error) { panic("unwritten") }

// UnmarshalJSON reads the sort order object of table metadata.
func (o *SortOrder) UnmarshalJSON(data []byte) error { panic("unwritten") }
