package compaction_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var (
	starveRounds = flag.Int("starve.rounds", 20, "compactions of the starvation test")
	starveRows   = flag.Int64("starve.rows", 60_000, "keys of its table")
	starveCommit = flag.Int("starve.commit", 20_000, "upserts of each of its writer's commits")
)

// feedVariable marks a re-executed test binary that is the writer: its value is
// the warehouse.
const feedVariable = "FRAZIL_COMPACTION_FEED"

// stormSum is what a storm of upserts leaves: the sum over all rows of a mix of
// key and value.
func stormMix(id, v int64) uint64 {
	h := uint64(id)*0x9e3779b97f4a7c15 ^ uint64(v)*0xbf58476d1ce4e5b9
	return h ^ h>>29
}

// storm upserts and commits as fast as it can until stop reports true; each is
// told of after every commit. It returns the sum.
func storm(ctx context.Context, t *table.Table, each func(), stop func() bool) (sum uint64, upserts int64, err error) {
	index, err := keyindex.Open(nil)
	if err != nil {
		return 0, 0, err
	}
	defer index.Close()
	w, err := t.NewWriter(&table.WriterOptions{KeyIndex: index})
	if err != nil {
		return 0, 0, err
	}
	defer w.Close()
	r := rand.New(rand.NewPCG(5, 5))
	last := make([]int64, *starveRows)
	for v := int64(1); !stop() || v == 1; v++ {
		n := int64(*starveCommit)
		if v == 1 { // all of them
			n = *starveRows
		}
		for id := range n {
			if v > 1 {
				id = r.Int64N(*starveRows)
			}
			last[id] = v
			if err := w.Upsert(ctx, schema.Row{id, v}); err != nil {
				return 0, 0, err
			}
			upserts++
		}
		if _, err := w.Commit(ctx, nil); err != nil {
			return 0, 0, err
		}
		each()
	}
	for id, v := range last {
		if v > 0 {
			sum += stormMix(int64(id), v)
		}
	}
	return sum, upserts, nil
}

// TestNeverStarved: 20 of 20 compactions commit beside a writer that commits
// without a pause, in this process, with a table of its own or the same, and in
// another process; every row is as the writer left it. The writer's rate is
// that of the machine as busy as it is: what counts is that it never rests.
func TestNeverStarved(t *testing.T) {
	if dir := os.Getenv(feedVariable); dir != "" {
		feedProcess(t, dir)
		return
	}
	for _, where := range []string{"this process", "this process, another table", "another process"} {
		for _, version := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s v%d", where, version), func(t *testing.T) { starve(t, where, version) })
		}
	}
}

// stormRun is a writer at work.
type stormRun struct {
	commits chan struct{} // one for each commit
	total   atomic.Int64
	stop    func()
	result  func() (sum uint64, upserts int64, err error)
}

func starve(t *testing.T, where string, version int) {
	ctx := t.Context()
	dir := t.TempDir()
	tab := openStorm(t, dir, version)
	attempts := 0
	store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	mine, err := table.Open(ctx, catalog.NewFiles(store, nil), "c.t", &table.Options{Events: table.Events{Retrying: func(string, int, error) { attempts++ }}})
	if err != nil {
		t.Fatal(err)
	}
	run := &stormRun{commits: make(chan struct{}, 1<<20)}
	switch where {
	case "another process":
		startFeedProcess(t, run, dir)
	case "this process":
		startFeedHere(ctx, run, mine)
	default:
		startFeedHere(ctx, run, tab)
	}
	rounds := *starveRounds
	if where == "this process, another table" {
		rounds = (rounds + 3) / 4 // nearly the same as another process
	}
	if testing.Short() {
		rounds = 3
	}
	for range 3 {
		<-run.commits
	}
	began, before := time.Now(), run.total.Load()
	committed, carried := 0, int64(0)
	for range rounds {
		for n := len(run.commits); n >= 0; n-- { // at least one more
			if _, ok := <-run.commits; !ok {
				break
			}
		}
		rep, err := compaction.Compact(ctx, mine, &compaction.Options{MaxRounds: 1, DeleteRatio: 0.001})
		if err != nil || rep.Commits == 0 || rep.GivenUp > 0 {
			t.Errorf("compaction: %v %+v", err, rep)
			continue
		}
		committed++
		carried += rep.Carried
	}
	took, commits := time.Since(began), run.total.Load()-before
	run.stop()
	want, _, err := run.result()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d compactions committed beside %d commits, %d upserts/s; %d attempts lost, %d rows carried over",
		committed, rounds, commits, int64(float64(commits)*float64(*starveCommit)/took.Seconds()), attempts, carried)
	if committed != rounds {
		t.Errorf("%d of %d compactions committed", committed, rounds)
	}
	if err := mine.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for row, err := range mine.Scan(&scan.Options{Columns: []string{"id", "v"}}).Rows(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		sum += stormMix(row[0].(int64), row[1].(int64))
	}
	if sum != want {
		t.Errorf("the rows add up to %x, the writer's to %x", sum, want)
	}
	if p := mine.Metadata().Property("frazil.turn", ""); p != "" {
		t.Errorf("turn %q is left", p)
	}
}

func openStorm(t *testing.T, dir string, version int) *table.Table {
	t.Helper()
	store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	cat := catalog.NewFiles(store, nil)
	tab, err := table.Create(t.Context(), cat, "c.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "v", Type: schema.Long},
	), &table.CreateOptions{Key: []string{"id"}, FormatVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func startFeedHere(ctx context.Context, run *stormRun, tab *table.Table) {
	var quit atomic.Bool
	var sum uint64
	var upserts int64
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(run.commits)
		sum, upserts, err = storm(ctx, tab, func() { run.total.Add(1); run.commits <- struct{}{} }, quit.Load)
	}()
	run.stop = func() { quit.Store(true) }
	run.result = func() (uint64, int64, error) { <-done; return sum, upserts, err }
}

func startFeedProcess(t *testing.T, run *stormRun, dir string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, "-test.run=^TestNeverStarved$", "-test.count=1",
		fmt.Sprintf("-starve.rows=%d", *starveRows), fmt.Sprintf("-starve.commit=%d", *starveCommit))
	c.Env = append(os.Environ(), feedVariable+"="+dir)
	c.Stderr = os.Stderr
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err := errors.Join(err1, err2, c.Start()); err != nil {
		t.Fatal(err)
	}
	var sum uint64
	var upserts int64
	failed := errors.New("the writer ended early")
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(run.commits)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			switch line := lines.Text(); {
			case line == "commit":
				run.total.Add(1)
				run.commits <- struct{}{}
			case strings.HasPrefix(line, "sum "):
				_, failed = fmt.Sscanf(line, "sum %d %d", &sum, &upserts)
			default:
				t.Log(line)
			}
		}
		failed = errors.Join(failed, c.Wait())
	}()
	run.stop = func() { in.Close() }
	run.result = func() (uint64, int64, error) { <-done; return sum, upserts, failed }
}

// feedProcess is the writer in a process of its own: it works until its standard
// input ends.
func feedProcess(t *testing.T, dir string) {
	var quit atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		quit.Store(true)
	}()
	store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tab, err := table.Open(t.Context(), catalog.NewFiles(store, nil), "c.t", nil)
	if err != nil {
		t.Fatal(err)
	}
	sum, upserts, err := storm(t.Context(), tab, func() { fmt.Println("commit") }, quit.Load)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("sum", sum, upserts)
}
