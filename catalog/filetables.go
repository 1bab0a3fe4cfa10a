package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// CreateTable stores version 1 of a table. A location other than the table's
// place in the catalog is refused.
func (f *Files) CreateTable(ctx context.Context, id Identifier, t *metadata.Table) (*Entry, error) {
	if err := f.check(id); err != nil {
		return nil, err
	}
	dir := f.dir(id)
	placed := *t
	if t.Location == "" {
		placed.Location = dir
	} else if !objstore.Under(dir, t.Location) || !objstore.Under(t.Location, dir) {
		return nil, fmt.Errorf("table %s: create: location: a file catalog keeps the table in %s: %w", id, dir, errors.ErrUnsupported)
	}
	if t.Properties[metadataPath] != "" {
		return nil, fmt.Errorf("table %s: create: %w", id, errMetadataPath)
	}
	e, err := f.create(ctx, id, &placed)
	if err != nil {
		return nil, fmt.Errorf("table %s: create: %w", id, err)
	}
	return e, nil
}

// RegisterTable makes version 1 of a table from a copy of a metadata file. The
// table's location and files stay where they are; they must be within reach of
// the catalog's store, and the field location within the directory that the
// metadata file lies in or a prefix of FilesOptions.Allow, because whoever wrote
// the file could name any other table in it. From then on the two names are two tables that share
// files: drop the other, and do not purge either while both are used.
func (f *Files) RegisterTable(ctx context.Context, id Identifier, metadataLocation string) (*Entry, error) {
	if err := f.check(id); err != nil {
		return nil, err
	}
	r := reader{store: f.store, limit: f.opts.MaxMetadataBytes}
	from, err := r.read(ctx, id, metadataLocation)
	if errors.Is(err, objstore.ErrNotFound) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: register: %w", id, err)
	}
	if _, err := r.head(ctx, f.dir(id)); err == nil {
		return nil, fmt.Errorf("table %s: register: %w", id, ErrExists)
	}
	if err := f.trust(ctx, f.dir(id), metadataLocation, from.Metadata); err != nil {
		return nil, fmt.Errorf("table %s: register: %w", id, err)
	}
	e, err := f.create(ctx, id, from.Metadata)
	if err != nil {
		return nil, fmt.Errorf("table %s: register: %w", id, err)
	}
	return e, nil
}

// create stores version 1.
func (f *Files) create(ctx context.Context, id Identifier, t *metadata.Table) (*Entry, error) {
	dir := f.dir(id)
	r := reader{store: f.store, limit: f.opts.MaxMetadataBytes}
	if _, err := r.head(ctx, dir); err == nil {
		return nil, ErrExists
	} else if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if ok, err := f.isNamespace(ctx, append(slices.Clone(id.Namespace), id.Name)); err != nil {
		return nil, err
	} else if ok {
		return nil, fmt.Errorf("%w as a namespace", ErrExists)
	}
	for i := 1; i <= len(id.Namespace); i++ {
		if err := f.makeNamespace(ctx, id.Namespace[:i], nil); err != nil && !errors.Is(err, ErrExists) {
			return nil, err
		}
	}
	text, err := t.Marshal()
	if err != nil {
		return nil, err
	}
	e, err := f.entry(ctx, dir, &Entry{ID: id, Metadata: t, MetadataLocation: versionURI(dir, 1)})
	if err != nil {
		return nil, err
	}
	if err := f.put(ctx, e.MetadataLocation, stamp(text)); errors.Is(err, errRival) {
		return nil, ErrExists
	} else if err != nil {
		return nil, err
	}
	// The name was free, but not because version 1 was deleted as an old one?
	top, err := r.newest(ctx, dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: v1 was created: %w", ErrUnknownOutcome, err)
	case top.n > 1:
		newest, err := r.read(ctx, id, top.uri)
		if err == nil && newest.Metadata.UUID == t.UUID {
			break // others have committed to it since
		}
		if err := f.takeBack(ctx, e.MetadataLocation); !errors.Is(err, errRival) {
			return nil, err
		}
		return nil, ErrExists
	default:
		f.writeHint(ctx, dir, 1)
	}
	if info, err := f.store.Stat(ctx, e.MetadataLocation); err == nil {
		e.etag = info.ETag
	}
	f.remember(dir, e)
	return e, nil
}

// DropTable deletes the versions of a table, oldest first, so that it is the
// table it was until the newest is gone. With purge it then deletes all that is
// left under the table's directory in the catalog (nothing elsewhere, whatever
// the metadata says), unless the property gc.enabled is false. A drop that was
// interrupted is finished by dropping again.
func (f *Files) DropTable(ctx context.Context, id Identifier, purge bool) error {
	if err := f.check(id); err != nil {
		return err
	}
	if err := f.drop(ctx, id, purge); err != nil {
		return fmt.Errorf("table %s: drop: %w", id, err)
	}
	return nil
}

func (f *Files) drop(ctx context.Context, id Identifier, purge bool) error {
	dir := f.dir(id)
	r := reader{store: f.store, limit: f.opts.MaxMetadataBytes}
	if purge {
		e, err := r.load(ctx, id, dir)
		if errors.Is(err, ErrNotFound) {
			return err
		}
		if err != nil {
			return fmt.Errorf("purge needs readable metadata: %w", err)
		}
		if e.Metadata.Properties["gc.enabled"] == "false" {
			return fmt.Errorf("purge: the property gc.enabled is false: %w", errors.ErrUnsupported)
		}
	}
	all, err := r.versions(ctx, dir)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return ErrNotFound
	}
	f.remember(dir, nil)
	if err := f.remove(ctx, objstore.Join(dir, metadataDir, hintName)); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b version) int { return int(a.n - b.n) })
	for _, v := range all {
		if err := f.remove(ctx, v.uri); err != nil {
			return err
		}
	}
	// A commit that came between the listing and the last delete has won.
	if _, err := r.newest(ctx, dir); err == nil {
		return fmt.Errorf("%w: the table was changed while it was dropped", ErrConflict)
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := f.remove(ctx, objstore.Join(dir, metadataDir, registeredName)); err != nil || !purge {
		return err
	}
	return f.removeAll(ctx, dir)
}

// remove deletes an object that may be gone already.
func (f *Files) remove(ctx context.Context, uri string) error {
	if err := f.store.Delete(ctx, uri); err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return err
	}
	return nil
}

// purgeWorkers is how many deletes of a purge are under way at once.
const purgeWorkers = 8

// removeAll deletes what is under dir.
func (f *Files) removeAll(ctx context.Context, dir string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(purgeWorkers)
	for info, err := range f.store.List(ctx, dir) {
		if err != nil {
			group.Go(func() error { return err })
			break
		}
		group.Go(func() error { return f.remove(ctx, info.URI) })
	}
	return group.Wait()
}
