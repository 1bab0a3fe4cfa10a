package scan

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/schema"
)

// Reader yields record batches of a schema: a [Scan], a [ChangeScan], or
// anything else that has both methods.
type Reader interface {
	Schema() (*schema.Schema, error)
	Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error]
}

// Into yields the rows of r as values of the struct type T, which may be kept.
// A [Scan] without Columns reads only the columns T has.
//
// A field of T takes the column that its tag names, `frazil:"status"`; dots lead
// into structs, metadata columns go by their names, `frazil:"_file"`. Without a
// tag it takes the column of its own name in any case. `frazil:"-"` is left out,
// and so are unexported fields; the fields of embedded structs count as T's.
// A field without a column is an error, unless it is tagged
// `frazil:"status,optional"`; it then stays zero.
//
// Field types, by column type; T may use named types of the same kind:
//
//	boolean                    bool
//	int, long                  any integer type; a value too large is an error
//	float, double              float64, for float also float32
//	decimal                    string with all its digits, big.Rat, schema.Unscaled (without
//	                           the scale), integers for scale 0; never a float, which is inexact
//	date, timestamps           time.Time in UTC, or int32 and int64 as in schema.Row
//	time                       time.Duration since midnight, or int64 microseconds
//	string                     string, []byte
//	uuid                       [16]byte, string
//	fixed, binary, geo types   []byte, an array of bytes of that length
//	struct                     a struct mapped by the same rules, schema.Row
//	list                       a slice
//	map                        a Go map, schema.MapValue
//	all but the nested         string, in the form of the command's jsonl output
//	all                        any, as schema.Row describes; a pointer to what the column takes;
//	                           a type with the method Scan of sql.Scanner (sql.Null[T],
//	                           sql.NullString, …) or UnmarshalText
//
// Null becomes a nil pointer, slice, map or any, and a null of an sql.Scanner;
// for every other field it is an error. Errors name the field and the column.
func Into[T any](ctx context.Context, r Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		if sc, ok := r.(*Scan); ok {
			narrow, err := sc.narrowed(reflect.TypeFor[T]())
			if err != nil {
				yield(zero, err)
				return
			}
			r = narrow
		}
		s, err := r.Schema()
		if err != nil {
			yield(zero, err)
			return
		}
		for v, err := range Structs[T](s, r.Batches(ctx)) {
			if !yield(v, err) {
				return
			}
		}
	}
}

// Structs is Into for batches of schema s, such as those of [Scan.GetBatches].
func Structs[T any](s *schema.Schema, batches iter.Seq2[arrow.RecordBatch, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		plan, err := planStruct(reflect.TypeFor[T](), s)
		if err != nil {
			yield(zero, err)
			return
		}
		for b, err := range batches {
			if err != nil {
				yield(zero, err)
				return
			}
			if more, err := structsOf(plan, b, yield); err != nil {
				yield(zero, err)
				return
			} else if !more {
				return
			}
		}
	}
}

// structChunk is how many rows are converted at a time: column by column, and
// what is allocated for a column, strings above all, in one piece.
const structChunk = 256

// structsOf yields the rows of a batch; false when the consumer has enough.
func structsOf[T any](plan *structPlan, b arrow.RecordBatch, yield func(T, error) bool) (bool, error) {
	rows := make([]T, min(structChunk, int(b.NumRows())))
	for lo := 0; lo < int(b.NumRows()); lo += len(rows) {
		n := min(len(rows), int(b.NumRows())-lo)
		rows = rows[:n]
		clear(rows)
		good := n
		var failed error
		d := dest{unsafe.Pointer(unsafe.SliceData(rows)), unsafe.Sizeof(rows[0])}
		for i := range plan.columns {
			c := &plan.columns[i]
			if bad := c.fill(d, b.Column(c.column), lo, good, nil); bad != nil {
				good, failed = bad.row, c.fail(bad.err)
			}
		}
		for i := range good {
			if !yield(rows[i], nil) {
				return false, nil
			}
		}
		if failed != nil {
			return false, failed
		}
	}
	return true, nil
}

// dest is where values go: the first, and how far apart they are.
type dest struct {
	base   unsafe.Pointer
	stride uintptr
}

func (d dest) at(i int) unsafe.Pointer { return unsafe.Add(d.base, uintptr(i)*d.stride) }

// badRow is the first row, counted from the first asked for, that does not fit.
type badRow struct {
	row int
	err error
}

// filler puts rows lo to lo+n of an array into d, which is zero; rows with a bit
// in dead are left alone.
type filler func(d dest, a arrow.Array, lo, n int, dead []bool) *badRow

// structPlan says how rows become values of one struct type.
type structPlan struct{ columns []columnPlan }

// columnPlan is one field of the struct and its column.
type columnPlan struct {
	column int
	name   string // of the column
	field  string // Type.Field
	fill   filler
}

func (c *columnPlan) fail(err error) error {
	return fmt.Errorf("column %q does not fit field %s: %w", c.name, c.field, err)
}

// structField is a field of the struct that takes a column.
type structField struct {
	column   string
	byName   bool // no tag: in any case
	optional bool
	field    reflect.StructField // of the outermost struct: Offset counts from there
	owner    string
}

// structFields lists the fields of t that take columns.
func structFields(t reflect.Type) ([]structField, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	var out []structField
	taken := make(map[string]string)
	for _, f := range reflect.VisibleFields(t) {
		tag, tagged := f.Tag.Lookup("frazil")
		name, opts, _ := strings.Cut(tag, ",")
		if name == "-" || f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct {
			continue
		}
		if f.Anonymous && !tagged && f.Type.Kind() == reflect.Pointer {
			return nil, fmt.Errorf("field %s.%s: embedded pointers are not filled: embed the struct or give it a tag", t, f.Name)
		}
		offset, ok := offsetOf(t, f.Index)
		if !f.IsExported() {
			if tagged {
				return nil, fmt.Errorf("field %s.%s has a tag and is not exported", t, f.Name)
			}
			continue
		}
		if !ok { // inside something that takes a column itself
			continue
		}
		if opts != "" && opts != "optional" {
			return nil, fmt.Errorf("field %s.%s: tag option %q is unknown: there is optional", t, f.Name, opts)
		}
		sf := structField{column: name, optional: opts == "optional", field: f, owner: t.String()}
		sf.field.Offset = offset
		if name == "" {
			sf.column, sf.byName = f.Name, true
		}
		if other, twice := taken[sf.column]; twice {
			return nil, fmt.Errorf("fields %s and %s of %s take the same column %q", other, f.Name, t, sf.column)
		}
		taken[sf.column] = f.Name
		out = append(out, sf)
	}
	return out, nil
}

// offsetOf returns where in t a field is; false if it is behind a field that
// takes a column as a whole, or behind a pointer.
func offsetOf(t reflect.Type, index []int) (uintptr, bool) {
	var offset uintptr
	for k, i := range index {
		f := t.Field(i)
		offset += f.Offset
		if k == len(index)-1 {
			break
		}
		if _, tagged := f.Tag.Lookup("frazil"); tagged || f.Type.Kind() != reflect.Struct {
			return 0, false
		}
		t = f.Type
	}
	return offset, true
}

// find returns the field's column in s; nil if there is none.
func (f *structField) find(s *schema.Schema) (*schema.Field, error) {
	if c, ok := s.FieldByName(f.column); ok || !f.byName {
		return c, nil
	}
	for i := range s.Fields {
		if strings.EqualFold(s.Fields[i].Name, f.column) {
			return s.FieldByNameFold(f.column) // which knows of ambiguity
		}
	}
	return nil, nil
}

func (f *structField) missing(s *schema.Schema) error {
	return fmt.Errorf("field %s.%s: %w", f.owner, f.field.Name, s.UnknownColumn(f.column))
}

// narrowed returns the scan with only the columns that t has, if it has no
// choice of columns yet.
func (s *Scan) narrowed(t reflect.Type) (*Scan, error) {
	if s.err != nil || s.opts.Columns != nil {
		return s, nil
	}
	fields, err := structFields(t)
	if err != nil {
		return nil, err
	}
	columns := []string{}
	for i := range fields {
		c, err := fields[i].find(s.view.base)
		if err != nil {
			return nil, fmt.Errorf("field %s.%s: %w", t, fields[i].field.Name, err)
		}
		name := fields[i].column
		if c != nil {
			name = s.view.base.Path(c.ID)
		} else if _, ok := metadataColumn(s.src.Metadata, name); !ok {
			if fields[i].optional {
				continue
			}
			return nil, fields[i].missing(s.view.base)
		}
		columns = append(columns, name)
	}
	o := s.opts
	o.Columns = columns
	return New(s.src, &o), nil
}

// planStruct plans how rows of s become values of t.
func planStruct(t reflect.Type, s *schema.Schema) (*structPlan, error) {
	fields, err := structFields(t)
	if err != nil {
		return nil, err
	}
	p := &structPlan{}
	for i := range fields {
		f := &fields[i]
		c, err := f.find(s)
		if err != nil {
			return nil, fmt.Errorf("field %s.%s: %w", t, f.field.Name, err)
		}
		if c == nil {
			if f.optional {
				continue
			}
			return nil, f.missing(s)
		}
		cp := columnPlan{name: s.Path(c.ID), field: t.String() + "." + f.field.Name}
		if err := cp.bind(s, c, f); err != nil {
			return nil, cp.fail(err)
		}
		p.columns = append(p.columns, cp)
	}
	return p, nil
}

// bind makes the filler: it goes down to the column from the top-level one it is
// in.
func (c *columnPlan) bind(s *schema.Schema, f *schema.Field, to *structField) error {
	fill, err := fillerOf(f.Type, to.field.Type)
	if err != nil {
		return err
	}
	id := f.ID
	for p := s.ParentID(id); p != 0; p = s.ParentID(id) {
		up, ok := s.FieldByID(p)
		if !ok || up.Type.Kind != schema.KindStruct {
			return fmt.Errorf("it is inside a list or map, of which a row has many")
		}
		at := 0
		for at < len(up.Type.Fields) && up.Type.Fields[at].ID != id {
			at++
		}
		fill, id = fillMember(at, fill, nullError(to.field.Type) == nil), p
	}
	for c.column = 0; c.column < len(s.Fields) && s.Fields[c.column].ID != id; {
		c.column++
	}
	if c.column == len(s.Fields) {
		return fmt.Errorf("it is no column")
	}
	offset := to.field.Offset
	inner := fill
	c.fill = func(d dest, a arrow.Array, lo, n int, dead []bool) *badRow {
		return inner(dest{unsafe.Add(d.base, offset), d.stride}, a, lo, n, dead)
	}
	return nil
}

// fillMember fills from a member of a struct; a struct that is null makes its
// members null.
func fillMember(at int, fill filler, nullable bool) filler {
	return func(d dest, a arrow.Array, lo, n int, dead []bool) *badRow {
		st, ok := a.(*array.Struct)
		if !ok || at >= st.NumField() {
			return &badRow{0, fmt.Errorf("%s is not the struct expected", a.DataType())}
		}
		dead, bad := nullRows(a, lo, n, dead, nullable)
		if bad != nil {
			n = bad.row
		}
		if err := fill(d, st.Field(at), lo, n, dead); err != nil {
			return err
		}
		return bad
	}
}

// nullRows adds the rows that are null to dead; where null does not fit, the
// first such row is bad.
func nullRows(a arrow.Array, lo, n int, dead []bool, nullable bool) ([]bool, *badRow) {
	if a.NullN() == 0 {
		return dead, nil
	}
	out := make([]bool, n)
	copy(out, dead)
	for i := range out {
		if !out[i] && a.IsNull(lo+i) {
			if !nullable {
				return out, &badRow{i, errNull}
			}
			out[i] = true
		}
	}
	return out, nil
}
