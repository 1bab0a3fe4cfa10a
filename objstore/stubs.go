package objstore

import (
	"context"
	"io/fs"
	"time"
)

// Options configures Open; nil means the defaults.
type Options struct {
	// Local configures the local driver.
	Local *LocalOptions
}

// LocalOptions configures the local driver; nil means the defaults.
type LocalOptions struct {
	// NoSync leaves out every fsync: a power loss may then lose or tear anything
	// written. For benchmarks only.
	NoSync bool
	// ReadOnly refuses every write.
	ReadOnly bool
	// FileMode is the mode of published files; 0 is 0644.
	FileMode fs.FileMode
}

// Open opens the store a URI names: a plain path or file: URI is a local
// directory, mem://name a new, empty memory store. Object stores are opened by
// the package objstore/cloud.
func Open(ctx context.Context, uri string, opts *Options) (Store, error) { panic("unwritten") }

// NewLocal returns a store of the files under dir.
func NewLocal(dir string, opts *LocalOptions) (Store, error) { panic("unwritten") }

// NewMemory returns an empty store in memory whose URIs begin with root
// ("" is mem://memory).
func NewMemory(root string) Store { panic("unwritten") }

// ReadAll returns the contents of an object; an object larger than limit bytes
// (0: no limit) is an error.
func ReadAll(ctx context.Context, s Store, uri string, limit int64) ([]byte, error) {
	panic("unwritten")
}

// Join appends path elements to a URI with single slashes.
func Join(base string, elem ...string) string { panic("unwritten") }

// Canonical returns the one spelling of a URI.
func Canonical(uri string) (string, error) { panic("unwritten") }

// Under reports whether uri is root or lies under it, compared by path segment
// after both are made canonical.
func Under(root, uri string) bool { panic("unwritten") }

// MapPrefix returns a store that also answers for URIs under from, which it
// looks up under to.
func MapPrefix(store Store, from, to string) Store { panic("unwritten") }

// Route returns a store that sends each URI to the store whose root it is
// under; the first is the primary one, whose Root is the result's.
func Route(primary Store, more ...Store) Store { panic("unwritten") }

// SweepTemporaries removes what interrupted writes older than minAge left
// under prefix and returns how many there were.
func SweepTemporaries(ctx context.Context, s Store, prefix string, minAge time.Duration) (int, error) {
	panic("unwritten")
}

// CheckConditional proves that the store's IfAbsent works.
func CheckConditional(ctx context.Context, s Store, prefix string) error { panic("unwritten") }
