package parquetfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/schema"
)

const benchRows = 1 << 20

// benchFile writes rows of shape R6 to a file on disk.
func benchFile(b *testing.B, opts *WriterOptions) string {
	b.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, schemaR6(), opts)
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := int64(0); i < benchRows; i += 1 << 16 {
		batch := batchR6(rnd, i, 1<<16, 0)
		if err := w.Write(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		batch.Release()
	}
	if _, err := w.Close(); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "r6.parquet")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReadR6 reports CPU nanoseconds a row of the file.
func BenchmarkReadR6(b *testing.B) {
	fields := schemaR6().Fields
	codecs := map[string]Codec{"zstd": Zstd, "snappy": Snappy, "none": Uncompressed}
	for _, name := range []string{"zstd", "snappy", "none"} {
		path := benchFile(b, &WriterOptions{Codec: codecs[name]})
		for _, c := range []struct {
			name   string
			fields []schema.Field
			keep   func(*rand.Rand, int) bool
			sparse bool
		}{
			{"full", fields, nil, false},
			{"columns=2", []schema.Field{fields[1], fields[2]}, nil, false},
			{"column=note", []schema.Field{fields[5]}, nil, false},
			{"column=status", []schema.Field{fields[4]}, nil, false},
			{"select=90%", fields, func(r *rand.Rand, _ int) bool { return r.IntN(10) > 0 }, false},
			{"select=1%", fields, func(r *rand.Rand, _ int) bool { return r.IntN(100) == 0 }, false},
			{"select=1row", fields, func(_ *rand.Rand, i int) bool { return i == 777_777 }, true},
		} {
			b.Run(name+"/"+c.name, func(b *testing.B) {
				rnd := rand.New(rand.NewPCG(3, 4))
				var masks []*bitmap.Bitmap
				if c.keep != nil {
					for i := 0; i < benchRows; i += defaultBatchRows {
						m := bitmap.New(defaultBatchRows)
						for k := range defaultBatchRows {
							if c.keep(rnd, i+k) {
								m.Set(k)
							}
						}
						masks = append(masks, m)
					}
				}
				b.ReportAllocs()
				start := cpuTime(b)
				for b.Loop() {
					readBench(b, path, c.fields, masks, c.sparse)
				}
				b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/benchRows, "cpu-ns/row")
			})
		}
	}
}

func readBench(b *testing.B, path string, fields []schema.Field, masks []*bitmap.Bitmap, sparse bool) {
	ctx := context.Background()
	o, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	f, err := Open(ctx, fileObject{o}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	c, err := f.Read(ctx, &ReadOptions{Fields: fields, Sparse: sparse})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	rows := int64(0)
	for i := 0; ; i++ {
		var m *bitmap.Bitmap
		if masks != nil && i < len(masks) {
			m = masks[i]
		}
		batch, err := c.Next(ctx, m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		rows += batch.NumRows()
		batch.Release()
	}
	if masks == nil && rows != benchRows {
		b.Fatal(rows)
	}
}
