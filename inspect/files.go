package inspect

import (
	"context"
	"iter"
	"strings"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// dataFile returns the columns of a file.
func (v *view) dataFile() []schema.Field {
	fields := []schema.Field{
		v.field("content", schema.Int), v.field("file_path", schema.String), v.field("file_format", schema.String), v.field("spec_id", schema.Int),
	}
	fields = append(fields, v.partition()...)
	return append(
		fields,
		v.field("record_count", schema.Long), v.field("file_size_in_bytes", schema.Long),
		v.field("column_sizes", v.mapping(schema.Int, schema.Long)),
		v.field("value_counts", v.mapping(schema.Int, schema.Long)),
		v.field("null_value_counts", v.mapping(schema.Int, schema.Long)),
		v.field("nan_value_counts", v.mapping(schema.Int, schema.Long)),
		v.field("lower_bounds", v.mapping(schema.Int, schema.Binary)),
		v.field("upper_bounds", v.mapping(schema.Int, schema.Binary)),
		v.field("key_metadata", schema.Binary),
		v.field("split_offsets", v.list(schema.Long)),
		v.field("equality_ids", v.list(schema.Int)),
		v.field("sort_order_id", schema.Int),
		v.field("first_row_id", schema.Long),
		v.field("referenced_data_file", schema.String),
		v.field("content_offset", schema.Long),
		v.field("content_size_in_bytes", schema.Long),
	)
}

func (v *view) dataFileRow(f *manifest.DataFile) schema.Row {
	row := schema.Row{int32(f.Content), f.Path, strings.ToUpper(string(f.Format)), int32(f.SpecID)}
	if len(v.parts) > 0 {
		row = append(row, v.tuple(f))
	}
	var key, order any
	if len(f.KeyMetadata) > 0 {
		key = f.KeyMetadata
	}
	if f.SortOrderID != nil {
		order = int32(*f.SortOrderID)
	}
	return append(
		row, f.RecordCount, f.FileSize,
		counts(f.ColumnSizes), counts(f.ValueCounts), counts(f.NullCounts), counts(f.NaNCounts), bounds(f.Lower), bounds(f.Upper),
		key, ints(f.SplitOffsets, func(n int64) any { return n }), ints(f.EqualityIDs, func(n int) any { return int32(n) }),
		order, optional(f.FirstRowID), text(f.ReferencedDataFile), optional(f.ContentOffset), optional(f.ContentSize),
	)
}

func counts(c manifest.Counts) any {
	if len(c) == 0 {
		return nil
	}
	var m schema.MapValue
	for _, x := range c {
		m.Keys, m.Values = append(m.Keys, int32(x.FieldID)), append(m.Values, x.N)
	}
	return m
}

func bounds(b manifest.Bounds) any {
	if len(b) == 0 {
		return nil
	}
	var m schema.MapValue
	for _, x := range b {
		m.Keys, m.Values = append(m.Keys, int32(x.FieldID)), append(m.Values, append([]byte{}, x.Value...))
	}
	return m
}

func fileFields(v *view) []schema.Field { return append(v.dataFile(), v.readableMetrics()) }

func (v *view) fileRow(e *manifest.Entry) schema.Row {
	return append(v.dataFileRow(e.File), v.metricsRow(e.File))
}

func entryFields(v *view) []schema.Field {
	return []schema.Field{
		v.field("status", schema.Int), v.field("snapshot_id", schema.Long), v.field("sequence_number", schema.Long),
		v.field("file_sequence_number", schema.Long), v.field("data_file", schema.Struct(v.dataFile()...)), v.readableMetrics(),
	}
}

func (v *view) entryRow(e *manifest.Entry) schema.Row {
	return schema.Row{
		int32(e.Status), e.SnapshotID, number(e.SequenceNumber), number(e.FileSequenceNumber), v.dataFileRow(e.File), v.metricsRow(e.File),
	}
}

// number is null for a sequence number that the manifest does not tell.
func number(n int64) any {
	if n == manifest.Unassigned {
		return nil
	}
	return n
}

// read yields a row for every entry of the manifests of the kinds that opts has,
// each manifest once.
func (v *view) read(ctx context.Context, opts snapshot.LiveOptions, deleted bool, row func(*manifest.Entry) schema.Row) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		var files []*manifest.File
		seen := make(map[string]bool)
		for m, err := range v.manifests(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			unwanted := m.Kind == manifest.Data && opts.NoData || m.Kind == manifest.Deletes && opts.NoDeletes
			if !unwanted && !seen[m.Path] {
				seen[m.Path] = true
				files = append(files, m.File)
			}
		}
		opts.Cache = v.src.Cache
		if v.stats {
			opts.Stats = manifest.StatsAll
		}
		for e, err := range snapshot.Entries(ctx, v.src.Store, v.src.Metadata, files, deleted, &opts) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(row(e), nil) {
				return
			}
		}
	}
}

func files(kinds snapshot.LiveOptions) func(context.Context, *view) iter.Seq2[schema.Row, error] {
	return func(ctx context.Context, v *view) iter.Seq2[schema.Row, error] {
		return v.read(ctx, kinds, false, v.fileRow)
	}
}

func entries(ctx context.Context, v *view) iter.Seq2[schema.Row, error] {
	return v.read(ctx, snapshot.LiveOptions{}, true, v.entryRow)
}
