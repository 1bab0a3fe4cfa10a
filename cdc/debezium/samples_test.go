package debezium_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/cdctest"
	"github.com/frazildb/frazil/cdc/debezium"
	"github.com/frazildb/frazil/schema"
)

// memInput is an input of text.
func memInput(name, text string) debezium.Input {
	return debezium.Input{Name: name, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}

// run applies text to a sink.
func run(t testing.TB, m *cdctest.Memory, text string, opts *debezium.Options, aopts *cdc.Options) (cdc.Stats, error) {
	t.Helper()
	r, err := debezium.NewReader([]debezium.Input{memInput("test.jsonl", text)}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return cdc.Run(context.Background(), r, m, aopts)
}

// dump lists a table's rows as name=value texts, sorted.
func dump(m *cdctest.Memory, table string) []string {
	tab := m.Table(table)
	if tab == nil {
		return nil
	}
	var out []string
	_ = tab.Rows(func(r schema.Row) error {
		var s []string
		for i, c := range tab.Shape().Columns {
			s = append(s, fmt.Sprintf("%s=%v", c.Name, show(r[i])))
		}
		out = append(out, strings.Join(s, " "))
		return nil
	})
	sortStrings(out)
	return out
}

func show(v any) any {
	switch v := v.(type) {
	case []byte:
		return fmt.Sprintf("%x", v)
	case [16]byte:
		return fmt.Sprintf("%x", v)
	case schema.Unscaled:
		return v.ToString(0)
	}
	return v
}

// sampleLines turns a sample file into JSON lines.
func sampleLines(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var one bytes.Buffer
	if json.Compact(&one, data) == nil {
		return one.String()
	}
	var out []string
	for _, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "/*") || strings.HasPrefix(line, "*") || strings.HasPrefix(line, "//") {
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// TestSamples reads real events of many projects. None may panic; what cannot be
// applied is a LineError.
func TestSamples(t *testing.T) {
	dir := filepath.Join(shared(t), "samples", "debezium")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".md") || d.Name() == "index.json" {
			return err
		}
		m := cdctest.NewMemory()
		letters := 0
		var first error
		stats, err := run(t, m, sampleLines(t, path), &debezium.Options{}, &cdc.Options{DeadLetter: func(e *cdc.LineError) error {
			if letters++; first == nil {
				first = e
			}
			return nil
		}})
		rel, _ := filepath.Rel(dir, path)
		t.Logf("%-75s events %3d rows %3d letters %d %v %.220v", rel, stats.Events, stats.Rows, letters, m.Names(), first)
		if err != nil {
			t.Errorf("%s: %v", rel, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPostgresSample checks the end state that the sample's index gives, and that
// a delete that tells no row is refused.
func TestPostgresSample(t *testing.T) {
	dir := filepath.Join(shared(t), "samples", "debezium", "flink")
	m := cdctest.NewMemory()
	opts := &debezium.Options{Keys: map[string][]string{"inventory.products": {"id"}}}
	if _, err := run(t, m, sampleLines(t, filepath.Join(dir, "debezium-postgres-data-schema-exclude.txt")), opts, nil); err != nil {
		t.Fatal(err)
	}
	rows := dump(m, "inventory.products")
	if len(rows) != 10 || !strings.Contains(strings.Join(rows, "\n"), "id=110 name=jacket description=new water resistent white wind breaker weight=0.5") {
		t.Errorf("rows: %s", strings.Join(rows, "\n"))
	}
	_, err := run(t, cdctest.NewMemory(), sampleLines(t, filepath.Join(dir, "debezium-postgres-data-replica-identity.txt")), opts, nil)
	var bad *cdc.LineError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "REPLICA IDENTITY") {
		t.Errorf("a delete of no row: %v", err)
	}
}
