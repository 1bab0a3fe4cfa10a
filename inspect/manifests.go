package inspect

import (
	"context"
	"iter"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

func manifestFields(v *view) []schema.Field {
	fields := []schema.Field{
		v.field("content", schema.Int), v.field("path", schema.String), v.field("length", schema.Long),
		v.field("partition_spec_id", schema.Int), v.field("added_snapshot_id", schema.Long),
		v.field("added_data_files_count", schema.Int), v.field("existing_data_files_count", schema.Int), v.field("deleted_data_files_count", schema.Int),
		v.field("added_delete_files_count", schema.Int), v.field("existing_delete_files_count", schema.Int), v.field("deleted_delete_files_count", schema.Int),
		v.field("partition_summaries", v.list(schema.Struct(
			v.field("contains_null", schema.Boolean), v.field("contains_nan", schema.Boolean),
			v.field("lower_bound", schema.String), v.field("upper_bound", schema.String)))),
	}
	if v.all {
		fields = append(fields, v.field("reference_snapshot_id", schema.Long), v.field("key_metadata", schema.Binary))
	}
	return fields
}

func (v *view) manifestRow(f listed) schema.Row {
	counts := []any{unknownCount(f.AddedFiles), unknownCount(f.ExistingFiles), unknownCount(f.DeletedFiles)}
	none := []any{int32(0), int32(0), int32(0)}
	row := schema.Row{int32(f.Kind), f.Path, f.Length, int32(f.SpecID), f.AddedSnapshotID}
	if f.Kind == manifest.Data {
		row = append(append(row, counts...), none...)
	} else {
		row = append(append(row, none...), counts...)
	}
	row = append(row, v.summaries(f.File))
	if !v.all {
		return row
	}
	var key any
	if f.KeyMetadata != nil {
		key = f.KeyMetadata
	}
	return append(row, f.by.ID, key)
}

// unknownCount is null for the counts that lists of v1 tables may lack.
func unknownCount(n int) any {
	if n < 0 {
		return nil
	}
	return int32(n)
}

// summaries renders the partition summaries of a manifest as people read them.
func (v *view) summaries(f *manifest.File) any {
	spec, ok := v.src.Metadata.Spec(f.SpecID)
	if !ok || f.Partitions == nil && len(spec.Fields) > 0 {
		return nil
	}
	types := v.src.Metadata.PartitionTypes(f.SpecID)
	out := make([]any, 0, len(f.Partitions))
	for i, s := range f.Partitions {
		row := schema.Row{s.ContainsNull, optional(s.ContainsNaN), nil, nil}
		for k, bound := range [][]byte{s.Lower, s.Upper} {
			if i >= len(spec.Fields) {
				continue
			}
			var value any
			if bound != nil {
				var err error
				if value, err = schema.DecodeBound(types[i], bound); err != nil {
					continue
				}
			}
			row[2+k] = spec.Fields[i].Transform.Human(types[i], value)
		}
		out = append(out, row)
	}
	return out
}

func manifests(ctx context.Context, v *view) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		for f, err := range v.manifests(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(v.manifestRow(f), nil) {
				return
			}
		}
	}
}

// listed is a manifest with a snapshot that has it.
type listed struct {
	*manifest.File
	by *metadata.Snapshot
}

// manifests yields the manifests of the snapshot, or of all, once for each.
func (v *view) manifests(ctx context.Context) iter.Seq2[listed, error] {
	snaps := []*metadata.Snapshot{v.snap}
	if v.all {
		snaps = nil
		for i := range v.src.Metadata.Snapshots {
			snaps = append(snaps, &v.src.Metadata.Snapshots[i])
		}
	}
	return func(yield func(listed, error) bool) {
		for _, s := range snaps {
			files, err := snapshot.Manifests(ctx, v.src.Store, v.src.Metadata, s, v.src.Cache)
			if err != nil {
				yield(listed{}, err)
				return
			}
			for _, f := range files {
				if !yield(listed{f, s}, nil) {
					return
				}
			}
		}
	}
}
