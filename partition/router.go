package partition

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"

	"github.com/frazildb/frazil/schema"
)

// Router sends rows of batches to partitions. It numbers the tuples it meets in
// the order it meets them. A Router is not safe for concurrent use.
//
// It works a column at a time: each field turns its values into ordinals of its
// own distinct results, and pairs of ordinals are numbered in turn, so a row
// costs one look-up in a small integer table a field and no allocation.
type Router struct {
	fields []fieldRouter
	// joined[k] numbers pairs of a prefix ordinal over fields 0…k and an ordinal
	// of field k+1; the last one numbers tuples.
	joined []pairTable
	tuples []Tuple
	ords   []int32
}

// NewRouter makes a router; batches must have one column per field of s, in
// order, of the types of schema.ArrowSchema. Every source column must exist and
// fit its transform.
func NewRouter(spec Spec, s *schema.Schema) (*Router, error) {
	r := &Router{fields: make([]fieldRouter, len(spec.Fields))}
	for i, f := range spec.Fields {
		fr := &r.fields[i]
		fr.name, fr.transform = f.Name, f.Transform
		if f.Transform.Kind == VoidTransform {
			continue
		}
		_, _, src, err := resolveSource("", f.SourceIDs, s)
		if err != nil {
			return nil, fmt.Errorf("partition field %s: %w", f.Name, err)
		}
		if _, err := f.Transform.ResultType(src); err != nil {
			return nil, fmt.Errorf("partition field %s: %w", f.Name, err)
		}
		fr.src, fr.path = src, s.StructPath(f.SourceIDs[0])
	}
	if len(spec.Fields) > 1 {
		r.joined = make([]pairTable, len(spec.Fields)-1)
	}
	return r, nil
}

// Route returns, per row, the ordinal of its tuple, written over dst and grown
// as needed. Ordinals stay valid for the router's life.
func (r *Router) Route(b arrow.RecordBatch, dst []int32) ([]int32, error) {
	n := int(b.NumRows())
	dst = resize(dst, n)
	if len(r.fields) == 0 {
		clear(dst)
		if len(r.tuples) == 0 {
			r.tuples = append(r.tuples, Tuple{})
		}
		return dst, nil
	}
	if err := r.fields[0].ordinals(b, dst); err != nil {
		return nil, err
	}
	for k := range r.joined {
		r.ords = resize(r.ords, n)
		if err := r.fields[k+1].ordinals(b, r.ords); err != nil {
			return nil, err
		}
		r.joined[k].number(dst, r.ords)
	}
	r.grow()
	return dst, nil
}

// Tuple returns the tuple of an ordinal; it must not be changed.
func (r *Router) Tuple(ordinal int32) Tuple { return r.tuples[ordinal] }

// Len returns the number of tuples seen: ordinals are below it.
func (r *Router) Len() int { return len(r.tuples) }

// grow builds the tuples of ordinals that are new.
func (r *Router) grow() {
	total := len(r.fields[0].values)
	if k := len(r.joined); k > 0 {
		total = len(r.joined[k-1].pairs)
	}
	for ord := len(r.tuples); ord < total; ord++ {
		t := make(Tuple, len(r.fields))
		at := int32(ord)
		for k := len(r.joined) - 1; k >= 0; k-- {
			pair := r.joined[k].pairs[at]
			t[k+1] = r.fields[k+1].values[int32(uint32(pair))]
			at = int32(pair >> 32)
		}
		t[0] = r.fields[0].values[at]
		r.tuples = append(r.tuples, t)
	}
}

func resize(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n)
	}
	return s[:n]
}

// pairTable numbers pairs of ordinals.
type pairTable struct {
	table intTable
	pairs []uint64
}

// number replaces left[i] by the number of (left[i], right[i]).
func (p *pairTable) number(left, right []int32) {
	last, lastOrd := ^uint64(0), int32(-1)
	for i, l := range left {
		key := uint64(uint32(l))<<32 | uint64(uint32(right[i]))
		if key != last || lastOrd < 0 {
			ord, added := p.table.number(key, int32(len(p.pairs)))
			if added {
				p.pairs = append(p.pairs, key)
			}
			last, lastOrd = key, ord
		}
		left[i] = lastOrd
	}
}

// fieldRouter numbers the distinct results of one field.
type fieldRouter struct {
	name      string
	transform Transform
	src       schema.Type
	path      []int

	values []any // result per ordinal
	null   int32 // ordinal of null plus one, 0 while unseen
	ints   intTable
	texts  map[string]int32
	codes  []int64
}

// ordinals writes the ordinal of the field's result for every row of b.
func (f *fieldRouter) ordinals(b arrow.RecordBatch, dst []int32) error {
	if f.path == nil {
		for i := range dst {
			dst[i] = f.nullOrdinal()
		}
		return nil
	}
	if f.path[0] >= int(b.NumCols()) {
		return fmt.Errorf("partition field %s: batch has %d columns, needs column %d", f.name, b.NumCols(), f.path[0])
	}
	col := b.Column(f.path[0])
	var parents []arrow.Array
	for _, child := range f.path[1:] {
		st, ok := col.(*array.Struct)
		if !ok || child >= st.NumField() {
			return fmt.Errorf("partition field %s: source column is %s, not a struct with %d members", f.name, col.DataType(), child+1)
		}
		if col.NullN() > 0 {
			parents = append(parents, col)
		}
		col = st.Field(child)
	}
	if err := f.number(col, dst); err != nil {
		return fmt.Errorf("partition field %s: %w", f.name, err)
	}
	for _, p := range parents {
		valid, offset := validity(p)
		for i := range dst {
			if !bitutil.BitIsSet(valid, offset+i) {
				dst[i] = f.nullOrdinal()
			}
		}
	}
	return nil
}

func (f *fieldRouter) nullOrdinal() int32 {
	if f.null == 0 {
		f.values = append(f.values, nil)
		f.null = int32(len(f.values))
	}
	return f.null - 1
}

// numberCodes numbers the integer results in f.codes; value makes the tuple's
// value of one.
func (f *fieldRouter) numberCodes(col arrow.Array, dst []int32, value func(int64) any) {
	valid, offset := validity(col)
	last, lastOrd := int64(0), int32(-1)
	for i, code := range f.codes {
		if valid != nil && !bitutil.BitIsSet(valid, offset+i) {
			dst[i] = f.nullOrdinal()
			continue
		}
		if code != last || lastOrd < 0 {
			ord, added := f.ints.number(uint64(code), int32(len(f.values)))
			if added {
				f.values = append(f.values, value(code))
			}
			last, lastOrd = code, ord
		}
		dst[i] = lastOrd
	}
}

// numberTexts numbers results that are bytes; value makes the tuple's value. The
// bytes that at returns need only last until the second next call.
func (f *fieldRouter) numberTexts(col arrow.Array, dst []int32, at func(int) []byte, value func([]byte) any) {
	if f.texts == nil {
		f.texts = make(map[string]int32)
	}
	valid, offset := validity(col)
	var last []byte
	lastOrd := int32(-1)
	for i := range dst {
		if valid != nil && !bitutil.BitIsSet(valid, offset+i) {
			dst[i] = f.nullOrdinal()
			lastOrd = -1
			continue
		}
		text := at(i)
		if lastOrd < 0 || string(text) != string(last) {
			ord, ok := f.texts[string(text)]
			if !ok {
				ord = int32(len(f.values))
				f.texts[string(text)] = ord
				f.values = append(f.values, value(text))
			}
			lastOrd = ord
		}
		last = text
		dst[i] = lastOrd
	}
}

// validity returns the validity bits of an array, nil when nothing is null.
func validity(col arrow.Array) ([]byte, int) {
	if col.NullN() == 0 {
		return nil, 0
	}
	return col.NullBitmapBytes(), col.Data().Offset()
}

// intTable numbers 64-bit keys: open addressing, linear probing, grown at half
// load.
type intTable struct {
	keys []uint64
	ords []int32 // plus one; 0 is an empty place
	n    int
}

// number returns the number of key, which is next if the key is new.
func (t *intTable) number(key uint64, next int32) (ord int32, added bool) {
	if 2*(t.n+1) > len(t.keys) {
		t.grow()
	}
	mask := uint64(len(t.keys) - 1)
	for at := mix64(key) & mask; ; at = (at + 1) & mask {
		if t.ords[at] == 0 {
			t.keys[at], t.ords[at] = key, next+1
			t.n++
			return next, true
		}
		if t.keys[at] == key {
			return t.ords[at] - 1, false
		}
	}
}

func (t *intTable) grow() {
	keys, ords := t.keys, t.ords
	size := max(64, 2*len(keys))
	t.keys, t.ords = make([]uint64, size), make([]int32, size)
	mask := uint64(size - 1)
	for i, o := range ords {
		if o == 0 {
			continue
		}
		at := mix64(keys[i]) & mask
		for t.ords[at] != 0 {
			at = (at + 1) & mask
		}
		t.keys[at], t.ords[at] = keys[i], o
	}
}

func mix64(x uint64) uint64 {
	x ^= x >> 32
	x *= 0x9e3779b97f4a7c15
	return x ^ x>>29
}
