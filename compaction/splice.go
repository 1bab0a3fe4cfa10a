package compaction

import (
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// section is a run of row groups of a file that are treated alike.
type section struct {
	task scan.FileTask // limited to the row groups
	// first and end are its rows in the file.
	first, end int64
	// splice says that it is one row group, that of index group, to be copied.
	splice bool
	group  int
	bytes  int64
}

// sections cuts a file into row groups that are copied as they are and runs of
// others. A group is copied if it is large enough not to fragment the output, no
// delete touches it, and most of its bytes fit. It returns the file, nil when
// there is nothing to copy, and the rows that are not there, nil when that is
// not known yet.
func (r *laneRun) sections(ctx context.Context, i int) (*parquetfile.File, []section, *deletes.Positions, error) {
	task := r.lane.Files[i]
	df := task.Data.File
	if !r.mayCopy || df.Format != manifest.FormatParquet || df.FileSize < r.o.SpliceBytes && df.RecordCount < SpliceRows {
		return nil, nil, nil, nil
	}
	o, err := r.entry.Store.Open(ctx, df.Path)
	if err != nil {
		return nil, nil, nil, err
	}
	f, err := parquetfile.Open(ctx, o, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	fit, err := r.fitting(f, df)
	if err != nil || fit == nil {
		_ = f.Close()
		return nil, nil, nil, err
	}
	dead := &deletes.Positions{}
	if task.DV != nil || len(task.Positions)+len(task.Equality) > 0 {
		if dead, err = r.findDead(ctx, i); err != nil {
			_ = f.Close()
			return nil, nil, nil, err
		}
	}
	return f, r.cut(f, task, fit, dead), dead, nil
}

// findDead finds the rows of file i that are not there from its key columns only.
func (r *laneRun) findDead(ctx context.Context, i int) (*deletes.Positions, error) {
	if r.positions == nil {
		var err error
		r.positions, err = newReader(r.entry, r.t.Name(), r.lane.Files, r.o.MemoryBudget, 0, []string{"_pos"})
		if err != nil {
			return nil, err
		}
	}
	return r.positions.file(ctx, i, nil)
}

// fitting returns for each row group whether it can be copied, nil for none.
func (r *laneRun) fitting(f *parquetfile.File, df *manifest.DataFile) ([]bool, error) {
	groups := f.RowGroups()
	if f.NumRows() != df.RecordCount {
		return nil, nil // what reads it says what is wrong with it
	}
	fit := make([]bool, len(groups))
	any := false
	last := int64(-1)
	for g := range groups {
		if groups[g].Offset <= last {
			return nil, nil // sections are told apart by where they begin
		}
		last = groups[g].Offset
		if groups[g].Rows == 0 || !r.goodSize(groups[g].Size, groups[g].Rows) {
			continue
		}
		n, err := r.w.SpliceableBytes(f, g, r.spliceOptions(df))
		if err != nil {
			return nil, err
		}
		fit[g] = 2*n >= groups[g].Size
		any = any || fit[g]
	}
	if !any {
		return nil, nil
	}
	return fit, nil
}

// goodSize reports whether a row group can be copied without making row groups
// too small, or files too large: at most one and a half times the target.
func (r *laneRun) goodSize(size, rows int64) bool {
	return (size >= r.o.SpliceBytes || rows >= SpliceRows) && (size <= r.o.TargetFileBytes/2 || size >= r.o.MinFileBytes && size <= r.o.MaxFileBytes)
}

func (r *laneRun) cut(f *parquetfile.File, task scan.FileTask, fit []bool, dead *deletes.Positions) []section {
	var out []section
	for g, rg := range f.RowGroups() {
		s := section{task: task, first: rg.FirstRow, end: rg.FirstRow + rg.Rows, group: g, bytes: rg.Size}
		s.task.Start, s.task.Length = rg.Offset, 1
		s.splice = fit[g] && !dead.Intersects(uint64(s.first), uint64(s.end))
		if n := len(out); n > 0 && !s.splice && !out[n-1].splice {
			prev := &out[n-1]
			prev.end, prev.task.Length = s.end, rg.Offset-prev.task.Start+1
			prev.bytes += s.bytes
			continue
		}
		out = append(out, s)
	}
	return out
}

// spliceOptions say what is known of a file's columns.
func (r *laneRun) spliceOptions(df *manifest.DataFile) *parquetfile.SpliceOptions {
	return &parquetfile.SpliceOptions{
		NoNaN: func(id int) bool {
			n, ok := df.NaNCounts.Get(id)
			return ok && n == 0
		},
		// A null there is inherited from the file that has the row.
		NotNull: func(id int) bool { return r.lineage && lineageColumn(id) },
	}
}

func lineageColumn(id int) bool {
	return id == schema.IDRowID || id == schema.IDLastUpdatedSequence
}

// addSections writes a file section by section.
func (r *laneRun) addSections(ctx context.Context, f *parquetfile.File, parts []section) error {
	for k := range parts {
		s := &parts[k]
		if !s.splice {
			if _, err := r.copy(ctx, s); err != nil {
				return err
			}
			continue
		}
		if s.bytes >= r.o.MinFileBytes && r.w.Pending() > 0 {
			r.w.Roll() // a row group for a file of its own
		}
		if err := r.splice(ctx, f, s); err != nil {
			return err
		}
	}
	return nil
}

// splice copies one row group.
func (r *laneRun) splice(ctx context.Context, f *parquetfile.File, s *section) error {
	o := r.spliceOptions(s.task.Data.File)
	read := make([]bool, len(r.nulls)) // whose nulls were counted as they were read
	o.Rest = func(fields []int) iter.Seq2[arrow.RecordBatch, error] {
		for _, k := range fields {
			read[k] = true
		}
		return r.rest(ctx, s, fields)
	}
	if err := r.w.Splice(ctx, r.lane.Partition, f, s.group, o); err != nil {
		var source *parquetfile.SourceError
		if errors.As(err, &source) {
			return &fileFault{s.task.Data.File.Path, err}
		}
		return err
	}
	for c, field := range r.entry.Metadata.CurrentSchema().Fields {
		if read[c] {
			continue
		}
		if n, ok := f.Nulls(s.group, field.ID); ok {
			r.nulls[c] += n
		}
	}
	r.rows += s.end - s.first
	r.rep.BytesSpliced += s.bytes
	return nil
}

// rest reads the fields that are not copied, which for a table with row lineage
// are at least the row ids, unless the file holds them itself.
func (r *laneRun) rest(ctx context.Context, s *section, fields []int) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		var names []string
		all := r.w.Schema().Fields
		for _, k := range fields {
			names = append(names, all[k].Name)
		}
		task := s.task
		task.DV, task.Positions, task.Equality = nil, nil, nil // none touches the group
		reader, err := newReader(r.entry, r.t.Name(), []scan.FileTask{task}, 0, r.batchRows(), append(names, "_pos"))
		if err != nil {
			yield(nil, err)
			return
		}
		stopped := errors.New("stopped")
		_, err = reader.rows(ctx, task, s.first, s.end, func(b arrow.RecordBatch) error {
			for i, k := range fields {
				r.nulls[k] += int64(b.Column(i).NullN())
			}
			if !yield(withoutLast(b), nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(nil, err)
		}
	}
}
