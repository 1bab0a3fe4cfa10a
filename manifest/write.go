package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// ErrInvalid is wrapped by errors about entries that the spec does not allow to
// be written.
var ErrInvalid = errors.New("invalid manifest entry")

// WriterOptions describe the manifest that NewWriter begins.
type WriterOptions struct {
	// FormatVersion is 2 or 3.
	FormatVersion int
	// Schema is the table's current schema.
	Schema *schema.Schema
	Spec   partition.Spec
	// PartitionTypes are the result types of the spec's fields; nil takes them
	// from Schema, which fails for fields whose source column was dropped.
	PartitionTypes []schema.Type
	Kind           Kind
	// SnapshotID is that of the snapshot being made.
	SnapshotID int64
	// Path is where the caller will store the bytes.
	Path string
	// Codec is the Avro codec: "deflate" (the default, also "gzip"), "null"
	// (also "none", "uncompressed"), "zstandard" (also "zstd") or "snappy".
	Codec string
}

// Writer encodes one manifest in memory. It is not safe for concurrent use.
type Writer struct {
	o       WriterOptions
	types   []schema.Type
	file    *avrofile.Writer
	f       File
	min     int64 // over live entries with a number, MaxInt64 without
	n       int
	summary *summariser
}

// NewWriter begins a manifest.
func NewWriter(o WriterOptions) (*Writer, error) {
	if o.FormatVersion != 2 && o.FormatVersion != 3 {
		return nil, fmt.Errorf("manifests of format version %d are not written", o.FormatVersion)
	}
	codec, err := parseCodec(o.Codec)
	if err != nil {
		return nil, err
	}
	w := &Writer{o: o, types: o.PartitionTypes, min: math.MaxInt64}
	if w.types == nil {
		w.types = o.Spec.Types(o.Schema)
	}
	if len(w.types) != len(o.Spec.Fields) {
		return nil, fmt.Errorf("manifest has %d partition types for %d fields", len(w.types), len(o.Spec.Fields))
	}
	avroSchema, err := entrySchema(o.FormatVersion, o.Spec, w.types)
	if err != nil {
		return nil, err
	}
	meta, err := o.header()
	if err != nil {
		return nil, err
	}
	w.file = avrofile.NewWriter(avroSchema, codec, meta)
	w.summary = newSummariser(w.types)
	w.f = File{
		Path: o.Path, SpecID: o.Spec.ID, Kind: o.Kind, AddedSnapshotID: o.SnapshotID,
		SequenceNumber: Unassigned, MinSequenceNumber: Unassigned,
	}
	return w, nil
}

func parseCodec(name string) (avrofile.Codec, error) {
	if name == "" {
		return avrofile.Deflate, nil
	}
	return avrofile.ParseCodec(name)
}

// header returns the key-value metadata (spec: "Manifests").
func (o *WriterOptions) header() ([]avrofile.Meta, error) {
	tableSchema, err := json.Marshal(o.Schema)
	if err != nil {
		return nil, fmt.Errorf("manifest schema: %w", err)
	}
	fields, err := partition.MarshalFields(o.Spec)
	if err != nil {
		return nil, fmt.Errorf("manifest partition spec: %w", err)
	}
	content := "data"
	if o.Kind == Deletes {
		content = "deletes"
	}
	return []avrofile.Meta{
		{Key: "schema", Value: tableSchema},
		{Key: "schema-id", Value: strconv.AppendInt(nil, int64(o.Schema.ID), 10)},
		{Key: "partition-spec", Value: fields},
		{Key: "partition-spec-id", Value: strconv.AppendInt(nil, int64(o.Spec.ID), 10)},
		{Key: "format-version", Value: strconv.AppendInt(nil, int64(o.FormatVersion), 10)},
		{Key: "content", Value: []byte(content)},
	}, nil
}

// Append adds an entry. Rules of the spec it enforces: an ADDED or DELETED
// entry belongs to the snapshot being made (a zero SnapshotID is filled in);
// an ADDED entry may leave its sequence number Unassigned and is always
// written without file sequence number and first row id; EXISTING and DELETED
// entries carry an explicit sequence number.
func (w *Writer) Append(e *Entry) error {
	if err := w.check(e); err != nil {
		return fmt.Errorf("%w: file %s: %w", ErrInvalid, e.File.Path, err)
	}
	block, err := w.encode(w.file.Buffer(), e)
	if err != nil {
		return fmt.Errorf("%w: file %s: %w", ErrInvalid, e.File.Path, err)
	}
	if err := w.file.Commit(block); err != nil {
		return err
	}
	w.n++
	w.count(e)
	return w.summary.add(e.File.Partition)
}

func (w *Writer) check(e *Entry) error {
	f := e.File
	switch {
	case e.Status < StatusExisting || e.Status > StatusDeleted:
		return fmt.Errorf("status %d", e.Status)
	case (f.Content == ContentData) != (w.o.Kind == Data):
		return fmt.Errorf("content %d does not belong into a manifest of kind %d", f.Content, w.o.Kind)
	case f.Path == "":
		return errors.New("no path")
	case len(f.Partition) != len(w.types):
		return fmt.Errorf("partition of %d values for a spec of %d fields", len(f.Partition), len(w.types))
	case e.Status != StatusExisting && e.SnapshotID != 0 && e.SnapshotID != w.o.SnapshotID:
		return fmt.Errorf("entry added or deleted by snapshot %d in a manifest of snapshot %d", e.SnapshotID, w.o.SnapshotID)
	case e.Status == StatusExisting && e.SequenceNumber < 0:
		return errors.New("existing entry without sequence number")
	case f.Content == ContentEqualityDeletes && len(f.EqualityIDs) == 0:
		return errors.New("equality delete without equality ids")
	case f.RecordCount < 0 && e.Status == StatusAdded:
		return fmt.Errorf("record count %d", f.RecordCount)
	case f.FileSize < 0:
		return fmt.Errorf("file size %d", f.FileSize)
	}
	if f.IsDV() {
		return w.checkDV(f)
	}
	return nil
}

func (w *Writer) checkDV(f *DataFile) error {
	switch {
	case w.o.FormatVersion < 3:
		return errors.New("deletion vectors need format version 3")
	case f.ContentOffset == nil || f.ContentSize == nil:
		return errors.New("deletion vector without content offset or size")
	case f.ReferencedDataFile == "":
		return errors.New("deletion vector without referenced data file")
	}
	return nil
}

// count updates the manifest's description.
func (w *Writer) count(e *Entry) {
	rows := max(e.File.RecordCount, 0)
	switch e.Status {
	case StatusAdded:
		w.f.AddedFiles++
		w.f.AddedRows += rows
	case StatusExisting:
		w.f.ExistingFiles++
		w.f.ExistingRows += rows
	case StatusDeleted:
		w.f.DeletedFiles++
		w.f.DeletedRows += rows
	}
	// Only live entries count: a number that is too high would let delete files
	// be dropped that still apply.
	if e.IsLive() && e.SequenceNumber >= 0 {
		w.min = min(w.min, e.SequenceNumber)
	}
}

// Len returns the number of entries appended.
func (w *Writer) Len() int { return w.n }

// EstimatedSize returns roughly how many bytes Close would return now.
func (w *Writer) EstimatedSize() int { return w.file.Size() }

// Close ends the manifest and returns its bytes and its description, whose
// sequence numbers are Unassigned until WriteList.
func (w *Writer) Close() (data []byte, f *File, err error) {
	data, err = w.file.Close()
	if err != nil {
		return nil, nil, err
	}
	w.f.Length = int64(len(data))
	if w.min != math.MaxInt64 {
		w.f.MinSequenceNumber = w.min
	}
	if w.f.Partitions, err = w.summary.result(); err != nil {
		return nil, nil, err
	}
	out := w.f
	return data, &out, nil
}
