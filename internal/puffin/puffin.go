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

import "errors"

// Blob types.
const (
	TypeDeletionVector = "deletion-vector-v1"
	TypeThetaSketch    = "apache-datasketches-theta-v1"
)

// Compression codecs of blobs, the values of Blob.Codec; "" is none.
const (
	CodecLZ4  = "lz4"
	CodecZstd = "zstd"
)

// ErrMalformed is wrapped by every error that is the file's fault.
var ErrMalformed = errors.New("malformed puffin file")

const (
	magic = "PFA1"
	// trailerSize is what follows the footer payload, headSize what precedes it.
	trailerSize = 12
	headSize    = len(magic)

	flagCompressed = 1

	// maxFooter bounds the footer payload, stored and decompressed; maxBlobs the
	// number of blobs in it.
	maxFooter = 64 << 20
	maxBlobs  = 1 << 20
	// defaultBlobLimit bounds a blob where the caller does not.
	defaultBlobLimit = 1 << 30
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

// Footer is what a file says of itself.
type Footer struct {
	Blobs      []Blob            `json:"blobs"`
	Properties map[string]string `json:"properties,omitempty"`
	// Size of the whole footer in the file, in bytes.
	Size int64 `json:"-"`
}
