package faultstore

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/frazildb/frazil/objstore"
)

// maxPast bounds the changes a Past remembers.
const maxPast = 256

// Past is a store that remembers what its objects were before their last change,
// so that calls in mode [Stale] of any number of Stores on top of it can see that
// again. It is for small objects: what is replaced or deleted is kept in memory.
type Past struct {
	objstore.Store
	mu struct {
		sync.Mutex
		old map[string]former
		// order of the changes, oldest first; a URI may be in it twice.
		order []string
	}
}

// former is an object before its last change.
type former struct {
	existed bool
	data    []byte
	info    objstore.Info
}

// NewPast wraps inner.
func NewPast(inner objstore.Store) *Past {
	p := &Past{Store: inner}
	p.mu.old = map[string]former{}
	return p
}

// look reads an object as it is.
func (p *Past) look(ctx context.Context, uri string) (f former) {
	ctx = context.WithoutCancel(ctx)
	info, err := p.Store.Stat(ctx, uri)
	if err != nil {
		return former{}
	}
	f = former{existed: true, info: info}
	f.data, _ = objstore.ReadAll(ctx, p.Store, uri, 0)
	return f
}

func (p *Past) changed(uri string, f former) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.old[uri] = f
	p.mu.order = append(p.mu.order, uri)
	if len(p.mu.order) > maxPast {
		gone := p.mu.order[0]
		p.mu.order = p.mu.order[1:]
		if !slices.Contains(p.mu.order, gone) {
			delete(p.mu.old, gone)
		}
	}
}

// before returns what an object was before its last change.
func (p *Past) before(uri string) (former, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.mu.old[uri]
	return f, ok
}

// Put implements objstore.Store.
func (p *Past) Put(ctx context.Context, uri string, data []byte, opts *objstore.PutOptions) error {
	f := p.look(ctx, uri)
	err := p.Store.Put(ctx, uri, data, opts)
	if err == nil {
		p.changed(uri, f)
	}
	return err
}

// Delete implements objstore.Store.
func (p *Past) Delete(ctx context.Context, uri string) error {
	f := p.look(ctx, uri)
	err := p.Store.Delete(ctx, uri)
	if err == nil {
		p.changed(uri, f)
	}
	return err
}

// Create implements objstore.Store.
func (p *Past) Create(ctx context.Context, uri string, opts *objstore.PutOptions) (objstore.Writer, error) {
	w, err := p.Store.Create(ctx, uri, opts)
	if err != nil {
		return nil, err
	}
	return &pastWriter{w, p, ctx, uri}, nil
}

type pastWriter struct {
	objstore.Writer
	p   *Past
	ctx context.Context // bound to this one write
	uri string
}

func (w *pastWriter) Close() error {
	f := w.p.look(w.ctx, w.uri)
	err := w.Writer.Close()
	if err == nil {
		w.p.changed(w.uri, f)
	}
	return err
}

// stat is Stat of the past; ok is false where nothing is remembered.
func (p *Past) stat(uri string) (info objstore.Info, err error, ok bool) {
	f, ok := p.before(uri)
	if !ok {
		return info, nil, false
	}
	if !f.existed {
		return info, objstore.ErrNotFound, true
	}
	return f.info, nil, true
}

func (p *Past) open(uri string) (o objstore.Object, err error, ok bool) {
	f, ok := p.before(uri)
	if !ok {
		return nil, nil, false
	}
	if !f.existed {
		return nil, objstore.ErrNotFound, true
	}
	return objstore.NewObject(uri, f.data), nil, true
}

// list is a listing in which the last change of every object has not arrived.
func (p *Past) list(ctx context.Context, prefix string, list func(context.Context, string) iter.Seq2[objstore.Info, error], deep bool) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		var out []objstore.Info
		for info, err := range list(ctx, prefix) {
			if err != nil {
				yield(info, err)
				return
			}
			if f, ok := p.before(info.URI); ok && !info.Dir {
				if !f.existed {
					continue
				}
				info = f.info
			}
			out = append(out, info)
		}
		out = append(out, p.deleted(prefix, out, deep)...)
		slices.SortFunc(out, func(a, b objstore.Info) int { return strings.Compare(a.URI, b.URI) })
		for _, info := range out {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// deleted returns the objects of the past below prefix that are not listed.
func (p *Past) deleted(prefix string, listed []objstore.Info, deep bool) (out []objstore.Info) {
	have := map[string]bool{}
	for _, info := range listed {
		have[info.URI] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for uri, f := range p.mu.old {
		name, below := strings.CutPrefix(uri, strings.TrimRight(prefix, "/")+"/")
		if f.existed && below && !have[uri] && (deep || !strings.Contains(name, "/")) {
			out = append(out, f.info)
		}
	}
	return out
}
