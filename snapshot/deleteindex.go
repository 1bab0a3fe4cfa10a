package snapshot

import (
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// Deletes are the delete files that apply to one data file. The slices are
// shared and must not be changed.
type Deletes struct {
	// DV is the deletion vector; when there is one, Positions is empty.
	DV *manifest.Entry
	// Positions and Equality are in order of sequence number.
	Positions, Equality []*manifest.Entry
}

// Empty reports whether nothing applies.
func (d Deletes) Empty() bool {
	return d.DV == nil && len(d.Positions) == 0 && len(d.Equality) == 0
}

// DeleteIndex answers which delete files apply to a data file. It is immutable
// and safe for concurrent use.
//
// Deletes lie in buckets: equality deletes of an unpartitioned spec, which are
// global; equality deletes and position deletes by spec and partition; position
// deletes of one data file by its path; deletion vectors by path. A bucket is
// sorted by sequence number, so that what applies to a data file is a suffix of
// it, shared between data files.
type DeleteIndex struct {
	specs  map[int]partition.Spec
	n      int
	global equalityBucket
	// equality and positions are by partition.
	equality  map[partitionKey]*equalityBucket
	positions map[partitionKey]*bucket
	paths     map[string]*bucket
	vectors   map[string]*manifest.Entry
	ids       []int // of equality columns, sorted
}

// bucket holds entries in order of sequence number.
type bucket struct {
	entries []*manifest.Entry
	// lo and hi are the bounds of file_path of each entry, nil when unknown;
	// both slices are nil when no entry has any.
	lo, hi []string
}

// from returns the index of the first entry with at least a sequence number.
func (b *bucket) from(seq int64) int {
	return sort.Search(len(b.entries), func(i int) bool { return b.entries[i].SequenceNumber >= seq })
}

func (b *bucket) sort() {
	slices.SortStableFunc(b.entries, func(x, y *manifest.Entry) int {
		switch {
		case x.SequenceNumber < y.SequenceNumber:
			return -1
		case x.SequenceNumber > y.SequenceNumber:
			return 1
		}
		return 0
	})
}

// BuildDeleteIndex indexes the live delete entries of a snapshot; data entries
// are passed over. Entries read with statistics are pruned by bounds.
func BuildDeleteIndex(t *metadata.Table, entries iter.Seq2[*manifest.Entry, error]) (*DeleteIndex, error) {
	x := &DeleteIndex{
		specs:     make(map[int]partition.Spec, len(t.Specs)),
		equality:  make(map[partitionKey]*equalityBucket),
		positions: make(map[partitionKey]*bucket),
		paths:     make(map[string]*bucket),
		vectors:   make(map[string]*manifest.Entry),
	}
	for _, s := range t.Specs {
		x.specs[s.ID] = s
	}
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		if e.File.Content == manifest.ContentData || !e.IsLive() {
			continue
		}
		if err := x.add(e); err != nil {
			return nil, err
		}
		x.n++
	}
	slices.Sort(x.ids)
	x.finish(t)
	return x, nil
}

func (x *DeleteIndex) add(e *manifest.Entry) error {
	f := e.File
	for _, id := range f.EqualityIDs {
		if !slices.Contains(x.ids, id) {
			x.ids = append(x.ids, id)
		}
	}
	spec, ok := x.specs[f.SpecID]
	if !ok {
		return fmt.Errorf("delete file %s: the table has no partition spec %d", f.Path, f.SpecID)
	}
	switch {
	case f.IsDV():
		if old := x.vectors[f.ReferencedDataFile]; old != nil {
			return fmt.Errorf("data file %s has two deletion vectors, in %s and %s", f.ReferencedDataFile, old.File.Path, f.Path)
		}
		x.vectors[f.ReferencedDataFile] = e
	case f.Content == manifest.ContentPositionDeletes:
		if ref := scopedTo(f); ref != "" {
			into(x.paths, ref).append(e)
		} else {
			into(x.positions, keyOf(spec, f.Partition)).append(e)
		}
	case spec.IsUnpartitioned():
		x.global.append(e)
	default:
		into(x.equality, keyOf(spec, f.Partition)).append(e)
	}
	return nil
}

func into[K comparable, V any](m map[K]*V, key K) *V {
	v := m[key]
	if v == nil {
		v = new(V)
		m[key] = v
	}
	return v
}

func (b *bucket) append(e *manifest.Entry) { b.entries = append(b.entries, e) }

func (x *DeleteIndex) finish(t *metadata.Table) {
	x.global.finish(t)
	for _, b := range x.equality {
		b.finish(t)
	}
	for _, b := range x.paths {
		b.sort()
	}
	for _, b := range x.positions {
		b.sort()
		b.pathBounds()
	}
}

// pathBounds notes the bounds of file_path. An upper bound may be truncated, but
// is then larger than every path.
func (b *bucket) pathBounds() {
	for i, e := range b.entries {
		lo, ok := e.File.Lower.Get(schema.IDDeleteFilePath)
		hi, ok2 := e.File.Upper.Get(schema.IDDeleteFilePath)
		if !ok && !ok2 {
			continue
		}
		if b.lo == nil {
			b.lo, b.hi = make([]string, len(b.entries)), make([]string, len(b.entries))
		}
		b.lo[i], b.hi[i] = string(lo), string(hi)
	}
}

func (b *bucket) mayHold(i int, path string) bool {
	return b.lo == nil || b.lo[i] <= path && (b.hi[i] == "" || path <= b.hi[i])
}

// Len returns the number of delete entries indexed.
func (x *DeleteIndex) Len() int { return x.n }

// EqualityIDs returns the ids of all columns that an equality delete looks at,
// sorted.
func (x *DeleteIndex) EqualityIDs() []int { return x.ids }

// For returns the deletes that apply to a data entry (spec: "Scan Planning").
// Like the reference implementation it is an error when a path-matched delete
// has another spec or partition, or a deletion vector an older sequence number.
func (x *DeleteIndex) For(data *manifest.Entry) (Deletes, error) { return x.Finder().For(data) }

// Finder answers like its DeleteIndex, for many data files in turn: what files of
// one partition share is looked up once. It is not safe for concurrent use.
type Finder struct {
	x *DeleteIndex
	// The partition last asked for; tuples are known by where they are.
	tuple     *any
	key       partitionKey
	known     bool
	equality  *equalityBucket
	positions *bucket
}

// Finder returns a new Finder; x may be nil, which has no deletes.
func (x *DeleteIndex) Finder() *Finder { return &Finder{x: x} }

// enter looks up what the partition of a file has.
func (f *Finder) enter(data *manifest.DataFile) error {
	var tuple *any
	if len(data.Partition) > 0 {
		tuple = &data.Partition[0]
	}
	if f.known && tuple == f.tuple && data.SpecID == f.key.spec {
		return nil
	}
	spec, ok := f.x.specs[data.SpecID]
	if !ok {
		return fmt.Errorf("data file %s: the table has no partition spec %d", data.Path, data.SpecID)
	}
	f.key, f.tuple, f.known = keyOf(spec, data.Partition), tuple, true
	f.equality, f.positions = f.x.equality[f.key], f.x.positions[f.key]
	return nil
}

// For is DeleteIndex.For.
func (f *Finder) For(data *manifest.Entry) (Deletes, error) {
	var d Deletes
	x := f.x
	if x == nil || x.n == 0 {
		return d, nil
	}
	file := data.File
	if err := f.enter(file); err != nil {
		return d, err
	}
	// Equality deletes apply to strictly older data only.
	d.Equality = x.global.applicable(data)
	if f.equality != nil {
		d.Equality = mergeBySequence(d.Equality, f.equality.applicable(data))
	}
	if v := x.vectors[file.Path]; v != nil {
		if err := x.samePartition(v.File, file, f.key); err != nil {
			return Deletes{}, err
		}
		if v.SequenceNumber < data.SequenceNumber {
			return Deletes{}, fmt.Errorf("deletion vector %s with sequence number %d is older than its data file %s with %d",
				v.File.Path, v.SequenceNumber, file.Path, data.SequenceNumber)
		}
		d.DV = v // it holds every position delete of the file
		return d, nil
	}
	// Position deletes apply to data of their own commit too.
	if b := x.paths[file.Path]; b != nil {
		d.Positions = b.entries[b.from(data.SequenceNumber):]
		for _, e := range d.Positions {
			if err := x.samePartition(e.File, file, f.key); err != nil {
				return Deletes{}, err
			}
		}
	}
	if b := f.positions; b != nil {
		d.Positions = mergeBySequence(d.Positions, b.holding(file.Path, b.from(data.SequenceNumber)))
	}
	return d, nil
}

// holding returns the entries from an index on that may hold a path.
func (b *bucket) holding(path string, from int) []*manifest.Entry {
	all := b.entries[from:]
	for i := range all {
		if b.mayHold(from+i, path) {
			continue
		}
		out := slices.Clone(all[:i])
		for j := i + 1; j < len(all); j++ {
			if b.mayHold(from+j, path) {
				out = append(out, all[j])
			}
		}
		return out
	}
	return all
}

func (x *DeleteIndex) samePartition(del, data *manifest.DataFile, key partitionKey) error {
	if del.SpecID != data.SpecID || keyOf(x.specs[del.SpecID], del.Partition) != key {
		return fmt.Errorf("delete file %s names data file %s of another partition or spec", del.Path, data.Path)
	}
	return nil
}

// mergeBySequence joins two lists that are in order.
func mergeBySequence(a, b []*manifest.Entry) []*manifest.Entry {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	out := make([]*manifest.Entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0].SequenceNumber < a[0].SequenceNumber {
			out, b = append(out, b[0]), b[1:]
		} else {
			out, a = append(out, a[0]), a[1:]
		}
	}
	return append(append(out, a...), b...)
}
