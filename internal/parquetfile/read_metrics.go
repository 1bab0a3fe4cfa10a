package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// Metrics returns the file's column statistics as far as its footer has them,
// for a file added to a table as it is. Counts and bounds are those of the
// columns of s, matched by field id, in a file without ids by name; mode nil is
// counts and bounds truncated to 16 for all.
func (f *File) Metrics(s *schema.Schema, mode func(fieldID int) MetricsMode) (m manifest.Metrics, err error) {
	defer f.guard(&err)
	ids := f.leafIDs(s)
	for i, n := range f.leaves {
		id := ids[i]
		field, ok := s.FieldByID(id)
		if !ok || field.Type.IsNested() || field.Type.Kind == schema.KindVariant {
			continue
		}
		how := MetricsMode{Counts: true, Bounds: true, Truncate: 16}
		if mode != nil {
			how = mode(id)
		}
		if err := f.columnMetrics(&m, n, field, how); err != nil {
			return m, fmt.Errorf("%s: %w", f.o.URI(), err)
		}
	}
	byID := func(a, b manifest.Count) int { return a.FieldID - b.FieldID }
	slices.SortFunc(m.ColumnSizes, byID)
	slices.SortFunc(m.ValueCounts, byID)
	slices.SortFunc(m.NullCounts, byID)
	boundByID := func(a, b manifest.Bound) int { return a.FieldID - b.FieldID }
	slices.SortFunc(m.Lower, boundByID)
	slices.SortFunc(m.Upper, boundByID)
	return m, nil
}

// leafIDs returns the field id of each column, 0 for none.
func (f *File) leafIDs(s *schema.Schema) []int {
	ids := make([]int, len(f.leaves))
	if f.hasIDs {
		for i, n := range f.leaves {
			if n.hasID {
				ids[i] = int(n.id)
			}
		}
		return ids
	}
	m := schema.MappingFor(s)
	var walk func(n *node, path []string)
	walk = func(n *node, path []string) {
		if n.leaf >= 0 {
			if id, ok := m.ID(path...); ok {
				ids[n.leaf] = id
			}
			return
		}
		nested := n != f.root && (n.logical.kind == annotList || n.logical.kind == annotMap) &&
			len(n.children) == 1 && n.children[0].repeated()
		if !nested {
			for _, c := range n.children {
				walk(c, append(path[:len(path):len(path)], c.name))
			}
			return
		}
		rep := n.children[0]
		switch {
		case n.logical.kind == annotMap && len(rep.children) == 2:
			walk(rep.children[0], append(path[:len(path):len(path)], "key"))
			walk(rep.children[1], append(path[:len(path):len(path)], "value"))
		case n.logical.kind == annotList && len(rep.children) == 1:
			walk(rep.children[0], append(path[:len(path):len(path)], "element"))
		}
	}
	walk(f.root, nil)
	return ids
}

func (f *File) columnMetrics(m *manifest.Metrics, n *node, field *schema.Field, how MetricsMode) error {
	size, values, nulls := int64(0), int64(0), int64(0)
	var lower, upper any
	bounds := how.Bounds && n.maxRep == 0 && field.Type.Kind != schema.KindGeometry && field.Type.Kind != schema.KindGeography
	for g := range f.meta.groups {
		c := &f.meta.groups[g].chunks[n.leaf]
		size += c.compressed
		values += c.values
		if c.stats.nulls < 0 || nulls < 0 {
			nulls = -1
		} else {
			nulls += c.stats.nulls
		}
		if !bounds || c.values == 0 || c.stats.nulls == c.values {
			continue
		}
		lo, hi := c.stats.bounds(n)
		l, okL := statValue(n, field.Type, lo)
		u, okU := statValue(n, field.Type, hi)
		if bounds = okL && okU; !bounds {
			continue
		}
		if lower == nil || schema.Compare(field.Type, l, lower) < 0 {
			lower = l
		}
		if upper == nil || schema.Compare(field.Type, u, upper) > 0 {
			upper = u
		}
	}
	m.ColumnSizes = append(m.ColumnSizes, manifest.Count{FieldID: field.ID, N: size})
	if how.Counts {
		m.ValueCounts = append(m.ValueCounts, manifest.Count{FieldID: field.ID, N: values})
		if nulls >= 0 {
			m.NullCounts = append(m.NullCounts, manifest.Count{FieldID: field.ID, N: nulls})
		}
	}
	if !bounds || lower == nil || upper == nil {
		return nil
	}
	return addBounds(m, field, lower, upper, how.Truncate)
}

func addBounds(m *manifest.Metrics, field *schema.Field, lower, upper any, truncate int) error {
	t := field.Type
	switch v := lower.(type) { // zeros have one order in bounds
	case float32:
		if v == 0 {
			lower = float32(math.Copysign(0, -1))
		}
		if upper == float32(0) {
			upper = float32(0)
		}
	case float64:
		if v == 0 {
			lower = math.Copysign(0, -1)
		}
		if upper == float64(0) {
			upper = float64(0)
		}
	}
	hasUpper := true
	if truncate > 0 {
		lower = schema.TruncateLower(t, lower, truncate)
		upper, hasUpper = schema.TruncateUpper(t, upper, truncate)
	}
	b, err := schema.EncodeBound(t, lower)
	if err != nil {
		return fmt.Errorf("lower bound of %s: %w", field.Name, err)
	}
	m.Lower = append(m.Lower, manifest.Bound{FieldID: field.ID, Value: b})
	if !hasUpper {
		return nil
	}
	if b, err = schema.EncodeBound(t, upper); err != nil {
		return fmt.Errorf("upper bound of %s: %w", field.Name, err)
	}
	m.Upper = append(m.Upper, manifest.Bound{FieldID: field.ID, Value: b})
	return nil
}

// statValue turns a bound of a column's physical type into a value of type t.
func statValue(n *node, t schema.Type, b []byte) (any, bool) {
	if b == nil {
		return nil, false
	}
	conv, err := convert(n, t)
	if err != nil {
		return nil, false
	}
	if conv.width == 0 {
		if t.Kind == schema.KindString {
			return string(b), true
		}
		return slices.Clone(b), true
	}
	w := make([]byte, max(conv.width, 16))[:conv.width]
	switch {
	case n.typ == format.ByteArray:
		err = conv.bytes(w, b, []int32{0, int32(len(b))})
	case len(b) != n.width():
		return nil, false
	case conv.fixed != nil:
		err = conv.fixed(w, slices.Clone(b))
	default:
		copy(w, b)
	}
	if err != nil {
		return nil, false
	}
	le := binary.LittleEndian
	switch t.Kind {
	case schema.KindBoolean:
		return w[0] != 0, true
	case schema.KindInt, schema.KindDate:
		return int32(le.Uint32(w)), true
	case schema.KindFloat:
		return math.Float32frombits(le.Uint32(w)), true
	case schema.KindDouble:
		return math.Float64frombits(le.Uint64(w)), true
	case schema.KindDecimal:
		return decimal128.New(int64(le.Uint64(w[8:])), le.Uint64(w)), true
	case schema.KindUUID:
		return [16]byte(w), true
	case schema.KindFixed:
		return w, true
	}
	return int64(le.Uint64(w)), true
}
