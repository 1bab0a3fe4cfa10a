package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

const (
	metadataDir = "metadata"
	hintName    = "version-hint.text"
	// maxHint bounds a hint: a number, or the stem of a file name.
	maxHint = 256
	// maxProbes is how many versions are probed upwards before a listing is
	// thought cheaper.
	maxProbes = 16
	// maxReloads bounds how often a load starts again because its version was
	// deleted under it.
	maxReloads = 5
)

// versionNames are the names a version may have: the one written here, the
// compressed one of today, and that of old Java releases, which is only found by
// listing.
var versionNames = []string{"v%d.metadata.json", "v%d.gz.metadata.json", "v%d.metadata.json.gz"}

func versionURI(dir string, n int64) string {
	return objstore.Join(dir, metadataDir, fmt.Sprintf(versionNames[0], n))
}

func compressedURI(dir string, n int64) string {
	return objstore.Join(dir, metadataDir, fmt.Sprintf(versionNames[1], n))
}

// versionOf returns the number in a version's file name.
func versionOf(name string) (int64, bool) {
	rest, ok := strings.CutPrefix(name, "v")
	if !ok {
		return 0, false
	}
	digits, suffix, ok := strings.Cut(rest, ".")
	if !ok || suffix != "metadata.json" && suffix != "gz.metadata.json" && suffix != "metadata.json.gz" {
		return 0, false
	}
	return parseVersion(digits)
}

// PreviousVersion returns the location of the version before that of a metadata
// file of Files, whether or not it exists; ok is false for the first version and
// for files of other catalogs.
func PreviousVersion(metadataLocation string) (uri string, ok bool) {
	n, ok := versionOf(fileName(metadataLocation))
	if !ok || n == 1 {
		return "", false
	}
	return versionURI(tableDir(metadataLocation), n-1), true
}

// parseVersion reads a positive number as it is written here.
func parseVersion(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1<<53 || s[0] == '0' || s[0] == '+' {
		return 0, false
	}
	return n, true
}

// fileName returns what follows the last slash.
func fileName(uri string) string { return uri[strings.LastIndexByte(uri, '/')+1:] }

// version is a metadata file found in a table's directory.
type version struct {
	n   int64
	uri string
}

// reader finds and reads the versions of tables.
type reader struct {
	store objstore.Store
	limit int64
}

// readHint returns the contents of the hint, "" if there is none. Whatever is
// wrong with it is no error: without a hint the versions are listed.
func (r reader) readHint(ctx context.Context, dir string) string {
	data, err := objstore.ReadAll(ctx, r.store, objstore.Join(dir, metadataDir, hintName), maxHint)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// find looks for version n under the names that are probed.
func (r reader) find(ctx context.Context, dir string, n int64) (version, bool, error) {
	for _, uri := range []string{versionURI(dir, n), compressedURI(dir, n)} {
		_, err := r.store.Stat(ctx, uri)
		if err == nil {
			return version{n, uri}, true, nil
		}
		if !errors.Is(err, objstore.ErrNotFound) {
			return version{}, false, err
		}
	}
	return version{}, false, nil
}

// versions lists the metadata files of a table in no order.
func (r reader) versions(ctx context.Context, dir string) ([]version, error) {
	var out []version
	for info, err := range r.store.ListDir(ctx, objstore.Join(dir, metadataDir)) {
		if err != nil {
			return nil, err
		}
		if n, ok := versionOf(fileName(info.URI)); ok && !info.Dir {
			out = append(out, version{n, info.URI})
		}
	}
	return out, nil
}

// newest lists the versions and returns the highest; ErrNotFound if there is
// none.
func (r reader) newest(ctx context.Context, dir string) (version, error) {
	all, err := r.versions(ctx, dir)
	if err != nil {
		return version{}, err
	}
	var top version
	for _, v := range all {
		if v.n > top.n {
			top = v
		}
	}
	if top.n == 0 {
		return version{}, ErrNotFound
	}
	return top, nil
}

// climb returns the highest version at or above v.
func (r reader) climb(ctx context.Context, dir string, v version) (version, error) {
	for probes := 0; ; probes++ {
		next, ok, err := r.find(ctx, dir, v.n+1)
		if err != nil {
			return version{}, err
		}
		if !ok {
			return v, nil
		}
		v = next
		if probes == maxProbes {
			top, err := r.newest(ctx, dir)
			if err != nil {
				return version{}, err
			}
			if top.n > v.n {
				v = top
			}
		}
	}
}

// head returns the highest version of the table in dir; ErrNotFound if there is
// none.
func (r reader) head(ctx context.Context, dir string) (version, error) {
	if n, ok := parseVersion(r.readHint(ctx, dir)); ok {
		v, ok, err := r.find(ctx, dir, n)
		if err != nil {
			return version{}, err
		}
		if ok {
			return r.climb(ctx, dir, v)
		}
	}
	// No hint, or one that leads nowhere: ahead, or its version is deleted.
	v, err := r.newest(ctx, dir)
	if err != nil {
		return version{}, err
	}
	return r.climb(ctx, dir, v)
}

// load reads the highest version of the table in dir.
func (r reader) load(ctx context.Context, id Identifier, dir string) (*Entry, error) {
	for try := 0; ; try++ {
		v, err := r.head(ctx, dir)
		if err != nil {
			return nil, err
		}
		e, err := r.read(ctx, id, v.uri)
		if errors.Is(err, objstore.ErrNotFound) && try < maxReloads {
			continue // dropped, or overtaken so far that it was deleted
		}
		return e, err
	}
}

// read reads one metadata file. The tag is taken before the contents, so that a
// file replaced between the two does not pass for the one that was read.
func (r reader) read(ctx context.Context, id Identifier, uri string) (*Entry, error) {
	info, err := r.store.Stat(ctx, uri)
	if err != nil {
		return nil, err
	}
	data, err := objstore.ReadAll(ctx, r.store, uri, r.limit)
	if err != nil {
		return nil, err
	}
	t, err := metadata.Parse(data, uri)
	if err != nil {
		return nil, err
	}
	return &Entry{ID: id, Metadata: t, MetadataLocation: uri, etag: info.ETag}, nil
}

// refresh returns the highest version of the table that e is a version of. It
// fails if e's file is not the one it was.
func (r reader) refresh(ctx context.Context, e *Entry) (*Entry, error) {
	info, err := r.store.Stat(ctx, e.MetadataLocation)
	if err != nil {
		return nil, err
	}
	if e.etag == "" || info.ETag != e.etag {
		return nil, fmt.Errorf("%s: %w", e.MetadataLocation, objstore.ErrMismatch)
	}
	n, _ := versionOf(fileName(e.MetadataLocation))
	v, err := r.climb(ctx, tableDir(e.MetadataLocation), version{n, e.MetadataLocation})
	if err != nil || v.uri == e.MetadataLocation {
		return e, err
	}
	return r.read(ctx, e.ID, v.uri)
}

// tableDir returns the table's directory of a metadata file's location.
func tableDir(uri string) string {
	return strings.TrimSuffix(strings.TrimSuffix(uri, fileName(uri)), "/"+metadataDir+"/")
}
