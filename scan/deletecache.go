package scan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
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

	// keep puts positions into the scan's cache.
	keep bool

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
	// files are the data files it applies to, uses how many of them, or parts,
	// are still to be read.
	files map[string]*FileTask
	uses  atomic.Int64

	mu     sync.Mutex
	leaves []leaf
	// table is nil until loaded. When it does not fit, dead has the rows that it
	// would remove, by data file.
	table *deletes.EqualityTable
	dead  map[string]*deletes.Positions
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

// register adds a file to be read, whose deletes tables will need.
func (c *deleteCache) register(ft *FileTask) {
	if len(ft.Equality) == 0 {
		return
	}
	tables, ok := c.lists[listOf(ft.Equality)]
	if !ok {
		tables = c.tablesOf(ft.Equality)
		c.lists[listOf(ft.Equality)] = tables
	}
	kept := *ft
	for _, t := range tables {
		t.files[kept.Data.File.Path] = &kept
		t.uses.Add(1)
	}
}

func (c *deleteCache) tablesOf(entries []*manifest.Entry) []*equality {
	var tables []*equality
	for _, e := range entries {
		k, ids := c.keyOf(e.File)
		t := c.tables[k]
		if t == nil {
			t = &equality{ids: ids, seen: make(map[string]bool), files: make(map[string]*FileTask)}
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
	return tables
}

// applyEquality adds to d the loaded tables that apply to a file, or the rows
// they remove.
func (c *deleteCache) applyEquality(ctx context.Context, ft *FileTask, d *rowDeletes) error {
	if len(ft.Equality) == 0 {
		return nil
	}
	tables := c.lists[listOf(ft.Equality)]
	if tables == nil {
		return fmt.Errorf("delete file %s was not planned", ft.Equality[0].File.Path)
	}
	for _, t := range tables {
		table, dead, err := t.load(ctx, c)
		if err != nil {
			return err
		}
		if table != nil {
			d.tables = append(d.tables, tableUse{t, table})
			continue
		}
		if p := dead[ft.Data.File.Path]; p != nil {
			all := p
			if d.positions != nil {
				all = d.positions.Clone()
				all.Union(p)
			}
			d.positions = all
		}
	}
	return nil
}

// done says that a registered file has been read: a table that no other needs is
// dropped.
func (c *deleteCache) done(ft *FileTask) {
	if len(ft.Equality) == 0 {
		return
	}
	for _, t := range c.lists[listOf(ft.Equality)] {
		if t.uses.Add(-1) == 0 {
			t.mu.Lock()
			if t.table != nil {
				t.table.Release()
			}
			t.table, t.dead = nil, nil
			t.mu.Unlock()
		}
	}
}

// account keeps count of the memory of all that is loaded.
func (c *deleteCache) account(delta int64) bool {
	if n := c.used.Add(delta); delta > 0 && n > c.v.opts.MemoryBudget {
		c.used.Add(-delta)
		return false
	}
	return true
}

// load returns the table, or else the rows it removes; of concurrent callers one
// loads and the others wait.
func (t *equality) load(ctx context.Context, c *deleteCache) (*deletes.EqualityTable, map[string]*deletes.Positions, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.table != nil || t.dead != nil {
		return t.table, t.dead, nil
	}
	if t.leaves == nil {
		leaves := make([]leaf, len(t.ids))
		for i, id := range t.ids {
			var err error
			if leaves[i], err = keyLeaf(c.v.src.Metadata, id); err != nil {
				return nil, nil, fileError("delete", t.entries[0].File.Path, err)
			}
		}
		t.leaves = leaves
	}
	table, err := t.build(ctx, c, &deletes.EqualityOptions{Account: c.account})
	switch {
	case err == nil:
		t.table = table
	case errors.Is(err, deletes.ErrBudget):
		t.dead, err = t.spill(ctx, c)
	}
	return t.table, t.dead, err
}

// build reads the delete files into a table.
func (t *equality) build(ctx context.Context, c *deleteCache, o *deletes.EqualityOptions) (*deletes.EqualityTable, error) {
	keys, roots := make([]schema.Field, len(t.leaves)), make([]schema.Field, len(t.leaves))
	for i := range t.leaves {
		keys[i], roots[i] = t.leaves[i].field, t.leaves[i].root
	}
	o.Rows, o.Low, o.High = t.integers()
	table, err := deletes.NewEqualityTable(keys, o)
	if err != nil {
		return nil, fileError("delete", t.entries[0].File.Path, err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.v.opts.Concurrency)
	for _, e := range t.entries {
		g.Go(func() error {
			for b, err := range deletes.ReadEquality(gctx, c.v.src.Store, e.File, roots) {
				if err == nil {
					err = addKeys(table, t.leaves, b, e.SequenceNumber)
				}
				if err != nil {
					return fileError("delete", e.File.Path, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		table.Release()
		return nil, err
	}
	return table, nil
}

// integers returns how many deletes there are, and between which integers their
// keys lie as far as their statistics tell; none for keys that are no integer.
func (t *equality) integers() (rows, low, high int64) {
	if len(t.leaves) != 1 {
		return 0, 0, 0
	}
	f := &t.leaves[0].field
	if k := f.Type.Kind; k != schema.KindInt && k != schema.KindLong {
		return 0, 0, 0
	}
	low, high = math.MaxInt64, math.MinInt64
	for _, e := range t.entries {
		rows += max(e.File.RecordCount, 0)
		lo, ok1 := integerBound(f, e.File.Lower)
		hi, ok2 := integerBound(f, e.File.Upper)
		if ok1 && ok2 {
			low, high = min(low, lo), max(high, hi)
		}
	}
	return rows, low, high
}

func integerBound(f *schema.Field, bounds manifest.Bounds) (int64, bool) {
	switch v := boundOf(f, bounds).(type) {
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

func addKeys(table *deletes.EqualityTable, leaves []leaf, b arrow.RecordBatch, seq int64) error {
	cols, err := extractAll(leaves, func(i int) arrow.Array { return b.Column(i) })
	if err != nil {
		return err
	}
	defer releaseAll(cols)
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
		p, err := c.kept(vectorKey(dv.File), func() (*deletes.Positions, error) {
			return deletes.ReadDV(ctx, c.v.src.Store, dv.File)
		})
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

// vectorKey names a deletion vector in the cache.
func vectorKey(f *manifest.DataFile) string {
	b := append([]byte(f.Path), 0)
	for _, n := range []*int64{f.ContentOffset, f.ContentSize, &f.RecordCount} {
		if n != nil {
			b = strconv.AppendInt(append(b, ' '), *n, 10)
		}
	}
	return string(b)
}

// kept returns positions out of the scan's cache, or reads them.
func (c *deleteCache) kept(key string, read func() (*deletes.Positions, error)) (*deletes.Positions, error) {
	cache := c.v.src.Cache
	if p, ok := cache.Value("positions", key); ok {
		return p.(*deletes.Positions), nil
	}
	p, err := read()
	if err == nil && p != nil && c.keep {
		cache.Keep("positions", key, p, p.MemoryBytes())
	}
	return p, err
}

func (c *deleteCache) readPositions(ctx context.Context, f *manifest.DataFile, path string) (*deletes.Positions, error) {
	if f.ReferencedDataFile != "" {
		return c.kept(f.Path+"\x00"+path, func() (*deletes.Positions, error) {
			sets, err := deletes.ReadPositions(ctx, c.v.src.Store, f, func(p string) bool { return deletes.SamePath(p, path) })
			return positionsOf(sets, path), err
		})
	}
	if c.used.Load() > c.v.opts.MemoryBudget {
		sets, err := deletes.ReadPositions(ctx, c.v.src.Store, f, func(p string) bool { return deletes.SamePath(p, path) })
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

// positionsOf returns a data file's set of those of a delete file.
func positionsOf(sets map[string]*deletes.Positions, path string) *deletes.Positions {
	if p, ok := sets[path]; ok {
		return p
	}
	for deleted, p := range sets {
		if deletes.SamePath(deleted, path) {
			return p
		}
	}
	return nil
}
