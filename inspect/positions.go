package inspect

import (
	"context"
	"iter"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

func positionFields(v *view) []schema.Field {
	fields := []schema.Field{
		v.field("file_path", schema.String), v.field("pos", schema.Long),
		v.field("row", schema.Struct(v.renumbered(v.src.Metadata.CurrentSchema().Fields)...)),
	}
	fields = append(fields, v.partition()...)
	fields = append(fields, v.field("spec_id", schema.Int), v.field("delete_file_path", schema.String))
	if v.src.Metadata.FormatVersion >= 3 {
		fields = append(fields, v.field("content_offset", schema.Long), v.field("content_size_in_bytes", schema.Long))
	}
	return fields
}

// positionDeletes reads the position delete files and deletion vectors of a
// snapshot, whether what they delete is still there or not.
func positionDeletes(ctx context.Context, v *view) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		opts := &snapshot.LiveOptions{Cache: v.src.Cache, NoData: true}
		for e, err := range snapshot.LiveFiles(ctx, v.src.Store, v.src.Metadata, v.snap, opts) {
			if err != nil {
				yield(nil, err)
				return
			}
			if e.File.Content != manifest.ContentPositionDeletes {
				continue
			}
			for row, err := range v.positionsOf(ctx, e.File) {
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

func (v *view) positionsOf(ctx context.Context, f *manifest.DataFile) iter.Seq2[schema.Row, error] {
	var tail schema.Row
	if len(v.parts) > 0 {
		tail = append(tail, v.tuple(f))
	}
	tail = append(tail, int32(f.SpecID), f.Path)
	if v.src.Metadata.FormatVersion >= 3 {
		tail = append(tail, optional(f.ContentOffset), optional(f.ContentSize))
	}
	return func(yield func(schema.Row, error) bool) {
		if f.IsDV() {
			positions, err := deletes.ReadDV(ctx, v.src.Store, f)
			if err != nil {
				yield(nil, err)
				return
			}
			for pos := range positions.All() {
				if !yield(append(schema.Row{f.ReferencedDataFile, int64(pos), nil}, tail...), nil) {
					return
				}
			}
			return
		}
		columns := v.src.Metadata.CurrentSchema().Fields
		rowType := schema.Struct(columns...)
		for b, err := range deletes.ReadPositionRows(ctx, v.src.Store, f, columns) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range int(b.NumRows()) {
				row := schema.Row{
					schema.ValueAt(b.Column(0), schema.String, i), schema.ValueAt(b.Column(1), schema.Long, i), schema.ValueAt(b.Column(2), rowType, i),
				}
				if !yield(append(row, tail...), nil) {
					return
				}
			}
		}
	}
}
