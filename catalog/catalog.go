// Package catalog finds tables by name and swaps their metadata atomically.
package catalog

import (
	"context"
	"errors"
	"iter"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// Errors of every Catalog, always wrapped with the table's name.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("already exists")
	// ErrConflict: the table changed; nothing was committed. Reload, validate
	// and retry.
	ErrConflict = errors.New("conflicting commit")
	// ErrUnknownOutcome: the commit may have happened. Nothing it refers to may
	// be deleted, and it must be looked up before a retry.
	ErrUnknownOutcome = errors.New("commit outcome is unknown")
	// ErrNotEmpty: a namespace that still holds tables.
	ErrNotEmpty = errors.New("namespace is not empty")
)

// Identifier names a table: its namespace, outermost first, then its name.
type Identifier struct {
	Namespace []string
	Name      string
}

// Entry is a table as a catalog has it: its metadata and where that is stored.
// Entries are immutable.
type Entry struct {
	ID               Identifier
	Metadata         *metadata.Table
	MetadataLocation string
	// Store reads and writes the table's files.
	Store objstore.Store

	// etag is the version of the metadata file where the store tells, else "".
	etag string
}

// Commit is a change of one table.
type Commit struct {
	ID Identifier
	// Base, when not nil, is the entry the change was made from. A catalog may
	// use it to save a load; the requirements alone decide whether the commit is
	// valid.
	Base         *Entry
	Requirements []metadata.Requirement
	Updates      []metadata.Update
}

// Catalog finds tables and commits changes to them. All methods may be called
// concurrently, from any number of processes.
type Catalog interface {
	// CreateTable stores the first metadata of a table; ErrExists if it exists.
	// An empty Location is filled in by the catalog, which is why the entry
	// returned, not the argument, is the truth. The namespace is created if
	// missing.
	CreateTable(ctx context.Context, id Identifier, t *metadata.Table) (*Entry, error)
	LoadTable(ctx context.Context, id Identifier) (*Entry, error)
	// CommitTable applies updates if all requirements hold. Outcomes: nil is
	// committed; ErrUnknownOutcome is unknown; every other error, ErrConflict
	// among them, is not committed.
	CommitTable(ctx context.Context, c Commit) (*Entry, error)
	// DropTable forgets the table; purge also deletes its files.
	DropTable(ctx context.Context, id Identifier, purge bool) error
	RenameTable(ctx context.Context, from, to Identifier) error
	// RegisterTable adds an existing metadata file as a table.
	RegisterTable(ctx context.Context, id Identifier, metadataLocation string) (*Entry, error)
	// ListTables yields the tables directly in a namespace, in name order.
	ListTables(ctx context.Context, namespace []string) iter.Seq2[Identifier, error]
	// ListNamespaces yields the namespaces directly in parent (nil: the root).
	ListNamespaces(ctx context.Context, parent []string) iter.Seq2[[]string, error]
	CreateNamespace(ctx context.Context, namespace []string, properties map[string]string) error
	DropNamespace(ctx context.Context, namespace []string) error
}
