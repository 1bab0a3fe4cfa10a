package table

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"
)

// Positions of files. A file is a stream that ends, and a table fed by files has
// one more for every file, in every snapshot. CommitOptions.Fold keeps that
// bounded: the newest positions of a family of streams stay as they are, older
// ones are folded into eight bytes each, by which a file that is given again is
// still known, and whether it is the same to its end; of the oldest only the time
// is kept at which the last of them was forgotten.

// Fold bounds the positions of streams whose names begin with Prefix.
type Fold struct {
	Prefix string
	// Keep is how many stay as they are, those that moved last; default 100.
	Keep int
}

const (
	defaultFoldKeep = 100
	// maxFolded is how many folded positions of a family are remembered.
	maxFolded = 2000
	// foldedBytes of one: five of the stream's name, three of that and its position.
	foldedBytes = 8
	foldedName  = 5
)

// folds is what is left of the positions of one family.
type folds struct {
	// Ages has, by stream, the sequence number of the commit that moved it last.
	Ages map[string]int64 `json:"ages,omitempty"`
	// Folded are entries of foldedBytes, oldest first, in base64.
	Folded string `json:"folded,omitempty"`
	// Forgotten is when the last entry left Folded, in milliseconds, 0 for never.
	Forgotten int64 `json:"forgotten,omitempty"`
}

func (f *folds) clone() *folds {
	if f == nil {
		return &folds{}
	}
	c := *f
	c.Ages = maps.Clone(f.Ages)
	return &c
}

func foldEntry(stream, position string) []byte {
	name, all := sha256.Sum256([]byte(stream)), sha256.Sum256([]byte(stream+"\x00"+position))
	return append(append([]byte{}, name[:foldedName]...), all[:foldedBytes-foldedName]...)
}

func (f *folds) entries() []byte {
	b, err := base64.RawStdEncoding.DecodeString(f.Folded)
	if err != nil || len(b)%foldedBytes != 0 {
		return nil
	}
	return b
}

// find returns the place of a stream's entry, -1 for none.
func findFolded(entries []byte, stream string) int {
	e := foldEntry(stream, "")
	for i := 0; i < len(entries); i += foldedBytes {
		if bytes.Equal(entries[i:i+foldedName], e[:foldedName]) {
			return i
		}
	}
	return -1
}

// fold bounds the positions of a family: moved are those the commit brings.
func (k *marks) fold(o Fold, moved map[string]string, sequence int64, now time.Time) {
	if o.Prefix == "" {
		return
	}
	setDefault(&o.Keep, defaultFoldKeep)
	f := k.Folds[o.Prefix].clone()
	entries := f.entries()
	var family []string
	for stream := range k.Positions {
		if strings.HasPrefix(stream, o.Prefix) {
			family = append(family, stream)
		}
	}
	if f.Ages == nil {
		f.Ages = map[string]int64{}
	}
	for stream := range moved {
		if strings.HasPrefix(stream, o.Prefix) {
			f.Ages[stream] = sequence
			if at := findFolded(entries, stream); at >= 0 {
				entries = slices.Delete(entries, at, at+foldedBytes)
			}
		}
	}
	slices.SortFunc(family, func(a, b string) int { // those without an age first
		if x, y := f.Ages[a], f.Ages[b]; x != y {
			return int(min(max(x-y, -1), 1))
		}
		return strings.Compare(a, b)
	})
	for _, stream := range family[:max(0, len(family)-o.Keep)] {
		entries = append(entries, foldEntry(stream, k.Positions[stream])...)
		delete(k.Positions, stream)
		delete(f.Ages, stream)
	}
	if over := len(entries) - maxFolded*foldedBytes; over > 0 {
		entries, f.Forgotten = entries[over:], now.UnixMilli()
	}
	f.Folded = base64.RawStdEncoding.EncodeToString(entries)
	if k.Folds == nil {
		k.Folds = map[string]*folds{}
	} else {
		k.Folds = maps.Clone(k.Folds)
	}
	k.Folds[o.Prefix] = f
}

// Folded tells what is known of a stream whose position has been folded: known
// says that the table had one, and same that it was the position given.
// Forgotten is the time before which streams of the family may have had positions
// of which nothing is known any more; zero if there are none.
func (t *Table) Folded(prefix, stream, position string) (known, same bool, forgotten time.Time, err error) {
	m := t.Metadata()
	k, err := readMarks(m, m.Current(), t.opts.off)
	if err != nil || k == nil || k.Folds[prefix] == nil {
		return false, false, time.Time{}, err
	}
	f := k.Folds[prefix]
	if f.Forgotten != 0 {
		forgotten = time.UnixMilli(f.Forgotten)
	}
	entries := f.entries()
	at := findFolded(entries, stream)
	if at < 0 {
		return false, false, forgotten, nil
	}
	return true, bytes.Equal(entries[at:at+foldedBytes], foldEntry(stream, position)), forgotten, nil
}
