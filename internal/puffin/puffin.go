// Package puffin writes and reads Puffin files: a container of blobs with a
// JSON footer (format/puffin-spec.md).
//
//	magic "PFA1"
//	blob …                        at the offsets the footer names
//	footer:
//	  magic "PFA1"
//	  payload                     JSON, possibly an LZ4 frame
//	  payload size  int32 LE      as stored
//	  flags         4 bytes       bit 0 of byte 0: the payload is compressed
//	  magic "PFA1"
package puffin

import (
	"context"
	"io"

	"github.com/frazildb/frazil/objstore"
)

// Blob types.
const (
	TypeDeletionVector = "deletion-vector-v1"
	TypeThetaSketch    = "apache-datasketches-theta-v1"
)

// Blob describes one blob of a file; Offset and Length are filled in by
// Writer.Add.
type Blob struct {
	Type           string            `json:"type"`
	Fields         []int             `json:"fields"`
	SnapshotID     int64             `json:"snapshot-id"`
	SequenceNumber int64             `json:"sequence-number"`
	Offset         int64             `json:"offset"`
	Length         int64             `json:"length"`
	Codec          string            `json:"compression-codec,omitempty"`
	Properties     map[string]string `json:"properties,omitempty"`
}

// Writer writes one Puffin file.
type Writer struct{}

// NewWriter starts a file on w.
func NewWriter(w io.Writer) *Writer { panic("unwritten") }

// Add appends a blob as it is and returns where it is.
func (w *Writer) Add(data []byte, b Blob) (Blob, error) { panic("unwritten") }

// Close writes the footer with the file's properties and returns the sizes of
// file and footer in bytes. It does not close the underlying writer.
func (w *Writer) Close(properties map[string]string) (fileSize, footerSize int64, err error) {
	panic("unwritten")
}

// Footer is what a file says of itself.
type Footer struct {
	Blobs      []Blob            `json:"blobs"`
	Properties map[string]string `json:"properties,omitempty"`
}

// ReadFooter reads and validates a file's footer.
func ReadFooter(ctx context.Context, o objstore.Object) (*Footer, error) { panic("unwritten") }

// ReadBlob reads a blob and decompresses it; limit bounds its size in bytes, 0
// is 1 GiB.
func ReadBlob(ctx context.Context, o objstore.Object, b Blob, limit int64) ([]byte, error) {
	panic("unwritten")
}
