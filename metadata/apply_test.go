package metadata

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

func ptr[T any](v T) *T { return &v }

func testSchema() *schema.Schema {
	return schema.MustNew(
		schema.Field{ID: 10, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 20, Name: "p", Type: schema.Struct(schema.Field{ID: 21, Name: "q", Type: schema.Int})},
		schema.Field{ID: 30, Name: "at", Type: schema.TimestampTz},
	)
}

var t0 = time.UnixMilli(1700000000000)

func newTable(t testing.TB, version int) *Table {
	t.Helper()
	table, err := New(NewOptions{
		FormatVersion: version, Schema: testSchema(), Location: "mem://t/", UUID: "9c12d441-03fe-4693-9a96-a0705ddf69c1", Now: t0,
		Partition: []partition.Field{partition.Day("at")}, Sort: []partition.SortField{partition.Asc("id")},
		Properties: map[string]string{"a": "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// nextSnapshot makes the snapshot that a commit would add.
func nextSnapshot(t *Table, id int64, parent *Snapshot) Snapshot {
	s := Snapshot{
		ID: id, SequenceNumber: t.LastSequenceNumber + 1, TimestampMS: t.LastUpdatedMS + 10,
		ManifestList: fmt.Sprintf("mem://t/metadata/snap-%d.avro", id), Operation: OpAppend,
		Summary: map[string]string{"added-records": "5"}, SchemaID: ptr(t.CurrentSchemaID),
	}
	if t.FormatVersion == 1 {
		s.SequenceNumber = 0
	}
	if t.FormatVersion >= 3 {
		s.FirstRowID, s.AddedRows = ptr(t.NextRowID), ptr(int64(5))
	}
	if parent != nil {
		s.ParentID = &parent.ID
	}
	return s
}

func commit(t testing.TB, table *Table, id int64) *Table {
	t.Helper()
	s := nextSnapshot(table, id, table.Current())
	return apply(t, table, AddSnapshot{s}, SetRef{MainBranch, Ref{SnapshotID: id, Type: "branch"}})
}

func apply(t testing.TB, table *Table, updates ...Update) *Table {
	t.Helper()
	next, err := table.Apply(updates, time.UnixMilli(table.LastUpdatedMS+20), "mem://t/metadata/previous.json")
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func marshal(t testing.TB, table *Table) string {
	t.Helper()
	out, err := table.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestNew(t *testing.T) {
	got := marshal(t, newTable(t, 3))
	want := `{"format-version":3,"table-uuid":"9c12d441-03fe-4693-9a96-a0705ddf69c1","location":"mem://t","last-sequence-number":0,` +
		`"last-updated-ms":1700000000000,"last-column-id":4,"current-schema-id":0,"schemas":[{"type":"struct","schema-id":0,"fields":[` +
		`{"id":1,"name":"id","required":true,"type":"long"},` +
		`{"id":2,"name":"p","required":false,"type":{"type":"struct","fields":[{"id":4,"name":"q","required":false,"type":"int"}]}},` +
		`{"id":3,"name":"at","required":false,"type":"timestamptz"}]}],` +
		`"default-spec-id":0,"partition-specs":[{"spec-id":0,"fields":[{"name":"at_day","transform":"day","source-id":3,"field-id":1000}]}],` +
		`"last-partition-id":1000,"default-sort-order-id":1,"sort-orders":[{"order-id":1,"fields":[{"transform":"identity","source-id":1,"direction":"asc","null-order":"nulls-first"}]}],` +
		`"properties":{"a":"1"},"next-row-id":0,"refs":{},"snapshots":[],"snapshot-log":[],"metadata-log":[]}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for name, o := range map[string]NewOptions{
		"no schema":       {Location: "x"},
		"version 4":       {Schema: testSchema(), Location: "x", FormatVersion: 4},
		"reserved":        {Schema: testSchema(), Location: "x", Properties: map[string]string{"uuid": "x"}},
		"unknown column":  {Schema: testSchema(), Location: "x", Partition: []partition.Field{partition.Day("nope")}},
		"version twice":   {Schema: testSchema(), Location: "x", FormatVersion: 2, Properties: map[string]string{"format-version": "3"}},
		"v3 type in v2":   {Schema: schema.MustNew(schema.Field{ID: 1, Name: "n", Type: schema.TimestampNs}), Location: "x"},
		"unknown sort id": {Schema: testSchema(), Location: "x", Sort: []partition.SortField{{SourceIDs: []int{99}}}},
	} {
		if table, err := New(o); err == nil {
			t.Errorf("%s is accepted: %+v", name, table)
		}
	}
	byID, err := New(NewOptions{
		Schema: testSchema(), Location: "x", Properties: map[string]string{"format-version": "3"},
		Partition: []partition.Field{{SourceIDs: []int{21}, Transform: partition.Transform{Kind: partition.IdentityTransform}}},
	})
	if err != nil || byID.FormatVersion != 3 || byID.DefaultSpec().Fields[0].SourceIDs[0] != 4 || len(byID.Properties) != 0 {
		t.Errorf("%+v, %v", byID, err)
	}
}

func TestCommits(t *testing.T) {
	for version := 1; version <= 3; version++ {
		table := newTable(t, version)
		before := marshal(t, table)
		first := commit(t, table, 101)
		second := commit(t, first, 102)
		if marshal(t, table) != before {
			t.Fatal("Apply changed its receiver")
		}
		if second.Current().ID != 102 || *second.Current().ParentID != 101 || second.Refs[MainBranch].SnapshotID != 102 {
			t.Errorf("v%d: current %+v", version, second.Current())
		}
		wantSeq, wantRow := int64(2), int64(0)
		if version == 1 {
			wantSeq = 0
		}
		if version == 3 {
			wantRow = 10
		}
		if second.LastSequenceNumber != wantSeq || second.NextRowID != wantRow {
			t.Errorf("v%d: sequence %d, next row %d", version, second.LastSequenceNumber, second.NextRowID)
		}
		log := []SnapshotLogEntry{{first.Current().TimestampMS, 101}, {second.Current().TimestampMS, 102}}
		if !reflect.DeepEqual(second.SnapshotLog, log) {
			t.Errorf("v%d: log %v, want %v", version, second.SnapshotLog, log)
		}
		if len(second.MetadataLog) != 2 || second.MetadataLog[1].TimestampMS != first.LastUpdatedMS {
			t.Errorf("v%d: metadata log %v", version, second.MetadataLog)
		}
		again, err := Parse([]byte(marshal(t, second)), "x")
		if err != nil {
			t.Fatal(err)
		}
		if marshal(t, again) != marshal(t, second) {
			t.Errorf("v%d: round trip differs", version)
		}
	}
}

func TestStaleSnapshots(t *testing.T) {
	table := commit(t, newTable(t, 3), 101)
	s := nextSnapshot(table, 102, table.Current())
	s.SequenceNumber = 1
	if _, err := table.Apply([]Update{AddSnapshot{s}}, t0, ""); !errors.Is(err, ErrStale) {
		t.Errorf("old sequence number: %v", err)
	}
	s.ParentID = nil // replacing a table starts a new line
	if next, err := table.Apply([]Update{AddSnapshot{s}}, t0, ""); err != nil || next.LastSequenceNumber != 1 {
		t.Errorf("no parent: %v", err)
	}
	s = nextSnapshot(table, 102, table.Current())
	s.FirstRowID = ptr(int64(4))
	if _, err := table.Apply([]Update{AddSnapshot{s}}, t0, ""); !errors.Is(err, ErrStale) {
		t.Errorf("old first row id: %v", err)
	}
	// Both count for every branch, not only main.
	s = nextSnapshot(table, 102, table.Current())
	side := apply(t, table, AddSnapshot{s}, SetRef{"side", Ref{SnapshotID: 102, Type: "branch"}})
	if side.NextRowID != 10 || side.LastSequenceNumber != 2 || side.Current().ID != 101 {
		t.Errorf("branch commit: %+v", side)
	}
	s.ID = 103
	if _, err := side.Apply([]Update{AddSnapshot{s}}, t0, ""); !errors.Is(err, ErrStale) {
		t.Errorf("after a branch commit: %v", err)
	}
}

func TestRefusedUpdates(t *testing.T) {
	table := commit(t, newTable(t, 3), 101)
	good := nextSnapshot(table, 102, table.Current())
	change := func(fn func(*Snapshot)) Update {
		s := good
		fn(&s)
		return AddSnapshot{s}
	}
	cases := map[string]Update{
		"the id is taken":          change(func(s *Snapshot) { s.ID = 101 }),
		"no manifest list":         change(func(s *Snapshot) { s.ManifestList = "" }),
		"no operation":             change(func(s *Snapshot) { s.Operation = "" }),
		"unknown schema id":        change(func(s *Snapshot) { s.SchemaID = ptr(7) }),
		"no first-row-id":          change(func(s *Snapshot) { s.AddedRows = nil }),
		"negative added-rows":      change(func(s *Snapshot) { s.AddedRows = ptr(int64(-1)) }),
		"row ids overflow":         change(func(s *Snapshot) { s.AddedRows = ptr(int64(1) << 62); s.FirstRowID = ptr(int64(1) << 62) }),
		"stands for no snapshot":   change(func(s *Snapshot) { s.ID = -1 }),
		"no snapshot 7":            SetRef{"x", Ref{SnapshotID: 7, Type: "tag"}},
		"neither branch nor tag":   SetRef{"x", Ref{SnapshotID: 101}},
		"main must be a branch":    SetRef{MainBranch, Ref{SnapshotID: 101, Type: "tag"}},
		"retention must be":        SetRef{"x", Ref{SnapshotID: 101, Type: "tag", MaxRefAgeMS: ptr(int64(0))}},
		"tags have no snapshot":    SetRef{"x", Ref{SnapshotID: 101, Type: "tag", MaxSnapshotAgeMS: ptr(int64(5))}},
		"cannot go back":           UpgradeFormatVersion{2},
		"unsupported format":       UpgradeFormatVersion{4},
		"uuid is":                  AssignUUID{"other"},
		"no schema 9":              SetCurrentSchema{9},
		"no schema was added":      SetCurrentSchema{LastAdded},
		"no partition spec 9":      SetDefaultSpec{9},
		"no spec was added":        SetDefaultSpec{LastAdded},
		"no sort order 9":          SetDefaultSortOrder{9},
		"no sort order was added":  SetDefaultSortOrder{LastAdded},
		"is the default":           RemoveSpecs{[]int{0}},
		"is the current one":       RemoveSchemas{[]int{0}},
		"property uuid is reserve": SetProperties{map[string]string{"uuid": "x"}},
		"empty location":           SetLocation{},
	}
	for want, u := range cases {
		if _, err := table.Apply([]Update{u}, t0, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want …%s…", u, err, want)
		}
	}
	v1 := newTable(t, 1)
	v1.UUID = ""
	if _, err := v1.Apply([]Update{UpgradeFormatVersion{2}}, t0, ""); err == nil {
		t.Error("version 2 without a uuid is accepted")
	}
	up := apply(t, v1, AssignUUID{"9c12d441-03fe-4693-9a96-a0705ddf69c1"}, SetProperties{map[string]string{"format-version": "3"}})
	if up.FormatVersion != 3 || up.Properties["format-version"] != "" || up.NextRowID != 0 {
		t.Errorf("upgrade: %+v", up)
	}
}

func TestShapes(t *testing.T) {
	table := newTable(t, 2)
	wider := schema.MustNew(append(append([]schema.Field{}, table.CurrentSchema().Fields...), schema.Field{ID: 5, Name: "n", Type: schema.String})...)
	next := apply(t, table, AddSchema{wider}, SetCurrentSchema{LastAdded})
	if next.CurrentSchemaID != 1 || next.LastColumnID != 5 || next.CurrentSchema().ID != 1 {
		t.Errorf("schema %d, last column %d", next.CurrentSchemaID, next.LastColumnID)
	}
	// The old schema again is the old schema.
	back := apply(t, next, AddSchema{table.CurrentSchema()}, SetCurrentSchema{LastAdded})
	if back.CurrentSchemaID != 0 || len(back.Schemas) != 2 || back.LastColumnID != 5 {
		t.Errorf("back at %d of %d", back.CurrentSchemaID, len(back.Schemas))
	}
	// A column that the default spec needs cannot go.
	narrow := schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long})
	if _, err := table.Apply([]Update{AddSchema{narrow}, SetCurrentSchema{LastAdded}}, t0, ""); err == nil || !strings.Contains(err.Error(), "at_day") {
		t.Errorf("dropping a partition source: %v", err)
	}
	// Specs without ids get them; equivalent fields keep theirs.
	spec := partition.Spec{Fields: []partition.Field{
		{SourceIDs: []int{1}, Name: "b", Transform: partition.ParseTransform("bucket[4]")},
		{SourceIDs: []int{3}, Name: "d", Transform: partition.ParseTransform("day")},
	}}
	re := apply(t, next, AddSpec{spec}, SetDefaultSpec{LastAdded})
	got := re.DefaultSpec()
	if got.ID != 1 || got.Fields[0].FieldID != 1001 || got.Fields[1].FieldID != 1000 || re.LastPartitionID != 1001 {
		t.Errorf("spec %+v, last %d", got, re.LastPartitionID)
	}
	same := apply(t, re, AddSpec{got}, SetDefaultSpec{LastAdded})
	if len(same.Specs) != 2 || same.DefaultSpecID != 1 {
		t.Errorf("an equivalent spec is added: %+v", same.Specs)
	}
	if types := re.PartitionTypes(1); types[0].Kind != schema.KindInt || types[1].Kind != schema.KindDate {
		t.Errorf("types %v", types)
	}
	order := partition.SortOrder{Fields: []partition.SortField{{SourceIDs: []int{3}, Transform: partition.ParseTransform("day")}}}
	sorted := apply(t, re, AddSortOrder{order}, SetDefaultSortOrder{LastAdded}, AddSortOrder{partition.Unsorted()})
	if sorted.DefaultSortOrderID != 2 || len(sorted.SortOrders) != 3 {
		t.Errorf("orders %+v", sorted.SortOrders)
	}
	gone := apply(t, sorted, RemoveSpecs{[]int{0}}, RemoveSchemas{[]int{0}})
	if len(gone.Specs) != 1 || len(gone.Schemas) != 1 {
		t.Errorf("%d specs, %d schemas", len(gone.Specs), len(gone.Schemas))
	}
	if _, err := Parse([]byte(marshal(t, gone)), "x"); err != nil {
		t.Error(err)
	}
}

func TestLogAndExpiry(t *testing.T) {
	table := newTable(t, 2)
	for id := int64(101); id <= 104; id++ {
		table = commit(t, table, id)
	}
	table = apply(t, table, SetStatistics{Statistics{SnapshotID: 102, Path: "s"}}, SetStatistics{Statistics{SnapshotID: 104, Path: "s4"}},
		SetRef{"old", Ref{SnapshotID: 101, Type: "tag", MaxRefAgeMS: ptr(int64(9))}})
	back := apply(t, table, SetRef{MainBranch, Ref{SnapshotID: 103, Type: "branch"}})
	if n := len(back.SnapshotLog); n != 5 || back.SnapshotLog[4].SnapshotID != 103 || back.SnapshotLog[4].TimestampMS != back.LastUpdatedMS {
		t.Errorf("rollback: log %v", back.SnapshotLog)
	}
	if s := back.SnapshotAsOf(table.SnapshotLog[1].TimestampMS); s == nil || s.ID != 102 {
		t.Errorf("as of: %+v", s)
	}
	if s := back.SnapshotAsOf(1); s != nil {
		t.Errorf("before the table: %+v", s)
	}
	// A ref is never lost with its snapshot, in whatever order the updates come.
	if _, err := table.Apply([]Update{RemoveSnapshots{[]int64{102, 101}}}, t0, ""); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "ref old") {
		t.Errorf("a tagged snapshot removed: %v", err)
	}
	cut := apply(t, table, RemoveSnapshots{[]int64{102, 101}}, RemoveRef{"old"})
	if len(cut.Snapshots) != 2 || len(cut.SnapshotLog) != 2 || len(cut.Statistics) != 1 || len(cut.Refs) != 1 {
		t.Errorf("expired: %v %v %v %v", len(cut.Snapshots), cut.SnapshotLog, cut.Statistics, cut.Refs)
	}
	if !cut.IsAncestor(103, 104) || !cut.IsAncestor(102, 104) || cut.IsAncestor(101, 104) || cut.IsAncestor(104, 103) {
		t.Error("ancestry")
	}
	// Two moves of main in one commit leave one entry.
	s1 := nextSnapshot(cut, 105, cut.Current())
	s2 := s1
	s2.ID, s2.SequenceNumber, s2.ParentID = 106, s1.SequenceNumber+1, ptr(int64(105))
	two := apply(t, cut, AddSnapshot{s1}, SetRef{MainBranch, Ref{SnapshotID: 105, Type: "branch"}},
		AddSnapshot{s2}, SetRef{MainBranch, Ref{SnapshotID: 106, Type: "branch"}})
	if n := len(two.SnapshotLog); n != 3 || two.SnapshotLog[2].SnapshotID != 106 {
		t.Errorf("two moves: log %v", two.SnapshotLog)
	}
	empty := apply(t, two, RemoveRef{MainBranch})
	if empty.Current() != nil || len(empty.SnapshotLog) != 0 || strings.Contains(marshal(t, empty), "current-snapshot-id") {
		t.Errorf("main removed: %s", marshal(t, empty))
	}
	if _, err := Parse([]byte(marshal(t, empty)), "x"); err != nil {
		t.Error(err)
	}
}

func TestMetadataLogLimit(t *testing.T) {
	table := apply(t, newTable(t, 2), SetProperties{map[string]string{"write.metadata.previous-versions-max": "3"}})
	for range 5 {
		table = apply(t, table)
	}
	if len(table.MetadataLog) != 3 {
		t.Errorf("%d entries", len(table.MetadataLog))
	}
	if table = apply(t, table, RemoveProperties{[]string{"write.metadata.previous-versions-max"}}); table.Property("a", "") != "1" || len(table.Properties) != 1 {
		t.Errorf("properties %v", table.Properties)
	}
	now, err := table.Apply(nil, time.UnixMilli(5), "")
	if err != nil || now.LastUpdatedMS != table.LastUpdatedMS {
		t.Error("last-updated-ms went back")
	}
}

func TestCheck(t *testing.T) {
	table := commit(t, newTable(t, 2), 101)
	met := []Requirement{
		AssertUUID{table.UUID},
		AssertRefSnapshot{MainBranch, ptr(int64(101))},
		AssertRefSnapshot{"x", nil},
		AssertLastColumnID{4},
		AssertCurrentSchemaID{0},
		AssertLastPartitionID{1000},
		AssertDefaultSpecID{0},
		AssertDefaultSortOrderID{1},
	}
	if err := Check(met, table); err != nil {
		t.Error(err)
	}
	if err := Check([]Requirement{AssertCreate{}}, nil); err != nil {
		t.Error(err)
	}
	for _, r := range append(met[:1:1], met[1], met[3]) {
		if err := Check([]Requirement{r}, nil); !errors.Is(err, ErrRequirement) {
			t.Errorf("%+v without a table: %v", r, err)
		}
	}
	for _, r := range []Requirement{
		AssertCreate{},
		AssertUUID{"x"},
		AssertRefSnapshot{MainBranch, nil},
		AssertRefSnapshot{MainBranch, ptr(int64(1))},
		AssertRefSnapshot{"x", ptr(int64(101))},
		AssertLastColumnID{5},
		AssertCurrentSchemaID{1},
		AssertLastPartitionID{1001},
		AssertDefaultSpecID{1},
		AssertDefaultSortOrderID{0},
	} {
		if err := Check([]Requirement{r}, table); !errors.Is(err, ErrRequirement) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func BenchmarkCommit1000Snapshots(b *testing.B) {
	table := newTable(b, 3)
	for id := range int64(1000) {
		table = commit(b, table, 101+id)
	}
	s := nextSnapshot(table, 9999, table.Current())
	updates := []Update{AddSnapshot{s}, SetRef{MainBranch, Ref{SnapshotID: 9999, Type: "branch"}}}
	b.ReportAllocs()
	for b.Loop() {
		next, err := table.Apply(updates, t0, "x")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := next.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse1000Snapshots(b *testing.B) {
	table := newTable(b, 3)
	for id := range int64(1000) {
		table = commit(b, table, 101+id)
	}
	data := []byte(marshal(b, table))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data, "x"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestBuild(t *testing.T) {
	base := []Update{
		AssignUUID{"9c12d441-03fe-4693-9a96-a0705ddf69c1"},
		UpgradeFormatVersion{3},
		AddSchema{testSchema()},
		SetCurrentSchema{LastAdded},
		SetLocation{"mem://t"},
	}
	table, err := Build(base, t0)
	if err != nil {
		t.Fatal(err)
	}
	if table.FormatVersion != 3 || table.LastColumnID != 30 || table.CurrentSchemaID != 0 || table.LastUpdatedMS != t0.UnixMilli() {
		t.Errorf("%+v", table)
	}
	if again, err := Parse([]byte(marshal(t, table)), "x"); err != nil || !again.DefaultSpec().IsUnpartitioned() {
		t.Errorf("%v", err)
	}
	spec := partition.Spec{Fields: []partition.Field{{SourceIDs: []int{30}, Name: "d", Transform: partition.ParseTransform("day")}}}
	order := partition.SortOrder{ID: 7, Fields: []partition.SortField{{SourceIDs: []int{10}, Transform: partition.ParseTransform("identity")}}}
	full := append(base[:len(base):len(base)], AddSpec{spec}, SetDefaultSpec{LastAdded}, AddSortOrder{order}, SetDefaultSortOrder{LastAdded})
	if table, err = Build(full, t0); err != nil || table.DefaultSpec().Fields[0].FieldID != 1000 || table.DefaultSortOrderID != 1 {
		t.Errorf("%+v, %v", table, err)
	}
	for name, updates := range map[string][]Update{
		"no current schema":     base[:3],
		"no schema":             base[:2],
		"no default sort order": append(base[:4:4], AddSortOrder{order}),
		"unsupported version":   append(base[2:4:4], UpgradeFormatVersion{4}),
		"no uuid":               base[1:],
	} {
		if table, err := Build(updates, t0); err == nil {
			t.Errorf("%s is accepted: %+v", name, table)
		}
	}
}
