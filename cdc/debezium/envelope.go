package debezium

import (
	"bytes"
	"errors"
)

// maxTopics bounds the topics, and by that the memory, of a stream.
const maxTopics = 100_000

var errTooManyTopics = errors.New("the stream has more than 100,000 topics")

// doc is JSON text and a value in it. Key and value of a record may be texts that
// hold JSON of their own, so each has its bytes.
type doc struct {
	b []byte
	v val
}

// source is what the source block of an event tells.
type source struct {
	db, schema, table val
	connector         val
	snapshot          val
	gtid, txID        val
	file              val
	pos               int64
	tsMs              int64
	lsn               val
	scn               val
	present           bool
}

// message is one line, taken apart.
type message struct {
	topic     []byte
	partition int64
	offset    int64
	hasOffset bool
	key       doc
	headers   doc

	// The value: b is its text, block its schema block.
	b     []byte
	null  bool
	block val
	flat  bool

	op      byte
	before  rowVals
	after   rowVals
	src     source
	tx      val
	ddl     bool
	payload val
	// others counts fields that no envelope has.
	others int
}

func (m *message) reset() {
	before, after := m.before, m.after
	before.span, after.span = val{}, val{}
	*m = message{before: before, after: after}
}

// fields are the members of a record.
type fields struct {
	topic, key, value, headers, partition, offset val
	// valueEnd is where the value ended when it was read on the way.
	valueEnd int
	// foreign is set at the first member that no record has.
	foreign bool
}

// set takes a member of a record.
func (f *fields) set(name []byte, v val) {
	switch string(name) {
	case "topic":
		f.topic = v
	case "partition":
		f.partition = v
	case "offset":
		f.offset = v
	case "key":
		f.key = v
	case "value":
		f.value = v
	case "payload":
		if f.foreign = f.topic.kind == kindAbsent || v.kind == kindObject; !f.foreign {
			f.value = v
		}
	case "headers":
		f.headers = v
	case "timestamp", "timestampType", "tstype", "ts", "broker":
	default:
		f.foreign = true
	}
}

// parseLine takes a line apart. Lines come as records with topic, partition,
// offset, key, value and headers; as records of kcat, whose payload is a text; as
// key and value only; or as values alone.
func (d *decoder) parseLine(b []byte) error {
	m := &d.msg
	m.reset()
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return errAt(b, i, "an object")
	}
	it := iterate(b, i, 0)
	var f fields
	for !f.foreign && it.nextName() {
		if f.topic.kind == kindString && b[it.i] == '{' && string(it.name) == "value" {
			// The usual record: its value is read once, straight into rows.
			end, err := d.parseValue(d.topicOf(f.topic.bytes(b)), b, it.i)
			if err != nil {
				return err
			}
			f.value = val{int32(it.i), int32(end), kindObject}
			it.i, f.valueEnd = end, end
			continue
		}
		v, end, err := scanValue(b, it.i, 1)
		if err != nil {
			return err
		}
		it.i = end
		f.set(it.name, v)
	}
	if it.err != nil {
		return it.err
	}
	if f.foreign || f.value.kind == kindAbsent || f.topic.kind == kindAbsent && !f.value.isNull() && f.value.kind != kindObject {
		return d.parseBare(b, i)
	}
	if end := skipSpace(b, it.i); end != len(b) {
		return errAt(b, end, "the end of the line")
	}
	return d.parseRecord(b, &f)
}

// parseRecord takes the members of a record over.
func (d *decoder) parseRecord(b []byte, f *fields) error {
	m := &d.msg
	m.topic = f.topic.bytes(b)
	m.partition, _ = f.partition.integer(b)
	m.offset, m.hasOffset = f.offset.integer(b)
	m.hasOffset = m.hasOffset && f.topic.kind == kindString
	m.key, m.headers = doc{b, f.key}, doc{b, f.headers}
	if f.key.isString() {
		if err := d.embedded(&m.key); err != nil {
			return err
		}
	}
	if d.topic = d.topicOf(m.topic); len(d.topics) > maxTopics {
		return errTooManyTopics
	}
	if f.valueEnd > 0 {
		return nil
	}
	return d.parseRecordValue(b, f.value)
}

// parseBare reads a line that is a value alone.
func (d *decoder) parseBare(b []byte, i int) error {
	m := &d.msg
	m.reset()
	d.topic = d.topicOf(nil)
	end, err := d.parseValue(d.topic, b, i)
	if err != nil {
		return err
	}
	if end = skipSpace(b, end); end != len(b) {
		return errAt(b, end, "the end of the line")
	}
	return nil
}

// parseRecordValue reads the value of a record that was not read on the way.
func (d *decoder) parseRecordValue(b []byte, value val) error {
	m := &d.msg
	switch {
	case value.isNull():
		m.b, m.null = b, true
		return nil
	case value.isString():
		t, err := value.text(b, nil)
		if err != nil {
			return err
		}
		if t = bytes.TrimSpace(t); len(t) == 0 || string(t) == "null" {
			m.b, m.null = b, true
			return nil
		}
		if t[0] != '{' {
			return errors.New("the value of the record is not an event")
		}
		end, err := d.parseValue(d.topic, t, 0)
		if err == nil && end != len(t) {
			err = errAt(t, end, "the end of the value")
		}
		return err
	case value.kind == kindObject:
		_, err := d.parseValue(d.topic, b, int(value.from))
		return err
	}
	return wrong(b, value, "an event")
}

// embedded replaces a text that holds an object by the object.
func (d *decoder) embedded(x *doc) error {
	t, err := x.v.text(x.b, nil)
	if err != nil {
		return err
	}
	if t = bytes.TrimSpace(t); len(t) == 0 || t[0] != '{' {
		return nil
	}
	v, end, err := scanValue(t, 0, 0)
	if err != nil {
		return err
	}
	if end != len(t) {
		return errAt(t, end, "the end of the key")
	}
	x.b, x.v = t, v
	return nil
}

// parseValue reads an event's value at i: {"schema", "payload"}, or the payload
// itself. It returns the index after it.
func (d *decoder) parseValue(t *topic, b []byte, i int) (int, error) {
	d.msg.b = b
	it := iterate(b, i, 0)
	first := it.nextName()
	if !first || string(it.name) != "schema" || (b[it.i] != '{' && b[it.i] != 'n') {
		if it.err != nil {
			return it.i, it.err
		}
		return d.parsePayload(t, b, i)
	}
	from := it.i
	if n := len(t.block); n > 0 && len(b)-from > n && bytes.Equal(b[from:from+n], t.block) {
		it.i += n // the block of the event before, byte for byte
	} else {
		_, end, err := scanValue(b, from, 1)
		if err != nil {
			return end, err
		}
		it.i = end
	}
	block := val{int32(from), int32(it.i), kindObject}
	if !it.nextName() || string(it.name) != "payload" {
		if it.err != nil {
			return it.i, it.err
		}
		return d.parsePayload(t, b, i) // a row with a column named schema
	}
	if b[from] == '{' {
		d.msg.block = block
	}
	if b[it.i] != '{' {
		v, end, err := scanValue(b, it.i, 1)
		if err == nil && v.kind != kindNull {
			err = wrong(b, v, "an event")
		}
		d.msg.null, it.i = true, end
		if err != nil {
			return end, err
		}
	} else {
		end, err := d.parsePayload(t, b, it.i)
		if err != nil {
			return end, err
		}
		it.i = end
	}
	if it.nextName() {
		return it.i, errors.New("a value with schema and payload has more fields")
	}
	return it.i, it.err
}

// parsePayload reads an envelope (before, after, source, op, …), a transaction
// marker, a schema change or a flattened row.
func (d *decoder) parsePayload(t *topic, b []byte, i int) (int, error) {
	m := &d.msg
	m.b = b
	if t.flat {
		m.flat = true
		end, err := t.rows.scan(b, i, &m.after)
		m.payload = m.after.span
		return end, err
	}
	end, err := d.parseEnvelope(t, b, i)
	if err != nil {
		return end, err
	}
	m.payload = val{int32(i), int32(end), kindObject}
	if m.op != 0 && (m.before.span.kind != kindAbsent || m.after.span.kind != kindAbsent || m.src.present) {
		return end, nil
	}
	if m.ddl || (m.src.present && m.others == 0) {
		return end, nil
	}
	m.op, m.src = 0, source{}
	m.before.span = val{}
	m.flat = true
	return t.rows.scan(b, i, &m.after)
}

func (d *decoder) parseEnvelope(t *topic, b []byte, i int) (int, error) {
	m := &d.msg
	it := iterate(b, i, 0)
	for it.nextName() {
		var err error
		var end int
		switch string(it.name) {
		case "before":
			if b[it.i] == '{' || b[it.i] == 'n' {
				end, err = t.rows.scan(b, it.i, &m.before)
				break
			}
			m.before.span, end, err = scanValue(b, it.i, 1)
		case "after":
			if b[it.i] == '{' || b[it.i] == 'n' {
				end, err = t.rows.scan(b, it.i, &m.after)
				break
			}
			m.after.span, end, err = scanValue(b, it.i, 1)
		case "source":
			if b[it.i] == '{' {
				end, err = m.src.scan(b, it.i)
				break
			}
			_, end, err = scanValue(b, it.i, 1)
		default:
			var v val
			if v, end, err = scanValue(b, it.i, 1); err != nil {
				break
			}
			switch string(it.name) {
			case "op":
				if v.kind == kindString && v.to-v.from == 1 {
					m.op = b[v.from]
				}
			case "transaction":
				m.tx = v
			case "tableChanges":
				m.ddl = v.kind == kindArray
			case "ts_ms", "ts_us", "ts_ns", "ddl", "databaseName", "schemaName", "position", "message":
			default:
				m.others++
			}
		}
		if err != nil {
			return end, err
		}
		it.i = end
	}
	return it.i, it.err
}

// scan reads the source block at i.
func (s *source) scan(b []byte, i int) (int, error) {
	s.present = true
	it := iterate(b, i, 1)
	for it.next() {
		switch string(it.name) {
		case "db":
			s.db = it.val
		case "schema":
			s.schema = it.val
		case "table", "collection":
			s.table = it.val
		case "connector":
			s.connector = it.val
		case "snapshot":
			s.snapshot = it.val
		case "gtid":
			s.gtid = it.val
		case "txId":
			s.txID = it.val
		case "file":
			s.file = it.val
		case "pos":
			s.pos, _ = it.val.integer(b)
		case "ts_ms":
			s.tsMs, _ = it.val.integer(b)
		case "commit_lsn":
			s.lsn = it.val
		case "scn":
			s.scn = it.val
		}
	}
	return it.i, it.err
}

// inSnapshot tells whether the row was read by a snapshot rather than from the
// log: "true", "first", "last" and so on, or the boolean of old connectors.
func (s *source) inSnapshot(b []byte) bool {
	switch s.snapshot.kind {
	case kindTrue:
		return true
	case kindString:
		t := string(s.snapshot.bytes(b))
		return t != "false" && t != "incremental"
	}
	return false
}
