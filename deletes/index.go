package deletes

import "context"

// IndexState is the state of a table that a key index is asked about or told of.
type IndexState struct {
	// Identity of what is indexed: table, branch, key columns and how they are
	// hashed. An index of another identity is of no use.
	Identity string
	// Snapshot is the head of the branch, 0 for an empty one, and Sequence the
	// table's last sequence number.
	Snapshot int64
	Sequence int64
	// IsAncestor reports whether a snapshot is Snapshot or known to be one of its
	// ancestors.
	IsAncestor func(id int64) bool
	// Undeleted returns the data files that may have gained live rows since a
	// snapshot, by another engine's taking back of deletes; all means any may. Nil
	// is none.
	Undeleted func(ctx context.Context, from int64) (paths map[string]bool, all bool)
}

// IndexFile is a data file as a key index knows it. Sequence is the number of
// the snapshot that added it: a path that was removed and added again is another
// file.
type IndexFile struct {
	Path     string
	Sequence int64
}

// IndexRows are some of the live rows of a data file.
type IndexRows struct {
	Keys      []Digest
	Positions []int64
}

// IndexCommit is what a commit did to the rows of a table.
type IndexCommit struct {
	Snapshot, Sequence int64
	// Files are new data files, and Keys and Places the keys the commit changed
	// with the place of their rows in them. Every live row of Files is among
	// them, and no other row with one of Keys is live in a file the index covers.
	Files  []IndexFile
	Keys   []Digest
	Places []IndexPlace
}

// IndexPlace is the place of a key's row among the files of an IndexCommit.
type IndexPlace struct {
	File     int32 // -1: the key has no row
	Position int64
}

// IndexReader yields the live rows of a data file; an error of add ends it.
type IndexReader func(ctx context.Context, add func(IndexRows) error) error
