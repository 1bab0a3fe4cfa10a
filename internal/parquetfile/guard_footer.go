package parquetfile

import (
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// Bounds on what a footer may declare.
const (
	maxSchemaElements = 100_000
	maxSchemaDepth    = 64
	maxRowGroups      = 1 << 20
	maxKeyValues      = 1 << 16
)

// footer is a file's metadata, as far as the reader uses it. Byte slices and
// strings of statistics alias the footer's buffer.
type footer struct {
	elements  []schemaElement
	rows      int64
	groups    []rowGroupMeta
	keyValues map[string]string
	createdBy string
	encrypted bool
}

type logicalKind uint8

const (
	annotNone logicalKind = iota
	annotString
	annotMap
	annotList
	annotDecimal
	annotDate
	annotTime
	annotTimestamp
	annotInt
	annotUUID
	annotFloat16
	annotVariant
	annotOther
)

type timeUnit uint8

const (
	annNone timeUnit = iota
	annMillis
	annMicros
	annNanos
)

// logicalType is the union of logical and converted type.
type logicalType struct {
	kind             logicalKind
	unit             timeUnit
	utc              bool
	unsigned         bool
	bits             int
	scale, precision int
}

type schemaElement struct {
	name       string
	hasType    bool
	typ        format.Type
	length     int32
	repetition format.FieldRepetitionType
	children   int32
	id         int32
	hasID      bool
	converted  int32 // -1 none
	scale      int32
	precision  int32
	logical    logicalType
}

type rowGroupMeta struct {
	chunks []chunkMeta
	rows   int64
}

// chunkMeta describes a column chunk. Offsets of absent things are 0.
type chunkMeta struct {
	typ          format.Type
	codec        format.CompressionCodec
	values       int64
	uncompressed int64
	compressed   int64
	dataOffset   int64
	dictOffset   int64
	stats        chunkStats
	bloomOffset  int64
	bloomLength  int32
	indexOffset  int64
	indexLength  int32
	// The column index, as indexOffset and indexLength are the offset index.
	columnIndexOffset int64
	columnIndexLength int32
	otherFile         bool
	encrypted         bool
	hasMeta           bool
	unencoded         int64 // bytes of a byte-array column's values unencoded; 0 unknown
	// raw is the encoded ColumnMetaData, aliasing the footer's buffer.
	raw []byte
}

// start returns where the chunk's first page is.
func (c *chunkMeta) start() int64 {
	// Some writers leave 0 or a wrong later offset where there is no dictionary.
	if c.dictOffset > 0 && c.dictOffset < c.dataOffset {
		return c.dictOffset
	}
	return c.dataOffset
}

type chunkStats struct {
	min, max       []byte // nil: absent
	minOld, maxOld []byte // the deprecated pair, in signed order
	nulls          int64  // -1: absent
}

func decodeFooter(b []byte) (*footer, error) {
	r := &thriftReader{b: b}
	f := &footer{}
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			break
		}
		switch {
		case id == 2 && t == wireList:
			r.structList(func() {
				if len(f.elements) == maxSchemaElements {
					r.fail("more than %d schema elements", maxSchemaElements)
					return
				}
				f.elements = append(f.elements, r.schemaElement())
			})
		case id == 3 && t == wireI64:
			f.rows = r.i64()
		case id == 4 && t == wireList:
			r.structList(func() {
				if len(f.groups) == maxRowGroups {
					r.fail("more than %d row groups", maxRowGroups)
					return
				}
				f.groups = append(f.groups, r.rowGroup())
			})
		case id == 5 && t == wireList:
			r.structList(func() { r.keyValue(f) })
		case id == 6 && t == wireBinary:
			f.createdBy = string(r.bytes())
		case id == 8 && t == wireStruct:
			f.encrypted = true
			r.skip(t)
		default:
			r.skip(t)
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("footer: %w", r.err)
	}
	return f, nil
}

func (r *thriftReader) keyValue(f *footer) {
	var id int16
	var k, v string
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			break
		}
		switch {
		case id == 1 && t == wireBinary:
			k = string(r.bytes())
		case id == 2 && t == wireBinary:
			v = string(r.bytes())
		default:
			r.skip(t)
		}
	}
	if f.keyValues == nil {
		f.keyValues = map[string]string{}
	}
	if len(f.keyValues) < maxKeyValues {
		f.keyValues[k] = v
	}
}

func (r *thriftReader) schemaElement() schemaElement {
	e := schemaElement{converted: -1}
	named := false
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			break
		}
		switch {
		case id == 1 && t == wireI32:
			e.typ, e.hasType = format.Type(r.i32()), true
		case id == 2 && t == wireI32:
			e.length = r.i32()
		case id == 3 && t == wireI32:
			e.repetition = format.FieldRepetitionType(r.i32())
		case id == 4 && t == wireBinary:
			e.name, named = string(r.bytes()), true
		case id == 5 && t == wireI32:
			e.children = r.i32()
		case id == 6 && t == wireI32:
			e.converted = r.i32()
		case id == 7 && t == wireI32:
			e.scale = r.i32()
		case id == 8 && t == wireI32:
			e.precision = r.i32()
		case id == 9 && t == wireI32:
			e.id, e.hasID = r.i32(), true
		case id == 10 && t == wireStruct:
			e.logical = r.logicalType()
		default:
			r.skip(t)
		}
	}
	if !named {
		r.fail("schema element without a name")
	}
	if e.logical.kind == annotNone {
		e.logical = fromConverted(&e)
	}
	return e
}

// logicalType reads the LogicalType union.
func (r *thriftReader) logicalType() (l logicalType) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return l
		}
		if t != wireStruct {
			r.skip(t)
			continue
		}
		switch id {
		case 1, 4, 12: // string, enum, JSON
			l.kind = annotString
		case 2:
			l.kind = annotMap
		case 3:
			l.kind = annotList
		case 5:
			l.kind = annotDecimal
		case 6:
			l.kind = annotDate
		case 7:
			l.kind = annotTime
		case 8:
			l.kind = annotTimestamp
		case 10:
			l.kind = annotInt
		case 14:
			l.kind = annotUUID
		case 15:
			l.kind = annotFloat16
		case 16:
			l.kind = annotVariant
		default:
			l.kind = annotOther
		}
		r.logicalParams(&l)
	}
}

// logicalParams reads the parameters inside a member of the union.
func (r *thriftReader) logicalParams(l *logicalType) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return
		}
		temporal := l.kind == annotTime || l.kind == annotTimestamp
		switch {
		case l.kind == annotDecimal && id == 1 && t == wireI32:
			l.scale = int(r.i32())
		case l.kind == annotDecimal && id == 2 && t == wireI32:
			l.precision = int(r.i32())
		case temporal && id == 1:
			l.utc, _ = r.boolField(t)
		case temporal && id == 2 && t == wireStruct:
			l.unit = r.timeUnit()
		case l.kind == annotInt && id == 1 && t == wireI8:
			l.bits = int(int8(r.byte()))
		case l.kind == annotInt && id == 2:
			signed, _ := r.boolField(t)
			l.unsigned = !signed
		default:
			r.skip(t)
		}
	}
}

func (r *thriftReader) timeUnit() (u timeUnit) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return u
		}
		if id >= 1 && id <= 3 {
			u = timeUnit(id)
		}
		r.skip(t)
	}
}

// Converted types, the older annotation.
const (
	convertedUTF8            = 0
	convertedMap             = 1
	convertedMapKeyValue     = 2
	convertedList            = 3
	convertedEnum            = 4
	convertedDecimal         = 5
	convertedDate            = 6
	convertedTimeMillis      = 7
	convertedTimeMicros      = 8
	convertedTimestampMillis = 9
	convertedTimestampMicros = 10
	convertedUint8           = 11
	convertedUint64          = 14
	convertedInt8            = 15
	convertedInt64           = 18
	convertedJSON            = 19
)

func fromConverted(e *schemaElement) logicalType {
	switch c := e.converted; c {
	case convertedUTF8, convertedEnum, convertedJSON:
		return logicalType{kind: annotString}
	case convertedMap, convertedMapKeyValue:
		return logicalType{kind: annotMap}
	case convertedList:
		return logicalType{kind: annotList}
	case convertedDecimal:
		return logicalType{kind: annotDecimal, scale: int(e.scale), precision: int(e.precision)}
	case convertedDate:
		return logicalType{kind: annotDate}
	case convertedTimeMillis:
		return logicalType{kind: annotTime, unit: annMillis, utc: true}
	case convertedTimeMicros:
		return logicalType{kind: annotTime, unit: annMicros, utc: true}
	case convertedTimestampMillis:
		return logicalType{kind: annotTimestamp, unit: annMillis, utc: true}
	case convertedTimestampMicros:
		return logicalType{kind: annotTimestamp, unit: annMicros, utc: true}
	default:
		if c >= convertedUint8 && c <= convertedUint64 {
			return logicalType{kind: annotInt, bits: 8 << (c - convertedUint8), unsigned: true}
		}
		if c >= convertedInt8 && c <= convertedInt64 {
			return logicalType{kind: annotInt, bits: 8 << (c - convertedInt8)}
		}
		return logicalType{}
	}
}

func (r *thriftReader) rowGroup() rowGroupMeta {
	var g rowGroupMeta
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return g
		}
		switch {
		case id == 1 && t == wireList:
			r.structList(func() { g.chunks = append(g.chunks, r.columnChunk()) })
		case id == 3 && t == wireI64:
			g.rows = r.i64()
		default:
			r.skip(t)
		}
	}
}

func (r *thriftReader) columnChunk() chunkMeta {
	c := chunkMeta{stats: chunkStats{nulls: -1}}
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			break
		}
		switch {
		case id == 1 && t == wireBinary:
			c.otherFile = len(r.bytes()) > 0
		case id == 3 && t == wireStruct:
			c.hasMeta = true
			from := r.pos
			r.columnMeta(&c)
			if r.err == nil {
				c.raw = r.b[from:r.pos:r.pos]
			}
		case id == 4 && t == wireI64:
			c.indexOffset = r.i64()
		case id == 5 && t == wireI32:
			c.indexLength = r.i32()
		case id == 6 && t == wireI64:
			c.columnIndexOffset = r.i64()
		case id == 7 && t == wireI32:
			c.columnIndexLength = r.i32()
		case id == 8 && t == wireStruct:
			c.encrypted = true
			r.skip(t)
		default:
			r.skip(t)
		}
	}
	if !c.hasMeta && !c.encrypted {
		r.fail("column chunk without metadata")
	}
	return c
}

func (r *thriftReader) columnMeta(c *chunkMeta) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return
		}
		switch {
		case id == 1 && t == wireI32:
			c.typ = format.Type(r.i32())
		case id == 4 && t == wireI32:
			c.codec = format.CompressionCodec(r.i32())
		case id == 5 && t == wireI64:
			c.values = r.i64()
		case id == 6 && t == wireI64:
			c.uncompressed = r.i64()
		case id == 7 && t == wireI64:
			c.compressed = r.i64()
		case id == 9 && t == wireI64:
			c.dataOffset = r.i64()
		case id == 11 && t == wireI64:
			c.dictOffset = r.i64()
		case id == 12 && t == wireStruct:
			r.statistics(&c.stats)
		case id == 14 && t == wireI64:
			c.bloomOffset = r.i64()
		case id == 15 && t == wireI32:
			c.bloomLength = r.i32()
		case id == 16 && t == wireStruct:
			c.unencoded = r.sizeStatistics()
		default:
			r.skip(t)
		}
	}
}

func (r *thriftReader) sizeStatistics() (unencoded int64) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return unencoded
		}
		if id == 1 && t == wireI64 {
			unencoded = r.i64()
		} else {
			r.skip(t)
		}
	}
}

func (r *thriftReader) statistics(s *chunkStats) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return
		}
		switch {
		case id == 1 && t == wireBinary:
			s.maxOld = r.bytes()
		case id == 2 && t == wireBinary:
			s.minOld = r.bytes()
		case id == 3 && t == wireI64:
			s.nulls = r.i64()
		case id == 5 && t == wireBinary:
			s.max = r.bytes()
		case id == 6 && t == wireBinary:
			s.min = r.bytes()
		default:
			r.skip(t)
		}
	}
}
