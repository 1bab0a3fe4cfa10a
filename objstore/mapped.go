package objstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// mapped is a store that answers for another prefix too.
type mapped struct {
	inner    Store
	from, to string // canonical
	raw      bool   // from is no valid location, so it is compared as text
}

// MapPrefix returns a store that also answers for locations under from, which
// it looks up under to in the store: a table written elsewhere is so read from
// a copy. Locations not under from go to the store as they are, so calls nest
// for several prefixes. Every spelling of from that Canonical knows is mapped;
// a from that it refuses, such as the relative paths that some writers leave in
// their tables, is compared as text, by whole segments.
//
// It panics if to is not a valid location, or from is empty.
func MapPrefix(store Store, from, to string) Store {
	m := &mapped{inner: store}
	var err error
	if m.to, err = Canonical(to); err != nil {
		panic(fmt.Errorf("map prefix: %w", err))
	}
	if m.from, err = Canonical(from); err != nil {
		m.from, m.raw = strings.TrimRight(from, "/"), true
	}
	if m.from == "" {
		panic("map prefix: the prefix is empty")
	}
	return m
}

// resolve returns the location in the inner store.
func (m *mapped) resolve(uri string) (string, error) {
	c := uri
	if !m.raw {
		var err error
		if c, err = Canonical(uri); err != nil {
			return uri, nil // an outer or inner prefix may know it, else it is refused
		}
	}
	if rest, ok := cutRoot(m.from, c); ok {
		return Join(m.to, rest), nil
	}
	return uri, nil
}

// object is resolve for the name of one object.
func (m *mapped) object(uri string) (string, error) {
	inner, err := m.resolve(uri)
	if err == nil && inner == m.to {
		err = fmt.Errorf("%s: %w: it is the root itself", quoteURI(uri), ErrOutside)
	}
	return inner, err
}

func (m *mapped) Root() string { return m.inner.Root() }
func (m *mapped) Close() error { return m.inner.Close() }

func (m *mapped) Open(ctx context.Context, uri string) (Object, error) {
	inner, err := m.object(uri)
	if err != nil {
		return nil, err
	}
	o, err := m.inner.Open(ctx, inner)
	if err != nil || inner == uri {
		return o, err
	}
	return renamed{o, uri}, nil
}

// renamed is an object under the name it was asked for.
type renamed struct {
	Object
	uri string
}

func (r renamed) URI() string { return r.uri }

func (m *mapped) Stat(ctx context.Context, uri string) (Info, error) {
	inner, err := m.object(uri)
	if err != nil {
		return Info{}, err
	}
	info, err := m.inner.Stat(ctx, inner)
	info.URI = uri
	return info, err
}

func (m *mapped) Put(ctx context.Context, uri string, data []byte, opts *PutOptions) error {
	inner, err := m.object(uri)
	if err != nil {
		return err
	}
	return m.inner.Put(ctx, inner, data, opts)
}

func (m *mapped) Create(ctx context.Context, uri string, opts *PutOptions) (Writer, error) {
	inner, err := m.object(uri)
	if err != nil {
		return nil, err
	}
	return m.inner.Create(ctx, inner, opts)
}

func (m *mapped) Delete(ctx context.Context, uri string) error {
	inner, err := m.object(uri)
	if err != nil {
		return err
	}
	return m.inner.Delete(ctx, inner)
}

func (m *mapped) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return m.list(prefix, func(inner string) iter.Seq2[Info, error] { return m.inner.List(ctx, inner) })
}

func (m *mapped) ListDir(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return m.list(prefix, func(inner string) iter.Seq2[Info, error] { return m.inner.ListDir(ctx, inner) })
}

// list runs a listing of the inner store and renames what it yields.
func (m *mapped) list(prefix string, inner func(string) iter.Seq2[Info, error]) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		dir, err := m.resolve(prefix)
		if err != nil {
			yield(Info{}, err)
			return
		}
		dir = strings.TrimRight(dir, "/")
		for info, err := range inner(dir) {
			if rest, ok := strings.CutPrefix(info.URI, dir+"/"); ok {
				info.URI = Join(prefix, rest)
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// routed sends each location to the store it is under.
type routed struct{ stores []Store }

// Route returns a store over several: each location goes to the first whose
// root it is under, as for a table whose files lie in several buckets. The
// primary one's Root is the result's, and Close closes all. MapPrefix goes around
// Route, not within.
func Route(primary Store, more ...Store) Store {
	return &routed{stores: append([]Store{primary}, more...)}
}

func (r *routed) pick(uri string) (Store, error) {
	for _, s := range r.stores {
		if Under(s.Root(), uri) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s: %w %s and %d others", quoteURI(uri), ErrOutside, r.Root(), len(r.stores)-1)
}

func (r *routed) Root() string { return r.stores[0].Root() }

func (r *routed) Close() error {
	errs := make([]error, len(r.stores))
	for i, s := range r.stores {
		errs[i] = s.Close()
	}
	return errors.Join(errs...)
}

func (r *routed) Open(ctx context.Context, uri string) (Object, error) {
	s, err := r.pick(uri)
	if err != nil {
		return nil, err
	}
	return s.Open(ctx, uri)
}

func (r *routed) Stat(ctx context.Context, uri string) (Info, error) {
	s, err := r.pick(uri)
	if err != nil {
		return Info{}, err
	}
	return s.Stat(ctx, uri)
}

func (r *routed) Put(ctx context.Context, uri string, data []byte, opts *PutOptions) error {
	s, err := r.pick(uri)
	if err != nil {
		return err
	}
	return s.Put(ctx, uri, data, opts)
}

func (r *routed) Create(ctx context.Context, uri string, opts *PutOptions) (Writer, error) {
	s, err := r.pick(uri)
	if err != nil {
		return nil, err
	}
	return s.Create(ctx, uri, opts)
}

func (r *routed) Delete(ctx context.Context, uri string) error {
	s, err := r.pick(uri)
	if err != nil {
		return err
	}
	return s.Delete(ctx, uri)
}

func (r *routed) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	s, err := r.pick(prefix)
	if err != nil {
		return failedList(err)
	}
	return s.List(ctx, prefix)
}

func (r *routed) ListDir(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	s, err := r.pick(prefix)
	if err != nil {
		return failedList(err)
	}
	return s.ListDir(ctx, prefix)
}

func failedList(err error) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) { yield(Info{}, err) }
}
