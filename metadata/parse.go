package metadata

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// MaxFormatVersion is the highest format version that is read and written.
const MaxFormatVersion = 3

// ErrUnsupportedVersion is wrapped when a table's format version is not one of
// 1 to 3.
var ErrUnsupportedVersion = errors.New("unsupported format version")

// encodings holds the JSON of parts that never change once they are in a table.
// It is shared by tables and not changed; Apply makes a new one.
type encodings struct {
	schemas map[*schema.Schema][]byte
	specs   map[int][]byte
	orders  map[int][]byte
}

// parser collects the members of a metadata object.
type parser struct {
	t    *Table
	seen map[string]bool
	// ids of the lists read so far, by kind.
	schemaIDs, specIDs, orderIDs map[int]bool
	// The version 1 members that stand for the lists and ids of later versions.
	schema    jsontext.Value
	spec      jsontext.Value
	currentID *id64
}

// Parse reads table metadata JSON, plain, gzip or zstd (told by the content);
// location names the file in errors. Version 1 metadata is completed to the form
// of later versions. What later versions require must be there, with one
// exception that real files need: a missing next-row-id is computed. Format
// version 4 and up is refused with ErrUnsupportedVersion.
func Parse(data []byte, location string) (*Table, error) {
	t, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("table metadata %s: %w", location, err)
	}
	return t, nil
}

func parse(data []byte) (*Table, error) {
	data, err := unpack(data)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	// The version decides whether the rest may be interpreted at all, and it may
	// come last.
	var members []member
	var head jsontext.Value
	err = eachMember(data, func(name string, raw jsontext.Value) error {
		if name == "format-version" {
			head = raw
		}
		members = append(members, member{name, raw})
		return nil
	})
	if err != nil {
		return nil, err
	}
	version, err := formatVersion(head)
	if err != nil {
		return nil, err
	}
	p := &parser{t: &Table{FormatVersion: version, enc: newEncodings()}, seen: map[string]bool{}}
	p.schemaIDs, p.specIDs, p.orderIDs = map[int]bool{}, map[int]bool{}, map[int]bool{}
	for _, m := range members {
		if err := p.member(m.name, m.raw); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if version == 1 {
		err = p.completeV1()
	} else {
		err = p.requireV2()
	}
	if err != nil {
		return nil, err
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return p.t, nil
}

func newEncodings() *encodings {
	return &encodings{schemas: map[*schema.Schema][]byte{}, specs: map[int][]byte{}, orders: map[int][]byte{}}
}

// member is a top-level member of the metadata object.
type member struct {
	name string
	raw  jsontext.Value
}

func formatVersion(raw jsontext.Value) (int, error) {
	if raw == nil {
		return 0, errors.New("no format-version")
	}
	var version int
	if err := json.Unmarshal(raw, &version); err != nil {
		return 0, fmt.Errorf("format-version: %w", err)
	}
	if version < 1 || version > MaxFormatVersion {
		return 0, fmt.Errorf("%w %d, at most %d is supported", ErrUnsupportedVersion, version, MaxFormatVersion)
	}
	return version, nil
}

// member reads one top-level member. Null stands for absence.
func (p *parser) member(name string, raw jsontext.Value) error {
	if raw.Kind() == 'n' {
		return nil
	}
	p.seen[name] = true
	t := p.t
	if dst := t.scalar(name); dst != nil {
		return json.Unmarshal(raw, dst)
	}
	switch name {
	case "format-version":
		return nil
	case "location":
		if err := json.Unmarshal(raw, &t.Location); err != nil {
			return err
		}
		t.Location = trimLocation(t.Location)
	case "current-snapshot-id":
		p.currentID = new(id64)
		return json.Unmarshal(raw, p.currentID)
	case "schema":
		p.schema = raw
	case "partition-spec":
		p.spec = raw
	case "schemas":
		return eachElement(raw, p.addSchema)
	case "partition-specs":
		return eachElement(raw, p.addSpec)
	case "sort-orders":
		return eachElement(raw, p.addOrder)
	case "properties":
		return json.Unmarshal(raw, (*textMap)(&t.Properties))
	default:
		return p.history(name, raw)
	}
	return nil
}

// scalar returns where a plain member is stored, nil for other members.
func (t *Table) scalar(name string) any {
	switch name {
	case "table-uuid":
		return &t.UUID
	case "last-sequence-number":
		return &t.LastSequenceNumber
	case "last-updated-ms":
		return &t.LastUpdatedMS
	case "last-column-id":
		return &t.LastColumnID
	case "current-schema-id":
		return &t.CurrentSchemaID
	case "default-spec-id":
		return &t.DefaultSpecID
	case "last-partition-id":
		return &t.LastPartitionID
	case "default-sort-order-id":
		return &t.DefaultSortOrderID
	case "next-row-id":
		return &t.NextRowID
	}
	return nil
}

// history reads the members that grow with commits, and unknown ones.
func (p *parser) history(name string, raw jsontext.Value) error {
	t := p.t
	switch name {
	case "snapshots":
		return eachElement(raw, func(v jsontext.Value) error {
			s, err := parseSnapshot(v)
			t.Snapshots = append(t.Snapshots, s)
			return err
		})
	case "refs":
		t.Refs = map[string]Ref{}
		return eachMember(raw, func(name string, v jsontext.Value) (err error) {
			t.Refs[name], err = parseRef(v)
			return err
		})
	case "snapshot-log":
		return json.Unmarshal(raw, (*snapshotLog)(&t.SnapshotLog))
	case "metadata-log":
		return json.Unmarshal(raw, (*metadataLog)(&t.MetadataLog))
	case "statistics":
		return eachElement(raw, func(v jsontext.Value) error {
			s, err := parseStatistics(v)
			t.Statistics = append(t.Statistics, s)
			return err
		})
	case "partition-statistics":
		return eachElement(raw, func(v jsontext.Value) error {
			s, err := parsePartitionStatistics(v)
			t.PartitionStatistics = append(t.PartitionStatistics, s)
			return err
		})
	case "encryption-keys":
		return eachElement(raw, func(v jsontext.Value) error {
			k, err := parseKey(v)
			t.EncryptionKeys = append(t.EncryptionKeys, k)
			return err
		})
	}
	if t.Extra == nil {
		t.Extra = map[string]stdjson.RawMessage{}
	}
	t.Extra[name] = stdjson.RawMessage(raw)
	return nil
}

func (p *parser) addSchema(raw jsontext.Value) error {
	s := new(schema.Schema)
	if err := s.UnmarshalJSON(raw); err != nil {
		return err
	}
	if p.schemaIDs[s.ID] {
		return fmt.Errorf("schema id %d is used twice", s.ID)
	}
	p.schemaIDs[s.ID] = true
	p.t.Schemas = append(p.t.Schemas, s)
	p.t.enc.schemas[s] = raw
	return nil
}

func (p *parser) addSpec(raw jsontext.Value) error {
	var s partition.Spec
	if err := s.UnmarshalJSON(raw); err != nil {
		return err
	}
	if p.specIDs[s.ID] {
		return fmt.Errorf("spec id %d is used twice", s.ID)
	}
	p.specIDs[s.ID] = true
	p.t.Specs = append(p.t.Specs, s)
	p.t.enc.specs[s.ID] = raw
	return nil
}

func (p *parser) addOrder(raw jsontext.Value) error {
	var o partition.SortOrder
	if err := o.UnmarshalJSON(raw); err != nil {
		return err
	}
	if p.orderIDs[o.ID] {
		return fmt.Errorf("sort order id %d is used twice", o.ID)
	}
	p.orderIDs[o.ID] = true
	p.t.SortOrders = append(p.t.SortOrders, o)
	p.t.enc.orders[o.ID] = raw
	return nil
}

// requireV2 checks that what versions 2 and 3 require is there.
func (p *parser) requireV2() error {
	for _, name := range []string{
		"table-uuid", "location", "last-sequence-number", "last-updated-ms", "last-column-id", "schemas",
		"current-schema-id", "partition-specs", "default-spec-id", "last-partition-id", "sort-orders",
		"default-sort-order-id",
	} {
		if !p.seen[name] {
			return fmt.Errorf("no %s, which format version %d requires", name, p.t.FormatVersion)
		}
	}
	t := p.t
	if t.FormatVersion >= 3 && !p.seen["next-row-id"] {
		for i := range t.Snapshots {
			s := &t.Snapshots[i]
			if s.FirstRowID == nil {
				continue
			}
			t.NextRowID = max(t.NextRowID, *s.FirstRowID)
			if s.AddedRows != nil && *s.AddedRows > 0 && *s.FirstRowID+*s.AddedRows > 0 {
				t.NextRowID = max(t.NextRowID, *s.FirstRowID+*s.AddedRows)
			}
		}
	}
	return nil
}

// completeV1 fills in what version 1 leaves out.
func (p *parser) completeV1() error {
	t := p.t
	for _, name := range []string{"location", "last-updated-ms", "last-column-id"} {
		if !p.seen[name] {
			return fmt.Errorf("no %s, which format version 1 requires", name)
		}
	}
	if err := p.schemasV1(); err != nil {
		return err
	}
	if err := p.specsV1(); err != nil {
		return err
	}
	if !p.seen["last-partition-id"] {
		t.LastPartitionID = 999
		for _, s := range t.Specs {
			t.LastPartitionID = max(t.LastPartitionID, s.LastFieldID())
		}
	}
	if len(t.SortOrders) == 0 {
		t.SortOrders = []partition.SortOrder{partition.Unsorted()}
		t.DefaultSortOrderID = 0
	}
	return nil
}

func (p *parser) schemasV1() error {
	t := p.t
	if len(t.Schemas) > 0 && p.seen["current-schema-id"] {
		return nil
	}
	if p.schema == nil {
		return errors.New("no schema, and no schemas with a current-schema-id")
	}
	s := new(schema.Schema)
	if err := s.UnmarshalJSON(p.schema); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if _, ok := t.SchemaByID(s.ID); !ok {
		t.Schemas = append(t.Schemas, s)
		// Kept as it is only when the schema-id is said, not implied.
		var said struct {
			ID *int `json:"schema-id"`
		}
		if json.Unmarshal(p.schema, &said) == nil && said.ID != nil {
			t.enc.schemas[s] = p.schema
		}
	}
	t.CurrentSchemaID = s.ID
	return nil
}

func (p *parser) specsV1() error {
	t := p.t
	if len(t.Specs) == 0 {
		spec := partition.Spec{}
		if p.spec != nil {
			var err error
			if spec, err = partition.UnmarshalFields(0, p.spec); err != nil {
				return err
			}
		} else if p.seen["partition-specs"] {
			return errors.New("partition-specs is empty")
		}
		t.Specs = []partition.Spec{spec}
		t.DefaultSpecID = 0
		return nil
	}
	if p.seen["default-spec-id"] {
		return nil
	}
	for _, s := range t.Specs {
		t.DefaultSpecID = max(t.DefaultSpecID, s.ID)
	}
	if p.spec == nil {
		return nil
	}
	current, err := partition.UnmarshalFields(0, p.spec)
	if err != nil {
		return err
	}
	for _, s := range t.Specs {
		if s.Equivalent(current) {
			t.DefaultSpecID = s.ID
		}
	}
	return nil
}

// finish checks references between the parts and derives the rest.
func (p *parser) finish() error {
	t := p.t
	if t.Location == "" {
		return errors.New("empty location")
	}
	if _, ok := t.SchemaByID(t.CurrentSchemaID); !ok {
		return fmt.Errorf("current-schema-id %d is not among the schemas", t.CurrentSchemaID)
	}
	if _, ok := t.Spec(t.DefaultSpecID); !ok {
		return fmt.Errorf("default-spec-id %d is not among the partition specs", t.DefaultSpecID)
	}
	if _, ok := t.SortOrder(t.DefaultSortOrderID); !ok {
		return fmt.Errorf("default-sort-order-id %d is not among the sort orders", t.DefaultSortOrderID)
	}
	if t.NextRowID < 0 || t.LastSequenceNumber < 0 {
		return errors.New("negative next-row-id or last-sequence-number")
	}
	if err := t.checkSnapshots(); err != nil {
		return err
	}
	return p.finishRefs()
}

func (t *Table) checkSnapshots() error {
	t.buildIndex()
	for i := range t.Snapshots {
		s := &t.Snapshots[i]
		if t.index[s.ID] != i {
			return fmt.Errorf("snapshot id %d is used twice", s.ID)
		}
		if t.FormatVersion >= 2 && s.SequenceNumber > t.LastSequenceNumber {
			return fmt.Errorf("snapshot %d has sequence number %d, beyond last-sequence-number %d", s.ID, s.SequenceNumber, t.LastSequenceNumber)
		}
		if s.ID < 0 && !bytes.Contains(s.raw, strconv.AppendInt(nil, s.ID, 10)) {
			t.unsigned = strconv.FormatUint(uint64(s.ID), 10)
		}
	}
	return nil
}

// finishRefs makes the main branch and current-snapshot-id agree. Minus one is
// the null of older writers.
func (p *parser) finishRefs() error {
	t := p.t
	if p.currentID != nil && *p.currentID != -1 {
		id := int64(*p.currentID)
		if t.Snapshot(id) == nil {
			return fmt.Errorf("current-snapshot-id %d is not among the snapshots", id)
		}
		t.CurrentSnapshotID = &id
	}
	if t.Refs == nil {
		t.Refs = map[string]Ref{}
	}
	main, ok := t.Refs[MainBranch]
	switch {
	case !ok && t.CurrentSnapshotID != nil:
		t.Refs[MainBranch] = Ref{SnapshotID: *t.CurrentSnapshotID, Type: "branch"}
	case ok && t.CurrentSnapshotID == nil && p.currentID == nil && t.Snapshot(main.SnapshotID) != nil:
		t.CurrentSnapshotID = &main.SnapshotID
	case ok && t.CurrentSnapshotID == nil:
		return fmt.Errorf("branch main is at snapshot %d, but there is no current snapshot", main.SnapshotID)
	case ok && main.SnapshotID != *t.CurrentSnapshotID:
		return fmt.Errorf("branch main is at snapshot %d, current-snapshot-id is %d", main.SnapshotID, *t.CurrentSnapshotID)
	}
	for name, r := range t.Refs {
		if t.Snapshot(r.SnapshotID) == nil {
			return fmt.Errorf("ref %s is at snapshot %d, which is not among the snapshots", name, r.SnapshotID)
		}
	}
	return nil
}

// trimLocation removes trailing slashes, but not those that end a scheme or are
// all there is.
func trimLocation(s string) string {
	for len(s) > 1 && strings.HasSuffix(s, "/") && !strings.HasSuffix(s, "://") {
		s = s[:len(s)-1]
	}
	return s
}
