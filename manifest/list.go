package manifest

// ReadList decodes a manifest list of any format version.
func ReadList(data []byte) ([]*File, error) { panic("unwritten") }

// ListOptions describe the snapshot whose manifest list WriteList encodes.
type ListOptions struct {
	// FormatVersion is 2 or 3.
	FormatVersion int
	SnapshotID    int64
	// ParentID is nil for the first snapshot.
	ParentID       *int64
	SequenceNumber int64
	// FirstRowID is the table's next row id (v3), nil before v3.
	FirstRowID *int64
	// Codec as in WriterOptions.
	Codec string
}

// WriteList encodes a manifest list. Manifests added by this snapshot get its
// sequence number; in v3 data manifests without a first row id get one each.
// nextRowID is the table's next row id afterwards (0 before v3). files are not
// changed.
func WriteList(o ListOptions, files []*File) (data []byte, nextRowID int64, err error) {
	panic("unwritten")
}

// Assign returns files as WriteList stores them: a copy of each file that
// gets a number, the others as they are.
func Assign(o ListOptions, files []*File) (assigned []*File, nextRowID int64, err error) {
	panic("unwritten")
}
