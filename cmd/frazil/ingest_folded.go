package main

import (
	"fmt"
	"os"
)

// folded decides about a file that the table has no position of: whether it had
// one, which is folded now, and so has its rows. done says that nothing is to be
// applied; errOtherContent that the file has changed since. whole reads it to its
// end, and is called only for files that were there before.
func (r *rowIngest) folded(name, path, stream string, whole func() (position string, rows int64, err error)) (done bool, err error) {
	if r.in.replay {
		return false, nil
	}
	known, _, forgotten, err := r.t.Folded(rowStreams, stream, "")
	if err != nil {
		return false, err
	}
	if !known {
		if forgotten.IsZero() || path == "-" {
			return false, nil
		}
		if st, err := os.Stat(path); err != nil || st.ModTime().After(forgotten) {
			return false, err
		}
		return false, fmt.Errorf("%s: last modified before %s, and table %s no longer knows all files it was fed with until then: touch it if it is new, or --replay",
			name, forgotten.UTC().Format("2006-01-02 15:04:05"), r.name)
	}
	position, rows, err := whole()
	if err != nil {
		return false, err
	}
	_, same, _, err := r.t.Folded(rowStreams, stream, position)
	if err != nil || !same {
		if err == nil {
			err = fmt.Errorf("%s: %w", name, errOtherContent)
		}
		return false, err
	}
	r.skipped += rows
	return true, nil
}
