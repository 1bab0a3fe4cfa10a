package scan

import (
	"fmt"
	"math"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// column is a column one of the cursors reads; output says that it is part of
// the result.
type column struct {
	field  schema.Field
	output bool
}

func fieldsOf(cols []column) []schema.Field {
	out := make([]schema.Field, len(cols))
	for i := range cols {
		out[i] = cols[i].field
	}
	return out
}

// leafUse is a primitive column in column col of the first cursor.
type leafUse struct {
	leaf leaf
	col  int
}

// layout says which columns of a file are read by which cursor, and what becomes
// of them.
type layout struct {
	first, second []column
	filter        []leafUse
	// keys are the first cursor's columns that have the leaves of a table.
	keys    map[*equality][]int
	outputs []output
	// constants are the values of identity partition fields.
	constants map[int]any
}

// output says where a column of the result comes from: a column of a cursor, or
// a metadata column, which may also have stored values (row lineage).
type output struct {
	field  schema.Field
	first  int // index, -1 not from it
	second int
}

func newLayout(r *fileReader) (layout, error) {
	l := layout{keys: make(map[*equality][]int)}
	if r.v.filter != nil {
		for _, id := range r.v.filter.FieldIDs() {
			lf, ok := leafOf(r.v.base, id)
			if !ok {
				return l, fmt.Errorf("filter: field id %d cannot be filtered on", id)
			}
			l.filter = append(l.filter, leafUse{lf, l.addFirst(lf.root)})
		}
	}
	for _, t := range r.dead.tables {
		l.addKeys(t.equality)
	}
	if r.only != nil {
		for _, t := range r.only.tables {
			l.addKeys(t.equality)
		}
	}
	lineage := r.ft.Data.File.FirstRowID != nil
	for _, f := range r.v.out.Fields {
		o := output{field: f, first: -1, second: -1}
		switch f.ID {
		case schema.IDFilePath, schema.IDPos, schema.IDSpecID, schema.IDPartition:
		case schema.IDRowID, schema.IDLastUpdatedSequence:
			if lineage {
				f.Required = false
				o.second = l.addSecond(f)
			}
		default:
			if o.first = l.find(f); o.first >= 0 {
				l.first[o.first].output = true
			} else {
				o.second = l.addSecond(f)
			}
		}
		l.outputs = append(l.outputs, o)
	}
	l.constants = identityValues(r.v, r.ft)
	return l, nil
}

func (l *layout) addKeys(t *equality) {
	if _, done := l.keys[t]; done {
		return
	}
	at := make([]int, len(t.leaves))
	for i, lf := range t.leaves {
		at[i] = l.addFirst(lf.root)
	}
	l.keys[t] = at
}

// find returns the first cursor's column that can stand for f in the result.
func (l *layout) find(f schema.Field) int {
	for i := range l.first {
		g := &l.first[i].field
		if g.ID == f.ID && !f.Type.IsNested() && g.Type.Equal(f.Type) {
			return i
		}
	}
	return -1
}

func (l *layout) addFirst(f schema.Field) int {
	if i := l.find(f); i >= 0 {
		return i
	}
	l.first = append(l.first, column{field: f})
	return len(l.first) - 1
}

func (l *layout) addSecond(f schema.Field) int {
	l.second = append(l.second, column{field: f, output: true})
	return len(l.second) - 1
}

// identityValues returns the values that a file's partition gives to columns the
// file may lack (spec: "Column Projection"). A null of the partition is a value:
// no default takes its place.
func identityValues(v *view, ft *FileTask) map[int]any {
	df := ft.Data.File
	spec, ok := v.src.Metadata.Spec(df.SpecID)
	if !ok {
		return nil
	}
	var out map[int]any
	for i, f := range spec.Fields {
		if f.Transform.Kind != partition.IdentityTransform || len(f.SourceIDs) != 1 || i >= len(df.Partition) {
			continue
		}
		if out == nil {
			out = make(map[int]any)
		}
		id := f.SourceIDs[0]
		out[id] = df.Partition[i]
		if c, ok := v.base.FieldByID(id); ok {
			out[id] = fit(c.Type, df.Partition[i])
		}
	}
	return out
}

// fit converts a value between the types of a promotion.
func fit(t schema.Type, v any) any {
	switch x := v.(type) {
	case int32:
		switch t.Kind {
		case schema.KindLong:
			return int64(x)
		case schema.KindTimestamp:
			return int64(x) * 86_400_000_000
		case schema.KindTimestampNs:
			return int64(x) * 86_400_000_000_000
		}
	case int64:
		if t.Kind == schema.KindInt && x >= math.MinInt32 && x <= math.MaxInt32 {
			return int32(x)
		}
	case float32:
		if t.Kind == schema.KindDouble {
			return float64(x)
		}
	case float64:
		if t.Kind == schema.KindFloat {
			return float32(x)
		}
	}
	return v
}
