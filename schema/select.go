package schema

import (
	"fmt"
	"slices"
)

// Select returns the projection of a schema on the named columns, in the order
// given; nested columns are named as FieldByName takes them and come with the
// structs around them, placed where the first of them was named. Selecting a
// column selects all below it; of a map the key is always kept. The result has
// the schema's id, and its identifiers if all of them were selected. An
// unknown name is an error that lists similar ones.
func (s *Schema) Select(names []string) (*Schema, error) {
	ix := s.lookup()
	tops := make(map[int]*selection)
	var order []int
	for _, name := range names {
		f, ok := s.FieldByName(name)
		if !ok {
			return nil, s.UnknownColumn(name)
		}
		var path []int // from the top-level column down to f
		for id := f.ID; id != 0; id = ix.byID[id].parent {
			path = append(path, id)
		}
		slices.Reverse(path)
		if _, seen := tops[path[0]]; !seen {
			tops[path[0]] = &selection{}
			order = append(order, path[0])
		}
		tops[path[0]].add(path[1:])
	}
	fields := make([]Field, len(order))
	for i, id := range order {
		fields[i] = tops[id].prune(*ix.byID[id].field)
	}
	out, err := New(s.ID, fields, nil)
	if err != nil {
		return nil, fmt.Errorf("select: %w", err)
	}
	for _, id := range s.IdentifierFieldIDs {
		if _, ok := out.FieldByID(id); !ok {
			return out, nil
		}
	}
	out.IdentifierFieldIDs = s.IdentifierFieldIDs
	return out, nil
}

// selection is the part of a field that is selected: all of it, or some of
// its children in the order they were named.
type selection struct {
	all      bool
	order    []int
	children map[int]*selection
}

func (n *selection) add(path []int) {
	if len(path) == 0 {
		n.all = true
		return
	}
	c, ok := n.children[path[0]]
	if !ok {
		if n.children == nil {
			n.children = make(map[int]*selection)
		}
		c = &selection{}
		n.children[path[0]] = c
		n.order = append(n.order, path[0])
	}
	c.add(path[1:])
}

func (n *selection) prune(f Field) Field {
	if n.all || len(n.order) == 0 {
		return f
	}
	byID := func(id int) Field {
		for _, c := range f.Type.Fields {
			if c.ID == id {
				return c
			}
		}
		return Field{}
	}
	var kept []Field
	switch f.Type.Kind {
	case KindStruct:
		for _, id := range n.order {
			kept = append(kept, n.children[id].prune(byID(id)))
		}
	default:
		kept = slices.Clone(f.Type.Fields)
		for i := range kept {
			if c, ok := n.children[kept[i].ID]; ok && kept[i].Name != "key" {
				kept[i] = c.prune(kept[i])
			}
		}
	}
	f.Type.Fields = kept
	return f
}
