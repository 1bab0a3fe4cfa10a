package compaction

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/frazildb/frazil/objstore"
)

// TestPacer: by its own clock work takes its share of the time and its rate of
// bytes, whichever is less, and a pause ends with its context.
func TestPacer(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		share float64
		rate  int64
		want  time.Duration // of 100 steps of 10 ms and 1,000 bytes each
	}{
		{0.5, 0, 2 * time.Second},
		{0.25, 0, 4 * time.Second},
		{0, 20_000, 5 * time.Second},
		{0.5, 20_000, 5 * time.Second},
		{0.1, 20_000, 10 * time.Second},
		{0, 200_000, time.Second},
	} {
		now := time.Unix(0, 0)
		p := newPacer(c.share, c.rate)
		p.now = func() time.Time { return now }
		p.wait = func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }
		p.begin()
		for range 100 {
			now = now.Add(10 * time.Millisecond)
			if err := p.pay(ctx, 1000); err != nil {
				t.Fatal(err)
			}
		}
		if took := now.Sub(time.Unix(0, 0)); took < c.want-100*time.Millisecond || took > c.want+100*time.Millisecond {
			t.Errorf("share %v, rate %d: took %v, want %v", c.share, c.rate, took, c.want)
		}
	}
	if newPacer(0, 0) != nil || newPacer(1, 0) != nil {
		t.Error("paced for nothing")
	}
	var none *pacer
	none.begin()
	if err := none.pay(ctx, 1); err != nil {
		t.Error(err)
	}
}

// TestPacedStore: every byte read and written through the store is paid for.
func TestPacedStore(t *testing.T) {
	ctx := t.Context()
	now := time.Unix(0, 0)
	p := newPacer(0, 1000)
	p.now = func() time.Time { return now }
	p.wait = func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }
	s := p.store(objstore.NewMemory("mem://pace"))
	p.begin()
	data := bytes.Repeat([]byte("x"), 1000)
	w, err := s.Create(ctx, "mem://pace/a", nil)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, "mem://pace/b", data, nil); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(ctx, "mem://pace/a")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := o.ReadAt(ctx, make([]byte, 1000), 0); err != nil {
		t.Fatal(err)
	}
	if took := now.Sub(time.Unix(0, 0)); took != 3*time.Second {
		t.Errorf("3,000 bytes took %v", took)
	}
	failed := errors.New("stopped")
	p.wait = func(context.Context, time.Duration) error { return failed }
	if _, err := o.ReadAt(ctx, data, 0); !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := s.Put(ctx, "mem://pace/c", data, nil); !errors.Is(err, failed) {
		t.Error(err)
	}
}
