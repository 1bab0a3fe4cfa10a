package parquetfile

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/manifest"
)

// createdBy names this writer in the footer, in the form that Java parses.
const createdBy = "frazil version 1.0.0 (build parquetfile)"

// schemaKey is the footer key of the Iceberg schema, as Java writes it.
const schemaKey = "iceberg.schema"

// groupMeta describes a finished row group.
type groupMeta struct {
	columns      []chunkInfo
	rows         int64
	offset       int64
	uncompressed int64
	compressed   int64
}

// chunkInfo describes a finished column chunk.
type chunkInfo struct {
	encodings             []pageEncoding
	values, nulls         int64
	uncompressed          int64
	compressed            int64
	dataOffset            int64
	dictOffset            int64 // 0 for none
	bounds                pageBounds
	minExact, maxExact    bool
	bloomOffset           int64
	bloomLength           int32
	columnIndex           []byte // nil for none
	offsetIndex           []byte
	columnAt, offsetAt    int64
	columnSize, offsetLen int32
	// raw is the ColumnMetaData of a chunk taken over from another file.
	raw []byte
}

// pageEncoding counts pages of a type and encoding.
type pageEncoding struct {
	typ      format.PageType
	encoding format.Encoding
	count    int32
}

// meta describes the finished chunk of c that begins at offset.
func (c *column) meta(offset int64) chunkInfo {
	m := chunkInfo{
		values: c.slots, nulls: c.nulls, uncompressed: c.uncompressed,
		compressed: int64(len(c.dictPage)) + c.chunk.size,
		dataOffset: offset + int64(len(c.dictPage)),
	}
	if c.done.dictLen > 0 {
		m.dictOffset = offset
		m.encodings = append(m.encodings, pageEncoding{format.DictionaryPage, format.Plain, 1})
	}
	for i := range c.pages {
		e := c.pages[i].encoding
		k := slices.IndexFunc(m.encodings, func(p pageEncoding) bool {
			return p.typ == format.DataPage && p.encoding == e
		})
		if k < 0 {
			k = len(m.encodings)
			m.encodings = append(m.encodings, pageEncoding{format.DataPage, e, 0})
		}
		m.encodings[k].count++
	}
	m.offsetIndex = appendOffsetIndex(nil, c.pages, m.dataOffset)
	m.columnIndex = appendColumnIndex(nil, c)
	if b := c.done.bounds; b.min != nil {
		m.bounds.min, m.minExact = c.shortLower(b.min)
		m.bounds.max, m.maxExact = c.shortUpper(b.max)
	}
	return m
}

// footer encodes FileMetaData.
func (w *Writer) footer() []byte {
	var t thriftWriter
	t.elemBegin()
	t.i32(1, 1)
	t.list(2, thriftStruct, len(w.layout.elements))
	for i := range w.layout.elements {
		w.layout.elements[i].write(&t)
	}
	t.i64(3, w.rows)
	t.list(4, thriftStruct, len(w.groups))
	for i := range w.groups {
		w.writeGroup(&t, i)
	}
	keys := make([]string, 0, len(w.keyValues))
	for k := range w.keyValues {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	t.list(5, thriftStruct, len(keys))
	for _, k := range keys {
		t.elemBegin()
		t.string(1, k)
		t.string(2, w.keyValues[k])
		t.end()
	}
	t.string(6, createdBy)
	t.list(7, thriftStruct, len(w.columns))
	for range w.columns {
		t.elemBegin()
		t.empty(1)
		t.end()
	}
	t.end()
	return t.b
}

func (w *Writer) writeGroup(t *thriftWriter, i int) {
	g := &w.groups[i]
	t.elemBegin()
	t.list(1, thriftStruct, len(g.columns))
	for k := range g.columns {
		w.writeChunk(t, w.columns[k], &g.columns[k])
	}
	t.i64(2, g.uncompressed)
	t.i64(3, g.rows)
	t.i64(5, g.offset)
	t.i64(6, g.compressed)
	if i <= 0x7FFF {
		t.i16(7, int16(i))
	}
	t.end()
}

func (w *Writer) writeChunk(t *thriftWriter, c *column, m *chunkInfo) {
	t.elemBegin()
	t.i64(2, m.dataOffset)
	t.begin(3)
	if m.raw != nil {
		m.copyMeta(t, c)
	} else {
		w.writeChunkMeta(t, c, m)
	}
	t.end()
	if m.offsetLen > 0 {
		t.i64(4, m.offsetAt)
		t.i32(5, m.offsetLen)
	}
	if m.columnSize > 0 {
		t.i64(6, m.columnAt)
		t.i32(7, m.columnSize)
	}
	t.end()
}

func (w *Writer) writeChunkMeta(t *thriftWriter, c *column, m *chunkInfo) {
	t.i32(1, int32(c.phys))
	encodings := []format.Encoding{}
	if c.maxDef > 0 || c.maxRep > 0 {
		encodings = append(encodings, format.RLE)
	}
	for _, e := range m.encodings {
		if !slices.Contains(encodings, e.encoding) {
			encodings = append(encodings, e.encoding)
		}
	}
	t.list(2, thriftI32, len(encodings))
	for _, e := range encodings {
		t.elemInt(int64(e))
	}
	t.list(3, thriftBinary, len(c.path))
	for _, p := range c.path {
		t.elemString(p)
	}
	t.i32(4, int32(w.codec))
	t.i64(5, m.values)
	t.i64(6, m.uncompressed)
	t.i64(7, m.compressed)
	t.i64(9, m.dataOffset)
	if m.dictOffset > 0 {
		t.i64(11, m.dictOffset)
	}
	t.begin(12)
	t.i64(3, m.nulls)
	if m.bounds.min != nil {
		t.bytes(5, m.bounds.max)
		t.bytes(6, m.bounds.min)
		t.bool(7, m.maxExact)
		t.bool(8, m.minExact)
	}
	t.end()
	t.list(13, thriftStruct, len(m.encodings))
	for _, e := range m.encodings {
		t.elemBegin()
		t.i32(1, int32(e.typ))
		t.i32(2, int32(e.encoding))
		t.i32(3, e.count)
		t.end()
	}
	if m.bloomLength > 0 {
		t.i64(14, m.bloomOffset)
		t.i32(15, m.bloomLength)
	}
}

// finish writes the page indexes and the footer.
func (w *Writer) finish() error {
	for i := range w.groups {
		for k := range w.groups[i].columns {
			m := &w.groups[i].columns[k]
			if len(m.columnIndex) == 0 {
				continue
			}
			m.columnAt, m.columnSize = w.written, int32(len(m.columnIndex))
			if err := w.put(m.columnIndex); err != nil {
				return err
			}
		}
	}
	for i := range w.groups {
		for k := range w.groups[i].columns {
			m := &w.groups[i].columns[k]
			m.offsetAt, m.offsetLen = w.written, int32(len(m.offsetIndex))
			if err := w.put(m.offsetIndex); err != nil {
				return err
			}
		}
	}
	f := w.footer()
	f = binary.LittleEndian.AppendUint32(f, uint32(len(f)))
	return w.put(append(f, "PAR1"...))
}

// result describes the finished file (spec: "Data File Fields"). Counts and
// bounds are kept as Java keeps them: none below lists and maps, bounds only of
// ordered types, no key for what is not known.
func (w *Writer) result() *Result {
	r := &Result{RecordCount: w.rows, FileSize: w.written}
	for i := range w.groups {
		r.SplitOffsets = append(r.SplitOffsets, w.groups[i].offset)
	}
	for _, c := range w.columns {
		mode := w.metrics(c.fieldID)
		if !mode.Counts && !mode.Bounds {
			continue
		}
		id := c.fieldID
		if c.variantPart == 2 {
			// Both parts of a variant count as one column.
			r.ColumnSizes[len(r.ColumnSizes)-1].N += c.file.size
			continue
		}
		r.ColumnSizes = append(r.ColumnSizes, manifest.Count{FieldID: id, N: c.file.size})
		if c.maxRep > 0 {
			continue
		}
		r.ValueCounts = append(r.ValueCounts, manifest.Count{FieldID: id, N: c.file.values})
		r.NullCounts = append(r.NullCounts, manifest.Count{FieldID: id, N: c.file.nulls})
		if c.phys == format.Float || c.phys == format.Double {
			r.NaNCounts = append(r.NaNCounts, manifest.Count{FieldID: id, N: c.file.nans})
		}
		if !mode.Bounds {
			continue
		}
		lower, upper := c.icebergBounds(c.vals.fileBounds(), mode.Truncate)
		if lower != nil {
			r.Lower = append(r.Lower, manifest.Bound{FieldID: id, Value: lower})
		}
		// With NaN, which Iceberg Java puts above every number but not in its count,
		// an upper bound makes it miss rows.
		if upper != nil && c.file.nans == 0 {
			r.Upper = append(r.Upper, manifest.Bound{FieldID: id, Value: upper})
		}
	}
	byID := func(a, b manifest.Count) int { return cmp.Compare(a.FieldID, b.FieldID) }
	for _, c := range []manifest.Counts{r.ColumnSizes, r.ValueCounts, r.NullCounts, r.NaNCounts} {
		slices.SortFunc(c, byID)
	}
	for _, b := range []manifest.Bounds{r.Lower, r.Upper} {
		slices.SortFunc(b, func(a, b manifest.Bound) int { return cmp.Compare(a.FieldID, b.FieldID) })
	}
	return r
}
