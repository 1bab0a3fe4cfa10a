package manifest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// slot is an entry with room for everything it points to except slices.
type slot struct {
	entry                    Entry
	file                     DataFile
	sortOrder                int
	firstRow, offset, length int64
}

// memoryMode says whose memory an entry is made of.
type memoryMode uint8

const (
	reused  memoryMode = iota // the next entry takes it, but for strings
	fresh                     // its own
	aliased                   // reused, and the path lies in the block
)

// decoder decodes entries of one manifest.
type decoder struct {
	cursor
	plan  *plan
	opts  *ReadOptions
	tuple *tupleDecoder
	stats []int // StatsFields sorted
	mode  memoryMode
	slots []slot
	bytes arena
	one   slot
	// Chunks that the slices of fresh entries are cut from.
	countSlab  []Count
	boundSlab  []Bound
	offsetSlab []int64
}

// carve returns an empty slice with room for n values out of a chunk, so that
// the slices of many entries take few allocations. n is not trusted beyond a
// size that does no harm; a longer slice grows by itself.
func carve[E any](slab *[]E, n int) []E {
	n = min(n, 1024)
	if n > cap(*slab)-len(*slab) {
		*slab = make([]E, 0, max(n, min(2*cap(*slab), 512)))
	}
	from := len(*slab)
	*slab = (*slab)[:from+n]
	return (*slab)[from : from : from+n]
}

// expected returns how many of n statistics are wanted at most.
func (d *decoder) expected(n int) int {
	if len(d.stats) > 0 {
		return min(n, len(d.stats))
	}
	return n
}

// null sequence numbers and snapshot ids while an entry is being decoded.
const absent = int64(-1) << 63

// next decodes one entry as stored; numbers not stored are absent.
func (d *decoder) next() (*slot, error) {
	s := d.slot()
	e, f := &s.entry, &s.file
	e.Status, e.SnapshotID, e.SequenceNumber, e.FileSequenceNumber = 0, absent, absent, absent
	e.File = f
	d.clear(f)
	if d.plan.partition == nil {
		f.Partition = d.tuple.tuple // no values are stored
	}
	var seen uint32
	for i := range d.plan.entry {
		st := &d.plan.entry[i]
		if st.union && !d.present(st) {
			continue
		}
		seen |= 1 << st.code
		switch st.code {
		case slotStatus:
			v := d.long()
			if v < 0 || v > 2 {
				return nil, fmt.Errorf("status %d is unknown", v)
			}
			e.Status = Status(v)
		case slotSnapshotID:
			e.SnapshotID = d.long()
		case slotSequence:
			e.SequenceNumber = d.long()
		case slotFileSequence:
			e.FileSequenceNumber = d.long()
		case slotDataFile:
			seen |= d.dataFile(s)
		default:
			d.skipStep(st)
		}
	}
	if d.bad {
		return nil, errTruncated
	}
	if missing := d.plan.required &^ seen; missing != 0 {
		return nil, fmt.Errorf("%s is missing", missingName(missing))
	}
	return s, d.check(f)
}

var errTruncated = fmt.Errorf("malformed or truncated avro data")

func missingName(mask uint32) string {
	for _, list := range [][]known{entryFields, dataFileFields} {
		for _, k := range list {
			if mask&(1<<k.slot) != 0 {
				return k.name
			}
		}
	}
	return "a field"
}

// slot returns the memory for the next entry.
func (d *decoder) slot() *slot {
	if d.mode != fresh {
		return &d.one
	}
	if len(d.slots) == 0 {
		d.slots = make([]slot, 32)
	}
	s := &d.slots[0]
	d.slots = d.slots[1:]
	return s
}

// clear resets a file, keeping slices for reuse unless entries are fresh.
func (d *decoder) clear(f *DataFile) {
	if d.mode == fresh {
		return
	}
	m, so, eq := &f.Metrics, f.SplitOffsets, f.EqualityIDs
	*f = DataFile{Metrics: Metrics{
		ColumnSizes: m.ColumnSizes[:0], ValueCounts: m.ValueCounts[:0],
		NullCounts: m.NullCounts[:0], NaNCounts: m.NaNCounts[:0],
		Lower: m.Lower[:0], Upper: m.Upper[:0],
	}, SplitOffsets: so[:0], EqualityIDs: eq[:0]}
}

// present reads a union's index and reports whether a value follows.
func (d *decoder) present(st *step) bool {
	switch i := d.long(); {
	case i == st.nullAt && i >= 0:
		return false
	case i != st.valueAt:
		d.fail()
		return false
	}
	return !d.bad
}

func (d *decoder) skipStep(st *step) {
	switch st.code {
	case slotSkipPairs:
		d.skipVarintPairs()
	case slotSkipPairBytes:
		d.skipVarintBytes()
	default:
		d.skip(st.typ)
	}
}

// dataFile decodes the data_file record and returns the slots that were set.
func (d *decoder) dataFile(s *slot) (seen uint32) {
	f := &s.file
	for i := range d.plan.file {
		st := &d.plan.file[i]
		if st.union && !d.present(st) {
			continue
		}
		seen |= 1 << st.code
		switch st.code {
		case slotContent:
			f.Content = Content(clampByte(d.long()))
		case slotPath:
			f.Path = d.path(d.cursor.bytes())
		case slotFormat:
			f.Format = internFormat(d.cursor.bytes())
		case slotPartition:
			f.Partition = d.tuple.decode(&d.cursor)
		case slotRecordCount:
			f.RecordCount = d.long()
		case slotFileSize:
			f.FileSize = d.long()
		case slotColumnSizes:
			f.ColumnSizes = d.counts(f.ColumnSizes)
		case slotValueCounts:
			f.ValueCounts = d.counts(f.ValueCounts)
		case slotNullCounts:
			f.NullCounts = d.counts(f.NullCounts)
		case slotNaNCounts:
			f.NaNCounts = d.counts(f.NaNCounts)
		case slotLower:
			f.Lower = d.bounds(f.Lower)
		case slotUpper:
			f.Upper = d.bounds(f.Upper)
		case slotKeyMetadata:
			f.KeyMetadata = d.keep(d.cursor.bytes())
		case slotSplitOffsets:
			f.SplitOffsets = d.longs(f.SplitOffsets)
		case slotEqualityIDs:
			f.EqualityIDs = d.ints(f.EqualityIDs)
		case slotSortOrder:
			s.sortOrder = d.int()
			f.SortOrderID = &s.sortOrder
		case slotFirstRowID:
			s.firstRow = d.long()
			f.FirstRowID = &s.firstRow
		case slotReferenced:
			f.ReferencedDataFile = string(d.cursor.bytes())
		case slotContentOffset:
			s.offset = d.long()
			f.ContentOffset = &s.offset
		case slotContentSize:
			s.length = d.long()
			f.ContentSize = &s.length
		default:
			d.skipStep(st)
		}
		if d.bad {
			break
		}
	}
	return seen
}

// path makes the string of a path.
func (d *decoder) path(b []byte) string {
	if d.mode == aliased {
		return aliasOf(b)
	}
	return string(b)
}

func clampByte(v int64) int8 {
	if v < 0 || v > 127 {
		return 127
	}
	return int8(v)
}

// check refuses what no reader could make sense of.
func (d *decoder) check(f *DataFile) error {
	switch {
	case f.Content > ContentEqualityDeletes:
		return fmt.Errorf("file %s: content %d is unknown", f.Path, f.Content)
	case f.Path == "":
		return fmt.Errorf("file_path is empty")
	case f.FileSize < 0:
		return fmt.Errorf("file %s: file_size_in_bytes is %d", f.Path, f.FileSize)
	case f.Content == ContentEqualityDeletes && len(f.EqualityIDs) == 0:
		return fmt.Errorf("file %s: equality delete without equality_ids", f.Path)
	case f.IsDV() && (f.ContentOffset == nil || f.ContentSize == nil || f.ReferencedDataFile == ""):
		return fmt.Errorf("file %s: deletion vector without content_offset, content_size_in_bytes or referenced_data_file", f.Path)
	case f.IsDV() && (*f.ContentOffset < 0 || *f.ContentSize < 0):
		return fmt.Errorf("file %s: deletion vector at offset %d with size %d", f.Path, *f.ContentOffset, *f.ContentSize)
	}
	if f.RecordCount < 0 {
		f.RecordCount = -1 // some importers write -1 for unknown
	}
	return nil
}

func (d *decoder) wanted(id int) bool {
	if len(d.stats) == 0 {
		return true
	}
	_, ok := slices.BinarySearch(d.stats, id)
	return ok
}

func (d *decoder) counts(dst Counts) Counts {
	sorted := true
	for {
		n, _ := d.items(false)
		if n == 0 {
			break
		}
		if cap(dst) == 0 {
			dst = carve(&d.countSlab, d.expected(n))
		}
		for range n {
			id, v := d.int(), d.long()
			if d.bad {
				return nil
			}
			if d.wanted(id) {
				sorted = sorted && (len(dst) == 0 || dst[len(dst)-1].FieldID < id)
				dst = append(dst, Count{id, v})
			}
		}
	}
	if !sorted {
		slices.SortStableFunc(dst, func(a, b Count) int { return a.FieldID - b.FieldID })
	}
	return dst
}

func (d *decoder) bounds(dst Bounds) Bounds {
	sorted := true
	for {
		n, _ := d.items(false)
		if n == 0 {
			break
		}
		if cap(dst) == 0 {
			dst = carve(&d.boundSlab, d.expected(n))
		}
		for range n {
			id, v := d.int(), d.cursor.bytes()
			if d.bad {
				return nil
			}
			if d.wanted(id) {
				sorted = sorted && (len(dst) == 0 || dst[len(dst)-1].FieldID < id)
				dst = append(dst, Bound{id, d.keep(v)})
			}
		}
	}
	if !sorted {
		slices.SortStableFunc(dst, func(a, b Bound) int { return a.FieldID - b.FieldID })
	}
	return dst
}

func (d *decoder) longs(dst []int64) []int64 {
	for {
		n, _ := d.items(false)
		if n == 0 {
			return dst
		}
		if cap(dst) == 0 {
			dst = carve(&d.offsetSlab, n)
		}
		for range n {
			dst = append(dst, d.long())
			if d.bad {
				return nil
			}
		}
	}
}

func (d *decoder) ints(dst []int) []int {
	for {
		n, _ := d.items(false)
		if n == 0 {
			return dst
		}
		for range n {
			dst = append(dst, d.int())
			if d.bad {
				return nil
			}
		}
	}
}

// keep returns v, copied when entries outlive the block.
func (d *decoder) keep(v []byte) []byte {
	if d.mode != fresh {
		return v
	}
	return d.bytes.copy(v)
}

// arena copies small byte strings into shared chunks.
type arena struct{ free []byte }

// copy never returns nil.
func (a *arena) copy(v []byte) []byte {
	if len(v) == 0 {
		return []byte{}
	}
	if len(v) > cap(a.free)-len(a.free) {
		if len(v) > 1024 {
			return bytes.Clone(v)
		}
		a.free = make([]byte, 0, 16<<10)
	}
	n := len(a.free)
	a.free = append(a.free, v...)
	return a.free[n:len(a.free):len(a.free)]
}

// internFormat returns a format in lower case without allocating for those of
// the spec.
func internFormat(b []byte) Format {
	switch string(b) {
	case "PARQUET", "parquet":
		return FormatParquet
	case "PUFFIN", "puffin":
		return FormatPuffin
	case "AVRO", "avro":
		return FormatAvro
	case "ORC", "orc":
		return FormatORC
	}
	return Format(strings.ToLower(string(b)))
}
