package objstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newTestLocal(t *testing.T, opts *LocalOptions) (*local, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := NewLocal(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*local), dir
}

// files returns the relative paths of all files under dir, hidden ones too.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLocalSymlinks(t *testing.T) {
	l, dir := newTestLocal(t, nil)
	ctx, outside := t.Context(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.WriteFile(secret, []byte("secret"), 0o600))
	check(os.Symlink(secret, filepath.Join(dir, "file")))
	check(os.Symlink(outside, filepath.Join(dir, "dir")))
	check(os.Symlink("../"+filepath.Base(outside), filepath.Join(dir, "rel")))
	check(os.Symlink(".", filepath.Join(dir, "loop")))
	for _, name := range []string{"file", "dir/secret", "rel/secret"} {
		if data, err := ReadAll(ctx, l, Join(l.uri, name), 0); err == nil {
			t.Errorf("read %q through %s", data, name)
		}
		if _, err := l.Stat(ctx, Join(l.uri, name)); err == nil {
			t.Errorf("stat through %s", name)
		}
	}
	for _, name := range []string{"dir/secret", "dir/new", "rel/secret", "dir/sub/new"} {
		if err := l.Put(ctx, Join(l.uri, name), []byte("x"), nil); err == nil {
			t.Errorf("wrote through %s", name)
		}
		if err := l.Delete(ctx, Join(l.uri, name)); err == nil {
			t.Errorf("deleted through %s", name)
		}
	}
	// A replace takes the place of the link, not of what it names.
	check(l.Put(ctx, Join(l.uri, "file"), []byte("new"), nil))
	for info, err := range l.List(ctx, l.uri) {
		if err != nil || info.URI != Join(l.uri, "file") {
			t.Errorf("listed %s, %v", info.URI, err)
		}
	}
	if got := files(t, outside); !slices.Equal(got, []string{"secret"}) {
		t.Errorf("outside now holds %q", got)
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("secret is %q, %v", data, err)
	}
}

// TestLocalLinkedRoot: a root reached through a link answers to both names.
func TestLocalLinkedRoot(t *testing.T) {
	realDir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(realDir, link); err != nil {
		t.Fatal(err)
	}
	s, err := NewLocal(link, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Put(t.Context(), link+"/a", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadAll(t.Context(), s, "file:"+realDir+"/a", 0); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestLocalTemporaries(t *testing.T) {
	l, dir := newTestLocal(t, nil)
	ctx := t.Context()
	w, err := l.Create(ctx, Join(l.uri, "a/b"), nil)
	if err != nil {
		t.Fatal(err)
	}
	names := files(t, dir)
	if len(names) != 1 || !isTemporary(filepath.Base(names[0])) || filepath.Dir(names[0]) != "a" {
		t.Fatalf("temporaries are %q", names)
	}
	temp := filepath.Join(dir, names[0])
	if fi, err := os.Stat(temp); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode of a temporary is %v, %v", fi.Mode(), err)
	}
	for info := range l.List(ctx, l.uri) {
		t.Errorf("listed %s", info.URI)
	}
	if _, err := l.Open(ctx, Join(l.uri, "a", filepath.Base(temp))); !errors.Is(err, ErrOutside) {
		t.Errorf("open of a temporary: %v", err)
	}
	if n, err := SweepTemporaries(ctx, l, l.uri, time.Hour); n != 0 || err != nil {
		t.Errorf("swept %d young ones, %v", n, err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(temp, old, old); err != nil {
		t.Fatal(err)
	}
	if n, err := SweepTemporaries(ctx, l, l.uri, time.Hour); n != 1 || err != nil {
		t.Errorf("swept %d old ones, %v", n, err)
	}
	if err := w.Close(); err == nil {
		t.Error("a write whose temporary was swept succeeded")
	}
	if err := l.Put(ctx, Join(l.uri, "a/c"), nil, nil); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(dir, "a/c")); err != nil || fi.Mode().Perm() != 0o644 {
		t.Errorf("mode of an object is %v, %v", fi.Mode(), err)
	}
	if got := files(t, dir); !slices.Equal(got, []string{"a/c"}) {
		t.Errorf("left are %q", got)
	}
}

// TestLocalFsyncFails: a file that could not be synced is never published, and
// its descriptor never synced again.
func TestLocalFsyncFails(t *testing.T) {
	l, dir := newTestLocal(t, nil)
	eio := errors.New("input/output error")
	calls := 0
	l.sync.syncFile = func(*os.File) error { calls++; return eio }
	uri := Join(l.uri, "a/b")
	for _, opts := range []*PutOptions{nil, {IfAbsent: true}} {
		err := l.Put(t.Context(), uri, []byte("x"), opts)
		if !errors.Is(err, eio) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("put: %v", err)
		}
		w, err := l.Create(t.Context(), uri, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); !errors.Is(err, eio) {
			t.Errorf("close: %v", err)
		}
	}
	if calls != 4 {
		t.Errorf("%d syncs for 4 writes", calls)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left are %q", got)
	}
	l.sync.syncFile = (*os.File).Sync
	if err := l.Put(t.Context(), uri, []byte("x"), nil); err != nil {
		t.Errorf("a new file after the failure: %v", err)
	}
}

// TestLocalDirectoryFsyncFails: the object is there but perhaps not for ever,
// and no later durable write is promised.
func TestLocalDirectoryFsyncFails(t *testing.T) {
	l, _ := newTestLocal(t, nil)
	if err := l.Put(t.Context(), Join(l.uri, "d/a"), []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	eio := errors.New("input/output error")
	calls := 0
	l.sync.syncDir = func(*os.File) error { calls++; return eio }
	err := l.Put(t.Context(), Join(l.uri, "d/b"), []byte("x"), nil)
	if !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, ErrNotDurable) || !errors.Is(err, eio) {
		t.Errorf("put: %v", err)
	}
	if _, err := l.Stat(t.Context(), Join(l.uri, "d/b")); err != nil {
		t.Errorf("stat: %v", err)
	}
	err = l.Put(t.Context(), Join(l.uri, "d/c"), []byte("x"), nil)
	if !errors.Is(err, eio) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("next put: %v", err)
	}
	if calls != 1 {
		t.Errorf("%d syncs", calls)
	}
}

// TestLocalSyncOrder: contents first, then the name, then the directory; new
// directories in their parents before anything is in them.
func TestLocalSyncOrder(t *testing.T) {
	l, dir := newTestLocal(t, nil)
	var log []string
	rel := func(f *os.File) string {
		r, err := filepath.Rel(dir, f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	visible := func() bool { _, err := os.Stat(filepath.Join(dir, "a/b/c")); return err == nil }
	l.sync.syncFile = func(f *os.File) error { log = append(log, fmt.Sprint("file ", visible())); return nil }
	l.sync.syncDir = func(f *os.File) error {
		log = append(log, fmt.Sprint("dir ", strings.TrimSuffix(rel(f), "/."), " ", visible()))
		return nil
	}
	put := func(want ...string) {
		t.Helper()
		log = nil
		if err := l.Put(t.Context(), Join(l.uri, "a/b/c"), []byte("x"), &PutOptions{IfAbsent: true}); err != nil {
			t.Fatal(err)
		}
		if err := l.Delete(t.Context(), Join(l.uri, "a/b/c")); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(log, want) {
			t.Errorf("syncs were %q, want %q", log, want)
		}
	}
	want := []string{"dir . false", "dir a false", "file false", "dir a/b true"}
	put(want...)
	put(want...) // the delete pruned both directories
	if err := l.Put(t.Context(), Join(l.uri, "a/b/keep"), nil, nil); err != nil {
		t.Fatal(err)
	}
	put("file false", "dir a/b true")
	log = nil
	if err := l.Put(t.Context(), Join(l.uri, "v/w"), nil, &PutOptions{Volatile: true}); err != nil || len(log) > 0 {
		t.Errorf("volatile put: %v, syncs %q", err, log)
	}
}

// TestLocalSyncsJoin: while one sync of a directory runs, all that arrive share
// the next one; and syncs of files run side by side.
func TestLocalSyncsJoin(t *testing.T) {
	l, _ := newTestLocal(t, nil)
	if err := l.Put(t.Context(), Join(l.uri, "d/0"), nil, nil); err != nil {
		t.Fatal(err)
	}
	const n = 8
	var inFile, dirs atomic.Int32
	all := make(chan struct{})
	l.sync.syncFile = func(*os.File) error {
		if inFile.Add(1) == n {
			close(all) // n syncs are under way at once
		}
		<-all
		return nil
	}
	release := make(chan struct{})
	first := make(chan struct{})
	var once sync.Once
	l.sync.syncDir = func(*os.File) error {
		dirs.Add(1)
		once.Do(func() { close(first) })
		<-release
		return nil
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := l.Put(t.Context(), Join(l.uri, "d", fmt.Sprint("k", i)), nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	<-first
	for len(objects(t, l, "d")) < n+1 { // all are linked, so all wait or will wait for a sync
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	if got := dirs.Load(); got > n/2 {
		t.Errorf("%d writes took %d syncs of their directory", n, got)
	}
}

func objects(t *testing.T, l *local, prefix string) []string {
	t.Helper()
	var out []string
	for info, err := range l.List(t.Context(), Join(l.uri, prefix)) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, info.URI)
	}
	return out
}

func TestLocalReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	s, err := NewLocal(dir, &LocalOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	uri := Join(s.Root(), "a")
	if _, err := s.Stat(t.Context(), uri); !errors.Is(err, ErrNotFound) {
		t.Errorf("stat: %v", err)
	}
	for range s.List(t.Context(), s.Root()) {
		t.Error("listed something")
	}
	if err := s.Put(t.Context(), uri, nil, nil); !errors.Is(err, errReadOnly) {
		t.Errorf("put: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
}

// TestLocalHandles: no write or read leaves a descriptor open.
func TestLocalHandles(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Logf("no /proc here: cannot count handles")
		return
	}
	l, _ := newTestLocal(t, nil)
	use := func() {
		uri := Join(l.uri, "x/y/z")
		for range 3 {
			l.Put(t.Context(), uri, []byte("1"), &PutOptions{IfAbsent: true})
			l.Put(t.Context(), uri, []byte("2"), &PutOptions{IfMatch: "no"})
			l.Put(t.Context(), uri, []byte("2"), nil)
			ReadAll(t.Context(), l, uri, 0)
			ReadAll(t.Context(), l, Join(l.uri, "x"), 0)
			objects(t, l, "")
			if w, err := l.Create(t.Context(), uri, nil); err == nil {
				w.Abort()
			}
			l.Delete(t.Context(), uri)
			l.Delete(t.Context(), uri)
		}
	}
	count := func() int {
		e, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(e)
	}
	use()
	before := count()
	for range 20 {
		use()
	}
	if after := count(); after > before+2 {
		t.Errorf("%d handles became %d", before, after)
	}
}
