package parquetfile

import "github.com/parquet-go/parquet-go/format"

// PageCache keeps decompressed pages and decoded dictionaries for the look-ups to
// come. Its functions may be called concurrently; what they are given and return
// is never changed.
type PageCache struct {
	// Get returns what was kept, nil for nothing.
	Get func(id PageID) any
	// Keep offers a page that takes so many bytes.
	Keep func(id PageID, page any, bytes int64)
}

// PageID names a page of one file by its offset, and for a dictionary the type
// its values were converted to.
type PageID struct {
	Offset int64
	Type   string
}

// keptPage is a data page of version 1, with levels.
type keptPage struct {
	header pageHeader
	body   []byte // with padding behind
}

// keptHeader returns the header of the page the source is at, if that is kept.
func (l *leafReader) keptHeader() (pageHeader, bool) {
	l.kept = nil
	if l.pages == nil || l.pageNo >= len(l.index) || l.src.off+l.src.pos != l.index[l.pageNo].offset {
		return pageHeader{}, false
	}
	p, ok := l.pages.Get(PageID{Offset: l.index[l.pageNo].offset}).(*keptPage)
	if !ok || int64(p.header.size)+int64(p.header.compressed) > l.src.remaining() {
		return pageHeader{}, false
	}
	l.kept = p
	l.pageNo++
	l.src.pos += int64(p.header.size)
	return p.header, true
}

// keep offers a page just read, which is page pageNo-1.
func (l *leafReader) keep(h pageHeader, body []byte) {
	if i := l.pageNo - 1; l.pages != nil && i >= 0 && i < len(l.index) && h.typ == format.DataPage && cap(body) >= len(body)+padding {
		l.pages.Keep(PageID{Offset: l.index[i].offset}, &keptPage{h, body}, int64(cap(body))+100)
	}
}

// dictID names the dictionary of the chunk.
func (l *leafReader) dictID() PageID { return PageID{l.src.off, l.want} }

// keptDict takes a dictionary decoded before.
func (l *leafReader) keptDict() bool {
	if l.pages == nil || l.skip {
		return false
	}
	d, ok := l.pages.Get(l.dictID()).(*dictionary)
	if ok {
		l.dict = *d
	}
	return ok
}

// keepDict offers the dictionary.
func (l *leafReader) keepDict() {
	if l.pages != nil && !l.skip && l.dict.n >= 0 {
		d := l.dict
		l.pages.Keep(l.dictID(), &d, int64(cap(d.fixed)+cap(d.vars.data)+4*cap(d.vars.offs))+200)
	}
}

// dictEncoded reports whether a page of values needs the dictionary.
func dictEncoded(e format.Encoding) bool { return e == format.RLEDictionary || e == plainDictionary }
