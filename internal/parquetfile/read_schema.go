package parquetfile

import (
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// node is a column or group of the file's schema.
type node struct {
	*schemaElement
	parent   *node
	children []*node
	// leaf is the index of the column chunk, -1 for a group.
	leaf int
	// maxDef and maxRep are the greatest definition and repetition level; a
	// definition level of maxDef says that the node itself is there.
	maxDef, maxRep int
}

func (n *node) repeated() bool { return n.repetition == format.Repeated }

// path returns the dotted name for messages.
func (n *node) path() string {
	if n.parent == nil || n.parent.parent == nil {
		return n.name
	}
	return n.parent.path() + "." + n.name
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// firstLeaf returns the first column below n.
func (n *node) firstLeaf() *node {
	for n.leaf < 0 {
		n = n.children[0]
	}
	return n
}

// buildTree makes the tree of a flattened schema.
func buildTree(elements []schemaElement) (root *node, leaves []*node, err error) {
	if len(elements) == 0 || elements[0].hasType && elements[0].children == 0 {
		return nil, nil, fmt.Errorf("schema has no root")
	}
	b := &treeBuilder{elements: elements}
	root, err = b.node(nil, 0)
	if err != nil {
		return nil, nil, err
	}
	if b.next != len(elements) {
		return nil, nil, fmt.Errorf("schema has %d elements too many", len(elements)-b.next)
	}
	return root, b.leaves, nil
}

type treeBuilder struct {
	elements []schemaElement
	next     int
	leaves   []*node
}

func (b *treeBuilder) node(parent *node, depth int) (*node, error) {
	if depth > maxSchemaDepth {
		return nil, fmt.Errorf("schema nested deeper than %d", maxSchemaDepth)
	}
	if b.next >= len(b.elements) {
		return nil, fmt.Errorf("schema ends early")
	}
	e := &b.elements[b.next]
	b.next++
	n := &node{schemaElement: e, parent: parent, leaf: -1}
	if parent != nil {
		n.maxDef, n.maxRep = parent.maxDef, parent.maxRep
		switch e.repetition {
		case format.Required:
		case format.Optional:
			n.maxDef++
		case format.Repeated:
			n.maxDef++
			n.maxRep++
		default:
			return nil, fmt.Errorf("column %s: repetition %d", n.path(), e.repetition)
		}
	}
	if e.children < 0 || int(e.children) > len(b.elements)-b.next {
		return nil, fmt.Errorf("column %q: %d children", e.name, e.children)
	}
	if e.children == 0 {
		if parent == nil {
			return n, nil
		}
		return n, b.leaf(n)
	}
	n.children = make([]*node, e.children)
	for i := range n.children {
		c, err := b.node(n, depth+1)
		if err != nil {
			return nil, err
		}
		n.children[i] = c
	}
	return n, nil
}

func (b *treeBuilder) leaf(n *node) error {
	if !n.hasType {
		return fmt.Errorf("column %s has no type", n.path())
	}
	if n.typ < format.Boolean || n.typ > format.FixedLenByteArray {
		return fmt.Errorf("column %s: type %d", n.path(), n.typ)
	}
	if n.typ == format.FixedLenByteArray && (n.length <= 0 || n.length > 1<<20) {
		return fmt.Errorf("column %s: fixed length %d", n.path(), n.length)
	}
	n.leaf = len(b.leaves)
	b.leaves = append(b.leaves, n)
	return nil
}

// width returns the bytes of a value of the physical type, 0 for byte arrays; a
// boolean counts as one byte, as it is once decoded.
func (n *node) width() int {
	switch n.typ {
	case format.Boolean:
		return 1
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	case format.FixedLenByteArray:
		return int(n.length)
	default:
		return 0
	}
}
