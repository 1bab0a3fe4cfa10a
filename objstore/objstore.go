// Package objstore stores and reads immutable objects named by URI: the files
// of a table.
//
// A [Store] is safe for concurrent use. Everything a table commit needs from
// storage is here: ranged reads, whole-object writes that become visible only
// when complete and durable, and a create that fails if the object exists,
// atomic among any number of processes.
package objstore

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors of every Store; drivers wrap them with the URI and the cause.
var (
	// ErrNotFound: no object has that name.
	ErrNotFound = errors.New("object not found")
	// ErrExists: a put with IfAbsent met an object of that name.
	ErrExists = errors.New("object exists")
	// ErrMismatch: a put with IfMatch met another version.
	ErrMismatch = errors.New("object changed")
	// ErrUnknownOutcome: a write may or may not have happened. The caller must
	// read back before it decides anything.
	ErrUnknownOutcome = errors.New("outcome of the write is unknown")
	// ErrNotDurable, always together with ErrUnknownOutcome: the object is
	// visible, but the medium reported an error while it was made durable, so it
	// may be gone after a power loss.
	ErrNotDurable = errors.New("object may not survive a power loss")
	// ErrOutside: the URI is not under the store's root or allowed prefixes.
	ErrOutside = errors.New("location outside the store")
)

// Info describes an object.
type Info struct {
	URI     string
	Size    int64
	ModTime time.Time
	// ETag identifies the version where the store has one, else "".
	ETag string
	// Dir is true for a directory as ListDir yields it; it has only a URI,
	// without a trailing slash.
	Dir bool
}

// PutOptions are the conditions of a put; nil means unconditional.
type PutOptions struct {
	// IfAbsent makes the put fail with ErrExists when the object exists.
	IfAbsent bool
	// IfMatch, when not "", makes the put fail with ErrMismatch unless the
	// object's ETag equals it.
	IfMatch string
	// Volatile says that the object need not survive a power loss, which saves
	// the local driver its fsyncs. It is still visible only when complete, but
	// after a power loss it may be old, missing, empty or garbage.
	Volatile bool
}

// Store holds objects named by URI. Every method takes full URIs (for the
// local driver file:///abs/path, file:/abs/path or a plain absolute path) and
// fails with ErrOutside for one that is not under Root.
type Store interface {
	// Root is the URI prefix of the store, without a trailing slash.
	Root() string
	// Open opens an object for ranged reads.
	Open(ctx context.Context, uri string) (Object, error)
	// Stat describes an object.
	Stat(ctx context.Context, uri string) (Info, error)
	// Put writes a whole object. When it returns nil the object is visible and
	// durable. An error that is not ErrUnknownOutcome means that nothing was
	// written and nothing will be.
	Put(ctx context.Context, uri string, data []byte, opts *PutOptions) error
	// Create starts a streaming write. The object becomes visible, whole and
	// durable, when Close returns nil; never before.
	Create(ctx context.Context, uri string, opts *PutOptions) (Writer, error)
	// List yields the objects whose URI starts with the directory-like prefix
	// (a trailing slash is implied), in lexical order. A missing prefix is an
	// empty list.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// ListDir yields the immediate children of a directory-like prefix in lexical
	// order: objects, and one Info with Dir set for each name that holds more.
	ListDir(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object; ErrNotFound when there is none.
	Delete(ctx context.Context, uri string) error
	// Close releases the store; open objects stay usable until closed.
	Close() error
}

// Object is an open object. ReadAt may be called concurrently and follows
// io.ReaderAt (short reads carry an error).
type Object interface {
	io.Closer
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
	Size() int64
	URI() string
}

// Writer is a streaming write in progress. Exactly one of Close and Abort ends
// it; Abort after Close is a no-op.
type Writer interface {
	io.Writer
	// Close publishes the object.
	Close() error
	// Abort discards what was written.
	Abort() error
}
