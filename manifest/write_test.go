package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

func ptr[T any](v T) *T { return &v }

// wideSchema has a column of every type that can be partitioned by identity.
func wideSchema() *schema.Schema {
	return schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "b", Type: schema.Boolean},
		schema.Field{ID: 3, Name: "i", Type: schema.Int},
		schema.Field{ID: 4, Name: "f", Type: schema.Float},
		schema.Field{ID: 5, Name: "d", Type: schema.Double},
		schema.Field{ID: 6, Name: "dec", Type: schema.Decimal(9, 2)},
		schema.Field{ID: 7, Name: "dt", Type: schema.Date},
		schema.Field{ID: 8, Name: "tm", Type: schema.Time},
		schema.Field{ID: 9, Name: "ts", Type: schema.Timestamp},
		schema.Field{ID: 10, Name: "tz", Type: schema.TimestampTz},
		schema.Field{ID: 11, Name: "s", Type: schema.String},
		schema.Field{ID: 12, Name: "u", Type: schema.UUID},
		schema.Field{ID: 13, Name: "fx", Type: schema.Fixed(3)},
		schema.Field{ID: 14, Name: "bin", Type: schema.Binary},
		schema.Field{ID: 15, Name: "u2", Type: schema.UUID},
		schema.Field{ID: 16, Name: "dec2", Type: schema.Decimal(38, 10)},
	)
}

func identitySpec(s *schema.Schema, id int) partition.Spec {
	spec := partition.Spec{ID: id}
	for i, f := range s.Fields[1:] {
		spec.Fields = append(spec.Fields, partition.Field{
			SourceIDs: []int{f.ID}, FieldID: 1000 + i, Name: f.Name,
			Transform: partition.Transform{Kind: partition.IdentityTransform},
		})
	}
	return spec
}

func wideTuple(r *rand.Rand) partition.Tuple {
	uuid := func() (u [16]byte) {
		for i := range u {
			u[i] = byte(r.Uint32())
		}
		return u
	}
	t := partition.Tuple{
		r.IntN(2) == 0, int32(r.Uint32()), r.Float32()*2 - 1, r.NormFloat64(),
		decimal128.FromI64(r.Int64N(1999999999) - 999999999), int32(r.IntN(40000) - 20000), r.Int64N(86400e6),
		r.Int64() - math.MaxInt64/2, r.Int64N(1 << 50), fmt.Sprintf("κ%d/=%%", r.IntN(100)), uuid(),
		[]byte{byte(r.Uint32()), 0, 255},
		[]byte(fmt.Sprint(r.IntN(10))), uuid(),
		decimal128.New(r.Int64N(1<<60)-1<<59, r.Uint64()),
	}
	for i := range t {
		if r.IntN(6) == 0 {
			t[i] = nil
		}
	}
	return t
}

// randomEntry makes an entry whose every optional part may be missing. Values
// are as Read returns them.
func randomEntry(r *rand.Rand, kind Kind, version int, snapshot int64, tuple partition.Tuple) *Entry {
	f := &DataFile{
		Path: fmt.Sprintf("s3://b/t/data/%d-é.parquet", r.Uint64()), Format: FormatParquet,
		Partition: tuple, RecordCount: r.Int64N(1e9), FileSize: r.Int64N(1e12),
	}
	counts := func() (c Counts) {
		for id := range r.IntN(5) {
			c = append(c, Count{id + 1 + r.IntN(2)*200*id, r.Int64()})
		}
		return c
	}
	sorted := func(c Counts) Counts {
		for i := range c {
			c[i].FieldID = i*70 + 1
		}
		return c
	}
	f.ColumnSizes, f.ValueCounts, f.NullCounts, f.NaNCounts = sorted(counts()), sorted(counts()), sorted(counts()), sorted(counts())
	for id := range r.IntN(4) {
		f.Lower = append(f.Lower, Bound{id + 1, []byte(fmt.Sprint("lo", id))})
		f.Upper = append(f.Upper, Bound{id + 1, []byte{}})
	}
	if r.IntN(2) == 0 {
		f.SplitOffsets, f.SortOrderID, f.KeyMetadata = []int64{4, 1 << 40}, ptr(r.IntN(5)), []byte{1, 2}
	}
	if kind == Deletes {
		f.Content = Content(1 + r.IntN(2))
		switch {
		case f.Content == ContentEqualityDeletes:
			f.EqualityIDs = []int{1, 300}
		case version >= 3:
			f.Format, f.ContentOffset, f.ContentSize = FormatPuffin, ptr(r.Int64N(1e6)), ptr(r.Int64N(1e6))
			f.ReferencedDataFile = "s3://b/t/data/x.parquet"
		case r.IntN(2) == 0:
			f.ReferencedDataFile = "s3://b/t/data/x.parquet"
		}
	}
	e := &Entry{Status: Status(r.IntN(3)), SnapshotID: snapshot, SequenceNumber: r.Int64N(100), FileSequenceNumber: r.Int64N(100), File: f}
	if e.Status == StatusExisting {
		e.SnapshotID = r.Int64()
	}
	if e.Status == StatusAdded {
		e.FileSequenceNumber = Unassigned
		if r.IntN(2) == 0 {
			e.SequenceNumber = Unassigned
		}
	}
	if version >= 3 && kind == Data {
		f.FirstRowID = ptr(r.Int64N(1e12))
	}
	return e
}

// TestRoundTrip writes random manifests and lists and reads them back, in Go
// and, when FRAZIL_PYTHON names a Python with fastavro, there as well.
func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	s := wideSchema()
	for _, codec := range []string{"", "null", "snappy", "zstd"} {
		for _, version := range []int{2, 3} {
			for _, kind := range []Kind{Data, Deletes} {
				for _, spec := range []partition.Spec{{}, identitySpec(s, 7)} {
					t.Run(fmt.Sprintf("%s/v%d/kind%d/fields%d", codec, version, kind, len(spec.Fields)), func(t *testing.T) {
						roundTrip(t, r, WriterOptions{FormatVersion: version, Schema: s, Spec: spec, Kind: kind, SnapshotID: 77, Path: "m0", Codec: codec})
					})
				}
			}
		}
	}
}

func roundTrip(t *testing.T, r *rand.Rand, o WriterOptions) {
	w, err := NewWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	tuple := func() partition.Tuple {
		if len(o.Spec.Fields) == 0 {
			return partition.Tuple{}
		}
		return wideTuple(r)
	}
	var want []*Entry
	last := tuple()
	for range 300 {
		if r.IntN(3) == 0 {
			last = tuple()
		}
		e := randomEntry(r, o.Kind, o.FormatVersion, o.SnapshotID, last)
		if err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	estimate := w.EstimatedSize()
	data, f, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if estimate > 4*len(data) || len(data) > 4*estimate {
		t.Errorf("estimated %d bytes, got %d", estimate, len(data))
	}
	f.SequenceNumber = 500
	if o.FormatVersion >= 3 && o.Kind == Data {
		f.FirstRowID = ptr(int64(1 << 50))
	}
	types := o.Spec.Types(o.Schema)
	got, err := ReadAll(data, f, &ReadOptions{Spec: &o.Spec, PartitionTypes: types, Stats: StatsAll, KeepDeleted: true})
	if err != nil {
		t.Fatal(err)
	}
	next := int64(1 << 50)
	for i, e := range want {
		if err := inherited(e, f, &next); err != nil {
			t.Fatal(err)
		}
		e.File.SpecID = o.Spec.ID
		if !reflect.DeepEqual(e, got[i]) {
			t.Fatalf("entry %d:\nwant %+v %+v\n got %+v %+v", i, e, e.File, got[i], got[i].File)
		}
	}
	// Aliased entries, cloned, and tuples in the order and types of the file.
	i := 0
	for e, err := range Read(data, f, &ReadOptions{Stats: StatsAll, KeepDeleted: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if c := e.Clone(); !reflect.DeepEqual(c, got[i]) {
			t.Fatalf("clone of entry %d:\nwant %+v\n got %+v", i, got[i].File, c.File)
		}
		i++
	}
	if o.Codec == "" || o.Codec == "null" { // the others need extra Python libraries
		judge(t, "manifest", data, got)
	}
}

// inherited applies the rules of the spec to an entry as written.
func inherited(e *Entry, f *File, nextRow *int64) error {
	if e.Status == StatusAdded {
		if e.SequenceNumber == Unassigned {
			e.SequenceNumber = f.SequenceNumber
		}
		e.FileSequenceNumber = f.SequenceNumber
		if e.File.FirstRowID != nil { // written as null whatever it was
			e.File.FirstRowID = ptr(*nextRow)
			*nextRow += e.File.RecordCount
		}
	}
	return nil
}

const judgeScript = `
import fastavro, json, sys, datetime, decimal, uuid
def plain(v):
    if isinstance(v, bytes): return v.hex()
    if isinstance(v, uuid.UUID): return v.bytes.hex()
    if isinstance(v, dict): return {k: plain(x) for k, x in v.items()}
    if isinstance(v, list): return [plain(x) for x in v]
    return v
# raw values, not datetimes
fastavro.read.LOGICAL_READERS.clear()
with open(sys.argv[1], 'rb') as f:
    print(json.dumps([plain(x) for x in fastavro.reader(f)]))
`

// judge compares entries with what fastavro reads from data.
func judge(t *testing.T, kind string, data []byte, entries []*Entry) {
	t.Helper()
	python := os.Getenv("FRAZIL_PYTHON")
	if python == "" {
		return
	}
	path := filepath.Join(t.TempDir(), kind+".avro")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, "-c", judgeScript, path).Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("fastavro: %v: %s", err, exit.Stderr)
	}
	var rows []struct {
		Status   int    `json:"status"`
		Sequence *int64 `json:"sequence_number"`
		File     struct {
			Content   int            `json:"content"`
			Path      string         `json:"file_path"`
			Format    string         `json:"file_format"`
			Partition map[string]any `json:"partition"`
			Records   int64          `json:"record_count"`
			Size      int64          `json:"file_size_in_bytes"`
			Values    []struct {
				Key   int
				Value int64
			} `json:"value_counts"`
			NaN []struct {
				Key   int
				Value int64
			} `json:"nan_value_counts"`
			Lower []struct {
				Key   int
				Value string
			} `json:"lower_bounds"`
			Splits     []int64 `json:"split_offsets"`
			Equality   []int   `json:"equality_ids"`
			Referenced string  `json:"referenced_data_file"`
			Offset     *int64  `json:"content_offset"`
			FirstRow   *int64  `json:"first_row_id"`
		} `json:"data_file"`
	}
	if err := json.Unmarshal(out, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(entries) {
		t.Fatalf("fastavro reads %d entries, not %d", len(rows), len(entries))
	}
	for i, e := range entries {
		f, j := e.File, rows[i].File
		var values, nan Counts
		for _, c := range j.Values {
			values = append(values, Count{c.Key, c.Value})
		}
		for _, c := range j.NaN {
			nan = append(nan, Count{c.Key, c.Value})
		}
		if rows[i].Status != int(e.Status) || j.Content != int(f.Content) || j.Path != f.Path ||
			j.Records != f.RecordCount || j.Size != f.FileSize || len(j.Lower) != len(f.Lower) ||
			!reflect.DeepEqual(values, f.ValueCounts) || !reflect.DeepEqual(nan, f.NaNCounts) ||
			!reflect.DeepEqual(j.Splits, f.SplitOffsets) || !reflect.DeepEqual(j.Equality, f.EqualityIDs) ||
			j.Referenced != f.ReferencedDataFile || !reflect.DeepEqual(j.Offset, f.ContentOffset) || len(j.Partition) != len(f.Partition) {
			t.Fatalf("entry %d: fastavro reads %+v, not %+v", i, rows[i], f)
		}
		for k, c := range j.Lower {
			if c.Value != fmt.Sprintf("%x", f.Lower[k].Value) {
				t.Fatalf("entry %d: lower bound %d", i, k)
			}
		}
		if s, ok := j.Partition["s"]; ok && s != nil && s != f.Partition[9] || ok && (s == nil) != (f.Partition[9] == nil) {
			t.Fatalf("entry %d: partition %v, not %v", i, j.Partition, f.Partition)
		}
	}
}

// TestSchemasEqualJava compares the Avro schemas we write with those in
// manifests and lists of the reference implementation.
func TestSchemasEqualJava(t *testing.T) {
	dir := sharedTables(t)
	for _, c := range []struct{ table, want string }{
		{"spark/v2_pos_deletes", must(entrySchema(2, partition.Spec{}, nil))},
		{"spark/v3_dvs", must(entrySchema(3, partition.Spec{}, nil))},
		{"spark/v2_pos_deletes", listSchema(2)},
		{"spark/v3_dvs", listSchema(3)},
		{"spark/odd_names", must(entrySchema(2, partition.Spec{Fields: []partition.Field{
			{FieldID: 1000, Name: "sp ace"}, {FieldID: 1001, Name: "a.b"},
		}}, []schema.Type{schema.String, schema.String}))},
		{"spark/transforms_truncate", must(entrySchema(2, partition.Spec{Fields: []partition.Field{
			{FieldID: 1000, Name: "i_trunc"},
			{FieldID: 1001, Name: "l_trunc"},
			{FieldID: 1002, Name: "dec_trunc"},
			{FieldID: 1003, Name: "s_trunc"},
			{FieldID: 1004, Name: "bin_trunc"},
		}}, []schema.Type{schema.Int, schema.Long, schema.Decimal(9, 2), schema.String, schema.Binary}))},
	} {
		found := 0
		avroFiles(t, filepath.Join(dir, filepath.FromSlash(c.table), "metadata"), func(path, _ string, data []byte) {
			r, err := avrofile.NewReader(data, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := r.Meta("avro.schema"); string(got) == c.want {
				found++
			}
		})
		if found == 0 {
			t.Errorf("%s: no file has the schema\n%s", c.table, c.want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
