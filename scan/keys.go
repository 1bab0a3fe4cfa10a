package scan

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
)

// leaf is a column or member of structs: the top-level column it is in, pruned
// to it, and how many structs to go down.
type leaf struct {
	root  schema.Field
	depth int
	field schema.Field // the member itself
}

// leafOf returns a column of s by id; false if there is none that has one value
// a row.
func leafOf(s *schema.Schema, id int) (leaf, bool) {
	f, ok := s.FieldByID(id)
	if !ok {
		return leaf{}, false
	}
	l := leaf{root: *f, field: *f}
	for p := s.ParentID(id); p != 0; p = s.ParentID(p) {
		up, ok := s.FieldByID(p)
		if !ok || up.Type.Kind != schema.KindStruct {
			return leaf{}, false
		}
		root := *up
		root.Type = schema.Struct(l.root)
		l.root = root
		l.depth++
	}
	return l, true
}

// keyLeaf returns the column of an equality delete: as in the latest schema that
// has it, which may be dropped since, with the widest type it ever had.
func keyLeaf(t *metadata.Table, id int) (leaf, error) {
	var l leaf
	found := false
	for _, s := range t.Schemas {
		m, ok := leafOf(s, id)
		if !ok || m.field.Type.IsNested() {
			continue
		}
		if found && !l.field.Type.Equal(m.field.Type) && !schema.CanPromote(l.field.Type, m.field.Type, 3) {
			m.setType(l.field.Type)
		}
		l, found = m, true
	}
	if !found {
		return leaf{}, fmt.Errorf("equality deletes on field id %d, which no schema of the table has", id)
	}
	l.setOptional()
	return l, nil
}

// setType changes the primitive's type.
func (l *leaf) setType(t schema.Type) {
	l.field.Type = t
	l.root = rebuild(l.root, l.depth, func(f *schema.Field) {
		if !f.Type.IsNested() {
			f.Type = t
		}
	})
}

// setOptional lets every level be null.
func (l *leaf) setOptional() {
	l.field.Required = false
	l.root = rebuild(l.root, l.depth, func(f *schema.Field) { f.Required = false })
}

func rebuild(f schema.Field, depth int, change func(*schema.Field)) schema.Field {
	if depth > 0 {
		f.Type = schema.Struct(rebuild(f.Type.Fields[0], depth-1, change))
	}
	change(&f)
	return f
}

// extract returns the primitive column in an array of l.root; the caller
// releases it.
func (l *leaf) extract(a arrow.Array) (arrow.Array, error) {
	a.Retain()
	for range l.depth {
		st, ok := a.(*array.Struct)
		if !ok || st.NumField() != 1 {
			a.Release()
			return nil, fmt.Errorf("column %q: %s is not a struct of one", l.root.Name, a.DataType())
		}
		child := st.Field(0)
		child.Retain()
		if st.NullN() > 0 {
			masked := maskNulls(child, st)
			child.Release()
			child = masked
		}
		a.Release()
		a = child
	}
	return a, nil
}

// extractAll extracts the leaves from their top-level columns.
func extractAll(leaves []leaf, root func(i int) arrow.Array) ([]arrow.Array, error) {
	cols := make([]arrow.Array, 0, len(leaves))
	for i := range leaves {
		a, err := leaves[i].extract(root(i))
		if err != nil {
			releaseAll(cols)
			return nil, err
		}
		cols = append(cols, a)
	}
	return cols, nil
}

func releaseAll(arrays []arrow.Array) {
	for _, a := range arrays {
		if a != nil {
			a.Release()
		}
	}
}

// maskNulls returns a with nulls where parent has them.
func maskNulls(a, parent arrow.Array) arrow.Array {
	if a.DataType().ID() == arrow.NULL {
		a.Retain()
		return a
	}
	d := a.Data()
	n := d.Offset() + d.Len()
	valid := memory.NewResizableBuffer(memory.DefaultAllocator)
	valid.Resize(int(bitutil.BytesForBits(int64(n))))
	defer valid.Release()
	bits := valid.Bytes()
	clear(bits)
	nulls := 0
	for i := range d.Len() {
		if a.IsNull(i) || parent.IsNull(i) {
			nulls++
		} else {
			bitutil.SetBit(bits, d.Offset()+i)
		}
	}
	buffers := append([]*memory.Buffer{valid}, d.Buffers()[1:]...)
	out := array.NewData(d.DataType(), d.Len(), buffers, d.Children(), nulls, d.Offset())
	defer out.Release()
	return array.MakeFromData(out)
}
