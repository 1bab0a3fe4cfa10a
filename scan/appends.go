package scan

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// ErrNotAppend: a snapshot in the range of an append scan did more than append.
var ErrNotAppend = errors.New("snapshot is not an append")

// AppendsOptions choose the rows appended in a range of snapshots; nil and zero
// fields mean the documented default.
type AppendsOptions struct {
	// Options say what to read. Its snapshot (default the current one) is the last
	// of the range.
	Options
	// From is exclusive, an ancestor of the last; nil is the beginning. It may
	// have expired as long as the snapshot after it has not.
	From *int64
	// SkipOthers passes over snapshots that also took rows away (operations
	// overwrite and delete), as Iceberg's incremental append scan does; without it
	// they are ErrNotAppend, for their rows would be missing without a word.
	// Snapshots that only rearranged files (replace) are passed over always.
	SkipOthers bool
}

// AppendScan reads the rows that a range of snapshots appended. Unlike
// [Changes] it reads nothing but the files they added, one snapshot after the
// other, and never looks at rows there before; rows of the range that a later
// snapshot deleted are delivered too.
type AppendScan struct {
	view    *view
	appends []*metadata.Snapshot
	err     error
}

// Appends describes a scan of appended rows; errors in opts come out of its
// first use.
func Appends(src Source, opts *AppendsOptions) *AppendScan {
	var o AppendsOptions
	if opts != nil {
		o = *opts
	}
	s := &AppendScan{}
	if s.err = s.init(src, &o); s.err != nil {
		s.err = fmt.Errorf("appends: %w", s.err)
		if src.Name != "" {
			s.err = fmt.Errorf("table %s: %w", src.Name, s.err)
		}
	}
	return s
}

func (s *AppendScan) init(src Source, o *AppendsOptions) error {
	var err error
	if s.view, err = newView(src, &o.Options); err != nil {
		return err
	}
	if s.view.snap == nil {
		if o.From != nil {
			return fmt.Errorf("snapshot %d: %w", *o.From, ErrNoSnapshot)
		}
		return nil
	}
	after, _, err := history(src.Metadata, o.From, s.view.snap)
	if err != nil {
		return err
	}
	for _, snap := range after {
		switch snap.Operation {
		case metadata.OpAppend:
			s.appends = append(s.appends, snap)
		case metadata.OpReplace:
		default:
			if !o.SkipOthers {
				return fmt.Errorf("snapshot %d is %q: %w: read its changes, or skip such snapshots", snap.ID, snap.Operation, ErrNotAppend)
			}
		}
	}
	return nil
}

// Schema returns the schema of the rows and batches.
func (s *AppendScan) Schema() (*schema.Schema, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.view.out, nil
}

// Snapshots returns the snapshots whose rows are read, oldest first.
func (s *AppendScan) Snapshots() ([]*metadata.Snapshot, error) { return s.appends, s.err }

// Rows yields the rows; each is valid until the next step.
func (s *AppendScan) Rows(ctx context.Context) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		if s.err != nil {
			yield(nil, s.err)
			return
		}
		rowsOf(s.view.out, s.Batches(ctx), yield)
	}
}

// Batches yields the rows; a batch is valid until the next step unless retained.
// With Options.Ordered they come snapshot by snapshot, else as they are read.
func (s *AppendScan) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if s.err != nil {
			yield(nil, s.err)
			return
		}
		newExec(s.view, nil).run(ctx, splits(s.files(ctx)), yield)
	}
}

// files yields the data files that the snapshots added and the filter does not
// rule out.
func (s *AppendScan) files(ctx context.Context) iter.Seq2[FileTask, error] {
	return func(yield func(FileTask, error) bool) {
		src, filter := s.view.src, s.view.filter
		p := &planner{v: s.view}
		p.project()
		o := &snapshot.LiveOptions{NoDeletes: true, Cache: src.Cache, KeepManifest: p.keepManifest}
		if filter != nil {
			if o.StatsFields = filter.FieldIDs(); len(o.StatsFields) > 0 {
				o.Stats = manifest.StatsAll
			}
			o.KeepEntry = func(e *manifest.Entry) bool { return p.keepTuple(e) && filter.MightMatch(fileMetrics{e.File}) }
		}
		for _, snap := range s.appends {
			for e, err := range snapshot.ChangedBy(ctx, src.Store, src.Metadata, snap, o) {
				if err != nil {
					yield(FileTask{}, fmt.Errorf("appends of snapshot %d: %w", snap.ID, err))
					return
				}
				if e.Status == manifest.StatusAdded && !yield(FileTask{Data: e}, nil) {
					return
				}
			}
		}
	}
}
