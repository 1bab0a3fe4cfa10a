package expr

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestFiltersOfSpark evaluates filters over the rows of tables and compares the
// number of hits with Spark's.
func TestFiltersOfSpark(t *testing.T) {
	root := testenv.Shared(t, "tables", "spark")
	paths, err := filepath.Glob(filepath.Join(root, "expected", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, path := range paths {
		if strings.HasSuffix(path, ".changes.json") {
			continue
		}
		var want struct {
			Table   string `json:"table"`
			File    string `json:"metadata_file"`
			Current struct {
				Rows []json.RawMessage `json:"rows"`
			} `json:"current"`
			Filters []struct {
				SQL  string `json:"sql"`
				Rows int    `json:"row_count"`
			} `json:"filters"`
		}
		readJSON(t, path, &want)
		if len(want.Filters) == 0 {
			continue
		}
		s := currentSchema(t, filepath.Join(root, want.Table, "metadata", filepath.Base(want.File)))
		for _, f := range want.Filters {
			if strings.HasPrefix(f.SQL, "size(") {
				continue // no functions
			}
			e, err := Parse(strings.ReplaceAll(f.SQL, "double('NaN')", "double 'NaN'"))
			if err != nil {
				t.Errorf("%s: %s: %v", want.Table, f.SQL, err)
				continue
			}
			b, err := Bind(e, s, false)
			if err != nil {
				t.Errorf("%s: %s: %v", want.Table, f.SQL, err)
				continue
			}
			hits := 0
			for _, raw := range want.Current.Rows {
				hits += boolInt(b.EvalRow(func(id int) any { return canonical(t, s, raw, id) }))
			}
			if hits != f.Rows {
				t.Errorf("%s: %s hits %d of %d rows, Spark's %d", want.Table, b, hits, len(want.Current.Rows), f.Rows)
			}
			ran++
		}
	}
	t.Logf("%d filters", ran)
	if ran < 50 {
		t.Errorf("only %d filters ran", ran)
	}
}

func currentSchema(t *testing.T, path string) *schema.Schema {
	t.Helper()
	var meta struct {
		Current int              `json:"current-schema-id"`
		Schemas []*schema.Schema `json:"schemas"`
	}
	readJSON(t, path, &meta)
	for _, s := range meta.Schemas {
		if s.ID == meta.Current {
			return s
		}
	}
	t.Fatalf("%s: no current schema", path)
	return nil
}

// canonical reads a column of a row in the canonical rendering; of structs and
// lists it only tells whether they are null.
func canonical(t *testing.T, s *schema.Schema, raw json.RawMessage, id int) any {
	t.Helper()
	f, _ := s.FieldByID(id)
	for _, part := range strings.Split(s.Path(id), ".") {
		var row map[string]json.RawMessage
		if err := json.Unmarshal(raw, &row); err != nil {
			t.Fatal(err)
		}
		if row == nil {
			return nil
		}
		raw = row[part]
	}
	text := string(raw)
	if text == "null" || text == "" {
		return nil
	}
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			t.Fatal(err)
		}
	}
	if bits, ok := strings.CutPrefix(text, "f32:"); ok {
		n, err := strconv.ParseUint(bits, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return math.Float32frombits(uint32(n))
	}
	if bits, ok := strings.CutPrefix(text, "f64:"); ok {
		n, err := strconv.ParseUint(bits, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return math.Float64frombits(n)
	}
	if f.Type.IsNested() {
		return true
	}
	v, err := schema.ParseLiteral(f.Type, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
