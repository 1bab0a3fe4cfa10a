package manifest

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

func plainSchema() *schema.Schema {
	return schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long})
}

// write encodes entries without the writer's checks, so that tests can make what
// other writers make.
func write(t testing.TB, version int, kind Kind, entries ...*Entry) ([]byte, *File) {
	t.Helper()
	w, err := NewWriter(WriterOptions{FormatVersion: version, Schema: plainSchema(), Kind: kind, SnapshotID: 9, Path: "m"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		block, err := w.encode(w.file.Buffer(), e)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.file.Commit(block); err != nil {
			t.Fatal(err)
		}
		w.count(e)
	}
	data, f, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return data, f
}

func dataEntry(status Status, path string, rows int64) *Entry {
	return &Entry{
		Status: status, SnapshotID: 9, SequenceNumber: 3, FileSequenceNumber: 3,
		File: &DataFile{Path: path, Format: FormatParquet, RecordCount: rows, FileSize: 10},
	}
}

func with(e *Entry, change func(*Entry)) *Entry { change(e); return e }

// Invariant 8: null sequence numbers are inherited for status ADDED only.
func TestInvariant8OnlyAddedInheritsSequenceNumber(t *testing.T) {
	unnumbered := func(e *Entry) { e.SequenceNumber, e.FileSequenceNumber = Unassigned, Unassigned }
	data, f := write(t, 2, Data, with(dataEntry(StatusAdded, "a", 1), unnumbered), dataEntry(StatusExisting, "b", 1))
	f.SequenceNumber = 12
	got, err := ReadAll(data, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].SequenceNumber != 12 || got[0].FileSequenceNumber != 12 || got[1].SequenceNumber != 3 || got[1].FileSequenceNumber != 3 {
		t.Errorf("got %+v %+v", got[0], got[1])
	}
	// An added entry with a number of its own keeps it; the file's is inherited.
	data, f = write(t, 2, Data, dataEntry(StatusAdded, "a", 1))
	f.SequenceNumber = 12
	if got, err = ReadAll(data, f, nil); err != nil || got[0].SequenceNumber != 3 || got[0].FileSequenceNumber != 12 {
		t.Errorf("got %+v, %v", got[0], err)
	}
	data, f = write(t, 2, Data, with(dataEntry(StatusExisting, "b", 1), unnumbered))
	f.SequenceNumber = 12
	if _, err := ReadAll(data, f, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("existing entry without number: %v", err)
	}
	// A manifest of a v1 table has number 0, and so have its entries.
	f.SequenceNumber = 0
	if got, err := ReadAll(data, f, nil); err != nil || got[0].SequenceNumber != 0 || got[0].FileSequenceNumber != 0 {
		t.Errorf("v1: %+v, %v", got, err)
	}
}

// Invariant 9: first_row_id is inherited for any live status; files that have
// one do not count, nor do deleted ones.
func TestInvariant9FirstRowIDInherited(t *testing.T) {
	entries := []*Entry{
		dataEntry(StatusAdded, "a", 10),
		dataEntry(StatusDeleted, "gone", 1000),
		with(dataEntry(StatusExisting, "own", 100), func(e *Entry) { e.File.FirstRowID = ptr(int64(7)) }),
		dataEntry(StatusExisting, "b", 20),
		dataEntry(StatusAdded, "c", 30),
	}
	data, f := write(t, 3, Data, entries...)
	f.SequenceNumber, f.FirstRowID = 12, ptr(int64(500))
	ids := func() (out []int64) {
		got, err := ReadAll(data, f, &ReadOptions{KeepDeleted: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got {
			id := int64(-1)
			if e.File.FirstRowID != nil {
				id = *e.File.FirstRowID
			}
			out = append(out, id)
		}
		return out
	}
	if got, want := ids(), []int64{500, -1, 7, 510, 530}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// A manifest without first row id belongs to a snapshot from before v3.
	f.FirstRowID = nil
	if got, want := ids(), []int64{-1, -1, -1, -1, -1}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	f.FirstRowID = ptr(int64(math.MaxInt64 - 5))
	if _, err := ReadAll(data, f, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("row ids beyond int64: %v", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	dv := func(e *Entry) {
		e.File.Content, e.File.Format = ContentPositionDeletes, FormatPuffin
		e.File.ContentOffset, e.File.ContentSize, e.File.ReferencedDataFile = ptr(int64(4)), ptr(int64(40)), "a"
	}
	for name, c := range map[string]struct {
		kind Kind
		e    *Entry
	}{
		"added by another snapshot": {Data, with(dataEntry(StatusAdded, "a", 1), func(e *Entry) { e.SnapshotID = 8 })},
		"existing without number":   {Data, with(dataEntry(StatusExisting, "a", 1), func(e *Entry) { e.SequenceNumber = Unassigned })},
		"deletes among data":        {Data, with(dataEntry(StatusAdded, "a", 1), func(e *Entry) { e.File.Content = ContentPositionDeletes })},
		"data among deletes":        {Deletes, dataEntry(StatusAdded, "a", 1)},
		"equality without ids":      {Deletes, with(dataEntry(StatusAdded, "a", 1), func(e *Entry) { e.File.Content = ContentEqualityDeletes })},
		"deletion vector in v2":     {Deletes, with(dataEntry(StatusAdded, "a", 1), dv)},
		"tuple of another spec":     {Data, with(dataEntry(StatusAdded, "a", 1), func(e *Entry) { e.File.Partition = partition.Tuple{int32(1)} })},
		"negative count":            {Data, dataEntry(StatusAdded, "a", -1)},
		"no path":                   {Data, dataEntry(StatusAdded, "", 1)},
	} {
		w, err := NewWriter(WriterOptions{FormatVersion: 2, Schema: plainSchema(), Kind: c.kind, SnapshotID: 9})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(c.e); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Fact L3: the minimum is over explicit numbers of live entries.
func TestMinSequenceNumber(t *testing.T) {
	old := func(seq int64) func(*Entry) { return func(e *Entry) { e.SequenceNumber = seq } }
	for name, c := range map[string]struct {
		entries []*Entry
		want    int64
	}{
		"new only":      {[]*Entry{with(dataEntry(StatusAdded, "a", 1), old(Unassigned))}, Unassigned},
		"rewritten":     {[]*Entry{with(dataEntry(StatusAdded, "a", 1), old(5)), dataEntry(StatusExisting, "b", 1)}, 3},
		"deleted aside": {[]*Entry{with(dataEntry(StatusDeleted, "a", 1), old(1)), with(dataEntry(StatusExisting, "b", 1), old(4))}, 4},
		"zero counts":   {[]*Entry{with(dataEntry(StatusExisting, "a", 1), old(0))}, 0},
	} {
		_, f := write(t, 2, Data, c.entries...)
		if f.MinSequenceNumber != c.want {
			t.Errorf("%s: %d, want %d", name, f.MinSequenceNumber, c.want)
		}
	}
}

// Partition summaries: NaN is noted and in no bound, and -0 is below +0.
func TestPartitionSummaries(t *testing.T) {
	s := newSummariser([]schema.Type{schema.Double, schema.Float, schema.String, schema.Int})
	for _, tuple := range []partition.Tuple{
		{math.NaN(), float32(math.NaN()), "m", nil}, {0.0, nil, "b", nil}, {math.Copysign(0, -1), float32(math.NaN()), "z", nil},
	} {
		if err := s.add(tuple); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.result()
	if err != nil {
		t.Fatal(err)
	}
	want := []FieldSummary{
		{ContainsNaN: ptr(true), Lower: []byte{0, 0, 0, 0, 0, 0, 0, 0x80}, Upper: make([]byte, 8)},
		{ContainsNull: true, ContainsNaN: ptr(true)},
		{ContainsNaN: ptr(false), Lower: []byte("b"), Upper: []byte("z")},
		{ContainsNull: true, ContainsNaN: ptr(false)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestListAssignment(t *testing.T) {
	old := &File{Path: "old", Length: 10, SequenceNumber: 3, MinSequenceNumber: 2, AddedSnapshotID: 1, ExistingFiles: 1, ExistingRows: 40, AddedRows: 2, Partitions: []FieldSummary{}}
	fresh := &File{Path: "new", Length: 11, SequenceNumber: Unassigned, MinSequenceNumber: Unassigned, AddedSnapshotID: 5, AddedFiles: 1, AddedRows: 100}
	rewritten := &File{Path: "rw", Length: 12, SequenceNumber: Unassigned, MinSequenceNumber: 2, AddedSnapshotID: 5, AddedFiles: 1, ExistingRows: 7}
	deletes := &File{Path: "del", Length: 13, Kind: Deletes, SequenceNumber: Unassigned, MinSequenceNumber: Unassigned, AddedSnapshotID: 5, AddedRows: 9}
	known := &File{Path: "known", Length: 14, SequenceNumber: 4, MinSequenceNumber: 4, AddedSnapshotID: 2, AddedRows: 1000, FirstRowID: ptr(int64(1))}
	files := []*File{fresh, old, rewritten, deletes, known}
	o := ListOptions{FormatVersion: 3, SnapshotID: 5, ParentID: ptr(int64(4)), SequenceNumber: 6, FirstRowID: ptr(int64(2000))}
	data, next, err := WriteList(o, files)
	if err != nil {
		t.Fatal(err)
	}
	// Existing rows count too: their files may lack ids after an upgrade.
	if want := int64(2000 + 100 + 42 + 7); next != want {
		t.Errorf("next row id %d, want %d", next, want)
	}
	got, err := ReadList(data)
	if err != nil {
		t.Fatal(err)
	}
	type numbers struct{ seq, min, row int64 }
	var have []numbers
	for _, f := range got {
		n := numbers{f.SequenceNumber, f.MinSequenceNumber, -1}
		if f.FirstRowID != nil {
			n.row = *f.FirstRowID
		}
		have = append(have, n)
	}
	if want := []numbers{{6, 6, 2000}, {3, 2, 2100}, {6, 2, 2142}, {6, 6, -1}, {4, 4, 1}}; !reflect.DeepEqual(have, want) {
		t.Errorf("got %v, want %v", have, want)
	}
	if fresh.SequenceNumber != Unassigned || fresh.FirstRowID != nil {
		t.Error("WriteList changed its argument")
	}
	// Only manifests of this snapshot may be unassigned, and no data may be newer
	// than the commit.
	for _, f := range []*File{
		{Path: "x", SequenceNumber: Unassigned, MinSequenceNumber: Unassigned, AddedSnapshotID: 4},
		{Path: "x", SequenceNumber: Unassigned, MinSequenceNumber: 7, AddedSnapshotID: 5},
		{Path: "x", SequenceNumber: 1, AddedSnapshotID: 5, AddedFiles: -1},
		{Path: "x", SequenceNumber: 1, AddedSnapshotID: 5, AddedRows: math.MaxInt64},
	} {
		if _, _, err := WriteList(o, []*File{f}); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}

// TestListRoundTrip keeps everything, and lists of version 2 have no row ids.
func TestListRoundTrip(t *testing.T) {
	want := []*File{
		{
			Path: "a", Length: 1, SpecID: 3, Kind: Deletes, SequenceNumber: 2, MinSequenceNumber: 1, AddedSnapshotID: -7, AddedFiles: 1,
			ExistingFiles: 2, DeletedFiles: 3, AddedRows: 4, ExistingRows: 5, DeletedRows: 6, KeyMetadata: []byte{1},
			Partitions: []FieldSummary{{ContainsNull: true}, {ContainsNaN: ptr(true), Lower: []byte{}, Upper: []byte("x")}},
		},
		{Path: "b", SequenceNumber: 0, MinSequenceNumber: 0},
	}
	data, next, err := WriteList(ListOptions{FormatVersion: 2, SnapshotID: 1, SequenceNumber: 2, Codec: "zstd"}, want)
	if err != nil || next != 0 {
		t.Fatal(next, err)
	}
	got, err := ReadList(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v %+v", got[0], got[1])
	}
}

// TestListVersion1 reads a list without the fields of version 2, by name.
func TestListVersion1(t *testing.T) {
	const avro = `{"type":"record","name":"manifest_file","fields":[
		{"name":"manifest_path","type":["null","string"]},{"name":"manifest_length","type":"long"},
		{"name":"partition_spec_id","type":"int"},{"name":"added_snapshot_id","type":["long","null"]},
		{"name":"future","type":{"type":"map","values":{"type":"array","items":"double"}}},
		{"name":"added_data_files_count","type":["null","int"]}]}`
	w := avrofile.NewWriter(avro, avrofile.Null, nil)
	b := avrofile.AppendBytes([]byte{2}, "p")
	b = avrofile.AppendVarint(avrofile.AppendVarint(b, 77), 1)
	b = avrofile.AppendVarint(append(b, 0), 42)
	b = append(avrofile.AppendBytes(append(b, 2), "k"), 2)
	b = append(b, make([]byte, 8)...)
	b = append(b, 0, 0, 0)
	if err := w.Commit(b); err != nil {
		t.Fatal(err)
	}
	data, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadList(data)
	if err != nil {
		t.Fatal(err)
	}
	want := &File{Path: "p", Length: 77, SpecID: 1, AddedSnapshotID: 42, AddedFiles: -1, ExistingFiles: -1, DeletedFiles: -1, AddedRows: -1, ExistingRows: -1, DeletedRows: -1}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %+v", got[0])
	}
}

func TestHostileSchemas(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 100) + `"int"` + strings.Repeat(`}`, 100)
	wide := `{"type":"record","name":"r0","fields":[]}`
	for i := range 60 { // doubles at every level without taking a byte
		wide = `{"type":"record","name":"r` + strings.Repeat("x", i+1) + `","fields":[{"name":"a","type":` + wide + `},{"name":"b","type":"r` + strings.Repeat("x", i) + map[bool]string{true: "0", false: ""}[i == 0] + `"}]}`
	}
	for name, s := range map[string]string{
		"deep":      deep,
		"exploding": wide,
		"recursive": `{"type":"record","name":"r","fields":[{"name":"data_file","type":["null","r"]}]}`,
		"unknown":   `"nothing"`,
		"twice":     `{"type":"record","name":"e","fields":[{"name":"a","type":{"type":"fixed","name":"f","size":-1}}]}`,
		"no json":   `{`,
		"number":    `3`,
		"huge":      `"` + strings.Repeat("x", maxSchemaBytes) + `"`,
	} {
		if _, err := parseAvroSchema([]byte(s)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAvroNames(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "ts-day": "ts_x2Dday", "1a": "_1a", "é": "_xE9", "a b": "a_x20b", "a_9": "a_9", "😀": "_xD83D_xDE00", "": "",
	} {
		if got := avroName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
