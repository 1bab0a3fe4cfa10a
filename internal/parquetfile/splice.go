package parquetfile

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

// SpliceOptions say what is known of the columns of a file whose row groups are
// taken over; nil functions know nothing.
type SpliceOptions struct {
	// NoNaN reports that no value of a column is NaN. Footers do not say, and
	// without it columns of float and double are encoded anew.
	NoNaN func(fieldID int) bool
	// NotNull reports that a null of the column stands for another value, so that
	// only chunks without nulls can be taken over.
	NotNull func(fieldID int) bool
	// Rest reads the rows of the group with just the top-level fields given, by
	// their index in the schema: those that cannot be taken over. Batches are not
	// kept.
	Rest func(fields []int) iter.Seq2[arrow.RecordBatch, error]
}

func (o *SpliceOptions) known(f func(int) bool, id int) bool { return f != nil && f(id) }

// SourceError is an error in reading the file that a row group comes from, not
// in writing the new one.
type SourceError struct{ Err error }

// Error returns the message of Err.
func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *SourceError) Unwrap() error { return e.Err }

// splicing is which chunks of a row group are taken over.
type splicing struct {
	leaf []int // of each column of the Writer the file's, -1 for none
	rest []int // top-level fields to encode
}

// SpliceableBytes returns how many bytes of a row group of f a Writer with this
// schema and these options could take over as they are: all column chunks of the
// same type, codec and field id, with statistics, and bloom filters where the
// writer would make one (spec: "Scan Planning" needs the former, upserts the
// latter). What cannot be taken over is encoded anew beside it.
func SpliceableBytes(f *File, group int, s *schema.Schema, opts *WriterOptions, so *SpliceOptions) (int64, error) {
	w, err := NewWriter(nil, s, opts)
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	sp, err := w.splicing(f, group, so)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, k := range sp.leaf {
		if k >= 0 {
			n += f.meta.groups[group].chunks[k].compressed
		}
	}
	return n, nil
}

// splicing finds out what can be taken over of a row group.
func (w *Writer) splicing(f *File, group int, o *SpliceOptions) (*splicing, error) {
	if group < 0 || group >= len(f.meta.groups) {
		return nil, fmt.Errorf("%s: no row group %d", f.o.URI(), group)
	}
	sp := &splicing{leaf: make([]int, len(w.columns))}
	for i := range sp.leaf {
		sp.leaf[i] = -1
	}
	trusted := trustedWriter(f.meta.createdBy) && f.hasIDs && !f.meta.encrypted
	g := &f.meta.groups[group]
	at, first := 1, 0
	for i := range w.schema.Fields {
		field := &w.schema.Fields[i]
		if field.Type.Kind == schema.KindUnknown {
			continue
		}
		end := subtree(w.layout.elements, at)
		last := first
		for last < len(w.columns) && w.columns[last].column == i {
			last++
		}
		m := matcher{els: w.layout.elements[at:end], columns: w.columns[first:last]}
		ok := trusted && m.field(f, field.ID)
		for k := 0; ok && k < len(m.found); k++ {
			ok = w.takes(m.columns[k], m.found[k], &g.chunks[m.found[k].leaf], o)
		}
		if ok {
			for k, n := range m.found {
				sp.leaf[first+k] = n.leaf
			}
		} else {
			sp.rest = append(sp.rest, i)
		}
		at, first = end, last
	}
	return sp, nil
}

// trustedWriter reports whether the pages and statistics of a writer are good
// under another name: readers know flaws of old ones by the name in the footer.
func trustedWriter(createdBy string) bool {
	name, rest, _ := strings.Cut(createdBy, " version ")
	if name != "parquet-mr" {
		return createdBy != "" && name != "parquet-cpp" && name != "impala"
	}
	parts := strings.SplitN(rest, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err == nil && err2 == nil && (major > 1 || major == 1 && minor >= 10)
}

// takes reports whether a column can take over a chunk of a node of its shape.
func (w *Writer) takes(c *column, n *node, m *chunkMeta, o *SpliceOptions) bool {
	if m.readable() != nil || m.raw == nil || m.codec != w.codec {
		return false
	}
	if c.vals.state().bloom && m.bloomOffset <= 0 && m.values != m.stats.nulls {
		return false
	}
	mode := w.metrics(c.fieldID)
	if c.maxRep > 0 || !mode.Counts && !mode.Bounds {
		return c.maxRep > 0 || !o.known(o.NotNull, c.fieldID)
	}
	if m.stats.nulls < 0 && c.maxDef > 0 || m.stats.nulls > m.values {
		return false
	}
	if m.stats.nulls > 0 && o.known(o.NotNull, c.fieldID) {
		return false
	}
	if (c.phys == format.Float || c.phys == format.Double) && !o.known(o.NoNaN, c.fieldID) {
		return false
	}
	if !mode.Bounds || m.values == 0 || m.stats.nulls == m.values {
		return true
	}
	lo, hi := m.stats.bounds(n)
	return lo != nil && hi != nil
}

// subtree returns the end of the subtree of elements that begins at i.
func subtree(els []element, i int) int {
	n := max(els[i].children, 0)
	i++
	for range n {
		i = subtree(els, i)
	}
	return i
}

// matcher compares a field's part of the layout with nodes of a file.
type matcher struct {
	els     []element
	columns []*column
	found   []*node // of the columns
	at      int
}

func (m *matcher) field(f *File, id int) bool {
	n := f.topByID(id)
	return n != nil && m.same(n)
}

// topByID returns the top-level node with a field id, nil for none.
func (f *File) topByID(id int) *node {
	for _, n := range f.root.children {
		if n.hasID && int(n.id) == id {
			return n
		}
	}
	return nil
}

// same compares a node with the element at m.at, names apart: the new file has
// its own schema, and names of columns are not in pages.
func (m *matcher) same(n *node) bool {
	e := &m.els[m.at]
	m.at++
	if e.rep != n.repetition || e.hasID && (!n.hasID || n.id != e.fieldID) {
		return false
	}
	if e.children < 0 {
		c := m.columns[len(m.found)]
		m.found = append(m.found, n)
		return n.leaf >= 0 && sameLeaf(c.leaf, n)
	}
	if e.typ.Kind == schema.KindVariant || n.leaf >= 0 || len(n.children) != e.children {
		return false
	}
	for _, c := range n.children {
		if !m.same(c) {
			return false
		}
	}
	return true
}

// sameLeaf reports whether the values of n are, byte for byte, those that lf
// would write.
func sameLeaf(lf *leaf, n *node) bool {
	if n.typ != lf.phys || int(lf.maxDef) != n.maxDef || int(lf.maxRep) != n.maxRep || lf.unordered || !n.ordered() {
		return false
	}
	if n.typ == format.FixedLenByteArray && int(n.length) != lf.width {
		return false
	}
	if lf.typ.Kind == schema.KindDecimal {
		l := n.logical
		return l.kind == annotDecimal && l.scale == lf.typ.Scale && l.precision == lf.typ.Precision
	}
	conv, err := convert(n, lf.typ)
	return err == nil && conv.fixed == nil && conv.bytes == nil
}

// Splice appends a row group of another file: the column chunks that fit are
// copied byte for byte, with their page indexes and bloom filters, the others
// encoded from what o.Rest reads. Pages are walked and their checksums compared on
// the way, so that damage is not passed on. Errors that are not of writing are a
// [SourceError]; after any error only Abort is of use. Rows written before end
// their row group.
func (w *Writer) Splice(ctx context.Context, f *File, group int, o *SpliceOptions) (err error) {
	if w.err != nil {
		return w.err
	}
	sp, err := w.splicing(f, group, o)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		w.err = fmt.Errorf("%w: %w", ErrWriterClosed, err)
		if w.putErr == nil && ctx.Err() == nil {
			err = &SourceError{err}
		}
	}()
	defer f.guard(&err)
	if w.groupRows > 0 {
		if err := w.endGroup(); err != nil {
			return err
		}
	}
	rows := f.meta.groups[group].rows
	if rows == 0 {
		return nil
	}
	if err := w.encodeRest(ctx, sp, rows, o); err != nil {
		return err
	}
	s := &splice{w: w, f: f, sp: sp, group: &f.meta.groups[group], index: group}
	if err := w.putGroup(ctx, rows, s); err != nil {
		return err
	}
	w.rows += rows
	return nil
}

// encodeRest encodes the columns that are not taken over.
func (w *Writer) encodeRest(ctx context.Context, sp *splicing, rows int64, o *SpliceOptions) error {
	if len(sp.rest) == 0 {
		return nil
	}
	var cols []*column
	for i, c := range w.columns {
		if sp.leaf[i] < 0 {
			cols = append(cols, c)
		}
	}
	var n int64
	for b, err := range o.Rest(sp.rest) {
		if err != nil {
			return err
		}
		if err := w.encodeBatch(ctx, sp.rest, cols, b); err != nil {
			return err
		}
		n += b.NumRows()
	}
	if n != rows {
		return fmt.Errorf("%w: %d of the %d rows of a row group were read", ErrCorrupt, n, rows)
	}
	return w.endChunks(cols, int(rows))
}

// encodeBatch appends a batch of just the fields that cols are of.
func (w *Writer) encodeBatch(ctx context.Context, fields []int, cols []*column, b arrow.RecordBatch) error {
	if int(b.NumCols()) != len(fields) {
		return fmt.Errorf("%w: the batch has %d columns for %d fields", ErrColumnType, b.NumCols(), len(fields))
	}
	n := int(b.NumRows())
	for i, k := range fields {
		f := &w.schema.Fields[k]
		if err := checkType(f.Name, f.Type, b.Column(i).DataType()); err != nil {
			return err
		}
	}
	defer unbind(cols)
	if err := bind(cols, n, func(c *column) arrow.Array { return b.Column(slices.Index(fields, c.column)) }); err != nil {
		return err
	}
	for lo := 0; lo < n; lo += maxEncodeRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.encodeRows(cols, lo, min(lo+maxEncodeRows, n)); err != nil {
			return err
		}
	}
	return nil
}

// Nulls returns how many values of a top-level column of primitive type are null
// in a row group, if the footer says.
func (f *File) Nulls(group, fieldID int) (int64, bool) {
	if group < 0 || group >= len(f.meta.groups) {
		return 0, false
	}
	n := f.topByID(fieldID)
	switch {
	case n == nil || n.leaf < 0 || n.maxRep > 0:
		return 0, false
	case n.maxDef == 0:
		return 0, true
	}
	nulls := f.meta.groups[group].chunks[n.leaf].stats.nulls
	return nulls, nulls >= 0
}
