// Package cdctest compares tables that were filled from a change stream with the
// rows of the database that it came from, and has an in-memory [cdc.Sink].
package cdctest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"

	"github.com/frazildb/frazil/schema"
)

// Oracle is the final state of a source database.
type Oracle struct {
	Tables map[string]*Table `json:"tables"`
}

// Table is the final state of a table.
type Table struct {
	Topic    string   `json:"topic"`
	Key      []string `json:"key"`
	Rows     int      `json:"rows"`
	Checksum string   `json:"checksum"`
	Columns  []Column `json:"columns"`
}

// Column is a column with what its texts depend on.
type Column struct {
	Name     string  `json:"name"`
	Type     string  `json:"type"`
	Kind     string  `json:"kind"`
	Nullable bool    `json:"nullable"`
	Default  *string `json:"default"`
	Scale    int     `json:"scale"`
	Fraction int     `json:"fraction"`
	Digits   int     `json:"digits"`
	Element  string  `json:"element"`
}

// Load reads an oracle's tables.json.
func Load(path string) (*Oracle, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	o := new(Oracle)
	if err := json.Unmarshal(data, o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return o, nil
}

// Sum adds up the hashes of a table's rows, in any order.
type Sum struct {
	Rows  int
	total uint64
	buf   []byte
}

// Add adds a row: its values by the table's columns, of the types that its fields
// have, as described at [schema.Row].
func (s *Sum) Add(t *Table, fields []schema.Field, row schema.Row) error {
	s.buf = s.buf[:0]
	for i := range t.Columns {
		c := &t.Columns[i]
		at := -1
		for k := range fields {
			if fields[k].Name == c.Name {
				at = k
			}
		}
		if at < 0 {
			return fmt.Errorf("there is no column %q", c.Name)
		}
		if row[at] == nil {
			s.buf = append(s.buf, 0)
			continue
		}
		text, err := Text(c, fields[at].Type, row[at])
		if err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
		s.buf = append(s.buf, 1)
		s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(text)))
		s.buf = append(s.buf, text...)
	}
	h := sha256.Sum256(s.buf)
	s.total += binary.BigEndian.Uint64(h[:8])
	s.Rows++
	return nil
}

// Checksum returns the sum as the oracle writes it.
func (s *Sum) Checksum() string { return fmt.Sprintf("%016x", s.total) }

// Check tells how a sum differs from the oracle, nil when it does not.
func (t *Table) Check(s *Sum) error {
	if s.Rows != t.Rows || s.Checksum() != t.Checksum {
		return fmt.Errorf("%d rows with checksum %s, want %d with %s", s.Rows, s.Checksum(), t.Rows, t.Checksum)
	}
	return nil
}
