package parquetfile

import (
	"fmt"
	"hash/crc32"
	"math"
	"sort"

	"github.com/parquet-go/parquet-go/format"
)

// maxPageRows bounds the rows of a page: a look-up decodes a page of every column.
// Smaller ones compress worse.
const maxPageRows = 8192

// column is the state of one leaf over the life of a file. At any time it is
// used by one goroutine.
type column struct {
	*leaf
	vals      values
	pageBytes int
	src       source

	// The page being filled: levels of a column outside structs and lists in
	// flat, of others in reps and defs.
	flat       flatLevels
	reps, defs []uint8
	runs       []run
	pageRows   int
	pageSlots  int // values including nulls

	jobs []*pageJob // ended pages that others compress

	// The chunk being filled.
	pages        []pageRecord
	chunk        chunkBuf
	dictPage     []byte // encoded with header, once the chunk is finished
	bloom        []byte // likewise
	done         chunkValues
	rows         int64 // in ended pages
	slots, nulls int64
	uncompressed int64
	ratio        float64 // compressed to uncompressed bytes of the last chunk

	file columnTotals
}

// columnTotals are the counts of a column over the file.
type columnTotals struct {
	values, nulls, nans, size int64
}

// pageRecord is what the indexes say of a page.
type pageRecord struct {
	offset   int64 // from the first data page of the chunk
	size     int32 // with header
	firstRow int64 // in the row group
	slots    int
	nulls    int64
	empty    bool // only nulls
	encoding format.Encoding
	bounds   pageBounds
}

// nested reports whether levels need more than one bit a row.
func (c *column) nested() bool { return len(c.steps) > 1 }

// write encodes rows lo to hi of the batch that src is set to.
func (c *column) write(lo, hi int, wk *worker) error {
	for lo < hi {
		n := c.fit(lo, hi)
		if n == 0 {
			if err := c.endPage(wk); err != nil {
				return err
			}
			continue
		}
		if err := c.block(lo, lo+n); err != nil {
			return err
		}
		lo += n
		if c.pageRows >= maxPageRows || c.vals.room(c.pageBytes) <= 0 {
			if err := c.endPage(wk); err != nil {
				return err
			}
		}
	}
	return c.collect(wk)
}

// fit returns how many rows from lo on go into the page: none if it must be
// ended first, at least one into an empty page.
func (c *column) fit(lo, hi int) int {
	n := min(hi-lo, maxPageRows-c.pageRows)
	room := c.vals.room(c.pageBytes)
	if c.cost(lo, lo+n) <= room {
		return n
	}
	n = sort.Search(n, func(k int) bool { return c.cost(lo, lo+k+1) > room })
	if n == 0 && c.pageRows == 0 {
		return 1
	}
	return n
}

// cost returns the PLAIN bytes of rows lo to hi, nulls counted like values.
func (c *column) cost(lo, hi int) int {
	for i := range c.steps {
		if o := c.src.nodes[i].offsets; o != nil {
			lo, hi = int(o[lo]), int(o[hi])
		}
	}
	switch {
	case c.phys == format.ByteArray:
		d := c.src.data
		if lo == hi || d.Buffers()[1] == nil { // arrays of nulls may have no offsets
			return 0
		}
		o := castBytes[int32](d.Buffers()[1].Bytes())[d.Offset():]
		return int(o[hi]-o[lo]) + 4*(hi-lo)
	case c.phys == format.Boolean:
		return (hi - lo + 7) / 8
	default:
		return (hi - lo) * c.width
	}
}

// block appends rows lo to hi to the page.
func (c *column) block(lo, hi int) error {
	n := hi - lo
	c.pageRows += n
	if c.nested() {
		return c.shredBlock(lo, hi)
	}
	c.pageSlots += n
	sel := selection{lo: lo, hi: hi, n: n}
	if c.maxDef > 0 {
		nd := &c.src.nodes[0]
		if nd.valid == nil {
			c.flat.addOnes(n)
		} else if sel.n = c.flat.addBits(nd.valid, nd.off+lo, n); sel.n < n {
			sel.valid, sel.off = nd.valid, nd.off
		}
	}
	if sel.n == 0 {
		return nil
	}
	return c.wrap(c.vals.add(&c.src, &sel))
}

func (c *column) wrap(err error) error {
	if err != nil {
		return fmt.Errorf("column %s: %w", c.name, err)
	}
	return nil
}

// endPage encodes the page and has it compressed: by another worker of the team
// that has nothing to do, or at once.
func (c *column) endPage(wk *worker) error {
	raw := wk.raw[:0]
	if c.nested() {
		if c.maxRep > 0 {
			raw = appendLevels(raw, c.reps, c.maxRep)
		}
		if c.maxDef > 0 {
			raw = appendLevels(raw, c.defs, c.maxDef)
		}
	} else if c.maxDef > 0 {
		raw = c.flat.appendTo(raw)
	}
	raw, enc := c.vals.endPage(raw)
	wk.raw = raw
	st := c.vals.state()
	p := pageRecord{
		firstRow: c.rows, slots: c.pageSlots, nulls: int64(c.pageSlots - st.n),
		empty: st.n == 0, encoding: enc, bounds: c.vals.takePageBounds(),
	}
	c.rows += int64(c.pageRows)
	c.slots += int64(c.pageSlots)
	c.nulls += p.nulls
	c.file.nans += int64(st.pageNaNs)
	c.resetPage()
	if j := wk.offer(p, len(c.jobs) > 0); j != nil {
		c.jobs = append(c.jobs, j)
		if len(c.jobs) > 2*len(wk.team.workers) {
			return c.collect(wk) // bounds memory
		}
		return nil
	}
	body, err := wk.compress(raw)
	if err != nil {
		return c.wrap(err)
	}
	return c.wrap(c.keep(wk, p, len(raw), body))
}

// collect keeps the pages that were handed to others, in order.
func (c *column) collect(wk *worker) error {
	for i, j := range c.jobs {
		wk.await(j)
		err := j.err
		if err == nil {
			err = c.keep(wk, j.page, len(j.raw), j.body)
		}
		wk.team.recycle(j)
		c.jobs[i] = nil
		if err != nil {
			c.jobs = nil
			return c.wrap(err)
		}
	}
	c.jobs = c.jobs[:0]
	return nil
}

// keep appends a compressed page to the chunk.
func (c *column) keep(wk *worker, p pageRecord, rawSize int, body []byte) error {
	p.offset = c.chunk.size
	n, err := c.store(wk, &c.chunk, rawSize, body, func(t *thriftWriter) {
		t.begin(5)
		t.i32(1, int32(p.slots))
		t.i32(2, int32(p.encoding))
		t.i32(3, int32(format.RLE))
		t.i32(4, int32(format.RLE))
		t.end()
	}, format.DataPage)
	p.size = int32(n)
	c.pages = append(c.pages, p)
	return err
}

func (c *column) resetPage() {
	st := c.vals.state()
	st.n, st.pageNaNs = 0, 0
	c.pageRows, c.pageSlots = 0, 0
	c.flat.reset()
	c.reps, c.defs = c.reps[:0], c.defs[:0]
}

// store appends a page, of a compressed body and its header, to out; it returns
// the bytes appended.
func (c *column) store(wk *worker, out *chunkBuf, rawSize int, body []byte, kind func(*thriftWriter), typ format.PageType) (int, error) {
	if max(rawSize, len(body)) > math.MaxInt32-1024 {
		return 0, fmt.Errorf("page of %d bytes is too large for Parquet", rawSize)
	}
	t := &wk.thrift
	t.b = t.b[:0]
	t.elemBegin()
	t.i32(1, int32(typ))
	t.i32(2, int32(rawSize))
	t.i32(3, int32(len(body)))
	t.i32(4, int32(crc32.ChecksumIEEE(body)))
	kind(t)
	t.end()
	out.write(t.b)
	out.write(body)
	c.uncompressed += int64(len(t.b) + rawSize)
	return len(t.b) + len(body), nil
}

// endChunk finishes the chunk in memory: its last page, dictionary page and
// bloom filter.
func (c *column) endChunk(wk *worker, fpp float64) error {
	if c.pageRows > 0 {
		if err := c.endPage(wk); err != nil {
			return err
		}
	}
	if err := c.collect(wk); err != nil {
		return err
	}
	c.done = c.vals.endChunk()
	c.dictPage, c.bloom = c.dictPage[:0], nil
	if st := c.vals.state(); st.bloom && st.hashes.n > 0 {
		c.bloom = encodeBloom(&st.hashes, fpp)
	}
	if c.done.dictLen == 0 {
		return nil
	}
	body, err := wk.compress(c.done.dict)
	if err != nil {
		return c.wrap(err)
	}
	dict := chunkBuf{first: c.dictPage}
	_, err = c.store(wk, &dict, len(c.done.dict), body, func(t *thriftWriter) {
		t.begin(7)
		t.i32(1, int32(c.done.dictLen))
		t.i32(2, int32(format.Plain))
		t.end()
	}, format.DictionaryPage)
	c.dictPage = dict.first
	return c.wrap(err)
}

// startChunk gets ready for the next row group.
func (c *column) startChunk(pool *blockPool) {
	if c.uncompressed > 0 {
		c.ratio = float64(c.chunk.size) / float64(c.uncompressed)
	}
	c.file.values += c.slots
	c.file.nulls += c.nulls
	c.pages = c.pages[:0]
	c.chunk.release(pool)
	c.vals.state().hashes.release(pool)
	c.dictPage, c.bloom, c.done = c.dictPage[:0], nil, chunkValues{}
	c.rows, c.slots, c.nulls, c.uncompressed = 0, 0, 0, 0
	c.resetPage()
	c.vals.startChunk()
}

// buffered estimates the bytes the chunk would take if it were ended now.
func (c *column) buffered() int64 {
	pending := int64(c.vals.pending() + len(c.flat.bits) + len(c.reps)/4 + len(c.defs)/4)
	ratio := c.ratio
	if c.uncompressed > 0 {
		ratio = float64(c.chunk.size) / float64(c.uncompressed)
	}
	if ratio > 0 {
		pending = int64(float64(pending) * ratio)
	}
	return c.chunk.size + int64(len(c.dictPage)) + pending
}
