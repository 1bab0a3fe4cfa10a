package snapshot

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/frazildb/frazil/manifest"
)

// defaultCacheBytes is the size of a cache made with 0.
const defaultCacheBytes = 128 << 20

// Cache keeps manifest lists, the bytes of manifests, their entries in packed form
// and which files they hold, all by path: none of them ever changes. A commit thus reads nothing that the
// process wrote or read before. Least recently used entries go first. A Cache is
// safe for concurrent use; a nil Cache keeps nothing.
type Cache struct {
	seed    maphash.Seed
	schemas manifest.Schemas

	mu struct {
		sync.Mutex
		max, size int64
		items     map[cacheKey]*list.Element
		order     *list.List // of *cacheItem, most recent first
	}
}

type cacheKind uint8

const (
	cacheList cacheKind = iota
	cacheManifest
	cacheKeys
	cachePacked
	cacheDeletes
	cacheIndex
	cacheOther
)

type cacheKey struct {
	kind  cacheKind
	space string // of values kept for others
	path  string
	at    int64
}

type cacheItem struct {
	key   cacheKey
	size  int64
	value any
}

// NewCache returns a cache of at most maxBytes; 0 is 128 MiB.
func NewCache(maxBytes int64) *Cache {
	if maxBytes <= 0 {
		maxBytes = defaultCacheBytes
	}
	c := &Cache{seed: maphash.MakeSeed()}
	c.mu.max = maxBytes
	c.mu.items = make(map[cacheKey]*list.Element)
	c.mu.order = list.New()
	return c
}

func (c *Cache) get(kind cacheKind, path string) (any, bool) {
	return c.lookup(cacheKey{kind: kind, path: path})
}

func (c *Cache) lookup(key cacheKey) (any, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.mu.items[key]
	if !ok {
		return nil, false
	}
	c.mu.order.MoveToFront(el)
	return el.Value.(*cacheItem).value, true
}

func (c *Cache) put(kind cacheKind, path string, value any, size int64) {
	c.insert(cacheKey{kind: kind, path: path}, value, size)
}

func (c *Cache) insert(key cacheKey, value any, size int64) {
	if c == nil {
		return
	}
	size += int64(len(key.path)) + 200 // of the bookkeeping
	c.mu.Lock()
	defer c.mu.Unlock()
	// One huge manifest must not push out everything else.
	if size > c.mu.max/2 {
		return
	}
	if el, ok := c.mu.items[key]; ok {
		c.remove(el)
	}
	c.mu.items[key] = c.mu.order.PushFront(&cacheItem{key, size, value})
	c.mu.size += size
	for c.mu.size > c.mu.max {
		c.remove(c.mu.order.Back())
	}
}

// fits reports whether values of so many bytes in all may go in: what is read in
// turn and does not fit would push itself out before it is of use.
func (c *Cache) fits(size int64) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return size <= c.mu.max*3/4
}

// remove needs the lock.
func (c *Cache) remove(el *list.Element) {
	item := c.mu.order.Remove(el).(*cacheItem)
	delete(c.mu.items, item.key)
	c.mu.size -= item.size
}

// Value returns what was kept of a file by Keep. Each kind of value has a space
// of its own.
func (c *Cache) Value(space, path string) (any, bool) { return c.ValueAt(space, path, 0) }

// Keep keeps a value made of a file that never changes, which takes size bytes.
// It is shared from then on.
func (c *Cache) Keep(space, path string, value any, size int64) {
	c.KeepAt(space, path, 0, value, size)
}

// ValueAt is Value for what a file has at some place.
func (c *Cache) ValueAt(space, path string, at int64) (any, bool) {
	return c.lookup(cacheKey{cacheOther, space, path, at})
}

// KeepAt is Keep for what a file has at some place.
func (c *Cache) KeepAt(space, path string, at int64, value any, size int64) {
	c.insert(cacheKey{cacheOther, space, path, at}, value, size)
}

func (c *Cache) putList(path string, files []*manifest.File) {
	c.put(cacheList, path, files, int64(len(files))*400)
}

func (c *Cache) putManifest(path string, data []byte) {
	c.put(cacheManifest, path, data, int64(len(data)))
}

// Len returns the number of bytes kept.
func (c *Cache) Len() int64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.size
}
