package metadata

import (
	"bytes"
	"compress/gzip"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/frazildb/frazil/partition"
)

func TestUpdateJSON(t *testing.T) {
	snap := Snapshot{
		ID: 3055729675574597004, ParentID: ptr(int64(3051729675574597004)), SequenceNumber: 2, TimestampMS: 5, ManifestList: "m",
		Operation: OpAppend, Summary: map[string]string{"a": "1"}, SchemaID: ptr(1), FirstRowID: ptr(int64(0)), AddedRows: ptr(int64(7)),
	}
	cases := []struct {
		u    Update
		want string
	}{
		{AssignUUID{"u"}, `{"action":"assign-uuid","uuid":"u"}`},
		{UpgradeFormatVersion{3}, `{"action":"upgrade-format-version","format-version":3}`},
		{SetCurrentSchema{-1}, `{"action":"set-current-schema","schema-id":-1}`},
		{
			AddSpec{partition.Spec{ID: 1, Fields: []partition.Field{{SourceIDs: []int{1}, Name: "d", Transform: partition.ParseTransform("day")}}}},
			`{"action":"add-spec","spec":{"spec-id":1,"fields":[{"name":"d","transform":"day","source-id":1}]}}`,
		},
		{SetDefaultSpec{-1}, `{"action":"set-default-spec","spec-id":-1}`},
		{AddSortOrder{partition.Unsorted()}, `{"action":"add-sort-order","sort-order":{"order-id":0,"fields":[]}}`},
		{SetDefaultSortOrder{1}, `{"action":"set-default-sort-order","sort-order-id":1}`},
		{AddSnapshot{snap}, `{"action":"add-snapshot","snapshot":{"sequence-number":2,"snapshot-id":3055729675574597004,"parent-snapshot-id":3051729675574597004,"timestamp-ms":5,"summary":{"operation":"append","a":"1"},"manifest-list":"m","schema-id":1,"first-row-id":0,"added-rows":7}}`},
		{
			SetRef{"main", Ref{SnapshotID: 5, Type: "branch", MinSnapshotsToKeep: ptr(2), MaxSnapshotAgeMS: ptr(int64(3)), MaxRefAgeMS: ptr(int64(4))}},
			`{"action":"set-snapshot-ref","ref-name":"main","snapshot-id":5,"type":"branch","min-snapshots-to-keep":2,"max-snapshot-age-ms":3,"max-ref-age-ms":4}`,
		},
		{RemoveRef{"x"}, `{"action":"remove-snapshot-ref","ref-name":"x"}`},
		{RemoveSnapshots{[]int64{3055729675574597004}}, `{"action":"remove-snapshots","snapshot-ids":[3055729675574597004]}`},
		{SetLocation{"l"}, `{"action":"set-location","location":"l"}`},
		{SetProperties{map[string]string{"b": "2", "a": "1"}}, `{"action":"set-properties","updates":{"a":"1","b":"2"}}`},
		{RemoveProperties{[]string{"a"}}, `{"action":"remove-properties","removals":["a"]}`},
		{
			SetStatistics{Statistics{SnapshotID: 5, Path: "p", FileSizeInBytes: 1, FileFooterSize: 2, Blobs: []BlobMetadata{{Type: "t", SnapshotID: 5, SequenceNumber: 1, Fields: []int{1}}}}},
			`{"action":"set-statistics","snapshot-id":5,"statistics":{"snapshot-id":5,"statistics-path":"p","file-size-in-bytes":1,"file-footer-size-in-bytes":2,"blob-metadata":[{"type":"t","snapshot-id":5,"sequence-number":1,"fields":[1]}]}}`,
		},
		{RemoveStatistics{5}, `{"action":"remove-statistics","snapshot-id":5}`},
		{
			SetPartitionStatistics{PartitionStatistics{SnapshotID: 5, Path: "p", FileSizeInBytes: 1}},
			`{"action":"set-partition-statistics","partition-statistics":{"snapshot-id":5,"statistics-path":"p","file-size-in-bytes":1}}`,
		},
		{RemovePartitionStatistics{5}, `{"action":"remove-partition-statistics","snapshot-id":5}`},
		{RemoveSpecs{[]int{1}}, `{"action":"remove-partition-specs","spec-ids":[1]}`},
		{RemoveSchemas{[]int{1}}, `{"action":"remove-schemas","schema-ids":[1]}`},
	}
	for _, c := range cases {
		got, err := MarshalUpdate(c.u)
		if err != nil || string(got) != c.want {
			t.Errorf("%T: %s, %v\nwant %s", c.u, got, err, c.want)
			continue
		}
		back, err := UnmarshalUpdate(got)
		if err != nil || !reflect.DeepEqual(back, c.u) {
			t.Errorf("%s: %+v, %v", got, back, err)
		}
	}
	s := testSchema()
	got, err := MarshalUpdate(AddSchema{s})
	if err != nil || !strings.HasSuffix(string(got), `,"last-column-id":30}`) {
		t.Errorf("%s, %v", got, err)
	}
	if back, err := UnmarshalUpdate(got); err != nil || !back.(AddSchema).Schema.Equal(s) {
		t.Errorf("%+v, %v", back, err)
	}
	for in, unknown := range map[string]bool{
		`{"action":"add-view-version"}`: true, `{}`: true, `{"action":"set-location"}`: false, `{"action":"add-snapshot"}`: false,
		`{"action":"add-schema"}`: false, `{"action":"set-snapshot-ref","ref-name":"x","type":"tag"}`: false, `[]`: false, ``: false,
	} {
		if _, err := UnmarshalUpdate([]byte(in)); err == nil || errors.Is(err, ErrUnknownUpdate) != unknown {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestRequirementJSON(t *testing.T) {
	cases := map[string]Requirement{
		`{"type":"assert-create"}`:                                                       AssertCreate{},
		`{"type":"assert-table-uuid","uuid":"u"}`:                                        AssertUUID{"u"},
		`{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null}`:              AssertRefSnapshot{"main", nil},
		`{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":5}`:                 AssertRefSnapshot{"main", ptr(int64(5))},
		`{"type":"assert-last-assigned-field-id","last-assigned-field-id":1}`:            AssertLastColumnID{1},
		`{"type":"assert-current-schema-id","current-schema-id":1}`:                      AssertCurrentSchemaID{1},
		`{"type":"assert-last-assigned-partition-id","last-assigned-partition-id":1000}`: AssertLastPartitionID{1000},
		`{"type":"assert-default-spec-id","default-spec-id":1}`:                          AssertDefaultSpecID{1},
		`{"type":"assert-default-sort-order-id","default-sort-order-id":1}`:              AssertDefaultSortOrderID{1},
	}
	for text, r := range cases {
		got, err := MarshalRequirement(r)
		if err != nil || string(got) != text {
			t.Errorf("%+v: %s, %v", r, got, err)
		}
		if back, err := UnmarshalRequirement([]byte(text)); err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("%s: %+v, %v", text, back, err)
		}
	}
	for _, bad := range []string{`{"type":"assert-view-uuid"}`, `{"type":"assert-table-uuid"}`, `{}`, `1`} {
		if r, err := UnmarshalRequirement([]byte(bad)); err == nil {
			t.Errorf("%s is read as %+v", bad, r)
		}
	}
}

const minimal = `{"format-version":2,"table-uuid":"9c12d441-03fe-4693-9a96-a0705ddf69c1","location":"l","last-sequence-number":1,` +
	`"last-updated-ms":5,"last-column-id":1,"current-schema-id":0,"schemas":[{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"x","required":true,"type":"long"}],"later":[1, 2]}],` +
	`"default-spec-id":0,"partition-specs":[{"spec-id":0,"fields":[],"later":1.50}],"last-partition-id":999,"default-sort-order-id":0,"sort-orders":[{"order-id":0,"fields":[]}],` +
	`"snapshots":[{"snapshot-id":7,"sequence-number":1,"timestamp-ms":4,"manifest-list":"m","summary":{"operation":"append","n":5,"b":true,"z":null},"later":{"a": 1e400}}],` +
	`"refs":{"main":{"snapshot-id":7,"type":"branch","later":"x"}},"current-snapshot-id":7,"later":{"deep": [ 1.0, "é" ]},"properties":{"n":1}}`

// Members of later versions survive a change of the table byte for byte.
func TestUnknownMembers(t *testing.T) {
	table, err := Parse([]byte(minimal), "x")
	if err != nil {
		t.Fatal(err)
	}
	if s := table.Current(); s.Operation != OpAppend || s.Summary["n"] != "5" || s.Summary["b"] != "true" || len(s.Summary) != 2 || table.Properties["n"] != "1" {
		t.Errorf("%+v, properties %v", s, table.Properties)
	}
	if string(table.Current().Extra["later"]) != `{"a": 1e400}` {
		t.Errorf("extra %s", table.Current().Extra["later"])
	}
	out := marshal(t, apply(t, table, SetRef{"t", Ref{SnapshotID: 7, Type: "tag"}}))
	for _, part := range []string{
		`"later":[1, 2]`, `"later":1.50`, `"later":{"a": 1e400}`, `"later":"x"`, `"later":{"deep": [ 1.0, "é" ]}`, `"n":5,"b":true`,
	} {
		if !strings.Contains(out, part) {
			t.Errorf("%s is lost in %s", part, out)
		}
	}
}

func TestDamagedMetadata(t *testing.T) {
	swap := func(old, new string) string {
		if !strings.Contains(minimal, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(minimal, old, new, 1)
	}
	cases := map[string]string{
		"beyond last-sequence-number":   swap(`"last-sequence-number":1`, `"last-sequence-number":0`),
		"branch main is at":             swap(`"main":{"snapshot-id":7`, `"main":{"snapshot-id":8`),
		"is not among the snapshots":    swap(`"current-snapshot-id":7`, `"current-snapshot-id":8`),
		"neither branch nor tag":        swap(`"type":"branch"`, `"type":"twig"`),
		"not among the partition specs": swap(`"default-spec-id":0`, `"default-spec-id":1`),
		"not among the sort orders":     swap(`"default-sort-order-id":0`, `"default-sort-order-id":1`),
		"empty location":                swap(`"location":"l"`, `"location":""`),
		"no location":                   swap(`"location":"l"`, `"location":null`),
		"unsupported format version 4":  swap(`"format-version":2`, `"format-version":4`),
		"unsupported format version 0":  swap(`"format-version":2`, `"format-version":0`),
		"no format-version":             swap(`"format-version":2`, `"format-versions":2`),
		"duplicate":                     swap(`"location":"l"`, `"location":"l","location":"m"`),
		"snapshot id is used twice":     "",
		"without snapshot-id":           swap(`"snapshot-id":7,"sequence-number"`, `"sequence-number"`),
		"not a 64-bit integer":          swap(`"snapshot-id":7,"sequence-number"`, `"snapshot-id":1.5,"sequence-number"`),
		"text after":                    minimal + "x",
		"unexpected EOF":                minimal[:len(minimal)-1],
	}
	delete(cases, "snapshot id is used twice")
	for want, in := range cases {
		if _, err := Parse([]byte(in), "dir/v1.metadata.json"); err == nil || !strings.Contains(err.Error(), want) && want != "text after" {
			t.Errorf("%v, want …%s…", err, want)
		} else if !strings.Contains(err.Error(), "dir/v1.metadata.json") {
			t.Errorf("%v does not name the file", err)
		}
	}
	twice := swap(`"snapshots":[`, `"snapshots":[{"snapshot-id":7,"timestamp-ms":1},`)
	if _, err := Parse([]byte(twice), "x"); err == nil || !strings.Contains(err.Error(), "used twice") {
		t.Errorf("snapshot twice: %v", err)
	}
	_, err := Parse([]byte(swap(`"format-version":2`, `"format-version":4`)), "x")
	if !errors.Is(err, ErrUnsupportedVersion) {
		t.Errorf("%v", err)
	}
}

func TestVersion3WithoutNextRowID(t *testing.T) {
	in := strings.Replace(minimal, `"format-version":2`, `"format-version":3`, 1)
	in = strings.Replace(in, `"sequence-number":1,`, `"sequence-number":1,"first-row-id":10,"added-rows":5,`, 1)
	table, err := Parse([]byte(in), "x")
	if err != nil || table.NextRowID != 15 {
		t.Errorf("%v, %v", table, err)
	}
}

func TestCompressed(t *testing.T) {
	var gz, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []interface {
		Write([]byte) (int, error)
		Close() error
	}{g, z} {
		if _, err := w.Write([]byte(minimal)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"gzip": gz.Bytes(), "zstd": zs.Bytes()} {
		if table, err := Parse(data, name); err != nil || table.Current().ID != 7 {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Parse(data[:len(data)-9], name); err == nil {
			t.Errorf("%s: cut file is accepted", name)
		}
	}
	// A small file that unpacks to much is refused long before memory runs out.
	var bomb bytes.Buffer
	z.Reset(&bomb)
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(bomb.Bytes(), "bomb"); err == nil || !strings.Contains(err.Error(), "decompresses to more") {
		t.Errorf("bomb of %d bytes: %v", bomb.Len(), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(`{"format-version":1,"location":"l","last-updated-ms":5,"last-column-id":1,"schema":{"type":"struct","fields":[{"id":1,"name":"x","required":true,"type":"long"}]},"partition-spec":[{"name":"x","transform":"identity","source-id":1}],"snapshots":[{"snapshot-id":7,"timestamp-ms":4,"manifests":["a"]}],"current-snapshot-id":7}`))
	f.Add([]byte(`{"format-version":3,"table-uuid":"u","location":"l","last-sequence-number":0,"last-updated-ms":5,"last-column-id":1,"next-row-id":3,"current-schema-id":0,"schemas":[{"type":"struct","schema-id":0,"fields":[]}],"default-spec-id":0,"partition-specs":[{"spec-id":0,"fields":[]}],"last-partition-id":999,"default-sort-order-id":0,"sort-orders":[{"order-id":0,"fields":[]}],"encryption-keys":[{"key-id":"k","encrypted-key-metadata":"bQ=="}],"statistics":[{"snapshot-id":1,"statistics-path":"p","blob-metadata":[{"type":"t","fields":[1]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := Parse(data, "x")
		if err != nil || table.unsigned != "" {
			return
		}
		out, err := table.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(out, "again")
		if err != nil {
			t.Fatalf("own output %s: %v", out, err)
		}
		twice, err := again.Marshal()
		if err != nil || !bytes.Equal(out, twice) {
			t.Fatalf("%s\nthen\n%s (%v)", out, twice, err)
		}
		if next, err := table.Apply([]Update{SetProperties{map[string]string{"k": "v"}}}, t0, "p"); err == nil {
			if _, err := next.Marshal(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzUnmarshalUpdate(f *testing.F) {
	f.Add([]byte(`{"action":"set-snapshot-ref","ref-name":"main","snapshot-id":5,"type":"branch"}`))
	f.Add([]byte(`{"action":"add-spec","spec":{"fields":[{"name":"d","transform":"day","source-id":1}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := UnmarshalUpdate(data)
		if err != nil {
			return
		}
		out, err := MarshalUpdate(u)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := UnmarshalUpdate(out); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	})
}
