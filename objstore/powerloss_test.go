package objstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

var allChanges = flag.Bool("powerloss.all", false, "fail every change of the file system, not every third")

// step is a change of a table and the rows after it.
type step struct {
	name string
	run  func(ctx context.Context, tab *table.Table) error
	rows map[int64]string
}

// steps go through everything that writes and deletes files.
func steps() []step {
	write := func(keep int, changes map[int64]string) func(context.Context, *table.Table) error {
		return func(ctx context.Context, tab *table.Table) error {
			w, err := tab.NewWriter(&table.WriterOptions{KeepSnapshots: keep, ExpireGrace: time.Nanosecond})
			if err != nil {
				return err
			}
			defer w.Close()
			for _, id := range slices.Sorted(maps.Keys(changes)) {
				if v := changes[id]; v == "" {
					err = w.Delete(ctx, schema.Row{id})
				} else {
					err = w.Upsert(ctx, schema.Row{id, v})
				}
				if err != nil {
					return err
				}
			}
			_, err = w.Commit(ctx, nil)
			return err
		}
	}
	compact := func(ctx context.Context, tab *table.Table) error {
		r, err := compaction.Compact(ctx, tab, nil)
		if err == nil && len(r.Skipped) > 0 {
			err = r.Skipped[0].Err
		}
		return err
	}
	expire := func(ctx context.Context, tab *table.Table) error {
		r, err := compaction.Expire(ctx, tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{OnlyCount: true, KeepLast: 1}})
		if err == nil && r.Failed > 0 {
			err = fmt.Errorf("%d files not deleted", r.Failed)
		}
		return err
	}
	props := func(ctx context.Context, tab *table.Table) error {
		return tab.SetProperties(ctx, map[string]string{"write.metadata.previous-versions-max": "2"}, nil)
	}
	out := []step{
		{"first rows", write(-1, map[int64]string{1: "a", 2: "a", 3: "a"}), map[int64]string{1: "a", 2: "a", 3: "a"}},
		{"replace", write(-1, map[int64]string{2: "b", 4: "b"}), map[int64]string{1: "a", 2: "b", 3: "a", 4: "b"}},
		{"properties", props, nil},
		{"delete", write(-1, map[int64]string{1: ""}), map[int64]string{2: "b", 3: "a", 4: "b"}},
		{"compact", compact, nil},
		{"replace again", write(2, map[int64]string{3: "c"}), map[int64]string{2: "b", 3: "c", 4: "b"}},
		{"and again", write(2, map[int64]string{3: "d", 5: "d"}), map[int64]string{2: "b", 3: "d", 4: "b", 5: "d"}},
		{"expire", expire, nil},
		{"last", write(2, map[int64]string{2: ""}), map[int64]string{3: "d", 4: "b", 5: "d"}},
	}
	for i := range out {
		if out[i].rows == nil {
			out[i].rows = out[i-1].rows
		}
	}
	return out
}

func makeTable(ctx context.Context, store objstore.Store, version int) (*table.Table, error) {
	return table.Create(ctx, catalog.NewFiles(store, nil), "p.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "v", Type: schema.String},
	), &table.CreateOptions{Key: []string{"id"}, FormatVersion: version})
}

// look reads a table and checks it; missing says that there is none.
func look(ctx context.Context, store objstore.Store) (rows map[int64]string, missing bool, err error) {
	tab, err := table.Open(ctx, catalog.NewFiles(store, nil), "p.t", nil)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	rows = map[int64]string{}
	for row, err := range tab.Scan(nil).Rows(ctx) {
		if err != nil {
			return nil, false, err
		}
		rows[row[0].(int64)] = fmt.Sprint(row[1])
	}
	src := tab.Source()
	rep, err := fsck.Check(ctx, fsck.Source{Store: src.Store, Metadata: src.Metadata}, &fsck.Options{Deep: true})
	if err != nil {
		return nil, false, err
	}
	return rows, false, rep.Err()
}

// TestPowerLoss (N2): the power fails at every change of the file system, with
// nothing, some or all of what was not synced on the disk. Every commit that had
// returned is there, the one in progress is there wholly or not at all, and the
// table passes fsck.
func TestPowerLoss(t *testing.T) {
	for _, version := range []int{2, 3} {
		p := &powerLoss{t: t, r: rand.New(rand.NewPCG(uint64(version), 1)), fs: newCrashFS()}
		store, err := objstore.NewLocal(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Put(t.Context(), objstore.Join(store.Root(), ".here"), nil, nil); err != nil {
			t.Fatal(err) // the root itself is not the model's
		}
		p.root = store.Root()
		objstore.HookLocal(store, p.hook)
		tab, err := makeTable(t.Context(), store, version)
		if err != nil {
			t.Fatal(err)
		}
		p.created, p.before, p.after = true, map[int64]string{}, map[int64]string{}
		for _, s := range steps() {
			p.doing, p.after = s.name, s.rows
			if err := s.run(t.Context(), tab); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			p.before = s.rows
			p.crashAt("end")
		}
		objstore.HookLocal(store, nil)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		testenv.Figures(t, "v%d: changes=%d crashes=%d", version, p.changes, p.crashes)
	}
}

type powerLoss struct {
	t             *testing.T
	mu            sync.Mutex
	r             *rand.Rand
	fs            *crashFS
	root          string
	created       bool
	doing         string
	before, after map[int64]string

	changes, crashes int
}

func (p *powerLoss) hook(op objstore.FileOp, run func() error) error {
	err := p.fs.hook(op, run)
	p.mu.Lock() // writes run side by side
	defer p.mu.Unlock()
	p.crashAt(op.Kind + " " + op.Path)
	return err
}

// crashAt looks at what a power loss now would leave, until something is wrong.
func (p *powerLoss) crashAt(where string) {
	if p.t.Failed() {
		return
	}
	p.changes++
	for _, percent := range []int{0, 10, 50, 100} {
		p.crashes++
		left := p.fs.crash(p.t, p.root, percent, p.r)
		rows, missing, err := look(context.Background(), left)
		what := fmt.Sprintf("%s, after %s, %d %% of what was not synced", p.doing, where, percent)
		switch {
		case err != nil:
			p.t.Errorf("%s: %v", what, err)
		case missing && p.created:
			p.t.Errorf("%s: the table is gone", what)
		case !missing && p.created && !maps.Equal(rows, p.before) && !maps.Equal(rows, p.after):
			p.t.Errorf("%s: rows %v, neither %v nor %v", what, rows, p.before, p.after)
		}
	}
}

// TestFileErrors: a change of the file system fails, as it does when the
// disk is full, fails, is read-only, or files run out. The outcome reported holds
// and, on a store opened anew, the change succeeds.
func TestFileErrors(t *testing.T) {
	faults := map[string][]error{
		"create": {syscall.ENOSPC, syscall.EMFILE, syscall.EROFS}, "write": {syscall.ENOSPC}, "fsync": {syscall.EIO},
		"link": {syscall.ENOSPC}, "rename": {syscall.ENOSPC}, "remove": {syscall.EROFS}, "mkdir": {syscall.ENOSPC, syscall.EACCES},
		"rmdir": {syscall.EACCES}, "syncdir": {syscall.EIO},
	}
	stride := 3
	switch {
	case testing.Short():
		stride = 11
	case *allChanges:
		stride = 1
	}
	cases, unknown, hit := 0, 0, map[string]int{}
	for i := range steps() {
		kinds := changesOf(t, i)
		for n := 0; n < len(kinds); n += stride {
			hit[kinds[n]]++
			for _, errno := range faults[kinds[n]] {
				f := fileErrors{t: t, i: i, n: n, kind: kinds[n], dir: t.TempDir()}
				if f.run(errno) {
					unknown++
				}
				cases++
			}
		}
	}
	for kind := range faults {
		if hit[kind] == 0 && !testing.Short() {
			t.Errorf("no %s failed", kind)
		}
	}
	testenv.Figures(t, "faults=%d unknown=%d at %v", cases, unknown, hit)
}

// changesOf returns the kinds of changes of the file system that a step makes.
func changesOf(t *testing.T, i int) (kinds []string) {
	t.Helper()
	var mu sync.Mutex // writes run side by side
	err := tryStep(t, t.TempDir(), i, func(op objstore.FileOp, run func() error) error {
		mu.Lock()
		kinds = append(kinds, op.Kind)
		mu.Unlock()
		return run()
	})
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// tryStep takes a step on a new table in a directory, with a hook in charge of its
// changes of the file system.
func tryStep(t *testing.T, dir string, i int, hook func(op objstore.FileOp, run func() error) error) error {
	t.Helper()
	store, err := objstore.NewLocal(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tab, err := makeTable(t.Context(), store, 2+i%2)
	if err != nil {
		t.Fatal(err)
	}
	all := steps()
	for _, s := range all[:i] {
		if err := s.run(t.Context(), tab); err != nil {
			t.Fatal(err)
		}
	}
	objstore.HookLocal(store, hook)
	return all[i].run(t.Context(), tab)
}

// fileErrors is the nth change of the file system in a step, on a table in dir.
type fileErrors struct {
	t    *testing.T
	i, n int
	kind string
	dir  string
}

// run fails the change and looks at what came of it.
func (f *fileErrors) run(errno error) (unknown bool) {
	t := f.t
	t.Helper()
	var made atomic.Int64
	outcome := tryStep(t, f.dir, f.i, func(_ objstore.FileOp, run func() error) error {
		if made.Add(1) == int64(f.n)+1 {
			return errno
		}
		return run()
	})
	s := steps()[f.i]
	before := map[int64]string{}
	if f.i > 0 {
		before = steps()[f.i-1].rows
	}
	what := fmt.Sprintf("%s: change %d (%s) fails with %v, reported %v", s.name, f.n, f.kind, errno, outcome)
	unknown = errors.Is(outcome, catalog.ErrUnknownOutcome)
	again, err := objstore.NewLocal(f.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	rows, missing, err := look(t.Context(), again)
	if err != nil || missing {
		t.Fatalf("%s: %v", what, err)
	}
	isAfter := maps.Equal(rows, s.rows)
	if !isAfter && !maps.Equal(rows, before) || outcome == nil && !isAfter ||
		outcome != nil && !unknown && isAfter && !maps.Equal(before, s.rows) {
		t.Errorf("%s: rows %v", what, rows)
	}
	tab, err := table.Open(t.Context(), catalog.NewFiles(again, nil), "p.t", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run(t.Context(), tab); err != nil {
		t.Errorf("%s: again: %v", what, err)
	}
	if rows, _, err := look(t.Context(), again); err != nil || !maps.Equal(rows, s.rows) {
		t.Errorf("%s: again: %v, rows %v", what, err, rows)
	}
	return unknown
}
