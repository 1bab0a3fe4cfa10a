package debezium

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// scanKey reads the fields of the record's key.
func (d *decoder) scanKey() error {
	m, t := &d.msg, d.topic
	d.key = m.key
	d.keyRow.span = val{}
	if m.key.v.kind != kindObject {
		return nil
	}
	b, i := m.key.b, int(m.key.v.from)
	end, err := t.keys.scan(b, i, &d.keyRow)
	if err != nil {
		return fmt.Errorf("key: %w (to byte %d)", err, end)
	}
	// {"schema", "payload"}
	if p := d.keyRow.get(t.keys.slot([]byte("payload"))); d.keyRow.n == 2 && p.kind != kindAbsent &&
		d.keyRow.get(t.keys.slot([]byte("schema"))).kind == kindObject {
		d.keyRow.span = val{}
		if p.kind == kindObject {
			if _, err := t.keys.scan(b, int(p.from), &d.keyRow); err != nil {
				return fmt.Errorf("key: %w", err)
			}
		}
	}
	return nil
}

// header returns a header's value, unwrapped of its schema block.
func (d *decoder) header(name string) val {
	h := d.msg.headers
	if h.v.kind != kindObject {
		return val{}
	}
	it := iterate(h.b, int(h.v.from), 0)
	for it.next() {
		if string(it.name) == name {
			return unwrap(h.b, it.val)
		}
	}
	return val{}
}

// unwrap returns the payload of {"schema", "payload"}, else the value itself.
func unwrap(b []byte, v val) val {
	if v.kind != kindObject {
		return v
	}
	it := iterate(b, int(v.from), 0)
	var payload val
	var hasSchema bool
	n := 0
	for it.next() {
		n++
		switch string(it.name) {
		case "schema":
			hasSchema = true
		case "payload":
			payload = it.val
		}
	}
	if n == 2 && hasSchema && payload.kind != kindAbsent {
		return payload
	}
	return v
}

// checkImages refuses events that do not say which row they change.
func (d *decoder) checkImages(b *binding) error {
	m := &d.msg
	keyed := len(b.def.shape.Key) > 0
	before, after := m.before.span.kind, m.after.span.kind
	if m.flat {
		return nil
	}
	if d.op != 'd' && after != kindObject {
		return fmt.Errorf("an event of operation %q has no row in after", d.op)
	}
	if before > kindNull && before != kindObject {
		return errors.New("before is not a row")
	}
	if d.op == 'd' && before != kindObject && (!keyed || d.keyRow.span.kind != kindObject) {
		return errors.New("a delete has neither a row in before nor a key: the source must send one (PostgreSQL: REPLICA IDENTITY)")
	}
	if d.op == 'u' && !keyed && before != kindObject {
		return errors.New("an update of a table without a key has no row in before: the source must send it (PostgreSQL: REPLICA IDENTITY FULL)")
	}
	return nil
}

// pendingShapes queues an event for each schema change up to the last place that
// was seen, for tables that had no event since.
func (d *decoder) pendingShapes(upTo place) {
	for _, name := range slices.Sorted(maps.Keys(d.topics)) {
		bindings := d.topics[name].bindings
		for _, table := range slices.Sorted(maps.Keys(bindings)) {
			b := bindings[table]
			b.history, b.historyGen = d.history[b.source], d.historyGen
			for b.current >= 0 && b.current+1 < len(b.history) && b.history[b.current+1].at.compare(upTo) <= 0 {
				b.current++
				d.enterVersion(b, true)
			}
		}
	}
}
