package metadata

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// PartitionFields returns the fields of all specs in order of their field ids
// (spec: "Partition Statistics File", unified tuple), with names as the newest
// spec has them and types of the newest one that is not void. Fields whose
// source column is no more are left out, as Iceberg Java does. Of two fields
// with one name the later gets its id after it.
func (t *Table) PartitionFields() []schema.Field {
	var fields []schema.Field
	current := t.CurrentSchema()
	specs := slices.Clone(t.Specs)
	slices.SortFunc(specs, func(a, b partition.Spec) int { return cmp.Compare(b.ID, a.ID) })
	void := make(map[int]bool)
	for _, spec := range specs {
		types := t.PartitionTypes(spec.ID)
		for i, f := range spec.Fields {
			if current == nil || !slices.ContainsFunc(f.SourceIDs, func(id int) bool { _, ok := current.FieldByID(id); return ok }) {
				continue
			}
			isVoid := f.Transform.Kind == partition.VoidTransform
			j := slices.IndexFunc(fields, func(g schema.Field) bool { return g.ID == f.FieldID })
			if j < 0 {
				fields = append(fields, schema.Field{ID: f.FieldID, Name: f.Name, Type: types[i]})
				void[f.FieldID] = isVoid
			} else if void[f.FieldID] && !isVoid {
				fields[j].Type, void[f.FieldID] = types[i], false
			}
		}
	}
	slices.SortFunc(fields, func(a, b schema.Field) int { return cmp.Compare(a.ID, b.ID) })
	for i := range fields {
		for j := range fields[:i] {
			if fields[j].Name == fields[i].Name {
				fields[i].Name = fmt.Sprintf("%s_%d", fields[i].Name, fields[i].ID)
			}
		}
	}
	return fields
}
