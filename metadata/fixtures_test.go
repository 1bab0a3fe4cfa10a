package metadata

import (
	stdjson "encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

// refused are the names of metadata files of other projects that must be refused,
// with a part of the error.
// They are keyed by the end of the path.
var refused = map[string]string{
	"iceberg-cpp/_loose/TableMetadataUnsupportedVersion.json":                       "unsupported format version 42",
	"table_metadata/TableMetadataUnsupportedVersion.json":                           "no schemas",
	"TableMetadataV1NoValidSchema.json":                                             "no schema",
	"iceberg-cpp/_loose/TableMetadataV2CurrentSchemaNotFound.json":                  "no last-partition-id",
	"table/TableMetadataV2CurrentSchemaNotFound.json":                               "current-schema-id 2",
	"table_metadata/TableMetadataV2CurrentSchemaNotFound.json":                      "current-schema-id 2",
	"TableMetadataV2MissingLastPartitionId.json":                                    "no last-partition-id",
	"TableMetadataV2MissingPartitionSpecs.json":                                     "no partition-specs",
	"TableMetadataV2MissingSchemas.json":                                            "no schemas",
	"TableMetadataV2MissingSortOrder.json":                                          "no sort-orders",
	"a85973e4-4009-4cba-875e-5278a2c6027d-m0.metadata.json":                         "no format-version", // a manifest
	"snap-8656952484400131532-1-a85973e4-4009-4cba-875e-5278a2c6027d.metadata.json": "no format-version", // a list
	"pg_lake/metadata_json/TableMetadataV2ValidMinimal.json":                        "current-snapshot-id 305572967557459700 is not",
	"duckdb-iceberg/big_query_error/metadata/v0.metadata.json":                      "no format-version",
}

// wantRefusal returns the part of the error expected for a path.
func wantRefusal(path string) (string, bool) {
	for end, want := range refused {
		if strings.HasSuffix(filepath.ToSlash(path), end) {
			return want, true
		}
	}
	return "", false
}

func eachMetadataFile(t *testing.T, fn func(path string, data []byte)) {
	t.Helper()
	root := testenv.Shared(t, "tables")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := d.Name()
		if !strings.Contains(name, ".metadata.json") && !strings.HasPrefix(name, "TableMetadata") && !strings.Contains(name, "table_metadata") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fn(path, data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFixtures reads the metadata of tables that others wrote, writes it and
// compares every member with the original.
func TestFixtures(t *testing.T) {
	read, no := 0, 0
	eachMetadataFile(t, func(path string, data []byte) {
		table, err := Parse(data, filepath.Base(path))
		if want, bad := wantRefusal(path); bad || err != nil {
			no++
			if !bad || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want …%s…", path, err, want)
			}
			return
		}
		read++
		out, err := table.Marshal()
		if table.unsigned != "" {
			if err == nil {
				t.Errorf("%s: snapshot ids beyond 64 signed bits are written", path)
			}
			return
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		again, err := Parse(out, "again")
		if err != nil {
			t.Errorf("%s: own output: %v", path, err)
			return
		}
		twice, err := again.Marshal()
		if err != nil || string(twice) != string(out) {
			t.Errorf("%s: writes differ between rounds: %v", path, err)
		}
		compareMembers(t, path, data, out)
	})
	t.Logf("%d read, %d refused", read, no)
	if read < 300 {
		t.Errorf("only %d metadata files were read", read)
	}
}

// compareMembers checks that each member of the original came out equal.
func compareMembers(t *testing.T, path string, data, out []byte) {
	t.Helper()
	plain, err := unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	before, after := decodeTree(t, plain), decodeTree(t, out)
	for name, v := range before {
		w, ok := after[name]
		switch {
		case ok && reflect.DeepEqual(v, w):
		case !ok && (v == nil || reflect.DeepEqual(v, []any{})): // empty lists may go
		case name == "current-snapshot-id" && !ok && v == stdjson.Number("-1"):
		case name == "location" && strings.TrimRight(v.(string), "/") == w:
		case name == "schema" && before["schemas"] != nil: // which wins, as in Java
		case name == "schema" && sameText(dropMember(v, "schema-id", "type"), dropMember(w, "schema-id", "type")):
		case before["format-version"] != stdjson.Number("1") && (name == "schema" || name == "partition-spec"):
		case name == "next-row-id" && before["format-version"] != stdjson.Number("3"):
		case name == "refs" && reflect.DeepEqual(v, dropMember(w, "main")):
		default:
			t.Errorf("%s: member %s\nwas %v\nnow %v", path, name, v, w)
		}
	}
}

// sameText compares trees apart from blanks inside decimal types.
func sameText(a, b any) bool {
	strip := func(v any) string { return strings.ReplaceAll(fmt.Sprint(v), ", ", ",") }
	return strip(a) == strip(b)
}

func dropMember(v any, names ...string) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, x := range m {
		if !slices.Contains(names, k) {
			out[k] = x
		}
	}
	return out
}

func decodeTree(t *testing.T, data []byte) map[string]any {
	t.Helper()
	d := stdjson.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}
