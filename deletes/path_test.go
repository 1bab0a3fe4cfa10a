package deletes

import "testing"

func TestSamePath(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"s3://b/t/f", "s3://b/t/f", true},
		{"/t/f", "s3://b/t/f", true},
		{"/t/f", "file:/t/f", true},
		{"/t/f", "file:///t/f", true},
		{"/t/f", "/t/g", false},
		{"/t/f", "s3://b/u/t/f", false},
		{"s3://a/t/f", "s3://b/t/f", false},
		{"s3://b/t/f", "s3a://b/t/f", false},
		{"file:/t/f", "file:///t/f", false},
		{"/t/a:b", "file:/t/a:b", true},
		{"", "s3://b", false},
	} {
		if SamePath(c.a, c.b) != c.same || SamePath(c.b, c.a) != c.same {
			t.Errorf("%q and %q: the same is %v", c.a, c.b, !c.same)
		}
	}
	for uri, want := range map[string]string{"s3://b/t/f": "/t/f", "file:/f": "/f", "/a:b": "/a:b", "s3://b": "/", "f": "f"} {
		if got := BarePath(uri); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}
