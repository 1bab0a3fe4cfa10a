package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestMain lets the test binary be a process of its own: what it is to do is in
// the environment.
func TestMain(m *testing.M) {
	for env, role := range roles {
		if arg := os.Getenv(env); arg != "" {
			if err := role(arg); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// roles are the processes, by the variable that asks for them.
var roles = map[string]func(string) error{"FRAZIL_TORTURE_WRITER": writerProcess, "FRAZIL_TORTURE_MUTANTS": mutantProcess}

// writer is a process that commits to a table and says so.
type writer struct {
	Dir     string // of the warehouse
	N       int    // names the writer: its stream, and where its keys begin
	Commits int    // how many to make; 0 is until it is killed
	Index   bool   // with a key index on disk
	Compact int    // compact after so many commits; 0 is never
	Keep    int    // snapshots
	// Failpoint is where it kills itself, "" for nowhere: a kind of object and
	// before or after, such as "metadata/after"; it does so the Nth time it gets
	// there.
	Failpoint string
	Nth       int
}

// failpoints are the steps of a commit.
var failpoints = []string{
	"data/before", "data/after", "deletes/before", "deletes/after", "manifest/before", "manifest/after",
	"list/before", "list/after", "metadata/before", "metadata/after", "hint/before", "hint/after", "remove/before", "remove/after",
}

// kind says what a call writes, "" if nothing.
func kind(c faultstore.Call) string {
	name := c.URI[strings.LastIndexByte(c.URI, '/')+1:]
	switch {
	case c.Op == faultstore.OpDelete:
		return "remove"
	case c.Op != faultstore.OpPut && c.Op != faultstore.OpClose:
		return ""
	case strings.HasSuffix(name, ".metadata.json"):
		return "metadata"
	case name == "version-hint.text":
		return "hint"
	case strings.HasPrefix(name, "snap-"):
		return "list"
	case strings.HasSuffix(name, ".avro"):
		return "manifest"
	case strings.HasSuffix(name, ".puffin") || strings.Contains(name, "delete"):
		return "deletes"
	}
	return "data"
}

// die ends the process as a power cut would, but for what the kernel holds.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// trap returns a plan that ends the process at a failpoint.
func (o *writer) trap() *faultstore.Plan {
	point, when, _ := strings.Cut(o.Failpoint, "/")
	left, armed := o.Nth, false
	return &faultstore.Plan{Rate: 1, Modes: []faultstore.Mode{faultstore.Delay}, OnDelay: func(_ context.Context, c faultstore.Call) {
		if armed {
			die()
		}
		if kind(c) != point {
			return
		}
		if left--; left > 0 {
			return
		}
		if armed = true; when == "before" {
			die()
		}
	}}
}

func writerProcess(arg string) error {
	var o writer
	if err := json.Unmarshal([]byte(arg), &o); err != nil {
		return err
	}
	ctx := context.Background()
	local, err := objstore.Open(ctx, o.Dir, nil)
	if err != nil {
		return err
	}
	store := objstore.Store(local)
	if o.Failpoint != "" {
		store = faultstore.New(local, o.trap())
	}
	tab, err := table.Open(ctx, catalog.NewFiles(store, nil), tableName, nil)
	if err != nil {
		return err
	}
	wo := &table.WriterOptions{KeepSnapshots: o.Keep, ExpireGrace: time.Nanosecond}
	if o.Index {
		x, err := keyindex.Open(&keyindex.Options{Dir: filepath.Join(o.Dir, ".index"), MemoryBudget: 1})
		if err != nil {
			return err
		}
		defer x.Close()
		wo.KeyIndex = x
	}
	w, err := tab.NewWriter(wo)
	if err != nil {
		return err
	}
	at, err := tab.Positions()
	if err != nil {
		return err
	}
	var n int64
	if p := at[o.stream()]; p != "" {
		if _, err := fmt.Sscan(p, &n); err != nil {
			return err
		}
	}
	say("ready", n)
	for i := n + 1; o.Commits == 0 || i <= int64(o.Commits); i++ {
		if err := o.commit(ctx, w, i); err != nil {
			return err
		}
		say("ack", i)
		if o.Compact > 0 && i%int64(o.Compact) == 0 {
			if _, err := compaction.Compact(ctx, tab, nil); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return w.Close()
}

// say writes a line that is out before anything else happens.
func say(what string, n int64) {
	if _, err := fmt.Fprintf(os.Stdout, "%s %d\n", what, n); err != nil {
		die()
	}
}

func (o *writer) stream() string { return fmt.Sprint("w", o.N) }

// window is how many commits a row of a commit's own lives.
const window = 40

// commit makes the ith commit: a row of its own, appended without a look so that
// a second one would show; an upsert of a key that others have; the end of an old
// row.
func (o *writer) commit(ctx context.Context, w *table.Writer, i int64) error {
	first := int64(o.N) << 32
	if err := w.Append(ctx, schema.Row{first + 1000 + i, fmt.Sprint(i)}); err != nil {
		return err
	}
	if err := w.Upsert(ctx, schema.Row{first + i%20, fmt.Sprint(i)}); err != nil {
		return err
	}
	if i > window {
		if err := w.Delete(ctx, schema.Row{first + 1000 + i - window}); err != nil {
			return err
		}
	}
	_, err := w.Commit(ctx, &table.CommitOptions{Positions: map[string]string{o.stream(): fmt.Sprint(i)}})
	return err
}

// rowsAfter adds the rows of a writer after n commits.
func (o *writer) rowsAfter(n int64, rows map[int64]string) {
	first := int64(o.N) << 32
	for i := max(1, n-window+1); i <= n; i++ {
		rows[first+1000+i] = fmt.Sprint(i)
	}
	for i := max(1, n-19); i <= n; i++ {
		rows[first+i%20] = fmt.Sprint(i)
	}
}
