package inspect

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/frazildb/frazil/schema"
)

func snapshotFields(v *view) []schema.Field {
	return []schema.Field{
		v.field("committed_at", schema.TimestampTz), v.field("snapshot_id", schema.Long), v.field("parent_id", schema.Long),
		v.field("operation", schema.String), v.field("manifest_list", schema.String),
		v.field("summary", v.mapping(schema.String, schema.String)),
	}
}

func snapshots(_ context.Context, v *view) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		for i := range v.src.Metadata.Snapshots {
			s := &v.src.Metadata.Snapshots[i]
			// As other engines have it, the operation is not part of the summary.
			var summary schema.MapValue
			for _, k := range slices.Sorted(maps.Keys(s.Summary)) {
				if k != "operation" {
					summary.Keys, summary.Values = append(summary.Keys, k), append(summary.Values, s.Summary[k])
				}
			}
			row := schema.Row{s.TimestampMS * 1000, s.ID, optional(s.ParentID), text(s.Operation), text(s.ManifestList), summary}
			if s.Summary == nil {
				row[5] = nil
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

func historyFields(v *view) []schema.Field {
	return []schema.Field{
		v.field("made_current_at", schema.TimestampTz), v.field("snapshot_id", schema.Long),
		v.field("parent_id", schema.Long), v.field("is_current_ancestor", schema.Boolean),
	}
}

func history(_ context.Context, v *view) iter.Seq2[schema.Row, error] {
	m := v.src.Metadata
	return func(yield func(schema.Row, error) bool) {
		ancestors := make(map[int64]bool)
		if c := m.Current(); c != nil {
			for s := range m.Ancestors(c.ID) {
				ancestors[s.ID] = true
			}
		}
		for _, l := range m.SnapshotLog {
			var parent any
			if s := m.Snapshot(l.SnapshotID); s != nil {
				parent = optional(s.ParentID)
			}
			if !yield(schema.Row{l.TimestampMS * 1000, l.SnapshotID, parent, ancestors[l.SnapshotID]}, nil) {
				return
			}
		}
	}
}

func refFields(v *view) []schema.Field {
	return []schema.Field{
		v.field("name", schema.String), v.field("type", schema.String), v.field("snapshot_id", schema.Long),
		v.field("max_reference_age_in_ms", schema.Long), v.field("min_snapshots_to_keep", schema.Int),
		v.field("max_snapshot_age_in_ms", schema.Long),
	}
}

func refs(_ context.Context, v *view) iter.Seq2[schema.Row, error] {
	all := v.src.Metadata.Refs
	return func(yield func(schema.Row, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			r := all[name]
			if !yield(schema.Row{
				name, strings.ToUpper(r.Type), r.SnapshotID, optional(r.MaxRefAgeMS),
				optionalInt(r.MinSnapshotsToKeep), optional(r.MaxSnapshotAgeMS),
			}, nil) {
				return
			}
		}
	}
}

func metadataLogFields(v *view) []schema.Field {
	return []schema.Field{
		v.field("timestamp", schema.TimestampTz), v.field("file", schema.String), v.field("latest_snapshot_id", schema.Long),
		v.field("latest_schema_id", schema.Int), v.field("latest_sequence_number", schema.Long),
	}
}

// metadataLog has the snapshot that was current at the time of each file, which
// is null once that one has expired.
func metadataLog(_ context.Context, v *view) iter.Seq2[schema.Row, error] {
	m := v.src.Metadata
	return func(yield func(schema.Row, error) bool) {
		add := func(ms int64, file string) bool {
			row := schema.Row{ms * 1000, file, nil, nil, nil}
			if s := m.SnapshotAsOf(ms); s != nil {
				row[2], row[3], row[4] = s.ID, optionalInt(s.SchemaID), s.SequenceNumber
			}
			return yield(row, nil)
		}
		for _, l := range m.MetadataLog {
			if !add(l.TimestampMS, l.MetadataFile) {
				return
			}
		}
		if v.location != "" {
			add(m.LastUpdatedMS, v.location)
		}
	}
}
