package parquetfile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/schema"
)

// TestWriterDictionaries writes columns of given numbers of distinct values and
// looks at which pages use the dictionary.
func TestWriterDictionaries(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "n", Type: schema.Long}, schema.Field{ID: 2, Name: "i", Type: schema.Int},
		schema.Field{ID: 3, Name: "d", Type: schema.Double}, schema.Field{ID: 4, Name: "s", Type: schema.String})
	for _, c := range []struct {
		name     string
		distinct func(row int) int
		limit    int
		want     string // D if all pages use a dictionary, P if none, DP if the first do
	}{
		{"one", func(int) int { return 1 }, 0, "D"},
		{"two", func(int) int { return 2 }, 0, "D"},
		{"300", func(int) int { return 300 }, 0, "D"},
		{"5000", func(int) int { return 5000 }, 0, "D"},
		{"unique", func(int) int { return 1 << 30 }, 0, "P"},
		{"past the limit", func(row int) int { return 1 + row/10 }, 8_000, "DP"},
		{"unique later", func(row int) int { return []int{100, 1 << 30}[row/12_000] }, 0, "DP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(7, 7))
			rows := make([]schema.Row, 24_000)
			last := 0
			for i := range rows {
				if rnd.IntN(10) > 0 && i/1000%3 == 0 { // runs
					last = rnd.IntN(c.distinct(i))
				} else if i/1000%3 > 0 {
					last = rnd.IntN(c.distinct(i))
				}
				rows[i] = schema.Row{int64(last), int32(last), float64(last), fmt.Sprint("key ", last, strings.Repeat("x", last%30))}
			}
			w := writeRows(t, rnd, s, rows, &WriterOptions{DictionaryBytes: c.limit, KeyColumns: []int{1, 2, 3, 4}})
			checkValues(t, w)
			checkStatistics(t, w)
			checkResult(t, w)
			checkBlooms(t, w, rnd)
			for _, g := range openParquet(t, w.data).Metadata().RowGroups {
				for _, col := range g.Columns {
					got := ""
					for _, e := range col.MetaData.EncodingStats {
						if e.PageType == format.DataPage {
							got += map[format.Encoding]string{format.Plain: "P", format.RLEDictionary: "D"}[e.Encoding]
						}
					}
					if c.limit > 0 && col.MetaData.PathInSchema[0] == "s" {
						continue // already too large in the first page
					}
					if got != c.want || (col.MetaData.DictionaryPageOffset > 0) != strings.Contains(c.want, "D") {
						t.Errorf("%s: pages %s, want %s", col.MetaData.PathInSchema[0], got, c.want)
					}
				}
			}
		})
	}
}

func TestHybrid(t *testing.T) {
	seed := testSeed(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		width := 1 + rnd.IntN(20)
		v := make([]uint32, 1+rnd.IntN(100))
		run := 0
		for i := range v {
			if run > 0 && i > 0 {
				v[i] = v[i-1]
				run--
				continue
			}
			v[i] = rnd.Uint32N(1 << width)
			if rnd.IntN(6) == 0 {
				run = rnd.IntN(40)
			}
		}
		b := appendHybrid(nil, v, width)
		e := rle.Encoding{BitWidth: width}
		got, err := e.DecodeInt32(nil, b)
		if err != nil || len(got) < len(v) {
			t.Fatalf("width %d: %d of %d values, %v", width, len(got), len(v), err)
		}
		for i := range v {
			if uint32(got[i]) != v[i] {
				t.Fatalf("width %d: value %d is %d, want %d", width, i, got[i], v[i])
			}
		}
	}
}

func TestWriterLargeValues(t *testing.T) {
	s := schema.MustNew(schema.Field{ID: 1, Name: "s", Type: schema.String}, schema.Field{ID: 2, Name: "n", Type: schema.Int})
	rnd := rand.New(rand.NewPCG(9, 9))
	var rows []schema.Row
	for i := range 60 {
		b := bytes.Repeat([]byte{byte('a' + i%20)}, rnd.IntN(200_000))
		rows = append(rows, schema.Row{string(b), int32(i)})
	}
	w := writeRows(t, rnd, s, rows, &WriterOptions{PageBytes: 100_000, RowGroupBytes: 1_000_000, DictionaryBytes: 50_000})
	checkValues(t, w)
	checkStatistics(t, w)
	checkResult(t, w)
	groups := openParquet(t, w.data).Metadata().RowGroups
	for _, g := range groups[:len(groups)-1] {
		if g.TotalByteSize < 500_000 || g.TotalByteSize > 3_000_000 {
			t.Errorf("row group of %d bytes", g.TotalByteSize)
		}
	}
	if len(groups) < 4 {
		t.Errorf("%d row groups", len(groups))
	}
}

func TestWriterMetricsModes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	b := batchR6(rnd, 0, 100, 0)
	w, err := NewWriter(io.Discard, schemaR6(), &WriterOptions{Metrics: func(id int) MetricsMode {
		switch id {
		case 1:
			return MetricsMode{}
		case 5:
			return MetricsMode{Counts: true}
		case 6:
			return MetricsMode{Counts: true, Bounds: true}
		}
		return MetricsMode{Counts: true, Bounds: true, Truncate: 4}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	before := w.EstimatedSize()
	r, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if before < 1000 || before > 3*r.FileSize {
		t.Errorf("estimated %d, is %d", before, r.FileSize)
	}
	if len(r.ColumnSizes) != 5 || len(r.ValueCounts) != 5 || len(r.NullCounts) != 5 || len(r.Lower) != 4 || len(r.Upper) != 4 {
		t.Errorf("%+v", r.Metrics)
	}
	if count(r.ValueCounts, 1) != -1 || count(r.ValueCounts, 5) != 100 || bound(r.Lower, 5) != nil || len(bound(r.Lower, 6)) < 16 {
		t.Errorf("%+v", r.Metrics)
	}
}

// TestWriterEstimate watches the estimate while a file grows.
func TestWriterEstimate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	w, err := NewWriter(io.Discard, schemaR6(), &WriterOptions{RowGroupRows: 30_000})
	if err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	for i := range 20 {
		if err := w.Write(context.Background(), batchR6(rnd, int64(i)*5000, 5000, 0.1)); err != nil {
			t.Fatal(err)
		}
		// Before the first page is compressed it can only guess.
		if n := w.EstimatedSize(); n < last && i > 3 {
			t.Errorf("estimate fell from %d to %d", last, n)
		} else {
			last = n
		}
	}
	r, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if float64(last) < 0.8*float64(r.FileSize) || float64(last) > 1.3*float64(r.FileSize) {
		t.Errorf("estimated %d, is %d", last, r.FileSize)
	}
}
