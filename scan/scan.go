// Package scan plans and reads one snapshot of a table, with its deletes
// applied, and the changes between two snapshots.
//
// A [Scan] describes what to read. [Scan.Batches] and [Scan.Rows] read it in
// parallel; [Scan.Plan] cuts it into [Task]s of about equal work that can be
// read one by one. Deletes become bitmaps over the rows of a file: the key and
// filter columns are read first, and the other columns only where rows are left.
package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/datafile"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

var (
	// ErrMissingFile: a file the snapshot refers to does not exist or is shorter
	// than its manifest says. The scan ends with it, never with fewer rows.
	ErrMissingFile = errors.New("file is missing or short")
	// ErrUnsupported: a data file in a format, or with a feature, that this
	// version cannot read.
	ErrUnsupported = errors.New("file not supported")
	// ErrNoSnapshot: the snapshot, ref or time asked for does not exist.
	ErrNoSnapshot = errors.New("no such snapshot")
)

// Source is a table to read: its metadata and the store its files are in.
type Source struct {
	Store    objstore.Store
	Metadata *metadata.Table
	// Name of the table, for messages.
	Name string
	// Cache keeps manifests, and for look-ups what files say of their pages and
	// the positions deleted; nil reads them afresh.
	Cache *snapshot.Cache
}

// Options choose what a scan reads; nil and zero fields mean the documented
// default.
type Options struct {
	// Columns by (dotted) name in the order wanted; nil is all of the schema.
	// The metadata columns _file, _pos, _spec_id, _partition, _row_id and
	// _last_updated_sequence_number may be among them. Empty, not nil, is none:
	// batches have a row count only.
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
	// BatchRows is the most rows of a batch; default 65,536, fewer for wide rows.
	BatchRows int
	// Concurrency bounds the goroutines that read; default GOMAXPROCS.
	Concurrency int
	// MemoryBudget in bytes for delete tables; default 1 GiB.
	MemoryBudget int64
	// Ordered delivers rows in plan order (by file, then position), the same on
	// every run; else as they come.
	Ordered bool
	// TargetTaskBytes is the work a task is filled up to; default the property
	// read.split.target-size, else 128 MiB.
	TargetTaskBytes int64
	Allocator       memory.Allocator
}

const (
	defaultBatchRows    = 64 << 10
	defaultTaskBytes    = 128 << 20
	defaultMemoryBudget = 1 << 30
	// openCost is the work of opening a file, in bytes.
	openCost = 256 << 10
)

// Scan is a chosen view of one snapshot. It may be used concurrently and any
// number of times; every use reads the same snapshot.
type Scan struct {
	src  Source
	opts Options
	view *view
	err  error
}

// New describes a scan; errors in opts come out of its first use.
func New(src Source, opts *Options) *Scan {
	s := &Scan{src: src}
	if opts != nil {
		s.opts = *opts
	}
	s.view, s.err = newView(src, &s.opts)
	if s.err != nil && src.Name != "" {
		s.err = fmt.Errorf("table %s: %w", src.Name, s.err)
	}
	return s
}

// Schema returns the schema of the rows and batches.
func (s *Scan) Schema() (*schema.Schema, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.view.out, nil
}

// Snapshot returns the snapshot read, nil for a table without one.
func (s *Scan) Snapshot() (*metadata.Snapshot, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.view.snap, nil
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

// covers reports whether the row group that starts at offset is part of the
// task.
func (f *FileTask) covers(offset int64) bool {
	return f.Length == 0 || offset >= f.Start && offset-f.Start < f.Length
}

// fileError adds a data or delete file's path to an error and marks those that
// mean the file is not what the snapshot says.
func fileError(kind, path string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, ErrMissingFile):
	case errors.Is(err, objstore.ErrNotFound), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, parquetfile.ErrTruncated):
		err = fmt.Errorf("%w: %w", ErrMissingFile, err)
	case errors.Is(err, ErrUnsupported):
	case errors.Is(err, datafile.ErrUnsupported), errors.Is(err, parquetfile.ErrUnsupported), errors.Is(err, deletes.ErrUnsupported):
		err = fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if kind == "delete" && strings.Contains(err.Error(), path) {
		return err // named already
	}
	return fmt.Errorf("%s file %s: %w", kind, path, err)
}
