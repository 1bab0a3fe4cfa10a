package manifest

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/frazildb/frazil/partition"
)

// Pack decodes the live entries of a manifest as Read does, into a form that
// takes little memory. Of statistics it keeps those of opts.StatsFields, without
// column sizes; opts.Stats, KeepDeleted and AsStored are not looked at.
func Pack(data []byte, f *File, opts *ReadOptions) (*Packed, error) {
	o := ReadOptions{}
	if opts != nil {
		o = *opts
	}
	o.KeepDeleted, o.AsStored, o.Stats = false, false, StatsNone
	if o.StatsFields = sortedIDs(o.StatsFields); len(o.StatsFields) > 0 {
		o.Stats = StatsAll
	}
	b := newPackBuilder(f, o.StatsFields, len(data))
	err := decode(data, f, &o, aliased, func(e *Entry, _ error) bool {
		b.add(e)
		return true
	})
	if err != nil {
		return nil, err
	}
	return b.finish(), nil
}

// aliasOf returns a string that shares the memory of b, for as long as b does not
// change.
func aliasOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// packBuilder fills a Packed.
type packBuilder struct {
	p        *Packed
	paths    strings.Builder
	expected int // entries
	limit    int // of what is allocated ahead, in bytes
	heads    map[packedHead]uint32
	last     packedHead
	lastHead uint32
	tuples   map[*any]uint32 // by first value: the decoder shares tuples
	lastAt   *any
	lastNo   uint32
}

func newPackBuilder(f *File, fields []int, size int) *packBuilder {
	n := min(max(f.AddedFiles, 0)+max(f.ExistingFiles, 0), size/8+1)
	b := &packBuilder{
		p: &Packed{
			specID: f.SpecID, fields: fields,
			entries: make([]packedEntry, 0, n), stats: make([]packedStats, len(fields)),
		},
		expected: n,
		limit:    16*size + 4096,
		heads:    make(map[packedHead]uint32),
		tuples:   make(map[*any]uint32),
	}
	for i, id := range fields {
		b.p.stats[i].id = id
	}
	return b
}

// add takes over an entry, whose strings may be gone afterwards.
func (b *packBuilder) add(e *Entry) {
	p, f := b.p, e.File
	if b.paths.Len() == 0 {
		b.paths.Grow(min(b.expected*(len(f.Path)+2), b.limit))
	}
	b.paths.WriteString(f.Path)
	p.splits = append(p.splits, f.SplitOffsets...)
	pe := packedEntry{
		rows: f.RecordCount, size: f.FileSize,
		pathEnd: uint32(b.paths.Len()), splitEnd: uint32(len(p.splits)),
		head: b.head(e), tuple: b.tuple(f.Partition), extra: -1,
	}
	if f.FirstRowID != nil {
		pe.firstRow = *f.FirstRowID
	}
	if len(f.KeyMetadata) > 0 || len(f.EqualityIDs) > 0 || f.ReferencedDataFile != "" || f.ContentOffset != nil || f.ContentSize != nil {
		pe.extra = int32(len(p.extras))
		p.extras = append(p.extras, packedExtra{
			keyMetadata: cloned(f.KeyMetadata), equalityIDs: cloned(f.EqualityIDs),
			referenced: f.ReferencedDataFile, offset: copied(f.ContentOffset), length: copied(f.ContentSize),
		})
	}
	p.entries = append(p.entries, pe)
	for i := range p.stats {
		b.stats(&p.stats[i], &f.Metrics)
	}
}

func copied(v *int64) *int64 {
	if v == nil {
		return nil
	}
	n := *v
	return &n
}

func (b *packBuilder) head(e *Entry) uint32 {
	f := e.File
	h := packedHead{
		status: e.Status, content: f.Content, format: f.Format,
		snapshot: e.SnapshotID, sequence: e.SequenceNumber, file: e.FileSequenceNumber,
		hasFirstRow: f.FirstRowID != nil,
	}
	if f.SortOrderID != nil {
		h.sorted, h.sortOrder = true, *f.SortOrderID
	}
	if len(b.p.heads) > 0 && h == b.last {
		return b.lastHead
	}
	no, ok := b.heads[h]
	if !ok {
		no = uint32(len(b.p.heads))
		b.p.heads = append(b.p.heads, h)
		b.heads[h] = no
	}
	b.last, b.lastHead = h, no
	return no
}

// maxPackedTuples bounds the tuples told apart by where they are in memory; past
// it they may be kept twice, which does no harm.
const maxPackedTuples = 1 << 16

func (b *packBuilder) tuple(t partition.Tuple) uint32 {
	if len(t) == 0 {
		if len(b.p.tuples) == 0 {
			b.p.tuples = append(b.p.tuples, t)
		}
		return 0
	}
	at := &t[0]
	if at == b.lastAt {
		return b.lastNo
	}
	no, ok := b.tuples[at]
	if !ok {
		if len(b.tuples) >= maxPackedTuples {
			clear(b.tuples)
		}
		no = uint32(len(b.p.tuples))
		b.p.tuples = append(b.p.tuples, t)
		b.tuples[at] = no
	}
	b.lastAt, b.lastNo = at, no
	return no
}

func (b *packBuilder) stats(s *packedStats, m *Metrics) {
	i := len(b.p.entries) - 1
	s.values = b.count(s.values, i, m.ValueCounts, s.id)
	s.nulls = b.count(s.nulls, i, m.NullCounts, s.id)
	s.nans = b.count(s.nans, i, m.NaNCounts, s.id)
	b.bound(&s.lower, i, m.Lower, s.id)
	b.bound(&s.upper, i, m.Upper, s.id)
}

// count appends the count of entry i to those of the entries before.
func (b *packBuilder) count(dst []int64, i int, counts Counts, id int) []int64 {
	v, ok := counts.Get(id)
	if !ok || v == unknownCount {
		return dst // missing at the end is unknown
	}
	if dst == nil {
		dst = make([]int64, 0, max(b.expected, i+1))
	}
	for len(dst) < i {
		dst = append(dst, unknownCount)
	}
	return append(dst, v)
}

func (b *packBuilder) bound(dst *packedBounds, i int, bounds Bounds, id int) {
	v, ok := bounds.Get(id)
	if !ok {
		return
	}
	if dst.ends == nil {
		dst.ends = make([]uint32, 0, max(b.expected, i+1))
		dst.data = make([]byte, 0, min(b.expected*len(v), b.limit))
	}
	for len(dst.ends) < i {
		dst.ends = append(dst.ends, uint32(len(dst.data))<<1)
	}
	dst.data = append(dst.data, v...)
	dst.ends = append(dst.ends, uint32(len(dst.data))<<1|1)
}

func (b *packBuilder) finish() *Packed {
	p := b.p
	p.paths = b.paths.String()
	if b.paths.Cap() > len(p.paths)+len(p.paths)/8+64 {
		p.paths = strings.Clone(p.paths)
	}
	p.entries, p.splits = clipped(p.entries), clipped(p.splits)
	p.group()
	return p
}

// clipped returns a slice without much room to spare.
func clipped[E any](s []E) []E {
	if cap(s)-len(s) > len(s)/8+8 {
		return slices.Clone(s)
	}
	return s
}
