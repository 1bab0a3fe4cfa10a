package manifest

import (
	"iter"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// StatsMode says which column statistics Read decodes.
type StatsMode int8

// Statistics modes. StatsNone skips them, which makes reading several times
// faster; StatsAll decodes them, or only those of ReadOptions.StatsFields when
// that is not empty.
const (
	StatsNone StatsMode = 0
	StatsAll  StatsMode = 1
)

// ReadOptions control Read; nil and the zero value read live entries without
// statistics.
type ReadOptions struct {
	// Spec is the partition spec of the manifest. It gives the order of the
	// tuple's values; nil takes the fields in the order of the file.
	Spec *partition.Spec
	// PartitionTypes are the result types of the spec's fields, in order
	// (partition.Spec.Types). A value stored in a narrower type is widened. nil
	// takes the types from the file.
	PartitionTypes []schema.Type
	// Stats chooses the column statistics to decode.
	Stats StatsMode
	// StatsFields, when not empty, limits StatsAll to these column field ids.
	StatsFields []int
	// KeepDeleted also yields entries with StatusDeleted.
	KeepDeleted bool
}

// Read yields the entries of a manifest in file order, with sequence numbers,
// snapshot ids and first row ids inherited from f, its description in the
// manifest list (spec: "Sequence Number Inheritance", "First Row ID
// Inheritance"). f also says the manifest's kind and spec, since the file
// itself may lack them. Entries and everything they point to are valid until
// the next step; Clone keeps one.
func Read(data []byte, f *File, opts *ReadOptions) iter.Seq2[*Entry, error] {
	panic("unwritten")
}

// ReadAll is Read into a slice of entries that stay valid.
func ReadAll(data []byte, f *File, opts *ReadOptions) ([]*Entry, error) {
	panic("unwritten")
}

// Clone returns a deep copy of e.
func (e *Entry) Clone() *Entry { panic("unwritten") }

// IsLive reports whether the entry's file is part of the snapshot.
func (e *Entry) IsLive() bool { return e.Status != StatusDeleted }

// Get returns the count of a field id; false means unknown.
func (c Counts) Get(id int) (int64, bool) { panic("unwritten") }

// Get returns the bound of a field id; false means unknown.
func (b Bounds) Get(id int) ([]byte, bool) { panic("unwritten") }
