package manifest

import (
	"cmp"
	"math"
	"slices"

	"github.com/frazildb/frazil/partition"
)

// Packed holds the live entries of one manifest in a few flat columns: some 60
// bytes an entry and its path, against half a kilobyte as [Entry], and hardly a
// pointer for the garbage collector to follow. Statistics are kept of the fields
// asked for only. A Packed is immutable and safe for concurrent use.
type Packed struct {
	specID  int
	paths   string
	entries []packedEntry
	heads   []packedHead
	extras  []packedExtra
	tuples  []partition.Tuple
	splits  []int64
	// order are the entries sorted by tuple, and starts where those of each tuple
	// begin; both are nil with a single tuple.
	order  []int32
	starts []int32
	stats  []packedStats // by field id
	fields []int         // asked for, sorted
}

// packedEntry is what differs between entries. Ends point past the last byte, or
// element, of the entry: it begins where the one before ends.
type packedEntry struct {
	rows, size, firstRow int64
	pathEnd, splitEnd    uint32
	head, tuple          uint32
	extra                int32 // -1: none
}

// packedHead is what many entries share.
type packedHead struct {
	status                   Status
	content                  Content
	format                   Format
	snapshot, sequence, file int64
	sortOrder                int
	sorted, hasFirstRow      bool
}

// packedExtra is what few entries have.
type packedExtra struct {
	keyMetadata    []byte
	equalityIDs    []int
	referenced     string
	offset, length *int64
}

// unknownCount stands for a count that a file does not tell.
const unknownCount = math.MinInt64

// packedStats are the statistics of one field; counts are nil when no entry has
// any.
type packedStats struct {
	id                  int
	values, nulls, nans []int64
	lower, upper        packedBounds
}

// packedBounds are values in a row; ends are shifted by one bit, which says that
// there is a value.
type packedBounds struct {
	data []byte
	ends []uint32
}

// Len returns the number of entries.
func (p *Packed) Len() int { return len(p.entries) }

// SpecID returns the manifest's partition spec.
func (p *Packed) SpecID() int { return p.specID }

// Fields returns the ids of the fields whose statistics are kept, sorted.
func (p *Packed) Fields() []int { return p.fields }

// HasFields reports whether the statistics of all the fields are kept.
func (p *Packed) HasFields(ids []int) bool {
	for _, id := range ids {
		if _, ok := slices.BinarySearch(p.fields, id); !ok {
			return false
		}
	}
	return true
}

// MemoryBytes returns about how much memory p takes.
func (p *Packed) MemoryBytes() int64 {
	n := len(p.paths) + cap(p.entries)*48 + cap(p.heads)*64 + cap(p.extras)*128 +
		8*cap(p.splits) + 4*(cap(p.order)+cap(p.starts)) + 256
	for _, t := range p.tuples {
		n += 24 + 40*len(t)
	}
	for i := range p.stats {
		s := &p.stats[i]
		n += 8*(cap(s.values)+cap(s.nulls)+cap(s.nans)) + 200
		for _, b := range []*packedBounds{&s.lower, &s.upper} {
			n += cap(b.data) + 4*cap(b.ends)
		}
	}
	return int64(n)
}

// Tuples returns the distinct partition tuples, by number.
func (p *Packed) Tuples() []partition.Tuple { return p.tuples }

// OfTuple returns the entries of tuple number t in file order; nil, false when
// all entries are of one tuple.
func (p *Packed) OfTuple(t int) ([]int32, bool) {
	if p.order == nil {
		return nil, false
	}
	return p.order[p.starts[t]:p.starts[t+1]], true
}

// RecordCount returns the record count of entry i, -1 when unknown.
func (p *Packed) RecordCount(i int32) int64 { return p.entries[i].rows }

// Path returns the path of entry i.
func (p *Packed) Path(i int32) string {
	from := uint32(0)
	if i > 0 {
		from = p.entries[i-1].pathEnd
	}
	return p.paths[from:p.entries[i].pathEnd]
}

func (b *packedBounds) get(i int32) ([]byte, bool) {
	if int(i) >= len(b.ends) || b.ends[i]&1 == 0 {
		return nil, false
	}
	from := uint32(0)
	if i > 0 {
		from = b.ends[i-1] >> 1
	}
	to := b.ends[i] >> 1
	return b.data[from:to:to], true
}

func count(counts []int64, i int32) (int64, bool) {
	if int(i) >= len(counts) || counts[i] == unknownCount {
		return 0, false
	}
	return counts[i], true
}

// PackedMetrics are the statistics of one entry of a Packed, as expr.Metrics
// wants them.
type PackedMetrics struct {
	Packed *Packed
	Index  int32
}

func (m *PackedMetrics) of(id int) *packedStats {
	for i := range m.Packed.stats {
		if m.Packed.stats[i].id == id {
			return &m.Packed.stats[i]
		}
	}
	return nil
}

// Rows returns the row count, negative when unknown.
func (m *PackedMetrics) Rows() int64 { return m.Packed.entries[m.Index].rows }

// ValueCount returns the number of values of a field, nulls and NaNs included.
func (m *PackedMetrics) ValueCount(id int) (int64, bool) {
	if s := m.of(id); s != nil {
		return count(s.values, m.Index)
	}
	return 0, false
}

// NullCount returns the number of nulls of a field.
func (m *PackedMetrics) NullCount(id int) (int64, bool) {
	if s := m.of(id); s != nil {
		return count(s.nulls, m.Index)
	}
	return 0, false
}

// NaNCount returns the number of NaNs of a field.
func (m *PackedMetrics) NaNCount(id int) (int64, bool) {
	if s := m.of(id); s != nil {
		return count(s.nans, m.Index)
	}
	return 0, false
}

// LowerBound returns the lower bound of a field in its binary form.
func (m *PackedMetrics) LowerBound(id int) ([]byte, bool) {
	if s := m.of(id); s != nil {
		return s.lower.get(m.Index)
	}
	return nil, false
}

// UpperBound returns the upper bound of a field in its binary form.
func (m *PackedMetrics) UpperBound(id int) ([]byte, bool) {
	if s := m.of(id); s != nil {
		return s.upper.get(m.Index)
	}
	return nil, false
}

// Entries returns the entries with the given numbers, with the statistics kept.
// They share memory with each other and with p, and stay valid.
func (p *Packed) Entries(numbers []int32) []*Entry {
	out := make([]*Entry, len(numbers))
	type pair struct {
		entry Entry
		file  DataFile
	}
	pairs := make([]pair, len(numbers))
	var counts []Count
	var bounds []Bound
	if n := len(p.stats) * len(numbers); n > 0 {
		counts, bounds = make([]Count, 0, 3*n), make([]Bound, 0, 2*n)
	}
	for k, i := range numbers {
		at := &pairs[k]
		p.fill(&at.entry, &at.file, i)
		if len(p.stats) > 0 {
			counts, bounds = p.metrics(&at.file.Metrics, i, counts, bounds)
		}
		out[k] = &at.entry
	}
	return out
}

func (p *Packed) fill(entry *Entry, f *DataFile, i int32) {
	e := &p.entries[i]
	h := &p.heads[e.head]
	entry.Status, entry.SnapshotID, entry.SequenceNumber, entry.FileSequenceNumber = h.status, h.snapshot, h.sequence, h.file
	entry.File = f
	f.Content, f.Format, f.SpecID = h.content, h.format, p.specID
	f.Path, f.Partition = p.Path(i), p.tuples[e.tuple]
	f.RecordCount, f.FileSize = e.rows, e.size
	if h.sorted {
		f.SortOrderID = &h.sortOrder
	}
	if h.hasFirstRow {
		f.FirstRowID = &e.firstRow
	}
	from := uint32(0)
	if i > 0 {
		from = p.entries[i-1].splitEnd
	}
	if from < e.splitEnd {
		f.SplitOffsets = p.splits[from:e.splitEnd:e.splitEnd]
	}
	if e.extra >= 0 {
		x := &p.extras[e.extra]
		f.KeyMetadata, f.EqualityIDs, f.ReferencedDataFile = x.keyMetadata, x.equalityIDs, x.referenced
		f.ContentOffset, f.ContentSize = x.offset, x.length
	}
}

// metrics fills in the statistics of entry i, with slices cut from counts and
// bounds.
func (p *Packed) metrics(m *Metrics, i int32, counts []Count, bounds []Bound) ([]Count, []Bound) {
	cutCounts := func(of func(*packedStats) []int64) Counts {
		from := len(counts)
		for k := range p.stats {
			if v, ok := count(of(&p.stats[k]), i); ok {
				counts = append(counts, Count{p.stats[k].id, v})
			}
		}
		return Counts(counts[from:len(counts):len(counts)])
	}
	cutBounds := func(of func(*packedStats) *packedBounds) Bounds {
		from := len(bounds)
		for k := range p.stats {
			if v, ok := of(&p.stats[k]).get(i); ok {
				bounds = append(bounds, Bound{p.stats[k].id, v})
			}
		}
		return Bounds(bounds[from:len(bounds):len(bounds)])
	}
	m.ValueCounts = cutCounts(func(s *packedStats) []int64 { return s.values })
	m.NullCounts = cutCounts(func(s *packedStats) []int64 { return s.nulls })
	m.NaNCounts = cutCounts(func(s *packedStats) []int64 { return s.nans })
	m.Lower = cutBounds(func(s *packedStats) *packedBounds { return &s.lower })
	m.Upper = cutBounds(func(s *packedStats) *packedBounds { return &s.upper })
	return counts, bounds
}

// group fills in order and starts.
func (p *Packed) group() {
	if len(p.tuples) < 2 {
		return
	}
	p.starts = make([]int32, len(p.tuples)+1)
	for i := range p.entries {
		p.starts[p.entries[i].tuple+1]++
	}
	for t := 1; t < len(p.starts); t++ {
		p.starts[t] += p.starts[t-1]
	}
	next := slices.Clone(p.starts)
	p.order = make([]int32, len(p.entries))
	for i := range p.entries {
		t := p.entries[i].tuple
		p.order[next[t]] = int32(i)
		next[t]++
	}
}

// sortedIDs returns field ids in order, each once.
func sortedIDs(ids []int) []int {
	out := slices.Clone(ids)
	slices.SortFunc(out, cmp.Compare[int])
	return slices.Compact(out)
}
