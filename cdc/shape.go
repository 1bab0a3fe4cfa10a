package cdc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/frazildb/frazil/schema"
)

// ErrIncompatible means that a column's values changed to a type that the
// table's column cannot hold. Test with errors.Is.
var ErrIncompatible = errors.New("incompatible column type")

// Column is a column of a source table.
type Column struct {
	Name string
	// Type is the Iceberg type that holds every value of the column without loss.
	Type schema.Type
	// SourceType names the type at the source ("BIGINT UNSIGNED",
	// "io.debezium.time.Date"), for messages and documentation.
	SourceType string
	// NotNull is what the source declares. Only key columns are guaranteed to
	// hold no nulls in batches: other columns may, for instance where a zero date
	// has no counterpart.
	NotNull bool
	// HasDefault tells that rows which lack the column have Default in it. That
	// matters for a column added in the middle of a stream: rows that are there
	// already take it, without an event.
	HasDefault bool
	// Default is the value of HasDefault as described at [schema.Row]; nil is null.
	Default any
	// RenamedFrom is the name that the column had in the shape before, empty when
	// it was not renamed.
	RenamedFrom string
}

// Shape is the definition of a source table at one point of the stream. A Shape
// is never changed after it was made; a schema change makes another one.
type Shape struct {
	// Columns in the source's order.
	Columns []Column
	// Key names the key columns, empty for a table without a key.
	Key []string
	// Version names the schema change that made the shape, empty where the stream
	// does not tell. It is kept in the committed positions under [VersionStream].
	Version string
	// Inferred tells that types were guessed from values.
	Inferred bool
}

// Index returns the position of a column, -1 when there is none.
func (s *Shape) Index(name string) int {
	for i := range s.Columns {
		if s.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// KeyIndexes returns the positions of the key columns.
func (s *Shape) KeyIndexes() ([]int, error) {
	out := make([]int, len(s.Key))
	for i, name := range s.Key {
		if out[i] = s.Index(name); out[i] < 0 {
			return nil, fmt.Errorf("key column %q is not among the columns %s", name, s.names())
		}
	}
	return out, nil
}

// Fields returns the columns as table fields without ids: key columns required,
// defaults set.
func (s *Shape) Fields() []schema.Field {
	out := make([]schema.Field, len(s.Columns))
	for i, c := range s.Columns {
		out[i] = schema.Field{Name: c.Name, Type: c.Type, Required: slices.Contains(s.Key, c.Name)}
		if c.HasDefault {
			out[i].InitialDefault, out[i].WriteDefault = c.Default, c.Default
		}
	}
	return out
}

func (s *Shape) names() string {
	names := make([]string, len(s.Columns))
	for i := range s.Columns {
		names[i] = s.Columns[i].Name
	}
	return strings.Join(names, ", ")
}

// SameColumns reports whether both shapes have the same names and types in the
// same order, and the same key columns in any order.
func (s *Shape) SameColumns(o *Shape) bool {
	if s == o {
		return true
	}
	if s == nil || o == nil || len(s.Columns) != len(o.Columns) || len(s.Key) != len(o.Key) {
		return false
	}
	for _, k := range s.Key {
		if !slices.Contains(o.Key, k) {
			return false
		}
	}
	for i := range s.Columns {
		a, b := &s.Columns[i], &o.Columns[i]
		if a.Name != b.Name || !sameType(a.Type, b.Type) {
			return false
		}
	}
	return true
}

// Reconcile returns the shape that a table must have so that it takes rows of
// next, when it has the columns of have. A type that have is wider in is kept, one
// that next is wider in is widened. Columns that next lacks are dropped when they
// were in prev, the shape of the stream before (nil when it is not known), and
// kept when they are not the stream's. A type that fits neither way is
// ErrIncompatible, naming the column.
func Reconcile(have, prev, next *Shape) (*Shape, error) {
	if have == nil {
		return next, nil
	}
	out := *next
	out.Columns = slices.Clone(next.Columns)
	for i := range out.Columns {
		c := &out.Columns[i]
		was := have.Index(c.Name)
		if was < 0 && c.RenamedFrom != "" {
			was = have.Index(c.RenamedFrom)
		}
		if was < 0 {
			continue
		}
		t, ok := widest(have.Columns[was].Type, c.Type)
		if !ok {
			return nil, fmt.Errorf("column %q: %s cannot become %s (source type %s): %w",
				c.Name, have.Columns[was].Type, c.Type, c.SourceType, ErrIncompatible)
		}
		c.Type = t
	}
	for _, c := range have.Columns {
		if out.Index(c.Name) < 0 && !out.renames(c.Name) && (prev == nil || next.Inferred || prev.Index(c.Name) < 0) {
			out.Columns = append(out.Columns, c)
		}
	}
	if next.Inferred {
		out.orderAs(have)
	}
	if len(next.Key) == 0 {
		// A stream without keys does not take away the key that a table was given.
		out.Key = have.Key
	}
	return &out, nil
}

func (s *Shape) renames(old string) bool {
	return slices.ContainsFunc(s.Columns, func(c Column) bool { return c.RenamedFrom == old })
}

// orderAs puts the columns in the order that they have in o, new ones last.
func (s *Shape) orderAs(o *Shape) {
	place := func(c Column) int {
		if i := o.Index(c.Name); i >= 0 {
			return i
		}
		return len(o.Columns)
	}
	slices.SortStableFunc(s.Columns, func(a, b Column) int { return place(a) - place(b) })
}

// widest returns the type that holds values of both, where a table's column of
// type have may become it (spec: "Schema Evolution").
func widest(have, next schema.Type) (schema.Type, bool) {
	if sameType(have, next) {
		return have, true
	}
	switch {
	case have.Kind == schema.KindInt && next.Kind == schema.KindLong,
		have.Kind == schema.KindFloat && next.Kind == schema.KindDouble:
		return next, true
	case have.Kind == schema.KindLong && next.Kind == schema.KindInt,
		have.Kind == schema.KindDouble && next.Kind == schema.KindFloat:
		return have, true
	case have.Kind == schema.KindDecimal && next.Kind == schema.KindDecimal && have.Scale == next.Scale:
		return schema.Decimal(max(have.Precision, next.Precision), have.Scale), true
	case isBoolInt(have, next), isBoolInt(next, have):
		// MySQL's BOOLEAN is TINYINT(1); which of the two a stream says depends on
		// where the connector read the definition.
		return have, true
	case have.Kind == schema.KindDouble && next.Kind == schema.KindLong:
		return have, true // only inferred: numbers without and with a fraction
	}
	return schema.Type{}, false
}

func isBoolInt(a, b schema.Type) bool {
	return a.Kind == schema.KindBoolean && b.Kind == schema.KindInt
}

// sameType compares types by structure and names, not by field ids.
func sameType(a, b schema.Type) bool {
	if a.Kind != b.Kind || a.Precision != b.Precision || a.Scale != b.Scale ||
		a.Length != b.Length || len(a.Fields) != len(b.Fields) {
		return false
	}
	for i := range a.Fields {
		if a.Fields[i].Name != b.Fields[i].Name || !sameType(a.Fields[i].Type, b.Fields[i].Type) {
			return false
		}
	}
	return true
}

// ShapeOf returns the shape of a table's schema, for a [TableSink] that opens an
// existing table.
func ShapeOf(s *schema.Schema) *Shape {
	out := &Shape{Columns: make([]Column, len(s.Fields))}
	for i, f := range s.Fields {
		out.Columns[i] = Column{Name: f.Name, Type: f.Type, NotNull: f.Required}
		if f.WriteDefault != nil {
			out.Columns[i].HasDefault, out.Columns[i].Default = true, f.WriteDefault
		}
		if slices.Contains(s.IdentifierFieldIDs, f.ID) {
			out.Key = append(out.Key, f.Name)
		}
	}
	return out
}

// guessable tells whether a guessed type may become another before the table is
// made of it.
func guessable(have, next schema.Type) bool {
	return have.Kind == schema.KindLong && next.Kind == schema.KindDouble
}
