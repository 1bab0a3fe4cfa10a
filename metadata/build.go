package metadata

import (
	"errors"
	"time"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// Build makes the metadata of a new table from the updates of a commit that
// creates it (REST: requirement assert-create), in which a schema and its
// SetCurrentSchema must be. Without upgrade-format-version the table has version
// 2; without a spec or sort order it has none. Field ids stay as they come.
func Build(updates []Update, now time.Time) (*Table, error) {
	empty := &Table{
		FormatVersion: 2, LastPartitionID: 999, CurrentSchemaID: -1, Schemas: []*schema.Schema{},
		Refs: map[string]Ref{}, enc: newEncodings(),
	}
	hasSpec, hasOrder := false, false
	for _, u := range updates {
		switch u := u.(type) {
		case UpgradeFormatVersion:
			empty.FormatVersion = min(max(u.Version, 1), MaxFormatVersion)
		case AddSpec:
			hasSpec = true
		case AddSortOrder:
			hasOrder = true
		}
	}
	if !hasSpec {
		empty.Specs = []partition.Spec{{}}
	}
	if !hasOrder {
		empty.SortOrders = []partition.SortOrder{partition.Unsorted()}
	}
	t, err := empty.Apply(updates, now, "")
	if err != nil {
		return nil, err
	}
	if t.CurrentSchema() == nil {
		return nil, errors.New("no current schema is set")
	}
	if _, ok := t.Spec(t.DefaultSpecID); !ok {
		return nil, errors.New("no default partition spec is set")
	}
	if _, ok := t.SortOrder(t.DefaultSortOrderID); !ok {
		return nil, errors.New("no default sort order is set")
	}
	return t, nil
}
