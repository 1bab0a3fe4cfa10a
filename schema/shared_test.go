package schema

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

// Every schema and name mapping in tables written by other engines is read,
// valid for the table's version, and written with the same content.
func TestForeignSchemas(t *testing.T) {
	n := 0
	err := filepath.WalkDir(testenv.Shared(t, "tables"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".metadata.json") {
			return err
		}
		data, err := readMaybeGzip(path)
		if err != nil {
			return err
		}
		var m struct {
			Version    int               `json:"format-version"`
			Schemas    []json.RawMessage `json:"schemas"`
			Properties map[string]string `json:"properties"`
		}
		if err := json.Unmarshal(data, &m); err != nil {
			return nil // compressed by other means, or broken on purpose
		}
		for _, raw := range m.Schemas {
			n++
			sameSchema(t, path, raw, m.Version)
		}
		if text, ok := m.Properties[NameMappingProperty]; ok {
			nm, err := ParseNameMapping([]byte(text))
			if err != nil {
				t.Errorf("%s: %v", path, err)
				return nil
			}
			out, _ := nm.MarshalJSON()
			if !sameJSON(out, []byte(text)) {
				t.Errorf("%s: name mapping written as %s", path, out)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 100 {
		t.Errorf("only %d schemas found", n)
	}
	t.Logf("%d schemas", n)
}

func readMaybeGzip(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.Contains(path, ".gz.") {
		return io.ReadAll(f)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func sameSchema(t *testing.T, path string, raw []byte, version int) {
	var s Schema
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	// One writer puts defaults into version 2 tables; they are readable.
	if err := Validate(&s, version); err != nil && !strings.Contains(err.Error(), "defaults need format version 3") {
		t.Errorf("%s: %v", path, err)
	}
	out, err := s.MarshalJSON()
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	var again Schema
	if err := json.Unmarshal(out, &again); err != nil || !again.Equal(&s) {
		t.Errorf("%s: not read back from %s: %v", path, out, err)
	}
	if !sameJSON(raw, out) {
		t.Errorf("%s:\nread    %s\nwritten %s", path, raw, out)
	}
	back, err := FromArrow(ArrowSchema(&s))
	if err != nil {
		t.Errorf("%s: by way of Arrow: %v", path, err)
	} else if len(back.Fields) != len(s.Fields) || back.HighestFieldID() != s.HighestFieldID() {
		t.Errorf("%s: by way of Arrow: %s", path, back)
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(normal(x), normal(y))
}

// normal brings type strings into our form and drops defaults, whose texts
// differ between writers ("00FF", "1.0E300").
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "initial-default")
		delete(v, "write-default")
		for k, x := range v {
			v[k] = normal(x)
		}
		if ids, ok := v["identifier-field-ids"].([]any); ok && len(ids) == 0 {
			delete(v, "identifier-field-ids")
		}
	case []any:
		for i, x := range v {
			v[i] = normal(x)
		}
	case string:
		if t, err := ParseType(v); err == nil {
			return t.String()
		}
	}
	return v
}
