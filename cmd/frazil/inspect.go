package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// inspections are the metadata tables there are, by name.
var inspections = map[string]func(ctx context.Context, src scan.Source, s *metadata.Snapshot) (*metaTable, error){
	"snapshots":    inspectSnapshots,
	"history":      inspectHistory,
	"refs":         inspectRefs,
	"manifests":    inspectManifests,
	"files":        inspectFiles(func(f *manifest.DataFile) bool { return true }),
	"data-files":   inspectFiles(func(f *manifest.DataFile) bool { return f.Content == manifest.ContentData }),
	"delete-files": inspectFiles(func(f *manifest.DataFile) bool { return f.Content != manifest.ContentData }),
	"entries":      inspectEntries,
	"partitions":   inspectPartitions,
	"metadata-log": inspectMetadataLog,
	"properties":   inspectProperties,
}

func inspectionNames() string {
	var names []string
	for n := range inspections {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, "|")
}

var inspectCommand = command{
	name: "inspect", args: "TABLE snapshots|files|delete-files|manifests|partitions|refs|history|entries|…",
	short: "prints a table's metadata as rows", minArgs: 2, maxArgs: 2,
	examples: []string{"frazil inspect shop.orders snapshots", "frazil inspect shop.orders files --snapshot 4358937 --output jsonl"},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		var id int64
		var output string
		fs.Int64Var(&id, "snapshot", 0, "snapshot to look at; default the current one")
		var columns []string
		fs.StringSliceVar(&columns, "columns", nil, "columns to print; default all")
		fs.StringVar(&output, "output", "", "table, jsonl, csv, parquet, arrow or canonical (default: table on a terminal, else jsonl)")
		return func(ctx context.Context, args []string) error {
			look, ok := inspections[args[1]]
			if !ok {
				return usagef("inspect: no metadata table %q; there are %s", args[1], inspectionNames())
			}
			form, err := e.form(output)
			if err != nil {
				return err
			}
			_, src, done, err := e.source(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			snap := src.Metadata.Current()
			if fs.Changed("snapshot") {
				if snap = src.Metadata.Snapshot(id); snap == nil {
					return fmt.Errorf("table %s: snapshot %d: %w", src.Name, id, scan.ErrNoSnapshot)
				}
			}
			m, err := look(ctx, src, snap)
			if err != nil {
				return err
			}
			if err := m.pick(columns); err != nil {
				return usageError{fmt.Errorf("inspect %s: %w", args[1], err)}
			}
			return e.printRows(ctx, form, m.schema(), m.rows)
		}
	},
}

// metaTable is a metadata table: named, typed columns and rows.
type metaTable struct {
	fields []schema.Field
	rows   []schema.Row
}

// newMetaTable reads columns given as "name type" pairs in one text.
func newMetaTable(columns string) *metaTable {
	fields, err := parseColumns(columns)
	if err != nil {
		panic(err) // the texts are in this file
	}
	for i := range fields {
		fields[i].ID = i + 1
	}
	return &metaTable{fields: fields}
}

func (m *metaTable) add(values ...any) { m.rows = append(m.rows, values) }

// pick keeps only the named columns; none named keeps all.
func (m *metaTable) pick(columns []string) error {
	if len(columns) == 0 {
		return nil
	}
	all := m.schema()
	old := m.fields
	m.fields = nil
	var at []int
	for _, c := range columns {
		f, ok := all.FieldByName(c)
		if !ok {
			return all.UnknownColumn(c)
		}
		m.fields, at = append(m.fields, *f), append(at, slices.IndexFunc(old, func(o schema.Field) bool { return o.Name == c }))
	}
	for i, r := range m.rows {
		row := make(schema.Row, len(at))
		for k, from := range at {
			row[k] = r[from]
		}
		m.rows[i] = row
	}
	return nil
}

func (m *metaTable) schema() *schema.Schema { return schema.MustNew(m.fields...) }

func optional[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

func optionalInt(v *int) any {
	if v == nil {
		return nil
	}
	return int64(*v)
}

func summaryText(m map[string]string) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		keys[i] = k + "=" + m[k]
	}
	return strings.Join(keys, " ")
}

func inspectSnapshots(_ context.Context, src scan.Source, _ *metadata.Snapshot) (*metaTable, error) {
	m := newMetaTable("committed_at timestamptz, snapshot_id long, parent_id long, sequence_number long, operation string, schema_id long, manifest_list string, summary string")
	for i := range src.Metadata.Snapshots {
		s := &src.Metadata.Snapshots[i]
		m.add(s.TimestampMS*1000, s.ID, optional(s.ParentID), s.SequenceNumber, s.Operation, optionalInt(s.SchemaID), s.ManifestList, summaryText(s.Summary))
	}
	return m, nil
}

func inspectHistory(_ context.Context, src scan.Source, _ *metadata.Snapshot) (*metaTable, error) {
	m := newMetaTable("made_current_at timestamptz, snapshot_id long, parent_id long, is_current_ancestor boolean")
	current := src.Metadata.Current()
	for _, l := range src.Metadata.SnapshotLog {
		var parent any
		if s := src.Metadata.Snapshot(l.SnapshotID); s != nil {
			parent = optional(s.ParentID)
		}
		m.add(l.TimestampMS*1000, l.SnapshotID, parent, current != nil && src.Metadata.IsAncestor(l.SnapshotID, current.ID))
	}
	return m, nil
}

func inspectRefs(_ context.Context, src scan.Source, _ *metadata.Snapshot) (*metaTable, error) {
	m := newMetaTable("name string, type string, snapshot_id long, min_snapshots_to_keep long, max_snapshot_age_ms long, max_ref_age_ms long")
	names := make([]string, 0, len(src.Metadata.Refs))
	for n := range src.Metadata.Refs {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		r := src.Metadata.Refs[n]
		m.add(n, strings.ToUpper(r.Type), r.SnapshotID, optionalInt(r.MinSnapshotsToKeep), optional(r.MaxSnapshotAgeMS), optional(r.MaxRefAgeMS))
	}
	return m, nil
}

func inspectMetadataLog(_ context.Context, src scan.Source, _ *metadata.Snapshot) (*metaTable, error) {
	m := newMetaTable("timestamp timestamptz, file string")
	for _, l := range src.Metadata.MetadataLog {
		m.add(l.TimestampMS*1000, l.MetadataFile)
	}
	return m, nil
}

func inspectProperties(_ context.Context, src scan.Source, _ *metadata.Snapshot) (*metaTable, error) {
	m := newMetaTable("key string, value string")
	for k, v := range src.Metadata.Properties {
		m.add(k, v)
	}
	slices.SortFunc(m.rows, func(a, b schema.Row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return m, nil
}

func inspectManifests(ctx context.Context, src scan.Source, s *metadata.Snapshot) (*metaTable, error) {
	m := newMetaTable("content string, path string, length long, partition_spec_id long, added_snapshot_id long, sequence_number long, min_sequence_number long, " +
		"added_files long, existing_files long, deleted_files long, added_rows long, existing_rows long, deleted_rows long")
	if s == nil {
		return m, nil
	}
	files, err := snapshot.Manifests(ctx, src.Store, src.Metadata, s, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		kind := "data"
		if f.Kind == manifest.Deletes {
			kind = "deletes"
		}
		m.add(kind, f.Path, f.Length, int64(f.SpecID), f.AddedSnapshotID, f.SequenceNumber, f.MinSequenceNumber,
			int64(f.AddedFiles), int64(f.ExistingFiles), int64(f.DeletedFiles), f.AddedRows, f.ExistingRows, f.DeletedRows)
	}
	return m, nil
}

const fileColumns = "content string, path string, format string, spec_id long, partition string, record_count long, file_size long, " +
	"sequence_number long, equality_ids string, referenced_data_file string, content_offset long, content_size long, first_row_id long"

func contentName(f *manifest.DataFile) string {
	switch {
	case f.IsDV():
		return "deletion-vector"
	case f.Content == manifest.ContentPositionDeletes:
		return "position-deletes"
	case f.Content == manifest.ContentEqualityDeletes:
		return "equality-deletes"
	}
	return "data"
}

func fileRow(m *metadata.Table, e *manifest.Entry) schema.Row {
	f := e.File
	var ids any
	if len(f.EqualityIDs) > 0 {
		ids = strings.Trim(fmt.Sprint(f.EqualityIDs), "[]")
	}
	var ref any
	if f.ReferencedDataFile != "" {
		ref = f.ReferencedDataFile
	}
	return schema.Row{
		contentName(f), f.Path, string(f.Format), int64(f.SpecID), partitionText(m, f), f.RecordCount, f.FileSize,
		e.SequenceNumber, ids, ref, optional(f.ContentOffset), optional(f.ContentSize), optional(f.FirstRowID),
	}
}

func partitionText(m *metadata.Table, f *manifest.DataFile) string {
	spec, ok := m.Spec(f.SpecID)
	if !ok {
		return fmt.Sprint(f.Partition)
	}
	return spec.Path(m.CurrentSchema(), f.Partition)
}

func inspectFiles(keep func(*manifest.DataFile) bool) func(context.Context, scan.Source, *metadata.Snapshot) (*metaTable, error) {
	return func(ctx context.Context, src scan.Source, s *metadata.Snapshot) (*metaTable, error) {
		m := newMetaTable(fileColumns)
		if s == nil {
			return m, nil
		}
		for e, err := range snapshot.LiveFiles(ctx, src.Store, src.Metadata, s, nil) {
			if err != nil {
				return nil, err
			}
			if keep(e.File) {
				m.rows = append(m.rows, fileRow(src.Metadata, e))
			}
		}
		return m, nil
	}
}

var statusNames = map[manifest.Status]string{manifest.StatusExisting: "existing", manifest.StatusAdded: "added", manifest.StatusDeleted: "deleted"}

func inspectEntries(ctx context.Context, src scan.Source, s *metadata.Snapshot) (*metaTable, error) {
	m := newMetaTable("status string, snapshot_id long, file_sequence_number long, " + fileColumns)
	if s == nil {
		return m, nil
	}
	files, err := snapshot.Manifests(ctx, src.Store, src.Metadata, s, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		data, err := objstore.ReadAll(ctx, src.Store, f.Path, 0)
		if err != nil {
			return nil, err
		}
		opts := &manifest.ReadOptions{KeepDeleted: true}
		if spec, ok := src.Metadata.Spec(f.SpecID); ok {
			opts.Spec, opts.PartitionTypes = &spec, spec.Types(src.Metadata.CurrentSchema())
		}
		for e, err := range manifest.Read(data, f, opts) {
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Path, err)
			}
			m.rows = append(m.rows, append(schema.Row{statusNames[e.Status], e.SnapshotID, e.FileSequenceNumber}, fileRow(src.Metadata, e)...))
		}
	}
	return m, nil
}

func inspectPartitions(ctx context.Context, src scan.Source, s *metadata.Snapshot) (*metaTable, error) {
	m := newMetaTable("partition string, spec_id long, record_count long, file_count long, total_data_file_size long, " +
		"position_delete_record_count long, position_delete_file_count long, dv_count long, equality_delete_record_count long, equality_delete_file_count long")
	if s == nil {
		return m, nil
	}
	type key struct {
		spec int
		path string
	}
	sums := map[key]schema.Row{}
	var order []key
	for e, err := range snapshot.LiveFiles(ctx, src.Store, src.Metadata, s, nil) {
		if err != nil {
			return nil, err
		}
		f := e.File
		k := key{f.SpecID, partitionText(src.Metadata, f)}
		row := sums[k]
		if row == nil {
			row = schema.Row{k.path, int64(k.spec), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0)}
			sums[k] = row
			order = append(order, k)
		}
		add := func(i int, n int64) { row[i] = row[i].(int64) + n }
		switch contentName(f) {
		case "data":
			add(2, f.RecordCount)
			add(3, 1)
			add(4, f.FileSize)
		case "deletion-vector":
			add(5, f.RecordCount)
			add(7, 1)
		case "position-deletes":
			add(5, f.RecordCount)
			add(6, 1)
		default:
			add(8, f.RecordCount)
			add(9, 1)
		}
	}
	slices.SortFunc(order, func(a, b key) int { return strings.Compare(a.path, b.path) })
	for _, k := range order {
		m.rows = append(m.rows, sums[k])
	}
	return m, nil
}
