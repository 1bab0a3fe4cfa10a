package kv

import (
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lossyFS never syncs and never fails to write: a write that does fail is
// remembered, and the store counts as damaged from then on. Pebble ends the
// process on a failed write, which a library must not do to its user.
type lossyFS struct {
	vfs.FS
	broken atomic.Pointer[error]
}

func (f *lossyFS) Unwrap() vfs.FS { return f.FS }

func (f *lossyFS) fail(err error) {
	if err != nil {
		f.broken.CompareAndSwap(nil, &err)
	}
}

// failed returns the first failure.
func (f *lossyFS) failed() error {
	if err := f.broken.Load(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, *err)
	}
	return nil
}

// wrap returns a file to write to whatever happened, in memory if need be.
func (f *lossyFS) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		f.fail(err)
		if file, err = vfs.NewMem().Create("lost", vfs.WriteCategoryUnspecified); err != nil {
			return nil, err
		}
	}
	return &lossyFile{File: file, fs: f}, nil
}

func (f *lossyFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(f.FS.Create(name, c))
}

func (f *lossyFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.wrap(f.FS.OpenReadWrite(name, c, opts...))
}

func (f *lossyFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(f.FS.ReuseForWrite(oldname, newname, c))
}

func (f *lossyFS) OpenDir(name string) (vfs.File, error) {
	d, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &lossyFile{File: d, fs: f}, nil
}

func (f *lossyFS) Rename(oldname, newname string) error {
	f.fail(f.FS.Rename(oldname, newname))
	return nil
}

type lossyFile struct {
	vfs.File
	fs *lossyFS
}

func (f *lossyFile) Write(p []byte) (int, error) {
	_, err := f.File.Write(p)
	f.fs.fail(err)
	return len(p), nil
}

func (f *lossyFile) WriteAt(p []byte, off int64) (int, error) {
	_, err := f.File.WriteAt(p, off)
	f.fs.fail(err)
	return len(p), nil
}

func (f *lossyFile) Sync() error                       { return nil }
func (f *lossyFile) SyncTo(int64) (bool, error)        { return false, nil }
func (f *lossyFile) SyncData() error                   { return nil }
func (f *lossyFile) Preallocate(_, _ int64) error      { return nil }
func (f *lossyFile) Prefetch(off int64, n int64) error { return f.File.Prefetch(off, n) }
