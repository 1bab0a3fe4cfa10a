package objstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// memory is a store in memory.
type memory struct {
	root string
	mu   struct {
		sync.Mutex
		objects map[string]memoryObject // by path below root
		version uint64
	}
}

// memoryObject is one version of an object; its data is never changed.
type memoryObject struct {
	data    []byte
	modTime time.Time
	version uint64
}

// NewMemory returns an empty store in memory whose URIs begin with root
// ("" is mem://memory). It panics if root is not a valid location.
func NewMemory(root string) Store {
	if root == "" {
		root = "mem://memory"
	}
	canonical, err := Canonical(root)
	if err != nil {
		panic(err)
	}
	m := &memory{root: canonical}
	m.mu.objects = map[string]memoryObject{}
	return m
}

func (m *memory) Root() string { return m.root }
func (m *memory) Close() error { return nil }

// key returns the path of a URI below the root.
func (m *memory) key(ctx context.Context, uri string, object bool) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	c, err := Canonical(uri)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOutside, err)
	}
	key, ok := cutRoot(m.root, c)
	if !ok || object && key == "" {
		return "", fmt.Errorf("%w %s", ErrOutside, m.root)
	}
	return key, nil
}

func (m *memory) get(ctx context.Context, uri string) (memoryObject, error) {
	key, err := m.key(ctx, uri, true)
	if err != nil {
		return memoryObject{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.mu.objects[key]
	if !ok {
		return memoryObject{}, ErrNotFound
	}
	return o, nil
}

func (o memoryObject) info(uri string) Info {
	return Info{URI: uri, Size: int64(len(o.data)), ModTime: o.modTime, ETag: strconv.FormatUint(o.version, 10)}
}

func (m *memory) Open(ctx context.Context, uri string) (Object, error) {
	o, err := m.get(ctx, uri)
	if err != nil {
		return nil, wrap("open", uri, err)
	}
	return NewObject(uri, o.data), nil
}

func (m *memory) Stat(ctx context.Context, uri string) (Info, error) {
	o, err := m.get(ctx, uri)
	if err != nil {
		return Info{}, wrap("stat", uri, err)
	}
	return o.info(uri), nil
}

func (m *memory) Put(ctx context.Context, uri string, data []byte, opts *PutOptions) error {
	if err := m.put(ctx, uri, bytes.Clone(data), opts); err != nil {
		return wrap("put", uri, err)
	}
	return nil
}

// put stores data, which it keeps.
func (m *memory) put(ctx context.Context, uri string, data []byte, opts *PutOptions) error {
	key, err := m.key(ctx, uri, true)
	if err != nil {
		return err
	}
	if opts == nil {
		opts = &PutOptions{}
	}
	if opts.IfAbsent && opts.IfMatch != "" {
		return errors.New("IfAbsent and IfMatch exclude each other")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, exists := m.mu.objects[key]
	if opts.IfAbsent && exists {
		return ErrExists
	}
	if opts.IfMatch != "" && (!exists || strconv.FormatUint(old.version, 10) != opts.IfMatch) {
		return ErrMismatch
	}
	m.mu.version++
	m.mu.objects[key] = memoryObject{data: data, modTime: time.Now(), version: m.mu.version}
	return nil
}

func (m *memory) Create(ctx context.Context, uri string, opts *PutOptions) (Writer, error) {
	if _, err := m.key(ctx, uri, true); err != nil {
		return nil, wrap("create", uri, err)
	}
	w := &memoryWriter{m: m, ctx: ctx, uri: uri}
	if opts != nil {
		w.opts = *opts
	}
	if w.opts.IfAbsent {
		if _, err := m.get(ctx, uri); err == nil {
			return nil, wrap("create", uri, ErrExists)
		}
	}
	return w, nil
}

func (m *memory) Delete(ctx context.Context, uri string) error {
	key, err := m.key(ctx, uri, true)
	if err != nil {
		return wrap("delete", uri, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.mu.objects[key]; !ok {
		return wrap("delete", uri, ErrNotFound)
	}
	delete(m.mu.objects, key)
	return nil
}

// keys returns the sorted keys below a directory-like prefix.
func (m *memory) keys(prefix string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for k := range m.mu.objects {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func (m *memory) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return m.list(ctx, prefix, true)
}

func (m *memory) ListDir(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return m.list(ctx, prefix, false)
}

func (m *memory) list(ctx context.Context, prefix string, deep bool) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		dir, err := m.key(ctx, prefix, false)
		if err != nil {
			yield(Info{}, wrap("list", prefix, err))
			return
		}
		if dir != "" {
			dir += "/"
		}
		uri := strings.TrimRight(prefix, "/") + "/"
		last := ""
		for _, key := range m.keys(dir) {
			if err := ctx.Err(); err != nil {
				yield(Info{}, wrap("list", prefix, err))
				return
			}
			name := key[len(dir):]
			if child, _, below := strings.Cut(name, "/"); below && !deep {
				if child != last && !yield(Info{URI: uri + child, Dir: true}, nil) {
					return
				}
				last = child
				continue
			}
			m.mu.Lock()
			o, ok := m.mu.objects[key]
			m.mu.Unlock()
			if ok && !yield(o.info(uri+name), nil) {
				return
			}
		}
	}
}

// NewObject returns an open object with the bytes of data, which it keeps and
// which must not change. Its URI is only a name; Close does nothing. It is safe
// for concurrent use.
func NewObject(uri string, data []byte) Object { return &memoryReader{data: data, uri: uri} }

// memoryReader is an open object: the version there was.
type memoryReader struct {
	data []byte
	uri  string
}

func (r *memoryReader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, wrap("read", r.uri, err)
	}
	if off < 0 {
		return 0, wrap("read", r.uri, errors.New("negative offset"))
	}
	if off >= int64(len(r.data)) {
		return 0, io.EOF
	}
	n := copy(p, r.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (r *memoryReader) Size() int64  { return int64(len(r.data)) }
func (r *memoryReader) URI() string  { return r.uri }
func (r *memoryReader) Close() error { return nil }

// memoryWriter collects an object.
type memoryWriter struct {
	m    *memory
	ctx  context.Context // bound to this one write
	uri  string
	opts PutOptions
	buf  bytes.Buffer
	done bool
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	if w.done {
		return 0, wrap("write", w.uri, fs.ErrClosed)
	}
	return w.buf.Write(p)
}

func (w *memoryWriter) Close() error {
	if w.done {
		return wrap("close", w.uri, fs.ErrClosed)
	}
	w.done = true
	if err := w.m.put(w.ctx, w.uri, w.buf.Bytes(), &w.opts); err != nil {
		return wrap("close", w.uri, err)
	}
	return nil
}

func (w *memoryWriter) Abort() error {
	w.done = true
	w.buf = bytes.Buffer{}
	return nil
}
