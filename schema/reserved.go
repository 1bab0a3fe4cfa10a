package schema

// MaxFieldID is the highest id that a table's own columns may have (spec:
// "Reserved Field IDs").
const MaxFieldID = 2147483447

// Reserved field ids of metadata columns (spec: "Reserved Field IDs").
const (
	IDFilePath            = 2147483646 // _file
	IDPos                 = 2147483645 // _pos
	IDDeleted             = 2147483644 // _deleted
	IDSpecID              = 2147483643 // _spec_id
	IDPartition           = 2147483642 // _partition
	IDDeleteFilePath      = 2147483546 // file_path of position delete files
	IDDeletePos           = 2147483545 // pos of position delete files
	IDDeleteRow           = 2147483544 // row of position delete files
	IDChangeType          = 2147483543 // _change_type
	IDChangeOrdinal       = 2147483542 // _change_ordinal
	IDCommitSnapshotID    = 2147483541 // _commit_snapshot_id
	IDRowID               = 2147483540 // _row_id
	IDLastUpdatedSequence = 2147483539 // _last_updated_sequence_number
)

var metadataColumns = []Field{
	{ID: IDFilePath, Name: "_file", Type: String, Required: true, Doc: "Path of the file in which a row is stored"},
	{ID: IDPos, Name: "_pos", Type: Long, Required: true, Doc: "Ordinal position of a row in its file"},
	{ID: IDDeleted, Name: "_deleted", Type: Boolean, Required: true, Doc: "Whether the row has been deleted"},
	{ID: IDSpecID, Name: "_spec_id", Type: Int, Required: true, Doc: "Spec id of the file in which a row is stored"},
	{ID: IDChangeType, Name: "_change_type", Type: String, Required: true, Doc: "Kind of change"},
	{ID: IDChangeOrdinal, Name: "_change_ordinal", Type: Int, Required: true, Doc: "Order of the change"},
	{ID: IDCommitSnapshotID, Name: "_commit_snapshot_id", Type: Long, Required: true, Doc: "Snapshot of the change"},
	{ID: IDRowID, Name: "_row_id", Type: Long, Doc: "Row id, assigned for row lineage"},
	{ID: IDLastUpdatedSequence, Name: "_last_updated_sequence_number", Type: Long, Doc: "Sequence number of the commit that last changed the row"},
}

// MetadataColumn returns the metadata column of that name: _file, _pos,
// _deleted, _spec_id, _change_type, _change_ordinal, _commit_snapshot_id,
// _row_id or _last_updated_sequence_number. (_partition has a type of its own
// in every table.)
func MetadataColumn(name string) (Field, bool) {
	for _, f := range metadataColumns {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// IsReservedID reports whether an id is beyond those of a table's own columns.
func IsReservedID(id int) bool { return id > MaxFieldID }

// PositionDeleteSchema returns the schema of position delete files: file_path
// and pos (spec: "Position Delete Files").
func PositionDeleteSchema() *Schema {
	return MustNew(
		Field{ID: IDDeleteFilePath, Name: "file_path", Type: String, Required: true},
		Field{ID: IDDeletePos, Name: "pos", Type: Long, Required: true})
}
