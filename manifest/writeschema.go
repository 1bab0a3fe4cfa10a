package manifest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// The Avro schemas are written with the record names, field order and docs of
// the reference implementation: other readers lean on all of them.

const entryHead = `{"type":"record","name":"manifest_entry","fields":[` +
	`{"name":"status","type":"int","field-id":0},` +
	`{"name":"snapshot_id","type":["null","long"],"default":null,"field-id":1},` +
	`{"name":"sequence_number","type":["null","long"],"default":null,"field-id":3},` +
	`{"name":"file_sequence_number","type":["null","long"],"default":null,"field-id":4},` +
	`{"name":"data_file","type":{"type":"record","name":"r2","fields":[` +
	`{"name":"content","type":"int","doc":"Contents of the file: 0=data, 1=position deletes, 2=equality deletes","field-id":134},` +
	`{"name":"file_path","type":"string","doc":"Location URI with FS scheme","field-id":100},` +
	`{"name":"file_format","type":"string","doc":"File format name: avro, orc, or parquet","field-id":101},` +
	`{"name":"partition","type":{"type":"record","name":"r102","fields":[`

const entryMiddle = `]},"doc":"Partition data tuple, schema based on the partition spec","field-id":102},` +
	`{"name":"record_count","type":"long","doc":"Number of records in the file","field-id":103},` +
	`{"name":"file_size_in_bytes","type":"long","doc":"Total file size in bytes","field-id":104},`

// entryTail is everything after the statistics up to first_row_id.
const entryTail = `{"name":"key_metadata","type":["null","bytes"],"doc":"Encryption key metadata blob","default":null,"field-id":131},` +
	`{"name":"split_offsets","type":["null",{"type":"array","items":"long","element-id":133}],"doc":"Splittable offsets","default":null,"field-id":132},` +
	`{"name":"equality_ids","type":["null",{"type":"array","items":"int","element-id":136}],"doc":"Equality comparison field IDs","default":null,"field-id":135},` +
	`{"name":"sort_order_id","type":["null","int"],"doc":"Sort order ID","default":null,"field-id":140},`

const (
	firstRowField   = `{"name":"first_row_id","type":["null","long"],"doc":"The first row ID assigned to the first row in the data file","default":null,"field-id":142},`
	referencedField = `{"name":"referenced_data_file","type":["null","string"],"doc":"Fully qualified location (URI with FS scheme) of a data file that all deletes reference","default":null,"field-id":143}`
	contentFields   = `,{"name":"content_offset","type":["null","long"],"doc":"The offset in the file where the content starts","default":null,"field-id":144},` +
		`{"name":"content_size_in_bytes","type":["null","long"],"doc":"The length of referenced content stored in the file","default":null,"field-id":145}`
	entryEnd = `]},"field-id":2}]}`
)

// statsFields are the statistics maps: name, id, key id, value type, doc.
var statsFields = []struct {
	name    string
	id, key int
	typ     string
	doc     string
}{
	{"column_sizes", 108, 117, "long", "Map of column id to total size on disk"},
	{"value_counts", 109, 119, "long", "Map of column id to total count, including null and NaN"},
	{"null_value_counts", 110, 121, "long", "Map of column id to null value count"},
	{"nan_value_counts", 137, 138, "long", "Map of column id to number of NaN values in the column"},
	{"lower_bounds", 125, 126, "bytes", "Map of column id to lower bound"},
	{"upper_bounds", 128, 129, "bytes", "Map of column id to upper bound"},
}

// entrySchema returns the Avro schema of a manifest.
func entrySchema(formatVersion int, spec partition.Spec, types []schema.Type) (string, error) {
	var b strings.Builder
	b.WriteString(entryHead)
	names := make(map[string]bool)
	for i, f := range spec.Fields {
		typ, err := avroType(types[i], names)
		if err != nil {
			return "", fmt.Errorf("partition field %s: %w", f.Name, err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		name := avroName(f.Name)
		fmt.Fprintf(&b, `{"name":%q,"type":["null",%s],"default":null`, name, typ)
		if name != f.Name {
			original, err := json.Marshal(f.Name)
			if err != nil {
				return "", err
			}
			b.WriteString(`,"iceberg-field-name":`)
			b.Write(original)
		}
		fmt.Fprintf(&b, `,"field-id":%d}`, f.FieldID)
	}
	b.WriteString(entryMiddle)
	for _, s := range statsFields {
		fmt.Fprintf(&b, `{"name":%q,"type":["null",{"type":"array","items":{"type":"record","name":"k%d_v%d","fields":[`+
			`{"name":"key","type":"int","field-id":%d},{"name":"value","type":%q,"field-id":%d}]},"logicalType":"map"}],`+
			`"doc":%q,"default":null,"field-id":%d},`,
			s.name, s.key, s.key+1, s.key, s.typ, s.key+1, s.doc, s.id)
	}
	b.WriteString(entryTail)
	if formatVersion >= 3 {
		b.WriteString(firstRowField)
	}
	b.WriteString(referencedField)
	if formatVersion >= 3 {
		b.WriteString(contentFields)
	}
	b.WriteString(entryEnd)
	return b.String(), nil
}

// avroType returns the Avro schema of a partition value; names holds the named
// types defined so far, which are referred to from then on.
func avroType(t schema.Type, names map[string]bool) (string, error) {
	named := func(name, definition string) (string, error) {
		if names[name] {
			return strconv.Quote(name), nil
		}
		names[name] = true
		return definition, nil
	}
	switch t.Kind {
	case schema.KindBoolean:
		return `"boolean"`, nil
	case schema.KindInt:
		return `"int"`, nil
	case schema.KindLong:
		return `"long"`, nil
	case schema.KindFloat:
		return `"float"`, nil
	case schema.KindDouble:
		return `"double"`, nil
	case schema.KindString:
		return `"string"`, nil
	case schema.KindBinary:
		return `"bytes"`, nil
	case schema.KindDate:
		return `{"type":"int","logicalType":"date"}`, nil
	case schema.KindTime:
		return `{"type":"long","logicalType":"time-micros"}`, nil
	case schema.KindTimestamp:
		return `{"type":"long","logicalType":"timestamp-micros","adjust-to-utc":false}`, nil
	case schema.KindTimestampTz:
		return `{"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true}`, nil
	case schema.KindTimestampNs:
		return `{"type":"long","logicalType":"timestamp-nanos","adjust-to-utc":false}`, nil
	case schema.KindTimestampTzNs:
		return `{"type":"long","logicalType":"timestamp-nanos","adjust-to-utc":true}`, nil
	case schema.KindUUID:
		return named("uuid_fixed", `{"type":"fixed","name":"uuid_fixed","size":16,"logicalType":"uuid"}`)
	case schema.KindFixed:
		name := fmt.Sprintf("fixed_%d", t.Length)
		return named(name, fmt.Sprintf(`{"type":"fixed","name":%q,"size":%d}`, name, t.Length))
	case schema.KindDecimal:
		name := fmt.Sprintf("decimal_%d_%d", t.Precision, t.Scale)
		return named(name, fmt.Sprintf(`{"type":"fixed","name":%q,"size":%d,"logicalType":"decimal","precision":%d,"scale":%d}`,
			name, decimalBytes(t.Precision), t.Precision, t.Scale))
	case schema.KindUnknown:
		// The source column is gone or the transform is void: only null is
		// stored, and any type will do.
		return `"int"`, nil
	}
	return "", fmt.Errorf("type %d cannot be a partition value", t.Kind)
}

// decimalBytes is the size of a fixed that holds every decimal of a precision.
func decimalBytes(precision int) int {
	// The smallest n with 10^precision - 1 < 2^(8n-1).
	return [...]int{
		0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 8, 9,
		9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16,
	}[precision]
}

// avroName replaces what Avro does not allow in names the way the reference
// implementation does: a leading digit gets a "_" before it, any other character
// becomes "_x" and its UTF-16 code in hexadecimal.
func avroName(name string) string {
	ok := name != ""
	for i := range len(name) {
		ok = ok && isNameByte(name[i], i == 0)
	}
	if ok {
		return name
	}
	var b strings.Builder
	for i, r := range name {
		switch {
		case r < 0x80 && isNameByte(byte(r), i == 0):
			b.WriteRune(r)
		case r >= '0' && r <= '9':
			b.WriteByte('_')
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, "_x%X_x%X", 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, "_x%X", r)
		}
	}
	return b.String()
}

func isNameByte(c byte, first bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || !first && c >= '0' && c <= '9'
}

const listSchemaV2 = `{"type":"record","name":"manifest_file","fields":[` +
	`{"name":"manifest_path","type":"string","doc":"Location URI with FS scheme","field-id":500},` +
	`{"name":"manifest_length","type":"long","doc":"Total file size in bytes","field-id":501},` +
	`{"name":"partition_spec_id","type":"int","doc":"Spec ID used to write","field-id":502},` +
	`{"name":"content","type":"int","doc":"Contents of the manifest: 0=data, 1=deletes","field-id":517},` +
	`{"name":"sequence_number","type":"long","doc":"Sequence number when the manifest was added","field-id":515},` +
	`{"name":"min_sequence_number","type":"long","doc":"Lowest sequence number in the manifest","field-id":516},` +
	`{"name":"added_snapshot_id","type":"long","doc":"Snapshot ID that added the manifest","field-id":503},` +
	`{"name":"added_files_count","type":"int","doc":"Added entry count","field-id":504},` +
	`{"name":"existing_files_count","type":"int","doc":"Existing entry count","field-id":505},` +
	`{"name":"deleted_files_count","type":"int","doc":"Deleted entry count","field-id":506},` +
	`{"name":"added_rows_count","type":"long","doc":"Added rows count","field-id":512},` +
	`{"name":"existing_rows_count","type":"long","doc":"Existing rows count","field-id":513},` +
	`{"name":"deleted_rows_count","type":"long","doc":"Deleted rows count","field-id":514},` +
	`{"name":"partitions","type":["null",{"type":"array","items":{"type":"record","name":"r508","fields":[` +
	`{"name":"contains_null","type":"boolean","doc":"True if any file has a null partition value","field-id":509},` +
	`{"name":"contains_nan","type":["null","boolean"],"doc":"True if any file has a nan partition value","default":null,"field-id":518},` +
	`{"name":"lower_bound","type":["null","bytes"],"doc":"Partition lower bound for all files","default":null,"field-id":510},` +
	`{"name":"upper_bound","type":["null","bytes"],"doc":"Partition upper bound for all files","default":null,"field-id":511}]},"element-id":508}],"doc":"Summary for each partition","default":null,"field-id":507},` +
	`{"name":"key_metadata","type":["null","bytes"],"doc":"Encryption key metadata blob","default":null,"field-id":519}`

const listSchemaV3 = `,{"name":"first_row_id","type":["null","long"],"doc":"Starting row ID to assign to new rows in ADDED data files","default":null,"field-id":520}`

// listSchema returns the Avro schema of a manifest list.
func listSchema(formatVersion int) string {
	if formatVersion >= 3 {
		return listSchemaV2 + listSchemaV3 + "]}"
	}
	return listSchemaV2 + "]}"
}
