package fsck

import (
	"bytes"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// columns collects the statistics of the primitive columns outside of lists and
// maps.
type columns struct {
	file   *manifest.DataFile
	leaves []*leaf
	values int64
}

type leaf struct {
	path   []int // positions from the top down
	field  schema.Field
	name   string
	nulls  int64
	nans   int64
	lo, hi any
}

func newColumns(f *manifest.DataFile, fields []schema.Field) *columns {
	c := &columns{file: f}
	c.walk(fields, nil, "")
	return c
}

func (c *columns) walk(fields []schema.Field, path []int, name string) {
	for i, f := range fields {
		at := append(path[:len(path):len(path)], i)
		switch {
		case f.Type.Kind == schema.KindStruct:
			c.walk(f.Type.Fields, at, name+f.Name+".")
		case !f.Type.IsNested():
			c.leaves = append(c.leaves, &leaf{path: at, field: f, name: name + f.Name})
		}
	}
}

func (c *columns) add(b arrow.RecordBatch) {
	for _, l := range c.leaves {
		a := b.Column(l.path[0])
		above := []arrow.Array{a}
		for _, k := range l.path[1:] {
			s, ok := a.(*array.Struct)
			if !ok {
				return
			}
			a = s.Field(k)
			above = append(above, a)
		}
		c.values += int64(a.Len())
		l.add(a, above)
	}
}

// ordered reports whether bounds of the type are single values in its order.
func ordered(t schema.Type) bool {
	switch t.Kind {
	case schema.KindVariant, schema.KindGeometry, schema.KindGeography, schema.KindUnknown:
		return false
	}
	return true
}

func (l *leaf) add(a arrow.Array, above []arrow.Array) {
	t := l.field.Type
	compares := ordered(t)
rows:
	for i := range a.Len() {
		for _, p := range above {
			if p.IsNull(i) {
				l.nulls++
				continue rows
			}
		}
		if !compares {
			continue
		}
		v := schema.ValueAt(a, t, i)
		switch {
		case v == nil:
			l.nulls++
		case schema.IsNaN(v):
			l.nans++
		default:
			if l.lo == nil || compare(t, v, l.lo) < 0 {
				l.lo = keep(v)
			}
			if l.hi == nil || compare(t, v, l.hi) > 0 {
				l.hi = keep(v)
			}
		}
	}
}

// keep returns a copy of a value that outlives its batch.
func keep(v any) any {
	switch x := v.(type) {
	case []byte:
		return bytes.Clone(x)
	case string:
		return strings.Clone(x)
	}
	return v
}

// check compares what was read with what the manifest says.
func (c *columns) check(k *checker, rows int64) {
	f := c.file
	for _, l := range c.leaves {
		count := func(what string, counts manifest.Counts, has int64) {
			if said, ok := counts.Get(l.field.ID); ok && said != has {
				k.fail("column", f.Path, "column %s: %d %s, the manifest says %d", l.name, has, what, said)
			}
		}
		count("values", f.ValueCounts, rows)
		count("nulls", f.NullCounts, l.nulls)
		if l.field.Type.Kind == schema.KindFloat || l.field.Type.Kind == schema.KindDouble {
			count("NaNs", f.NaNCounts, l.nans)
		}
		if l.lo == nil {
			continue
		}
		lower, _ := f.Lower.Get(l.field.ID)
		upper, _ := f.Upper.Get(l.field.ID)
		for _, v := range []any{l.lo, l.hi} {
			if err := within(l.field.Type, lower, upper, v); err != nil {
				k.fail("bounds", f.Path, "column %s: %v", l.name, err)
				break
			}
		}
	}
}

// route checks that the rows of a file are of its partition.
type route struct {
	file   *manifest.DataFile
	spec   partition.Spec
	router *partition.Router
	want   string
	wrong  int64
	err    error
}

func (c *checker) newRoute(f *manifest.DataFile, sc *schema.Schema) *route {
	r := &route{file: f}
	spec, _ := c.t.Spec(f.SpecID)
	if spec.IsUnpartitioned() || len(f.Partition) != len(spec.Fields) {
		return r
	}
	router, err := partition.NewRouter(spec, sc)
	if err != nil {
		return r // a source column was dropped, or the transform is not known
	}
	r.spec, r.router, r.want = spec, router, spec.Key(f.Partition)
	return r
}

func (r *route) add(b arrow.RecordBatch) {
	if r.router == nil || r.err != nil {
		return
	}
	ordinals, err := r.router.Route(b, nil)
	if err != nil {
		r.err = err
		return
	}
	right := make([]int8, r.router.Len())
	for _, o := range ordinals {
		if right[o] == 0 {
			right[o] = -1
			if r.spec.Key(r.router.Tuple(o)) == r.want {
				right[o] = 1
			}
		}
		if right[o] < 0 {
			r.wrong++
		}
	}
}

func (r *route) check(c *checker) {
	switch {
	case r.err != nil:
		c.fail("partition", r.file.Path, "%v", r.err)
	case r.wrong > 0:
		c.fail("partition", r.file.Path, "%d rows are not of the partition %v", r.wrong, []any(r.file.Partition))
	}
}
