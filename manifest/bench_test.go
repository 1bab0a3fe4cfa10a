package manifest

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// benchManifest makes a manifest of n files over 20 partitions, with statistics
// of six columns.
func benchManifest(b *testing.B, n int) ([]byte, *File, WriterOptions) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long}, schema.Field{ID: 2, Name: "a", Type: schema.String},
		schema.Field{ID: 3, Name: "b", Type: schema.Double}, schema.Field{ID: 4, Name: "c", Type: schema.Timestamp},
		schema.Field{ID: 5, Name: "d", Type: schema.Int}, schema.Field{ID: 6, Name: "e", Type: schema.String},
	)
	o := WriterOptions{FormatVersion: 2, Schema: s, Kind: Data, SnapshotID: 1, Spec: partition.Spec{ID: 1, Fields: []partition.Field{
		{SourceIDs: []int{5}, FieldID: 1000, Name: "d", Transform: partition.Transform{Kind: partition.IdentityTransform}},
	}}}
	w, err := NewWriter(o)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if err := w.Append(benchEntry(i)); err != nil {
			b.Fatal(err)
		}
	}
	data, f, err := w.Close()
	if err != nil {
		b.Fatal(err)
	}
	f.SequenceNumber = 5
	return data, f, o
}

func benchEntry(i int) *Entry {
	f := &DataFile{
		Path:   fmt.Sprintf("s3://bucket/warehouse/db/table/data/d=%d/%05d-%d-0b5c9f5e-7a3a-4c7e-9d3c-2a6c7d1e2f3a-00001.parquet", i*20/100000, i, i*7),
		Format: FormatParquet, Partition: partition.Tuple{int32(i * 20 / 100000)}, RecordCount: int64(1000 + i), FileSize: 12345678 + int64(i),
		SplitOffsets: []int64{4, 4 << 20},
	}
	for id := 1; id <= 6; id++ {
		f.ColumnSizes = append(f.ColumnSizes, Count{id, int64(i * id)})
		f.ValueCounts = append(f.ValueCounts, Count{id, int64(1000 + i)})
		f.NullCounts = append(f.NullCounts, Count{id, 0})
		f.Lower = append(f.Lower, Bound{id, binary.LittleEndian.AppendUint64(nil, uint64(i*id))})
		f.Upper = append(f.Upper, Bound{id, binary.LittleEndian.AppendUint64(nil, uint64(i*id+7))})
	}
	return &Entry{Status: StatusAdded, SequenceNumber: Unassigned, File: f}
}

func BenchmarkReadManifest(b *testing.B) {
	const n = 20_000
	data, f, o := benchManifest(b, n)
	types := o.Spec.Types(o.Schema)
	for _, c := range []struct {
		name string
		opts ReadOptions
		all  bool
	}{
		{"stats=none", ReadOptions{}, false},
		{"stats=none/kept", ReadOptions{}, true},
		{"stats=one", ReadOptions{Stats: StatsAll, StatsFields: []int{1}}, false},
		{"stats=all", ReadOptions{Stats: StatsAll}, false},
		{"stats=all/kept", ReadOptions{Stats: StatsAll}, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.opts.Spec, c.opts.PartitionTypes, c.opts.Schemas = &o.Spec, types, &Schemas{}
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				if c.all {
					all, err := ReadAll(data, f, &c.opts)
					if err != nil {
						b.Fatal(err)
					}
					got = len(all)
				} else {
					for _, err := range Read(data, f, &c.opts) {
						if err != nil {
							b.Fatal(err)
						}
						got++
					}
				}
				if got != n {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
		})
	}
	for _, fields := range [][]int{nil, {1}} {
		b.Run(fmt.Sprint("pack", fields), func(b *testing.B) {
			opts := &ReadOptions{Spec: &o.Spec, PartitionTypes: types, Schemas: &Schemas{}, StatsFields: fields}
			b.ReportAllocs()
			for b.Loop() {
				p, err := Pack(data, f, opts)
				if err != nil || p.Len() != n {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
		})
	}
	b.Run("packed-entries", func(b *testing.B) {
		p, err := Pack(data, f, &ReadOptions{Spec: &o.Spec, PartitionTypes: types})
		if err != nil {
			b.Fatal(err)
		}
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		b.ReportAllocs()
		for b.Loop() {
			for i := 0; i < n; i += 4000 {
				p.Entries(all[i : i+4000])
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
	})
	small, sf, _ := benchManifest(b, 1)
	b.Run("one-file", func(b *testing.B) {
		opts := &ReadOptions{Spec: &o.Spec, PartitionTypes: types, Schemas: &Schemas{}}
		b.ReportAllocs()
		for b.Loop() {
			for _, err := range Read(small, sf, opts) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkWriteManifest(b *testing.B) {
	entries := make([]*Entry, 2000)
	for i := range entries {
		entries[i] = benchEntry(i)
	}
	_, _, o := benchManifest(b, 1)
	for _, n := range []int{1, len(entries)} {
		b.Run(fmt.Sprint("files=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w, err := NewWriter(o)
				if err != nil {
					b.Fatal(err)
				}
				for _, e := range entries[:n] {
					if err := w.Append(e); err != nil {
						b.Fatal(err)
					}
				}
				if _, _, err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
		})
	}
}
