package manifest

import (
	"fmt"
	"math"
	"strconv"

	"github.com/frazildb/frazil/internal/avrofile"
)

// ListOptions describe the snapshot whose manifest list WriteList encodes.
type ListOptions struct {
	// FormatVersion is 2 or 3.
	FormatVersion int
	SnapshotID    int64
	// ParentID is nil for the first snapshot.
	ParentID       *int64
	SequenceNumber int64
	// FirstRowID is the table's next row id; v3 needs it, v2 has none.
	FirstRowID *int64
	// Codec as in WriterOptions.
	Codec string
}

// WriteList encodes a manifest list. Manifests added by this snapshot get its
// sequence number; in v3 data manifests without a first row id get one each.
// nextRowID is the table's next row id afterwards (0 before v3). files are not
// changed.
func WriteList(o ListOptions, files []*File) (data []byte, nextRowID int64, err error) {
	assigned, nextRowID, err := Assign(o, files)
	if err != nil {
		return nil, 0, err
	}
	data, err = EncodeList(o, assigned)
	return data, nextRowID, err
}

// Assign returns files as WriteList stores them: a copy of each file that
// gets a number, the others as they are.
func Assign(o ListOptions, files []*File) (assigned []*File, nextRowID int64, err error) {
	if o.FormatVersion != 2 && o.FormatVersion != 3 {
		return nil, 0, fmt.Errorf("manifest lists of format version %d are not written", o.FormatVersion)
	}
	if (o.FormatVersion >= 3) != (o.FirstRowID != nil) {
		return nil, 0, fmt.Errorf("manifest list of format version %d: first row id is for version 3 only", o.FormatVersion)
	}
	if o.FirstRowID != nil {
		nextRowID = *o.FirstRowID
	}
	assigned = make([]*File, len(files))
	for i, f := range files {
		f, err = o.sequence(f)
		if err != nil {
			return nil, 0, err
		}
		if o.FirstRowID != nil && f.Kind == Data && f.FirstRowID == nil {
			if f, nextRowID, err = withRowID(f, nextRowID); err != nil {
				return nil, 0, err
			}
		}
		assigned[i] = f
	}
	return assigned, nextRowID, nil
}

// sequence replaces unassigned numbers by the commit's.
func (o *ListOptions) sequence(f *File) (*File, error) {
	switch {
	case f.AddedFiles < 0 || f.ExistingFiles < 0 || f.DeletedFiles < 0 ||
		f.AddedRows < 0 || f.ExistingRows < 0 || f.DeletedRows < 0:
		return nil, fmt.Errorf("manifest %s: counts are unknown", f.Path)
	case f.SequenceNumber >= 0 && f.MinSequenceNumber >= 0:
		return f, nil
	case f.AddedSnapshotID != o.SnapshotID:
		return nil, fmt.Errorf("manifest %s of snapshot %d has no sequence number", f.Path, f.AddedSnapshotID)
	}
	c := *f
	if c.SequenceNumber < 0 {
		c.SequenceNumber = o.SequenceNumber
	}
	if c.MinSequenceNumber < 0 {
		c.MinSequenceNumber = o.SequenceNumber
	}
	if c.MinSequenceNumber > c.SequenceNumber {
		return nil, fmt.Errorf("manifest %s: data sequence number %d is above the commit's %d", f.Path, c.MinSequenceNumber, c.SequenceNumber)
	}
	return &c, nil
}

// withRowID gives a manifest its first row id. Existing rows count as well,
// because their files may lack ids too (first commit after an upgrade).
func withRowID(f *File, next int64) (*File, int64, error) {
	if f.ExistingRows > math.MaxInt64-f.AddedRows || next > math.MaxInt64-f.AddedRows-f.ExistingRows {
		return nil, 0, fmt.Errorf("manifest %s: row ids are used up", f.Path)
	}
	c, id := *f, next
	c.FirstRowID = &id
	return &c, next + f.AddedRows + f.ExistingRows, nil
}

// EncodeList encodes files that Assign returned.
func EncodeList(o ListOptions, files []*File) ([]byte, error) {
	codec, err := parseCodec(o.Codec)
	if err != nil {
		return nil, err
	}
	w := avrofile.NewWriter(listSchema(o.FormatVersion), codec, o.header())
	for _, f := range files {
		if err := w.Commit(appendFile(w.Buffer(), f, o.FormatVersion)); err != nil {
			return nil, err
		}
	}
	return w.Close()
}

func (o *ListOptions) header() []avrofile.Meta {
	number := func(v int64) []byte { return strconv.AppendInt(nil, v, 10) }
	parent := []byte("null")
	if o.ParentID != nil {
		parent = number(*o.ParentID)
	}
	meta := []avrofile.Meta{
		{Key: "snapshot-id", Value: number(o.SnapshotID)},
		{Key: "parent-snapshot-id", Value: parent},
		{Key: "sequence-number", Value: number(o.SequenceNumber)},
	}
	if o.FirstRowID != nil {
		meta = append(meta, avrofile.Meta{Key: "first-row-id", Value: number(*o.FirstRowID)})
	}
	return append(meta, avrofile.Meta{Key: "format-version", Value: number(int64(o.FormatVersion))})
}

// appendFile encodes a manifest_file in the field order of listSchema.
func appendFile(b []byte, f *File, formatVersion int) []byte {
	b = avrofile.AppendBytes(b, f.Path)
	for _, v := range [...]int64{
		f.Length, int64(f.SpecID), int64(f.Kind), f.SequenceNumber, f.MinSequenceNumber, f.AddedSnapshotID,
		int64(f.AddedFiles), int64(f.ExistingFiles), int64(f.DeletedFiles),
		f.AddedRows, f.ExistingRows, f.DeletedRows,
	} {
		b = avrofile.AppendVarint(b, v)
	}
	b = appendSummaries(b, f.Partitions)
	if len(f.KeyMetadata) > 0 {
		b = avrofile.AppendBytes(append(b, valueBranch), f.KeyMetadata)
	} else {
		b = append(b, nullBranch)
	}
	if formatVersion >= 3 {
		b = appendPointer(b, f.FirstRowID, f.Kind == Data)
	}
	return b
}

func appendSummaries(b []byte, s []FieldSummary) []byte {
	b = append(b, valueBranch)
	if len(s) > 0 {
		b = avrofile.AppendVarint(b, int64(len(s)))
	}
	for i := range s {
		b = appendBool(b, s[i].ContainsNull)
		if s[i].ContainsNaN != nil {
			b = appendBool(append(b, valueBranch), *s[i].ContainsNaN)
		} else {
			b = append(b, nullBranch)
		}
		for _, bound := range [...][]byte{s[i].Lower, s[i].Upper} {
			if bound == nil {
				b = append(b, nullBranch)
			} else {
				b = avrofile.AppendBytes(append(b, valueBranch), bound)
			}
		}
	}
	return append(b, 0)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
