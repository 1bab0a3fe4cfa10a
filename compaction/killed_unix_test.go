//go:build unix

package compaction_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/table"
)

var killEvery = flag.Int("killed.every", 0, "every so many calls TestKilledAtEveryStep kills; 0 is all, of maintain every fifth")

// killVariable marks a re-executed test binary that maintains a table and kills
// itself: "operation/call/before or after/warehouse".
const killVariable = "FRAZIL_COMPACTION_KILL"

// killedOps are the operations of TestKilledAtEveryStep.
var killedOps = map[string]func(ctx context.Context, t *table.Table) error{
	"compact": func(ctx context.Context, t *table.Table) error {
		_, err := compaction.Compact(ctx, t, &compaction.Options{CommitBytes: 1})
		return err
	},
	"convert": func(ctx context.Context, t *table.Table) error {
		_, err := compaction.Compact(ctx, t, &compaction.Options{ConvertOnly: true})
		return err
	},
	"rewrite-manifests": func(ctx context.Context, t *table.Table) error {
		_, err := compaction.RewriteManifests(ctx, t, &compaction.ManifestOptions{Always: true})
		return err
	},
	"expire": func(ctx context.Context, t *table.Table) error {
		_, err := compaction.Expire(ctx, t, &compaction.ExpireOptions{Policy: headOnly, Workers: 1})
		return err
	},
	"orphans": func(ctx context.Context, t *table.Table) error {
		_, err := compaction.RemoveOrphans(ctx, t, &compaction.OrphanOptions{Delete: true, OlderThan: 1, Force: true, Workers: 1})
		return err
	},
	"maintain": func(ctx context.Context, t *table.Table) error {
		_, err := compaction.Maintain(ctx, t, &compaction.MaintainOptions{
			Compact: compaction.Options{CommitBytes: 1}, Expire: &compaction.ExpireOptions{Policy: headOnly, Workers: 1},
		})
		return err
	},
}

// TestKilledAtEveryStep kills a process with SIGKILL before and after every call
// of every maintenance operation that changes the store. The table that is found
// then has its rows and passes the checker, and the operation, done again, ends
// and leaves nothing behind that it should have removed.
func TestKilledAtEveryStep(t *testing.T) {
	if v := os.Getenv(killVariable); v != "" {
		killedProcess(t, v)
		return
	}
	slots := make(chan struct{}, 2)
	for name := range killedOps {
		for _, version := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s v%d", name, version), func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				killAll(t, name, version)
			})
		}
	}
}

func killAll(t *testing.T, op string, version int) {
	dir, image := filepath.Join(t.TempDir(), "w"), t.TempDir()
	w := killWorld(t, dir, version)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.CopyFS(image, os.DirFS(dir)))
	kills, step := 0, max(*killEvery, 1)
	if op == "maintain" && *killEvery == 0 {
		step = 5 // its steps are those of the others
	}
	for call := 1; ; call += step {
		ended := false
		for _, when := range []string{"before", "after"} {
			must(os.RemoveAll(dir)) // locations are absolute: the same place again
			must(os.CopyFS(dir, os.DirFS(image)))
			c := killCommand(t, fmt.Sprintf("%s/%d/%s/%s", op, call, when, dir))
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			switch {
			case err == nil:
				ended = true // it made fewer calls
			case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
				kills++
			default:
				t.Fatalf("call %d: %v\n%s", call, err, out)
			}
			found := reopen(t, dir)
			w.tab = found
			w.check(fmt.Sprintf("killed %s call %d", when, call))
			passes(t, found)
			if err := killedOps[op](w.ctx, found); err != nil {
				t.Errorf("again after call %d: %v", call, err)
			}
			w.check(fmt.Sprintf("again after call %d", call))
			passes(t, found)
			if op == "expire" || op == "orphans" {
				w.nothingLeft(call)
			}
			if t.Failed() {
				return
			}
		}
		if ended || testing.Short() && call > 1 {
			break
		}
	}
	t.Logf("kills=%d", kills)
}

func killCommand(t *testing.T, what string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, "-test.run=^TestKilledAtEveryStep$", "-test.count=1")
	c.Env = append(os.Environ(), killVariable+"="+what)
	return c
}

// killWorld is a table with small files, all kinds of deletes, old snapshots and
// orphans.
func killWorld(t *testing.T, dir string, version int) *world {
	t.Helper()
	store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := newWorld(t, worldOptions{version: version, store: store, seed: 41})
	for _, enc := range []table.Encoding{table.EncodingPosition, table.EncodingEquality, table.EncodingPosition, table.EncodingEquality} {
		w.write(enc, w.random(30, 50))
	}
	w.must(w.tab.Refresh(w.ctx))
	for i := range 3 {
		w.must(store.Put(w.ctx, objstore.Join(w.tab.Metadata().Location, "data", fmt.Sprintf("orphan-%d.parquet", i)), []byte("x"), nil))
	}
	// A compaction whose inputs and outputs overlap with old snapshots.
	_, err = compaction.Compact(w.ctx, w.tab, &compaction.Options{MaxBytes: 1500, MaxRounds: 1})
	w.must(err)
	w.write(table.EncodingEquality, w.random(10, 50))
	return w
}

func reopen(t *testing.T, dir string) *table.Table {
	t.Helper()
	store, err := objstore.NewLocal(dir, &objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	tab, err := table.Open(t.Context(), catalog.NewFiles(store, nil), "c.t", nil)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// nothingLeft requires that neither orphans nor lists of files to delete are
// there, temporary files aside.
func (w *world) nothingLeft(call int) {
	w.t.Helper()
	rep, err := compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{OlderThan: 1, Force: true})
	w.must(err)
	for _, o := range rep.Orphans {
		if !strings.Contains(o.URI, "/orphan-") {
			w.t.Errorf("after call %d: %s is left", call, filepath.Base(o.URI))
		}
	}
}

// killedProcess is the process that dies.
func killedProcess(t *testing.T, what string) {
	parts := strings.SplitN(what, "/", 4)
	call, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	store, err := objstore.NewLocal(parts[3], &objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	k := &killStore{Store: store}
	tab, err := table.Open(t.Context(), catalog.NewFiles(k, nil), "c.t", nil)
	if err != nil {
		t.Fatal(err)
	}
	k.call, k.after = call, parts[2] == "after"
	if err := killedOps[parts[0]](t.Context(), tab); err != nil {
		t.Fatal(err)
	}
}

// killStore kills the process before or after one of the calls that change
// something.
type killStore struct {
	objstore.Store
	call  int64 // counts from 1; 0 for none
	after bool
	made  atomic.Int64
}

func (k *killStore) step(f func() error) error {
	if k.call == 0 {
		return f()
	}
	switch n := k.made.Add(1); {
	case n < k.call:
		return f()
	case n == k.call:
		if k.after {
			_ = f()
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	select {} // the signal is on its way
}

// Put is a step.
func (k *killStore) Put(ctx context.Context, uri string, data []byte, o *objstore.PutOptions) error {
	return k.step(func() error { return k.Store.Put(ctx, uri, data, o) })
}

// Delete is a step.
func (k *killStore) Delete(ctx context.Context, uri string) error {
	return k.step(func() error { return k.Store.Delete(ctx, uri) })
}

// Create returns a writer whose Close is a step.
func (k *killStore) Create(ctx context.Context, uri string, o *objstore.PutOptions) (objstore.Writer, error) {
	w, err := k.Store.Create(ctx, uri, o)
	return &killWriter{w, k}, err
}

type killWriter struct {
	objstore.Writer
	k *killStore
}

// Close is a step.
func (w *killWriter) Close() error { return w.k.step(w.Writer.Close) }

// passes requires that a table passes the checker, every file read.
func passes(t *testing.T, tab *table.Table) {
	t.Helper()
	src := tab.Source()
	r, err := fsck.Check(t.Context(), fsck.Source{Store: src.Store, Metadata: src.Metadata}, &fsck.Options{Deep: true})
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		t.Error(err)
	}
}
