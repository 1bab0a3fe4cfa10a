package rowjson

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

// Rows as another engine rendered them in the canonical form are read into
// values, and rendered again must be the same text.
func TestExpectedRows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testenv.Shared(t, "tables", "spark", "expected"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no expected rows: %v", err)
	}
	n := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".changes.json") {
			continue
		}
		data, err := os.ReadFile(file)
		check(t, err)
		type rows struct {
			Schema *schema.Schema    `json:"schema"`
			Rows   []json.RawMessage `json:"rows"`
		}
		var doc struct {
			Current rows `json:"current"`
			Lineage rows `json:"current_with_row_lineage"`
		}
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, part := range []rows{doc.Current, doc.Lineage} {
			if part.Schema != nil {
				n += sameRows(t, file, part.Schema, part.Rows)
			}
		}
	}
	if n < 1000 {
		t.Errorf("only %d rows compared", n)
	}
	t.Logf("%d rows", n)
}

func sameRows(t *testing.T, file string, s *schema.Schema, rows []json.RawMessage) int {
	t.Helper()
	for _, f := range s.Fields {
		if f.Type.Kind == schema.KindVariant {
			return 0
		}
	}
	var values []schema.Row
	for _, raw := range rows {
		v, err := parseCanonical(s.Struct(), raw)
		if err != nil {
			t.Errorf("%s: %s: %v", file, raw, err)
			return 0
		}
		values = append(values, v.(schema.Row))
	}
	b, err := schema.RowsToBatch(s, values, nil)
	if err != nil {
		t.Errorf("%s: %v", file, err)
		return 0
	}
	e := NewEncoder(s, Canonical)
	for i, raw := range rows {
		if got := e.AppendRow(nil, b, i); string(got) != string(raw) {
			t.Errorf("%s row %d:\ngot  %s\nwant %s", file, i, got, raw)
			return i
		}
	}
	return len(rows)
}

// parseCanonical reads a value in the canonical form.
func parseCanonical(typ schema.Type, raw json.RawMessage) (any, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	switch typ.Kind {
	case schema.KindStruct:
		var m map[string]json.RawMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, err
		}
		row := make(schema.Row, len(typ.Fields))
		for i, f := range typ.Fields {
			if m[f.Name] == nil {
				return nil, fmt.Errorf("no member %s", f.Name)
			}
			var err error
			if row[i], err = parseCanonical(f.Type, m[f.Name]); err != nil {
				return nil, err
			}
		}
		return row, nil
	case schema.KindList:
		return parseList(typ.Element().Type, raw)
	case schema.KindMap:
		var pairs [][2]json.RawMessage
		if err := json.Unmarshal(raw, &pairs); err != nil {
			return nil, err
		}
		var m schema.MapValue
		for i := len(pairs) - 1; i >= 0; i-- { // backwards, so that sorting has work to do
			k, err := parseCanonical(typ.Key().Type, pairs[i][0])
			if err != nil {
				return nil, err
			}
			v, err := parseCanonical(typ.Value().Type, pairs[i][1])
			if err != nil {
				return nil, err
			}
			m.Keys, m.Values = append(m.Keys, k), append(m.Values, v)
		}
		return m, nil
	case schema.KindBoolean, schema.KindInt, schema.KindLong:
		return schema.ParseLiteral(typ, string(raw))
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	switch typ.Kind {
	case schema.KindFloat:
		n, err := strconv.ParseUint(strings.TrimPrefix(s, "f32:"), 16, 32)
		return math.Float32frombits(uint32(n)), err
	case schema.KindDouble:
		n, err := strconv.ParseUint(strings.TrimPrefix(s, "f64:"), 16, 64)
		return math.Float64frombits(n), err
	case schema.KindBinary, schema.KindFixed, schema.KindGeometry, schema.KindGeography:
		return hex.DecodeString(s)
	}
	return schema.ParseLiteral(typ, s)
}

func parseList(element schema.Type, raw json.RawMessage) (any, error) {
	var l []json.RawMessage
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, err
	}
	out := make([]any, len(l))
	for i := range l {
		var err error
		if out[i], err = parseCanonical(element, l[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
