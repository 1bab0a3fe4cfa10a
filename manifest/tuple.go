package manifest

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/google/uuid"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// maxTuples bounds the distinct tuples a decoder remembers, maxTupleBytes the
// encoded size of each.
const (
	maxTuples     = 4096
	maxTupleBytes = 1024
)

// tupleDecoder decodes partition tuples. Entries of one partition follow each
// other or repeat, so a tuple is looked up by its encoded bytes first and shared
// by all entries that have it.
type tupleDecoder struct {
	rec    *node
	fields []tupleField
	width  int
	seen   map[string]partition.Tuple
	last   []byte
	tuple  partition.Tuple
}

type tupleField struct {
	step
	at     int // position in the tuple, -1 to skip
	target schema.Type
}

// newTupleDecoder resolves the fields of a manifest's partition record against
// the spec.
func newTupleDecoder(rec *node, opts *ReadOptions) (*tupleDecoder, error) {
	t := &tupleDecoder{rec: rec, seen: make(map[string]partition.Tuple)}
	if opts.Spec != nil {
		t.width = len(opts.Spec.Fields)
	} else if rec != nil {
		t.width = len(rec.fields)
	}
	if rec == nil {
		t.tuple = make(partition.Tuple, t.width)
		return t, nil
	}
	for i := range rec.fields {
		f := &rec.fields[i]
		tf := tupleField{step: step{typ: f.typ, nullAt: -1}, at: i}
		if opts.Spec != nil {
			tf.at = specPosition(opts.Spec, f)
		}
		if tf.at < 0 || tf.step.resolveUnion() != nil {
			t.fields = append(t.fields, tupleField{step: step{typ: f.typ, nullAt: -1}, at: -1})
			continue
		}
		tf.target = avroResult(tf.typ)
		if tf.at < len(opts.PartitionTypes) {
			if p := opts.PartitionTypes[tf.at]; p.Kind != schema.KindUnknown && p.Kind != schema.KindInvalid {
				tf.target = p
			}
		}
		if !tupleAccepts(tf.typ, tf.target) {
			return nil, fmt.Errorf("partition field %.60q is stored in a type that does not fit the spec's", f.name)
		}
		t.fields = append(t.fields, tf)
	}
	return t, nil
}

// specPosition finds a stored field in a spec, by id if it has one.
func specPosition(s *partition.Spec, f *avroField) int {
	for i := range s.Fields {
		if f.id >= 0 && s.Fields[i].FieldID == f.id || f.id < 0 && s.Fields[i].Name == f.name {
			return i
		}
	}
	return -1
}

// avroResult is the Iceberg type that an Avro type stands for by itself.
func avroResult(n *node) schema.Type {
	switch n.kind {
	case avroBoolean:
		return schema.Boolean
	case avroInt:
		if n.logical == "date" {
			return schema.Date
		}
		if n.logical == "time-millis" {
			return schema.Time
		}
		return schema.Int
	case avroLong:
		switch n.logical {
		case "time-micros":
			return schema.Time
		case "timestamp-millis", "timestamp-micros", "local-timestamp-micros":
			if n.utc {
				return schema.TimestampTz
			}
			return schema.Timestamp
		case "timestamp-nanos", "local-timestamp-nanos":
			if n.utc {
				return schema.TimestampTzNs
			}
			return schema.TimestampNs
		}
		return schema.Long
	case avroFloat:
		return schema.Float
	case avroDouble:
		return schema.Double
	case avroString:
		return schema.String
	case avroBytes, avroFixed:
		switch {
		case n.logical == "decimal" && n.precision > 0 && n.precision <= 38:
			return schema.Decimal(n.precision, n.scale)
		case n.logical == "uuid" && n.size == 16:
			return schema.UUID
		case n.kind == avroFixed:
			return schema.Fixed(n.size)
		}
		return schema.Binary
	}
	return schema.Unknown
}

// tupleAccepts reports whether a stored type can be read as an Iceberg type.
func tupleAccepts(n *node, t schema.Type) bool {
	switch t.Kind {
	case schema.KindUnknown:
		return true
	case schema.KindBoolean:
		return n.kind == avroBoolean
	case schema.KindInt, schema.KindDate, schema.KindLong, schema.KindTime,
		schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
		return isVarint(n)
	case schema.KindFloat:
		return n.kind == avroFloat
	case schema.KindDouble:
		return n.kind == avroFloat || n.kind == avroDouble
	case schema.KindString:
		return isBytes(n)
	case schema.KindBinary, schema.KindDecimal:
		return isBytes(n) || n.kind == avroFixed
	case schema.KindFixed:
		return n.kind == avroBytes || n.kind == avroFixed
	case schema.KindUUID:
		return isBytes(n) || n.kind == avroFixed && n.size == 16
	}
	return false
}

// decode reads a tuple; on malformed data the cursor is bad.
func (t *tupleDecoder) decode(c *cursor) partition.Tuple {
	start := c.off
	c.skip(t.rec)
	if c.bad {
		return nil
	}
	raw := c.b[start:c.off]
	if t.last != nil && bytes.Equal(raw, t.last) {
		return t.tuple
	}
	tuple, ok := t.seen[string(raw)]
	if !ok {
		c.off = start
		if tuple = t.values(c); c.bad {
			return nil
		}
		if len(raw) > maxTupleBytes {
			return tuple
		}
		if len(t.seen) >= maxTuples {
			clear(t.seen)
		}
		t.seen[string(raw)] = tuple
	}
	t.last = append(t.last[:0], raw...)
	t.tuple = tuple
	return tuple
}

func (t *tupleDecoder) values(c *cursor) partition.Tuple {
	out := make(partition.Tuple, t.width)
	for i := range t.fields {
		f := &t.fields[i]
		if f.at < 0 {
			c.skip(f.typ)
			continue
		}
		if f.union {
			if i := c.long(); i == f.nullAt && i >= 0 {
				continue
			} else if i != f.valueAt {
				c.fail()
				return nil
			}
		}
		out[f.at] = f.value(c)
	}
	return out
}

// value decodes one partition value as described at schema.Row.
func (f *tupleField) value(c *cursor) any {
	switch f.typ.kind {
	case avroBoolean:
		return c.boolean()
	case avroInt, avroLong:
		return f.integer(c)
	case avroFloat:
		v := c.float()
		if f.target.Kind == schema.KindDouble {
			return float64(v)
		}
		return v
	case avroDouble:
		return c.double()
	case avroBytes, avroString:
		return f.bytesValue(c, c.bytes())
	case avroFixed:
		return f.bytesValue(c, c.fixed(f.typ.size))
	}
	c.skip(f.typ)
	return nil
}

func (f *tupleField) integer(c *cursor) any {
	v := c.long()
	switch f.target.Kind {
	case schema.KindInt, schema.KindDate:
		if v != int64(int32(v)) {
			c.fail()
			return nil
		}
		return int32(v)
	case schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz:
		if f.typ.logical == "timestamp-millis" || f.typ.logical == "time-millis" {
			return v * 1000
		}
	case schema.KindUnknown:
		return nil
	}
	return v
}

func (f *tupleField) bytesValue(c *cursor, b []byte) any {
	if c.bad {
		return nil
	}
	switch f.target.Kind {
	case schema.KindString:
		return string(b)
	case schema.KindDecimal:
		d, ok := decimalFromBytes(b)
		if !ok {
			c.fail()
		}
		return d
	case schema.KindUUID:
		if len(b) == 16 {
			return [16]byte(b)
		}
		u, err := uuid.ParseBytes(b)
		if err != nil {
			c.fail()
		}
		return [16]byte(u)
	case schema.KindFixed:
		if len(b) != f.target.Length {
			c.fail()
			return nil
		}
	case schema.KindUnknown:
		return nil
	}
	return bytes.Clone(b)
}

// decimalFromBytes reads a big-endian two's-complement integer of at most 128
// bits.
func decimalFromBytes(b []byte) (schema.Unscaled, bool) {
	if len(b) == 0 {
		return schema.Unscaled{}, true
	}
	var buf [16]byte
	fill := byte(0)
	if b[0]&0x80 != 0 {
		fill = 0xff
	}
	for len(b) > 16 {
		if b[0] != fill || (b[1]&0x80 != 0) != (fill != 0) {
			return schema.Unscaled{}, false
		}
		b = b[1:]
	}
	for i := range 16 - len(b) {
		buf[i] = fill
	}
	copy(buf[16-len(b):], b)
	return decimal128.New(int64(binary.BigEndian.Uint64(buf[:8])), binary.BigEndian.Uint64(buf[8:])), true
}
