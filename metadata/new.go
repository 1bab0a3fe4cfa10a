package metadata

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// NewOptions are the options of New.
type NewOptions struct {
	// FormatVersion is 1 to 3; 0 is the property format-version, else 2.
	FormatVersion int
	// Schema is required. Its field ids are assigned afresh from 1, as other
	// engines do; identifier fields and the sources of Partition and Sort follow.
	Schema *schema.Schema
	// Partition and Sort name columns (Column) or ids of Schema (SourceIDs).
	Partition []partition.Field
	Sort      []partition.SortField
	// Location is where the table's files go; "" leaves it to the catalog, whose
	// CreateTable fills it in.
	Location string
	// Properties must not hold reserved ones, format-version excepted.
	Properties map[string]string
	// UUID "" is a random one, Now zero the current time.
	UUID string
	Now  time.Time
}

// New makes the metadata of a new table without snapshots.
func New(opts NewOptions) (*Table, error) {
	if opts.Schema == nil {
		return nil, errors.New("a new table needs a schema")
	}
	version, err := newVersion(opts)
	if err != nil {
		return nil, err
	}
	fresh, err := freshSchema(opts.Schema)
	if err != nil {
		return nil, err
	}
	if err := schema.Validate(fresh, version); err != nil {
		return nil, err
	}
	spec, lastPartition, err := partition.Bind(renamedFields(opts.Partition, opts.Schema, fresh), fresh, nil, 0)
	if err != nil {
		return nil, err
	}
	order, err := partition.BindSort(renamedSort(opts.Sort, opts.Schema, fresh), fresh, nil)
	if err != nil {
		return nil, err
	}
	t := &Table{
		FormatVersion: version, UUID: opts.UUID, Location: trimLocation(opts.Location),
		LastColumnID: fresh.HighestFieldID(), Schemas: []*schema.Schema{fresh},
		Specs: []partition.Spec{spec}, LastPartitionID: lastPartition,
		SortOrders: []partition.SortOrder{order}, DefaultSortOrderID: order.ID,
		Refs: map[string]Ref{}, enc: newEncodings(),
	}
	if t.UUID == "" {
		t.UUID = uuid.NewString()
	}
	now := opts.Now
	if now.IsZero() {
		now = time.Now()
	}
	return t.Apply([]Update{SetProperties{opts.Properties}}, now, "")
}

func newVersion(opts NewOptions) (int, error) {
	version := opts.FormatVersion
	if v, ok := opts.Properties["format-version"]; ok {
		named, err := parseVersion(v)
		if err != nil {
			return 0, err
		}
		if version != 0 && version != named {
			return 0, fmt.Errorf("property format-version is %d, the option %d", named, version)
		}
		version = named
	}
	if version == 0 {
		version = 2
	}
	if version < 1 || version > MaxFormatVersion {
		return 0, fmt.Errorf("%w %d, at most %d is supported", ErrUnsupportedVersion, version, MaxFormatVersion)
	}
	return version, nil
}

func parseVersion(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("property format-version: %q is not a number", s)
	}
	return n, nil
}

// freshSchema returns s with schema id 0 and field ids from 1.
func freshSchema(s *schema.Schema) (*schema.Schema, error) {
	last := 0
	fields := schema.AssignIDs(s.Fields, func() int { last++; return last })
	bare, err := schema.New(0, fields, nil)
	if err != nil || len(s.IdentifierFieldIDs) == 0 {
		return bare, err
	}
	ids := make([]int, 0, len(s.IdentifierFieldIDs))
	for _, id := range s.IdentifierFieldIDs {
		f, ok := bare.FieldByName(s.Path(id))
		if !ok {
			return nil, fmt.Errorf("identifier field id %d is not in the schema", id)
		}
		ids = append(ids, f.ID)
	}
	return schema.New(0, fields, ids)
}

// renamedSources translates source ids of the given schema to the fresh one.
func renamedSources(ids []int, from, to *schema.Schema) []int {
	out := slices.Clone(ids)
	for i, id := range ids {
		if f, ok := to.FieldByName(from.Path(id)); ok {
			out[i] = f.ID
		} else {
			out[i] = 0 // Bind reports it
		}
	}
	return out
}

func renamedFields(fields []partition.Field, from, to *schema.Schema) []partition.Field {
	out := slices.Clone(fields)
	for i := range out {
		if out[i].Column == "" {
			out[i].SourceIDs = renamedSources(out[i].SourceIDs, from, to)
		}
	}
	return out
}

func renamedSort(fields []partition.SortField, from, to *schema.Schema) []partition.SortField {
	out := slices.Clone(fields)
	for i := range out {
		if out[i].Column == "" {
			out[i].SourceIDs = renamedSources(out[i].SourceIDs, from, to)
		}
	}
	return out
}
