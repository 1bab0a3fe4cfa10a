package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// registeredName is the object, beside the versions of a registered table, that
// keeps the directory it was registered from. It is the catalog's word: metadata
// that names another place than the table's own is not believed.
const registeredName = "registered.json"

// maxRegistered bounds that object, in bytes.
const maxRegistered = 16 << 10

// registered is what the object holds.
type registered struct {
	From string `json:"from"`
}

// entry returns an entry whose store keeps to the table's bounds.
func (f *Files) entry(ctx context.Context, dir string, e *Entry) (*Entry, error) {
	b := objstore.Bounds{Own: dir, Allow: f.opts.Allow, Delete: f.opts.AllowDelete}
	if !objstore.Under(dir, e.Metadata.Location) {
		from, err := f.registeredFrom(ctx, dir)
		if err != nil {
			return nil, err
		}
		if from != "" {
			b.Delete = append(b.Delete[:len(b.Delete):len(b.Delete)], from)
		}
	}
	store, err := objstore.Within(f.store, b)
	if err != nil {
		return nil, err
	}
	bound := *e
	bound.Store = store
	return &bound, nil
}

// registeredFrom returns the directory a table was registered from, "" if it was
// not.
func (f *Files) registeredFrom(ctx context.Context, dir string) (string, error) {
	uri := objstore.Join(dir, metadataDir, registeredName)
	data, err := objstore.ReadAll(ctx, f.store, uri, maxRegistered)
	if errors.Is(err, objstore.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var r registered
	if err := json.Unmarshal(data, &r); err != nil {
		return "", fmt.Errorf("%s: %w", uri, err)
	}
	return r.From, nil
}

// trust checks that the metadata file that a caller names for registration speaks
// of the table it lies with, and writes down where that is. What it says of any
// other place would be taken from whoever wrote the file.
func (f *Files) trust(ctx context.Context, dir, metadataLocation string, t *metadata.Table) error {
	from, ok := strings.CutSuffix(metadataLocation, "/"+metadataDir+"/"+fileName(metadataLocation))
	if !ok {
		from = ""
	}
	places := slices.Concat([]string{dir, from}, f.opts.Allow, f.opts.AllowDelete)
	if !slices.ContainsFunc(places, func(p string) bool { return objstore.Under(p, t.Location) }) {
		return fmt.Errorf("the field location of %s names another place than the directory of that file: %w; allow it if this is right", metadataLocation, objstore.ErrOutside)
	}
	if from == "" {
		return nil
	}
	text, err := json.Marshal(registered{From: from})
	if err != nil {
		return err
	}
	return f.store.Put(ctx, objstore.Join(dir, metadataDir, registeredName), text, nil)
}
