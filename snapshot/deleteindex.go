package snapshot

import (
	"iter"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
)

// Deletes are the delete files that apply to one data file. The slices are
// shared and must not be changed.
type Deletes struct {
	// DV is the deletion vector; when there is one, Positions is empty.
	DV *manifest.Entry
	// Positions and Equality are in order of sequence number.
	Positions, Equality []*manifest.Entry
}

// Empty reports whether nothing applies.
func (d Deletes) Empty() bool { panic("unwritten") }

// DeleteIndex answers which delete files apply to a data file. It is immutable
// and safe for concurrent use.
type DeleteIndex struct{}

// BuildDeleteIndex indexes the live delete entries of a snapshot. Entries read
// with statistics are pruned by bounds.
func BuildDeleteIndex(t *metadata.Table, entries iter.Seq2[*manifest.Entry, error]) (*DeleteIndex, error) {
	panic("unwritten")
}

// Len returns the number of delete entries indexed.
func (x *DeleteIndex) Len() int { panic("unwritten") }

// For returns the deletes that apply to a data entry (spec: "Scan Planning").
// Like the reference implementation it is an error when a path-matched delete
// has another spec or partition, or a deletion vector an older sequence number.
func (x *DeleteIndex) For(data *manifest.Entry) (Deletes, error) { panic("unwritten") }
