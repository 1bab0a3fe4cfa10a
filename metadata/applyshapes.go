package metadata

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// cloneEncodings makes the kept encodings the applier's own.
func (a *applier) cloneEncodings() *encodings {
	if !a.encCloned {
		e := a.t.encodings()
		own := newEncodings()
		maps.Copy(own.schemas, e.schemas)
		maps.Copy(own.specs, e.specs)
		maps.Copy(own.orders, e.orders)
		a.t.enc = own
		a.encCloned = true
	}
	return a.t.enc
}

func (a *applier) addSchema(s *schema.Schema) error {
	t := a.t
	if s == nil {
		return errors.New("no schema")
	}
	if err := schema.Validate(s, t.FormatVersion); err != nil {
		return err
	}
	next := 0
	for _, have := range t.Schemas {
		next = max(next, have.ID+1)
	}
	t.LastColumnID = max(t.LastColumnID, s.HighestFieldID())
	for _, have := range t.Schemas {
		if have.Equal(s) && slices.Equal(have.IdentifierFieldIDs, s.IdentifierFieldIDs) {
			a.lastSchema = have.ID
			return nil
		}
	}
	added := s.WithID(next)
	raw, err := added.MarshalJSON()
	if err != nil {
		return err
	}
	t.Schemas = append(t.Schemas, added)
	a.cloneEncodings().schemas[added] = raw
	a.lastSchema = next
	return nil
}

func (a *applier) setSchema(id int) error {
	t := a.t
	if id == LastAdded {
		if id = a.lastSchema; id < 0 {
			return errors.New("no schema was added")
		}
	}
	if _, ok := t.SchemaByID(id); !ok {
		return fmt.Errorf("no schema %d", id)
	}
	a.shapes = a.shapes || t.CurrentSchemaID != id
	t.CurrentSchemaID = id
	return nil
}

func (a *applier) addSpec(s partition.Spec) error {
	t := a.t
	for _, f := range s.Fields {
		if f.Transform.Kind == partition.UnknownTransform {
			return fmt.Errorf("partition field %s: unknown transform %q", f.Name, f.Transform.Name)
		}
	}
	bound, last, err := a.numberSpec(s)
	if err != nil {
		return err
	}
	t.LastPartitionID = max(t.LastPartitionID, last)
	a.lastSpec = bound.ID
	if _, ok := t.Spec(bound.ID); !ok {
		t.Specs = append(t.Specs, bound)
		delete(a.cloneEncodings().specs, bound.ID)
	}
	return nil
}

// numberSpec returns an equivalent spec of the table, or s with the next spec id
// and, where it has none, field ids.
func (a *applier) numberSpec(s partition.Spec) (partition.Spec, int, error) {
	t := a.t
	next := 0
	for _, have := range t.Specs {
		if have.Equivalent(s) {
			return have, t.LastPartitionID, nil
		}
		next = max(next, have.ID+1)
	}
	complete := !slices.ContainsFunc(s.Fields, func(f partition.Field) bool { return f.FieldID == 0 })
	if complete {
		s.ID = next
		s.Fields = slices.Clone(s.Fields)
		return s, s.LastFieldID(), nil
	}
	// The spec may come with a schema of the same commit that is not current yet.
	sc := t.CurrentSchema()
	if a.lastSchema >= 0 {
		sc, _ = t.SchemaByID(a.lastSchema)
	}
	if sc == nil {
		return partition.Spec{}, 0, errors.New("no schema to bind the spec to")
	}
	return partition.Bind(s.Fields, sc, t.Specs, t.LastPartitionID)
}

func (a *applier) setSpec(id int) error {
	t := a.t
	if id == LastAdded {
		if id = a.lastSpec; id < 0 {
			return errors.New("no spec was added")
		}
	}
	if _, ok := t.Spec(id); !ok {
		return fmt.Errorf("no partition spec %d", id)
	}
	a.shapes = a.shapes || t.DefaultSpecID != id
	t.DefaultSpecID = id
	return nil
}

func (a *applier) addOrder(o partition.SortOrder) error {
	t := a.t
	if o.IsUnsorted() {
		o = partition.Unsorted()
	}
	next := 1
	for _, have := range t.SortOrders {
		if have.Equivalent(o) {
			a.lastOrder = have.ID
			return nil
		}
		next = max(next, have.ID+1)
	}
	if !o.IsUnsorted() {
		o.ID = next
	}
	o.Fields = slices.Clone(o.Fields)
	t.SortOrders = append(t.SortOrders, o)
	delete(a.cloneEncodings().orders, o.ID)
	a.lastOrder = o.ID
	return nil
}

func (a *applier) setOrder(id int) error {
	t := a.t
	if id == LastAdded {
		if id = a.lastOrder; id < 0 {
			return errors.New("no sort order was added")
		}
	}
	if _, ok := t.SortOrder(id); !ok {
		return fmt.Errorf("no sort order %d", id)
	}
	a.shapes = a.shapes || t.DefaultSortOrderID != id
	t.DefaultSortOrderID = id
	return nil
}

func (a *applier) removeSpecs(ids []int) error {
	t := a.t
	if slices.Contains(ids, t.DefaultSpecID) {
		return fmt.Errorf("spec %d is the default", t.DefaultSpecID)
	}
	enc := a.cloneEncodings()
	for _, id := range ids {
		delete(enc.specs, id)
	}
	t.Specs = slices.DeleteFunc(slices.Clone(t.Specs), func(s partition.Spec) bool { return slices.Contains(ids, s.ID) })
	return nil
}

func (a *applier) removeSchemas(ids []int) error {
	t := a.t
	if slices.Contains(ids, t.CurrentSchemaID) {
		return fmt.Errorf("schema %d is the current one", t.CurrentSchemaID)
	}
	t.Schemas = slices.DeleteFunc(slices.Clone(t.Schemas), func(s *schema.Schema) bool { return slices.Contains(ids, s.ID) })
	return nil
}
