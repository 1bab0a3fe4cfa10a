package metadata

import (
	"errors"
	"iter"
	"time"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// ErrRequirement is wrapped by Check's errors.
var ErrRequirement = errors.New("requirement not met")

// ErrUnsupportedVersion is wrapped when a table's format version is above 3.
var ErrUnsupportedVersion = errors.New("unsupported format version")

// ErrStale is wrapped by Apply when a snapshot's sequence number or first row id
// is behind the table's: reload and try again.
var ErrStale = errors.New("stale base")

// Parse reads table metadata JSON, plain, gzip or zstd; location names the file
// in errors.
func Parse(data []byte, location string) (*Table, error) { panic("unwritten") }

// Marshal writes the table as JSON. Parts unchanged since Parse or an earlier
// Marshal are copied, not encoded again.
func (t *Table) Marshal() ([]byte, error) { panic("unwritten") }

// NewOptions are the options of New.
type NewOptions struct {
	// FormatVersion is 1 to 3; 0 is 2.
	FormatVersion int
	// Schema is required. Its field ids are assigned afresh from 1, as all
	// engines do; identifier fields and the sources of Partition and Sort follow.
	Schema *schema.Schema
	// Partition and Sort name columns (Column) or ids of Schema (SourceIDs).
	Partition  []partition.Field
	Sort       []partition.SortField
	Location   string
	Properties map[string]string
	// UUID "" is a random one, Now zero the current time.
	UUID string
	Now  time.Time
}

// New makes the metadata of a new table without snapshots.
func New(opts NewOptions) (*Table, error) { panic("unwritten") }

// Apply returns the table changed by the updates in order; t stays as it is.
// now becomes last-updated-ms (never going back); previousLocation, unless "",
// is the metadata file of t and goes into the metadata log.
func (t *Table) Apply(updates []Update, now time.Time, previousLocation string) (*Table, error) {
	panic("unwritten")
}

// Check returns an error wrapping ErrRequirement for the first requirement that
// t does not meet; t nil is a table that does not exist.
func Check(reqs []Requirement, t *Table) error { panic("unwritten") }

// MarshalUpdate and MarshalRequirement write the JSON of the REST catalog's
// commit request, UnmarshalUpdate and UnmarshalRequirement read it.
func MarshalUpdate(u Update) ([]byte, error) { panic("unwritten") }

// UnmarshalUpdate reads an update; an unknown action is an error.
func UnmarshalUpdate(data []byte) (Update, error) { panic("unwritten") }

// MarshalRequirement writes a requirement.
func MarshalRequirement(r Requirement) ([]byte, error) { panic("unwritten") }

// UnmarshalRequirement reads a requirement; an unknown type is an error.
func UnmarshalRequirement(data []byte) (Requirement, error) { panic("unwritten") }

// CurrentSchema returns the table's current schema.
func (t *Table) CurrentSchema() *schema.Schema { panic("unwritten") }

// SchemaByID returns a schema, false if there is none with that id.
func (t *Table) SchemaByID(id int) (*schema.Schema, bool) { panic("unwritten") }

// Spec returns a partition spec, false if there is none with that id.
func (t *Table) Spec(id int) (partition.Spec, bool) { panic("unwritten") }

// DefaultSpec returns the spec that new files are written with.
func (t *Table) DefaultSpec() partition.Spec { panic("unwritten") }

// SortOrder returns a sort order, false if there is none with that id.
func (t *Table) SortOrder(id int) (partition.SortOrder, bool) { panic("unwritten") }

// DefaultSortOrder returns the order that new files are written with.
func (t *Table) DefaultSortOrder() partition.SortOrder { panic("unwritten") }

// Snapshot returns a snapshot, nil if there is none with that id.
func (t *Table) Snapshot(id int64) *Snapshot { panic("unwritten") }

// Current returns the current snapshot of main, nil in an empty table.
func (t *Table) Current() *Snapshot { panic("unwritten") }

// RefSnapshot returns the snapshot of a branch or tag, nil if there is none.
func (t *Table) RefSnapshot(name string) *Snapshot { panic("unwritten") }

// Ancestors yields a snapshot and its ancestors that still exist, newest first.
func (t *Table) Ancestors(id int64) iter.Seq[*Snapshot] { panic("unwritten") }

// IsAncestor reports whether snapshot a is of or one of its ancestors.
func (t *Table) IsAncestor(a, of int64) bool { panic("unwritten") }

// SnapshotAsOf returns the snapshot that was current at a time, by the snapshot
// log; nil if there was none.
func (t *Table) SnapshotAsOf(ms int64) *Snapshot { panic("unwritten") }

// SnapshotSchema returns the schema a snapshot was written with, the current
// one when the snapshot does not say.
func (t *Table) SnapshotSchema(s *Snapshot) *schema.Schema { panic("unwritten") }

// Property returns a table property or def.
func (t *Table) Property(name, def string) string { panic("unwritten") }

// PropertyInt returns a table property as an integer, def when it is missing or
// malformed.
func (t *Table) PropertyInt(name string, def int64) int64 { panic("unwritten") }
