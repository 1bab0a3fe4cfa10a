package torture

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var (
	historySeeds   = flag.Int("history.seeds", 2, "histories of TestHistories")
	historySeed    = flag.Uint64("history.seed", 0, "only the history of this seed")
	historyCommits = flag.Int("history.commits", 50, "commits of each committer, those refused not counted")
)

const committers = 8

// TestHistories (C1): eight processes append to one table under random faults
// while others read. The history of what they were told must be that of a set
// that takes one append after the other: porcupine looks for an order in which
// every read saw exactly the appends before it. An append of unknown outcome may
// have happened at any time since it began, or not at all. A run without enough
// conflicts and unknown outcomes proves nothing and fails.
func TestHistories(t *testing.T) {
	first, n := uint64(1), *historySeeds
	if *historySeed != 0 {
		first, n = *historySeed, 1
	}
	if testing.Short() {
		n = 1
	}
	total := &history{}
	var seeds []uint64
	for _, s := range kept(t, "histories") {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, seed)
	}
	for i := range uint64(n) {
		seeds = append(seeds, first+i)
	}
	n = len(seeds)
	for _, seed := range seeds {
		h := newHistory(t, seed)
		h.run()
		h.check()
		total.ops = append(total.ops, h.ops...)
		total.open = append(total.open, h.open...)
		total.never = append(total.never, h.never...)
		total.conflicts += h.conflicts
		total.faults += h.faults
		if t.Failed() {
			keep(t, "histories", fmt.Sprint(seed))
			t.Fatalf("replay with -run TestHistories -history.seed %d (the order of goroutines differs)", seed)
		}
	}
	commits := n * committers * *historyCommits
	conflicts, unknown := total.conflicts, len(total.open)
	testenv.Figures(t, "seeds=%d ops=%d commits=%d faults=%d conflicts=%d%% unknown=%.1f%% refused=%d",
		n, len(total.ops), commits, total.faults, 100*conflicts/commits, 100*float64(unknown)/float64(commits), len(total.never))
	if conflicts*5 < commits || unknown*100 < commits {
		t.Error("fewer than 20 % of the commits met a conflict, or fewer than 1 % ended as unknown: the run proves nothing")
	}
}

// history is one run and what its clients saw.
type history struct {
	t     *testing.T
	ctx   context.Context
	seed  uint64
	inner *faultstore.Past
	clock atomic.Int64 // of calls and returns
	ids   atomic.Int64

	mu        sync.Mutex
	ops       []porcupine.Operation
	open      []porcupine.Operation // of unknown outcome
	never     []int64               // ids whose append was refused
	conflicts int                   // of commits that were not refused
	faults    int

	retried [committers]atomic.Bool // has the commit in progress met a conflict?
}

// event is an append of an id, or, with id 0, a read of a set.
type event struct{ id int64 }

// digest stands for a set of ids.
type digest struct {
	n   int
	sum uint64
}

func (d digest) add(id int64) digest {
	return digest{d.n + 1, d.sum ^ rand.NewPCG(uint64(id), 77).Uint64()}
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, ctx: context.Background(), seed: seed, inner: faultstore.NewPast(objstore.NewMemory(root))}
	w := newWorld(t, h.inner, seed)
	w.must(w.create(2 + int(seed)%2))
	return h
}

// client returns a process of its own with faults.
func (h *history) client(n int) *world {
	w := newWorld(h.t, h.inner, h.seed<<8+uint64(n))
	o := w.options()
	o.Clock = time.Now
	o.Wait = func(ctx context.Context, _ time.Duration) error { runtime.Gosched(); return ctx.Err() }
	o.Events.Retrying = func(string, int, error) {
		h.retried[n].Store(true)
	}
	var err error
	w.tab, err = table.Open(w.ctx, w.cat, tableName, o)
	w.must(err)
	w.fs.Arm(&faultstore.Plan{Seed: w.seed, Rate: 0.012, Burst: 30, Modes: []faultstore.Mode{
		faultstore.Before, faultstore.After, faultstore.Unknown, faultstore.Unknown, faultstore.Late, faultstore.Twice, faultstore.Torn, faultstore.Stale,
	}})
	return w
}

func (h *history) run() {
	var wg sync.WaitGroup
	for n := range committers {
		w := h.client(n)
		wg.Go(func() {
			for i := 0; i < *historyCommits; {
				if !h.append(n, w) {
					continue // nothing happened, and the next one is another append
				}
				i++
				if i%5 == 4 {
					h.read(n)
				}
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, c := range w.fs.Log() {
				if c.Mode != faultstore.None {
					h.faults++
				}
			}
			w.fs.Arm(nil) // late writes land
		})
	}
	wg.Wait()
}

// append reports whether it was not refused.
func (h *history) append(client int, w *world) bool {
	id := h.ids.Add(1)
	op := porcupine.Operation{ClientId: client, Input: event{id}, Call: h.clock.Add(1)}
	err := w.with(&table.WriterOptions{KeepSnapshots: 30}, "", func(wr *table.Writer) error {
		return wr.Append(w.ctx, schema.Row{id, fmt.Sprint("client ", client)})
	})
	op.Return = h.clock.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	conflict := h.retried[client].Swap(false)
	switch {
	case err == nil:
		h.ops = append(h.ops, op)
	case errors.Is(err, catalog.ErrUnknownOutcome):
		h.open = append(h.open, op)
	default:
		h.never = append(h.never, id)
		return false
	}
	if conflict {
		h.conflicts++
	}
	return true
}

// read records what a process with a sound store sees.
func (h *history) read(client int) {
	op := porcupine.Operation{ClientId: client, Input: event{}, Call: h.clock.Add(1)}
	tab, err := table.Open(h.ctx, catalog.NewFiles(h.inner, nil), tableName, nil)
	if err != nil {
		h.t.Error(err)
		return
	}
	rows, err := readRows(h.ctx, tab, "")
	if err != nil {
		h.t.Errorf("read: %v", err)
		return
	}
	op.Return, op.Output = h.clock.Add(1), digestOf(rows)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

func digestOf(rows map[int64]string) (d digest) {
	for id := range rows {
		d = d.add(id)
	}
	return d
}

func (h *history) check() {
	w := newWorld(h.t, h.inner, 0)
	w.must(w.open())
	rows := w.rows("")
	h.read(committers)
	for _, op := range h.ops {
		if id := op.Input.(event).id; id != 0 && rows[id] == "" {
			h.t.Errorf("the append of %d was acknowledged and is lost", id)
		}
	}
	for _, id := range h.never {
		if rows[id] != "" {
			h.t.Errorf("the append of %d was refused and is there", id)
		}
	}
	end := h.clock.Add(1)
	for _, op := range h.open {
		if rows[op.Input.(event).id] != "" {
			op.Return = end
			op.ClientId += committers + int(op.Call) // it never returned: a client of its own
			h.ops = append(h.ops, op)
		}
	}
	model := porcupine.Model{
		Init: func() any { return digest{} },
		Step: func(state, input, output any) (bool, any) {
			if id := input.(event).id; id != 0 {
				return true, state.(digest).add(id)
			}
			return state == output, state
		},
	}
	if r := porcupine.CheckOperationsTimeout(model, h.ops, 5*time.Minute); r != porcupine.Ok {
		h.t.Errorf("the history is not that of a set: %s", r)
	}
	w.fsck(fmt.Sprint("seed ", h.seed))
}

// TestReadSkew (A4): every commit moves an amount from one account to another,
// so that each version has the same sum; scans beside the commits see that sum.
func TestReadSkew(t *testing.T) {
	const accounts = 40
	commits := 120
	if testing.Short() {
		commits = 20
	}
	inner := objstore.NewMemory(root)
	w := newWorld(t, inner, 5)
	w.must(w.create(3))
	money := map[int64]int{}
	all := changes{}
	for id := range int64(accounts) {
		money[id] = 100
		all[id] = "100"
	}
	w.must(w.write(all, "", nil))
	var done atomic.Bool
	var scans atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for last := false; !last; scans.Add(1) {
				last = done.Load()
				tab, err := table.Open(w.ctx, catalog.NewFiles(inner, nil), tableName, nil)
				if err != nil {
					t.Error(err)
					return
				}
				rows, err := readRows(w.ctx, tab, "")
				sum, n := 0, 0
				for _, v := range rows {
					var amount int
					if _, err := fmt.Sscan(v, &amount); err != nil {
						t.Error(err)
					}
					sum, n = sum+amount, n+1
				}
				if err != nil || sum != 100*accounts || n != accounts {
					t.Errorf("a scan saw %d accounts with %d: %v", n, sum, err)
					return
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range commits {
		from, to, amount := r.Int64N(accounts), r.Int64N(accounts), r.IntN(50)
		money[from] -= amount
		money[to] += amount
		w.must(w.write(changes{from: fmt.Sprint(money[from]), to: fmt.Sprint(money[to])}, "", &table.WriterOptions{KeepSnapshots: -1}))
	}
	done.Store(true)
	wg.Wait()
	testenv.Figures(t, "commits=%d scans=%d", commits, scans.Load())
}
