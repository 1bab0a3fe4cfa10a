package metadata

import (
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// Update is one change of table metadata, Requirement one condition it is valid
// under; both are the ones of the REST catalog's commit request and marshal to
// its JSON (open-api/rest-catalog-open-api.yaml, TableUpdate and
// TableRequirement). The types in this file are all there are.
type (
	Update      interface{ isUpdate() }
	Requirement interface{ isRequirement() }
)

// LastAdded, as a schema, spec or order id in a Set update, means the one added
// last in the same commit.
const LastAdded = -1

// The updates.
type (
	AssignUUID           struct{ UUID string }
	UpgradeFormatVersion struct{ Version int }
	AddSchema            struct{ Schema *schema.Schema }
	SetCurrentSchema     struct{ SchemaID int }
	AddSpec              struct{ Spec partition.Spec }
	SetDefaultSpec       struct{ SpecID int }
	AddSortOrder         struct{ Order partition.SortOrder }
	SetDefaultSortOrder  struct{ OrderID int }
	AddSnapshot          struct{ Snapshot Snapshot }
	SetRef               struct {
		Name string
		Ref  Ref
	}
	RemoveRef                 struct{ Name string }
	RemoveSnapshots           struct{ IDs []int64 }
	SetLocation               struct{ Location string }
	SetProperties             struct{ Properties map[string]string }
	RemoveProperties          struct{ Names []string }
	SetStatistics             struct{ Statistics Statistics }
	RemoveStatistics          struct{ SnapshotID int64 }
	SetPartitionStatistics    struct{ Statistics PartitionStatistics }
	RemovePartitionStatistics struct{ SnapshotID int64 }
	RemoveSpecs               struct{ IDs []int }
	RemoveSchemas             struct{ IDs []int }
)

func (AssignUUID) isUpdate()                {}
func (UpgradeFormatVersion) isUpdate()      {}
func (AddSchema) isUpdate()                 {}
func (SetCurrentSchema) isUpdate()          {}
func (AddSpec) isUpdate()                   {}
func (SetDefaultSpec) isUpdate()            {}
func (AddSortOrder) isUpdate()              {}
func (SetDefaultSortOrder) isUpdate()       {}
func (AddSnapshot) isUpdate()               {}
func (SetRef) isUpdate()                    {}
func (RemoveRef) isUpdate()                 {}
func (RemoveSnapshots) isUpdate()           {}
func (SetLocation) isUpdate()               {}
func (SetProperties) isUpdate()             {}
func (RemoveProperties) isUpdate()          {}
func (SetStatistics) isUpdate()             {}
func (RemoveStatistics) isUpdate()          {}
func (SetPartitionStatistics) isUpdate()    {}
func (RemovePartitionStatistics) isUpdate() {}
func (RemoveSpecs) isUpdate()               {}
func (RemoveSchemas) isUpdate()             {}

// The requirements.
type (
	AssertCreate      struct{}
	AssertUUID        struct{ UUID string }
	AssertRefSnapshot struct {
		Ref string
		// SnapshotID nil asserts that the ref does not exist.
		SnapshotID *int64
	}
	AssertLastColumnID       struct{ ID int }
	AssertCurrentSchemaID    struct{ ID int }
	AssertLastPartitionID    struct{ ID int }
	AssertDefaultSpecID      struct{ ID int }
	AssertDefaultSortOrderID struct{ ID int }
)

func (AssertCreate) isRequirement()             {}
func (AssertUUID) isRequirement()               {}
func (AssertRefSnapshot) isRequirement()        {}
func (AssertLastColumnID) isRequirement()       {}
func (AssertCurrentSchemaID) isRequirement()    {}
func (AssertLastPartitionID) isRequirement()    {}
func (AssertDefaultSpecID) isRequirement()      {}
func (AssertDefaultSortOrderID) isRequirement() {}
