package objstore_test

import (
	"testing"

	"github.com/frazildb/frazil/objstore"
)

func TestRedact(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"warehouse s3://key:secret@bucket/w: no", "warehouse s3://…@bucket/w: no"},
		{"open s3://token@bucket", "open s3://…@bucket"},
		{"s3://u:pa/ss@b/w", "s3://…@b/w"},
		{`get "https://h/p?sig=abc": refused`, `get "https://h/p?…": refused`},
		{"abfss://container@account/k is fine", "abfss://container@account/k is fine"},
		{"abfss://u:pw@account/k", "abfss://…@account/k"},
		{"file:///a/b and s3://b/k stay", "file:///a/b and s3://b/k stay"},
		{"mail a@b.c, why?", "mail a@b.c, why?"},
	} {
		if got := objstore.Redact(c.in); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
}
