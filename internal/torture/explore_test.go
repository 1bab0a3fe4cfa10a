package torture

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

var (
	exploreOps         = flag.Int("explore.ops", 0, "operations of each writer in TestInterleavings; 0: one each with up to 2 changes of turns, and slices of the rest")
	explorePreemptions = flag.Int("explore.preemptions", 3, "how often the turn changes, at most")
	exploreSlice       = flag.String("explore.slice", "", "i/n: only every nth case, from the ith")
	exploreOnly        = flag.String("explore.only", "", "one schedule, as TestInterleavings prints it")
)

// move is what a writer of the explorer does; all are of one kind.
type move string

var moves = []move{"append", "upsert 1", "delete 1", "upsert 2", "compact", "expire"}

// TestInterleavings (C3) runs two writers of a table under every schedule with up
// to three changes of turns. Whatever the schedule, each commit is made exactly
// once, and every version of the table equals a map to which the changes were
// applied in the order of the commits.
func TestInterleavings(t *testing.T) {
	e := &explorer{t: t, limit: *explorePreemptions, images: [2]image{exploreBase(t, 2), exploreBase(t, 3)}}
	for _, s := range kept(t, "interleavings") {
		c, at := parseSchedule(t, s)
		e.once(c, at)
	}
	switch {
	case *exploreOnly != "":
		c, at := parseSchedule(t, *exploreOnly)
		e.once(c, at)
	case *exploreOps > 0:
		e.all(cases(*exploreOps), 1)
	case testing.Short():
		e.limit = 1
		e.all(every(cases(1), 11), 1)
	default:
		e.limit = min(e.limit, 2)
		e.all(cases(1), 1)
		e.limit = *explorePreemptions
		e.all(every(cases(1), 7), 2)
		e.all(every(cases(3), 2999), 2)
	}
	testenv.Figures(t, "ops=%d schedules=%d commits=%d conflicts=%d refused=%d", e.cases.Load(), e.schedules.Load(), e.commits.Load(), e.retries.Load(), e.refused.Load())
	if e.schedules.Load() > 100 && e.retries.Load() == 0 {
		t.Error("no writer ever met a conflict")
	}
}

// exploreCase is what the two writers do, and in which format version.
type exploreCase struct {
	version int
	moves   [2][]move
}

// cases are all combinations of n moves for each of two writers.
func cases(n int) (out []exploreCase) {
	seqs := [][]move{nil}
	for range n {
		var next [][]move
		for _, s := range seqs {
			for _, m := range moves {
				next = append(next, append(slices.Clone(s), m))
			}
		}
		seqs = next
	}
	for i, a := range seqs {
		for j, b := range seqs {
			out = append(out, exploreCase{2 + (i+j)%2, [2][]move{a, b}})
		}
	}
	if *exploreSlice != "" {
		var i, n int
		if _, err := fmt.Sscanf(*exploreSlice, "%d/%d", &i, &n); err != nil || n < 1 || i < 0 || i >= n {
			panic("-explore.slice is i/n with 0 <= i < n")
		}
		out = every(out[i:], n)
	}
	return out
}

// schedule writes a case and its changes of turns.
func (c exploreCase) schedule(at []int) string {
	return fmt.Sprintf("v%d/%s/%s/%s", c.version, commas(c.moves[0]), commas(c.moves[1]), commas(at))
}

func commas[T any](list []T) string {
	texts := make([]string, len(list))
	for i, x := range list {
		texts[i] = fmt.Sprint(x)
	}
	return strings.Join(texts, ",")
}

func parseSchedule(t *testing.T, s string) (c exploreCase, at []int) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 {
		t.Fatalf("schedule %q is not version/moves/moves/steps", s)
	}
	c.version, _ = strconv.Atoi(parts[0][1:])
	for i := range c.moves {
		for m := range strings.SplitSeq(parts[i+1], ",") {
			c.moves[i] = append(c.moves[i], move(m))
		}
	}
	for n := range strings.SplitSeq(parts[3], ",") {
		if i, err := strconv.Atoi(n); err == nil {
			at = append(at, i)
		}
	}
	return c, at
}

// explorer counts what it has done.
type explorer struct {
	t      *testing.T
	limit  int
	images [2]image
	keep   sync.Once

	cases, schedules, commits, retries, refused atomic.Int64
}

func exploreBase(t *testing.T, version int) image {
	w := newWorld(t, objstore.NewMemory(root), 1)
	w.must(w.create(version))
	for _, n := range []int64{1, 2} {
		w.must(w.write(exploreMade[n], "", nil))
	}
	return imageOf(t, w.inner)
}

// exploreMade are the commits of the state at the start.
var exploreMade = map[int64]changes{1: {1: "base", 2: "base"}, 2: {3: "base", 2: "newer"}}

// all explores cases on two processors; of the schedules it takes each nth.
func (e *explorer) all(cs []exploreCase, nth int) {
	var wg sync.WaitGroup
	next := make(chan exploreCase)
	for range 2 {
		wg.Go(func() {
			for c := range next {
				count := 0
				e.from(c, nil, nth, &count)
				e.cases.Add(1)
			}
		})
	}
	for _, c := range cs {
		if e.t.Failed() {
			break
		}
		next <- c
	}
	close(next)
	wg.Wait()
}

// from explores the schedules that begin with the changes of turns at. Whatever
// follows the last change is the same as without it, so that each further one is
// tried at every step after it.
func (e *explorer) from(c exploreCase, at []int, nth int, count *int) {
	open := e.once(c, at)
	*count++
	if len(at) == e.limit || e.t.Failed() {
		return
	}
	last := 0
	if len(at) > 0 {
		last = at[len(at)-1]
	}
	step := 1
	if nth > 1 { // a slice: few steps at each depth, other ones each time
		step = max(1, len(open)/4)
	}
	for i := *count % step; i < len(open); i += step {
		if open[i] > last {
			e.from(c, append(slices.Clone(at), open[i]), nth, count)
		}
	}
}

// duel is one run.
type duel struct {
	e    *explorer
	what string
	w    [2]*world
	mu   sync.Mutex
	// made are the changes by the sequence number of their commit.
	made map[int64]changes
}

// once runs one schedule and returns the steps at which the turn could have
// changed.
func (e *explorer) once(c exploreCase, at []int) []int {
	d := &duel{e: e, what: c.schedule(at), made: maps.Clone(exploreMade)}
	inner := e.images[c.version-2].store(e.t, root)
	ts := newTurns(at)
	var stores [2]*turnStore
	for i := range d.w {
		stores[i] = &turnStore{Store: inner, t: ts, writer: i, deletes: slices.Contains(append(slices.Clone(c.moves[0]), c.moves[1]...), "expire")}
		d.w[i] = newWorld(e.t, stores[i], uint64(10+i))
		if err := d.w[i].open(); err != nil {
			e.t.Error(err)
			return nil
		}
		d.w[i].fs.Arm(nil)
	}
	var wg sync.WaitGroup
	for i := range d.w {
		stores[i].on = true
		wg.Go(func() {
			ts.run(i, func() {
				for n, m := range c.moves[i] {
					d.move(i, n, m)
				}
			})
		})
	}
	wg.Wait()
	d.check(inner)
	e.schedules.Add(1)
	if e.t.Failed() {
		e.t.Logf("replay with -run TestInterleavings -explore.only %q", d.what)
		e.keep.Do(func() { keep(e.t, "interleavings", d.what) })
	}
	return ts.open
}

// move makes one move of a writer.
func (d *duel) move(writer, n int, m move) {
	w := d.w[writer]
	value := fmt.Sprintf("%d.%d", writer, n)
	var err error
	switch m {
	case "append":
		err = d.commit(writer, changes{int64(100 + 10*writer + n): value}, true)
	case "upsert 1":
		err = d.commit(writer, changes{1: value}, false)
	case "upsert 2":
		err = d.commit(writer, changes{2: value}, false)
	case "delete 1":
		err = d.commit(writer, changes{1: ""}, false)
	case "compact":
		_, err = compaction.Compact(w.ctx, w.tab, &compaction.Options{MaxRounds: 1})
	case "expire":
		_, err = compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{
			Policy: snapshot.ExpirePolicy{OnlyCount: true, KeepLast: 2}, Workers: 1,
		})
	}
	switch {
	case err == nil:
	case (m == "compact" || m == "expire") && (errors.Is(err, objstore.ErrNotFound) || errors.Is(err, metadata.ErrStale)):
		d.e.refused.Add(1) // its snapshot was expired under it
	default:
		d.e.t.Errorf("%s: writer %d: %s: %v", d.what, writer, m, err)
	}
}

func (d *duel) commit(writer int, c changes, blind bool) error {
	w := d.w[writer]
	wr, err := w.tab.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
	if err != nil {
		return err
	}
	defer wr.Close()
	if blind {
		for id, v := range c {
			err = errors.Join(err, wr.Append(w.ctx, schema.Row{id, v}))
		}
	} else {
		err = w.fill(wr, c)
	}
	if err != nil {
		return err
	}
	base := w.tab.Metadata().LastSequenceNumber
	snap, err := wr.Commit(w.ctx, nil)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made[snap.SequenceNumber] != nil {
		d.e.t.Errorf("%s: two commits with sequence number %d", d.what, snap.SequenceNumber)
	}
	d.made[snap.SequenceNumber] = c
	d.e.commits.Add(1)
	if snap.SequenceNumber > base+1 {
		d.e.retries.Add(1)
	}
	return nil
}

// check compares every version that is left with the reference.
func (d *duel) check(inner objstore.Store) {
	t := d.e.t
	w := newWorld(t, inner, 99)
	if err := w.open(); err != nil {
		t.Errorf("%s: %v", d.what, err)
		return
	}
	m := w.tab.Metadata()
	seen := 0
	for s := m.Current(); s != nil; {
		want := d.reference(s.SequenceNumber)
		got, err := readScan(w.ctx, w.tab, &scan.Options{SnapshotID: &s.ID})
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: version %d: %v\n got %s\nwant %s", d.what, s.SequenceNumber, err, text(got), text(want))
		}
		seen++
		if s.ParentID == nil {
			break
		}
		s = m.Snapshot(*s.ParentID)
	}
	if seen == 0 {
		t.Errorf("%s: no versions", d.what)
	}
	if d.e.schedules.Load()%16 == 0 || *exploreOnly != "" {
		checkTable(t, w.tab, d.what)
	}
}

// reference is the table after the commits up to a sequence number.
func (d *duel) reference(upTo int64) map[int64]string {
	rows := map[int64]string{}
	for _, n := range slices.Sorted(maps.Keys(d.made)) {
		if n <= upTo {
			rows = d.made[n].applyTo(rows)
		}
	}
	return rows
}
