package main

import (
	"context"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// aggregate prints one row: the least values of some columns, the greatest of
// others, and the number of rows if asked for.
func (e *env) aggregate(ctx context.Context, form string, sc *scan.Scan, r *readFlags) error {
	if r.limit > 0 {
		return usagef("--limit goes with rows, not with --min and --max")
	}
	a, err := sc.Aggregate(ctx, append(append([]string{}, r.min...), r.max...)...)
	if err != nil {
		return err
	}
	var fields []schema.Field
	var row schema.Row
	add := func(name string, t schema.Type, v any) {
		fields = append(fields, schema.Field{ID: len(fields) + 1, Name: name, Type: t})
		row = append(row, v)
	}
	if r.count {
		add("rows", schema.Long, a.Rows)
	}
	for i, c := range a.Columns {
		if i < len(r.min) {
			add("min("+c.Name+")", c.Type, c.Min)
		} else {
			add("max("+c.Name+")", c.Type, c.Max)
		}
	}
	s, err := schema.New(0, fields, nil)
	if err != nil {
		return usagef("--min, --max: %w", err) // a column given twice
	}
	e.note("%d of %d files read", a.FilesRead, a.FilesTotal)
	return e.printRows(ctx, form, s, []schema.Row{row})
}

// countPartitions prints the number of rows of every partition.
func (e *env) countPartitions(ctx context.Context, form string, m *metadata.Table, sc *scan.Scan) error {
	counts, err := sc.CountPartitions(ctx)
	if err != nil {
		return err
	}
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "partition", Type: schema.String}, schema.Field{ID: 2, Name: "spec_id", Type: schema.Int},
		schema.Field{ID: 3, Name: "rows", Type: schema.Long}, schema.Field{ID: 4, Name: "files", Type: schema.Long})
	rows := make([]schema.Row, len(counts))
	for i, c := range counts {
		name := ""
		if spec, ok := m.Spec(c.SpecID); ok {
			name = spec.Path(m.CurrentSchema(), c.Partition)
		}
		rows[i] = schema.Row{name, int32(c.SpecID), c.Rows, c.Files}
	}
	return e.printRows(ctx, form, s, rows)
}
