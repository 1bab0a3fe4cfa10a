package objstore

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxURI bounds a location, in bytes: more than any file system or object
// store takes, little enough that a hostile one costs nothing.
const maxURI = 8192

// Canonical returns the one spelling of a location, so that two of them name
// the same object if they are equal:
//
//	/a//b/, file:/a/b, file:///a/b, file://localhost/a/b   file:///a/b
//	s3a://bucket/k, s3n://bucket/k, S3://bucket/k          s3://bucket/k
//	gcs://bucket/k                                         gs://bucket/k
//	hdfs:/a, hdfs:///a                                     hdfs:///a
//
// Nothing is percent-decoded: the locations in table metadata are plain text.
// Empty segments collapse only where the store treats paths as a file system
// does (file, hdfs, viewfs); in an object store "a//b" is another key than "a/b".
//
// A location is refused when it is relative, has a ".." segment (also spelt
// %2e%2e), a control character, a backslash, invalid UTF-8, a user name before
// the bucket, or a host other than localhost in a file URI. Errors quote it.
func Canonical(uri string) (string, error) {
	scheme, authority, path, err := splitURI(uri)
	if err != nil {
		return "", fmt.Errorf("location %s: %w", quoteURI(uri), err)
	}
	path, err = cleanPath(path, isFileSystem(scheme))
	if err != nil {
		return "", fmt.Errorf("location %s: %w", quoteURI(uri), err)
	}
	if authority == "" && path == "" {
		path = "/"
	}
	return scheme + "://" + authority + path, nil
}

// quoteURI makes a hostile location safe and short enough for an error, without
// what may be a secret in it.
func quoteURI(uri string) string {
	uri = Redact(uri)
	if len(uri) > 200 {
		uri = uri[:200] + "…"
	}
	return fmt.Sprintf("%q", uri)
}

// isFileSystem reports whether paths of the scheme are those of a file system.
func isFileSystem(scheme string) bool {
	return scheme == "file" || scheme == "hdfs" || scheme == "viewfs"
}

// splitURI takes a location apart; the path is "" or begins with a slash.
func splitURI(uri string) (scheme, authority, path string, err error) {
	if len(uri) > maxURI {
		return "", "", "", fmt.Errorf("is longer than %d bytes", maxURI)
	}
	if !utf8.ValidString(uri) {
		return "", "", "", fmt.Errorf("is not valid UTF-8")
	}
	for _, r := range uri {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return "", "", "", fmt.Errorf("holds a control character")
		}
		if r == '\\' {
			return "", "", "", fmt.Errorf("holds a backslash")
		}
	}
	if strings.HasPrefix(uri, "/") {
		return "file", "", uri, nil
	}
	colon := strings.IndexByte(uri, ':')
	if colon <= 0 || !isScheme(uri[:colon]) {
		return "", "", "", fmt.Errorf("is neither an absolute path nor a URI")
	}
	scheme, rest := strings.ToLower(uri[:colon]), uri[colon+1:]
	switch scheme {
	case "s3a", "s3n":
		scheme = "s3"
	case "gcs":
		scheme = "gs"
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		slash := strings.IndexByte(after, '/')
		if slash < 0 {
			slash = len(after)
		}
		authority, path = after[:slash], after[slash:]
	} else if isFileSystem(scheme) && strings.HasPrefix(rest, "/") {
		path = rest
	} else {
		return "", "", "", fmt.Errorf("has no // after the scheme")
	}
	authority, err = checkAuthority(scheme, authority)
	return scheme, authority, path, err
}

// isScheme follows RFC 3986.
func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !(s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.')) {
			return false
		}
	}
	return s != ""
}

func checkAuthority(scheme, authority string) (string, error) {
	switch {
	case scheme == "file":
		if authority != "" && !strings.EqualFold(authority, "localhost") {
			return "", fmt.Errorf("a file URI names a host")
		}
		return "", nil
	case authority == "" && !isFileSystem(scheme):
		return "", fmt.Errorf("has no bucket")
	}
	// Azure writes container@account; elsewhere an @ is a user name, which some
	// clients drop and others take for the bucket.
	azure := strings.HasPrefix(scheme, "abfs") || strings.HasPrefix(scheme, "wasb")
	for i := 0; i < len(authority); i++ {
		switch c := authority[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '-', c == '_', c == ':', c == '@' && azure:
		default:
			return "", fmt.Errorf("the bucket or host holds %q", c)
		}
	}
	if undot(authority) != "" {
		return "", fmt.Errorf("the bucket or host is %q", authority)
	}
	return authority, nil
}

// cleanPath drops trailing slashes and checks each segment; with collapse set
// empty and "." segments vanish, else "." is refused.
func cleanPath(path string, collapse bool) (string, error) {
	path = strings.TrimRight(path, "/")
	dirty := false
	for rest := path; rest != ""; {
		seg := rest[1:] // rest begins with a slash
		if i := strings.IndexByte(seg, '/'); i >= 0 {
			seg, rest = seg[:i], seg[i:]
		} else {
			rest = ""
		}
		switch dots := undot(seg); {
		case dots == "..", dots == "." && (seg != "." || !collapse):
			return "", fmt.Errorf("holds the segment %q", seg)
		case seg == "" || seg == ".":
			dirty = dirty || collapse
		}
	}
	if !dirty {
		return path, nil
	}
	var b strings.Builder
	for seg := range strings.SplitSeq(path, "/") {
		if seg != "" && seg != "." {
			b.WriteByte('/')
			b.WriteString(seg)
		}
	}
	return b.String(), nil
}

// undot returns "." or ".." for a segment that a decoding reader would take for
// it, else "".
func undot(seg string) string {
	if len(seg) > 6 || seg == "" || seg[0] != '.' && seg[0] != '%' {
		return ""
	}
	s := strings.ReplaceAll(strings.ToLower(seg), "%2e", ".")
	if s == "." || s == ".." {
		return s
	}
	return ""
}

// Under reports whether uri is root or lies under it, compared by path segment
// after both are made canonical. It is false when either is not a valid
// location.
func Under(root, uri string) bool {
	_, ok := relative(root, uri)
	return ok
}

// relative returns the path of uri below root, "" for root itself.
func relative(root, uri string) (string, bool) {
	root, err := Canonical(root)
	if err != nil {
		return "", false
	}
	uri, err = Canonical(uri)
	if err != nil {
		return "", false
	}
	return cutRoot(root, uri)
}

// cutRoot is relative for canonical locations.
func cutRoot(root, uri string) (string, bool) {
	if root == uri {
		return "", true
	}
	if !strings.HasSuffix(root, "/") {
		root += "/"
	}
	return strings.CutPrefix(uri, root)
}

// Join appends path elements to a location, one slash between each; slashes at
// the ends of elements and empty elements are dropped. It does not check the
// result: stores do.
func Join(base string, elem ...string) string {
	var b strings.Builder
	trimmed := strings.TrimRight(base, "/")
	if strings.HasSuffix(trimmed, ":") { // file:///
		trimmed = base[:len(trimmed)+min(2, len(base)-len(trimmed))]
	}
	b.WriteString(trimmed)
	for _, e := range elem {
		if e = strings.Trim(e, "/"); e != "" {
			b.WriteByte('/')
			b.WriteString(e)
		}
	}
	return b.String()
}

// base returns the last segment of a path.
func base(path string) string {
	return path[strings.LastIndexByte(path, '/')+1:]
}

// parent returns a relative path without its last segment, "" at the top.
func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return ""
}
