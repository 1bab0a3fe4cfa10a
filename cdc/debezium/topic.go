package debezium

import (
	"strconv"
	"strings"

	"github.com/frazildb/frazil/cdc"
)

// topic is what was learned from the lines of one topic. Lines without a topic
// share one that has no name.
type topic struct {
	name string
	// table is the name that the topic's own name suggests, for flattened rows.
	table string
	// rows and keys number the fields of rows and of keys.
	rows, keys layout
	// flat is set once rows turned out to be flattened.
	flat bool
	meta metaSlots

	// block is the schema block that def was made from.
	block     []byte
	def       *definition
	connector string

	bindings map[string]*binding
	last     *binding

	partition int64
	stream    string
}

// metaSlots are the slots of fields that are not columns.
type metaSlots struct {
	known                          int
	op, deleted                    int32
	db, schema, table              int32
	file, pos, tsMs, snapshot      int32
	lsn, gtid, txID                int32
	status, id, count, collections int32
	isMeta                         []bool
}

// resolve finds the slots again after new fields were seen.
func (m *metaSlots) resolve(l *layout) {
	if m.known == len(l.names) && m.known > 0 {
		return
	}
	find := func(names ...string) int32 {
		for _, n := range names {
			if s, ok := l.index[n]; ok {
				return s
			}
		}
		return -1
	}
	*m = metaSlots{
		known: len(l.names), op: find("__op"), deleted: find("__deleted"),
		db: find("__db", "__source_db"), schema: find("__schema", "__source_schema"),
		table: find("__table", "__source_table"), file: find("__source_file", "__file"),
		pos: find("__source_pos", "__pos"), tsMs: find("__source_ts_ms", "__ts_ms"),
		snapshot: find("__source_snapshot", "__snapshot"), lsn: find("__source_commit_lsn", "__commit_lsn"),
		gtid: find("__source_gtid", "__gtid"), txID: find("__transaction_id"),
		status: find("status"), id: find("id"), count: find("event_count"), collections: find("data_collections"),
	}
	m.isMeta = make([]bool, len(l.names))
	for i, n := range l.names {
		m.isMeta[i] = isMetaField(n)
	}
}

// topicOf returns the state of a topic.
func (d *decoder) topicOf(name []byte) *topic {
	if d.topic != nil && d.topic.name == string(name) {
		return d.topic
	}
	t, ok := d.topics[string(name)]
	if !ok {
		t = &topic{name: string(name), bindings: make(map[string]*binding), partition: -1}
		parts := strings.Split(t.name, ".")
		if len(parts) > 2 {
			parts = parts[len(parts)-2:]
		}
		t.table = strings.Join(parts, ".")
		d.topics[t.name] = t
	}
	d.topic = t
	return t
}

// streamOf names the stream of a record.
func (t *topic) streamOf(partition int64) string {
	if t.partition != partition || t.stream == "" {
		t.partition = partition
		t.stream = t.name + "/" + strconv.FormatInt(partition, 10)
	}
	return t.stream
}

// binding is a table as the lines of one topic bring it.
type binding struct {
	table string
	// db, schema and name are the source's, to recognise it by.
	db, schema, name string

	def *definition
	// source is the table's name at the source; history its versions, as of
	// historyGen.
	source     string
	history    []version
	historyGen int
	// current is the version in force, -1 before the first event.
	current int

	// The plan appends rows to a builder whose shape is target.
	target  *cdc.Shape
	planDef *definition
	plan    []colPlan
	keyCols []int
	seen    int
	seenKey int

	// checked tells which layout the columns were compared with.
	checkedDef  *definition
	checkedLen  int
	checkedN    int
	keysChecked bool
	// settled tells, by slot, which fields extend need not look at under
	// settledDef.
	settled    []bool
	settledDef *definition
	live       *liveKeys
}

// colPlan is how one column of a builder gets its value.
type colPlan struct {
	codec   codec
	slot    int32
	keySlot int32
	// hasDefault and def fill a column that a row lacks.
	hasDefault bool
	def        any
	// foreign columns are not of this definition and stay null.
	foreign bool
}
