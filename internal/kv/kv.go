// Package kv is a sorted store of keys and values on a local disk for data that
// can be made again: caches, spilled tables. It is the one place that knows
// Pebble.
//
// Nothing is ever synced. After a crash the store is in a state it had earlier,
// or is found to be damaged, or cannot be opened; each of these its user answers
// by building it again. A full or failing disk shows as an error of the next
// call, never as a partial write that passes for a whole one.
package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options configure a store; nil and zero fields mean the documented default.
type Options struct {
	// CacheBytes is the size of the block cache; default 32 MiB.
	CacheBytes int64
	// Tidy may shorten a value that was put together by Merge, in place; it may be
	// called from any goroutine at any time. An empty result is as good as none.
	// Default: values stay.
	Tidy func(value []byte) []byte
}

// ErrDamaged: the store is damaged, or its disk fails. It has to be built again.
var ErrDamaged = errors.New("store is damaged")

// DB is a store. It is safe for concurrent use, but Close.
type DB struct {
	db   *pebble.DB
	fs   *lossyFS
	dir  string
	next atomic.Int64
	wo   sstable.WriterOptions
}

// Open opens the store in a directory, making it if need be. A store that cannot
// be read is ErrDamaged.
func Open(dir string, opts *Options) (d *DB, err error) {
	defer Recovered(&err)
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 32 << 20
	}
	// Its files hold keys of tables; pebble would let everybody in.
	if err := vfs.Default.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fs := &lossyFS{FS: vfs.Default}
	cache := pebble.NewCache(o.CacheBytes)
	defer cache.Unref()
	po := &pebble.Options{
		FS: fs, Cache: cache, DisableWAL: true, L0CompactionThreshold: 4, MemTableSize: 1 << 20, Logger: quiet{},
		FormatMajorVersion: pebble.FormatNewest, MaxOpenFiles: 256,
		Merger: &pebble.Merger{
			Name: "frazil.concat",
			Merge: func(_, value []byte) (pebble.ValueMerger, error) {
				return &concat{tidy: o.Tidy, b: slices.Clone(value)}, nil
			},
		},
		CompactionConcurrencyRange: func() (int, int) { return 1, 1 },
		DisableTableStats:          true,
		EventListener: &pebble.EventListener{ // by default damaged data ends the process
			DataCorruption:  func(info pebble.DataCorruptionInfo) { fs.fail(info.Details) },
			BackgroundError: fs.fail,
		},
	}
	for i := range po.TargetFileSizes {
		po.TargetFileSizes[i] = 32 << 20
	}
	for i := range po.Levels {
		// Large blocks: batches of keys find several in each.
		po.Levels[i].BlockSize = 16 << 10
		if i < len(po.Levels)-1 {
			po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		}
		po.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	db, err := pebble.Open(dir, po)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	d = &DB{db: db, fs: fs, dir: dir}
	d.wo = po.MakeWriterOptions(0, db.TableFormat())
	return d, nil
}

// Close closes the store.
func (d *DB) Close() (err error) {
	defer Recovered(&err)
	return errors.Join(d.db.Close(), d.fs.failed())
}

// Lock locks a directory, which it makes if need be, for this process.
func Lock(dir string) (io.Closer, error) {
	if err := vfs.Default.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return vfs.Default.Lock(vfs.Default.PathJoin(dir, "LOCK"))
}

// Run is a sorted run of changes: each key comes once, in ascending order.
type Run struct {
	w   *sstable.Writer
	n   int
	err error
}

func (r *Run) did(err error) {
	r.n++
	if r.err == nil {
		r.err = err
	}
}

// Set sets the value of a key.
func (r *Run) Set(key, value []byte) { r.did(r.w.Set(key, value)) }

// Merge appends to the value of a key.
func (r *Run) Merge(key, value []byte) { r.did(r.w.Merge(key, value)) }

// Delete removes a key.
func (r *Run) Delete(key []byte) { r.did(r.w.Delete(key)) }

// Write applies the run of changes that f makes, all of them or none.
func (d *DB) Write(f func(r *Run) error) (err error) {
	defer Recovered(&err)
	if err := d.fs.failed(); err != nil {
		return err
	}
	path := d.fs.PathJoin(d.dir, fmt.Sprintf("run-%d.tmp", d.next.Add(1)))
	file, err := d.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	r := &Run{w: sstable.NewWriter(objstorageprovider.NewFileWritable(file), d.wo)}
	err = f(r)
	if err := errors.Join(err, r.err, r.w.Close(), d.fs.failed()); err != nil || r.n == 0 {
		return errors.Join(err, d.fs.Remove(path))
	}
	if err := d.db.Ingest(context.Background(), []string{path}); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return d.fs.failed()
}

// Iter goes over keys in order. It sees the store as it was when it was made.
type Iter struct {
	it  *pebble.Iterator
	err error
}

// Iter returns an iterator; close it.
func (d *DB) Iter() (it *Iter, err error) {
	defer Recovered(&err)
	if err := d.fs.failed(); err != nil {
		return nil, err
	}
	p, err := d.db.NewIter(nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &Iter{it: p}, nil
}

// Seek goes to the first key not less than key. Ascending keys are fastest.
func (i *Iter) Seek(key []byte) bool { return i.it.SeekGE(key) }

// Find goes to key and reports whether it is there. Ascending keys are fastest.
// Next must not follow.
func (i *Iter) Find(key []byte) bool { return i.it.SeekPrefixGE(key) && bytes.Equal(i.it.Key(), key) }

// Next goes to the next key.
func (i *Iter) Next() bool { return i.it.Next() }

// Key returns the key, valid until the next step.
func (i *Iter) Key() []byte { return i.it.Key() }

// Value returns the value, valid until the next step.
func (i *Iter) Value() []byte {
	v, err := i.it.ValueAndErr()
	if err != nil {
		i.err = err
	}
	return v
}

// Close ends the iteration; it returns the error met on the way, if any.
func (i *Iter) Close() (err error) {
	defer Recovered(&err)
	if err := errors.Join(i.err, i.it.Error(), i.it.Close()); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// Recovered, deferred by those who iterate, makes an error of a panic on malformed data.
func Recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}

// concat puts merged values together, oldest first.
type concat struct {
	tidy func([]byte) []byte
	b    []byte
}

func (c *concat) MergeNewer(value []byte) error {
	c.b = append(c.b, value...)
	return nil
}

func (c *concat) MergeOlder(value []byte) error {
	c.b = slices.Insert(c.b, 0, value...)
	return nil
}

func (c *concat) Finish(bool) ([]byte, io.Closer, error) {
	if c.tidy != nil {
		c.b = c.tidy(c.b)
	}
	return c.b, nil, nil
}

// quiet logs nothing. What Pebble calls fatal is a failed write, which lossyFS
// does not let it see.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// Fatalf must not return.
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
