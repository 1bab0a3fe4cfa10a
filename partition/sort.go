package partition

import (
	"fmt"
	"slices"

	"github.com/frazildb/frazil/schema"
)

// Unsorted returns sort order 0.
func Unsorted() SortOrder { return SortOrder{} }

// Asc returns an ascending sort field by a column's value, nulls first.
func Asc(column string) SortField {
	return SortField{Column: column, Transform: Transform{Kind: IdentityTransform}, NullsFirst: true}
}

// Desc returns a descending sort field by a column's value, nulls last.
func Desc(column string) SortField {
	return SortField{Column: column, Transform: Transform{Kind: IdentityTransform}, Descending: true}
}

// BindSort resolves the columns of fields against a schema. The id is that of an
// equivalent existing order, else the next free one; without fields it is 0.
func BindSort(fields []SortField, s *schema.Schema, existing []SortOrder) (SortOrder, error) {
	if len(fields) == 0 {
		return Unsorted(), nil
	}
	order := SortOrder{ID: 1}
	for _, f := range fields {
		id, path, src, err := resolveSource(f.Column, f.SourceIDs, s)
		if err != nil {
			return SortOrder{}, fmt.Errorf("sort field %s: %w", f.Column, err)
		}
		if f.Transform.Kind == 0 {
			f.Transform.Kind = IdentityTransform
		}
		if _, err := f.Transform.ResultType(src); err != nil {
			return SortOrder{}, fmt.Errorf("sort field on column %s: %w", path, err)
		}
		f.SourceIDs, f.Column = []int{id}, ""
		order.Fields = append(order.Fields, f)
	}
	for _, e := range existing {
		if e.Equivalent(order) {
			return e, nil
		}
		order.ID = max(order.ID, e.ID+1)
	}
	return order, nil
}

// IsUnsorted reports whether the order has no fields.
func (o SortOrder) IsUnsorted() bool { return len(o.Fields) == 0 }

// Equivalent reports whether two orders have the same fields.
func (o SortOrder) Equivalent(p SortOrder) bool {
	return slices.EqualFunc(o.Fields, p.Fields, func(a, b SortField) bool {
		return a.Transform == b.Transform && slices.Equal(a.SourceIDs, b.SourceIDs) &&
			a.Descending == b.Descending && a.NullsFirst == b.NullsFirst
	})
}
