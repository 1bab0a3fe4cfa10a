package parquetfile

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"

	"github.com/parquet-go/parquet-go/format"
)

// spliceWindow is how much is copied at once.
const spliceWindow = 1 << 20

// splice copies chunks of one row group.
type splice struct {
	w     *Writer
	f     *File
	sp    *splicing
	group *rowGroupMeta
	index int
}

// takes reports whether the chunk of column i is taken over; nil takes none.
func (s *splice) takes(i int) bool { return s != nil && s.sp.leaf[i] >= 0 }

func (s *splice) wrap(c *column, err error) error {
	return fmt.Errorf("%s: column %s, row group %d: %w", s.f.o.URI(), c.name, s.index, err)
}

// chunk copies the chunk of column i and describes the copy.
func (s *splice) chunk(ctx context.Context, i int, c *column) (chunkInfo, error) {
	k := s.sp.leaf[i]
	src := &s.group.chunks[k]
	at := s.w.written
	pages, err := s.copyPages(ctx, src)
	if err != nil {
		return chunkInfo{}, s.wrap(c, err)
	}
	shift := at - src.start()
	m := chunkInfo{
		values: src.values, nulls: max(src.stats.nulls, 0), uncompressed: src.uncompressed, compressed: src.compressed,
		dataOffset: src.dataOffset + shift, raw: bytes.Clone(src.raw),
	}
	if src.dictOffset > 0 && src.dictOffset < src.dataOffset {
		m.dictOffset = src.dictOffset + shift
	}
	if err := s.indexes(ctx, k, src, pages, shift, &m); err != nil {
		return chunkInfo{}, s.wrap(c, err)
	}
	c.file.values += m.values
	c.file.nulls += m.nulls
	if c.maxRep == 0 && m.values > m.nulls {
		if lo, hi := src.stats.bounds(s.f.leaves[k]); lo != nil && hi != nil {
			c.vals.cover(pageBounds{min: lo, max: hi})
		}
	}
	return m, nil
}

// pageExtent is where a data page is in the file it is copied from.
type pageExtent struct {
	offset int64
	size   int64
}

// copyPages copies the pages of a chunk and returns where its data pages were.
// Headers are decoded and checksums compared; that they count as many values as
// the footer says tells that the chunk ends where it should.
func (s *splice) copyPages(ctx context.Context, src *chunkMeta) ([]pageExtent, error) {
	in := &chunkSource{o: s.f.o}
	in.reset(src.start(), src.compressed, max(spliceWindow, s.f.readAhead), nil)
	defer in.close()
	var pages []pageExtent
	var values int64
	for in.remaining() > 0 {
		h, err := s.nextHeader(ctx, in)
		if err != nil {
			return nil, err
		}
		if int64(h.size+h.compressed) > in.remaining() {
			return nil, fmt.Errorf("%w: page of %d bytes, %d remain of the column chunk", ErrCorrupt, h.size+h.compressed, in.remaining())
		}
		if h.typ == format.DataPage || h.typ == format.DataPageV2 {
			values += int64(h.values)
			pages = append(pages, pageExtent{src.start() + in.pos, int64(h.size + h.compressed)})
		}
		b, err := in.next(ctx, h.size+h.compressed)
		if err != nil {
			return nil, err
		}
		if h.hasCRC && crc32.ChecksumIEEE(b[h.size:]) != h.crc {
			return nil, fmt.Errorf("%w: page %d fails its checksum", ErrCorrupt, len(pages))
		}
		if err := s.w.put(b); err != nil {
			return nil, err
		}
	}
	if values != src.values {
		return nil, fmt.Errorf("%w: pages of %d values, the footer says %d", ErrCorrupt, values, src.values)
	}
	return pages, nil
}

// nextHeader decodes the page header that comes next, without passing over it.
func (s *splice) nextHeader(ctx context.Context, in *chunkSource) (pageHeader, error) {
	for n := 256; ; n *= 4 {
		b, err := in.peek(ctx, n)
		if err != nil {
			return pageHeader{}, err
		}
		h, more, err := decodePageHeader(b, s.f.maxPage)
		if err == nil {
			return h, nil
		}
		if !more || len(b) < n {
			return h, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
}

// indexes takes over the page index where it describes the pages that were seen.
// Its second half says nothing without the first.
func (s *splice) indexes(ctx context.Context, leaf int, src *chunkMeta, pages []pageExtent, shift int64, m *chunkInfo) error {
	locations, err := s.f.offsets(ctx, bloomKey{s.index, leaf}, src, s.group.rows)
	if err != nil || len(locations) != len(pages) {
		return err
	}
	records := make([]pageRecord, len(pages))
	for i, p := range locations {
		if p.offset != pages[i].offset || int64(p.size) != pages[i].size {
			return nil
		}
		records[i] = pageRecord{offset: p.offset + shift, size: p.size, firstRow: p.firstRow}
	}
	m.offsetIndex = appendOffsetIndex(nil, records, 0)
	if src.columnIndexOffset < 4 || src.columnIndexLength <= 0 || src.columnIndexOffset > s.f.size-int64(src.columnIndexLength) {
		return nil
	}
	raw, err := s.f.at(ctx, src.columnIndexOffset, int(src.columnIndexLength))
	if err != nil {
		return err
	}
	if x, err := decodeColumnIndex(raw); err == nil && len(x.allNull) == len(pages) {
		m.columnIndex = bytes.Clone(raw)
	}
	return nil
}

// bloom copies the bloom filter of column i, if there is one that is understood.
func (s *splice) bloom(ctx context.Context, i int) error {
	src := &s.group.chunks[s.sp.leaf[i]]
	if src.bloomOffset <= 0 {
		return nil
	}
	b, err := s.f.filter(ctx, bloomKey{s.index, s.sp.leaf[i]}, src)
	if err != nil {
		return s.wrap(s.w.columns[i], err)
	}
	if b.size == 0 || b.size > maxBloomBytes {
		return nil
	}
	size := b.off - src.bloomOffset + int64(b.size)
	in := &chunkSource{o: s.f.o}
	in.reset(src.bloomOffset, size, spliceWindow, nil)
	defer in.close()
	for in.remaining() > 0 {
		p, err := in.next(ctx, int(min(in.remaining(), spliceWindow)))
		if err != nil {
			return s.wrap(s.w.columns[i], err)
		}
		if err := s.w.put(p); err != nil {
			return err
		}
	}
	return nil
}

// copyMeta writes the ColumnMetaData of a chunk taken over: what its writer said,
// with the places and the path it has now.
func (m *chunkInfo) copyMeta(t *thriftWriter, c *column) {
	r := &thriftReader{b: m.raw}
	var id int16
	for {
		var typ byte
		if id, typ = r.field(id); typ == wireStop {
			break
		}
		from := r.pos
		r.skip(typ)
		switch id {
		case 3:
			t.list(3, thriftBinary, len(c.path))
			for _, p := range c.path {
				t.elemString(p)
			}
		case 9:
			t.i64(9, m.dataOffset)
		case 11:
			if m.dictOffset > 0 {
				t.i64(11, m.dictOffset)
			}
		case 10, 14, 15: // an index page that nobody writes; the bloom filter
		default:
			t.field(id, typ)
			t.b = append(t.b, m.raw[from:r.pos]...)
		}
	}
	if m.bloomLength > 0 {
		t.i64(14, m.bloomOffset)
		t.i32(15, m.bloomLength)
	}
}
