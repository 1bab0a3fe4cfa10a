package scan

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
)

// view is a scan with everything that depends only on metadata resolved. It is
// immutable.
type view struct {
	src  Source
	opts Options
	snap *metadata.Snapshot
	// base is the schema of the snapshot as the scan sees it, out what it
	// delivers: columns of base, pruned, and metadata columns.
	base, out *schema.Schema
	arrow     *arrow.Schema
	filter    *expr.Bound // nil without one
	// probes are values one of which a column of every matching row has.
	probes []probe
	// pruned are the columns filtered on, as page indexes are asked for them.
	pruned  []schema.Field
	mapping *schema.NameMapping
	mem     memory.Allocator
}

func newView(src Source, o *Options) (*view, error) {
	t := src.Metadata
	if o.BatchRows <= 0 {
		o.BatchRows = defaultBatchRows
	}
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.GOMAXPROCS(0)
	}
	if o.MemoryBudget <= 0 {
		o.MemoryBudget = defaultMemoryBudget
	}
	if o.TargetTaskBytes <= 0 {
		if o.TargetTaskBytes = t.PropertyInt("read.split.target-size", defaultTaskBytes); o.TargetTaskBytes <= 0 {
			o.TargetTaskBytes = defaultTaskBytes
		}
	}
	v := &view{src: src, opts: *o, mem: o.Allocator}
	if v.mem == nil {
		v.mem = memory.DefaultAllocator
	}
	var own bool
	var err error
	if v.snap, own, err = chooseSnapshot(t, o); err != nil {
		return nil, err
	}
	v.base = t.CurrentSchema()
	if v.snap != nil && !o.UseCurrentSchema && (own || o.UseSnapshotSchema) {
		v.base = t.SnapshotSchema(v.snap)
	}
	if v.base == nil {
		return nil, errors.New("the table has no schema")
	}
	if v.out, err = project(t, v.base, o); err != nil {
		return nil, err
	}
	v.arrow = schema.ArrowSchema(v.out)
	if o.Filter != nil {
		if v.filter, err = expr.Bind(o.Filter, v.base, o.CaseInsensitive); err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
		v.probes = probesOf(v.filter)
		for _, id := range v.filter.FieldIDs() {
			if f, ok := v.base.FieldByID(id); ok {
				v.pruned = append(v.pruned, *f)
			}
		}
	}
	if m := t.Property("schema.name-mapping.default", ""); m != "" {
		if v.mapping, err = schema.ParseNameMapping([]byte(m)); err != nil {
			return nil, fmt.Errorf("property schema.name-mapping.default: %w", err)
		}
	}
	return v, nil
}

// chooseSnapshot finds the snapshot the options name; own says that its own
// schema is to be used.
func chooseSnapshot(t *metadata.Table, o *Options) (snap *metadata.Snapshot, own bool, err error) {
	n := 0
	if o.SnapshotID != nil {
		n++
		if snap, own = t.Snapshot(*o.SnapshotID), true; snap == nil {
			return nil, false, fmt.Errorf("snapshot %d: %w", *o.SnapshotID, ErrNoSnapshot)
		}
	}
	if !o.AsOf.IsZero() {
		n++
		if snap, own = t.SnapshotAsOf(o.AsOf.UnixMilli()), true; snap == nil {
			return nil, false, fmt.Errorf("as of %s: %w", o.AsOf.Format("2006-01-02T15:04:05.000Z07:00"), ErrNoSnapshot)
		}
	}
	if o.Ref != "" {
		n++
		snap = t.RefSnapshot(o.Ref)
		if snap == nil && o.Ref != metadata.MainBranch {
			return nil, false, fmt.Errorf("ref %q: %w", o.Ref, ErrNoSnapshot)
		}
		own = t.Refs[o.Ref].Type == "tag"
	}
	switch {
	case n > 1:
		return nil, false, errors.New("choose at most one of snapshot id, time and ref")
	case n == 0:
		snap = t.Current()
	}
	return snap, own, nil
}

// project builds the schema a scan delivers.
func project(t *metadata.Table, base *schema.Schema, o *Options) (*schema.Schema, error) {
	if o.Columns == nil {
		return base, nil
	}
	fields := make([]schema.Field, 0, len(o.Columns))
	at := make(map[int]int) // top-level column id → index in fields
	var own []string
	for _, name := range o.Columns {
		f, err := findColumn(base, name, o.CaseInsensitive)
		if err != nil {
			m, ok := metadataColumn(t, name)
			if !ok {
				return nil, err
			}
			if _, twice := at[m.ID]; !twice {
				at[m.ID] = len(fields)
				fields = append(fields, m)
			}
			continue
		}
		own = append(own, base.Path(f.ID))
		root := f.ID
		for p := base.ParentID(root); p != 0; p = base.ParentID(root) {
			root = p
		}
		if _, seen := at[root]; !seen {
			at[root] = len(fields)
			fields = append(fields, schema.Field{ID: root})
		}
	}
	sel, err := base.Select(own)
	if err != nil {
		return nil, err
	}
	for _, f := range sel.Fields {
		fields[at[f.ID]] = f
	}
	out, err := schema.New(base.ID, fields, nil)
	if err != nil {
		return nil, fmt.Errorf("columns: %w", err)
	}
	out.IdentifierFieldIDs = sel.IdentifierFieldIDs
	return out, nil
}

func findColumn(s *schema.Schema, name string, fold bool) (*schema.Field, error) {
	if fold {
		return s.FieldByNameFold(name)
	}
	f, ok := s.FieldByName(name)
	if !ok {
		return nil, s.UnknownColumn(name)
	}
	return f, nil
}

// metadataColumn returns a metadata column that a scan can deliver.
func metadataColumn(t *metadata.Table, name string) (schema.Field, bool) {
	if name == "_partition" {
		return partitionField(t), true
	}
	f, ok := schema.MetadataColumn(name)
	switch f.ID {
	case schema.IDFilePath, schema.IDPos, schema.IDSpecID, schema.IDRowID, schema.IDLastUpdatedSequence:
		return f, ok
	}
	return schema.Field{}, false
}

// partitionField is the column _partition: a struct of the fields of all specs.
func partitionField(t *metadata.Table) schema.Field {
	fields := t.PartitionFields()
	for i := range fields {
		// Partition field ids are their own space: keep them clear of columns'.
		fields[i].ID += partitionIDBase
	}
	return schema.Field{ID: schema.IDPartition, Name: "_partition", Type: schema.Struct(fields...)}
}

// partitionIDBase moves the field ids inside _partition into reserved space.
const partitionIDBase = 2147400000
