package debezium

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

// place orders schema changes against data events: the position in the source's
// log. MySQL's binlog has a file and an offset, SQL Server and Oracle a text or
// number that grows, others nothing but the time.
type place struct {
	// file is the number at the end of a binlog file's name, or zero.
	file int64
	pos  int64
	lsn  string
	tsMs int64
	ok   bool
}

// compare orders by the log's position where both have one, else by time.
func (p place) compare(o place) int {
	switch {
	case p.lsn != "" && o.lsn != "":
		if len(p.lsn) != len(o.lsn) && isDigits(p.lsn) && isDigits(o.lsn) {
			return len(p.lsn) - len(o.lsn)
		}
		return strings.Compare(p.lsn, o.lsn)
	case p.ok && o.ok && p.file != o.file:
		return compareInt(p.file, o.file)
	case p.ok && o.ok:
		return compareInt(p.pos, o.pos)
	}
	return compareInt(p.tsMs, o.tsMs)
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// fileNumber returns the number at the end of a binlog file's name, one more than
// it so that zero means no file.
func fileNumber(name []byte) int64 {
	i := len(name)
	for i > 0 && name[i-1]-'0' <= 9 {
		i--
	}
	n, _ := parseInt(name[i:])
	return n + 1
}

// version is a table's definition from a place on.
type version struct {
	at    place
	label string
	def   *definition
	// dropped says that the table was dropped here.
	dropped bool
}

// historyEvent is an event of the schema history topic.
type historyEvent struct {
	Source struct {
		Connector string          `json:"connector"`
		File      string          `json:"file"`
		Pos       int64           `json:"pos"`
		TsMs      int64           `json:"ts_ms"`
		CommitLSN string          `json:"commit_lsn"`
		SCN       json.RawMessage `json:"scn"`
		Snapshot  json.RawMessage `json:"snapshot"`
	} `json:"source"`
	// Position takes the place of Source.File and Pos in a connector's internal
	// history topic.
	Position struct {
		File     string `json:"file"`
		Pos      int64  `json:"pos"`
		Snapshot bool   `json:"snapshot"`
	} `json:"position"`
	DatabaseName string        `json:"databaseName"`
	SchemaName   string        `json:"schemaName"`
	DDL          string        `json:"ddl"`
	TableChanges []tableChange `json:"tableChanges"`
}

type tableChange struct {
	Type  string       `json:"type"`
	ID    string       `json:"id"`
	Table *sourceTable `json:"table"`
}

type sourceTable struct {
	PrimaryKey []string       `json:"primaryKeyColumnNames"`
	Columns    []sourceColumn `json:"columns"`
}

type sourceColumn struct {
	Name     string   `json:"name"`
	JDBCType int      `json:"jdbcType"`
	TypeName string   `json:"typeName"`
	Length   *int     `json:"length"`
	Scale    *int     `json:"scale"`
	Optional bool     `json:"optional"`
	Default  *string  `json:"defaultValueExpression"`
	Enum     []string `json:"enumValues"`
}

// loadHistory reads JSON lines of the schema history topic: records, or their
// values alone, with or without schema blocks.
func (d *decoder) loadHistory(r io.Reader) error {
	z, err := Unpack(r)
	if err != nil {
		return fmt.Errorf("schema changes: %w", err)
	}
	defer z.Close()
	br := bufio.NewReaderSize(z, 1<<16)
	for n := 1; ; n++ {
		line, err := readLine(br, nil, d.opts.MaxLineBytes)
		if err == io.EOF {
			return nil
		}
		if err == nil && len(bytes.TrimSpace(line)) > 0 {
			err = d.addHistory(line)
		}
		if err != nil {
			return fmt.Errorf("schema changes: line %d: %w", n, err)
		}
	}
}

// addHistory reads one event of the schema history topic.
func (d *decoder) addHistory(value []byte) error {
	for range 3 { // record, schema block, payload
		var wrap struct {
			Topic   string          `json:"topic"`
			Value   json.RawMessage `json:"value"`
			Schema  json.RawMessage `json:"schema"`
			Payload json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal(value, &wrap); err != nil {
			return err
		}
		if len(wrap.Value) > 0 {
			value = wrap.Value
		} else if len(wrap.Payload) > 0 {
			value = wrap.Payload
		}
	}
	if string(value) == "null" {
		return nil
	}
	var e historyEvent
	if err := json.Unmarshal(value, &e); err != nil {
		return err
	}
	if e.Source.File == "" {
		e.Source.File, e.Source.Pos = e.Position.File, e.Position.Pos
	}
	at := place{tsMs: e.Source.TsMs, lsn: e.Source.CommitLSN}
	if scn := strings.Trim(string(e.Source.SCN), `"`); at.lsn == "" && scn != "null" {
		at.lsn = scn
	}
	label := at.lsn
	if e.Source.File != "" {
		at.file, at.pos, at.ok = fileNumber([]byte(e.Source.File)), e.Source.Pos, true
		label = e.Source.File + ":" + strconv.FormatInt(e.Source.Pos, 10)
	}
	if label == "" {
		label = strconv.FormatInt(at.tsMs, 10)
	}
	snapshot := strings.Trim(string(e.Source.Snapshot), `"`)
	for _, tc := range e.TableChanges {
		if err := d.addChange(&e, tc, at, label, e.Position.Snapshot || snapshot != "" && snapshot != "null" && snapshot != "false"); err != nil {
			return fmt.Errorf("table %s: %w", tc.ID, err)
		}
	}
	return nil
}

func (d *decoder) addChange(e *historyEvent, tc tableChange, at place, label string, snapshot bool) error {
	name := d.tableOfID(tc.ID)
	if name == "" {
		return errors.New("tableChanges without a table id")
	}
	d.historyGen++
	v := version{at: at, label: label}
	if tc.Type == "DROP" || tc.Table == nil {
		if !snapshot {
			v.dropped = true
			d.history[name] = append(d.history[name], v)
		}
		return nil
	}
	def, err := d.defineSource(tc.Table, e.Source.Connector)
	if err != nil {
		return err
	}
	def.shape.Version = label
	for i := range def.shape.Columns {
		def.shape.Columns[i].RenamedFrom = renamedFrom(e.DDL, def.shape.Columns[i].Name)
	}
	v.def = def
	d.history[name] = append(d.history[name], v)
	return nil
}

// tableOfID turns "db"."table" or "db"."schema"."table" into the table's name.
func (d *decoder) tableOfID(id string) string {
	var parts []string
	for _, p := range strings.Split(id, `"`) {
		if p != "" && p != "." {
			parts = append(parts, p)
		}
	}
	if len(parts) == 1 {
		parts = strings.Split(parts[0], ".")
	}
	if len(parts) > 2 {
		parts = parts[len(parts)-2:]
	}
	return strings.Join(parts, ".")
}

// identifier matches a name in a statement, quoted or not.
const identifier = "[`\"]?([^`\"\\s,()]+)[`\"]?"

var (
	renameColumn = regexp.MustCompile(`(?i)\bRENAME\s+(?:COLUMN\s+)?` + identifier + `\s+TO\s+` + identifier)
	changeColumn = regexp.MustCompile(`(?i)\bCHANGE\s+(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?` + identifier + `\s+` + identifier)
)

// renamedFrom finds in a statement's text the name that a column had before.
func renamedFrom(ddl, column string) string {
	for _, re := range []*regexp.Regexp{renameColumn, changeColumn} {
		for _, m := range re.FindAllStringSubmatch(ddl, -1) {
			if strings.EqualFold(m[2], column) && !strings.EqualFold(m[1], column) {
				return m[1]
			}
		}
	}
	return ""
}

// defineSource turns a table of the schema history into a definition.
func (d *decoder) defineSource(t *sourceTable, connector string) (*definition, error) {
	def := &definition{shape: &cdc.Shape{Key: t.PrimaryKey}}
	for i := range t.Columns {
		c := &t.Columns[i]
		p := d.sourceCodec(c, connector)
		col := cdc.Column{Name: c.Name, Type: p.target, SourceType: c.sourceType(), NotNull: !c.Optional}
		if c.Default != nil && !strings.EqualFold(*c.Default, "null") {
			v, err := defaultOf(*c.Default, p.target)
			if col.Default, col.HasDefault = v, err == nil; err != nil {
				d.warn("", fmt.Sprintf("the default of column %q is not understood: %v", c.Name, err))
			}
			distrust(&col)
		} else if col.NotNull && isMySQL(connector) {
			first := ""
			if len(c.Enum) > 0 && c.TypeName == "ENUM" {
				first = strings.Trim(c.Enum[0], "'")
			}
			col.Default, col.HasDefault = implicitDefault(p.target, first)
		}
		def.shape.Columns = append(def.shape.Columns, col)
		def.codecs = append(def.codecs, p)
	}
	return def, nil
}

// distrust takes away a default of the epoch, which is the connectors' stand-in
// for a default of the current time.
func distrust(col *cdc.Column) {
	switch col.Type.Kind {
	case schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
		if col.Default == int64(0) {
			col.Default, col.HasDefault = nil, false
		}
	}
}

// noteChange warns of what a change of definition leaves open: the values that new
// columns have in rows that are there, and columns that may have been renamed.
func (d *decoder) noteChange(table string, old, next *cdc.Shape) {
	if old == nil || old.Inferred {
		return
	}
	var added string
	for i := range next.Columns {
		c := &next.Columns[i]
		if old.Index(c.Name) >= 0 || c.RenamedFrom != "" {
			continue
		}
		if added = c.Name; c.NotNull && !c.HasDefault {
			d.warn(table, fmt.Sprintf("column %q was added with a value that the stream does not tell: it is null in rows from before", c.Name))
		}
	}
	for _, c := range old.Columns {
		if added != "" && next.Version == "" && next.Index(c.Name) < 0 {
			d.warn(table, fmt.Sprintf("column %q went as %q came: if it was renamed, the schema changes are needed to keep its values", c.Name, added))
		}
	}
}

func (c *sourceColumn) sourceType() string {
	if c.Length == nil {
		return c.TypeName
	}
	if c.Scale == nil {
		return fmt.Sprintf("%s(%d)", c.TypeName, *c.Length)
	}
	return fmt.Sprintf("%s(%d,%d)", c.TypeName, *c.Length, *c.Scale)
}
