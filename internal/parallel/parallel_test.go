package parallel

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
)

func numbers(n int, err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

var errTest = errors.New("test")

func TestOrdered(t *testing.T) {
	for _, ahead := range []int{0, 1, 3, 100} {
		var running, most atomic.Int64
		square := func(_ context.Context, i int) (int, error) {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			defer running.Add(-1)
			return i * i, nil
		}
		i := 0
		for r, err := range Ordered(context.Background(), ahead, numbers(50, nil), square) {
			if err != nil || r != i*i {
				t.Fatalf("ahead %d: result %d is %d, %v", ahead, i, r, err)
			}
			i++
		}
		if i != 50 || most.Load() > int64(max(ahead, 1)) {
			t.Errorf("ahead %d: %d results, %d at a time", ahead, i, most.Load())
		}
	}
}

// TestOrderedEnds checks that errors come in their turn and end it, and that
// nothing runs on after a stop.
func TestOrderedEnds(t *testing.T) {
	var running atomic.Int64
	f := func(ctx context.Context, i int) (int, error) {
		running.Add(1)
		defer running.Add(-1)
		switch {
		case i == 7:
			return 0, errTest
		case i > 7:
			<-ctx.Done() // cancelled when the consumer is through
			return 0, ctx.Err()
		}
		return i, nil
	}
	n := 0
	var got error
	for _, err := range Ordered(context.Background(), 4, numbers(100, nil), f) {
		if got = err; err == nil {
			n++
		}
	}
	if n != 7 || !errors.Is(got, errTest) || running.Load() != 0 {
		t.Errorf("%d results, error %v, %d running", n, got, running.Load())
	}
	n = 0
	for range Ordered(context.Background(), 4, numbers(5, nil), f) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 || running.Load() != 0 {
		t.Errorf("%d results after a stop, %d running", n, running.Load())
	}
	n = 0
	for _, err := range Ordered(context.Background(), 4, numbers(3, errTest), f) {
		if got = err; err == nil {
			n++
		}
	}
	if n != 3 || !errors.Is(got, errTest) {
		t.Errorf("%d results, error %v of the items", n, got)
	}
}
