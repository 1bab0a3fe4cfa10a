package scan

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// deleteCache loads delete files once for all files of a scan that they apply
// to. It is safe for concurrent use after the last register.
type deleteCache struct {
	v      *view
	tables map[tableKey]*equality
	// lists has the tables of every list of entries: data files share lists.
	lists map[list][]*equality

	mu sync.Mutex
	// positions has the delete files that apply to several data files.
	positions map[string]*positionFile
	used      atomic.Int64 // bytes of positions kept
}

func newDeleteCache(v *view) *deleteCache {
	return &deleteCache{
		v:         v,
		tables:    make(map[tableKey]*equality),
		lists:     make(map[list][]*equality),
		positions: make(map[string]*positionFile),
	}
}

// list identifies a list of entries by where it is in memory.
type list struct {
	first **manifest.Entry
	n     int
}

func listOf(entries []*manifest.Entry) list { return list{&entries[0], len(entries)} }

// tableKey is the scope of an equality delete table, "" for the whole snapshot,
// and its columns.
type tableKey struct{ scope, fields string }

// equality is the table of one key: all delete files of its scope that apply to
// some file to be read.
type equality struct {
	entries []*manifest.Entry
	seen    map[string]bool
	ids     []int

	mu     sync.Mutex
	table  *deletes.EqualityTable // nil until loaded
	leaves []leaf
}

// keyOf says which table an equality delete file belongs to.
func (c *deleteCache) keyOf(f *manifest.DataFile) (tableKey, []int) {
	ids := slices.Clone(f.EqualityIDs)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var text []byte
	for _, id := range ids {
		text = strconv.AppendInt(text, int64(id), 10)
		text = append(text, ',')
	}
	k := tableKey{fields: string(text)}
	if spec, ok := c.v.src.Metadata.Spec(f.SpecID); ok && !spec.IsUnpartitioned() {
		k.scope = strconv.Itoa(spec.ID) + "/" + spec.Key(f.Partition)
	}
	return k, ids
}

// register adds delete files that tables will need.
func (c *deleteCache) register(entries []*manifest.Entry) {
	if len(entries) == 0 || c.lists[listOf(entries)] != nil {
		return
	}
	var tables []*equality
	for _, e := range entries {
		k, ids := c.keyOf(e.File)
		t := c.tables[k]
		if t == nil {
			t = &equality{ids: ids, seen: make(map[string]bool)}
			c.tables[k] = t
		}
		if !t.seen[e.File.Path] {
			t.seen[e.File.Path] = true
			t.entries = append(t.entries, e)
		}
		if !slices.Contains(tables, t) {
			tables = append(tables, t)
		}
	}
	c.lists[listOf(entries)] = tables
}

// equalityTables returns the loaded tables that the entries belong to.
func (c *deleteCache) equalityTables(ctx context.Context, entries []*manifest.Entry) ([]*equality, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	tables := c.lists[listOf(entries)]
	if tables == nil {
		return nil, fmt.Errorf("delete file %s was not planned", entries[0].File.Path)
	}
	for _, t := range tables {
		if err := t.load(ctx, c.v); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// load fills the table; of concurrent callers one does and the others wait.
func (t *equality) load(ctx context.Context, v *view) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.table != nil {
		return nil
	}
	leaves := make([]leaf, len(t.ids))
	keys, roots := make([]schema.Field, len(t.ids)), make([]schema.Field, len(t.ids))
	for i, id := range t.ids {
		var err error
		if leaves[i], err = keyLeaf(v.src.Metadata, id); err != nil {
			return fileError("delete", t.entries[0].File.Path, err)
		}
		keys[i], roots[i] = leaves[i].field, leaves[i].root
	}
	table, err := deletes.NewEqualityTable(keys, &deletes.EqualityOptions{MemoryBudget: v.opts.MemoryBudget})
	if err != nil {
		return fileError("delete", t.entries[0].File.Path, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(v.opts.Concurrency)
	for _, e := range t.entries {
		g.Go(func() error {
			for b, err := range deletes.ReadEquality(ctx, v.src.Store, e.File, roots) {
				if err == nil {
					err = addKeys(table, leaves, b, e.SequenceNumber)
				}
				if err != nil {
					return fileError("delete", e.File.Path, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	t.table, t.leaves = table, leaves
	return nil
}

func addKeys(table *deletes.EqualityTable, leaves []leaf, b arrow.RecordBatch, seq int64) error {
	cols := make([]arrow.Array, len(leaves))
	for i := range leaves {
		a, err := leaves[i].extract(b.Column(i))
		if err != nil {
			return err
		}
		defer a.Release()
		cols[i] = a
	}
	return table.Add(cols, seq)
}

// positionFile is a loaded position delete file.
type positionFile struct {
	mu   sync.Mutex
	sets map[string]*deletes.Positions // nil until loaded
}

// rowPositions returns the positions of a data file that deletion vectors and
// position deletes remove, nil for none. The set is shared.
func (c *deleteCache) rowPositions(ctx context.Context, data *manifest.DataFile, dv *manifest.Entry, entries []*manifest.Entry) (*deletes.Positions, error) {
	if dv != nil {
		p, err := deletes.ReadDV(ctx, c.v.src.Store, dv.File)
		if err != nil {
			return nil, fileError("delete", dv.File.Path, err)
		}
		return p, nil
	}
	var all *deletes.Positions
	own := false // all is no longer shared
	for _, e := range entries {
		p, err := c.readPositions(ctx, e.File, data.Path)
		if err != nil {
			return nil, fileError("delete", e.File.Path, err)
		}
		switch {
		case p == nil:
		case all == nil:
			all = p
		default:
			if !own {
				all, own = all.Clone(), true
			}
			all.Union(p)
		}
	}
	return all, nil
}

func (c *deleteCache) readPositions(ctx context.Context, f *manifest.DataFile, path string) (*deletes.Positions, error) {
	if f.ReferencedDataFile != "" || c.used.Load() > c.v.opts.MemoryBudget {
		sets, err := deletes.ReadPositions(ctx, c.v.src.Store, f, func(p string) bool { return samePath(p, path) })
		return positionsOf(sets, path), err
	}
	c.mu.Lock()
	pf := c.positions[f.Path]
	if pf == nil {
		pf = &positionFile{}
		c.positions[f.Path] = pf
	}
	c.mu.Unlock()
	pf.mu.Lock()
	defer pf.mu.Unlock()
	if pf.sets == nil {
		sets, err := deletes.ReadPositions(ctx, c.v.src.Store, f, nil)
		if err != nil {
			return nil, err
		}
		for _, s := range sets {
			c.used.Add(s.MemoryBytes())
		}
		pf.sets = sets
	}
	return positionsOf(pf.sets, path), nil
}

// samePath reports whether a position delete's path means a data file's: it is
// the same, or one of the two is a path without scheme and authority and they
// are the same but for those. Some engines write one kind in manifests and the
// other in delete files; taking these for different would bring rows back.
func samePath(deleted, data string) bool {
	if deleted == data {
		return true
	}
	if !strings.HasPrefix(deleted, "/") && !strings.HasPrefix(data, "/") {
		return false
	}
	return barePath(deleted) == barePath(data)
}

// barePath returns a location without scheme and authority.
func barePath(uri string) string {
	_, rest, ok := strings.Cut(uri, ":")
	if !ok || strings.HasPrefix(uri, "/") {
		return uri
	}
	if host, ok := strings.CutPrefix(rest, "//"); ok {
		if i := strings.IndexByte(host, '/'); i >= 0 {
			return host[i:]
		}
		return "/"
	}
	return rest
}

// positionsOf returns a data file's set of those of a delete file.
func positionsOf(sets map[string]*deletes.Positions, path string) *deletes.Positions {
	if p, ok := sets[path]; ok {
		return p
	}
	for deleted, p := range sets {
		if samePath(deleted, path) {
			return p
		}
	}
	return nil
}
