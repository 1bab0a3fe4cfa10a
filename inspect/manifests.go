package inspect

import (
	"context"
	"iter"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

func manifestFields(v *view) []schema.Field {
	return []schema.Field{
		v.field("content", schema.Int), v.field("path", schema.String), v.field("length", schema.Long),
		v.field("partition_spec_id", schema.Int), v.field("added_snapshot_id", schema.Long),
		v.field("added_data_files_count", schema.Int), v.field("existing_data_files_count", schema.Int), v.field("deleted_data_files_count", schema.Int),
		v.field("added_delete_files_count", schema.Int), v.field("existing_delete_files_count", schema.Int), v.field("deleted_delete_files_count", schema.Int),
		v.field("partition_summaries", v.list(schema.Struct(
			v.field("contains_null", schema.Boolean), v.field("contains_nan", schema.Boolean),
			v.field("lower_bound", schema.String), v.field("upper_bound", schema.String)))),
	}
}

func allManifestFields(v *view) []schema.Field {
	return append(manifestFields(v), v.field("reference_snapshot_id", schema.Long), v.field("key_metadata", schema.Binary))
}

func (v *view) manifestRow(f *manifest.File) schema.Row {
	counts := []any{unknownCount(f.AddedFiles), unknownCount(f.ExistingFiles), unknownCount(f.DeletedFiles)}
	none := []any{int32(0), int32(0), int32(0)}
	row := schema.Row{int32(f.Kind), f.Path, f.Length, int32(f.SpecID), f.AddedSnapshotID}
	if f.Kind == manifest.Data {
		row = append(append(row, counts...), none...)
	} else {
		row = append(append(row, none...), counts...)
	}
	return append(row, v.summaries(f))
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
		files, err := snapshot.Manifests(ctx, v.src.Store, v.src.Metadata, v.snap, v.src.Cache)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, f := range files {
			if !yield(v.manifestRow(f), nil) {
				return
			}
		}
	}
}

func allManifests(ctx context.Context, v *view) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		for i := range v.src.Metadata.Snapshots {
			s := &v.src.Metadata.Snapshots[i]
			files, err := snapshot.Manifests(ctx, v.src.Store, v.src.Metadata, s, v.src.Cache)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, f := range files {
				var key any
				if f.KeyMetadata != nil {
					key = f.KeyMetadata
				}
				if !yield(append(v.manifestRow(f), s.ID, key), nil) {
					return
				}
			}
		}
	}
}

// reachable returns the manifests of the snapshot, or of all, each once.
func (v *view) reachable(ctx context.Context, all bool, o only) ([]*manifest.File, error) {
	var out []*manifest.File
	seen := make(map[string]bool)
	for i := range v.src.Metadata.Snapshots {
		s := &v.src.Metadata.Snapshots[i]
		if !all && (v.snap == nil || s.ID != v.snap.ID) {
			continue
		}
		files, err := snapshot.Manifests(ctx, v.src.Store, v.src.Metadata, s, v.src.Cache)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			skip := f.Kind == manifest.Data && o.data || f.Kind == manifest.Deletes && o.deletes
			if !skip && !seen[f.Path] {
				seen[f.Path] = true
				out = append(out, f)
			}
		}
	}
	return out, nil
}
