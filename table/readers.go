package table

import (
	"fmt"
	"slices"
	"strings"

	"github.com/frazildb/frazil/metadata"
)

// reader is an engine that tables may be written for and the deletes it reads.
// "No" covers what is not known to work: a policy that guesses is none.
type reader struct {
	name             string
	position, vector bool // of format versions 2 and 3
	equality         reach
	by               string // how that is known
}

type reach uint8

const (
	reachNone    reach = iota
	reachUnsplit       // in unpartitioned tables only
	reachAll
)

// knownReaders are the names that WriterOptions.Readers takes; docs/readers.md
// shows them.
var knownReaders = []reader{
	{"bigquery", true, true, reachNone, "its documentation (vectors in preview)"},
	{"clickhouse", true, false, reachAll, "chDB 4.4 in internal/e2e TestJudges"},
	{"daft", true, false, reachNone, "its documentation"},
	{"databricks", true, true, reachNone, "its documentation (vectors from runtime 18)"},
	{"duckdb", true, true, reachUnsplit, "1.5.5 in internal/e2e TestJudges"},
	{"flink", true, true, reachAll, "Iceberg's Java library, as Spark"},
	{"hive", true, false, reachAll, "its documentation"},
	{"impala", true, false, reachAll, "its documentation"},
	{"polars", true, true, reachNone, "2.1.0 in internal/e2e TestJudges"},
	{"pyiceberg", true, true, reachNone, "0.12.0 in internal/e2e TestJudges"},
	{"snowflake", true, true, reachNone, "its documentation (vectors since May 2026)"},
	{"spark", true, true, reachAll, "Iceberg 1.12 in internal/e2e TestSpark"},
	{"trino", true, true, reachAll, "its documentation"},
}

// Readers returns the names that WriterOptions.Readers takes, sorted.
func Readers() []string {
	var names []string
	for _, r := range knownReaders {
		names = append(names, r.name)
	}
	return names
}

// checkReaders refuses deletes of an encoding that a named reader does not read
// in a table as m says it is.
func checkReaders(names []string, e Encoding, m *metadata.Table) error {
	for _, name := range names {
		i := slices.IndexFunc(knownReaders, func(r reader) bool { return strings.EqualFold(r.name, name) })
		if i < 0 {
			return fmt.Errorf("%w: no reader %q is known; there are %s", ErrReaders, name, strings.Join(Readers(), ", "))
		}
		r := &knownReaders[i]
		if m.FormatVersion >= 3 && !r.vector {
			return fmt.Errorf("%w: deletes of a table of format version 3 are deletion vectors, which %s does not read: use format version 2, or leave %s out",
				ErrReaders, r.name, r.name)
		}
		if e != EncodingEquality || r.equality == reachAll || r.equality == reachUnsplit && m.DefaultSpec().IsUnpartitioned() {
			continue
		}
		where := ""
		if r.equality == reachUnsplit {
			where = " in partitioned tables"
		}
		return fmt.Errorf("%w: %s does not read equality deletes%s: delete by position, or leave %s out", ErrReaders, r.name, where, r.name)
	}
	return nil
}

// Unreadable says why a named reader would not read the deletes that the table
// has now, whoever wrote them; nil when all named ones read it. Compaction turns
// equality deletes into others.
func (t *Table) Unreadable(readers []string) error {
	m := t.Metadata()
	e := EncodingPosition
	if s := m.Current(); s != nil {
		if n := s.Summary["total-equality-deletes"]; n != "" && n != "0" {
			e = EncodingEquality
		}
	}
	if err := checkReaders(readers, e, m); err != nil {
		return fmt.Errorf("table %s: %w", t.id, err)
	}
	return nil
}
