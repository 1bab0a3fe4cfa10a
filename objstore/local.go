package objstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// local is the driver of a directory. Every access goes through os.Root, so no
// symbolic link leads out of it.
//
// A write goes to a temporary in the object's own directory, which is made
// durable before it gets its name by link(2) (create if absent) or rename(2)
// (replace); then the directory is made durable, and before that, once, each
// directory above it.
type local struct {
	dir  string // absolute, as given
	uri  string // canonical URI of dir
	real string // canonical URI of dir with symbolic links resolved
	opts LocalOptions

	// root is opened by the first use, because a store that is only read must
	// not create its directory.
	root   atomic.Pointer[os.Root]
	rootMu sync.Mutex
	closed bool // under rootMu

	sync dirSyncer
}

// NewLocal returns a store of the files under dir, which the first write
// creates if it is missing. Directories appear with the first object in them
// and vanish with the last one deleted.
func NewLocal(dir string, opts *LocalOptions) (Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("local store %q: %w", dir, err)
	}
	l := &local{dir: abs}
	if l.uri, err = Canonical(filepath.ToSlash(abs)); err != nil {
		return nil, err
	}
	l.real = l.uri
	if resolved, err := filepath.EvalSymlinks(abs); err == nil {
		if l.real, err = Canonical(filepath.ToSlash(resolved)); err != nil {
			return nil, err
		}
	}
	if opts != nil {
		l.opts = *opts
	}
	if l.opts.FileMode == 0 {
		l.opts.FileMode = 0o644
	}
	if fi, err := os.Stat(abs); err == nil && !fi.IsDir() {
		return nil, fmt.Errorf("local store %q: not a directory", dir)
	}
	l.sync.init()
	return l, nil
}

func (l *local) Root() string { return l.uri }

// rel returns the path of a URI below the root, with slashes.
func (l *local) rel(uri string) (string, error) {
	c, err := Canonical(uri)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOutside, err)
	}
	r, ok := cutRoot(l.uri, c)
	if !ok {
		r, ok = cutRoot(l.real, c)
	}
	if !ok {
		return "", fmt.Errorf("%s: %w %s", quoteURI(uri), ErrOutside, l.uri)
	}
	return r, nil
}

// object is rel for the name of one object.
func (l *local) object(uri string) (string, error) {
	r, err := l.rel(uri)
	if err == nil && r == "" {
		err = fmt.Errorf("%s: %w: it is the root itself", quoteURI(uri), ErrOutside)
	}
	if err == nil && isTemporary(base(r)) {
		err = fmt.Errorf("%s: %w: the name is one of a temporary", quoteURI(uri), ErrOutside)
	}
	return r, err
}

// handle opens the root directory, making it first when create is set.
func (l *local) handle(create bool) (*os.Root, error) {
	if r := l.root.Load(); r != nil {
		return r, nil
	}
	l.rootMu.Lock()
	defer l.rootMu.Unlock()
	if r := l.root.Load(); r != nil {
		return r, nil
	}
	if l.closed {
		return nil, fmt.Errorf("local store %q: %w", l.dir, fs.ErrClosed)
	}
	if create {
		if err := l.makeRoot(l.dir); err != nil {
			return nil, err
		}
	}
	r, err := os.OpenRoot(l.dir)
	if err != nil {
		return nil, err
	}
	l.root.Store(r)
	return r, nil
}

// makeRoot makes the store's directory and the missing ones above it durable.
func (l *local) makeRoot(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	up := filepath.Dir(dir)
	if up != dir {
		if err := l.makeRoot(up); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if l.opts.NoSync {
		return nil
	}
	f, err := os.Open(up)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDirectory(f)
}

// mapError turns an error of the file system into one of the package.
func mapError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	default:
		return err
	}
}

func (l *local) Open(ctx context.Context, uri string) (Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap("open", uri, err)
	}
	name, err := l.object(uri)
	if err != nil {
		return nil, err
	}
	root, err := l.handle(false)
	if err != nil {
		return nil, wrap("open", uri, mapError(err))
	}
	f, err := root.OpenFile(name, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, wrap("open", uri, mapError(err))
	}
	fi, err := f.Stat()
	if err == nil && fi.IsDir() {
		err = fmt.Errorf("%w: it is a directory", ErrNotFound)
	} else if err == nil && !fi.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, wrap("open", uri, err)
	}
	return &localObject{f: f, size: fi.Size(), uri: uri}, nil
}

func (l *local) Stat(ctx context.Context, uri string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, wrap("stat", uri, err)
	}
	name, err := l.object(uri)
	if err != nil {
		return Info{}, err
	}
	root, err := l.handle(false)
	if err != nil {
		return Info{}, wrap("stat", uri, mapError(err))
	}
	fi, err := root.Stat(name)
	if err != nil {
		return Info{}, wrap("stat", uri, mapError(err))
	}
	if fi.IsDir() {
		return Info{}, wrap("stat", uri, fmt.Errorf("%w: it is a directory", ErrNotFound))
	}
	return localInfo(uri, fi), nil
}

func localInfo(uri string, fi fs.FileInfo) Info {
	return Info{URI: uri, Size: fi.Size(), ModTime: fi.ModTime(), ETag: etag(fi)}
}

// Delete is not made durable: after a power loss the object may be back.
func (l *local) Delete(ctx context.Context, uri string) error {
	if err := ctx.Err(); err != nil {
		return wrap("delete", uri, err)
	}
	name, err := l.object(uri)
	if err != nil {
		return err
	}
	if l.opts.ReadOnly {
		return wrap("delete", uri, errReadOnly)
	}
	root, err := l.handle(false)
	if err != nil {
		return wrap("delete", uri, mapError(err))
	}
	if err := l.remove(root, name); err != nil {
		return wrap("delete", uri, mapError(err))
	}
	l.prune(root, parent(name))
	return nil
}

// remove unlinks a file under the lock that replaces take, so that a
// compare-and-swap cannot bring back what was deleted.
func (l *local) remove(root *os.Root, name string) error {
	sub, err := openSub(root, parent(name))
	if err != nil {
		return err
	}
	defer closeSub(root, sub)
	unlock, err := lockDirectory(sub)
	if err != nil {
		return err
	}
	defer unlock()
	fi, err := sub.Lstat(base(name))
	if err != nil {
		return err
	}
	if fi.IsDir() {
		return fmt.Errorf("it is a directory: %w", fs.ErrNotExist)
	}
	return l.sync.do(fileOp{kind: "remove", path: name}, func() error { return sub.Remove(base(name)) })
}

// prune removes dir and the directories above it as long as they are empty, so
// that a directory lives only as long as an object in it. A concurrent write
// either has a temporary in it, which keeps it, or makes it again.
func (l *local) prune(root *os.Root, dir string) {
	for ; dir != ""; dir = parent(dir) {
		if l.sync.do(fileOp{kind: "rmdir", path: dir}, func() error { return root.Remove(dir) }) != nil {
			return
		}
		l.sync.forget(dir)
	}
}

func (l *local) Close() error {
	l.rootMu.Lock()
	defer l.rootMu.Unlock()
	l.closed = true
	if r := l.root.Load(); r != nil {
		return r.Close()
	}
	return nil
}

var errReadOnly = errors.New("the store was opened read only")

// openSub opens a directory below root; "" is root itself.
func openSub(root *os.Root, dir string) (*os.Root, error) {
	if dir == "" {
		return root, nil
	}
	sub, err := root.OpenRoot(dir)
	if err != nil {
		// os.Root has no error of its own for this.
		if fi, serr := root.Stat(dir); serr == nil && !fi.IsDir() {
			return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
		}
	}
	return sub, err
}

func closeSub(root, sub *os.Root) {
	if sub != root {
		sub.Close()
	}
}

// localObject is an open file.
type localObject struct {
	f    *os.File
	size int64
	uri  string
}

func (o *localObject) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, wrap("read", o.uri, err)
	}
	return o.f.ReadAt(p, off)
}

func (o *localObject) Size() int64  { return o.size }
func (o *localObject) URI() string  { return o.uri }
func (o *localObject) Close() error { return o.f.Close() }

func (l *local) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return l.walk(ctx, prefix, true)
}

func (l *local) ListDir(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return l.walk(ctx, prefix, false)
}

// walk lists prefix. Symbolic links are left out: what they name is either
// listed at its own place or none of the store's business.
func (l *local) walk(ctx context.Context, prefix string, deep bool) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		dir, err := l.rel(prefix)
		if err != nil {
			yield(Info{}, err)
			return
		}
		root, err := l.handle(false)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(Info{}, wrap("list", prefix, err))
			return
		}
		visit := func(info Info, name string, sub *os.Root) bool {
			if isTemporary(name) {
				return true
			}
			if !info.Dir {
				fi, err := sub.Lstat(name)
				if errors.Is(err, fs.ErrNotExist) {
					return true // deleted since
				}
				if err != nil {
					return yield(Info{}, wrap("list", info.URI, err)) && false
				}
				info = localInfo(info.URI, fi)
			}
			return yield(info, nil)
		}
		if _, err := l.visit(ctx, root, dir, strings.TrimRight(prefix, "/"), deep, visit); err != nil {
			yield(Info{}, wrap("list", prefix, err))
		}
	}
}

// visit calls fn for the children of dir in lexical order of their URIs, going
// into directories when deep is set and showing them when not. It stops when fn
// returns false.
func (l *local) visit(ctx context.Context, root *os.Root, dir, uri string, deep bool, fn func(Info, string, *os.Root) bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	sub, err := openSub(root, dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer closeSub(root, sub)
	names, err := readNames(sub)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		plain, isDir := strings.CutSuffix(name, "/")
		child := uri + "/" + plain
		if isDir && deep {
			rel := plain
			if dir != "" {
				rel = dir + "/" + plain
			}
			if more, err := l.visit(ctx, root, rel, child, deep, fn); !more || err != nil {
				return more, err
			}
		} else if !fn(Info{URI: child, Dir: isDir}, plain, sub) {
			return false, nil
		}
	}
	return true, nil
}

// readNames returns the files and, with a slash at the end so that they sort
// as the objects in them do, the directories of sub.
func readNames(sub *os.Root) ([]string, error) {
	f, err := sub.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		switch {
		case e.IsDir():
			names = append(names, e.Name()+"/")
		case e.Type().IsRegular():
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// sweep removes temporaries under prefix last written before limit.
func (l *local) sweep(ctx context.Context, prefix string, limit time.Time) (int, error) {
	dir, err := l.rel(prefix)
	if err != nil {
		return 0, err
	}
	if l.opts.ReadOnly {
		return 0, wrap("sweep", prefix, errReadOnly)
	}
	root, err := l.handle(false)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, wrap("sweep", prefix, err)
	}
	n := 0
	_, err = l.visit(ctx, root, dir, prefix, true, func(_ Info, name string, sub *os.Root) bool {
		if !isTemporary(name) {
			return true
		}
		if fi, err := sub.Lstat(name); err == nil && fi.ModTime().Before(limit) && sub.Remove(name) == nil {
			n++
		}
		return true
	})
	if err != nil {
		return n, wrap("sweep", prefix, err)
	}
	return n, nil
}
