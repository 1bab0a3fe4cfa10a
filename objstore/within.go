package objstore

import (
	"context"
	"fmt"
	"iter"
	"strings"
)

// Bounds are the locations that a table may use. Metadata, manifests and their
// properties name files by absolute location, and whoever wrote them may have
// been careless or hostile: what they name is looked at only within the bounds,
// which come from the catalog and the caller.
type Bounds struct {
	// Own is the table's directory: read, written and cleaned.
	Own string
	// Allow are further prefixes under which objects are read and written, such
	// as a second bucket that holds some of the data.
	Allow []string
	// Delete are prefixes, beyond Own, under which objects are also deleted.
	Delete []string
}

// within is a store that answers only for what lies in bounds.
type within struct {
	inner   Store
	own     string
	use     []prefix // read and write
	cleanup []prefix // delete
}

// prefix is a root in its canonical spelling or, where that does not exist (the
// relative paths of some writers, which MapPrefix can send somewhere), as text.
type prefix struct {
	root string
	raw  bool
}

// Within returns a store that refuses, with ErrOutside, every location that is
// not in bounds: by whole path segments, after Canonical. The error names the
// location and not what is there. A prefix that is no location, such as a
// relative path, is compared as text. It costs one Canonical a call; reads of an
// open object cost nothing.
//
// Within goes over MapPrefix and Route: bounds are locations as metadata spells
// them.
func Within(store Store, b Bounds) (Store, error) {
	if _, err := Canonical(b.Own); err != nil {
		return nil, fmt.Errorf("bounds of a table: %w", err)
	}
	w := &within{inner: store, own: b.Own}
	for _, p := range append([]string{b.Own}, b.Allow...) {
		w.use = append(w.use, newPrefix(p))
	}
	w.cleanup = append(w.cleanup, newPrefix(b.Own))
	for _, p := range b.Delete {
		w.use = append(w.use, newPrefix(p))
		w.cleanup = append(w.cleanup, newPrefix(p))
	}
	return w, nil
}

func newPrefix(s string) prefix {
	if c, err := Canonical(s); err == nil {
		return prefix{root: c}
	}
	return prefix{root: strings.TrimRight(s, "/"), raw: true}
}

// covers reports whether a location is in one of the prefixes. canonical is ""
// when the location has no canonical spelling.
func covers(prefixes []prefix, uri, canonical string) bool {
	for _, p := range prefixes {
		name := canonical
		if p.raw {
			name = uri
		}
		if p.root == "" || name == "" {
			continue
		}
		if _, ok := cutRoot(p.root, name); ok {
			return true
		}
	}
	return false
}

// check refuses a location outside the prefixes.
func (w *within) check(uri string, prefixes []prefix, what string) error {
	canonical, err := Canonical(uri)
	if err != nil && (len(uri) > maxURI || hasDots(uri)) {
		return fmt.Errorf("%w: %w", ErrOutside, err)
	}
	if covers(prefixes, uri, canonical) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOutside, err)
	}
	return fmt.Errorf("%s: %w: the table may %s under %s only; allow a further prefix if this is right",
		quoteURI(uri), ErrOutside, what, w.own)
}

// hasDots reports whether a segment of a location that is compared as text could
// leave its prefix.
func hasDots(uri string) bool {
	for seg := range strings.FieldsFuncSeq(uri, func(r rune) bool { return r == '/' || r == '\\' }) {
		if undot(seg) == ".." {
			return true
		}
	}
	return false
}

func (w *within) read(uri string) error  { return w.check(uri, w.use, "read") }
func (w *within) write(uri string) error { return w.check(uri, w.use, "write") }

func (w *within) Root() string { return w.inner.Root() }
func (w *within) Close() error { return w.inner.Close() }

func (w *within) Open(ctx context.Context, uri string) (Object, error) {
	if err := w.read(uri); err != nil {
		return nil, err
	}
	return w.inner.Open(ctx, uri)
}

func (w *within) Stat(ctx context.Context, uri string) (Info, error) {
	if err := w.read(uri); err != nil {
		return Info{}, err
	}
	return w.inner.Stat(ctx, uri)
}

func (w *within) Put(ctx context.Context, uri string, data []byte, opts *PutOptions) error {
	if err := w.write(uri); err != nil {
		return err
	}
	return w.inner.Put(ctx, uri, data, opts)
}

func (w *within) Create(ctx context.Context, uri string, opts *PutOptions) (Writer, error) {
	if err := w.write(uri); err != nil {
		return nil, err
	}
	return w.inner.Create(ctx, uri, opts)
}

func (w *within) Delete(ctx context.Context, uri string) error {
	if err := w.check(uri, w.cleanup, "delete"); err != nil {
		return err
	}
	return w.inner.Delete(ctx, uri)
}

func (w *within) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	if err := w.read(prefix); err != nil {
		return failedList(err)
	}
	return w.inner.List(ctx, prefix)
}

func (w *within) ListDir(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	if err := w.read(prefix); err != nil {
		return failedList(err)
	}
	return w.inner.ListDir(ctx, prefix)
}
