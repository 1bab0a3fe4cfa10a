// Package partition turns rows into partition tuples: transforms, partition
// specs and sort orders of Apache Iceberg tables (spec: "Partitioning",
// "Sorting").
//
// Fields are written with [Identity], [Bucket], [Day], … or parsed by [Parse],
// and bound to a schema by [Bind]. A [Router] splits record batches by partition
// without work per row beyond hashing.
package partition

// TransformKind names a partition transform (spec: "Partition Transforms").
type TransformKind uint8

// The transforms. UnknownTransform is one this version does not know: it is
// kept, compared, never written and never used to prune.
const (
	IdentityTransform TransformKind = iota + 1
	BucketTransform
	TruncateTransform
	YearTransform
	MonthTransform
	DayTransform
	HourTransform
	VoidTransform
	UnknownTransform
)

// Transform is a partition transform with its parameter.
type Transform struct {
	Kind TransformKind
	// Param is N of bucket[N] and W of truncate[W].
	Param int
	// Name is the text of an unknown transform.
	Name string
}

// Field is one field of a partition spec.
type Field struct {
	// SourceIDs are the field ids the transform reads: one, or several for a
	// multi-argument transform (v3).
	SourceIDs []int
	// FieldID is the partition field id (1000 and up), 0 when not yet assigned.
	FieldID   int
	Name      string
	Transform Transform
	// Column is the name of the source column in a field made by Identity,
	// Bucket, …; Bind resolves it to SourceIDs. It is not stored.
	Column string
}

// Spec is a partition spec. It is immutable once made.
type Spec struct {
	ID     int
	Fields []Field
}

// Tuple is a partition value: one value per spec field, in order, as described
// at schema.Row in the field's result type; nil is null.
type Tuple []any

// SortField is one field of a sort order.
type SortField struct {
	SourceIDs  []int
	Transform  Transform
	Descending bool
	NullsFirst bool
	// Column is the name of the source column in a field made by Asc, Desc or
	// ParseSort; BindSort resolves it to SourceIDs. It is not stored.
	Column string
}

// SortOrder is a declared order (spec: "Sorting"); id 0 is unsorted.
type SortOrder struct {
	ID     int
	Fields []SortField
}
