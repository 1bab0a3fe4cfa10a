package torture

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var (
	killCycles = flag.Int("kill.cycles", 200, "processes that TestKilled kills")
	killSeed   = flag.Uint64("kill.seed", 0, "seed of TestKilled; 0 is by the clock")
)

// TestKilled kills processes that commit, half of them at a random microsecond,
// half at a step of a commit, and looks at the table after each: no commit that
// was acknowledged is lost, none is there twice, the table passes fsck, and the
// next process goes on where the last one was.
func TestKilled(t *testing.T) {
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	cycles := *killCycles
	if testing.Short() {
		cycles = 10
	}
	t.Logf("seed %d", seed)
	total := &killer{}
	const lanes = 2
	var wg sync.WaitGroup
	var mu sync.Mutex
	for lane := range uint64(lanes) {
		wg.Go(func() {
			k := &killer{t: t, r: rand.New(rand.NewPCG(seed, lane)), points: map[string]int{}}
			k.run(cycles / lanes)
			mu.Lock()
			defer mu.Unlock()
			total.cycles, total.early, total.acked = total.cycles+k.cycles, total.early+k.early, total.acked+k.acked
			total.reopen = append(total.reopen, k.reopen...)
			total.points = mergeCounts(total.points, k.points)
		})
	}
	wg.Wait()
	if t.Failed() {
		t.Fatalf("rerun with -run TestKilled -kill.seed %d (the moments differ)", seed)
	}
	slices.Sort(total.reopen)
	testenv.Figures(t, "crashes=%d (%d at %d failpoints, %d before the first commit) ops=%d reopened=%d in %v (median) lost=0 duplicated=0",
		total.cycles, sum(total.points), len(total.points), total.early, total.acked, len(total.reopen), total.reopen[len(total.reopen)/2])
	if !testing.Short() && (total.acked < int64(cycles) || len(total.points) < len(failpoints)-2) {
		t.Errorf("too few commits or failpoints for the run to prove anything: %v", total.points)
	}
}

func mergeCounts(a, b map[string]int) map[string]int {
	out := maps.Clone(b)
	for k, n := range a {
		out[k] += n
	}
	return out
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// killer kills the processes of one table after another.
type killer struct {
	t      *testing.T
	r      *rand.Rand
	cycles int
	early  int
	acked  int64
	reopen []time.Duration
	points map[string]int // at which failpoints processes died
}

func (k *killer) run(cycles int) {
	for k.cycles < cycles && !k.t.Failed() {
		o := writer{Dir: k.t.TempDir(), N: 1, Keep: 3 + k.r.IntN(20), Index: k.r.IntN(2) == 0}
		if k.r.IntN(3) > 0 {
			o.Compact = 3 + k.r.IntN(8)
		}
		createAt(k.t, o.Dir, 2+k.r.IntN(2))
		acked := int64(0)
		for range min(25, cycles-k.cycles) {
			if acked = k.cycle(o, acked); k.t.Failed() {
				return
			}
			k.cycles++
		}
		if err := os.RemoveAll(o.Dir); err != nil {
			k.t.Fatal(err)
		}
	}
}

// createAt makes the table of a directory.
func createAt(t testing.TB, dir string, version int) {
	t.Helper()
	store, err := objstore.Open(context.Background(), dir, nil)
	if err == nil {
		_, err = table.Create(context.Background(), catalog.NewFiles(store, nil), tableName, schema.MustNew(columns...),
			&table.CreateOptions{Key: []string{"id"}, FormatVersion: version})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// cycle runs a process until it is killed and checks the table, of which acked
// commits had been acknowledged or seen before.
func (k *killer) cycle(o writer, acked int64) int64 {
	if k.r.IntN(2) == 0 {
		o.Failpoint, o.Nth = failpoints[k.r.IntN(len(failpoints))], 1+k.r.IntN(4)
	}
	before := acked
	said, died := k.runAndKill(o)
	if died {
		k.points[o.Failpoint]++
	}
	if said == 0 {
		k.early++
	} else {
		acked = max(acked, said)
	}
	begin := time.Now()
	tab, store := openAt(k.t, o.Dir)
	defer store.Close()
	k.reopen = append(k.reopen, time.Since(begin))
	p, err := tab.Positions()
	if err != nil {
		k.t.Errorf("%+v: %v", o, err)
		return acked
	}
	n := int64(0)
	if s := p[o.stream()]; s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			k.t.Error(err)
		}
	}
	if n < acked || n > acked+1 {
		k.t.Errorf("%+v: commit %d was acknowledged, the table is at %d", o, acked, n)
	}
	want := map[int64]string{}
	o.rowsAfter(n, want)
	if got, err := readRows(context.Background(), tab, ""); err != nil || !maps.Equal(got, want) {
		k.t.Errorf("%+v: after commit %d: %v\n got %s\nwant %s", o, n, err, text(got), text(want))
	}
	if k.cycles%5 == 0 {
		checkTable(k.t, tab, fmt.Sprintf("%+v", o))
	}
	k.acked += n - before
	return n
}

func openAt(t testing.TB, dir string) (*table.Table, objstore.Store) {
	t.Helper()
	store, err := objstore.Open(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := table.Open(context.Background(), catalog.NewFiles(store, nil), tableName, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tab, store
}

// start starts a writer and returns its output.
func (o *writer) start(t testing.TB) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	arg, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FRAZIL_TORTURE_WRITER="+string(arg), "GOMAXPROCS=2")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(io.LimitReader(out, 16<<20))
}

// runAndKill returns the last commit that the process acknowledged, 0 for none,
// and whether it died at its failpoint.
func (k *killer) runAndKill(o writer) (acked int64, died bool) {
	cmd, lines := o.start(k.t)
	// A failpoint that is never reached, such as a delete in a table that keeps
	// everything, ends with the timer too.
	after := time.Duration(k.r.Int64N(int64(120 * time.Millisecond)))
	if o.Failpoint != "" {
		after = 300 * time.Millisecond
	}
	killed := make(chan bool, 1)
	var timer *time.Timer
	for lines.Scan() {
		var what string
		var n int64
		if _, err := fmt.Sscan(lines.Text(), &what, &n); err != nil {
			break // cut off
		}
		switch what {
		case "ready":
			timer = time.AfterFunc(after, func() { killed <- true; _ = cmd.Process.Kill() })
		case "ack":
			acked = n
		}
	}
	err := cmd.Wait()
	if timer != nil {
		timer.Stop()
	}
	if err == nil || cmd.ProcessState.ExitCode() != -1 {
		k.t.Errorf("%+v: the process ended by itself: %v", o, err)
	}
	return acked, o.Failpoint != "" && len(killed) == 0
}

// TestProcesses (C2): four processes commit to one table of a local directory,
// one of them compacts; every commit is there once.
func TestProcesses(t *testing.T) {
	commits := 25
	if testing.Short() {
		commits = 5
	}
	dir := t.TempDir()
	createAt(t, dir, 3)
	want := map[int64]string{}
	var wg sync.WaitGroup
	for n := range 4 {
		o := writer{Dir: dir, N: n, Commits: commits, Keep: -1}
		if n == 0 {
			o.Compact = 5
		}
		o.rowsAfter(int64(commits), want)
		wg.Go(func() {
			cmd, lines := o.start(t)
			acks := 0
			for lines.Scan() {
				acks++
			}
			if err := cmd.Wait(); err != nil || acks != commits+1 {
				t.Errorf("writer %d: %d lines, %v", n, acks, err)
			}
		})
	}
	wg.Wait()
	tab, store := openAt(t, dir)
	defer store.Close()
	got, err := readRows(context.Background(), tab, "")
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v\n got %s\nwant %s", err, text(got), text(want))
	}
	checkTable(t, tab, "after all")
	testenv.Figures(t, "processes=4 commits=%d", 4*commits)
}
