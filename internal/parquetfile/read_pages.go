package parquetfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// RowRange is the rows First to First+Rows, Rows excluded, of a file.
type RowRange struct{ First, Rows int64 }

// PageMetrics are the statistics of the rows that a few pages, one of each
// column, have in common; see expr.Metrics. A count is that of the whole page.
type PageMetrics struct {
	ids  []int
	cols []*pageStats // nil: nothing is known
	page []int
}

// Rows returns -1, for unknown.
func (m *PageMetrics) Rows() int64 { return -1 }

func (m *PageMetrics) of(id int) (*pageStats, int) {
	for i, have := range m.ids {
		if have == id {
			return m.cols[i], m.page[i]
		}
	}
	return nil, 0
}

// ValueCount counts a column's values in its page.
func (m *PageMetrics) ValueCount(id int) (int64, bool) {
	b, p := m.of(id)
	if b == nil {
		return 0, false
	}
	return b.end(p) - b.first[p], true
}

// NullCount counts the nulls among them.
func (m *PageMetrics) NullCount(id int) (int64, bool) {
	b, p := m.of(id)
	if b == nil || b.nulls[p] < 0 {
		return 0, false
	}
	return b.nulls[p], true
}

// NaNCount is unknown.
func (m *PageMetrics) NaNCount(int) (int64, bool) { return 0, false }

// LowerBound returns a bound in the spec's single-value form.
func (m *PageMetrics) LowerBound(id int) ([]byte, bool) {
	if b, p := m.of(id); b != nil && b.lower[p] != nil {
		return b.lower[p], true
	}
	return nil, false
}

// UpperBound is as LowerBound.
func (m *PageMetrics) UpperBound(id int) ([]byte, bool) {
	if b, p := m.of(id); b != nil && b.upper[p] != nil {
		return b.upper[p], true
	}
	return nil, false
}

// pageStats are the pages of a column chunk, as values of one type.
type pageStats struct {
	rows         int64
	first        []int64 // row of the group each page begins with
	nulls        []int64 // -1 unknown
	lower, upper [][]byte
}

func (b *pageStats) end(p int) int64 {
	if p+1 < len(b.first) {
		return b.first[p+1]
	}
	return b.rows
}

type pageKey struct {
	bloomKey
	kind schema.Kind
}

// offsetIndex is an offset index that was read, nil pages for none that is usable.
type offsetIndex struct{ pages []pageLocation }

// KeepRows returns the rows of a row group, as positions in the file, for which
// keep is true: it is asked for runs of rows between page boundaries of the
// columns given, which are those of a table's schema. Where the file has no page
// index the column's statistics stand for it. Neighbouring runs are joined.
func (f *File) KeepRows(ctx context.Context, group int, fields []schema.Field, keep func(*PageMetrics) bool) (ranges []RowRange, err error) {
	defer f.guard(&err)
	if group < 0 || group >= len(f.meta.groups) {
		return nil, fmt.Errorf("%s: no row group %d", f.o.URI(), group)
	}
	base := int64(0)
	for i := range group {
		base += f.meta.groups[i].rows
	}
	g := &f.meta.groups[group]
	m := &PageMetrics{}
	starts := []int64{0}
	for i := range fields {
		b, err := f.pageStats(ctx, group, &fields[i])
		if err != nil {
			return nil, fmt.Errorf("%s: page index of column %s, row group %d: %w", f.o.URI(), fields[i].Name, group, err)
		}
		if b == nil {
			continue
		}
		m.ids, m.cols, m.page = append(m.ids, fields[i].ID), append(m.cols, b), append(m.page, 0)
		if len(b.first) > 1 {
			starts = append(starts, b.first[1:]...)
		}
	}
	if len(m.ids) > 1 {
		slices.Sort(starts)
		starts = slices.Compact(starts)
	}
	for i, from := range starts {
		to := g.rows
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		for k, b := range m.cols {
			for b.end(m.page[k]) <= from {
				m.page[k]++
			}
		}
		if !keep(m) {
			continue
		}
		if n := len(ranges); n > 0 && ranges[n-1].First+ranges[n-1].Rows == base+from {
			ranges[n-1].Rows += to - from
		} else {
			ranges = append(ranges, RowRange{base + from, to - from})
		}
	}
	return ranges, nil
}

// pageStats returns what is known of the pages of a column, nil for nothing.
func (f *File) pageStats(ctx context.Context, group int, field *schema.Field) (*pageStats, error) {
	n := f.leafByID(field.ID)
	if n == nil || n.maxRep > 0 || field.Type.IsNested() || !n.ordered() {
		return nil, nil
	}
	c := &f.meta.groups[group].chunks[n.leaf]
	if !c.hasMeta || c.encrypted || c.otherFile {
		return nil, nil
	}
	key := pageKey{bloomKey{group, n.leaf}, field.Type.Kind}
	s := f.shared
	s.pages.Lock()
	b, ok := s.pages.bounds[key]
	s.pages.Unlock()
	if ok {
		return b, nil
	}
	b, err := f.readBounds(ctx, key.bloomKey, c, n, field)
	if err != nil {
		return nil, err
	}
	s.pages.Lock()
	defer s.pages.Unlock()
	if s.pages.bounds == nil {
		s.pages.bounds = make(map[pageKey]*pageStats)
	}
	s.pages.bounds[key] = b
	return b, nil
}

// ordered reports whether the order of a column's bounds is that of its values
// once they are converted.
func (n *node) ordered() bool {
	switch n.typ {
	case format.Int96:
		return false
	case format.ByteArray:
		return n.logical.kind != annotDecimal
	case format.FixedLenByteArray:
		return n.logical.kind != annotFloat16
	}
	return !(n.logical.kind == annotInt && n.logical.unsigned && n.typ == format.Int64)
}

// readBounds reads the page index of a column chunk; without a usable one the
// chunk is as one page.
func (f *File) readBounds(ctx context.Context, key bloomKey, c *chunkMeta, n *node, field *schema.Field) (*pageStats, error) {
	rows := f.meta.groups[key.group].rows
	pages, err := f.offsets(ctx, key, c, rows)
	if err != nil {
		return nil, err
	}
	var x columnIndex
	if pages != nil && c.columnIndexOffset >= 4 && c.columnIndexLength > 0 && c.columnIndexOffset <= f.size-int64(c.columnIndexLength) {
		raw, err := f.at(ctx, c.columnIndexOffset, int(c.columnIndexLength))
		if err != nil {
			return nil, err
		}
		if x, err = decodeColumnIndex(raw); err != nil {
			x = columnIndex{} // as good as none
		}
	}
	if len(x.allNull) == 0 || len(x.allNull) != len(pages) {
		lo, hi := c.stats.bounds(n)
		x = columnIndex{allNull: []bool{c.stats.nulls == c.values}, min: [][]byte{lo}, max: [][]byte{hi}, nulls: []int64{c.stats.nulls}}
		pages = []pageLocation{{}}
	}
	b := &pageStats{rows: rows}
	for i := range pages {
		b.first = append(b.first, pages[i].firstRow)
	}
	for i := range pages {
		nulls := int64(-1)
		switch {
		case x.allNull[i]:
			nulls = b.end(i) - b.first[i]
		case x.nulls != nil:
			nulls = x.nulls[i]
		}
		var lower, upper []byte
		if !x.allNull[i] {
			lower, upper = icebergBounds(n, field, x.min[i], x.max[i])
		}
		b.nulls, b.lower, b.upper = append(b.nulls, nulls), append(b.lower, lower), append(b.upper, upper)
	}
	return b, nil
}

// icebergBounds converts bounds of a column's physical type to the single-value
// form of a table's column; those that cannot be are nil.
func icebergBounds(n *node, field *schema.Field, lo, hi []byte) (lower, upper []byte) {
	s := chunkStats{min: lo, max: hi}
	lo, hi = s.bounds(n)
	if len(lo) == 0 && n.typ != format.ByteArray || len(hi) == 0 && n.typ != format.ByteArray {
		return nil, nil
	}
	l, ok1 := statValue(n, field.Type, lo)
	u, ok2 := statValue(n, field.Type, hi)
	if !ok1 || !ok2 {
		return nil, nil
	}
	var m manifest.Metrics
	if addBounds(&m, field, l, u, 0) != nil {
		return nil, nil
	}
	lower, _ = m.Lower.Get(field.ID)
	upper, _ = m.Upper.Get(field.ID)
	return lower, upper
}

// at reads some bytes of the file, out of its end if that is at hand.
func (f *File) at(ctx context.Context, off int64, n int) ([]byte, error) {
	if i := off - f.tailOff; f.tail != nil && i >= 0 && i+int64(n) <= int64(len(f.tail)) {
		return f.tail[i : i+int64(n) : i+int64(n)], nil
	}
	b := make([]byte, n)
	return b, readFull(ctx, f.o, b, off)
}

func (f *File) hasOffsets(c *chunkMeta) bool {
	return c.indexOffset >= 4 && c.indexLength > 0 && c.indexOffset <= f.size-int64(c.indexLength)
}

// keptOffsets returns an offset index read before, nil for none.
func (f *File) keptOffsets(key bloomKey) *offsetIndex {
	s := f.shared
	s.pages.Lock()
	defer s.pages.Unlock()
	return s.pages.offsets[key]
}

// keepOffsets decodes an offset index and keeps it. One that is missing or does
// not describe its column chunk is as good as none: pages are counted then.
func (f *File) keepOffsets(key bloomKey, raw []byte, c *chunkMeta, rows int64) []pageLocation {
	x := &offsetIndex{}
	if raw != nil {
		if pages, err := decodeOffsetIndex(raw); err == nil && plausible(pages, c, rows) {
			x.pages = pages
		}
	}
	s := f.shared
	s.pages.Lock()
	defer s.pages.Unlock()
	if s.pages.offsets == nil {
		s.pages.offsets = make(map[bloomKey]*offsetIndex)
	}
	s.pages.offsets[key] = x
	return x.pages
}

// offsets returns the offset index of a column chunk, nil for none.
func (f *File) offsets(ctx context.Context, key bloomKey, c *chunkMeta, rows int64) ([]pageLocation, error) {
	if x := f.keptOffsets(key); x != nil {
		return x.pages, nil
	}
	var raw []byte
	if f.hasOffsets(c) {
		var err error
		if raw, err = f.at(ctx, c.indexOffset, int(c.indexLength)); err != nil {
			return nil, err
		}
	}
	return f.keepOffsets(key, raw, c, rows), nil
}

// plausible reports whether an offset index describes its column chunk.
func plausible(pages []pageLocation, c *chunkMeta, rows int64) bool {
	start := c.start()
	end := start
	row := int64(-1)
	for i, p := range pages {
		if p.offset < end || p.size <= 0 || int64(p.size) > start+c.compressed-p.offset ||
			p.firstRow <= row || i == 0 && p.firstRow != 0 {
			return false
		}
		end, row = p.offset+int64(p.size), p.firstRow
	}
	return len(pages) > 0 && row < rows
}

// checkRanges refuses ranges that are not ascending rows of the file.
func checkRanges(ranges []RowRange, rows int64) error {
	at := int64(0)
	for _, r := range ranges {
		if r.First < at || r.Rows <= 0 || r.Rows > rows-r.First {
			return errors.New("row ranges are not ascending rows of the file")
		}
		at = r.First + r.Rows
	}
	return nil
}

// rangeAt returns the rows of ranges at or behind row; ranges nil is all rows up
// to end.
func rangeAt(ranges []RowRange, row, end int64) (from, to int64) {
	if ranges == nil {
		return row, end
	}
	i, _ := slices.BinarySearchFunc(ranges, row, func(r RowRange, row int64) int { return cmp.Compare(r.First+r.Rows-1, row) })
	if i == len(ranges) || ranges[i].First >= end {
		return end, end
	}
	return max(row, ranges[i].First), min(end, ranges[i].First+ranges[i].Rows)
}
