package metadata

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// ErrUnknownUpdate is wrapped when a commit request holds an update or
// requirement of a kind that is not known here; it must then be refused.
var ErrUnknownUpdate = errors.New("unknown update or requirement")

// actionOf returns the REST name of an update.
func actionOf(u Update) string {
	switch u.(type) {
	case AssignUUID:
		return "assign-uuid"
	case UpgradeFormatVersion:
		return "upgrade-format-version"
	case AddSchema:
		return "add-schema"
	case SetCurrentSchema:
		return "set-current-schema"
	case AddSpec:
		return "add-spec"
	case SetDefaultSpec:
		return "set-default-spec"
	case AddSortOrder:
		return "add-sort-order"
	case SetDefaultSortOrder:
		return "set-default-sort-order"
	case AddSnapshot:
		return "add-snapshot"
	case SetRef:
		return "set-snapshot-ref"
	case RemoveRef:
		return "remove-snapshot-ref"
	case RemoveSnapshots:
		return "remove-snapshots"
	case SetLocation:
		return "set-location"
	case SetProperties:
		return "set-properties"
	case RemoveProperties:
		return "remove-properties"
	case SetStatistics:
		return "set-statistics"
	case RemoveStatistics:
		return "remove-statistics"
	case SetPartitionStatistics:
		return "set-partition-statistics"
	case RemovePartitionStatistics:
		return "remove-partition-statistics"
	case RemoveSpecs:
		return "remove-partition-specs"
	case RemoveSchemas:
		return "remove-schemas"
	}
	return fmt.Sprintf("%T", u)
}

// MarshalUpdate writes an update as in the REST catalog's commit request.
func MarshalUpdate(u Update) ([]byte, error) {
	e := &encoder{b: []byte{'{'}}
	e.str("action", actionOf(u))
	switch u := u.(type) {
	case AssignUUID:
		e.str("uuid", u.UUID)
	case UpgradeFormatVersion:
		e.int("format-version", int64(u.Version))
	case AddSchema:
		e.name("schema")
		e.value(u.Schema)
		e.int("last-column-id", int64(u.Schema.HighestFieldID()))
	case SetCurrentSchema:
		e.int("schema-id", int64(u.SchemaID))
	case AddSpec:
		e.name("spec")
		e.value(u.Spec)
	case SetDefaultSpec:
		e.int("spec-id", int64(u.SpecID))
	case AddSortOrder:
		e.name("sort-order")
		e.value(u.Order)
	case SetDefaultSortOrder:
		e.int("sort-order-id", int64(u.OrderID))
	case AddSnapshot:
		raw, err := u.Snapshot.encode()
		if err != nil {
			return nil, err
		}
		e.raw("snapshot", raw)
	case SetRef:
		e.str("ref-name", u.Name)
		u.Ref.members(e)
	case RemoveRef:
		e.str("ref-name", u.Name)
	case RemoveSnapshots:
		e.name("snapshot-ids")
		e.value(u.IDs)
	case RemoveSpecs:
		e.name("spec-ids")
		e.value(u.IDs)
	case RemoveSchemas:
		e.name("schema-ids")
		e.value(u.IDs)
	default:
		if err := marshalPlain(e, u); err != nil {
			return nil, err
		}
	}
	e.close('}')
	return e.bytes()
}

func marshalPlain(e *encoder, u Update) error {
	switch u := u.(type) {
	case SetLocation:
		e.str("location", u.Location)
	case SetProperties:
		e.strings("updates", u.Properties)
	case RemoveProperties:
		e.name("removals")
		e.value(u.Names)
	case SetStatistics:
		raw, err := u.Statistics.encode()
		if err != nil {
			return err
		}
		e.int("snapshot-id", u.Statistics.SnapshotID)
		e.raw("statistics", raw)
	case RemoveStatistics:
		e.int("snapshot-id", u.SnapshotID)
	case SetPartitionStatistics:
		raw, err := u.Statistics.encode()
		if err != nil {
			return err
		}
		e.raw("partition-statistics", raw)
	case RemovePartitionStatistics:
		e.int("snapshot-id", u.SnapshotID)
	default:
		return fmt.Errorf("%w: %T", ErrUnknownUpdate, u)
	}
	return nil
}

type updateJSON struct {
	Action        string            `json:"action"`
	UUID          *string           `json:"uuid"`
	Version       *int              `json:"format-version"`
	Schema        *schema.Schema    `json:"schema"`
	SchemaID      *int              `json:"schema-id"`
	Spec          jsontext.Value    `json:"spec"`
	SpecID        *int              `json:"spec-id"`
	Order         jsontext.Value    `json:"sort-order"`
	OrderID       *int              `json:"sort-order-id"`
	Snapshot      jsontext.Value    `json:"snapshot"`
	RefName       *string           `json:"ref-name"`
	SnapshotID    *int64            `json:"snapshot-id"`
	SnapshotIDs   []int64           `json:"snapshot-ids"`
	Location      *string           `json:"location"`
	Updates       map[string]string `json:"updates"`
	Updated       map[string]string `json:"updated"` // older name
	Removals      []string          `json:"removals"`
	Removed       []string          `json:"removed"` // older name
	Statistics    jsontext.Value    `json:"statistics"`
	PartitionStat jsontext.Value    `json:"partition-statistics"`
	SpecIDs       []int             `json:"spec-ids"`
	SchemaIDs     []int             `json:"schema-ids"`
}

// UnmarshalUpdate reads an update; an unknown action wraps ErrUnknownUpdate.
func UnmarshalUpdate(data []byte) (Update, error) {
	var j updateJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, fmt.Errorf("update: %w", err)
	}
	u, err := j.shapeUpdate()
	if u == nil && err == nil {
		u, err = j.historyUpdate(data)
	}
	if u == nil && err == nil {
		u, err = j.plainUpdate()
	}
	if err != nil {
		return nil, fmt.Errorf("update %s: %w", j.Action, err)
	}
	if u == nil {
		return nil, fmt.Errorf("%w: action %q", ErrUnknownUpdate, j.Action)
	}
	return u, nil
}

// need returns what p points to, an error when the member is missing.
func need[T any](p *T, name string) (v T, err error) {
	if p == nil {
		return v, fmt.Errorf("no %s", name)
	}
	return *p, nil
}

// shapeUpdate reads updates of version, schemas, specs and sort orders; nil for
// another action.
func (j *updateJSON) shapeUpdate() (Update, error) {
	switch j.Action {
	case "assign-uuid":
		v, err := need(j.UUID, "uuid")
		return AssignUUID{v}, err
	case "upgrade-format-version":
		v, err := need(j.Version, "format-version")
		return UpgradeFormatVersion{v}, err
	case "add-schema":
		if j.Schema == nil {
			return nil, errors.New("no schema")
		}
		return AddSchema{j.Schema}, nil
	case "set-current-schema":
		v, err := need(j.SchemaID, "schema-id")
		return SetCurrentSchema{v}, err
	case "add-spec":
		if j.Spec == nil {
			return nil, errors.New("no spec")
		}
		s, err := partition.UnmarshalUnbound(j.Spec)
		return AddSpec{s}, err
	case "set-default-spec":
		v, err := need(j.SpecID, "spec-id")
		return SetDefaultSpec{v}, err
	case "add-sort-order":
		if j.Order == nil {
			return nil, errors.New("no sort-order")
		}
		var o partition.SortOrder
		err := o.UnmarshalJSON(j.Order)
		return AddSortOrder{o}, err
	case "set-default-sort-order":
		v, err := need(j.OrderID, "sort-order-id")
		return SetDefaultSortOrder{v}, err
	case "remove-partition-specs":
		return RemoveSpecs{j.SpecIDs}, nil
	case "remove-schemas":
		return RemoveSchemas{j.SchemaIDs}, nil
	}
	return nil, nil
}

// historyUpdate reads updates of snapshots, refs and statistics; nil for another
// action.
func (j *updateJSON) historyUpdate(data []byte) (Update, error) {
	switch j.Action {
	case "add-snapshot":
		if j.Snapshot == nil {
			return nil, errors.New("no snapshot")
		}
		s, err := parseSnapshot(j.Snapshot)
		s.raw = nil
		return AddSnapshot{s}, err
	case "set-snapshot-ref":
		name, err := need(j.RefName, "ref-name")
		if err != nil {
			return nil, err
		}
		r, err := parseRef(data)
		r.raw = nil
		return SetRef{name, r}, err
	case "remove-snapshot-ref":
		v, err := need(j.RefName, "ref-name")
		return RemoveRef{v}, err
	case "remove-snapshots":
		return RemoveSnapshots{j.SnapshotIDs}, nil
	case "set-statistics":
		if j.Statistics == nil {
			return nil, errors.New("no statistics")
		}
		s, err := parseStatistics(j.Statistics)
		s.raw = nil
		return SetStatistics{s}, err
	case "remove-statistics":
		v, err := need(j.SnapshotID, "snapshot-id")
		return RemoveStatistics{v}, err
	case "set-partition-statistics":
		if j.PartitionStat == nil {
			return nil, errors.New("no partition-statistics")
		}
		s, err := parsePartitionStatistics(j.PartitionStat)
		s.raw = nil
		return SetPartitionStatistics{s}, err
	case "remove-partition-statistics":
		v, err := need(j.SnapshotID, "snapshot-id")
		return RemovePartitionStatistics{v}, err
	}
	return nil, nil
}

// plainUpdate reads updates of location and properties; nil for another action.
func (j *updateJSON) plainUpdate() (Update, error) {
	switch j.Action {
	case "set-location":
		v, err := need(j.Location, "location")
		return SetLocation{v}, err
	case "set-properties":
		if j.Updates == nil {
			j.Updates = j.Updated
		}
		return SetProperties{j.Updates}, nil
	case "remove-properties":
		if j.Removals == nil {
			j.Removals = j.Removed
		}
		return RemoveProperties{j.Removals}, nil
	}
	return nil, nil
}

// MarshalRequirement writes a requirement as in the REST catalog's commit
// request.
func MarshalRequirement(r Requirement) ([]byte, error) {
	e := &encoder{b: []byte{'{'}}
	switch r := r.(type) {
	case AssertCreate:
		e.str("type", "assert-create")
	case AssertUUID:
		e.str("type", "assert-table-uuid")
		e.str("uuid", r.UUID)
	case AssertRefSnapshot:
		e.str("type", "assert-ref-snapshot-id")
		e.str("ref", r.Ref)
		if r.SnapshotID == nil {
			e.raw("snapshot-id", []byte("null"))
		} else {
			e.int("snapshot-id", *r.SnapshotID)
		}
	case AssertLastColumnID:
		e.str("type", "assert-last-assigned-field-id")
		e.int("last-assigned-field-id", int64(r.ID))
	case AssertCurrentSchemaID:
		e.str("type", "assert-current-schema-id")
		e.int("current-schema-id", int64(r.ID))
	case AssertLastPartitionID:
		e.str("type", "assert-last-assigned-partition-id")
		e.int("last-assigned-partition-id", int64(r.ID))
	case AssertDefaultSpecID:
		e.str("type", "assert-default-spec-id")
		e.int("default-spec-id", int64(r.ID))
	case AssertDefaultSortOrderID:
		e.str("type", "assert-default-sort-order-id")
		e.int("default-sort-order-id", int64(r.ID))
	default:
		return nil, fmt.Errorf("%w: %T", ErrUnknownUpdate, r)
	}
	e.close('}')
	return e.bytes()
}

// UnmarshalRequirement reads a requirement; an unknown type wraps
// ErrUnknownUpdate.
func UnmarshalRequirement(data []byte) (Requirement, error) {
	var j struct {
		Type            string  `json:"type"`
		UUID            *string `json:"uuid"`
		Ref             *string `json:"ref"`
		SnapshotID      *int64  `json:"snapshot-id"`
		LastColumnID    *int    `json:"last-assigned-field-id"`
		SchemaID        *int    `json:"current-schema-id"`
		LastPartitionID *int    `json:"last-assigned-partition-id"`
		SpecID          *int    `json:"default-spec-id"`
		OrderID         *int    `json:"default-sort-order-id"`
	}
	err := json.Unmarshal(data, &j)
	var r Requirement
	if err == nil {
		switch j.Type {
		case "assert-create":
			r = AssertCreate{}
		case "assert-table-uuid":
			var a AssertUUID
			a.UUID, err = need(j.UUID, "uuid")
			r = a
		case "assert-ref-snapshot-id":
			a := AssertRefSnapshot{SnapshotID: j.SnapshotID}
			a.Ref, err = need(j.Ref, "ref")
			r = a
		case "assert-last-assigned-field-id":
			var a AssertLastColumnID
			a.ID, err = need(j.LastColumnID, "last-assigned-field-id")
			r = a
		case "assert-current-schema-id":
			var a AssertCurrentSchemaID
			a.ID, err = need(j.SchemaID, "current-schema-id")
			r = a
		case "assert-last-assigned-partition-id":
			var a AssertLastPartitionID
			a.ID, err = need(j.LastPartitionID, "last-assigned-partition-id")
			r = a
		case "assert-default-spec-id":
			var a AssertDefaultSpecID
			a.ID, err = need(j.SpecID, "default-spec-id")
			r = a
		case "assert-default-sort-order-id":
			var a AssertDefaultSortOrderID
			a.ID, err = need(j.OrderID, "default-sort-order-id")
			r = a
		default:
			err = fmt.Errorf("%w: type %q", ErrUnknownUpdate, j.Type)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("requirement %s: %w", j.Type, err)
	}
	return r, nil
}
