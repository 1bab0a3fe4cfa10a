// Package compaction keeps tables fast to read and small to plan, beside the
// writers that feed them: it turns equality deletes into deletes by position,
// joins small files, rewrites files with many deleted rows, drops delete files
// that apply to nothing, expires snapshots, removes orphan files and rewrites
// manifests.
//
// [Choose] decides from metadata alone what to do and why. [Compact] does it.
// Nothing it does loses to a writer or brings a row back: files keep the
// sequence number of the snapshot they were made from, so equality deletes that
// arrive later still apply to them, and deletes by position that arrive later
// for a file that was rewritten are carried over to the rows' new places in the
// same commit. Whether a rewrite is still valid is decided from the state it is
// committed on, file by file; a rewrite whose input someone else replaced is
// given up, the others are committed.
package compaction

import "errors"

var (
	// ErrVerify: what was written is not what was read. Nothing was committed.
	ErrVerify = errors.New("rewritten files failed verification")
	// ErrRefused: a maintenance operation that the table's state or the options
	// make unsafe.
	ErrRefused = errors.New("refused as unsafe")
)
