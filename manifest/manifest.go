package manifest

import "github.com/frazildb/frazil/partition"

// Content says what a file holds.
type Content int8

// File contents (spec field 134).
const (
	ContentData            Content = 0
	ContentPositionDeletes Content = 1 // also deletion vectors
	ContentEqualityDeletes Content = 2
)

// Format is a data file's format, lower case.
type Format string

// File formats.
const (
	FormatParquet Format = "parquet"
	FormatAvro    Format = "avro"
	FormatORC     Format = "orc"
	FormatPuffin  Format = "puffin"
)

// Count is a per-column count, Bound a per-column bound in the spec's binary
// single-value serialisation.
type (
	Count struct {
		FieldID int
		N       int64
	}
	Bound struct {
		FieldID int
		Value   []byte
	}
)

// Counts and Bounds are sorted by field id; a missing id means unknown.
type (
	Counts []Count
	Bounds []Bound
)

// Metrics are the column statistics of a file.
type Metrics struct {
	ColumnSizes, ValueCounts, NullCounts, NaNCounts Counts
	Lower, Upper                                    Bounds
}

// DataFile describes a data or delete file (spec: "Data File Fields"). A
// DataFile is shared freely and must not be changed once published.
type DataFile struct {
	Content     Content
	Path        string
	Format      Format
	SpecID      int // of the manifest it is in
	Partition   partition.Tuple
	RecordCount int64
	FileSize    int64
	Metrics
	KeyMetadata  []byte
	SplitOffsets []int64
	EqualityIDs  []int
	// SortOrderID is nil when unknown or unsorted.
	SortOrderID *int
	// FirstRowID is the row id of the file's first row (v3), nil when it has
	// none. Read fills it in by the inheritance rules.
	FirstRowID *int64
	// ReferencedDataFile is the one data file a position-delete file or DV
	// applies to, "" when several or unknown.
	ReferencedDataFile string
	// ContentOffset and ContentSize locate a DV blob in its Puffin file.
	ContentOffset, ContentSize *int64
}

// IsDV reports whether f is a deletion vector.
func (f *DataFile) IsDV() bool {
	return f.Content == ContentPositionDeletes && f.Format == FormatPuffin
}

// Status of a manifest entry.
type Status int8

// Entry status values (spec field 0).
const (
	StatusExisting Status = 0
	StatusAdded    Status = 1
	StatusDeleted  Status = 2
)

// Entry is one manifest entry with inherited values filled in by the reader.
type Entry struct {
	Status     Status
	SnapshotID int64
	// SequenceNumber is the data sequence number, FileSequenceNumber that of the
	// snapshot that added the file. In a new ADDED entry for the writer,
	// Unassigned means inherit.
	SequenceNumber     int64
	FileSequenceNumber int64
	File               *DataFile
}

// Unassigned stands for a sequence number that the commit assigns.
const Unassigned = int64(-1)

// Kind says whether a manifest holds data files or delete files.
type Kind int8

// Manifest kinds (spec field 517).
const (
	Data    Kind = 0
	Deletes Kind = 1
)

// File is a manifest as its manifest list describes it (spec: "Manifest
// Lists"). Counts are -1 when unknown (v1).
type File struct {
	Path              string
	Length            int64
	SpecID            int
	Kind              Kind
	SequenceNumber    int64 // Unassigned until committed
	MinSequenceNumber int64 // Unassigned until committed
	AddedSnapshotID   int64
	AddedFiles        int
	ExistingFiles     int
	DeletedFiles      int
	AddedRows         int64
	ExistingRows      int64
	DeletedRows       int64
	Partitions        []FieldSummary
	KeyMetadata       []byte
	FirstRowID        *int64
}

// FieldSummary summarises one partition field over a manifest; ContainsNaN is
// nil when unknown, Lower and Upper are nil when there are none.
type FieldSummary struct {
	ContainsNull bool
	ContainsNaN  *bool
	Lower, Upper []byte
}
