package parquetfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

// restOf reads the fields of a row group that Splice asks for.
func restOf(f *File, s *schema.Schema, group int) func(fields []int) iter.Seq2[arrow.RecordBatch, error] {
	return func(fields []int) iter.Seq2[arrow.RecordBatch, error] {
		return func(yield func(arrow.RecordBatch, error) bool) {
			o := &ReadOptions{RowGroups: []int{group}, BatchRows: 777}
			for _, i := range fields {
				o.Fields = append(o.Fields, s.Fields[i])
			}
			c, err := f.Read(context.Background(), o)
			if err != nil {
				yield(nil, err)
				return
			}
			defer c.Close()
			for {
				_, n := c.Peek()
				if n == 0 {
					return
				}
				b, err := c.Next(context.Background(), nil)
				if !yield(b, err) || err != nil {
					return
				}
				b.Release()
			}
		}
	}
}

// spliced joins a random file with another of its schema and codec, most row
// groups taken over and some rows written between them. It returns how many
// column chunks were taken over.
func spliced(t testing.TB, rnd *rand.Rand, plain bool) (*written, int) {
	t.Helper()
	ctx := context.Background()
	parts := []*written{randomFile(t, rnd, plain)}
	first := parts[0]
	again := *first.opts
	again.PageBytes, again.DictionaryBytes = []int{0, 100}[rnd.IntN(2)], []int{0, 200}[rnd.IntN(2)]
	for range rnd.IntN(3) {
		rows := slices.Clone(first.rows)
		rnd.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		parts = append(parts, writeRows(t, rnd, first.schema, rows[:rnd.IntN(len(rows)+1)], &again))
	}
	var buf bytes.Buffer
	w, err := NewWriter(&buf, first.schema, first.opts)
	if err != nil {
		t.Fatal(err)
	}
	out := &written{schema: first.schema, opts: first.opts}
	taken := 0
	for i, p := range parts {
		f := openBytes(t, fmt.Sprint("part", i), p.data)
		so := &SpliceOptions{NoNaN: func(id int) bool { return count(p.result.NaNCounts, id) == 0 }}
		for _, g := range f.RowGroups() {
			rows := p.rows[g.FirstRow : g.FirstRow+g.Rows]
			if rnd.IntN(4) == 0 {
				if err := w.Write(ctx, makeBatch(t, first.schema, rows)); err != nil {
					t.Fatal(err)
				}
			} else {
				so.Rest = restOf(f, first.schema, g.Index)
				sp, err := w.splicing(f, g.Index, so)
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range sp.leaf {
					if k >= 0 {
						taken++
					}
				}
				if err := w.Splice(ctx, f, g.Index, so); err != nil {
					t.Fatal(err)
				}
			}
			out.rows = append(out.rows, rows...)
		}
	}
	if out.result, err = w.Close(); err != nil {
		t.Fatal(err)
	}
	out.data = buf.Bytes()
	out.shred()
	return out, taken
}

// TestSpliceProperty: files made of others' row groups hold the same rows, and
// what footer, page indexes, bloom filters and metrics say of them is what it
// would be had they been written row by row.
func TestSpliceProperty(t *testing.T) {
	seed := testSeed(t)
	n, taken := 40, 0
	if testing.Short() {
		n = 10
	}
	for i := range n {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		w, some := spliced(t, rnd, false)
		taken += some
		checkWritten(t, i, w, rnd)
	}
	if taken == 0 {
		t.Error("nothing was taken over")
	}
	t.Logf("%d column chunks taken over", taken)
}

func TestSpliceJudges(t *testing.T) {
	python := testenv.Python(t)
	seed := testSeed(t)
	dir := t.TempDir()
	for i := range 15 {
		w, _ := spliced(t, rand.New(rand.NewPCG(seed, uint64(i))), true)
		saveFile(t, dir, fmt.Sprintf("%03d", i), w)
	}
	t.Log(runJudge(t, python, judgeScript, dir))
}

// TestSpliceWhich: which columns are taken over is decided column by column.
func TestSpliceWhich(t *testing.T) {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "price", Type: schema.Double},
		schema.Field{ID: 3, Name: "name", Type: schema.String},
		schema.Field{ID: 4, Name: "n", Type: schema.Int},
	)
	rnd := rand.New(rand.NewPCG(1, 1))
	var rows []schema.Row
	for i := range 1000 {
		rows = append(rows, schema.Row{int64(i), float64(i), fmt.Sprint(i), int32(i)})
	}
	rows[7][3] = nil
	opts := &WriterOptions{KeyColumns: []int{1}}
	w := writeRows(t, rnd, s, rows, opts)
	fresh := func() *File { return openBytes(t, "f", w.data) }
	noNaN := func(int) bool { return true }
	with := func(i int, f func(*schema.Field)) *schema.Schema {
		fields := slices.Clone(s.Fields)
		f(&fields[i])
		return schema.MustNew(fields...)
	}
	cases := []struct {
		name string
		s    *schema.Schema
		opts *WriterOptions
		so   SpliceOptions
		file func(f *File)
		want []int
	}{
		{name: "all", want: nil},
		{name: "renamed", s: with(2, func(f *schema.Field) { f.Name = "title" })},
		{name: "promoted", s: with(3, func(f *schema.Field) { f.Type = schema.Long }), want: []int{3}},
		{name: "became optional", s: with(0, func(f *schema.Field) { f.Required = false }), want: []int{0}},
		{name: "another column", s: with(2, func(f *schema.Field) { f.ID = 9 }), want: []int{2}},
		{name: "key without bloom filter", opts: &WriterOptions{KeyColumns: []int{1, 3}}, want: []int{2}},
		{name: "codec", opts: &WriterOptions{Codec: Snappy}, want: []int{0, 1, 2, 3}},
		{name: "NaN unknown", so: SpliceOptions{NoNaN: func(int) bool { return false }}, want: []int{1}},
		{name: "nulls mean something", so: SpliceOptions{NoNaN: noNaN, NotNull: noNaN}, want: []int{3}},
		{name: "no statistics", file: func(f *File) { f.meta.groups[0].chunks[2].stats = chunkStats{} }, want: []int{2}},
		{name: "no ids", file: withoutIDs, want: []int{0, 1, 2, 3}},
		{name: "old writer", file: func(f *File) { f.meta.createdBy = "parquet-mr version 1.8.1 (build x)" }, want: []int{0, 1, 2, 3}},
		{name: "Java", file: func(f *File) { f.meta.createdBy = "parquet-mr version 1.16.0 (build x)" }},
		{name: "encrypted", file: func(f *File) { f.meta.groups[0].chunks[3].encrypted = true }, want: []int{3}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.s == nil {
				c.s = s
			}
			if c.opts == nil {
				c.opts = opts
			}
			if c.so.NoNaN == nil {
				c.so.NoNaN = noNaN
			}
			f := fresh()
			if c.file != nil {
				c.file(f)
			}
			w, err := NewWriter(new(bytes.Buffer), c.s, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			sp, err := w.splicing(f, 0, &c.so)
			if err != nil || !slices.Equal(sp.rest, c.want) {
				t.Errorf("fields to encode %v, want %v: %v", sp.rest, c.want, err)
			}
			n, err := SpliceableBytes(f, 0, c.s, c.opts, &c.so)
			if err != nil || (n == 0) != (len(c.want) == 4) {
				t.Errorf("%d bytes: %v", n, err)
			}
		})
	}
}

// TestSpliceDamage: a byte changed anywhere in the pages is found, and never
// copied.
func TestSpliceDamage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	s := schemaR6()
	var rows []schema.Row
	b := batchR6(rnd, 0, 3000, 0.1)
	for i := range 3000 {
		r := schema.Row{}
		for k, f := range s.Fields {
			r = append(r, schema.ValueAt(b.Column(k), f.Type, i))
		}
		rows = append(rows, r)
	}
	w := writeRows(t, rnd, s, rows, &WriterOptions{PageBytes: 4000})
	f := openBytes(t, "f", w.data)
	end := f.RowGroups()[0].Offset + f.RowGroups()[0].Size
	for range 200 {
		bad := bytes.Clone(w.data)
		at := f.RowGroups()[0].Offset + rnd.Int64N(end-f.RowGroups()[0].Offset)
		bad[at] ^= byte(1 + rnd.IntN(255))
		var buf bytes.Buffer
		out, err := NewWriter(&buf, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		g := openBytes(t, "bad", bad)
		err = out.Splice(context.Background(), g, 0, &SpliceOptions{Rest: restOf(g, s, 0), NoNaN: func(int) bool { return true }})
		if err == nil && !harmless(t, w, out, &buf) {
			t.Fatalf("byte %d: damage was copied", at)
		}
		if err != nil && !typedError(err) && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d: %v", at, err)
		}
		out.Abort()
	}
}

// harmless reports whether a file reads as w does: the damage was in a part of a
// page header that nothing depends on.
func harmless(t *testing.T, w *written, out *Writer, buf *bytes.Buffer) bool {
	res, err := out.Close()
	if err != nil || res.RecordCount != int64(len(w.rows)) {
		return false
	}
	o := &ReadOptions{Fields: w.schema.Fields}
	want, err := readAll(openBytes(t, "w", w.data), o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(openBytes(t, "copy", buf.Bytes()), o)
	if err != nil {
		return false
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			return false
		}
	}
	return true
}
