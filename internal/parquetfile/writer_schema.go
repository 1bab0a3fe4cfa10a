package parquetfile

import (
	"fmt"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

// maxDepth bounds the nesting of a schema, so that levels fit a byte.
const maxDepth = 64

// stepKind says how a step of a leaf's path leads to the next.
type stepKind uint8

const (
	stepLeaf stepKind = iota
	stepStruct
	stepList
	stepMap
)

// step is one Arrow array on the way from a column to a leaf.
type step struct {
	kind     stepKind
	child    int // of a struct its field, of a map 0 for key and 1 for value
	required bool
	name     string // dotted
	// def is the definition level of a present value, rep the repetition level
	// of a value that is not the first of its list.
	def, rep uint8
}

// leaf is a column of the Parquet file.
type leaf struct {
	fieldID int    // of a variant's parts that of the variant
	name    string // dotted, for errors
	path    []string
	column  int // index of the top-level field
	steps   []step
	typ     schema.Type
	phys    format.Type
	width   int // bytes of a value, 0 if variable
	maxDef  uint8
	maxRep  uint8
	// unordered types have no bounds.
	unordered bool
	// variantPart is 1 for a variant's metadata, 2 for its value.
	variantPart int
}

// element is a node of the Parquet schema in the order of the footer.
type element struct {
	name       string
	rep        format.FieldRepetitionType
	root       bool
	children   int // -1 for a leaf
	phys       format.Type
	typeLength int32
	fieldID    int32
	hasID      bool
	typ        schema.Type // for the annotation; KindInvalid for none
	keyValue   bool        // the repeated group of a map
}

// layout is a table schema laid out as a Parquet schema.
type layout struct {
	elements []element
	leaves   []*leaf
}

// newLayout lays out s. Unknown columns take no place in a file.
func newLayout(s *schema.Schema) (*layout, error) {
	l := &layout{elements: []element{{name: "table", root: true}}}
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Type.Kind == schema.KindUnknown {
			continue
		}
		p := place{column: i}
		if err := l.field(f, f.Name, p); err != nil {
			return nil, err
		}
		l.elements[0].children++
	}
	return l, nil
}

// place is where in the tree a field is met.
type place struct {
	column   int
	path     []string
	steps    []step
	def, rep uint8
}

// down returns p below a group of the given name.
func (p place) down(name string, levelsDef, levelsRep uint8) place {
	p.path = append(p.path[:len(p.path):len(p.path)], name)
	p.def += levelsDef
	p.rep += levelsRep
	return p
}

func (p place) with(s step) place {
	p.steps = append(p.steps[:len(p.steps):len(p.steps)], s)
	return p
}

func (l *layout) field(f *schema.Field, name string, p place) error {
	if len(p.path) > maxDepth {
		return fmt.Errorf("column %s: nested deeper than %d levels", name, maxDepth)
	}
	e := element{name: f.Name, fieldID: int32(f.ID), hasID: true, typ: f.Type, children: -1}
	var opt uint8
	if !f.Required {
		e.rep, opt = format.Optional, 1
	}
	p = p.down(f.Name, opt, 0)
	s := step{required: f.Required, name: name, def: p.def, rep: p.rep}
	switch f.Type.Kind {
	case schema.KindStruct:
		return l.structure(f, name, p, e, s)
	case schema.KindList:
		e.children = 1
		l.elements = append(l.elements, e, element{name: "list", rep: format.Repeated, children: 1})
		s.kind = stepList
		elem := *f.Type.Element()
		elem.Name = "element"
		if elem.Type.Kind == schema.KindUnknown {
			return fmt.Errorf("column %s: a list of unknown cannot be stored in Parquet", name)
		}
		return l.field(&elem, name+".element", p.with(s).down("list", 1, 1))
	case schema.KindMap:
		return l.mapping(f, name, p, e, s)
	case schema.KindVariant:
		e.children = 2
		l.elements = append(l.elements, e)
		for i, part := range []string{"metadata", "value"} {
			s.kind, s.child = stepStruct, i
			q := p.with(s).down(part, 0, 0)
			l.elements = append(l.elements, element{name: part, phys: format.ByteArray, children: -1})
			q = q.with(step{required: true, name: name + "." + part, def: q.def, rep: q.rep})
			l.add(&leaf{fieldID: f.ID, name: name, typ: schema.Binary, phys: format.ByteArray, unordered: true, variantPart: i + 1}, q)
		}
		return nil
	}
	lf := &leaf{fieldID: f.ID, name: name, typ: f.Type}
	if err := lf.physical(); err != nil {
		return err
	}
	e.phys, e.typeLength = lf.phys, 0
	if lf.phys == format.FixedLenByteArray {
		e.typeLength = int32(lf.width)
	}
	l.elements = append(l.elements, e)
	l.add(lf, p.with(s))
	return nil
}

func (l *layout) structure(f *schema.Field, name string, p place, e element, s step) error {
	at := len(l.elements)
	e.children = 0
	l.elements = append(l.elements, e)
	for i := range f.Type.Fields {
		c := &f.Type.Fields[i]
		if c.Type.Kind == schema.KindUnknown {
			continue
		}
		s.kind, s.child = stepStruct, i
		if err := l.field(c, name+"."+c.Name, p.with(s)); err != nil {
			return err
		}
		l.elements[at].children++
	}
	if l.elements[at].children == 0 {
		return fmt.Errorf("column %s: a struct without stored fields cannot be stored in Parquet", name)
	}
	return nil
}

func (l *layout) mapping(f *schema.Field, name string, p place, e element, s step) error {
	e.children = 1
	at := len(l.elements) + 1
	l.elements = append(l.elements, e, element{name: "key_value", rep: format.Repeated, keyValue: true})
	s.kind = stepMap
	for i, n := range []string{"key", "value"} {
		c := f.Type.Fields[i]
		c.Name = n
		c.Required = c.Required || i == 0
		if c.Type.Kind == schema.KindUnknown {
			if i == 0 {
				return fmt.Errorf("column %s: a map with unknown keys cannot be stored in Parquet", name)
			}
			continue
		}
		s.child = i
		if err := l.field(&c, name+"."+n, p.with(s).down("key_value", 1, 1)); err != nil {
			return err
		}
		l.elements[at].children++
	}
	return nil
}

func (l *layout) add(lf *leaf, p place) {
	lf.column, lf.path, lf.steps, lf.maxDef, lf.maxRep = p.column, p.path, p.steps, p.def, p.rep
	l.leaves = append(l.leaves, lf)
}

// physical chooses the Parquet type (spec: Appendix A, "Parquet").
func (lf *leaf) physical() error {
	switch t := lf.typ; t.Kind {
	case schema.KindBoolean:
		lf.phys = format.Boolean
	case schema.KindInt, schema.KindDate:
		lf.phys, lf.width = format.Int32, 4
	case schema.KindLong, schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
		lf.phys, lf.width = format.Int64, 8
	case schema.KindFloat:
		lf.phys, lf.width = format.Float, 4
	case schema.KindDouble:
		lf.phys, lf.width = format.Double, 8
	case schema.KindDecimal:
		switch {
		case t.Precision <= 9:
			lf.phys, lf.width = format.Int32, 4
		case t.Precision <= 18:
			lf.phys, lf.width = format.Int64, 8
		default:
			lf.phys, lf.width = format.FixedLenByteArray, decimalWidth(t.Precision)
		}
	case schema.KindString, schema.KindBinary:
		lf.phys = format.ByteArray
	case schema.KindGeometry, schema.KindGeography:
		lf.phys, lf.unordered = format.ByteArray, true
	case schema.KindUUID:
		lf.phys, lf.width = format.FixedLenByteArray, 16
	case schema.KindFixed:
		lf.phys, lf.width = format.FixedLenByteArray, t.Length
		if t.Length <= 0 {
			return fmt.Errorf("column %s: fixed of length %d", lf.name, t.Length)
		}
	default:
		return fmt.Errorf("column %s: type %v cannot be stored in Parquet", lf.name, t)
	}
	return nil
}

// decimalWidth returns the fewest bytes that hold every decimal of a precision.
func decimalWidth(precision int) int {
	// 10^p - 1 < 2^(8n-1), checked by comparing p with the digits of 2^(8n-1).
	digits := [...]int{0, 2, 4, 6, 9, 11, 14, 16, 18, 21, 23, 26, 28, 31, 33, 35, 38}
	for n, d := range digits {
		if precision <= d {
			return n
		}
	}
	return 16
}

// write appends e to the footer's list of schema elements.
func (e *element) write(t *thriftWriter) {
	t.elemBegin()
	if e.children < 0 {
		t.i32(1, int32(e.phys))
		if e.typeLength > 0 {
			t.i32(2, e.typeLength)
		}
	}
	if !e.root {
		t.i32(3, int32(e.rep))
	}
	t.string(4, e.name)
	if e.children >= 0 {
		t.i32(5, int32(e.children))
	}
	e.writeConverted(t)
	if e.hasID {
		t.i32(9, e.fieldID)
	}
	e.writeLogical(t)
	t.end()
}

func (e *element) writeConverted(t *thriftWriter) {
	switch e.typ.Kind {
	case schema.KindString:
		t.i32(6, int32(deprecated.UTF8))
	case schema.KindDate:
		t.i32(6, int32(deprecated.Date))
	case schema.KindTime:
		// TIME_MICROS means adjusted to UTC, which an Iceberg time is not.
	case schema.KindTimestampTz:
		t.i32(6, int32(deprecated.TimestampMicros))
	case schema.KindList:
		t.i32(6, int32(deprecated.List))
	case schema.KindMap:
		t.i32(6, int32(deprecated.Map))
	case schema.KindDecimal:
		t.i32(6, int32(deprecated.Decimal))
		t.i32(7, int32(e.typ.Scale))
		t.i32(8, int32(e.typ.Precision))
	}
	if e.keyValue {
		t.i32(6, int32(deprecated.MapKeyValue))
	}
}

// Field ids of the LogicalType and TimeUnit unions.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalDecimal   = 5
	logicalDate      = 6
	logicalTime      = 7
	logicalTimestamp = 8
	logicalUUID      = 14
	logicalVariant   = 16
	logicalGeometry  = 17
	logicalGeography = 18

	unitMicros = 2
	unitNanos  = 3
)

func (e *element) writeLogical(t *thriftWriter) {
	simple := map[schema.Kind]int16{
		schema.KindString: logicalString, schema.KindMap: logicalMap, schema.KindList: logicalList,
		schema.KindDate: logicalDate, schema.KindUUID: logicalUUID,
	}
	if id, ok := simple[e.typ.Kind]; ok {
		t.begin(10)
		t.empty(id)
		t.end()
		return
	}
	instant := func(id int16, utc bool, unit int16) {
		t.begin(10)
		t.begin(id)
		t.bool(1, utc)
		t.begin(2)
		t.empty(unit)
		t.end()
		t.end()
		t.end()
	}
	switch e.typ.Kind {
	case schema.KindTime:
		instant(logicalTime, false, unitMicros)
	case schema.KindTimestamp:
		instant(logicalTimestamp, false, unitMicros)
	case schema.KindTimestampTz:
		instant(logicalTimestamp, true, unitMicros)
	case schema.KindTimestampNs:
		instant(logicalTimestamp, false, unitNanos)
	case schema.KindTimestampTzNs:
		instant(logicalTimestamp, true, unitNanos)
	case schema.KindDecimal:
		t.begin(10)
		t.begin(logicalDecimal)
		t.i32(1, int32(e.typ.Scale))
		t.i32(2, int32(e.typ.Precision))
		t.end()
		t.end()
	case schema.KindVariant:
		t.begin(10)
		t.begin(logicalVariant)
		t.i8(1, 1)
		t.end()
		t.end()
	case schema.KindGeometry, schema.KindGeography:
		e.writeGeo(t)
	}
}

func (e *element) writeGeo(t *thriftWriter) {
	id := int16(logicalGeometry)
	if e.typ.Kind == schema.KindGeography {
		id = logicalGeography
	}
	t.begin(10)
	t.begin(id)
	if e.typ.CRS != "" {
		t.string(1, e.typ.CRS)
	}
	if id == logicalGeography && e.typ.Algorithm != "" {
		algorithms := map[string]format.EdgeInterpolationAlgorithm{
			"spherical": format.Spherical, "vincenty": format.Vincenty, "thomas": format.Thomas,
			"andoyer": format.Andoyer, "karney": format.Karney,
		}
		if a, ok := algorithms[e.typ.Algorithm]; ok {
			t.i32(2, int32(a))
		}
	}
	t.end()
	t.end()
}
