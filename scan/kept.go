package scan

import (
	"context"
	"sync"

	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/snapshot"
)

// pageCache keeps pages of a file in the scan's cache, nil without one.
func pageCache(c *snapshot.Cache, path string) *parquetfile.PageCache {
	if c == nil {
		return nil
	}
	space := func(id parquetfile.PageID) string {
		if id.Type == "" {
			return "page"
		}
		return "dictionary " + id.Type
	}
	return &parquetfile.PageCache{
		Get: func(id parquetfile.PageID) any {
			v, _ := c.ValueAt(space(id), path, id.Offset)
			return v
		},
		Keep: func(id parquetfile.PageID, page any, bytes int64) { c.KeepAt(space(id), path, id.Offset, page, bytes) },
	}
}

// openObject opens a file, or, when it is known from before, puts that off until
// something is read that is not kept.
func openObject(ctx context.Context, v *view, path string, meta *parquetfile.FileMeta) (objstore.Object, error) {
	if meta == nil {
		return v.src.Store.Open(ctx, path)
	}
	return &lateObject{store: v.src.Store, path: path, size: meta.Size()}, nil
}

// lateObject is an object opened by the first read.
type lateObject struct {
	store objstore.Store
	path  string
	size  int64

	mu sync.Mutex
	o  objstore.Object
}

// ReadAt reads as the object does.
func (l *lateObject) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	l.mu.Lock()
	if l.o == nil {
		o, err := l.store.Open(ctx, l.path)
		if err != nil {
			l.mu.Unlock()
			return 0, err
		}
		l.o = o
	}
	o := l.o
	l.mu.Unlock()
	return o.ReadAt(ctx, p, off)
}

// Size is that of when the file was first opened.
func (l *lateObject) Size() int64 { return l.size }

// URI names the file.
func (l *lateObject) URI() string { return l.path }

// Close closes the object if it was opened.
func (l *lateObject) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o == nil {
		return nil
	}
	return l.o.Close()
}
