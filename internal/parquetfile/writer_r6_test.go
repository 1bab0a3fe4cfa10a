package parquetfile

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/schema"
)

// schemaR6 is the row shape of the append benchmark.
func schemaR6() *schema.Schema {
	return schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "customer", Type: schema.Long},
		schema.Field{ID: 3, Name: "amount", Type: schema.Double},
		schema.Field{ID: 4, Name: "ts", Type: schema.Timestamp},
		schema.Field{ID: 5, Name: "status", Type: schema.String},
		schema.Field{ID: 6, Name: "note", Type: schema.String},
	)
}

// batchR6 makes n rows; nulls is the share of nulls in optional columns.
func batchR6(rnd *rand.Rand, first int64, n int, nulls float64) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(schemaR6()))
	status := []string{"new", "paid", "packed", "shipped", "delivered", "returned", "lost"}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	note := make([]byte, 24)
	put := func(k int, set func()) {
		if nulls > 0 && rnd.Float64() < nulls {
			b.Field(k).AppendNull()
		} else {
			set()
		}
	}
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(first + int64(i))
		put(1, func() { b.Field(1).(*array.Int64Builder).Append(rnd.Int64N(100_000)) })
		put(2, func() { b.Field(2).(*array.Float64Builder).Append(float64(rnd.IntN(1_000_000)) / 100) })
		put(3, func() {
			b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(1_700_000_000_000_000 + (first+int64(i))*1000 + rnd.Int64N(1000)))
		})
		put(4, func() { b.Field(4).(*array.StringBuilder).Append(status[rnd.IntN(len(status))]) })
		put(5, func() {
			w := note[:16+rnd.IntN(9)]
			for j := range w {
				w[j] = letters[rnd.IntN(len(letters))]
			}
			b.Field(5).(*array.StringBuilder).Append(string(w))
		})
	}
	return b.NewRecordBatch()
}

func cpuNanos() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkWriteR6 writes rows of the R6 shape; an iteration is 1 Mi rows. It
// reports the CPU time of the process a row, and the size of the file.
func BenchmarkWriteR6(b *testing.B) {
	var batches []arrow.RecordBatch
	rnd := rand.New(rand.NewPCG(1, 2))
	const per = 1 << 16
	for i := range 16 {
		batches = append(batches, batchR6(rnd, int64(i*per), per, 0))
	}
	for _, codec := range []struct {
		name string
		c    Codec
	}{{"snappy", Snappy}, {"zstd", Zstd}, {"none", Uncompressed}} {
		for _, keys := range [][]int{nil, {1}} {
			name := codec.name
			if keys != nil {
				name += "-key"
			}
			b.Run(name, func(b *testing.B) {
				var size, rows int64
				cpu := cpuNanos()
				b.ReportAllocs()
				for b.Loop() {
					w, err := NewWriter(io.Discard, schemaR6(), &WriterOptions{Codec: codec.c, KeyColumns: keys})
					if err != nil {
						b.Fatal(err)
					}
					for _, x := range batches {
						if err := w.Write(context.Background(), x); err != nil {
							b.Fatal(err)
						}
					}
					r, err := w.Close()
					if err != nil {
						b.Fatal(err)
					}
					size, rows = r.FileSize, rows+r.RecordCount
				}
				b.ReportMetric(float64(cpuNanos()-cpu)/float64(rows), "cpu-ns/row")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "wall-ns/row")
				b.ReportMetric(float64(size)/1e6, "MB")
			})
		}
	}
}

// benchWrite writes a batch again and again, 16 times a file.
func benchWrite(b *testing.B, s *schema.Schema, batch arrow.RecordBatch) {
	var rows int64
	cpu := cpuNanos()
	for b.Loop() {
		w, err := NewWriter(io.Discard, s, &WriterOptions{Codec: Snappy})
		if err != nil {
			b.Fatal(err)
		}
		for range 16 {
			if err := w.Write(context.Background(), batch); err != nil {
				b.Fatal(err)
			}
		}
		r, err := w.Close()
		if err != nil {
			b.Fatal(err)
		}
		rows += r.RecordCount
	}
	b.ReportMetric(float64(cpuNanos()-cpu)/float64(rows), "cpu-ns/row")
}

func BenchmarkWriteR6Nulls(b *testing.B) {
	benchWrite(b, schemaR6(), batchR6(rand.New(rand.NewPCG(1, 2)), 0, 1<<16, 0.1))
}

// BenchmarkWriteNested writes a struct of two fields, a list of some three
// longs and a map of some three entries a row.
func BenchmarkWriteNested(b *testing.B) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "st", Type: schema.Struct(
			schema.Field{ID: 2, Name: "a", Type: schema.Long}, schema.Field{ID: 3, Name: "b", Type: schema.String})},
		schema.Field{ID: 4, Name: "l", Type: schema.List(schema.Field{ID: 5, Type: schema.Long})},
		schema.Field{ID: 6, Name: "m", Type: schema.Map(
			schema.Field{ID: 7, Type: schema.String}, schema.Field{ID: 8, Type: schema.Double})})
	rnd := rand.New(rand.NewPCG(1, 2))
	rows := make([]schema.Row, 1<<15)
	for i := range rows {
		var l []any
		var m schema.MapValue
		for k := range rnd.IntN(7) {
			l = append(l, rnd.Int64N(1e6))
			m.Keys, m.Values = append(m.Keys, fmt.Sprint("key", k)), append(m.Values, rnd.Float64())
		}
		rows[i] = schema.Row{schema.Row{rnd.Int64(), fmt.Sprint("value ", rnd.IntN(1000))}, l, m}
		if rnd.IntN(10) == 0 {
			rows[i][rnd.IntN(3)] = nil
		}
	}
	benchWrite(b, s, makeBatch(b, s, rows))
}

// BenchmarkWriteSmall writes files of ten rows, as small commits do.
func BenchmarkWriteSmall(b *testing.B) {
	batch := batchR6(rand.New(rand.NewPCG(1, 2)), 0, 10, 0)
	b.ReportAllocs()
	var size int64
	for b.Loop() {
		w, err := NewWriter(io.Discard, schemaR6(), &WriterOptions{KeyColumns: []int{1}})
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Write(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		r, err := w.Close()
		if err != nil {
			b.Fatal(err)
		}
		size = r.FileSize
	}
	b.ReportMetric(float64(size), "bytes")
}

// BenchmarkWriteR6Stream writes 5 million rows to one file, made as they are
// needed, and reports the peak resident memory of the process.
func BenchmarkWriteR6Stream(b *testing.B) {
	for b.Loop() {
		f, err := os.Create(filepath.Join(b.TempDir(), "r6.parquet"))
		if err != nil {
			b.Fatal(err)
		}
		w, err := NewWriter(f, schemaR6(), &WriterOptions{Codec: Snappy, KeyColumns: []int{1}})
		if err != nil {
			b.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := int64(0); i < 5_000_000; i += 50_000 {
			if err := w.Write(context.Background(), batchR6(rnd, i, 50_000, 0.05)); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Close(); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
			var kb float64
			if _, err := fmt.Sscan(after, &kb); err == nil {
				b.ReportMetric(kb/1000, "peak-MB")
			}
		}
	}
}
