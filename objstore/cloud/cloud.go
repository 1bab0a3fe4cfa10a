// Package cloud opens object stores through gocloud.dev/blob: S3 and what
// speaks its protocol, Google Cloud Storage, Azure Blob Storage, and memory.
//
// The drivers are not linked here; a program imports those it wants:
//
//	import _ "gocloud.dev/blob/s3blob"
//
//	store, err := cloud.Open(ctx, "s3://bucket/warehouse", &cloud.Options{Query: "region=eu-central-1"})
//
// Conditional puts are the stores' own (If-None-Match: *, ifGenerationMatch=0).
// Their replies are ambiguous where a request may have been applied: see the
// errors at [objstore.Store]. There is no compare-and-swap: a put with IfMatch is
// errors.ErrUnsupported. Volatile changes nothing.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/frazildb/frazil/objstore"
)

// Options configures Open and New; nil means the defaults.
type Options struct {
	// Query is appended to the bucket's URL for its driver, e.g.
	// "region=eu-central-1&endpoint=…". It never becomes part of a location.
	Query string
	// Driver names the driver of a bucket given to New: "s3", "gs", "azblob" or
	// "mem", whose conditional puts are atomic. With any other value they are
	// refused, so that the store can be read and hold data files, but no catalog.
	Driver string
	// SkipCheck leaves out the trial of a conditional put that Open makes, for
	// stores that may only be read. S3-compatible stores that ignore the header
	// would lose commits.
	SkipCheck bool
}

// atomicDrivers are the drivers whose IfNotExist is atomic among processes.
// fileblob is not one: it checks, then renames.
var atomicDrivers = []string{"s3", "gs", "azblob", "mem"}

// store is a bucket or a prefix in one.
type store struct {
	bucket *blob.Bucket
	root   string // canonical
	prefix string // "" or ends with a slash
	atomic bool
}

// Open opens s3://bucket/prefix, gs://…, azblob://… or mem://…. It proves that
// conditional puts work by one beside the tables, unless told not to.
func Open(ctx context.Context, uri string, opts *Options) (objstore.Store, error) {
	root, err := objstore.Canonical(uri)
	if err != nil {
		return nil, err
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	scheme, rest, _ := strings.Cut(root, "://")
	if !slices.Contains(atomicDrivers, scheme) {
		return nil, fmt.Errorf("open %s: scheme %q is none of %s", root, scheme, strings.Join(atomicDrivers, ", "))
	}
	name, _, _ := strings.Cut(rest, "/")
	address := scheme + "://" + name
	if scheme == "mem" {
		address = "mem://"
	}
	if o.Query != "" {
		address += "?" + o.Query
	}
	bucket, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("open %s (is the driver of %q imported?): %w", root, scheme, err)
	}
	o.Driver = scheme
	s, err := New(bucket, root, &o)
	if err == nil && !o.SkipCheck {
		err = objstore.CheckConditional(ctx, s, root)
	}
	if err != nil {
		bucket.Close()
		return nil, err
	}
	return s, nil
}

// New returns a store over an open bucket, which its Close closes; root is the
// location of the bucket or of a prefix in it. The caller vouches for
// opts.Driver; nothing is tried.
func New(bucket *blob.Bucket, root string, opts *Options) (objstore.Store, error) {
	canonical, err := objstore.Canonical(root)
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(canonical, "://")
	_, prefix, _ := strings.Cut(rest, "/")
	if prefix != "" {
		prefix += "/"
	}
	s := &store{bucket: bucket, root: canonical, prefix: prefix}
	var dir os.FileInfo // what fileblob, and only it, knows itself as
	s.atomic = opts != nil && slices.Contains(atomicDrivers, opts.Driver) && !bucket.As(&dir)
	return s, nil
}

func (s *store) Root() string { return s.root }

func (s *store) Close() error {
	if err := s.bucket.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.root, err)
	}
	return nil
}

// key returns the key of a location in the bucket.
func (s *store) key(ctx context.Context, op, uri string, object bool) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("%s %q: %w", op, uri, err)
	}
	c, err := objstore.Canonical(uri)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", op, objstore.ErrOutside, err)
	}
	if rel, ok := strings.CutPrefix(c, s.root+"/"); ok {
		return s.prefix + rel, nil
	}
	if c == s.root && !object {
		return strings.TrimSuffix(s.prefix, "/"), nil
	}
	return "", fmt.Errorf("%s %q: %w %s", op, uri, objstore.ErrOutside, s.root)
}

func (s *store) Open(ctx context.Context, uri string) (objstore.Object, error) {
	key, err := s.key(ctx, "open", uri, true)
	if err != nil {
		return nil, err
	}
	attrs, err := s.bucket.Attributes(ctx, key)
	if err != nil {
		return nil, readError("open", uri, err)
	}
	return &object{s: s, key: key, uri: uri, attrs: attrs}, nil
}

func (s *store) Stat(ctx context.Context, uri string) (objstore.Info, error) {
	key, err := s.key(ctx, "stat", uri, true)
	if err != nil {
		return objstore.Info{}, err
	}
	attrs, err := s.bucket.Attributes(ctx, key)
	if err != nil {
		return objstore.Info{}, readError("stat", uri, err)
	}
	return objstore.Info{URI: uri, Size: attrs.Size, ModTime: attrs.ModTime, ETag: attrs.ETag}, nil
}

func (s *store) Delete(ctx context.Context, uri string) error {
	key, err := s.key(ctx, "delete", uri, true)
	if err != nil {
		return err
	}
	err = s.bucket.Delete(ctx, key)
	switch {
	case err == nil:
		return nil
	case gcerrors.Code(err) == gcerrors.NotFound:
		return readError("delete", uri, err)
	default:
		return writeError("delete", uri, err, false)
	}
}

func (s *store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return s.list(ctx, prefix, "")
}

func (s *store) ListDir(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return s.list(ctx, prefix, "/")
}

func (s *store) list(ctx context.Context, prefix, delimiter string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		dir, err := s.key(ctx, "list", prefix, false)
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		if dir != "" {
			dir += "/"
		}
		it := s.bucket.List(&blob.ListOptions{Prefix: dir, Delimiter: delimiter})
		for {
			o, err := it.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(objstore.Info{}, readError("list", prefix, err))
				return
			}
			rel := strings.TrimSuffix(strings.TrimPrefix(o.Key, dir), "/")
			if rel == "" || !o.IsDir && strings.HasSuffix(o.Key, "/") {
				continue // an empty object that some tools make for a directory
			}
			info := objstore.Info{URI: strings.TrimRight(prefix, "/") + "/" + rel, Dir: o.IsDir}
			if !o.IsDir {
				info.Size, info.ModTime = o.Size, o.ModTime
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// object reads ranges of one version of an object.
type object struct {
	s        *store
	key, uri string
	attrs    *blob.Attributes
}

func (o *object) Size() int64  { return o.attrs.Size }
func (o *object) URI() string  { return o.uri }
func (o *object) Close() error { return nil }

func (o *object) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("read %q: %w", o.uri, err)
	}
	switch {
	case off < 0:
		return 0, fmt.Errorf("read %q: negative offset", o.uri)
	case off >= o.attrs.Size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	want := p[:min(int64(len(p)), o.attrs.Size-off)]
	r, err := o.s.bucket.NewRangeReader(ctx, o.key, off, int64(len(want)), nil)
	if err != nil {
		return 0, readError("read", o.uri, err)
	}
	defer r.Close()
	if r.Size() != o.attrs.Size || !r.ModTime().Equal(o.attrs.ModTime) && r.ModTime().Unix() != o.attrs.ModTime.Unix() {
		return 0, fmt.Errorf("read %q: %w since it was opened", o.uri, objstore.ErrMismatch)
	}
	n, err := io.ReadFull(r, want)
	if err != nil {
		return n, readError("read", o.uri, err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *store) Put(ctx context.Context, uri string, data []byte, opts *objstore.PutOptions) error {
	w, err := s.create(ctx, "put", uri, opts)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		w.Abort()
		return err
	}
	return w.Close()
}

func (s *store) Create(ctx context.Context, uri string, opts *objstore.PutOptions) (objstore.Writer, error) {
	w, err := s.create(ctx, "create", uri, opts)
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (s *store) create(ctx context.Context, op, uri string, opts *objstore.PutOptions) (*writer, error) {
	key, err := s.key(ctx, op, uri, true)
	if err != nil {
		return nil, err
	}
	w := &writer{op: op, uri: uri}
	if opts != nil {
		w.ifAbsent = opts.IfAbsent
		if opts.IfMatch != "" {
			return nil, fmt.Errorf("%s %q: compare-and-swap: %w", op, uri, errors.ErrUnsupported)
		}
	}
	if w.ifAbsent && !s.atomic {
		return nil, fmt.Errorf("%s %q: put-if-absent is not known to be atomic in this store: %w", op, uri, errors.ErrUnsupported)
	}
	// To abandon a write its context must be cancelled before it is closed.
	var bound context.Context
	bound, w.cancel = context.WithCancel(ctx)
	w.w, err = s.bucket.NewWriter(bound, key, &blob.WriterOptions{
		ContentType: "application/octet-stream",
		IfNotExist:  w.ifAbsent,
	})
	if err != nil {
		w.cancel()
		return nil, writeError(op, uri, err, w.ifAbsent)
	}
	w.ctx = bound
	return w, nil
}

// writer is a streaming upload.
type writer struct {
	op, uri  string
	ifAbsent bool
	w        *blob.Writer
	ctx      context.Context // bound to this one write
	cancel   context.CancelFunc
	once     sync.Once
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		err = writeError(w.op, w.uri, err, w.ifAbsent)
	}
	return n, err
}

func (w *writer) Close() error {
	err := fmt.Errorf("%s %q: %w", w.op, w.uri, os.ErrClosed)
	w.once.Do(func() {
		defer w.cancel()
		err = w.w.Close()
		if err != nil {
			err = writeError(w.op, w.uri, err, w.ifAbsent)
		}
	})
	return err
}

func (w *writer) Abort() error {
	w.once.Do(func() {
		w.cancel()
		w.w.Close() // reports the cancellation
	})
	return nil
}
