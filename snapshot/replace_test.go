package snapshot

import (
	"errors"
	"strings"
	"testing"

	"github.com/frazildb/frazil/metadata"
)

// TestReplaceRules has one line for each thing that a replace must not be, and
// for its allowed neighbour. The table has data files a and b of ten rows, and a
// position delete of two rows of a.
func TestReplaceRules(t *testing.T) {
	cases := []struct {
		name string
		make func(w *world) Changes
		want string // part of the error, "" allowed
	}{
		{"nothing removed", func(w *world) Changes { return Changes{AddData: files(w.data("c", 1, 1))} }, "removes nothing"},
		{"only deletes added", func(w *world) Changes { return Changes{AddDeletes: files(w.positions("d", "a", 1, 1))} }, "removes nothing"},
		{"data for deletes", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 1, 1)), RemoveDeletes: files(w.file("pa"))}
		}, "a replace of no data file by 1"},
		{"as many rows", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 10, 1)), RemoveData: files(w.file("a"))}
		}, ""},
		{"fewer rows", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 8, 1)), RemoveData: files(w.file("a"))}
		}, ""},
		{"no rows", func(w *world) Changes { return Changes{RemoveData: files(w.file("a"))} }, ""},
		{"more rows", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 11, 1)), RemoveData: files(w.file("a"))}
		}, "a replace of 10 rows by 11"},
		{"more rows, that come deleted", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 15, 1)), RemoveData: files(w.file("a")), AddDeletes: files(w.positions("d", "c", 5, 1))}
		}, ""},
		{"more rows, of which too few come deleted", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 15, 1)), RemoveData: files(w.file("a")), AddDeletes: files(w.positions("d", "c", 4, 1))}
		}, "a replace of 10 rows by 11"},
		{"a file's deletes count no more rows than it has", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 2, 1), w.data("e", 11, 1)), RemoveData: files(w.file("a")), AddDeletes: files(w.positions("d", "c", 9, 1))}
		}, "a replace of 10 rows by 11"},
		{"more rows, beside deletes of another file", func(w *world) Changes {
			return Changes{
				AddData: files(w.data("c", 11, 1)), RemoveData: files(w.file("a")),
				AddDeletes: files(w.positions("d", "b", 5, 2)), RemoveDeletes: files(w.file("pa")),
			}
		}, "a replace of 10 rows by 11"},
		{"more rows, beside deletes of files not named", func(w *world) Changes {
			return Changes{
				AddData: files(w.data("c", 11, 1)), RemoveData: files(w.file("a")),
				AddDeletes: files(w.positions("d", "", 5, 1)), RemoveDeletes: files(w.file("pa")),
			}
		}, "a replace of 10 rows by 11"},
		{"deletes of a file that stays", func(w *world) Changes {
			return Changes{
				AddData: files(w.data("c", 10, 2)), RemoveData: files(w.file("b")), AddDeletes: files(w.positions("d", "a", 1, 1)),
			}
		}, "whose deletes are of files already there"},
		{"equality deletes", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 10, 2)), RemoveData: files(w.file("b")), AddDeletes: files(w.equality("d", 1, 1))}
		}, "whose deletes are of files already there"},
		{"deletes for deletes", func(w *world) Changes {
			return Changes{AddDeletes: files(w.positions("d", "a", 2, 1)), RemoveDeletes: files(w.file("pa"))}
		}, ""},
		{"deletes dropped", func(w *world) Changes { return Changes{RemoveDeletes: files(w.file("pa"))} }, ""},
		{"a file that is not there", func(w *world) Changes {
			return Changes{AddData: files(w.data("c", 1, 1)), RemoveData: files(w.data("x", 1, 1))}
		}, "x"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 2, true, nil)
			w.commit(Changes{AddData: files(w.data("a", 10, 1), w.data("b", 10, 2))})
			w.commit(Changes{AddDeletes: files(w.positions("pa", "a", 2, 1))})
			ch := c.make(w)
			ch.Operation = metadata.OpReplace
			s, err := w.commitIf(ch, Conditions{})
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "" && s.Operation != metadata.OpReplace:
				t.Errorf("operation %s", s.Operation)
			case c.want != "" && (err == nil || !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
