package partition

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// fieldJSON is a partition field in metadata. A field of one source writes
// source-id only, one of several source-ids only (spec: "Partition Specs").
type fieldJSON struct {
	Name      string `json:"name"`
	Transform string `json:"transform"`
	SourceID  *int   `json:"source-id,omitempty"`
	SourceIDs []int  `json:"source-ids,omitempty"`
	FieldID   *int   `json:"field-id,omitempty"`
}

type specJSON struct {
	ID     *int         `json:"spec-id"`
	Fields *[]fieldJSON `json:"fields"`
}

// MarshalJSON writes the spec object of table metadata.
func (s Spec) MarshalJSON() ([]byte, error) {
	fields := s.fieldsJSON()
	return json.Marshal(specJSON{ID: &s.ID, Fields: &fields})
}

// UnmarshalJSON reads the spec object of table metadata. Without field ids, as
// in version 1, fields count from 1000.
func (s *Spec) UnmarshalJSON(data []byte) error {
	var j specJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("partition spec: %w", err)
	}
	if j.Fields == nil {
		return errors.New("partition spec: no fields member")
	}
	spec := Spec{}
	if j.ID != nil {
		spec.ID = *j.ID
	}
	if err := spec.setFields(*j.Fields); err != nil {
		return err
	}
	spec.numberFields()
	*s = spec
	return nil
}

// UnmarshalUnbound reads a spec object whose fields may lack ids: those stay 0
// until Bind or the table assigns them, as in a catalog's create and commit
// requests.
func UnmarshalUnbound(data []byte) (Spec, error) {
	var j specJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return Spec{}, fmt.Errorf("partition spec: %w", err)
	}
	if j.Fields == nil {
		return Spec{}, errors.New("partition spec: no fields member")
	}
	spec := Spec{}
	if j.ID != nil {
		spec.ID = *j.ID
	}
	return spec, spec.setFields(*j.Fields)
}

// MarshalFields writes the bare array of fields, as manifests carry it.
func MarshalFields(s Spec) ([]byte, error) { return json.Marshal(s.fieldsJSON()) }

// UnmarshalFields reads the bare array of fields into a spec of the given id.
func UnmarshalFields(id int, data []byte) (Spec, error) {
	var fields []fieldJSON
	if err := json.Unmarshal(data, &fields); err != nil {
		return Spec{}, fmt.Errorf("partition fields: %w", err)
	}
	spec := Spec{ID: id}
	if err := spec.setFields(fields); err != nil {
		return Spec{}, err
	}
	spec.numberFields()
	return spec, nil
}

// numberFields gives fields without an id the implicit one of version 1.
func (s *Spec) numberFields() {
	used := make(map[int]bool, len(s.Fields))
	for _, f := range s.Fields {
		used[f.FieldID] = true
	}
	for i := range s.Fields {
		if s.Fields[i].FieldID != 0 {
			continue
		}
		id := firstFieldID + i
		for used[id] {
			id++
		}
		s.Fields[i].FieldID = id
		used[id] = true
	}
}

func (s Spec) fieldsJSON() []fieldJSON {
	fields := make([]fieldJSON, 0, len(s.Fields))
	for _, f := range s.Fields {
		j := fieldJSON{Name: f.Name, Transform: f.Transform.String()}
		j.SourceID, j.SourceIDs = splitSources(f.SourceIDs)
		if f.FieldID != 0 {
			j.FieldID = &f.FieldID
		}
		fields = append(fields, j)
	}
	return fields
}

func (s *Spec) setFields(fields []fieldJSON) error {
	names := make(map[string]bool, len(fields))
	ids := make(map[int]bool, len(fields))
	for i, j := range fields {
		sources, err := joinSources(j.SourceID, j.SourceIDs, j.Transform)
		switch {
		case err != nil:
			return fmt.Errorf("partition spec %d: field %d (%q): %w", s.ID, i, j.Name, err)
		case j.Name == "":
			return fmt.Errorf("partition spec %d: field %d: no name", s.ID, i)
		case names[j.Name]:
			return fmt.Errorf("partition spec %d: field %d: name %q is used twice", s.ID, i, j.Name)
		case j.Transform == "":
			return fmt.Errorf("partition spec %d: field %d (%q): no transform", s.ID, i, j.Name)
		}
		f := Field{SourceIDs: sources, Name: j.Name, Transform: ParseTransform(j.Transform)}
		if j.FieldID != nil {
			if f.FieldID = *j.FieldID; f.FieldID <= 0 || ids[f.FieldID] {
				return fmt.Errorf("partition spec %d: field %d (%q): field id %d is invalid or used twice", s.ID, i, j.Name, f.FieldID)
			}
			ids[f.FieldID] = true
		}
		names[j.Name] = true
		s.Fields = append(s.Fields, f)
	}
	return nil
}

func splitSources(ids []int) (*int, []int) {
	if len(ids) == 1 {
		return &ids[0], nil
	}
	return nil, ids
}

// joinSources returns a field's sources. The known transforms have one: where
// both members are given, source-id is theirs.
func joinSources(id *int, ids []int, transform string) ([]int, error) {
	single := ParseTransform(transform).Kind != UnknownTransform
	if len(ids) == 0 || single && id != nil {
		if id == nil {
			return nil, errors.New("no source-id")
		}
		ids = []int{*id}
	}
	for _, n := range ids {
		if n <= 0 {
			return nil, fmt.Errorf("source id %d is not positive", n)
		}
	}
	return ids, nil
}

type sortFieldJSON struct {
	Transform string `json:"transform"`
	SourceID  *int   `json:"source-id,omitempty"`
	SourceIDs []int  `json:"source-ids,omitempty"`
	Direction string `json:"direction"`
	NullOrder string `json:"null-order"`
}

type sortJSON struct {
	ID     *int             `json:"order-id"`
	Fields *[]sortFieldJSON `json:"fields"`
}

// MarshalJSON writes the sort order object of table metadata.
func (o SortOrder) MarshalJSON() ([]byte, error) {
	fields := make([]sortFieldJSON, 0, len(o.Fields))
	for _, f := range o.Fields {
		j := sortFieldJSON{Transform: f.Transform.String(), Direction: "asc", NullOrder: "nulls-last"}
		if f.Descending {
			j.Direction = "desc"
		}
		if f.NullsFirst {
			j.NullOrder = "nulls-first"
		}
		j.SourceID, j.SourceIDs = splitSources(f.SourceIDs)
		fields = append(fields, j)
	}
	return json.Marshal(sortJSON{ID: &o.ID, Fields: &fields})
}

// UnmarshalJSON reads the sort order object of table metadata. A missing
// null-order is first for ascending and last for descending fields.
func (o *SortOrder) UnmarshalJSON(data []byte) error {
	var j sortJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("sort order: %w", err)
	}
	if j.Fields == nil || j.ID == nil {
		return errors.New("sort order: no order-id or fields member")
	}
	order := SortOrder{ID: *j.ID}
	for i, f := range *j.Fields {
		field, err := f.field()
		if err != nil {
			return fmt.Errorf("sort order %d: field %d: %w", order.ID, i, err)
		}
		order.Fields = append(order.Fields, field)
	}
	*o = order
	return nil
}

func (j sortFieldJSON) field() (SortField, error) {
	sources, err := joinSources(j.SourceID, j.SourceIDs, j.Transform)
	if err != nil {
		return SortField{}, err
	}
	if j.Transform == "" {
		return SortField{}, errors.New("no transform")
	}
	f := SortField{SourceIDs: sources, Transform: ParseTransform(j.Transform)}
	switch j.Direction {
	case "asc":
	case "desc":
		f.Descending = true
	default:
		return SortField{}, fmt.Errorf("direction %q is neither asc nor desc", j.Direction)
	}
	switch j.NullOrder {
	case "nulls-first":
		f.NullsFirst = true
	case "nulls-last":
	case "":
		f.NullsFirst = !f.Descending
	default:
		return SortField{}, fmt.Errorf("null-order %q is neither nulls-first nor nulls-last", j.NullOrder)
	}
	return f, nil
}
