// Package deletes owns the contents of delete files: position deletes,
// deletion vectors and equality deletes, written, read and applied (spec:
// "Delete Formats").
//
// Position deletes and deletion vectors become [Positions], sets of row
// positions of one data file. Equality deletes become an [EqualityTable]: one
// table per set of columns and partition scope, from key to the highest data
// sequence number it was deleted at, so that a row is dead if and only if its
// key's number is higher than its file's. Keys are compared by their [Digest].
package deletes

import (
	"errors"
	"fmt"

	"github.com/frazildb/frazil/internal/datafile"
	"github.com/frazildb/frazil/manifest"
)

var (
	// ErrCorrupt: a delete file or deletion vector is malformed or contradicts
	// its manifest entry.
	ErrCorrupt = errors.New("corrupt delete file")
	// ErrUnsupported: a delete file is of a kind this version cannot read.
	ErrUnsupported = errors.New("unsupported delete file")
	// ErrBudget: an EqualityTable would grow past its memory budget.
	ErrBudget = errors.New("delete table exceeds its memory budget")
)

// checkFormat refuses delete files that this version cannot read; nothing may be
// skipped, since that would bring deleted rows back.
func checkFormat(f *manifest.DataFile, content manifest.Content) error {
	switch {
	case f.Content != content:
		return fmt.Errorf("delete file %s: content %d where %d is expected: %w", f.Path, f.Content, content, ErrUnsupported)
	}
	if err := datafile.Check(f); err != nil {
		return fmt.Errorf("delete file %s: %w: %w", f.Path, err, ErrUnsupported)
	}
	return nil
}
