package manifest

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/frazildb/frazil/internal/avrofile"
)

// maxListBytes bounds a manifest list after decompression.
const maxListBytes = 256 << 20

// Slots of manifest_file and field_summary records; the first three are those
// of skipping.
const (
	listPath slotCode = iota + 3
	listLength
	listSpecID
	listContent
	listSequence
	listMinSequence
	listSnapshotID
	listAddedFiles
	listExistingFiles
	listDeletedFiles
	listAddedRows
	listExistingRows
	listDeletedRows
	listPartitions
	listKeyMetadata
	listFirstRowID
	summaryNull
	summaryNaN
	summaryLower
	summaryUpper
)

// listFields has two names for the counts of files: those of the spec and those
// of format version 1 as first published.
var listFields = []known{
	{500, "manifest_path", listPath},
	{501, "manifest_length", listLength},
	{502, "partition_spec_id", listSpecID},
	{517, "content", listContent},
	{515, "sequence_number", listSequence},
	{516, "min_sequence_number", listMinSequence},
	{503, "added_snapshot_id", listSnapshotID},
	{504, "added_files_count", listAddedFiles},
	{504, "added_data_files_count", listAddedFiles},
	{505, "existing_files_count", listExistingFiles},
	{505, "existing_data_files_count", listExistingFiles},
	{506, "deleted_files_count", listDeletedFiles},
	{506, "deleted_data_files_count", listDeletedFiles},
	{512, "added_rows_count", listAddedRows},
	{513, "existing_rows_count", listExistingRows},
	{514, "deleted_rows_count", listDeletedRows},
	{507, "partitions", listPartitions},
	{519, "key_metadata", listKeyMetadata},
	{520, "first_row_id", listFirstRowID},
}

var summaryFields = []known{
	{509, "contains_null", summaryNull},
	{518, "contains_nan", summaryNaN},
	{510, "lower_bound", summaryLower},
	{511, "upper_bound", summaryUpper},
}

type listDecoder struct {
	cursor
	file, summary []step
	bytes         arena
}

// ReadList decodes a manifest list of any format version. Values that older
// versions lack get the spec's defaults: kind data, sequence number 0, counts
// -1.
func ReadList(data []byte) ([]*File, error) {
	files, err := readList(data)
	if err != nil {
		return nil, fmt.Errorf("manifest list: %w: %w", ErrCorrupt, err)
	}
	return files, nil
}

func readList(data []byte) ([]*File, error) {
	r, err := avrofile.NewReader(data, &avrofile.Limits{Total: maxListBytes})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	schemaJSON, ok := r.Meta("avro.schema")
	if !ok {
		return nil, errors.New("header lacks avro.schema")
	}
	d, err := newListDecoder(schemaJSON)
	if err != nil {
		return nil, err
	}
	var files []*File
	for {
		block, count, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		d.b, d.off = block, 0
		for ; count > 0; count-- {
			f, err := d.next()
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", len(files), err)
			}
			files = append(files, f)
		}
		if d.off != len(block) {
			return nil, fmt.Errorf("%d bytes left over after entry %d", len(block)-d.off, len(files)-1)
		}
	}
}

func newListDecoder(schemaJSON []byte) (*listDecoder, error) {
	root, err := parseAvroSchema(schemaJSON)
	if err != nil {
		return nil, err
	}
	if root.kind != avroRecord {
		return nil, errors.New("avro schema is not a record")
	}
	d := &listDecoder{}
	if d.file, err = compileRecordWith(root, listFields, listAccepts); err != nil {
		return nil, err
	}
	found := false
	for i := range d.file {
		s := &d.file[i]
		found = found || s.code == listPath
		if s.code != listPartitions {
			continue
		}
		if d.summary, err = compileRecordWith(s.typ.elem, summaryFields, listAccepts); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, errors.New("avro schema has no manifest_path: not a manifest list")
	}
	return d, nil
}

func listAccepts(c slotCode, n *node) bool {
	switch c {
	case listPath, listKeyMetadata, summaryLower, summaryUpper:
		return isBytes(n)
	case listPartitions:
		return n.kind == avroArray && n.elem.kind == avroRecord && !n.elem.empty
	case summaryNull, summaryNaN:
		return n.kind == avroBoolean
	}
	return isVarint(n)
}

func (d *listDecoder) present(st *step) bool {
	if !st.union {
		return true
	}
	i := d.long()
	if i == st.nullAt && i >= 0 {
		return false
	}
	if i != st.valueAt {
		d.fail()
	}
	return !d.bad
}

func (d *listDecoder) next() (*File, error) {
	f := &File{AddedFiles: -1, ExistingFiles: -1, DeletedFiles: -1, AddedRows: -1, ExistingRows: -1, DeletedRows: -1}
	var seen uint32
	for i := range d.file {
		st := &d.file[i]
		if !d.present(st) {
			continue
		}
		seen |= 1 << st.code
		d.field(st, f)
		if d.bad {
			return nil, errTruncated
		}
	}
	switch {
	case f.Path == "":
		return nil, errors.New("manifest_path is missing")
	case seen&(1<<listLength) == 0 || f.Length < 0:
		return nil, fmt.Errorf("manifest %s: manifest_length is missing or negative", f.Path)
	case seen&(1<<listSpecID) == 0:
		return nil, fmt.Errorf("manifest %s: partition_spec_id is missing", f.Path)
	case f.Kind > Deletes:
		return nil, fmt.Errorf("manifest %s: content %d is unknown", f.Path, f.Kind)
	}
	return f, nil
}

func (d *listDecoder) field(st *step, f *File) {
	switch st.code {
	case listPath:
		f.Path = string(d.cursor.bytes())
	case listLength:
		f.Length = d.long()
	case listSpecID:
		f.SpecID = d.int()
	case listContent:
		f.Kind = Kind(clampByte(d.long()))
	case listSequence:
		f.SequenceNumber = d.long()
	case listMinSequence:
		f.MinSequenceNumber = d.long()
	case listSnapshotID:
		f.AddedSnapshotID = d.long()
	case listAddedFiles:
		f.AddedFiles = d.count()
	case listExistingFiles:
		f.ExistingFiles = d.count()
	case listDeletedFiles:
		f.DeletedFiles = d.count()
	case listAddedRows:
		f.AddedRows = max(d.long(), -1)
	case listExistingRows:
		f.ExistingRows = max(d.long(), -1)
	case listDeletedRows:
		f.DeletedRows = max(d.long(), -1)
	case listPartitions:
		f.Partitions = d.summaries()
	case listKeyMetadata:
		f.KeyMetadata = d.bytes.copy(d.cursor.bytes())
	case listFirstRowID:
		v := d.long()
		f.FirstRowID = &v
	default:
		d.skip(st.typ)
	}
}

// count reads a number of files; negative means unknown.
func (d *listDecoder) count() int {
	return int(min(max(d.long(), -1), math.MaxInt32))
}

func (d *listDecoder) summaries() []FieldSummary {
	var out []FieldSummary
	for {
		n, _ := d.items(false)
		if n == 0 {
			return out
		}
		for range n {
			var s FieldSummary
			for i := range d.summary {
				st := &d.summary[i]
				if !d.present(st) {
					continue
				}
				switch st.code {
				case summaryNull:
					s.ContainsNull = d.boolean()
				case summaryNaN:
					v := d.boolean()
					s.ContainsNaN = &v
				case summaryLower:
					s.Lower = d.bytes.copy(d.cursor.bytes())
				case summaryUpper:
					s.Upper = d.bytes.copy(d.cursor.bytes())
				default:
					d.skip(st.typ)
				}
			}
			if d.bad {
				return nil
			}
			out = append(out, s)
		}
	}
}
