package manifest

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// ErrCorrupt is wrapped by errors about manifests and manifest lists that cannot
// be decoded.
var ErrCorrupt = errors.New("malformed manifest")

// ErrEncrypted is wrapped by errors about manifests and lists that are encrypted:
// there are no keys to read them with.
var ErrEncrypted = errors.New("is encrypted, decrypt the table with the engine that wrote it")

// StatsMode says which column statistics Read decodes.
type StatsMode int8

// Statistics modes. StatsNone skips them, which makes reading several times
// faster; StatsAll decodes them, or only those of ReadOptions.StatsFields when
// that is not empty.
const (
	StatsNone StatsMode = 0
	StatsAll  StatsMode = 1
)

// ReadOptions control Read; nil and the zero value read live entries without
// statistics.
type ReadOptions struct {
	// Spec is the partition spec of the manifest. It gives the order of the
	// tuple's values; nil takes the fields in the order of the file.
	Spec *partition.Spec
	// PartitionTypes are the result types of the spec's fields, in order
	// (partition.Spec.Types). A value stored in a narrower type is widened. nil,
	// and schema.Unknown for one field, take the type from the file.
	PartitionTypes []schema.Type
	// Stats chooses the column statistics to decode.
	Stats StatsMode
	// StatsFields, when not empty, limits StatsAll to these column field ids.
	StatsFields []int
	// KeepDeleted also yields entries with StatusDeleted.
	KeepDeleted bool
	// AsStored turns inheritance off: numbers the file does not hold are
	// Unassigned (a snapshot id is 0, a first row id nil). It is for manifests
	// that are not committed yet.
	AsStored bool
	// Schemas, when not nil, saves compiling the same Avro schema for every
	// manifest.
	Schemas *Schemas
}

// Read yields the entries of a manifest in file order, with sequence numbers,
// snapshot ids and first row ids inherited from f, its description in the
// manifest list (spec: "Sequence Number Inheritance", "First Row ID
// Inheritance"). f also says the manifest's kind and spec, since the file
// itself may lack them. Entries and everything they point to are valid until
// the next step; Clone keeps one.
//
// FileSequenceNumber is Unassigned when the file does not tell it (writers
// before Iceberg 1.0). A record count that is not known is -1.
func Read(data []byte, f *File, opts *ReadOptions) iter.Seq2[*Entry, error] {
	return read(data, f, opts, reused)
}

// ReadAll is Read into a slice of entries that stay valid.
func ReadAll(data []byte, f *File, opts *ReadOptions) ([]*Entry, error) {
	n := max(f.AddedFiles, 0) + max(f.ExistingFiles, 0)
	out := make([]*Entry, 0, min(n, len(data)/8+1))
	for e, err := range read(data, f, opts, fresh) {
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func read(data []byte, f *File, opts *ReadOptions, mode memoryMode) iter.Seq2[*Entry, error] {
	if opts == nil {
		opts = &ReadOptions{}
	}
	return func(yield func(*Entry, error) bool) {
		if err := decode(data, f, opts, mode, yield); err != nil {
			yield(nil, err)
		}
	}
}

// decode yields the entries of a manifest, without errors, until the caller stops.
// Its error names the manifest.
func decode(data []byte, f *File, opts *ReadOptions, mode memoryMode, yield func(*Entry, error) bool) error {
	if len(f.KeyMetadata) > 0 {
		return fmt.Errorf("manifest %s: %w", f.Path, ErrEncrypted)
	}
	r, err := avrofile.NewReader(data, nil)
	if err == nil {
		defer r.Close()
		err = readEntries(r, f, opts, mode, yield)
	}
	if err != nil {
		return fmt.Errorf("manifest %s: %w: %w", f.Path, ErrCorrupt, err)
	}
	return nil
}

// readEntries yields until the caller stops or something fails.
func readEntries(r *avrofile.Reader, f *File, opts *ReadOptions, mode memoryMode, yield func(*Entry, error) bool) error {
	schemaJSON, ok := r.Meta("avro.schema")
	if !ok {
		return errors.New("header lacks avro.schema")
	}
	p, err := opts.Schemas.compile(schemaJSON)
	if err != nil {
		return err
	}
	d := &decoder{plan: p.withStats(opts.Stats != StatsNone), opts: opts, mode: mode}
	if d.tuple, err = newTupleDecoder(p.partition, opts); err != nil {
		return err
	}
	if opts.Stats != StatsNone && len(opts.StatsFields) > 0 {
		d.stats = slices.Sorted(slices.Values(opts.StatsFields))
	}
	inherit := newInheritance(f, opts.AsStored)
	for index := 0; ; {
		block, count, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		d.b, d.off = block, 0
		for ; count > 0; count-- {
			s, err := d.next()
			if err == nil {
				err = inherit.apply(s)
			}
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			e := &s.entry
			index++
			if e.Status == StatusDeleted && !opts.KeepDeleted {
				continue
			}
			if !yield(e, nil) {
				return nil
			}
		}
		if d.off != len(block) {
			return fmt.Errorf("%d bytes left over after entry %d", len(block)-d.off, index-1)
		}
	}
}

// inheritance fills in what entries take from the manifest list.
type inheritance struct {
	f        *File
	nextRow  int64
	asStored bool
}

func newInheritance(f *File, asStored bool) *inheritance {
	h := &inheritance{f: f, asStored: asStored}
	if f.FirstRowID != nil {
		h.nextRow = *f.FirstRowID
	}
	return h
}

func (h *inheritance) apply(s *slot) error {
	f, e, file := h.f, &s.entry, &s.file
	file.SpecID = f.SpecID
	if (f.Kind == Data) != (file.Content == ContentData) {
		return fmt.Errorf("file %s: content %d in a manifest of kind %d", file.Path, file.Content, f.Kind)
	}
	if h.asStored {
		e.unassign()
		return nil
	}
	if e.SnapshotID == absent {
		e.SnapshotID = f.AddedSnapshotID
	}
	// Only added entries inherit the manifest's number. Manifests of v1 tables
	// have number 0 and no numbers inside.
	inherits := e.Status == StatusAdded || f.SequenceNumber == 0
	if e.SequenceNumber == absent {
		switch {
		case inherits:
			e.SequenceNumber = f.SequenceNumber
		case e.Status == StatusDeleted:
			e.SequenceNumber = Unassigned
		default:
			return fmt.Errorf("file %s: existing entry without sequence number", file.Path)
		}
	}
	if e.FileSequenceNumber == absent {
		e.FileSequenceNumber = Unassigned
		if inherits {
			e.FileSequenceNumber = f.SequenceNumber
		}
	}
	return h.rowID(s)
}

// unassign replaces what is absent by what the writer takes.
func (e *Entry) unassign() {
	if e.SnapshotID == absent {
		e.SnapshotID = 0
	}
	if e.SequenceNumber == absent {
		e.SequenceNumber = Unassigned
	}
	if e.FileSequenceNumber == absent {
		e.FileSequenceNumber = Unassigned
	}
}

// rowID assigns first row ids: every live file without one takes the running
// id, files with one of their own do not count. A manifest without first row id
// is from before the upgrade to v3, and then no file has one.
func (h *inheritance) rowID(s *slot) error {
	file := &s.file
	if h.f.FirstRowID == nil || file.Content != ContentData {
		file.FirstRowID = nil
		return nil
	}
	if s.entry.Status == StatusDeleted || file.FirstRowID != nil {
		return nil
	}
	if h.nextRow < 0 || file.RecordCount > math.MaxInt64-h.nextRow {
		return fmt.Errorf("file %s: row id out of range", file.Path)
	}
	s.firstRow = h.nextRow
	file.FirstRowID = &s.firstRow
	h.nextRow += max(file.RecordCount, 0)
	return nil
}

// Clone returns a copy of e that shares only immutable memory.
func (e *Entry) Clone() *Entry {
	s := &slot{entry: *e, file: *e.File}
	s.entry.File = &s.file
	f := &s.file
	m := &f.Metrics
	m.ColumnSizes, m.ValueCounts = cloned(m.ColumnSizes), cloned(m.ValueCounts)
	m.NullCounts, m.NaNCounts = cloned(m.NullCounts), cloned(m.NaNCounts)
	m.Lower, m.Upper = m.Lower.clone(), m.Upper.clone()
	f.KeyMetadata, f.SplitOffsets, f.EqualityIDs = cloned(f.KeyMetadata), cloned(f.SplitOffsets), cloned(f.EqualityIDs)
	if f.SortOrderID != nil {
		s.sortOrder = *f.SortOrderID
		f.SortOrderID = &s.sortOrder
	}
	for _, p := range []struct {
		from **int64
		to   *int64
	}{{&f.FirstRowID, &s.firstRow}, {&f.ContentOffset, &s.offset}, {&f.ContentSize, &s.length}} {
		if *p.from != nil {
			*p.to = **p.from
			*p.from = p.to
		}
	}
	return &s.entry
}

// cloned copies a slice; empty gives nil.
func cloned[S ~[]E, E any](s S) S {
	if len(s) == 0 {
		return nil
	}
	return append(S(nil), s...)
}

func (b Bounds) clone() Bounds {
	if len(b) == 0 {
		return nil
	}
	total := 0
	for _, x := range b {
		total += len(x.Value)
	}
	buf := make([]byte, 0, total)
	out := make(Bounds, len(b))
	for i, x := range b {
		n := len(buf)
		buf = append(buf, x.Value...)
		out[i] = Bound{x.FieldID, buf[n:len(buf):len(buf)]}
	}
	return out
}

// IsLive reports whether the entry's file is part of the snapshot.
func (e *Entry) IsLive() bool { return e.Status != StatusDeleted }

// Get returns the count of a field id; false means unknown.
func (c Counts) Get(id int) (int64, bool) {
	i, ok := slices.BinarySearchFunc(c, id, func(x Count, id int) int { return x.FieldID - id })
	if !ok {
		return 0, false
	}
	return c[i].N, true
}

// Get returns the bound of a field id; false means unknown.
func (b Bounds) Get(id int) ([]byte, bool) {
	i, ok := slices.BinarySearchFunc(b, id, func(x Bound, id int) int { return x.FieldID - id })
	if !ok {
		return nil, false
	}
	return b[i].Value, true
}
