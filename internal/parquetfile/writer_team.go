package parquetfile

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// team runs a writer's columns on a bounded number of goroutines, which live
// only as long as a call of run. Workers take columns, the dearest first; those
// that find none left compress pages of the columns still being encoded.
type team struct {
	compression compression
	workers     []*worker
	spent       []time.Duration // by column
	order       []int

	jobs chan *pageJob
	idle atomic.Int32 // workers that wait for jobs

	mu   sync.Mutex
	bufs [][]byte // of finished jobs
}

// pageJob is an encoded page to be compressed.
type pageJob struct {
	page      pageRecord
	raw, body []byte
	err       error
	done      chan struct{} // closed when body or err is set
}

// smallWork is how many values are encoded faster than goroutines start, and
// smallPage how many bytes are compressed faster than handed over.
const (
	smallWork = 4096
	smallPage = 16 << 10
)

func (t *team) init(n int, c compression) {
	t.compression = c
	t.jobs = make(chan *pageJob, 2*n)
	for range n {
		t.workers = append(t.workers, &worker{team: t})
	}
}

// release gives back what the team holds; it is not used again.
func (t *team) release() {
	for _, wk := range t.workers {
		wk.release()
	}
	t.workers, t.bufs = nil, nil
}

// run calls do for columns 0 to n, on one goroutine when the work is small,
// and returns the first error.
func (t *team) run(n, work int, do func(i int, wk *worker) error) error {
	if n == 0 {
		return nil
	}
	if work < smallWork || len(t.workers) == 1 {
		for i := range n {
			if err := do(i, t.workers[0]); err != nil {
				return err
			}
		}
		return nil
	}
	t.sort(n)
	var next, left atomic.Int64
	left.Store(int64(n))
	var failed atomic.Pointer[error]
	finished := make(chan struct{})
	finish := sync.OnceFunc(func() { close(finished) })
	body := func(wk *worker) {
		for failed.Load() == nil {
			k := int(next.Add(1)) - 1
			if k >= n {
				break
			}
			i := t.order[k]
			start := time.Now()
			if err := do(i, wk); err != nil {
				failed.CompareAndSwap(nil, &err)
				finish()
			}
			t.spent[i] = time.Since(start)
			if left.Add(-1) == 0 {
				finish()
			}
		}
		wk.help(finished)
	}
	var wg sync.WaitGroup
	for _, wk := range t.workers[1:] {
		wg.Go(func() { body(wk) })
	}
	body(t.workers[0])
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// sort puts the columns that took longest first.
func (t *team) sort(n int) {
	if len(t.order) != n {
		t.order, t.spent = make([]int, n), make([]time.Duration, n)
		for i := range t.order {
			t.order[i] = i
		}
	}
	slices.SortStableFunc(t.order, func(a, b int) int { return cmp.Compare(t.spent[b], t.spent[a]) })
}

// help compresses pages until finished is closed.
func (wk *worker) help(finished <-chan struct{}) {
	t := wk.team
	t.idle.Add(1)
	defer t.idle.Add(-1)
	for {
		select {
		case j := <-t.jobs:
			t.idle.Add(-1)
			wk.compressJob(j)
			t.idle.Add(1)
		case <-finished:
			return
		}
	}
}

// offer makes a job of the page in wk.raw if some worker is idle. When queued,
// earlier pages of the column are still out: then the page becomes a job in
// any case, to stay in order. It returns nil if the caller is to compress.
func (wk *worker) offer(p pageRecord, queued bool) *pageJob {
	t := wk.team
	share := t.idle.Load() > 0 && len(wk.raw) >= smallPage
	if !share && !queued {
		return nil
	}
	j := &pageJob{page: p, raw: wk.raw, done: make(chan struct{})}
	wk.raw = t.buffer()
	if share {
		select {
		case t.jobs <- j:
			return j
		default:
		}
	}
	wk.compressJob(j)
	return j
}

// compressJob compresses a job's page into memory that is the job's own.
func (wk *worker) compressJob(j *pageJob) {
	own, buf := wk.packed, wk.team.buffer()
	wk.packed = buf
	j.body, j.err = wk.compress(j.raw)
	wk.packed = own
	if sameMemory(j.body, j.raw) {
		wk.team.keep(buf)
	}
	close(j.done)
}

// await returns once j is done; meanwhile it does other jobs.
func (wk *worker) await(j *pageJob) {
	for {
		select {
		case <-j.done:
			return
		case other := <-wk.team.jobs:
			wk.compressJob(other)
		}
	}
}

// buffer returns memory of a finished job.
func (t *team) buffer() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.bufs); n > 0 {
		b := t.bufs[n-1]
		t.bufs = t.bufs[:n-1]
		return b
	}
	return nil
}

// keep takes memory for later jobs.
func (t *team) keep(b []byte) {
	if cap(b) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bufs = append(t.bufs, b[:0])
}

// recycle takes back the memory of a job, whose body may be its raw bytes.
func (t *team) recycle(j *pageJob) {
	t.keep(j.raw)
	if !sameMemory(j.body, j.raw) {
		t.keep(j.body)
	}
}

func sameMemory(a, b []byte) bool { return len(a) > 0 && len(b) > 0 && &a[0] == &b[0] }
