package inspect

import (
	"slices"
	"strings"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// metricColumn is a primitive column of the table with its place in
// readable_metrics.
type metricColumn struct {
	id   int
	name string
	typ  schema.Type
}

// readableMetrics returns the column readable_metrics: for every primitive
// column, by dotted name, its statistics in the column's own type.
func (v *view) readableMetrics() schema.Field {
	s := v.src.Metadata.CurrentSchema()
	v.metrics = nil
	var walk func(fields []schema.Field)
	walk = func(fields []schema.Field) {
		for i := range fields {
			switch f := &fields[i]; {
			case f.Type.Kind == schema.KindVariant:
			case f.Type.IsNested():
				walk(f.Type.Fields)
			default:
				v.metrics = append(v.metrics, metricColumn{f.ID, s.Path(f.ID), f.Type})
			}
		}
	}
	walk(s.Fields)
	slices.SortFunc(v.metrics, func(a, b metricColumn) int { return strings.Compare(a.name, b.name) })
	columns := make([]schema.Field, len(v.metrics))
	for i, c := range v.metrics {
		columns[i] = v.field(c.name, schema.Struct(
			v.field("column_size", schema.Long), v.field("value_count", schema.Long), v.field("null_value_count", schema.Long),
			v.field("nan_value_count", schema.Long), v.field("lower_bound", c.typ), v.field("upper_bound", c.typ)))
	}
	return v.field("readable_metrics", schema.Struct(columns...))
}

func (v *view) metricsRow(f *manifest.DataFile) any {
	if !v.stats {
		return nil
	}
	out := make(schema.Row, len(v.metrics))
	for i, c := range v.metrics {
		row := schema.Row{nil, nil, nil, nil, decoded(c.typ, f.Lower, c.id), decoded(c.typ, f.Upper, c.id)}
		for k, counts := range []manifest.Counts{f.ColumnSizes, f.ValueCounts, f.NullCounts, f.NaNCounts} {
			if n, ok := counts.Get(c.id); ok {
				row[k] = n
			}
		}
		out[i] = row
	}
	return out
}

// decoded returns a bound, nil when there is none that can be told.
func decoded(t schema.Type, b manifest.Bounds, id int) any {
	switch t.Kind {
	case schema.KindGeometry, schema.KindGeography, schema.KindUnknown:
		return nil // bounds of geometries are corners, not values
	}
	raw, ok := b.Get(id)
	if !ok {
		return nil
	}
	x, err := schema.DecodeBound(t, raw)
	if err != nil {
		return nil
	}
	return x
}
