package parquetfile

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

// errDecimalRange is wrapped with column by the Writer.
var errDecimalRange = errors.New("decimal exceeds its precision")

// values encodes the present values of one leaf, page by page. Calls come per
// block of rows, page or chunk, never per value.
type values interface {
	// add appends the selected slots of a leaf array to the page.
	add(src *source, sel *selection) error
	// room returns how many more PLAIN bytes fit a page of limit bytes, and
	// pending the bytes of the page being filled and of the dictionary.
	room(limit int) int
	pending() int
	// endPage appends the encoded page to dst and starts another.
	endPage(dst []byte) ([]byte, format.Encoding)
	// takePageBounds returns the bounds of the page ended last.
	takePageBounds() pageBounds
	// endChunk returns what the chunk's pages refer to and its bounds, valid
	// until startChunk.
	endChunk() chunkValues
	startChunk()
	// fileBounds returns the bounds over all chunks, untruncated.
	fileBounds() pageBounds
	// cover widens those by bounds of a chunk that is taken over as it is.
	cover(b pageBounds)
	// state gives access to what all encoders count.
	state() *common
}

// chunkValues is what the values of a finished chunk leave behind.
type chunkValues struct {
	dict    []byte // PLAIN dictionary page, nil for none
	dictLen int
	bounds  pageBounds
}

// common is the part of the state that all encoders share.
type common struct {
	n         int // present values of the page
	pageNaNs  int
	dictPages int // data pages of the chunk that refer to the dictionary
	entries   int // dictionary entries when the page began
	dictLimit int // bytes
	bloom     bool
	hashes    hashList // of the chunk's values, for the bloom filter
}

func (c *common) state() *common { return c }

func (c *common) startChunk() {
	c.dictPages, c.entries = 0, 0
}

// sampleFails reports whether the chunk's first values are too varied for a
// dictionary: n values had so many distinct ones.
func (c *common) sampleFails(n, distinct int) bool {
	return c.dictPages == 0 && n >= dictSample && n < 4*dictSample && distinct*8 > n*7
}

// pageFails reports whether the page shows that the dictionary does not pay:
// the first by its size, later ones by how much the dictionary grew.
func (c *common) pageFails(n, distinct, dictBytes, plainBytes int) bool {
	fresh := distinct - c.entries
	c.entries = distinct
	if c.dictPages > 0 {
		return fresh*2 > n
	}
	const overhead = 64 // of a page of its own
	return dictBytes+n*bits.Len(uint(distinct))/8+overhead >= plainBytes
}

// source is one leaf's arrays in the batch being written, outermost first.
type source struct {
	nodes []arrayNode
	data  arrow.ArrayData // of the leaf
}

// arrayNode is an array on the way to a leaf.
type arrayNode struct {
	valid   []byte // validity bitmap, nil if nothing is null
	off     int    // bit of slot 0
	offsets []int32
}

// run is a stretch of leaf slots.
type run struct{ lo, hi int }

// selection names the leaf slots that hold values: those of runs if there are
// any, else those from lo to hi whose bit is set in valid, which may be nil.
type selection struct {
	lo, hi int
	valid  []byte
	off    int
	runs   []run
	n      int // how many slots it names
}

// gather returns the selected values of v, in v itself when they are
// contiguous, else copied to buf.
func gather[U any](buf, v []U, sel *selection) (vals, newBuf []U) {
	if sel.runs != nil {
		if len(sel.runs) == 1 {
			return v[sel.runs[0].lo:sel.runs[0].hi], buf
		}
		buf = buf[:0]
		for _, r := range sel.runs {
			buf = append(buf, v[r.lo:r.hi]...)
		}
		return buf, buf
	}
	v = v[sel.lo:sel.hi]
	if sel.valid == nil || sel.n == len(v) {
		return v, buf
	}
	if cap(buf) < len(v)+64 {
		buf = make([]U, len(v)+64)
	}
	buf = buf[:cap(buf)]
	k, at := 0, sel.off+sel.lo
	for i := 0; i < len(v); i += 64 {
		n := min(64, len(v)-i)
		w := loadBits(sel.valid, at+i, n)
		if w == ^uint64(0) {
			k += copy(buf[k:], v[i:i+64])
			continue
		}
		// Branch-free: write every slot, advance over present ones.
		for _, x := range v[i : i+n] {
			buf[k] = x
			k += int(w & 1)
			w >>= 1
		}
	}
	return buf[:k], buf
}

// gather brings a block's values together, decimals as their unscaled integer.
func (e *numbers[T, U]) gather(src *source, sel *selection) (vals []U, err error) {
	if d, ok := src.data.DataType().(*arrow.Decimal128Type); ok {
		return e.gatherDecimals(src, sel, d.Precision)
	}
	vals, e.buf = gather(e.buf, leafValues[U](src.data), sel)
	return vals, nil
}

func (e *numbers[T, U]) gatherDecimals(src *source, sel *selection, precision int32) ([]U, error) {
	var nums []decimal128.Num
	nums, e.decimals = gather(e.decimals, leafValues[decimal128.Num](src.data), sel)
	limit := int64(1)
	for range precision {
		limit *= 10
	}
	e.buf = e.buf[:0]
	for _, x := range nums {
		v := int64(x.LowBits())
		if x.HighBits() != v>>63 || v >= limit || v <= -limit {
			return nil, fmt.Errorf("%w: %s has more than %d digits", errDecimalRange, x.ToString(0), precision)
		}
		e.buf = append(e.buf, U(v))
	}
	return e.buf, nil
}

// leafValues returns the fixed-size values of an array, from its slot 0 on.
func leafValues[U any](d arrow.ArrayData) []U {
	if d.Len() == 0 {
		return nil
	}
	b := d.Buffers()[1].Bytes()
	return castBytes[U](b)[d.Offset() : d.Offset()+d.Len()]
}

// newValues returns the encoder of a leaf.
func newValues(lf *leaf, dictLimit int, bloom bool) values {
	c := common{dictLimit: dictLimit, bloom: bloom}
	switch lf.phys {
	case format.Int32:
		return &numbers[int32, uint32]{common: c, width: 4}
	case format.Int64:
		return &numbers[int64, uint64]{common: c, width: 8}
	case format.Float:
		return &numbers[float32, uint32]{common: c, width: 4}
	case format.Double:
		return &numbers[float64, uint64]{common: c, width: 8}
	case format.ByteArray:
		return &byteArrays{common: c, ordered: !lf.unordered}
	case format.FixedLenByteArray:
		return &fixedArrays{common: c, width: lf.width, decimal: lf.typ.Kind == schema.KindDecimal, uuid: lf.typ.Kind == schema.KindUUID}
	default:
		return &booleans{common: c}
	}
}
