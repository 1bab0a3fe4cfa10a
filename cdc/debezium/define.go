package debezium

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

// setDefinition makes sure that the binding's definition is the one of this event: from
// its schema block, from the schema history, or from its values.
func (d *decoder) setDefinition(b *binding) error {
	m := &d.msg
	switch {
	case m.block.kind != kindAbsent:
		if err := d.fromBlock(b); err != nil {
			return err
		}
	case len(b.history) > 0:
		d.fromHistory(b)
	}
	if b.def == nil {
		b.def = &definition{shape: &cdc.Shape{Inferred: true}}
		d.warn(b.table, "the stream has neither schema blocks nor schema changes for it: types are guessed from values")
	}
	if err := d.setKey(b); err != nil {
		return err
	}
	if m.block.kind != kindAbsent || d.op == 't' {
		return nil
	}
	d.topic.meta.resolve(&d.topic.rows)
	return d.extend(b)
}

// fromBlock takes the definition from the event's schema block.
func (d *decoder) fromBlock(b *binding) error {
	m, t := &d.msg, d.topic
	block := m.block.bytes(m.b)
	if t.def == nil || !bytes.Equal(t.block, block) {
		row, connector, err := rowSchema(block, m.flat)
		if err != nil {
			return err
		}
		if connector == "" {
			connector = m.src.connector.str(m.b)
		}
		def, err := d.define(row, connector, m.flat)
		if err != nil {
			return err
		}
		t.block = append(t.block[:0], block...)
		t.def, t.connector = def, connector
	}
	if b.def == nil || b.checkedDef != t.def {
		b.checkedDef = t.def
		key := []string(nil)
		if b.def != nil {
			key = b.def.shape.Key
		}
		shape := *t.def.shape
		shape.Key = key
		if b.def != nil {
			d.noteChange(b.table, b.def.shape, &shape)
		}
		b.def = &definition{shape: &shape, codecs: t.def.codecs}
	}
	return nil
}

// place returns where the event is in the source's log.
func (d *decoder) place() place {
	m, t := &d.msg, d.topic
	if !m.flat {
		p := place{tsMs: m.src.tsMs, lsn: m.src.lsn.str(m.b)}
		if p.lsn == "" && (m.src.scn.isString() || m.src.scn.kind == kindNumber) {
			p.lsn = string(m.src.scn.bytes(m.b))
		}
		if m.src.file.kind == kindString {
			p.file, p.pos, p.ok = fileNumber(m.src.file.bytes(m.b)), m.src.pos, true
		}
		return p
	}
	var p place
	p.tsMs, _ = m.after.get(t.meta.tsMs).integer(m.b)
	p.lsn = m.after.get(t.meta.lsn).str(m.b)
	if f := m.after.get(t.meta.file); f.kind == kindString {
		p.file = fileNumber(f.bytes(m.b))
		p.pos, p.ok = m.after.get(t.meta.pos).integer(m.b)
	}
	return p
}

// fromHistory moves the binding to the version in force at the event.
func (d *decoder) fromHistory(b *binding) {
	at := d.place()
	if at.ok || at.lsn != "" {
		if d.maxPlace == (place{}) || at.compare(d.maxPlace) > 0 {
			d.maxPlace = at
		}
	}
	if b.current >= 0 && (at.ok || at.lsn != "") &&
		(b.current+1 >= len(b.history) || b.history[b.current+1].at.compare(at) > 0) {
		return
	}
	if b.current < 0 {
		first := 0
		for first+1 < len(b.history) && b.history[first+1].at.compare(at) <= 0 {
			first++
		}
		for b.history[first].def == nil && first+1 < len(b.history) {
			first++
		}
		b.current = first
		d.enterVersion(b, false)
	}
	for b.current+1 < len(b.history) && b.history[b.current+1].at.compare(at) <= 0 && (at.ok || at.lsn != "" || at.tsMs > 0) {
		b.current++
		more := b.current+1 < len(b.history) && b.history[b.current+1].at.compare(at) <= 0
		d.enterVersion(b, more)
	}
	if !at.ok && at.lsn == "" {
		d.matchVersion(b)
	}
}

// enterVersion takes the current version's definition; queue makes an event of
// it, for a version that no row event brings.
func (d *decoder) enterVersion(b *binding, queue bool) {
	v := &b.history[b.current]
	if v.def == nil {
		d.warn(b.table, "the source dropped it at "+v.label+": its rows stay")
		return
	}
	shape := *v.def.shape
	if d.opts.Keys[b.table] != nil {
		shape.Key = d.opts.Keys[b.table]
	}
	if b.def != nil {
		d.noteChange(b.table, b.def.shape, &shape)
	}
	b.def = &definition{shape: &shape, codecs: v.def.codecs}
	if queue {
		d.queue = append(d.queue, cdc.Event{
			Kind: cdc.KindShape, Table: b.table, Shape: b.def.shape, TxEvents: -1, Line: d.line,
		})
	}
}

// matchVersion serves streams whose events have no position in the log: the
// version whose columns are those of the row, the nearest to the current one,
// later before earlier.
func (d *decoder) matchVersion(b *binding) {
	if d.msg.after.span.kind != kindObject && d.msg.before.span.kind != kindObject || d.fits(b.history[b.current].def) {
		return
	}
	for i := b.current + 1; i < len(b.history); i++ {
		if d.fits(b.history[i].def) {
			b.current = i
			d.enterVersion(b, false)
			return
		}
	}
	for i := b.current - 1; i >= 0; i-- {
		if d.fits(b.history[i].def) {
			b.current = i
			d.enterVersion(b, false)
			return
		}
	}
}

// fits tells whether a row has exactly the columns of a definition.
func (d *decoder) fits(def *definition) bool {
	if def == nil {
		return false
	}
	r, t := d.image(), d.topic
	t.meta.resolve(&t.rows)
	n := 0
	for slot, v := range r.vals {
		if v.kind == kindAbsent || d.msg.flat && t.meta.isMeta[slot] {
			continue
		}
		if n++; def.shape.Index(t.rows.names[slot]) < 0 {
			return false
		}
	}
	return n == len(def.shape.Columns)
}

// image returns the event's row: after, or before of a delete.
func (d *decoder) image() *rowVals {
	if d.msg.after.span.kind == kindObject {
		return &d.msg.after
	}
	return &d.msg.before
}

// setKey gives the definition its key: as the options say, else as the record's
// key has it, else as the schema history does.
func (d *decoder) setKey(b *binding) error {
	names := d.opts.Keys[b.table]
	if names == nil {
		if d.keyRow.span.kind != kindObject || d.op == 't' || d.sameKey(b) {
			return nil
		}
		for slot, v := range d.keyRow.vals {
			if v.kind != kindAbsent {
				names = append(names, d.topic.keys.names[slot])
			}
		}
		// The definition's order wins where it has the same columns.
		if have := b.def.shape.Key; len(have) == len(names) && containsAll(have, names) {
			return nil
		}
	}
	if slices.Equal(names, b.def.shape.Key) {
		return nil
	}
	shape := *b.def.shape
	shape.Key = names
	b.def, b.keysChecked = &definition{shape: &shape, codecs: b.def.codecs}, false
	if shape.Inferred {
		return nil // its columns come with the values
	}
	_, err := shape.KeyIndexes()
	return err
}

// sameKey tells whether the record's key has the columns of the definition's key.
func (d *decoder) sameKey(b *binding) bool {
	key := b.def.shape.Key
	if d.keyRow.n != len(key) {
		return false
	}
	for _, name := range key {
		if d.keyRow.get(d.topic.keys.slotOf(name)).kind == kindAbsent {
			return false
		}
	}
	return true
}

func containsAll(have, names []string) bool {
	for _, n := range names {
		if !slices.Contains(have, n) {
			return false
		}
	}
	return true
}

// extend adds columns for fields that the definition does not have, with types
// guessed from their values, and widens guessed ones.
func (d *decoder) extend(b *binding) error {
	m, t := &d.msg, d.topic
	def := b.def
	if !def.shape.Inferred && b.checkedDef == def && b.checkedLen == len(t.rows.names) && b.checkedN == d.image().n {
		return nil
	}
	for _, r := range []*rowVals{&m.before, &m.after} {
		if r.span.kind == kindObject {
			d.extendByRow(b, r)
		}
	}
	if d.keyRow.span.kind == kindObject && (b.def != def || !b.keysChecked) {
		for slot, v := range d.keyRow.vals {
			if v.kind > kindNull {
				d.extendBy(b, t.keys.names[slot], d.key.b, v)
			}
		}
	}
	b.checkedDef, b.checkedLen, b.checkedN = b.def, len(t.rows.names), d.image().n
	if b.def == def && b.keysChecked {
		return nil
	}
	_, err := b.def.shape.KeyIndexes()
	b.keysChecked = err == nil
	return err
}

// extendByRow looks at the fields of a row that are not settled: those that have
// no column yet, and those of guessed whole numbers, which may turn out to have
// fractions.
func (d *decoder) extendByRow(b *binding, r *rowVals) {
	m, t := &d.msg, d.topic
	for slot, v := range r.vals {
		if v.kind <= kindNull {
			continue
		}
		if b.settledDef != b.def {
			b.settledDef = b.def
			clear(b.settled)
		}
		for slot >= len(b.settled) {
			b.settled = append(b.settled, false)
		}
		if b.settled[slot] || m.flat && t.meta.isMeta[slot] || isUnavailable(m.b, v) {
			continue
		}
		name := t.rows.names[slot]
		if i := b.def.shape.Index(name); i >= 0 && (!b.def.shape.Inferred || b.def.shape.Columns[i].Type.Kind != schema.KindLong) {
			b.settled[slot] = true
			continue
		} else if i >= 0 && v.kind == kindNumber {
			if _, whole := v.integer(m.b); whole {
				continue
			}
		}
		d.extendBy(b, name, m.b, v)
	}
}

func (d *decoder) extendBy(b *binding, name string, text []byte, v val) {
	i := b.def.shape.Index(name)
	guess := guessCodec(text, v)
	if i >= 0 {
		if !b.def.shape.Inferred || b.def.shape.Columns[i].Type.Kind != schema.KindLong || guess.target.Kind != schema.KindDouble {
			return
		}
	} else if !b.def.shape.Inferred {
		d.warn(b.table, fmt.Sprintf("column %q is not in the schema changes: its type is guessed", name))
	}
	shape := *b.def.shape
	shape.Columns = slices.Clone(shape.Columns)
	codecs := slices.Clone(b.def.codecs)
	col := cdc.Column{Name: name, Type: guess.target, SourceType: "guessed"}
	if i >= 0 {
		shape.Columns[i], codecs[i] = col, guess
	} else {
		shape.Columns, codecs = append(shape.Columns, col), append(codecs, guess)
	}
	b.def = &definition{shape: &shape, codecs: codecs}
}

// guessCodec returns a type for a value of which nothing else is known: whole
// numbers are long, other numbers double, text string, and what is nested its
// JSON text, but for a geometry.
func guessCodec(b []byte, v val) codec {
	switch v.kind {
	case kindTrue, kindFalse:
		return codec{enc: encBool, target: schema.Boolean}
	case kindNumber:
		if _, ok := v.integer(b); ok {
			return codec{enc: encInt, target: schema.Long}
		}
		if n, err := parseDecimal(v.bytes(b), 38, 0, false); err == nil && !bytes.ContainsAny(v.bytes(b), ".eE") && n.Sign() != 0 {
			return codec{enc: encDecimal, target: schema.Decimal(38, 0)}
		}
		return codec{enc: encFloat, target: schema.Double}
	case kindObject:
		it := iterate(b, int(v.from), 0)
		wkb, srid := false, false
		for it.next() {
			wkb = wkb || string(it.name) == "wkb"
			srid = srid || string(it.name) == "srid"
		}
		if wkb && srid {
			return codec{enc: encGeometry, target: geometryType}
		}
	}
	return codec{enc: encText, target: schema.String}
}
