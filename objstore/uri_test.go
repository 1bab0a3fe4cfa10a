package objstore_test

import (
	"strings"
	"testing"

	"github.com/frazildb/frazil/objstore"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ in, want string }{ // want "" is refused
		{"/a/b", "file:///a/b"},
		{"/a//b/./c/", "file:///a/b/c"},
		{"/", "file:///"},
		{"file:/a/b", "file:///a/b"},
		{"file:///a/b", "file:///a/b"},
		{"FILE:///a/B", "file:///a/B"},
		{"file://localhost/a", "file:///a"},
		{"file:////a", "file:///a"},
		{"file:///", "file:///"},
		{"file://host/a", ""},
		{"file:a", ""},
		{"file://", "file:///"},
		{"s3://b/k", "s3://b/k"},
		{"s3a://b/k/", "s3://b/k"},
		{"s3n://b/k", "s3://b/k"},
		{"S3://b/K", "s3://b/K"},
		{"s3://b", "s3://b"},
		{"s3://b/", "s3://b"},
		{"s3://b//k//l", "s3://b//k//l"},
		{"s3://b/a/./l", ""},
		{"s3:///k", ""},
		{"s3:/b/k", ""},
		{"s3://user@b/k", ""},
		{"s3://user:pw@b/k", ""},
		{"s3://b?x/k", ""},
		{"s3://b/k?x#y", "s3://b/k?x#y"},
		{"gcs://b/k", "gs://b/k"},
		{"abfss://c@acc.dfs.core.windows.net/k", "abfss://c@acc.dfs.core.windows.net/k"},
		{"hdfs://nn:8020/a//b", "hdfs://nn:8020/a/b"},
		{"hdfs:/a", "hdfs:///a"},
		{"hdfs:///a", "hdfs:///a"},
		{"", ""},
		{"a/b", ""},
		{"./a", ""},
		{"c:\\x", ""},
		{"/a/../b", ""},
		{"/..", ""},
		{"/a/..", ""},
		{"/a/...", "file:///a/..."},
		{"/a/..b", "file:///a/..b"},
		{"/a/%2e%2e/b", ""},
		{"/a/.%2E/b", ""},
		{"/a/%2e/b", ""},
		{"/p=%2e%2e/b", "file:///p=%2e%2e/b"},
		{"/a%2Fb", "file:///a%2Fb"},
		{"/a\\b", ""},
		{"/a\x00b", ""},
		{"/a\u0085b", ""},
		{"/a\xffb", ""},
		{"/ü/ x", "file:///ü/ x"},
		{"1s://b/k", ""},
		{"/" + strings.Repeat("a", 9000), ""},
	} {
		got, err := objstore.Canonical(c.in)
		if (err == nil) != (c.want != "") || got != c.want {
			t.Errorf("Canonical(%.40q) = %q, %v; want %q", c.in, got, err, c.want)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, c := range []struct {
		root, uri string
		want      bool
	}{
		{"s3://b/loc", "s3a://b/loc/x", true},
		{"s3://b/loc/", "s3://b/loc", true},
		{"s3://b/loc", "s3://b/loc-evil/x", false},
		{"s3://b/loc", "s3://b/loc/../x", false},
		{"s3://b/loc", "s3://B/loc/x", false},
		{"s3://b/loc", "gs://b/loc/x", false},
		{"s3://b", "s3://b/x", true},
		{"s3://b", "s3://bb/x", false},
		{"file:///", "/x", true},
		{"/a", "file:/a/b", true},
		{"/a", "", false},
		{"", "/a", false},
	} {
		if got := objstore.Under(c.root, c.uri); got != c.want {
			t.Errorf("Under(%q, %q) = %v", c.root, c.uri, got)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{objstore.Join("s3://b/", "/a/", "", "b/c"), "s3://b/a/b/c"},
		{objstore.Join("s3://b"), "s3://b"},
		{objstore.Join("file:///", "a"), "file:///a"},
		{objstore.Join("/a", "b"), "/a/b"},
		{objstore.Join("/", "b"), "/b"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// FuzzCanonical: what is accepted is clean, stable, and never outside a root it
// is said to be under.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"/a//b/.", "s3a://b/k/%2e%2e", "file:/x", "hdfs:///a", "s3://u@b/", "abfs://c@d/e", "/a/../b", "mem://x/loc/..\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := objstore.Canonical(s)
		if err != nil {
			return
		}
		again, err := objstore.Canonical(c)
		if err != nil || again != c {
			t.Fatalf("%q became %q, then %q, %v", s, c, again, err)
		}
		for seg := range strings.SplitSeq(strings.ToLower(c), "/") {
			if d := strings.ReplaceAll(seg, "%2e", "."); d == ".." {
				t.Fatalf("%q became %q", s, c)
			}
		}
		if strings.ContainsAny(c, "\\\x00\n") {
			t.Fatalf("%q became %q", s, c)
		}
		for _, root := range []string{"/a", "s3://b/loc", "hdfs:///a"} {
			rc, err := objstore.Canonical(root)
			if err != nil {
				t.Fatal(err)
			}
			if objstore.Under(root, s) != (c == rc || strings.HasPrefix(c, rc+"/")) {
				t.Fatalf("Under(%q, %q)", root, s)
			}
		}
	})
}
