package inspect

import (
	"context"
	"iter"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

func partitionFields(v *view) []schema.Field {
	fields := v.partition()
	if fields != nil {
		fields = append(fields, v.field("spec_id", schema.Int))
	}
	return append(
		fields,
		v.field("record_count", schema.Long), v.field("file_count", schema.Int), v.field("total_data_file_size_in_bytes", schema.Long),
		v.field("position_delete_record_count", schema.Long), v.field("position_delete_file_count", schema.Int),
		v.field("equality_delete_record_count", schema.Long), v.field("equality_delete_file_count", schema.Int),
		v.field("last_updated_at", schema.TimestampTz), v.field("last_updated_snapshot_id", schema.Long),
	)
}

// sums is what a partition has.
type sums struct {
	tuple                        schema.Row
	spec                         int
	rows, bytes, posRows, eqRows int64
	files, posFiles, eqFiles     int32
	updated                      int64
	by                           any // snapshot id
}

func (s *sums) add(e *manifest.Entry) {
	f := e.File
	switch f.Content {
	case manifest.ContentData:
		s.rows, s.bytes, s.files = s.rows+f.RecordCount, s.bytes+f.FileSize, s.files+1
	case manifest.ContentPositionDeletes:
		s.posRows, s.posFiles = s.posRows+f.RecordCount, s.posFiles+1
	default:
		s.eqRows, s.eqFiles = s.eqRows+f.RecordCount, s.eqFiles+1
	}
}

// partitions sums up by tuple. Tuples of specs with as many fields are the same
// partition when they are equal, as in Iceberg Java; it then has the spec of the
// file written last.
func partitions(ctx context.Context, v *view) iter.Seq2[schema.Row, error] {
	type key struct {
		fields int
		tuple  string
	}
	return func(yield func(schema.Row, error) bool) {
		by := make(map[key]*sums)
		var order []*sums
		opts := &snapshot.LiveOptions{Cache: v.src.Cache}
		for e, err := range snapshot.LiveFiles(ctx, v.src.Store, v.src.Metadata, v.snap, opts) {
			if err != nil {
				yield(nil, err)
				return
			}
			tuple := v.tuple(e.File)
			k := key{v.projected(e.File.SpecID), unified(len(tuple)).Key(partition.Tuple(tuple))}
			s := by[k]
			if s == nil {
				s = &sums{tuple: tuple, spec: e.File.SpecID}
				by[k], order = s, append(order, s)
			}
			if snap := v.src.Metadata.Snapshot(e.SnapshotID); snap != nil && (s.by == nil || snap.TimestampMS > s.updated) {
				s.updated, s.by, s.spec = snap.TimestampMS, snap.ID, e.File.SpecID
			}
			s.add(e)
		}
		for _, s := range order {
			var row schema.Row
			if len(v.parts) > 0 {
				row = schema.Row{s.tuple, int32(s.spec)}
			}
			var at any
			if s.by != nil {
				at = s.updated * 1000
			}
			if !yield(append(row, s.rows, s.files, s.bytes, s.posRows, s.posFiles, s.eqRows, s.eqFiles, at, s.by), nil) {
				return
			}
		}
	}
}

// unified is a spec of so many fields, to make keys of tuples with.
func unified(n int) partition.Spec { return partition.Spec{Fields: make([]partition.Field, n)} }

// projected counts the fields of a spec that the unified tuple has.
func (v *view) projected(specID int) int {
	spec, _ := v.src.Metadata.Spec(specID)
	n := 0
	for _, p := range spec.Fields {
		for i := range v.parts {
			if v.parts[i].ID == p.FieldID {
				n++
			}
		}
	}
	return n
}
