// Package scan plans and reads one snapshot of a table, with its deletes
// applied, and the changes between two snapshots.
package scan

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

var (
	// ErrMissingFile: a file the snapshot refers to does not exist or is shorter
	// than its manifest says. The scan ends with it, never with fewer rows.
	ErrMissingFile = errors.New("file is missing or short")
	// ErrUnsupportedFormat: a data file in a format this version cannot read.
	ErrUnsupportedFormat = errors.New("file format not supported")
	// ErrNoSnapshot: the snapshot, ref or time asked for does not exist.
	ErrNoSnapshot = errors.New("no such snapshot")
)

// Source is a table to read: its metadata and the store its files are in.
type Source struct {
	Store    objstore.Store
	Metadata *metadata.Table
	// Name of the table, for messages.
	Name string
}

// Options choose what a scan reads; nil and zero fields mean the documented
// default.
type Options struct {
	// Columns by (dotted) name in the order wanted; nil is all of the schema.
	// The metadata columns _file, _pos, _spec_id, _partition, _row_id and
	// _last_updated_sequence_number may be among them.
	Columns []string
	// Filter keeps the rows it is true for; nil keeps all.
	Filter          expr.Expr
	CaseInsensitive bool
	// At most one of SnapshotID, AsOf and Ref; default is the current snapshot.
	// AsOf picks the snapshot that was current then. With SnapshotID, AsOf or a
	// tag the schema is the snapshot's own, else the table's current one.
	SnapshotID *int64
	AsOf       time.Time
	Ref        string
	// UseSnapshotSchema and UseCurrentSchema override that choice.
	UseSnapshotSchema, UseCurrentSchema bool
	// Limit ends the scan after that many rows; 0 is no limit.
	Limit int64
	// BatchRows is the most rows of a batch; default 65,536.
	BatchRows int
	// Concurrency bounds the goroutines that read; default GOMAXPROCS.
	Concurrency int
	// MemoryBudget in bytes for delete tables and batches in flight; default 1 GiB.
	MemoryBudget int64
	// Ordered delivers rows in plan order (by file, then position), the same on
	// every run; else as they come.
	Ordered bool
	// TargetTaskBytes is the work a task is filled up to; default 128 MiB.
	TargetTaskBytes int64
	Allocator       memory.Allocator
}

// Scan is a chosen view of one snapshot. It may be used concurrently and any
// number of times; every use reads the same snapshot.
type Scan struct{}

// New describes a scan; errors in opts come out of its first use.
func New(src Source, opts *Options) *Scan { panic("unwritten") }

// Schema returns the schema of the rows and batches.
func (s *Scan) Schema() (*schema.Schema, error) { panic("unwritten") }

// Snapshot returns the snapshot read, nil for a table without one.
func (s *Scan) Snapshot() (*metadata.Snapshot, error) { panic("unwritten") }

// Plan reads the manifests and returns all tasks.
func (s *Scan) Plan(ctx context.Context) (*Plan, error) { panic("unwritten") }

// Files yields the data files a scan would read with the deletes that apply to
// each, before splitting.
func (s *Scan) Files(ctx context.Context) iter.Seq2[*FileTask, error] { panic("unwritten") }

// Batches yields record batches of Schema; each is valid until the next step
// unless retained.
func (s *Scan) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] { panic("unwritten") }

// Rows yields rows of Schema; each is valid until the next step.
func (s *Scan) Rows(ctx context.Context) iter.Seq2[schema.Row, error] { panic("unwritten") }

// Count returns the number of rows, from metadata alone where that is exact.
func (s *Scan) Count(ctx context.Context) (int64, error) { panic("unwritten") }

// Get yields the rows whose key columns (by name; nil is the table's identifier
// fields) equal one of keys, each key in the order of columns, in no particular
// order.
func (s *Scan) Get(ctx context.Context, columns []string, keys []schema.Row) iter.Seq2[schema.Row, error] {
	panic("unwritten")
}

// FileTask is a data file, or a part of it, and the delete files that apply.
type FileTask struct {
	Data *manifest.Entry
	// Start and Length are the bytes of the row groups to read: those whose
	// first page starts in the range. Length 0 is the whole file.
	Start, Length int64
	// DV, Positions and Equality are the delete entries that apply; with a DV
	// there are no Positions.
	DV        *manifest.Entry
	Positions []*manifest.Entry
	Equality  []*manifest.Entry
}

// Task is a piece of a scan, about as much work as any other.
type Task struct {
	Files []FileTask
	// Weight is the estimated work in bytes.
	Weight int64
}

// Batches reads a task.
func (t *Task) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] { panic("unwritten") }

// Plan is a planned scan.
type Plan struct {
	Snapshot *metadata.Snapshot
	Schema   *schema.Schema
	Tasks    []*Task
	Stats    PlanStats
}

// PlanStats count what planning saw and pruned.
type PlanStats struct {
	Manifests, ManifestsPruned     int
	DataFiles, DataFilesPruned     int
	DeleteFiles, DeleteFilesPruned int
	Rows, Bytes                    int64 // of the data files kept
}

// ChangeType says what a change row is.
type ChangeType string

// Change types, the values of _change_type.
const (
	Insert       ChangeType = "INSERT"
	Delete       ChangeType = "DELETE"
	UpdateBefore ChangeType = "UPDATE_BEFORE"
	UpdateAfter  ChangeType = "UPDATE_AFTER"
)

// ChangesOptions choose a range of snapshots; nil and zero fields mean the
// documented default.
type ChangesOptions struct {
	// From is exclusive, nil the beginning; To inclusive, nil the current
	// snapshot. From must be an ancestor of To.
	From, To *int64
	Columns  []string
	Filter   expr.Expr
	// Updates pairs a delete and an insert of one key in one snapshot as
	// UPDATE_BEFORE and UPDATE_AFTER; it needs Key.
	Updates bool
	// Key are the columns that identify a row; default the identifier fields.
	Key       []string
	Allocator memory.Allocator
}

// ChangeScan reads the changes between two snapshots.
type ChangeScan struct{}

// Changes describes a scan of the changes after From up to To.
func Changes(src Source, opts *ChangesOptions) *ChangeScan { panic("unwritten") }

// Schema returns the columns chosen followed by _change_type, _change_ordinal
// and _commit_snapshot_id.
func (c *ChangeScan) Schema() (*schema.Schema, error) { panic("unwritten") }

// Batches yields the changes in commit order, the deletes of a commit first.
func (c *ChangeScan) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	panic("unwritten")
}

// Rows yields the changes in commit order.
func (c *ChangeScan) Rows(ctx context.Context) iter.Seq2[schema.Row, error] { panic("unwritten") }
