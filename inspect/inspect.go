// Package inspect reads a table's metadata as tables: Iceberg's sixteen metadata
// tables, with the column names that other engines give them (snapshots, files,
// entries, partitions, position_deletes, all_files, …), each with a choice of
// columns and a filter.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// ErrNoTable: there is no metadata table of that name.
var ErrNoTable = errors.New("no such metadata table")

// Options choose what of a metadata table is read; nil and zero fields mean the
// documented default.
type Options struct {
	// Columns by (dotted) name in the order wanted; nil is all.
	Columns []string
	// Filter keeps the rows it is true for; nil keeps all.
	Filter          expr.Expr
	CaseInsensitive bool
	// At most one of SnapshotID, AsOf and Ref; default is the current snapshot.
	// Tables that are not of one snapshot (history, snapshots, refs,
	// metadata_log_entries and all_…) take none.
	SnapshotID *int64
	AsOf       time.Time
	Ref        string
	// MetadataLocation is the table's current metadata file, which
	// metadata_log_entries lists last; "" leaves that row out.
	MetadataLocation string
	// Limit ends after that many rows; 0 is no limit.
	Limit int64
}

// definition is a metadata table.
type definition struct {
	name, about string
	wholeTable  bool // not of one snapshot
	fields      func(v *view) []schema.Field
	rows        func(ctx context.Context, v *view) iter.Seq2[schema.Row, error]
}

func definitions() []definition {
	type kinds = snapshot.LiveOptions
	return []definition{
		{"all_data_files", "live data files of every snapshot", true, fileFields, files(kinds{NoDeletes: true})},
		{"all_delete_files", "live delete files of every snapshot", true, fileFields, files(kinds{NoData: true})},
		{"all_entries", "manifest entries of every snapshot", true, entryFields, entries},
		{"all_files", "live files of every snapshot", true, fileFields, files(kinds{})},
		{"all_manifests", "manifests of every snapshot, once for each", true, manifestFields, manifests},
		{"data_files", "live data files", false, fileFields, files(kinds{NoDeletes: true})},
		{"delete_files", "live delete files and deletion vectors", false, fileFields, files(kinds{NoData: true})},
		{"entries", "manifest entries, those of removed files too", false, entryFields, entries},
		{"files", "live files", false, fileFields, files(kinds{})},
		{"history", "when which snapshot became current", true, historyFields, history},
		{"manifests", "manifests", false, manifestFields, manifests},
		{"metadata_log_entries", "earlier metadata files and the current one", true, metadataLogFields, metadataLog},
		{"partitions", "rows, files and deletes by partition", false, partitionFields, partitions},
		{"position_deletes", "every row deleted by position", false, positionFields, positionDeletes},
		{"refs", "branches and tags", true, refFields, refs},
		{"snapshots", "snapshots", true, snapshotFields, snapshots},
	}
}

// Names returns the names of the metadata tables, sorted, and what each has.
func Names() (names []string, about map[string]string) {
	about = make(map[string]string)
	for _, d := range definitions() {
		names = append(names, d.name)
		about[d.name] = d.about
	}
	return names, about
}

// view is a metadata table being read.
type view struct {
	src      scan.Source
	snap     *metadata.Snapshot // nil for an empty table
	all      bool               // of every snapshot, not of that one
	location string
	ids      int
	parts    []schema.Field // of the unified partition tuple, with its own ids
	stats    bool           // column statistics are wanted
	metrics  []metricColumn
}

// Table is a metadata table of a table. It may be read any number of times and
// concurrently.
type Table struct {
	def    definition
	view   view
	full   []schema.Field
	out    *schema.Schema
	filter *expr.Bound
	paths  map[int][]int // of the columns filtered on
	limit  int64
}

// New chooses a metadata table by name; a dash stands for an underscore.
func New(src scan.Source, name string, opts *Options) (*Table, error) {
	t, err := newTable(src, strings.ReplaceAll(name, "-", "_"), opts)
	if err != nil && src.Name != "" {
		return nil, fmt.Errorf("table %s: %w", src.Name, err)
	}
	return t, err
}

func newTable(src scan.Source, name string, opts *Options) (*Table, error) {
	if opts == nil {
		opts = &Options{}
	}
	all := definitions()
	i := slices.IndexFunc(all, func(d definition) bool { return d.name == name })
	if i < 0 {
		names, _ := Names()
		return nil, fmt.Errorf("%s: %w; there are %s", name, ErrNoTable, strings.Join(names, ", "))
	}
	t := &Table{def: all[i], view: view{src: src, all: all[i].wholeTable, location: opts.MetadataLocation}, limit: opts.Limit}
	if t.def.wholeTable && (opts.SnapshotID != nil || !opts.AsOf.IsZero() || opts.Ref != "") {
		return nil, fmt.Errorf("%s is about the whole table: it takes no snapshot, time or ref", name)
	}
	if src.Metadata.CurrentSchema() == nil {
		return nil, errors.New("the table has no schema")
	}
	var err error
	sc := scan.New(scan.Source{Store: src.Store, Metadata: src.Metadata}, &scan.Options{
		SnapshotID: opts.SnapshotID, AsOf: opts.AsOf, Ref: opts.Ref, Columns: []string{},
	})
	if t.view.snap, err = sc.Snapshot(); err != nil {
		return nil, err
	}
	t.view.parts = src.Metadata.PartitionFields()
	t.full = t.def.fields(&t.view)
	base, err := schema.New(0, t.full, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := t.choose(base, opts); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// choose resolves columns and filter.
func (t *Table) choose(base *schema.Schema, opts *Options) error {
	t.out = base
	if opts.Columns != nil {
		out, err := project(base, opts.Columns, opts.CaseInsensitive)
		if err != nil {
			return err
		}
		t.out = out
	}
	used := slices.Clone(t.out.Fields)
	if opts.Filter != nil {
		var err error
		if t.filter, err = expr.Bind(opts.Filter, base, opts.CaseInsensitive); err != nil {
			return fmt.Errorf("filter: %w", err)
		}
		t.paths = make(map[int][]int)
		for _, id := range t.filter.FieldIDs() {
			t.paths[id] = base.StructPath(id) // Bind refuses what is not reached so
			used = append(used, base.Fields[t.paths[id][0]])
		}
	}
	t.view.stats = slices.ContainsFunc(used, wantsStats)
	return nil
}

// wantsStats reports whether a column needs column statistics to be decoded.
func wantsStats(f schema.Field) bool {
	switch f.Name {
	case "column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds", "readable_metrics":
		return true
	case "data_file":
		return slices.ContainsFunc(f.Type.Fields, wantsStats)
	}
	return false
}

// project returns the schema of chosen columns.
func project(base *schema.Schema, columns []string, fold bool) (*schema.Schema, error) {
	if fold {
		columns = slices.Clone(columns)
		for i, name := range columns {
			f, err := base.FieldByNameFold(name)
			if err != nil {
				return nil, err
			}
			columns[i] = base.Path(f.ID)
		}
	}
	return base.Select(columns)
}

// Schema returns the columns.
func (t *Table) Schema() *schema.Schema { return t.out }

// Rows yields the rows; each is valid for good.
func (t *Table) Rows(ctx context.Context) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		v := t.view
		n := int64(0)
		for row, err := range t.def.rows(ctx, &v) {
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", t.def.name, err))
				return
			}
			if t.filter != nil && !t.filter.EvalRow(func(id int) any { return valueAt(row, t.paths[id]) }) {
				continue
			}
			if !yield(pruned(row, t.full, t.out.Fields), nil) {
				return
			}
			if n++; n == t.limit {
				return
			}
		}
	}
}

// batchRows is how many rows a batch has.
const batchRows = 1024

// Batches yields the rows as Arrow batches, which are the caller's for the time
// of the step. A nil allocator is Go's.
func (t *Table) Batches(ctx context.Context, mem memory.Allocator) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		rows := make([]schema.Row, 0, batchRows)
		flush := func() bool {
			b, err := schema.RowsToBatch(t.out, rows, mem)
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", t.def.name, err))
				return false
			}
			defer b.Release()
			rows = rows[:0]
			return yield(b, nil)
		}
		for row, err := range t.Rows(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if rows = append(rows, row); len(rows) == batchRows && !flush() {
				return
			}
		}
		if len(rows) > 0 {
			flush()
		}
	}
}

// valueAt follows indexes into structs.
func valueAt(row schema.Row, path []int) any {
	v := row[path[0]]
	for _, i := range path[1:] {
		r, ok := v.(schema.Row)
		if !ok {
			return nil
		}
		v = r[i]
	}
	return v
}

// pruned returns a row of the chosen fields.
func pruned(row schema.Row, from, to []schema.Field) schema.Row {
	out := make(schema.Row, len(to))
	for i := range to {
		j := slices.IndexFunc(from, func(f schema.Field) bool { return f.ID == to[i].ID })
		out[i] = prunedValue(row[j], &from[j].Type, &to[i].Type)
	}
	return out
}

func prunedValue(v any, from, to *schema.Type) any {
	switch x := v.(type) {
	case schema.Row:
		return pruned(x, from.Fields, to.Fields)
	case []any:
		if from.Kind == schema.KindList && from.Fields[0].Type.Kind == schema.KindStruct {
			out := make([]any, len(x))
			for i := range x {
				out[i] = prunedValue(x[i], &from.Fields[0].Type, &to.Fields[0].Type)
			}
			return out
		}
	}
	return v
}
