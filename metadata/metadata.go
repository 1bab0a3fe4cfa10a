// Package metadata is the table metadata of Apache Iceberg as pure data: JSON
// both ways for format versions 1 to 3, changes ([Update], [Table.Apply]) and the
// conditions they hold under ([Requirement], [Check]). It does no I/O.
//
// A [Table] remembers the encoded form of its snapshots, schemas and other parts,
// so writing it after a small change copies bytes rather than encode a long
// history again. For that reason, and because tables are shared, a Table and all
// it points to must not be changed in place: use Apply.
package metadata

import (
	"encoding/json"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// Table is a table's metadata (spec: "Table Metadata"). It is immutable once
// built or parsed; Apply returns a changed copy.
type Table struct {
	FormatVersion      int
	UUID               string
	Location           string // without a trailing slash
	LastSequenceNumber int64
	LastUpdatedMS      int64
	LastColumnID       int
	Schemas            []*schema.Schema
	CurrentSchemaID    int
	Specs              []partition.Spec
	DefaultSpecID      int
	LastPartitionID    int
	SortOrders         []partition.SortOrder
	DefaultSortOrderID int
	Properties         map[string]string
	// CurrentSnapshotID is nil in a table without a snapshot.
	CurrentSnapshotID   *int64
	Snapshots           []Snapshot
	SnapshotLog         []SnapshotLogEntry
	MetadataLog         []MetadataLogEntry
	Refs                map[string]Ref
	Statistics          []Statistics
	PartitionStatistics []PartitionStatistics
	EncryptionKeys      []EncryptionKey
	NextRowID           int64 // v3
	// Extra holds top-level JSON members this version does not know, written
	// back unchanged.
	Extra map[string]json.RawMessage

	enc *encodings
	// index finds a snapshot's position by id.
	index map[int64]int
	// unsigned is a snapshot id as written that exceeds 64 signed bits; such a
	// table can be read only.
	unsigned string
}

// Snapshot is a version of the table (spec: "Snapshots").
type Snapshot struct {
	ID             int64
	ParentID       *int64
	SequenceNumber int64
	TimestampMS    int64
	ManifestList   string
	// Manifests is the inline list of a v1 snapshot without a manifest list.
	Manifests []string
	Operation string            // append, replace, overwrite, delete
	Summary   map[string]string // without "operation"
	SchemaID  *int
	// FirstRowID and AddedRows are row lineage (v3), nil before.
	FirstRowID, AddedRows *int64
	KeyID                 string
	Extra                 map[string]json.RawMessage

	// raw is the snapshot's JSON; Apply drops it from snapshots it is given.
	raw []byte
}

// Snapshot operations.
const (
	OpAppend    = "append"
	OpReplace   = "replace"
	OpOverwrite = "overwrite"
	OpDelete    = "delete"
)

// MainBranch is the branch that CurrentSnapshotID mirrors.
const MainBranch = "main"

// Ref is a branch or tag.
type Ref struct {
	SnapshotID int64
	Type       string // "branch" or "tag"
	// Retention; nil is the table's default.
	MinSnapshotsToKeep *int
	MaxSnapshotAgeMS   *int64
	MaxRefAgeMS        *int64

	raw []byte // set only when it holds members unknown here
}

// SnapshotLogEntry and MetadataLogEntry record past current snapshots and
// metadata files.
type (
	SnapshotLogEntry struct {
		TimestampMS int64
		SnapshotID  int64
	}
	MetadataLogEntry struct {
		TimestampMS  int64
		MetadataFile string
	}
)

// Statistics is a Puffin statistics file of a snapshot.
type Statistics struct {
	SnapshotID      int64
	Path            string
	FileSizeInBytes int64
	FileFooterSize  int64
	KeyMetadata     *string
	Blobs           []BlobMetadata

	raw []byte
}

// BlobMetadata describes a blob of a statistics file.
type BlobMetadata struct {
	Type           string
	SnapshotID     int64
	SequenceNumber int64
	Fields         []int
	Properties     map[string]string
}

// PartitionStatistics is a partition statistics file of a snapshot.
type PartitionStatistics struct {
	SnapshotID      int64
	Path            string
	FileSizeInBytes int64

	raw []byte
}

// EncryptionKey is carried, never used.
type EncryptionKey struct {
	KeyID                string
	EncryptedKeyMetadata string
	EncryptedByID        string
	Properties           map[string]string

	raw []byte
}
