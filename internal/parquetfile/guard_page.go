package parquetfile

import (
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// maxPageHeader bounds a page header, statistics and all. (parquet-java's own
// limit is 8 MiB; statistics are what makes headers large.)
const maxPageHeader = 16 << 20

// Pages past bombFloor bytes that claim to expand by more than bombRatio are
// refused.
const (
	bombFloor = 16 << 20
	bombRatio = 200
)

// pageHeader is a page header as far as the reader uses it.
type pageHeader struct {
	size         int // of the header itself
	typ          format.PageType
	uncompressed int
	compressed   int
	crc          uint32
	hasCRC       bool
	values       int // of data and dictionary pages
	encoding     format.Encoding
	defEncoding  format.Encoding
	repEncoding  format.Encoding
	// Version 2 only.
	rows         int
	nulls        int
	defBytes     int
	repBytes     int
	isCompressed bool
	hasBody      bool // the header of its page type is there
}

// decodePageHeader reads the header at the start of b. more is true when b ends
// before the header does.
func decodePageHeader(b []byte, maxPage int64) (h pageHeader, more bool, err error) {
	r := thriftReader{b: b}
	h.isCompressed = true
	var id int16
	var seen [4]bool
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			break
		}
		switch {
		case id >= 1 && id <= 4 && t == wireI32:
			v := r.i32()
			switch id {
			case 1:
				h.typ = format.PageType(v)
			case 2:
				h.uncompressed = int(v)
			case 3:
				h.compressed = int(v)
			case 4:
				h.crc, h.hasCRC = uint32(v), true
			}
			seen[id-1] = true
		case id == 5 && t == wireStruct && h.typ == format.DataPage:
			h.hasBody = true
			r.dataPage(&h)
		case id == 7 && t == wireStruct && h.typ == format.DictionaryPage:
			h.hasBody = true
			r.dictionaryPage(&h)
		case id == 8 && t == wireStruct && h.typ == format.DataPageV2:
			h.hasBody = true
			r.dataPageV2(&h)
		default:
			r.skip(t)
		}
	}
	h.size = r.pos
	if r.err != nil {
		return h, len(b) < maxPageHeader, fmt.Errorf("page header: %w", r.err)
	}
	if !seen[0] || !seen[1] || !seen[2] {
		return h, false, fmt.Errorf("page header lacks type or size")
	}
	return h, false, h.check(maxPage)
}

// check refuses sizes and counts that cannot be.
func (h *pageHeader) check(maxPage int64) error {
	switch {
	case h.compressed < 0 || h.uncompressed < 0:
		return fmt.Errorf("page header: negative size")
	case int64(h.uncompressed) > maxPage:
		return fmt.Errorf("page of %d bytes uncompressed, limit %d", h.uncompressed, maxPage)
	case int64(h.compressed) > maxPage+maxPage/8:
		return fmt.Errorf("page of %d bytes, limit %d uncompressed", h.compressed, maxPage)
	case h.uncompressed > bombFloor && h.uncompressed/bombRatio > h.compressed:
		return fmt.Errorf("page of %d bytes claims to expand to %d", h.compressed, h.uncompressed)
	case h.values < 0 || h.rows < 0 || h.nulls < 0 || h.nulls > h.values:
		return fmt.Errorf("page header: counts of %d values, %d nulls, %d rows", h.values, h.nulls, h.rows)
	case h.defBytes < 0 || h.repBytes < 0 ||
		h.defBytes+h.repBytes > h.uncompressed || h.defBytes+h.repBytes > h.compressed:
		return fmt.Errorf("page header: levels of %d and %d bytes in a page of %d", h.repBytes, h.defBytes, h.uncompressed)
	}
	switch h.typ {
	case format.DataPage, format.DataPageV2, format.DictionaryPage:
		if !h.hasBody {
			return fmt.Errorf("page header lacks that of its type")
		}
	}
	return nil
}

func (r *thriftReader) dataPage(h *pageHeader) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return
		}
		if id < 1 || id > 4 || t != wireI32 {
			r.skip(t)
			continue
		}
		v := r.i32()
		switch id {
		case 1:
			h.values = int(v)
		case 2:
			h.encoding = format.Encoding(v)
		case 3:
			h.defEncoding = format.Encoding(v)
		case 4:
			h.repEncoding = format.Encoding(v)
		}
	}
}

func (r *thriftReader) dictionaryPage(h *pageHeader) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return
		}
		switch {
		case id == 1 && t == wireI32:
			h.values = int(r.i32())
		case id == 2 && t == wireI32:
			h.encoding = format.Encoding(r.i32())
		default:
			r.skip(t)
		}
	}
}

func (r *thriftReader) dataPageV2(h *pageHeader) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return
		}
		if id == 7 {
			if v, ok := r.boolField(t); ok {
				h.isCompressed = v
			}
			continue
		}
		if id < 1 || id > 6 || t != wireI32 {
			r.skip(t)
			continue
		}
		v := int(r.i32())
		switch id {
		case 1:
			h.values = v
		case 2:
			h.nulls = v
		case 3:
			h.rows = v
		case 4:
			h.encoding = format.Encoding(v)
		case 5:
			h.defBytes = v
		case 6:
			h.repBytes = v
		}
	}
}

// pageLocation is one entry of an offset index.
type pageLocation struct {
	offset   int64
	size     int32 // with header
	firstRow int64
}

// decodeOffsetIndex reads an offset index.
func decodeOffsetIndex(b []byte) ([]pageLocation, error) {
	r := &thriftReader{b: b}
	var pages []pageLocation
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			break
		}
		if id != 1 || t != wireList {
			r.skip(t)
			continue
		}
		r.structList(func() { pages = append(pages, r.pageLocation()) })
	}
	if r.err != nil {
		return nil, fmt.Errorf("offset index: %w", r.err)
	}
	return pages, nil
}

func (r *thriftReader) pageLocation() (p pageLocation) {
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			return p
		}
		switch {
		case id == 1 && t == wireI64:
			p.offset = r.i64()
		case id == 2 && t == wireI32:
			p.size = r.i32()
		case id == 3 && t == wireI64:
			p.firstRow = r.i64()
		default:
			r.skip(t)
		}
	}
}
