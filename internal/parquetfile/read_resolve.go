package parquetfile

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/schema"
)

type columnKind uint8

const (
	columnLeaf columnKind = iota
	columnStruct
	columnList // and map, whose child is a struct of key and value
	columnAbsent
	columnVariant // put together of its one child
)

// fileColumn is a wanted field, or a part of one, as it is found in the file.
//
// A slot of it exists for every level entry of leaf whose repetition level is at
// most rep and whose definition level is at least from; the slot is not null
// if its definition level is at least def.
type fileColumn struct {
	kind           columnKind
	dtype          arrow.DataType
	leaf           *leafReader // of a leaf; else one below, for its levels
	def, rep, from int
	elemDef        int // lists: level from which on there is an element
	elemRep        int // lists: repetition level of a further element
	children       []*fileColumn
	field          schema.Field // of an absent column
	value          any
	cached         arrow.Array
	shreds         *shredWidths
}

// resolver matches wanted fields to the columns of a file.
type resolver struct {
	f      *File
	opts   *ReadOptions
	mem    memory.Allocator
	ids    func(n *node, path []string) (int, bool)
	byName bool // below the top level, for files numbered by position
	leaves []*leafReader
}

func newResolver(f *File, opts *ReadOptions, mem memory.Allocator) *resolver {
	r := &resolver{f: f, opts: opts, mem: mem}
	switch {
	case f.hasIDs:
		r.ids = func(n *node, _ []string) (int, bool) { return int(n.id), n.hasID }
	case opts.NameMapping != nil:
		r.ids = func(_ *node, path []string) (int, bool) { return opts.NameMapping.ID(path...) }
	default:
		r.byName = true
		r.ids = func(n *node, _ []string) (int, bool) {
			return slices.Index(f.root.children, n) + 1, n.parent == f.root
		}
	}
	return r
}

// fields resolves the members of a group.
func (r *resolver) fields(group *node, fields []schema.Field, types []arrow.DataType, path []string) ([]*fileColumn, error) {
	cols := make([]*fileColumn, len(fields))
	for i := range fields {
		c, err := r.field(group, &fields[i], types[i], path)
		if err != nil {
			return nil, err
		}
		cols[i] = c
	}
	return cols, nil
}

func (r *resolver) field(group *node, f *schema.Field, dt arrow.DataType, path []string) (*fileColumn, error) {
	for _, n := range group.children {
		p := append(path[:len(path):len(path)], n.name)
		if r.byName && group != r.f.root {
			if n.name == f.Name {
				return r.column(n, f, dt, p)
			}
		} else if id, ok := r.ids(n, p); ok && id == f.ID {
			return r.column(n, f, dt, p)
		}
	}
	return r.absent(group, f, dt)
}

// absent makes the column of a field the file does not have.
func (r *resolver) absent(group *node, f *schema.Field, dt arrow.DataType) (*fileColumn, error) {
	v, ok := r.opts.Constants[f.ID]
	if !ok {
		v = f.InitialDefault
	}
	if v == nil && f.Required {
		return nil, fmt.Errorf("required field %s (id %d) is not in the file and has no default", f.Name, f.ID)
	}
	c := &fileColumn{kind: columnAbsent, dtype: dt, field: *f, value: v}
	if group != nil {
		c.rep, c.from = group.maxRep, repeatedDef(group)
	}
	return c, nil
}

// repeatedDef returns the definition level of the innermost repeated node at or
// above n: below it there is no slot.
func repeatedDef(n *node) int {
	for ; n != nil && n.parent != nil; n = n.parent {
		if n.repeated() {
			return n.maxDef
		}
	}
	return 0
}

// column resolves a field to a node.
func (r *resolver) column(n *node, f *schema.Field, dt arrow.DataType, path []string) (*fileColumn, error) {
	if f.Type.Kind == schema.KindUnknown {
		return r.absent(n.parent, f, dt)
	}
	if n.repeated() { // an unannotated repeated field is a list of required elements
		if f.Type.Kind != schema.KindList {
			return nil, mismatch(n, f.Type)
		}
		c := &fileColumn{
			kind: columnList, dtype: dt, def: n.maxDef - 1, rep: n.maxRep - 1,
			from: repeatedDef(n.parent), elemDef: n.maxDef, elemRep: n.maxRep,
		}
		return r.element(c, n, n, f, dt, path)
	}
	return r.value(n, f, dt, path)
}

// value resolves a field to a node taken as one value, whether it is repeated or
// not.
func (r *resolver) value(n *node, f *schema.Field, dt arrow.DataType, path []string) (*fileColumn, error) {
	c := &fileColumn{dtype: dt, def: n.maxDef, rep: n.maxRep, from: repeatedDef(n)}
	switch f.Type.Kind {
	case schema.KindStruct:
		if n.leaf >= 0 {
			return nil, mismatch(n, f.Type)
		}
		c.kind = columnStruct
		var err error
		if c.children, err = r.fields(n, f.Type.Fields, fieldTypes(dt), path); err != nil {
			return nil, err
		}
		r.levelsOf(c, n)
		return c, nil
	case schema.KindVariant:
		return r.variant(c, n, f, dt)
	case schema.KindList:
		return r.list(c, n, f, dt, path)
	case schema.KindMap:
		return r.mapping(c, n, f, dt, path)
	}
	if n.leaf < 0 {
		return nil, mismatch(n, f.Type)
	}
	conv, err := convert(n, f.Type)
	if err != nil {
		return nil, err
	}
	c.leaf = r.newLeaf(n)
	c.leaf.conv = conv
	if c.leaf.pages != nil {
		c.leaf.want = f.Type.String()
	}
	return c, nil
}

func fieldTypes(dt arrow.DataType) []arrow.DataType {
	fields := dt.(arrow.NestedType).Fields()
	types := make([]arrow.DataType, len(fields))
	for i, f := range fields {
		types[i] = f.Type
	}
	return types
}

func (r *resolver) newLeaf(n *node) *leafReader {
	l := &leafReader{node: n, mem: r.mem, maxPage: r.f.maxPage, pages: r.opts.Pages}
	l.src.o = r.f.o
	l.levels = n.parent != r.f.root || n.repeated()
	r.leaves = append(r.leaves, l)
	return l
}

// levelsOf gives a nested column a leaf to take its structure from: one that is
// read anyway, else the first below n.
func (r *resolver) levelsOf(c *fileColumn, n *node) {
	for _, k := range c.children {
		if k.kind != columnAbsent {
			c.leaf = k.leaf
			return
		}
	}
	c.leaf = r.newLeaf(n.firstLeaf())
	c.leaf.skip = true
}

// list resolves the forms lists have had: three levels, the older two, and a
// group without annotation.
func (r *resolver) list(c *fileColumn, n *node, f *schema.Field, dt arrow.DataType, path []string) (*fileColumn, error) {
	if n.leaf >= 0 || len(n.children) != 1 || !n.children[0].repeated() ||
		n.logical.kind != annotList && n.logical.kind != annotNone {
		return nil, mismatch(n, f.Type)
	}
	rep := n.children[0]
	c.kind, c.elemDef, c.elemRep = columnList, rep.maxDef, rep.maxRep
	// The older forms leave the middle level out: the repeated node is the
	// element unless it is a group of just one field, and a name tells.
	elem := rep
	if rep.leaf < 0 && len(rep.children) == 1 && !rep.children[0].repeated() &&
		rep.name != "array" && rep.name != n.name+"_tuple" {
		elem = rep.children[0]
	}
	return r.element(c, rep, elem, f, dt, path)
}

// element resolves the element of a list, elem, whose repeated node is rep.
func (r *resolver) element(c *fileColumn, rep, elem *node, f *schema.Field, dt arrow.DataType, path []string) (*fileColumn, error) {
	path = append(path[:len(path):len(path)], "element")
	et := dt.(*arrow.ListType).Elem()
	k, err := r.value(elem, f.Type.Element(), et, path)
	if err != nil {
		return nil, err
	}
	c.children = []*fileColumn{k}
	r.levelsOf(c, rep)
	return c, nil
}

// mapping resolves a map.
func (r *resolver) mapping(c *fileColumn, n *node, f *schema.Field, dt arrow.DataType, path []string) (*fileColumn, error) {
	if n.leaf >= 0 || len(n.children) != 1 || !n.children[0].repeated() || len(n.children[0].children) != 2 {
		return nil, mismatch(n, f.Type)
	}
	kv := n.children[0]
	c.kind, c.elemDef, c.elemRep = columnList, kv.maxDef, kv.maxRep
	mt := dt.(*arrow.MapType)
	pair := &fileColumn{
		kind: columnStruct, dtype: mt.Elem(), def: kv.maxDef, rep: kv.maxRep, from: kv.maxDef,
	}
	for i, part := range []string{"key", "value"} {
		p := append(path[:len(path):len(path)], part)
		t := []arrow.DataType{mt.KeyType(), mt.ItemType()}[i]
		child := kv.children[i]
		if child.repeated() {
			return nil, mismatch(n, f.Type)
		}
		k, err := r.value(child, &f.Type.Fields[i], t, p)
		if err != nil {
			return nil, err
		}
		pair.children = append(pair.children, k)
	}
	r.levelsOf(pair, kv)
	c.children, c.leaf = []*fileColumn{pair}, pair.leaf
	return c, nil
}

// variant resolves a variant.
func (r *resolver) variant(c *fileColumn, n *node, f *schema.Field, dt arrow.DataType) (*fileColumn, error) {
	if n.leaf >= 0 {
		return nil, mismatch(n, f.Type)
	}
	if n.child("typed_value") != nil {
		return r.shredded(c, n)
	}
	c.kind = columnStruct
	for i, part := range []string{"metadata", "value"} {
		child := n.child(part)
		if child == nil || child.repeated() {
			return nil, mismatch(n, f.Type)
		}
		k, err := r.value(child, &schema.Field{Name: part, Type: schema.Binary}, fieldTypes(dt)[i], nil)
		if err != nil {
			return nil, err
		}
		c.children = append(c.children, k)
	}
	r.levelsOf(c, n)
	return c, nil
}
