package manifest

import (
	"fmt"
	"sync"
)

// slotCode names what a decoder does with a field.
type slotCode uint8

const (
	slotSkip slotCode = iota
	slotSkipPairs
	slotSkipPairBytes
	slotStatus
	slotSnapshotID
	slotSequence
	slotFileSequence
	slotDataFile
	slotContent
	slotPath
	slotFormat
	slotPartition
	slotRecordCount
	slotFileSize
	slotColumnSizes
	slotValueCounts
	slotNullCounts
	slotNaNCounts
	slotLower
	slotUpper
	slotKeyMetadata
	slotSplitOffsets
	slotEqualityIDs
	slotSortOrder
	slotFirstRowID
	slotReferenced
	slotContentOffset
	slotContentSize
)

// known maps the ids and the names of the spec to slots; names serve files
// whose schema carries no ids.
type known struct {
	id   int
	name string
	slot slotCode
}

var entryFields = []known{
	{0, "status", slotStatus},
	{1, "snapshot_id", slotSnapshotID},
	{3, "sequence_number", slotSequence},
	{4, "file_sequence_number", slotFileSequence},
	{2, "data_file", slotDataFile},
}

var dataFileFields = []known{
	{134, "content", slotContent},
	{100, "file_path", slotPath},
	{101, "file_format", slotFormat},
	{102, "partition", slotPartition},
	{103, "record_count", slotRecordCount},
	{104, "file_size_in_bytes", slotFileSize},
	{108, "column_sizes", slotColumnSizes},
	{109, "value_counts", slotValueCounts},
	{110, "null_value_counts", slotNullCounts},
	{137, "nan_value_counts", slotNaNCounts},
	{125, "lower_bounds", slotLower},
	{128, "upper_bounds", slotUpper},
	{131, "key_metadata", slotKeyMetadata},
	{132, "split_offsets", slotSplitOffsets},
	{135, "equality_ids", slotEqualityIDs},
	{140, "sort_order_id", slotSortOrder},
	{142, "first_row_id", slotFirstRowID},
	{143, "referenced_data_file", slotReferenced},
	{144, "content_offset", slotContentOffset},
	{145, "content_size_in_bytes", slotContentSize},
}

// step decodes one field of a record.
type step struct {
	code slotCode
	// union says that a branch index comes first: nullAt is the index of null
	// (-1: none) and valueAt that of the value.
	union           bool
	nullAt, valueAt int64
	typ             *node // of the value
}

// plan is a manifest's writer schema compiled for decoding. It is immutable.
type plan struct {
	entry, file []step
	partition   *node
	required    uint32 // slots that must be set, by bit
	bare        *plan  // the same without statistics
}

// withStats returns the plan with or without decoding statistics.
func (p *plan) withStats(stats bool) *plan {
	if stats {
		return p
	}
	return p.bare
}

// Schemas remembers compiled Avro schemas, since most manifests of a table share
// a few. The zero value is ready; it is safe for concurrent use.
type Schemas struct {
	mu    sync.Mutex
	plans map[string]*plan
}

// maxPlans bounds a Schemas: every spec and every writer adds one.
const maxPlans = 256

func (s *Schemas) compile(schema []byte) (*plan, error) {
	if s == nil {
		return compilePlan(schema)
	}
	s.mu.Lock()
	p := s.plans[string(schema)]
	s.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := compilePlan(schema)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plans == nil || len(s.plans) >= maxPlans {
		s.plans = make(map[string]*plan)
	}
	s.plans[string(schema)] = p
	return p, nil
}

func compilePlan(schema []byte) (*plan, error) {
	root, err := parseAvroSchema(schema)
	if err != nil {
		return nil, err
	}
	if root.kind != avroRecord {
		return nil, fmt.Errorf("avro schema is not a record")
	}
	p := &plan{}
	var file *node
	if p.entry, err = compileRecord(root, entryFields); err != nil {
		return nil, err
	}
	for _, s := range p.entry {
		if s.code == slotDataFile {
			file = s.typ
		}
	}
	if file == nil {
		return nil, fmt.Errorf("avro schema has no data_file: not a manifest")
	}
	if p.file, err = compileRecord(file, dataFileFields); err != nil {
		return nil, err
	}
	for _, s := range p.file {
		if s.code == slotPartition {
			p.partition = s.typ
		}
	}
	p.required = 1<<slotStatus | 1<<slotDataFile | 1<<slotPath | 1<<slotFormat |
		1<<slotRecordCount | 1<<slotFileSize
	bare := *p
	bare.file = make([]step, len(p.file))
	for i, s := range p.file {
		switch s.code {
		case slotColumnSizes, slotValueCounts, slotNullCounts, slotNaNCounts:
			s.code = slotSkipPairs
		case slotLower, slotUpper:
			s.code = slotSkipPairBytes
		}
		bare.file[i] = s
	}
	p.bare = &bare
	return p, nil
}

// compileRecord resolves the fields of a record by id, and by name where the
// schema gives no id.
func compileRecord(n *node, fields []known) ([]step, error) {
	return compileRecordWith(n, fields, slotAccepts)
}

// compileRecordWith is compileRecord with its check of types.
func compileRecordWith(n *node, fields []known, accepts func(slotCode, *node) bool) ([]step, error) {
	steps := make([]step, 0, len(n.fields))
	var seen uint32
	for i := range n.fields {
		f := &n.fields[i]
		if f.typ.empty {
			continue
		}
		s := step{typ: f.typ, nullAt: -1}
		k := findKnown(f, fields)
		if k == nil {
			steps = append(steps, skipStep(s))
			continue
		}
		if seen&(1<<k.slot) != 0 {
			return nil, fmt.Errorf("avro schema has field %s twice", k.name)
		}
		seen |= 1 << k.slot
		s.code = k.slot
		if err := s.resolveUnion(); err != nil {
			return nil, fmt.Errorf("avro field %s: %w", k.name, err)
		}
		if !accepts(k.slot, s.typ) {
			if k.id < 500 && k.slot >= slotColumnSizes && k.slot <= slotUpper {
				// Statistics in a shape of their own are as good as none.
				steps = append(steps, skipStep(step{typ: f.typ, nullAt: -1}))
				continue
			}
			return nil, fmt.Errorf("avro field %s has an unexpected type", k.name)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func findKnown(f *avroField, fields []known) *known {
	for i := range fields {
		if f.id == fields[i].id || f.id < 0 && f.name == fields[i].name {
			return &fields[i]
		}
	}
	return nil
}

// resolveUnion reduces [null, T], [T, null] and [T] to T.
func (s *step) resolveUnion() error {
	if s.typ.kind != avroUnion {
		return nil
	}
	u := s.typ
	s.union, s.typ = true, nil
	for i, b := range u.branches {
		switch {
		case b.kind == avroNull:
			s.nullAt = int64(i)
		case s.typ != nil:
			return fmt.Errorf("union of several types")
		default:
			s.typ, s.valueAt = b, int64(i)
		}
	}
	if s.typ == nil {
		return fmt.Errorf("union of null only")
	}
	return nil
}

// skipStep picks the fastest way to skip a field.
func skipStep(s step) step {
	s.code = slotSkip
	u := s
	if u.resolveUnion() != nil || u.typ.kind != avroArray {
		return s
	}
	switch kind := pairKind(u.typ); kind {
	case avroLong:
		u.code = slotSkipPairs
		return u
	case avroBytes:
		u.code = slotSkipPairBytes
		return u
	}
	return s
}

// pairKind tells the arrays of {varint, varint} (avroLong) and {varint, bytes}
// (avroBytes) from others (avroNull).
func pairKind(array *node) avroKind {
	e := array.elem
	if e.kind != avroRecord || len(e.fields) != 2 || !isVarint(e.fields[0].typ) {
		return avroNull
	}
	switch v := e.fields[1].typ; {
	case isVarint(v):
		return avroLong
	case isBytes(v):
		return avroBytes
	}
	return avroNull
}

func isVarint(n *node) bool { return n.kind == avroInt || n.kind == avroLong }
func isBytes(n *node) bool  { return n.kind == avroBytes || n.kind == avroString }

// slotAccepts checks the Avro type of a known field.
func slotAccepts(c slotCode, n *node) bool {
	switch c {
	case slotDataFile, slotPartition:
		return n.kind == avroRecord
	case slotPath, slotFormat, slotReferenced, slotKeyMetadata:
		return isBytes(n)
	case slotColumnSizes, slotValueCounts, slotNullCounts, slotNaNCounts:
		return n.kind == avroArray && pairKind(n) == avroLong
	case slotLower, slotUpper:
		return n.kind == avroArray && pairKind(n) == avroBytes
	case slotSplitOffsets, slotEqualityIDs:
		return n.kind == avroArray && isVarint(n.elem)
	default:
		return isVarint(n)
	}
}
