package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/frazildb/frazil/objstore"
)

// markerName is the object that keeps a namespace without tables, and its
// properties.
const markerName = ".namespace.json"

// maxMarker bounds a marker, in bytes.
const maxMarker = 1 << 20

// marker is what the object holds.
type marker struct {
	Properties map[string]string `json:"properties"`
}

func (f *Files) markerURI(namespace []string) string {
	return objstore.Join(f.namespaceDir(namespace), markerName)
}

// exists reports whether there is an object of that name.
func (f *Files) exists(ctx context.Context, uri string) (bool, error) {
	_, err := f.store.Stat(ctx, uri)
	if errors.Is(err, objstore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// isTable reports whether a directory is a table.
func (f *Files) isTable(ctx context.Context, dir string) (bool, error) {
	r := reader{store: f.store}
	if n, ok := parseVersion(r.readHint(ctx, dir)); ok {
		if _, ok, err := r.find(ctx, dir, n); ok || err != nil {
			return ok, err
		}
	}
	for info, err := range f.store.ListDir(ctx, objstore.Join(dir, metadataDir)) {
		if err != nil {
			return false, err
		}
		if _, ok := versionOf(fileName(info.URI)); ok && !info.Dir {
			return true, nil
		}
	}
	return false, nil
}

// isNamespace reports whether there is such a namespace: it has a marker, or is
// a directory made by another engine, thus neither a table nor what is left of
// one that was dropped without purge.
func (f *Files) isNamespace(ctx context.Context, namespace []string) (bool, error) {
	if ok, err := f.exists(ctx, f.markerURI(namespace)); ok || err != nil {
		return ok, err
	}
	found := false
	for info, err := range f.store.ListDir(ctx, f.namespaceDir(namespace)) {
		if err != nil {
			return false, err
		}
		found = found || info.Dir
		if info.Dir && fileName(info.URI) == metadataDir {
			return false, nil
		}
	}
	if found || len(namespace) == 0 {
		return found, nil
	}
	// An empty directory shows only in its parent.
	dir := f.namespaceDir(namespace)
	for info, err := range f.store.ListDir(ctx, f.namespaceDir(namespace[:len(namespace)-1])) {
		if err != nil {
			return false, err
		}
		if info.Dir && info.URI == dir {
			for _, err := range f.store.ListDir(ctx, dir) {
				return false, err // files only: some other tool's
			}
			return true, nil
		}
	}
	return false, nil
}

// CreateNamespace makes a namespace, and those it lies in.
func (f *Files) CreateNamespace(ctx context.Context, namespace []string, properties map[string]string) error {
	err := f.checkNamespace(namespace)
	if err == nil && len(namespace) == 0 {
		err = errors.New("the root always exists")
	}
	if err != nil {
		return err
	}
	for i := 1; i < len(namespace) && err == nil; i++ {
		if err = f.makeNamespace(ctx, namespace[:i], nil); errors.Is(err, ErrExists) {
			err = nil
		}
	}
	if err == nil {
		var ok bool
		if ok, err = f.isNamespace(ctx, namespace); ok {
			err = ErrExists
		}
	}
	if err == nil {
		err = f.makeNamespace(ctx, namespace, properties)
	}
	if err != nil {
		return fmt.Errorf("namespace %s: create: %w", joinParts(namespace), err)
	}
	return nil
}

// makeNamespace writes the marker of one namespace; ErrExists if it has one.
func (f *Files) makeNamespace(ctx context.Context, namespace []string, properties map[string]string) error {
	uri := f.markerURI(namespace)
	if ok, err := f.exists(ctx, uri); err != nil {
		return err
	} else if ok {
		return ErrExists
	}
	if ok, err := f.isTable(ctx, f.namespaceDir(namespace)); err != nil {
		return err
	} else if ok {
		return fmt.Errorf("%s is a table", joinParts(namespace))
	}
	if properties == nil {
		properties = map[string]string{}
	}
	data, err := json.Marshal(marker{properties})
	if err != nil {
		return err
	}
	err = f.put(ctx, uri, stamp(data))
	if errors.Is(err, errRival) {
		return ErrExists
	}
	return err
}

// NamespaceProperties returns the properties a namespace was created with.
func (f *Files) NamespaceProperties(ctx context.Context, namespace []string) (map[string]string, error) {
	if err := f.checkNamespace(namespace); err != nil {
		return nil, err
	}
	ok, err := f.isNamespace(ctx, namespace)
	if err == nil && !ok {
		err = ErrNotFound
	}
	var m marker
	if err == nil {
		var data []byte
		data, err = objstore.ReadAll(ctx, f.store, f.markerURI(namespace), maxMarker)
		if errors.Is(err, objstore.ErrNotFound) {
			return map[string]string{}, nil
		}
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("namespace %s: properties: %w", joinParts(namespace), err)
	}
	return m.Properties, nil
}

// DropNamespace removes a namespace; ErrNotEmpty if anything is in it.
func (f *Files) DropNamespace(ctx context.Context, namespace []string) error {
	err := f.checkNamespace(namespace)
	if err == nil && len(namespace) == 0 {
		err = errors.New("the root cannot be dropped")
	}
	if err != nil {
		return err
	}
	if err := f.dropNamespace(ctx, namespace); err != nil {
		return fmt.Errorf("namespace %s: drop: %w", joinParts(namespace), err)
	}
	return nil
}

func (f *Files) dropNamespace(ctx context.Context, namespace []string) error {
	if ok, err := f.isNamespace(ctx, namespace); err != nil {
		return err
	} else if !ok {
		return ErrNotFound
	}
	uri := f.markerURI(namespace)
	for info, err := range f.store.ListDir(ctx, f.namespaceDir(namespace)) {
		if err != nil {
			return err
		}
		if info.Dir || fileName(info.URI) != markerName {
			return ErrNotEmpty
		}
	}
	// An empty directory made by another engine has no marker: deleting one takes
	// the directory with it.
	if err := f.store.Put(ctx, uri, nil, &objstore.PutOptions{IfAbsent: true, Volatile: true}); err != nil && !errors.Is(err, objstore.ErrExists) {
		return err
	}
	return f.remove(ctx, uri)
}

// ListTables yields the tables directly in a namespace, in name order.
func (f *Files) ListTables(ctx context.Context, namespace []string) iter.Seq2[Identifier, error] {
	return func(yield func(Identifier, error) bool) {
		names, err := f.children(ctx, namespace)
		if err != nil {
			yield(Identifier{}, fmt.Errorf("namespace %s: list: %w", joinParts(namespace), err))
			return
		}
		for _, name := range names {
			id := Identifier{Namespace: slices.Clone(namespace), Name: name}
			ok, err := f.isTable(ctx, f.dir(id))
			if err != nil {
				yield(Identifier{}, fmt.Errorf("table %s: %w", id, err))
				return
			}
			if ok && !yield(id, nil) {
				return
			}
		}
	}
}

// ListNamespaces yields the namespaces directly in parent, in name order.
func (f *Files) ListNamespaces(ctx context.Context, parent []string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		names, err := f.children(ctx, parent)
		if err != nil {
			yield(nil, fmt.Errorf("namespace %s: list: %w", joinParts(parent), err))
			return
		}
		for _, name := range names {
			child := append(slices.Clone(parent), name)
			ok, err := f.isNamespace(ctx, child)
			if err != nil {
				yield(nil, fmt.Errorf("namespace %s: %w", joinParts(child), err))
				return
			}
			if ok && !yield(child, nil) {
				return
			}
		}
	}
}

// children returns the names of the directories in a namespace that may be
// tables or namespaces, sorted.
func (f *Files) children(ctx context.Context, namespace []string) ([]string, error) {
	if err := f.checkNamespace(namespace); err != nil {
		return nil, err
	}
	var names []string
	empty := true
	for info, err := range f.store.ListDir(ctx, f.namespaceDir(namespace)) {
		if err != nil {
			return nil, err
		}
		empty = false
		name := fileName(info.URI)
		if info.Dir && name == metadataDir && len(namespace) > 0 {
			return nil, ErrNotFound // a table, or what is left of one
		}
		if info.Dir && validateName(name) == nil && name != metadataDir {
			names = append(names, name)
		}
	}
	if empty && len(namespace) > 0 {
		if ok, err := f.isNamespace(ctx, namespace); err != nil {
			return nil, err
		} else if !ok {
			return nil, ErrNotFound
		}
	}
	slices.Sort(names)
	return names, nil
}
