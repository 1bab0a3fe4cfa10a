package debezium

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/frazildb/frazil/cdc"
)

// decoder turns lines into events. It keeps what it learns of topics and tables.
type decoder struct {
	opts    Options
	topics  map[string]*topic
	topic   *topic
	msg     message
	history map[string][]version
	// historyGen counts the changes of history.
	historyGen int
	// maxPlace is the furthest place in the source's log seen so far.
	maxPlace place

	decimals     decimalForm
	decimalsSure bool
	scratch      []byte
	cutNanos     bool
	lastTx       string
	// bareStream names the stream of an input whose events have no offsets.
	bareStream string

	// What the current event is.
	binding *binding
	keyRow  rowVals
	key     doc
	op      byte
	deleted bool

	// queue holds events to hand out before the next line is read: schema changes,
	// and the row event that they came before.
	queue  []cdc.Event
	evOut  cdc.Event
	ev     cdc.Event
	line   cdc.Line
	warned map[string]bool
	only   string
}

func newDecoder(opts *Options) (*decoder, error) {
	d := &decoder{
		topics: make(map[string]*topic), history: make(map[string][]version),
		warned: make(map[string]bool),
	}
	if opts != nil {
		d.opts = *opts
	}
	if d.opts.MaxLineBytes == 0 {
		d.opts.MaxLineBytes = 64 << 20
	}
	if d.opts.MaxLineBytes > 1<<30 {
		return nil, errors.New("lines of more than 1 GiB cannot be read")
	}
	switch d.opts.Decimals {
	case "":
	case "string":
		d.decimals, d.decimalsSure = formText, true
	case "base64":
		d.decimals, d.decimalsSure = formBase64, true
	default:
		return nil, fmt.Errorf("decimals %q: want string or base64", d.opts.Decimals)
	}
	if !slices.Contains([]string{"", "base64", "base64-url-safe", "hex"}, d.opts.Binary) {
		return nil, fmt.Errorf("binary %q: want base64, base64-url-safe or hex", d.opts.Binary)
	}
	if !slices.Contains([]string{"", "adaptive_time_microseconds", "adaptive", "connect", "microseconds", "nanoseconds"}, d.opts.TimePrecision) {
		return nil, fmt.Errorf("time precision %q: want adaptive_time_microseconds, adaptive, connect, microseconds or nanoseconds", d.opts.TimePrecision)
	}
	if d.opts.SchemaChanges != nil {
		if err := d.loadHistory(d.opts.SchemaChanges); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// warn tells a reason once per table.
func (d *decoder) warn(table, reason string) {
	if d.opts.Warn == nil || d.warned[table+"\x00"+reason] || len(d.warned) > maxTopics {
		return
	}
	d.warned[table+"\x00"+reason] = true
	d.opts.Warn(Warning{Table: table, Reason: reason, Line: d.line})
}

// next returns a queued event, nil when there is none.
func (d *decoder) next() *cdc.Event {
	if len(d.queue) == 0 {
		return nil
	}
	ev := d.queue[0]
	d.queue, d.evOut = d.queue[1:], ev
	return &d.evOut
}

// Decode returns the event of a line. Schema changes that lie before it come
// first.
func (d *decoder) Decode(line []byte, at cdc.Line) (*cdc.Event, error) {
	ev, err := d.decode(line, at)
	if err != nil || len(d.queue) == 0 {
		return ev, err
	}
	d.queue = append(d.queue, *ev)
	return d.next(), nil
}

// decode turns one line into an event. The event and what it refers to are valid
// until the next call; line must not change until then.
func (d *decoder) decode(line []byte, at cdc.Line) (*cdc.Event, error) {
	d.line, d.binding = at, nil
	d.ev = cdc.Event{Line: at, Raw: line, TxEvents: -1, Rows: d}
	fail := func(err error) (*cdc.Event, error) {
		table := ""
		if d.binding != nil {
			table = d.binding.table
		}
		return nil, &cdc.LineError{Line: at, Table: table, Err: err, Raw: line}
	}
	if err := d.parseLine(line); err != nil {
		return fail(err)
	}
	m := &d.msg
	if m.hasOffset {
		d.ev.Position = cdc.Position{Stream: d.topic.streamOf(m.partition), Offset: m.offset}
	} else {
		if d.bareStream == "" {
			d.bareStream = bareStream(at.File, line)
		}
		d.ev.Position = cdc.Position{Stream: d.bareStream, Offset: at.Number}
	}
	if err := d.classify(); err != nil {
		return fail(err)
	}
	return &d.ev, nil
}

// bareStream names an input by its name and by what its first event is, so that
// another file of the same name is not taken for one that was read already.
func bareStream(file string, first []byte) string {
	h := fnv.New32a()
	h.Write(first)
	return fmt.Sprintf("%s#%08x", file, h.Sum32())
}

// classify finds out what the message is and fills the event.
func (d *decoder) classify() error {
	m, t := &d.msg, d.topic
	if m.null {
		return d.tombstone()
	}
	if !m.flat && m.ddl && m.op == 0 {
		return d.addHistory(m.payload.bytes(m.b))
	}
	if !m.flat && m.op == 0 {
		return nil // a heartbeat, or a schema change without tables
	}
	if !m.flat && m.op == 'm' {
		return nil
	}
	if m.flat {
		t.meta.resolve(&t.rows)
		if d.marker() {
			return nil
		}
		if m.after.n == 0 || strings.HasPrefix(t.name, "__debezium-heartbeat") || isHeartbeat(t, &m.after) {
			return nil
		}
		if t.meta.op >= 0 || t.meta.deleted >= 0 || t.name != "" || d.opts.Table != "" {
			t.flat = true
		}
	}
	b, err := d.bind()
	if err != nil || b == nil {
		return err
	}
	return d.rowEvent(b)
}

func isHeartbeat(t *topic, r *rowVals) bool {
	return r.n == 1 && t.name == "" && r.get(t.rows.slot([]byte("ts_ms"))).kind == kindNumber
}

// marker recognises the BEGIN and END events of the transaction topic.
func (d *decoder) marker() bool {
	m, s := &d.msg, &d.topic.meta
	if s.status < 0 || s.id < 0 || s.count < 0 || s.collections < 0 {
		return false
	}
	status, id := m.after.get(s.status), m.after.get(s.id)
	if status.kind != kindString || !id.isString() || m.after.get(s.collections).kind == kindAbsent {
		return false
	}
	switch string(status.bytes(m.b)) {
	case "BEGIN":
		d.ev.Kind = cdc.KindBegin
	case "END":
		d.ev.Kind = cdc.KindEnd
		if n, ok := m.after.get(s.count).integer(m.b); ok {
			d.ev.TxEvents = n
		}
	default:
		return false
	}
	d.ev.Tx = d.txID(id.bytes(m.b))
	return true
}

// bind finds the table of the message. It returns nil when the table is not
// wanted.
func (d *decoder) bind() (*binding, error) {
	m, t := &d.msg, d.topic
	var db, schema, name val
	if m.flat {
		db, schema, name = m.after.get(t.meta.db), m.after.get(t.meta.schema), m.after.get(t.meta.table)
	} else {
		db, schema, name = m.src.db, m.src.schema, m.src.table
	}
	if b := t.last; b != nil && string(name.bytes(m.b)) == b.name && string(db.bytes(m.b)) == b.db && string(schema.bytes(m.b)) == b.schema {
		d.binding = b
		return d.wanted(b)
	}
	full := qualified(db.str(m.b), schema.str(m.b), name.str(m.b))
	if full == "" {
		full = t.table
	}
	b := t.bindings[full]
	if b == nil {
		if len(t.bindings) > maxTopics {
			return nil, errors.New("more than 100,000 tables in one topic")
		}
		b = &binding{table: full, source: full, current: -1, historyGen: -1}
		if d.opts.Table != "" {
			b.table = d.opts.Table
		} else if full == "" {
			return nil, errors.New("the event does not tell its table: name one")
		}
		t.bindings[full] = b
	}
	b.db, b.schema, b.name = string(db.bytes(m.b)), string(schema.bytes(m.b)), string(name.bytes(m.b))
	if d.opts.Table != "" {
		if d.only != "" && full != "" && d.only != full {
			return nil, fmt.Errorf("rows of %s and %s cannot go to one table", d.only, full)
		}
		d.only = full
	}
	t.last, d.binding = b, b
	return d.wanted(b)
}

func (d *decoder) wanted(b *binding) (*binding, error) {
	if d.opts.Include != nil && !d.opts.Include(b.table) {
		return nil, nil
	}
	return b, nil
}

// qualified names a table as schema.table, or db.table for sources without
// schemas.
func qualified(db, schema, table string) string {
	if table == "" {
		return ""
	}
	if schema != "" {
		return schema + "." + table
	}
	if db != "" {
		return db + "." + table
	}
	return table
}

// tombstone handles a null value. After a delete it says nothing new; where a
// flattened stream drops its deletes, it is the delete.
func (d *decoder) tombstone() error {
	t := d.topic
	b := t.last
	if b == nil || !t.flat || t.meta.deleted >= 0 || len(t.bindings) != 1 {
		return nil
	}
	d.binding = b
	if err := d.scanKey(); err != nil || d.keyRow.span.kind != kindObject {
		return err
	}
	if b.def == nil || len(b.def.shape.Key) == 0 {
		return nil
	}
	d.op, d.deleted = 'd', true
	d.msg.after.span, d.msg.before.span = val{}, val{}
	d.ev.Kind, d.ev.Table, d.ev.Shape = cdc.KindRow, b.table, b.def.shape
	return nil
}

// rowEvent fills the event for a change of rows.
func (d *decoder) rowEvent(b *binding) error {
	m, t := &d.msg, d.topic
	d.ev.Table = b.table
	if m.flat {
		d.flatOp(t)
		if id := m.after.get(t.meta.txID); id.isString() {
			d.ev.Tx = d.txID(id.bytes(m.b))
		}
	} else {
		d.op, d.deleted = m.op, m.op == 'd'
		d.transaction()
	}
	d.key = m.key
	if err := d.scanKey(); err != nil {
		return err
	}
	switch d.op {
	case 'c', 'u', 'd', 'r':
		d.ev.Kind = cdc.KindRow
	case 't':
		d.ev.Kind = cdc.KindTruncate
	default:
		return fmt.Errorf("unknown operation %q", d.op)
	}
	if b.historyGen != d.historyGen {
		b.history, b.historyGen = d.history[b.source], d.historyGen
	}
	if d.op == 't' && b.def == nil && len(b.history) == 0 && m.block.kind == kindAbsent {
		return nil // nothing is known of the columns, and nothing needs to be
	}
	if err := d.setDefinition(b); err != nil {
		return err
	}
	if d.ev.Shape = b.def.shape; d.op == 't' {
		return nil
	}
	if m.flat && d.flatLimits(b) {
		d.ev.Kind = cdc.KindSkip
		return nil
	}
	d.ev.Continues = d.deleted && d.header("__debezium.newkey").kind == kindObject
	return d.checkImages(b)
}

// transaction takes the event's transaction from its transaction block, or else
// from what the source block says of it.
func (d *decoder) transaction() {
	m := &d.msg
	if m.tx.kind == kindObject {
		it := iterate(m.b, int(m.tx.from), 0)
		for it.next() {
			if string(it.name) == "id" {
				d.ev.Tx = d.txID(it.val.bytes(m.b))
				return
			}
		}
	}
	if m.src.inSnapshot(m.b) {
		return
	}
	for _, v := range []val{m.src.gtid, m.src.txID, m.src.lsn} {
		if v.isString() || v.kind == kindNumber {
			d.ev.Tx = d.txID(v.bytes(m.b))
			return
		}
	}
}

// txID returns a transaction's id as a string, the same one for events in a row.
func (d *decoder) txID(id []byte) string {
	if d.lastTx != string(id) {
		d.lastTx = string(id)
	}
	return d.lastTx
}

// flatOp reads the operation of a flattened row.
func (d *decoder) flatOp(t *topic) {
	m := &d.msg
	d.op, d.deleted = 0, false
	if v := m.after.get(t.meta.op); v.kind == kindString && v.to-v.from == 1 {
		d.op = m.b[v.from]
	}
	v := m.after.get(t.meta.deleted)
	d.deleted = v.kind == kindTrue || v.kind == kindString && string(v.bytes(m.b)) == "true" || d.op == 'd'
	switch {
	case d.deleted:
		d.op = 'd'
	case d.op == 0:
		d.op = 'u'
		if len(m.key.b) == 0 || m.key.v.isNull() {
			d.op = 'c'
		}
	}
}
