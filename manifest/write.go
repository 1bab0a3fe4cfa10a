package manifest

import (
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// WriterOptions describe the manifest that NewWriter begins.
type WriterOptions struct {
	// FormatVersion is 2 or 3.
	FormatVersion int
	// Schema is the table's current schema.
	Schema *schema.Schema
	Spec   partition.Spec
	Kind   Kind
	// SnapshotID is that of the snapshot being made.
	SnapshotID int64
	// Path is where the caller will store the bytes.
	Path string
	// Codec is the Avro codec: "deflate" (the default, also "gzip"), "null"
	// (also "none", "uncompressed"), "zstandard" (also "zstd") or "snappy".
	Codec string
}

// Writer encodes one manifest in memory. It is not safe for concurrent use.
type Writer struct{}

// NewWriter begins a manifest.
func NewWriter(o WriterOptions) (*Writer, error) { panic("unwritten") }

// Append adds an entry. Rules of the spec it enforces: an ADDED or DELETED
// entry belongs to the snapshot being made (a zero SnapshotID is filled in);
// an ADDED entry may leave its sequence number Unassigned and is always
// written without file sequence number and first row id; EXISTING and DELETED
// entries carry explicit numbers.
func (w *Writer) Append(e *Entry) error { panic("unwritten") }

// Len returns the number of entries appended.
func (w *Writer) Len() int { panic("unwritten") }

// EstimatedSize returns roughly how many bytes Close would return now.
func (w *Writer) EstimatedSize() int { panic("unwritten") }

// Close ends the manifest and returns its bytes and its description, whose
// sequence numbers are Unassigned until WriteList.
func (w *Writer) Close() (data []byte, f *File, err error) { panic("unwritten") }
