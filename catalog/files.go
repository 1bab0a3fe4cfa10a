package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// FilesOptions configures NewFiles; nil means the defaults.
type FilesOptions struct {
	// Now is the clock that dates commits; nil is time.Now.
	Now func() time.Time
	// MaxMetadataBytes bounds a metadata file as stored; 0 is 64 MiB.
	MaxMetadataBytes int64
	// Allow are prefixes, beyond a table's own directory, under which its metadata
	// may name files to be read and written: a second bucket, or where the files
	// of a table were before they moved here. Everything else that metadata names
	// is refused with objstore.ErrOutside; see objstore.Within.
	Allow []string
	// AllowDelete are prefixes under which, as under a table's own directory,
	// maintenance may also delete. They are allowed otherwise too.
	AllowDelete []string
	// Pause is the wait before the second look at a commit of unknown outcome,
	// doubled before each further one; 0 is 50 ms.
	Pause time.Duration
}

// Files is the catalog of a directory or bucket: a table is the directory
// <root>/<namespace>/…/<name>, in the layout of Hadoop tables:
//
//	metadata/v1.metadata.json, v2.metadata.json, …   one file a commit
//	metadata/version-hint.text                       the number of a recent one
//
// The table is its highest version. A commit creates the next one with a
// put-if-absent, so that of any number of processes one wins. The hint only
// saves work: stale, ahead, missing or garbage, it is never believed. Versions
// are probed upwards from it, and listed where that does not help.
//
// Any reader of Iceberg's file-system tables can read them at any time. Writers
// of other engines must not write them at the same time: they check, then
// rename. Versions are written uncompressed, whatever the table's properties
// say, because writers that chose different file names would not meet.
//
// Whoever deletes old versions deletes them oldest first and keeps at least the
// newest two; a commit relies on it to notice that its base is long gone.
//
// A namespace is a directory, kept by the object .namespace.json in it.
type Files struct {
	store objstore.Store
	opts  FilesOptions

	mu struct {
		sync.Mutex
		// recent holds tables lately seen, by directory. They are immutable, and
		// used only after their file was found unchanged.
		recent map[string]*Entry
	}
}

// maxRecent bounds the tables kept in memory.
const maxRecent = 16

// NewFiles returns the catalog of the tables under the store's root. The store
// must have an atomic put-if-absent; objstore's local and memory drivers do, and
// so do the object stores that objstore/cloud opens.
func NewFiles(store objstore.Store, opts *FilesOptions) *Files {
	f := &Files{store: store}
	if opts != nil {
		f.opts = *opts
	}
	if f.opts.Now == nil {
		f.opts.Now = time.Now
	}
	if f.opts.MaxMetadataBytes == 0 {
		f.opts.MaxMetadataBytes = maxMetadataBytes
	}
	if f.opts.Pause == 0 {
		f.opts.Pause = 50 * time.Millisecond
	}
	f.mu.recent = map[string]*Entry{}
	return f
}

// maxMetadataBytes is the default bound of a metadata file.
const maxMetadataBytes = 64 << 20

var _ Catalog = (*Files)(nil)

// dir returns the directory of a table.
func (f *Files) dir(id Identifier) string {
	return objstore.Join(f.namespaceDir(id.Namespace), id.Name)
}

func (f *Files) namespaceDir(namespace []string) string {
	return objstore.Join(f.store.Root(), namespace...)
}

// check validates an identifier for this catalog.
func (f *Files) check(id Identifier) error {
	if err := id.Validate(); err != nil {
		return err
	}
	return f.checkNamespace(append(slices.Clone(id.Namespace), id.Name))
}

// checkNamespace refuses the one name that has a meaning in the layout.
func (f *Files) checkNamespace(parts []string) error {
	if slices.Contains(parts, metadataDir) {
		return fmt.Errorf("the name %q is reserved in a file catalog", metadataDir)
	}
	return validateNamespace(parts)
}

// LoadTable returns the highest version of a table.
func (f *Files) LoadTable(ctx context.Context, id Identifier) (*Entry, error) {
	if err := f.check(id); err != nil {
		return nil, err
	}
	e, err := f.load(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", id, err)
	}
	return e, nil
}

// load is LoadTable without the name in errors.
func (f *Files) load(ctx context.Context, id Identifier) (*Entry, error) {
	dir := f.dir(id)
	r := reader{store: f.store, limit: f.opts.MaxMetadataBytes}
	if e := f.recall(dir); e != nil {
		if e, err := f.refresh(ctx, r, dir, e); err == nil {
			return e, nil
		} else if ctx.Err() != nil {
			return nil, err
		}
	}
	e, err := r.load(ctx, id, dir)
	if err != nil {
		return nil, err
	}
	if e, err = f.entry(ctx, dir, e); err != nil {
		return nil, err
	}
	f.remember(dir, e)
	return e, nil
}

// refresh is load from an entry lately seen.
func (f *Files) refresh(ctx context.Context, r reader, dir string, seen *Entry) (*Entry, error) {
	e, err := r.refresh(ctx, seen)
	if err != nil {
		return nil, err
	}
	if e != seen {
		if e, err = f.entry(ctx, dir, e); err != nil {
			return nil, err
		}
	}
	f.remember(dir, e)
	return e, nil
}

// recall returns the entry last seen of a table, or nil.
func (f *Files) recall(dir string) *Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.recent[dir]
}

// remember keeps an entry that can later be proved unchanged.
func (f *Files) remember(dir string, e *Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e == nil || e.etag == "" {
		delete(f.mu.recent, dir)
		return
	}
	if _, ok := f.mu.recent[dir]; !ok && len(f.mu.recent) >= maxRecent {
		for k := range f.mu.recent {
			delete(f.mu.recent, k)
			break
		}
	}
	f.mu.recent[dir] = e
}

// RenameTable fails with errors.ErrUnsupported: a table's place is its name, and
// the files of a table are named by absolute locations, so no single put could
// rename it.
func (f *Files) RenameTable(_ context.Context, from, to Identifier) error {
	return fmt.Errorf("table %s: rename to %s: a file catalog cannot rename a table atomically: %w", from, to, errors.ErrUnsupported)
}

// apply makes the metadata of a commit on top of base.
func (f *Files) apply(base *Entry, c Commit) (*metadata.Table, error) {
	if err := metadata.Check(c.Requirements, base.Metadata); err != nil {
		return nil, err
	}
	next, err := base.Metadata.Apply(c.Updates, f.opts.Now(), base.MetadataLocation)
	if err != nil {
		return nil, err
	}
	if next.Location != base.Metadata.Location {
		return nil, fmt.Errorf("location: a table of a file catalog cannot be moved: %w", errors.ErrUnsupported)
	}
	if p := next.Properties[metadataPath]; p != "" && p != base.Metadata.Properties[metadataPath] {
		return nil, errMetadataPath
	}
	return next, nil
}

// metadataPath is a property that would have metadata files written elsewhere.
const metadataPath = "write.metadata.path"

var errMetadataPath = fmt.Errorf("property %s: a file catalog finds metadata only in the table's own directory: %w", metadataPath, errors.ErrUnsupported)
