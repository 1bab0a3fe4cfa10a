package parquetfile

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// team runs a writer's columns on a bounded number of goroutines. They live
// only as long as a call of run.
type team struct {
	workers []*worker
	spent   []time.Duration // by column, to start the dear ones first
	order   []int
}

func (t *team) init(n int, c compression) {
	for range n {
		t.workers = append(t.workers, &worker{compression: c})
	}
}

// release ends the team.
func (t *team) release() {
	for _, wk := range t.workers {
		wk.release()
	}
	*t = team{}
}

// smallWork is how many values are encoded faster than goroutines start.
const smallWork = 4096

// run calls do for columns 0 to n, on one goroutine when the work is small,
// and returns the first error.
func (t *team) run(n, work int, do func(i int, wk *worker) error) error {
	if n <= 1 || work < smallWork || len(t.workers) == 1 {
		for i := range n {
			if err := do(i, t.workers[0]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(t.order) != n {
		t.order, t.spent = make([]int, n), make([]time.Duration, n)
		for i := range t.order {
			t.order[i] = i
		}
	}
	slices.SortStableFunc(t.order, func(a, b int) int { return cmp.Compare(t.spent[b], t.spent[a]) })
	var next atomic.Int64
	var failed atomic.Pointer[error]
	body := func(wk *worker) {
		for failed.Load() == nil {
			k := int(next.Add(1)) - 1
			if k >= n {
				return
			}
			i := t.order[k]
			start := time.Now()
			if err := do(i, wk); err != nil {
				failed.CompareAndSwap(nil, &err)
				return
			}
			t.spent[i] = time.Since(start)
		}
	}
	var wg sync.WaitGroup
	for _, wk := range t.workers[1:min(len(t.workers), n)] {
		wg.Go(func() { body(wk) })
	}
	body(t.workers[0])
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
