package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Bounds on writer schemas. A manifest's schema has some twenty fields and one
// per partition field.
const (
	maxSchemaBytes = 1 << 20
	maxSchemaDepth = 64
	maxSchemaNodes = 100_000
)

type avroKind uint8

const (
	avroNull avroKind = iota
	avroBoolean
	avroInt
	avroLong
	avroFloat
	avroDouble
	avroBytes
	avroString
	avroFixed
	avroEnum
	avroRecord
	avroArray
	avroMap
	avroUnion
)

var avroPrimitives = map[string]avroKind{
	"null": avroNull, "boolean": avroBoolean, "int": avroInt, "long": avroLong,
	"float": avroFloat, "double": avroDouble, "bytes": avroBytes, "string": avroString,
}

// node is a type of the writer's schema.
type node struct {
	kind     avroKind
	fields   []avroField // record
	elem     *node       // array items, map values
	branches []*node     // union
	size     int         // fixed

	logical          string
	utc              bool // adjust-to-utc
	precision, scale int

	// weight counts the nodes of the type written out without references, which
	// bounds the work of skipping one value; empty says that values take no
	// bytes, so that counts of them are bounded by nothing.
	weight int
	empty  bool
	// live are the field types of a record that take bytes: skipping visits
	// only these, so that the work follows the bytes.
	live []*node
}

// avroField is a record field; id is -1 when the schema gives none.
type avroField struct {
	name string // the Iceberg name if given, else the Avro one
	id   int
	typ  *node
}

type schemaParser struct {
	names map[string]*node // nil value: being defined
	nodes int
}

// parseAvroSchema parses a writer's schema. Recursive types are refused:
// Iceberg has none, and they would allow unbounded nesting of data.
func parseAvroSchema(data []byte) (*node, error) {
	if len(data) > maxSchemaBytes {
		return nil, fmt.Errorf("avro schema of %d bytes is too large", len(data))
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	p := &schemaParser{names: make(map[string]*node)}
	n, err := p.parse(v, "", 0)
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	return n, nil
}

func (p *schemaParser) parse(v any, space string, depth int) (*node, error) {
	if depth > maxSchemaDepth {
		return nil, errors.New("nested too deeply")
	}
	if p.nodes++; p.nodes > maxSchemaNodes {
		return nil, errors.New("too many types")
	}
	var n *node
	var err error
	switch v := v.(type) {
	case string:
		return p.named(v, space)
	case []any:
		n, err = p.union(v, space, depth)
	case map[string]any:
		n, err = p.object(v, space, depth)
	default:
		return nil, fmt.Errorf("a type is written as %T", v)
	}
	if err != nil {
		return nil, err
	}
	return n, n.measure()
}

// named resolves a primitive or the name of a type defined before.
func (p *schemaParser) named(name, space string) (*node, error) {
	if k, ok := avroPrimitives[name]; ok {
		return &node{kind: k, weight: 1, empty: k == avroNull}, nil
	}
	for _, full := range []string{qualify(name, space), name} {
		if n, ok := p.names[full]; ok {
			if n == nil {
				return nil, fmt.Errorf("type %.60q contains itself", name)
			}
			return n, nil
		}
	}
	return nil, fmt.Errorf("unknown type %.60q", name)
}

func qualify(name, space string) string {
	if space == "" {
		return name
	}
	for i := range len(name) {
		if name[i] == '.' {
			return name
		}
	}
	return space + "." + name
}

func (p *schemaParser) union(v []any, space string, depth int) (*node, error) {
	n := &node{kind: avroUnion}
	for _, b := range v {
		t, err := p.parse(b, space, depth+1)
		if err != nil {
			return nil, err
		}
		n.branches = append(n.branches, t)
	}
	if len(n.branches) == 0 {
		return nil, errors.New("empty union")
	}
	return n, nil
}

func (p *schemaParser) object(v map[string]any, space string, depth int) (*node, error) {
	typ, ok := v["type"].(string)
	if !ok { // {"type": {...}} or {"type": [...]}
		inner, ok := v["type"]
		if !ok {
			return nil, errors.New("a type object lacks \"type\"")
		}
		return p.parse(inner, space, depth+1)
	}
	name, _ := v["name"].(string)
	if s, ok := v["namespace"].(string); ok {
		space = s
	}
	var n *node
	var err error
	switch typ {
	case "record", "error":
		full := qualify(name, space)
		if _, dup := p.names[full]; dup {
			return nil, fmt.Errorf("type %.60q is defined twice", full)
		}
		p.names[full] = nil
		if n, err = p.record(v, space, depth); err != nil {
			return nil, err
		}
		p.names[full] = n
	case "enum":
		n = &node{kind: avroEnum}
		p.names[qualify(name, space)] = n
	case "fixed":
		size := jsonInt(v["size"], -1)
		if size < 0 || size > maxSchemaBytes {
			return nil, fmt.Errorf("fixed %.60q has no valid size", name)
		}
		n = &node{kind: avroFixed, size: size}
		p.names[qualify(name, space)] = n
	case "array":
		n = &node{kind: avroArray}
		if n.elem, err = p.parse(v["items"], space, depth+1); err != nil {
			return nil, err
		}
	case "map":
		n = &node{kind: avroMap}
		if n.elem, err = p.parse(v["values"], space, depth+1); err != nil {
			return nil, err
		}
	default:
		t, err := p.named(typ, space)
		if err != nil {
			return nil, err
		}
		c := *t
		n = &c
	}
	n.logical, _ = v["logicalType"].(string)
	n.utc, _ = v["adjust-to-utc"].(bool)
	n.precision = jsonInt(v["precision"], 0)
	n.scale = jsonInt(v["scale"], 0)
	// Set before the type can be referred to.
	return n, n.measure()
}

func (p *schemaParser) record(v map[string]any, space string, depth int) (*node, error) {
	fields, ok := v["fields"].([]any)
	if !ok {
		return nil, errors.New("a record lacks \"fields\"")
	}
	n := &node{kind: avroRecord, fields: make([]avroField, 0, len(fields))}
	for _, fv := range fields {
		f, ok := fv.(map[string]any)
		if !ok {
			return nil, errors.New("a record field is not an object")
		}
		name, _ := f["name"].(string)
		if original, ok := f["iceberg-field-name"].(string); ok {
			name = original
		}
		t, ok := f["type"]
		if !ok {
			return nil, fmt.Errorf("field %.60q lacks \"type\"", name)
		}
		typ, err := p.parse(t, space, depth+1)
		if err != nil {
			return nil, fmt.Errorf("field %.60q: %w", name, err)
		}
		n.fields = append(n.fields, avroField{name: name, id: jsonInt(f["field-id"], -1), typ: typ})
	}
	return n, nil
}

// jsonInt returns a JSON number that is a small whole number, else def.
func jsonInt(v any, def int) int {
	f, ok := v.(float64)
	if !ok || f != float64(int32(f)) {
		return def
	}
	return int(f)
}

// measure computes weight and empty from the children's.
func (n *node) measure() error {
	n.weight = 1
	n.empty = n.kind == avroNull || n.kind == avroFixed && n.size == 0
	switch n.kind {
	case avroRecord:
		n.empty, n.live = true, nil
		for _, f := range n.fields {
			n.weight += f.typ.weight
			n.empty = n.empty && f.typ.empty
			if !f.typ.empty {
				n.live = append(n.live, f.typ)
			}
			if n.weight > maxSchemaNodes {
				break
			}
		}
	case avroUnion:
		for _, b := range n.branches {
			n.weight = max(n.weight, 1+b.weight)
		}
	case avroArray, avroMap:
		n.weight += n.elem.weight
	}
	if n.weight > maxSchemaNodes {
		return errors.New("too many types")
	}
	return nil
}
