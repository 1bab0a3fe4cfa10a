package objstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Temporaries are .frazil-<32 hex digits>.tmp beside their object.
const (
	tempPrefix = ".frazil-"
	tempSuffix = ".tmp"
	tempLength = len(tempPrefix) + 32 + len(tempSuffix)
)

// isTemporary reports whether a file name is one of an unfinished write.
func isTemporary(name string) bool {
	return len(name) == tempLength && strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix)
}

// writeBuffer is the buffer of a streaming write, in bytes.
const writeBuffer = 64 << 10

// attempts bounds how often a write makes its directory again because a
// concurrent delete pruned it.
const attempts = 100

// localWriter is a write to a temporary that publish gives its name.
type localWriter struct {
	l    *local
	ctx  context.Context // bound to this one write
	uri  string
	name string // relative path of the object
	opts PutOptions

	root, sub *os.Root // sub is the object's directory
	temp      string   // name of the temporary in sub
	f         *os.File
	dir       *os.File      // the directory, to sync it; nil when nothing is synced
	buf       *bufio.Writer // nil in a Put
	done      bool
}

func (l *local) Put(ctx context.Context, uri string, data []byte, opts *PutOptions) error {
	w, err := l.begin(ctx, uri, opts)
	if err != nil {
		return wrap("put", uri, err)
	}
	if _, err := (tempFile{w}).Write(data); err != nil {
		w.Abort()
		return wrap("put", uri, err)
	}
	if err := w.publish(); err != nil {
		return wrap("put", uri, err)
	}
	return nil
}

func (l *local) Create(ctx context.Context, uri string, opts *PutOptions) (Writer, error) {
	w, err := l.begin(ctx, uri, opts)
	if err != nil {
		return nil, wrap("create", uri, err)
	}
	w.buf = bufio.NewWriterSize(tempFile{w}, writeBuffer)
	return w, nil
}

// begin opens a temporary beside the object, making directories as needed.
func (l *local) begin(ctx context.Context, uri string, opts *PutOptions) (*localWriter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &localWriter{l: l, ctx: ctx, uri: uri}
	if opts != nil {
		w.opts = *opts
	}
	var err error
	if w.name, err = l.object(uri); err != nil {
		return nil, err
	}
	if l.opts.ReadOnly {
		return nil, errReadOnly
	}
	if w.opts.IfAbsent && w.opts.IfMatch != "" {
		return nil, errors.New("IfAbsent and IfMatch exclude each other")
	}
	if err := l.sync.failed(); err != nil {
		return nil, err
	}
	if w.root, err = l.handle(true); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		err := w.open()
		if err == nil || !errors.Is(err, fs.ErrNotExist) || try == attempts {
			return w, err
		}
		l.sync.forget(parent(w.name))
	}
}

// open makes one try at the temporary.
func (w *localWriter) open() error {
	dir := parent(w.name)
	durable := !w.opts.Volatile && !w.l.opts.NoSync
	if err := w.l.sync.ensure(w.root, dir, durable); err != nil {
		return err
	}
	sub, err := openSub(w.root, dir)
	if err != nil {
		return err
	}
	if w.opts.IfAbsent {
		// The loser of a race is told before it writes and syncs for nothing.
		if _, err := sub.Lstat(base(w.name)); err == nil {
			closeSub(w.root, sub)
			return ErrExists
		}
	}
	temp := tempPrefix + randomHex() + tempSuffix
	var f *os.File
	err = w.l.sync.do(fileOp{kind: "create", path: path.Join(dir, temp)}, func() (err error) {
		f, err = sub.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		closeSub(w.root, sub)
		return err
	}
	w.sub, w.temp, w.f = sub, temp, f
	if durable {
		// Opened now, so that a lack of file handles fails the write while it is
		// still invisible.
		if w.dir, err = sub.Open("."); err != nil {
			w.Abort()
			return err
		}
	}
	return nil
}

// tempFile writes to the temporary.
type tempFile struct{ w *localWriter }

func (t tempFile) Write(p []byte) (n int, err error) {
	err = t.w.l.sync.do(fileOp{kind: "write", path: t.w.tempName(), data: p}, func() (err error) {
		n, err = t.w.f.Write(p)
		return err
	})
	return n, err
}

// tempName is the path of the temporary.
func (w *localWriter) tempName() string { return path.Join(parent(w.name), w.temp) }

// removeTemp removes the temporary.
func (w *localWriter) removeTemp() error {
	return w.l.sync.do(fileOp{kind: "remove", path: w.tempName()}, func() error { return w.sub.Remove(w.temp) })
}

func (w *localWriter) Write(p []byte) (int, error) {
	if w.done {
		return 0, wrap("write", w.uri, fs.ErrClosed)
	}
	if err := w.ctx.Err(); err != nil {
		return 0, wrap("write", w.uri, err)
	}
	n, err := w.buf.Write(p)
	if err != nil {
		err = wrap("write", w.uri, err)
	}
	return n, err
}

func (w *localWriter) Close() error {
	if w.done {
		return wrap("close", w.uri, fs.ErrClosed)
	}
	if err := w.buf.Flush(); err != nil {
		w.Abort()
		return wrap("close", w.uri, err)
	}
	if err := w.publish(); err != nil {
		return wrap("close", w.uri, err)
	}
	return nil
}

func (w *localWriter) Abort() error {
	if w.done {
		return nil
	}
	w.f.Close()
	err := w.removeTemp()
	w.end()
	w.l.prune(w.root, parent(w.name))
	if err != nil {
		return wrap("abort", w.uri, err)
	}
	return nil
}

// end releases the directory.
func (w *localWriter) end() {
	w.done = true
	if w.dir != nil {
		w.dir.Close()
	}
	closeSub(w.root, w.sub)
}

// publish makes the temporary durable, gives it its name and makes that
// durable. It ends the write.
func (w *localWriter) publish() error {
	if err := w.finish(); err != nil {
		w.Abort()
		return err
	}
	defer w.end()
	name := base(w.name)
	var err error
	if w.opts.IfAbsent {
		err = w.link(name)
	} else {
		err = w.replace(name)
	}
	if err != nil || w.opts.IfAbsent {
		_ = w.removeTemp() // if this fails the temporary is swept some day
	}
	if err != nil {
		return err
	}
	if w.dir == nil {
		return nil
	}
	if err := w.l.sync.sync(w.dir, parent(w.name)); err != nil {
		return fmt.Errorf("%w: %w: %w", ErrUnknownOutcome, ErrNotDurable, err)
	}
	return nil
}

// finish completes the temporary: mode, times, contents on the medium. After a
// failed fsync the kernel may have dropped the pages and marked them clean, so
// the file is given up, never synced again.
func (w *localWriter) finish() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if err := w.f.Chmod(w.l.opts.FileMode); err != nil {
		return err
	}
	// The kernel's own time stamps are coarse; an ETag needs fine ones, because
	// inodes are used again at once.
	now := time.Now()
	if err := w.sub.Chtimes(w.temp, now, now); err != nil {
		return err
	}
	if !w.opts.Volatile && !w.l.opts.NoSync {
		err := w.l.sync.do(fileOp{kind: "fsync", path: w.tempName()}, func() error { return w.l.sync.syncFile(w.f) })
		if err != nil {
			return fmt.Errorf("fsync: %w", err)
		}
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.f.Close()
}

// link names the temporary if nothing has that name.
func (w *localWriter) link(name string) error {
	err := w.l.sync.do(fileOp{kind: "link", path: w.tempName(), to: w.name}, func() error { return w.sub.Link(w.temp, name) })
	if err == nil {
		return nil
	}
	// A network file system may report the failure of a link that it made, when
	// the first reply was lost: the inode tells.
	if have, serr := w.sub.Lstat(name); serr == nil {
		if mine, serr := w.sub.Lstat(w.temp); serr == nil && os.SameFile(have, mine) {
			return nil
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	return err
}

// replace renames the temporary over the object, under the directory's lock so
// that no other replace or delete comes between comparison and rename.
func (w *localWriter) replace(name string) error {
	unlock, err := lockDirectory(w.sub)
	if err != nil {
		return err
	}
	defer unlock()
	if w.opts.IfMatch != "" {
		fi, err := w.sub.Lstat(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w: it is gone", ErrMismatch)
		}
		if have := etag(fi); have != w.opts.IfMatch {
			return fmt.Errorf("%w: version is %s, not %s", ErrMismatch, have, w.opts.IfMatch)
		}
	}
	return w.l.sync.do(fileOp{kind: "rename", path: w.tempName(), to: w.name}, func() error { return w.sub.Rename(w.temp, name) })
}
