package debezium

import (
	"bytes"
	"fmt"
	"hash/maphash"

	"github.com/frazildb/frazil/cdc"
)

// AppendRows appends the current event's rows to a builder; it makes the decoder
// a [cdc.RowAppender].
func (d *decoder) AppendRows(out *cdc.Builder) error {
	b := d.binding
	if err := d.compile(b, out.Shape()); err != nil {
		return err
	}
	m := &d.msg
	keyed := len(out.Shape().Key) > 0
	hasBefore := m.before.span.kind == kindObject
	switch {
	case m.flat && d.deleted && m.after.span.kind == kindObject:
		return d.appendRow(out, b, &m.after, nil, cdc.OpDelete)
	case d.deleted && hasBefore:
		return d.appendRow(out, b, &m.before, nil, cdc.OpDelete)
	case d.deleted:
		return d.appendKey(out, b, &d.keyRow, d.key.b, cdc.OpDelete)
	case d.op == 'u' && !keyed:
		if err := d.appendRow(out, b, &m.before, nil, cdc.OpDelete); err != nil {
			return fmt.Errorf("before: %w", err)
		}
		return d.appendRow(out, b, &m.after, &m.before, cdc.OpInsert)
	case d.op == 'u':
		if hasBefore && d.keyMoved(b) {
			if err := d.appendRow(out, b, &m.before, nil, cdc.OpDelete); err != nil {
				return fmt.Errorf("before: %w", err)
			}
		}
		return d.appendRow(out, b, &m.after, &m.before, cdc.OpUpsert)
	case d.op == 'r' && keyed:
		return d.appendRow(out, b, &m.after, nil, cdc.OpUpsert)
	}
	return d.appendRow(out, b, &m.after, nil, cdc.OpInsert)
}

// compile makes the plan for rows of the target shape, again when the target, the
// definition or the layout of rows changed.
func (d *decoder) compile(b *binding, target *cdc.Shape) error {
	t := d.topic
	if b.target == target && b.planDef == b.def && b.seen == len(t.rows.names) && b.seenKey == len(t.keys.names) {
		return nil
	}
	keys, err := target.KeyIndexes()
	if err != nil {
		return err
	}
	plan := make([]colPlan, len(target.Columns))
	for i := range target.Columns {
		col, p := &target.Columns[i], &plan[i]
		p.slot, p.keySlot = t.rows.slotOf(col.Name), t.keys.slotOf(col.Name)
		k := b.def.shape.Index(col.Name)
		if k < 0 {
			p.foreign = true
			continue
		}
		p.codec = b.def.codecs[k]
		p.codec.target = col.Type
		p.hasDefault, p.def = b.def.shape.Columns[k].HasDefault, b.def.shape.Columns[k].Default
	}
	b.target, b.planDef, b.plan, b.keyCols = target, b.def, plan, keys
	b.seen, b.seenKey = len(t.rows.names), len(t.keys.names)
	return nil
}

// appendRow appends an image of a row. before, which may be nil, has the values
// of columns that the source did not send because they did not change.
func (d *decoder) appendRow(out *cdc.Builder, b *binding, row, before *rowVals, op cdc.Op) error {
	text := d.msg.b
	for i := range b.plan {
		p, c := &b.plan[i], out.Column(i)
		v := row.get(p.slot)
		if v.kind >= kindString && v.kind != kindEscaped && isUnavailable(text, v) {
			if before != nil && before.span.kind == kindObject {
				v = before.get(p.slot)
			}
			if v.kind == kindAbsent || isUnavailable(text, v) {
				if op == cdc.OpDelete && len(b.keyCols) > 0 {
					c.AppendNull()
					continue
				}
				return d.appendPartial(out, b, row, before, op)
			}
		}
		if err := d.appendColumn(c, p, text, v); err != nil {
			return d.columnError(b, i, err)
		}
	}
	return d.endRow(out, b, op)
}

func (d *decoder) appendColumn(c *cdc.ColumnBuilder, p *colPlan, text []byte, v val) error {
	if v.kind == kindAbsent || p.foreign {
		if p.hasDefault && v.kind == kindAbsent {
			return c.AppendValue(p.def)
		}
		c.AppendNull()
		return nil
	}
	return d.append(c, &p.codec, text, v)
}

func (d *decoder) columnError(b *binding, i int, err error) error {
	col := &b.target.Columns[i]
	if col.SourceType != "" {
		return fmt.Errorf("column %q (%s, %s): %w", col.Name, col.Type, col.SourceType, err)
	}
	return fmt.Errorf("column %q (%s): %w", col.Name, col.Type, err)
}

// endRow completes a row after a look at its key.
func (d *decoder) endRow(out *cdc.Builder, b *binding, op cdc.Op) error {
	for _, k := range b.keyCols {
		if c := out.Column(k); c.IsNull(c.Len() - 1) {
			return fmt.Errorf("key column %q is null", b.target.Columns[k].Name)
		}
	}
	if d.cutNanos {
		d.cutNanos = false
		d.warn(b.table, "times have nanoseconds, which were cut to microseconds: tables of format version 3 can keep them")
	}
	out.EndRow(op)
	return nil
}

// appendPartial appends a row of which the source did not send every value, with
// a mark at each of them. Where the row's key changed, the old key comes first.
func (d *decoder) appendPartial(out *cdc.Builder, b *binding, row, before *rowVals, op cdc.Op) error {
	if len(b.keyCols) == 0 {
		return fmt.Errorf("%w, and the table has no key to find it by", errUnavailable)
	}
	for i := range b.plan {
		out.Column(i).Truncate(out.Len())
	}
	if d.op == 'c' {
		old := d.header("__debezium.oldkey")
		if old.kind != kindObject {
			return fmt.Errorf("%w in a new row", errUnavailable)
		}
		var key rowVals
		if _, err := d.topic.keys.scan(d.msg.headers.b, int(old.from), &key); err != nil {
			return fmt.Errorf("header __debezium.oldkey: %w", err)
		}
		if err := d.appendKey(out, b, &key, d.msg.headers.b, cdc.OpOldKey); err != nil {
			return err
		}
	} else if d.op != 'u' {
		return fmt.Errorf("%w in a new row", errUnavailable)
	}
	text := d.msg.b
	for i := range b.plan {
		p, c := &b.plan[i], out.Column(i)
		v := row.get(p.slot)
		if isUnavailable(text, v) {
			v = val{}
			if before != nil && before.span.kind == kindObject {
				v = before.get(p.slot)
			}
			if v.kind == kindAbsent || isUnavailable(text, v) {
				c.AppendNull()
				out.MarkUnchanged(i)
				continue
			}
		}
		if err := d.appendColumn(c, p, text, v); err != nil {
			return d.columnError(b, i, err)
		}
	}
	return d.endRow(out, b, cdc.OpUpsert)
}

// appendKey appends a row that has only its key.
func (d *decoder) appendKey(out *cdc.Builder, b *binding, key *rowVals, text []byte, op cdc.Op) error {
	next := 0
	for i := range b.plan {
		p, c := &b.plan[i], out.Column(i)
		if next >= len(b.keyCols) || !contains(b.keyCols, i) {
			c.AppendNull()
			continue
		}
		if err := d.append(c, &p.codec, text, key.get(p.keySlot)); err != nil {
			return d.columnError(b, i, err)
		}
	}
	return d.endRow(out, b, op)
}

func contains(s []int, v int) bool {
	for _, x := range s {
		if x == v {
			return true
		}
	}
	return false
}

// keyMoved tells whether before and after of an update have different keys.
func (d *decoder) keyMoved(b *binding) bool {
	m := &d.msg
	for _, k := range b.keyCols {
		slot := b.plan[k].slot
		x, y := m.before.get(slot), m.after.get(slot)
		if x.kind > kindNull && (x.kind != y.kind || !bytes.Equal(x.bytes(m.b), y.bytes(m.b))) {
			return true
		}
	}
	return false
}

// maxLiveKeys bounds the keys that are remembered of one flattened table.
const maxLiveKeys = 1 << 20

// liveKeys remembers the keys of a flattened table's rows, to notice that a
// truncate is missing: the stream then creates a row that is still there.
type liveKeys struct {
	seed maphash.Seed
	set  map[uint64]struct{}
	full bool
}

// flatLimits tells what a flattened stream cannot express. It returns true for an
// event that cannot be applied.
func (d *decoder) flatLimits(b *binding) bool {
	t := d.topic
	keyed := len(b.def.shape.Key) > 0
	if !keyed {
		if d.op == 'u' || d.op == 'd' {
			d.warn(b.table, "it has no key and the stream is flattened: its updates and deletes cannot be applied")
			return true
		}
		if t.meta.op < 0 {
			d.warn(b.table, "it has no key and the stream is flattened without __op: every event adds a row")
		}
		return false
	}
	if t.meta.op < 0 || d.keyRow.span.kind != kindObject {
		return false
	}
	if b.live == nil {
		b.live = &liveKeys{seed: maphash.MakeSeed(), set: make(map[uint64]struct{})}
	}
	l := b.live
	if l.full {
		return false
	}
	h := maphash.Bytes(l.seed, d.keyRow.span.bytes(d.key.b))
	_, there := l.set[h]
	switch {
	case d.deleted:
		delete(l.set, h)
	case there && d.op == 'c':
		d.warn(b.table, "rows were created whose keys are there already: the stream is flattened, which drops truncates, so rows may be too many")
	case len(l.set) >= maxLiveKeys:
		l.full, l.set = true, nil
	default:
		l.set[h] = struct{}{}
	}
	return false
}
