package objstore_test

import (
	"errors"
	"io"
	"testing"

	"github.com/frazildb/frazil/objstore"
)

func TestNewObject(t *testing.T) {
	o := objstore.NewObject("mem://x/y", []byte("abcdef"))
	if o.Size() != 6 || o.URI() != "mem://x/y" || o.Close() != nil {
		t.Errorf("%d bytes of %s", o.Size(), o.URI())
	}
	for _, c := range []struct {
		off  int64
		want string
		end  bool
	}{{0, "abcd", false}, {2, "cdef", false}, {4, "ef", true}, {6, "", true}, {99, "", true}} {
		p := make([]byte, 4)
		n, err := o.ReadAt(t.Context(), p, c.off)
		if string(p[:n]) != c.want || errors.Is(err, io.EOF) != c.end {
			t.Errorf("at %d: %q, %v", c.off, p[:n], err)
		}
	}
	if _, err := o.ReadAt(t.Context(), make([]byte, 1), -1); err == nil {
		t.Error("a negative offset was read")
	}
}
