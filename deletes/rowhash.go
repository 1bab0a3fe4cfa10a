package deletes

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/schema"
)

// NewRowHasher is NewHasher for whole rows of a table without a key: columns of
// any type. Nested values, variants and geometries are hashed through their
// canonical text, which costs more than a key column does.
func NewRowHasher(fields []schema.Field, seed uint64) (*Hasher, error) {
	h := newHasher(fields, seed)
	for i, f := range fields {
		if h.kinds[i] = kindOf(f.Type); h.kinds[i] == 0 {
			h.kinds[i] = rowText
		}
	}
	return h, nil
}

// texts folds in a column by the canonical text of its values.
func (h *Hasher) texts(f schema.Field, c arrow.Array, dst []Digest) bool {
	if !arrow.TypeEqual(c.DataType(), schema.ArrowType(f.Type)) {
		return false
	}
	s := schema.MustNew(f)
	b := array.NewRecordBatch(schema.ArrowSchema(s), []arrow.Array{c}, int64(c.Len()))
	defer b.Release()
	enc := rowjson.NewEncoder(s, rowjson.Canonical)
	var buf []byte
	for r := range dst {
		if c.IsNull(r) {
			dst[r].add(nullA, nullB)
			continue
		}
		buf = enc.AppendRow(buf[:0], b, r)
		u := xxh3.Hash128Seed(buf, h.seed)
		dst[r].add(u.Hi, u.Lo)
	}
	return enc.Err() == nil
}
