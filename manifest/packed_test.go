package manifest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// samePacked compares what Pack and ReadAll make of the same bytes.
func samePacked(t testing.TB, name string, data []byte, f *File, opts *ReadOptions) {
	t.Helper()
	o := *opts
	if o.Stats = StatsNone; len(o.StatsFields) > 0 {
		o.Stats = StatsAll
	}
	want, wantErr := ReadAll(data, f, &o)
	p, err := Pack(data, f, &o)
	if wantErr != nil || err != nil {
		if (wantErr == nil) != (err == nil) {
			t.Fatalf("%s: Pack: %v; ReadAll: %v", name, err, wantErr)
		}
		return
	}
	if p.Len() != len(want) {
		t.Fatalf("%s: %d entries packed of %d", name, p.Len(), len(want))
	}
	all := make([]int32, p.Len())
	for i := range all {
		all[i] = int32(i)
	}
	got := p.Entries(all)
	for i, w := range want {
		w.File.ColumnSizes = nil
		normalise(w.File)
		normalise(got[i].File)
		if !reflect.DeepEqual(got[i], w) {
			t.Fatalf("%s: entry %d:\n%+v %+v\nwant\n%+v %+v", name, i, got[i], got[i].File, w, w.File)
		}
		m := PackedMetrics{Packed: p, Index: int32(i)}
		for _, id := range o.StatsFields {
			lo, ok := m.LowerBound(id)
			wantLo, wantOK := w.File.Lower.Get(id)
			if ok != wantOK || string(lo) != string(wantLo) {
				t.Fatalf("%s: entry %d, field %d: lower bound %x %v, want %x %v", name, i, id, lo, ok, wantLo, wantOK)
			}
			n, ok := m.NullCount(id)
			if wantN, wantOK := w.File.NullCounts.Get(id); n != wantN || ok != wantOK {
				t.Fatalf("%s: entry %d, field %d: %d nulls, want %d", name, i, id, n, wantN)
			}
		}
	}
	seen := 0
	for n := range p.Tuples() {
		of, ok := p.OfTuple(n)
		if !ok {
			seen = p.Len()
			break
		}
		if !slices.IsSorted(of) {
			t.Fatalf("%s: entries of tuple %d are out of order: %v", name, n, of)
		}
		for _, i := range of {
			if !reflect.DeepEqual(got[i].File.Partition, p.Tuples()[n]) {
				t.Fatalf("%s: entry %d is not of tuple %d", name, i, n)
			}
			seen++
		}
	}
	if seen != p.Len() {
		t.Fatalf("%s: %d entries by tuple of %d", name, seen, p.Len())
	}
}

// normalise makes empty slices nil and drops what is said twice.
func normalise(f *DataFile) {
	m := &f.Metrics
	for _, c := range []*Counts{&m.ColumnSizes, &m.ValueCounts, &m.NullCounts, &m.NaNCounts} {
		*c = slices.CompactFunc(*c, func(a, b Count) bool { return a.FieldID == b.FieldID })
		if len(*c) == 0 {
			*c = nil
		}
	}
	for _, b := range []*Bounds{&m.Lower, &m.Upper} {
		*b = slices.CompactFunc(*b, func(a, b Bound) bool { return a.FieldID == b.FieldID })
		if len(*b) == 0 {
			*b = nil
		}
		for i := range *b {
			if len((*b)[i].Value) == 0 {
				(*b)[i].Value = nil
			}
		}
	}
	if len(f.SplitOffsets) == 0 {
		f.SplitOffsets = nil
	}
	if len(f.EqualityIDs) == 0 {
		f.EqualityIDs = nil
	}
	if len(f.KeyMetadata) == 0 {
		f.KeyMetadata = nil
	}
	if len(f.Partition) == 0 {
		f.Partition = nil
	}
}

// TestPack packs entries that differ in everything an entry can have.
func TestPack(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long}, schema.Field{ID: 5, Name: "d", Type: schema.Int},
	)
	spec := partition.Spec{ID: 1, Fields: []partition.Field{
		{SourceIDs: []int{5}, FieldID: 1000, Name: "d", Transform: partition.Transform{Kind: partition.IdentityTransform}},
	}}
	for _, kind := range []Kind{Data, Deletes} {
		w, err := NewWriter(WriterOptions{FormatVersion: 3, Schema: s, Kind: kind, SnapshotID: 1, Spec: spec})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			e := benchEntry(i)
			f := e.File
			f.SpecID = 1
			f.Partition = partition.Tuple{int32(i % 7)}
			if i%7 == 3 {
				f.Partition = partition.Tuple{nil}
			}
			switch i % 5 {
			case 1:
				f.Lower, f.NullCounts = nil, nil
			case 2:
				f.Upper, f.SplitOffsets = Bounds{{1, []byte{}}}, nil
			case 3:
				f.KeyMetadata, f.SortOrderID = []byte("key"), ptr(i%2)
				f.NaNCounts = Counts{{1, 4}}
			case 4:
				e.Status, e.SnapshotID, e.SequenceNumber, e.FileSequenceNumber = StatusExisting, int64(i%3)+1, 2, 2
			}
			switch {
			case kind == Deletes && i%3 == 0:
				f.Content, f.Format = ContentPositionDeletes, FormatPuffin
				f.ReferencedDataFile, f.ContentOffset, f.ContentSize = fmt.Sprint("data-", i), ptr(int64(i)), ptr(int64(40))
			case kind == Deletes:
				f.Content, f.EqualityIDs = ContentEqualityDeletes, []int{1, 5}
			case i%11 == 0:
				f.FirstRowID = ptr(int64(i * 1000))
			}
			if err := w.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		data, f, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		f.SequenceNumber, f.AddedSnapshotID = 5, 9
		if kind == Data {
			f.FirstRowID = ptr(int64(7))
		}
		for _, fields := range [][]int{nil, {1}, {5, 1, 1, 77}} {
			o := &ReadOptions{Spec: &spec, PartitionTypes: spec.Types(s), StatsFields: fields}
			samePacked(t, fmt.Sprint(kind, fields), data, f, o)
		}
		p, err := Pack(data, f, &ReadOptions{Spec: &spec, PartitionTypes: spec.Types(s), StatsFields: []int{1}})
		if err != nil {
			t.Fatal(err)
		}
		if !p.HasFields([]int{1}) || p.HasFields([]int{5}) || p.MemoryBytes() < 300*100 || p.MemoryBytes() > 300*400 {
			t.Errorf("kind %d: fields %v, %d bytes", kind, p.Fields(), p.MemoryBytes())
		}
	}
}

// TestEncrypted: an encrypted manifest is refused as such by every way to read it.
func TestEncrypted(t *testing.T) {
	f := &File{Path: "s3://b/t/metadata/m0.avro", KeyMetadata: []byte{1}}
	_, all := ReadAll([]byte("not to be looked at"), f, nil)
	_, packed := Pack([]byte("not to be looked at"), f, nil)
	for _, err := range []error{all, packed} {
		if !errors.Is(err, ErrEncrypted) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), f.Path) {
			t.Errorf("%v", err)
		}
	}
}
