package avrodata

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hamba/avro/v2"
)

// Bounds on writer schemas: a table may have thousands of columns with long docs.
const (
	maxSchemaBytes = 16 << 20
	maxJSONDepth   = 512
	maxTypeDepth   = 128
	maxNodes       = 1_000_000
	maxFixed       = 1 << 20
)

type kind uint8

const (
	kindNull kind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes
	kindString
	kindFixed
	kindEnum
	kindRecord
	kindArray
	kindMap
	kindUnion
)

var kinds = map[avro.Type]kind{
	avro.Null: kindNull, avro.Boolean: kindBoolean, avro.Int: kindInt, avro.Long: kindLong,
	avro.Float: kindFloat, avro.Double: kindDouble, avro.Bytes: kindBytes, avro.String: kindString,
	avro.Fixed: kindFixed, avro.Enum: kindEnum, avro.Record: kindRecord, avro.Error: kindRecord,
	avro.Array: kindArray, avro.Map: kindMap, avro.Union: kindUnion,
}

var kindNames = [...]string{
	"null", "boolean", "int", "long", "float", "double", "bytes", "string",
	"fixed", "enum", "record", "array", "map", "union",
}

// node is a type of the writer's schema.
type node struct {
	kind     kind
	fields   []field // record
	elem     *node   // array items, map values
	branches []*node // union
	size     int     // fixed
	logical  string
	scale    int

	// weight counts the nodes of the type written out, which bounds the work of
	// skipping a value; empty says that values take no bytes, so that how many
	// there are is bounded by nothing.
	weight int
	empty  bool
	// live are the field types of a record that take bytes.
	live []*node
}

// field is a record field; id is -1 when the schema gives none.
type field struct {
	name string // the Iceberg name if given, else the Avro one
	id   int
	typ  *node
}

func (n *node) String() string {
	s := kindNames[n.kind]
	if n.logical != "" {
		s += " (" + n.logical + ")"
	}
	return s
}

// parseSchema parses the writer's schema and reports whether it has field ids.
// Types that contain themselves are refused: Iceberg has none.
func parseSchema(text []byte) (*node, bool, error) {
	if len(text) > maxSchemaBytes {
		return nil, false, fmt.Errorf("%w: schema of %d bytes", ErrUnsupported, len(text))
	}
	if err := checkJSON(text); err != nil {
		return nil, false, fmt.Errorf("%w: schema: %w", ErrCorrupt, err)
	}
	// A cache of its own: names of one file mean nothing in another.
	s, err := avro.ParseBytesWithCache(text, "", &avro.SchemaCache{})
	if err != nil {
		return nil, false, fmt.Errorf("%w: schema: %w", ErrCorrupt, err)
	}
	c := converter{done: make(map[avro.NamedSchema]*node)}
	n, err := c.node(s, 0)
	if err != nil {
		return nil, false, fmt.Errorf("%w: schema: %w", ErrCorrupt, err)
	}
	return n, c.hasIDs, nil
}

// checkJSON checks that text is JSON and not nested too deeply, before a parser
// that recurses gets it.
func checkJSON(text []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxJSONDepth {
				return errors.New("nested too deeply")
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	if !json.Valid(text) {
		return errors.New("not JSON")
	}
	return nil
}

// converter turns parsed schemas into nodes.
type converter struct {
	done   map[avro.NamedSchema]*node // nil value: being converted
	nodes  int
	hasIDs bool
}

func (c *converter) node(s avro.Schema, depth int) (*node, error) {
	if ref, ok := s.(*avro.RefSchema); ok {
		s = ref.Schema()
	}
	name, named := s.(avro.NamedSchema)
	if named {
		if n, seen := c.done[name]; n != nil {
			return n, nil
		} else if seen {
			return nil, fmt.Errorf("type %.60q contains itself", name.FullName())
		}
		c.done[name] = nil
	}
	if c.nodes++; c.nodes > maxNodes || depth > maxTypeDepth {
		return nil, errors.New("too many types, or nested too deeply")
	}
	k, ok := kinds[s.Type()]
	if !ok {
		return nil, fmt.Errorf("unknown type %q", s.Type())
	}
	n := &node{kind: k}
	if p, ok := s.(avro.PropertySchema); ok {
		n.logical, _ = p.Prop("logicalType").(string)
	}
	if l, ok := s.(avro.LogicalTypeSchema); ok && l.Logical() != nil {
		n.logical = string(l.Logical().Type())
		if d, ok := l.Logical().(*avro.DecimalLogicalSchema); ok {
			n.scale = d.Scale()
		}
	}
	if err := c.children(n, s, depth+1); err != nil {
		return nil, err
	}
	if err := n.measure(); err != nil {
		return nil, err
	}
	if named {
		c.done[name] = n
	}
	return n, nil
}

func (c *converter) children(n *node, s avro.Schema, depth int) (err error) {
	switch s := s.(type) {
	case *avro.RecordSchema:
		for _, f := range s.Fields() {
			out := field{name: f.Name(), id: propID(f.Prop("field-id"))}
			if original, ok := f.Prop("iceberg-field-name").(string); ok {
				out.name = original
			}
			c.hasIDs = c.hasIDs || out.id >= 0
			if out.typ, err = c.node(f.Type(), depth); err != nil {
				return fmt.Errorf("field %.60q: %w", out.name, err)
			}
			n.fields = append(n.fields, out)
		}
	case *avro.ArraySchema:
		n.elem, err = c.node(s.Items(), depth)
	case *avro.MapSchema:
		n.elem, err = c.node(s.Values(), depth)
	case *avro.UnionSchema:
		for _, b := range s.Types() {
			t, err := c.node(b, depth)
			if err != nil {
				return err
			}
			n.branches = append(n.branches, t)
		}
		if len(n.branches) == 0 {
			return errors.New("empty union")
		}
	case *avro.FixedSchema:
		if n.size = s.Size(); n.size < 0 || n.size > maxFixed {
			return fmt.Errorf("fixed of %d bytes", n.size)
		}
	}
	return err
}

// propID returns a field id, -1 if v is none.
func propID(v any) int {
	f, ok := v.(float64)
	if !ok || f < 0 || f != float64(int32(f)) {
		return -1
	}
	return int(f)
}

// measure computes weight and empty from the children's.
func (n *node) measure() error {
	n.weight = 1
	n.empty = n.kind == kindNull || n.kind == kindFixed && n.size == 0
	switch n.kind {
	case kindRecord:
		n.empty = true
		for _, f := range n.fields {
			n.weight += f.typ.weight
			if !f.typ.empty {
				n.empty = false
				n.live = append(n.live, f.typ)
			}
			if n.weight > maxNodes {
				break
			}
		}
	case kindUnion:
		for _, b := range n.branches {
			n.weight = max(n.weight, 1+b.weight)
		}
	case kindArray, kindMap:
		n.weight += n.elem.weight
	}
	if n.weight > maxNodes {
		return errors.New("too many types")
	}
	return nil
}
