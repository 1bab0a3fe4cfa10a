package parquetfile

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/schema"
)

// readCounter counts the reads of an object.
type readCounter struct {
	memObject
	reads atomic.Int64
}

func (o *readCounter) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	o.reads.Add(1)
	return o.memObject.ReadAt(ctx, p, off)
}

// TestLargeBloom: a filter too large to be read at once is read by blocks, until it
// was asked often enough to be kept, and what is kept was counted as memory. One
// whose length the footer does not give is never kept.
func TestLargeBloom(t *testing.T) {
	const rows = 100_000
	s := schema.MustNew(schema.Field{ID: 1, Name: "k", Type: schema.Long, Required: true})
	all := make([]schema.Row, rows)
	for i := range all {
		all[i] = schema.Row{int64(2 * i)}
	}
	var buf bytes.Buffer
	w, err := NewWriter(&buf, s, &WriterOptions{KeyColumns: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	b := makeBatch(t, s, all)
	defer b.Release()
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, told := range []bool{true, false} {
		o := &readCounter{memObject: memObject{"bloom.parquet", buf.Bytes()}}
		f, err := Open(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := &f.meta.groups[0].chunks[0]
		if c.bloomLength <= bloomWhole || f.Meta().MemoryBytes() < int64(c.bloomLength) {
			t.Fatalf("a filter of %d bytes, %d counted", c.bloomLength, f.Meta().MemoryBytes())
		}
		if !told {
			c.bloomLength = 0
		}
		absent := 0
		ask := func(n int) int64 {
			before := o.reads.Load()
			var g errgroup.Group
			for i := range n {
				g.Go(func() error {
					if ok, err := f.MightContain(t.Context(), 0, 1, int64(2*i)); err != nil || !ok {
						return fmt.Errorf("%d: %v, %v", 2*i, ok, err)
					}
					return nil
				})
				if ok, err := f.MightContain(t.Context(), 0, 1, int64(2*i+1)); err != nil {
					t.Fatal(err)
				} else if !ok {
					absent++
				}
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			return o.reads.Load() - before
		}
		ask(bloomProbes)
		if n := ask(100); told != (n == 0) {
			t.Errorf("length told %v: %d reads for 200 questions", told, n)
		}
		if absent < 80 {
			t.Errorf("only %d of 108 values that are not there are ruled out", absent)
		}
	}
}
