package deletes

import "strings"

// SamePath reports whether a position delete's path means a data file's: it is
// the same, or one of the two is a path without scheme and authority and they
// are the same but for those. Some engines write one kind in manifests and the
// other in delete files; taking these for different would bring rows back.
func SamePath(deleted, data string) bool {
	if deleted == data {
		return true
	}
	if !strings.HasPrefix(deleted, "/") && !strings.HasPrefix(data, "/") {
		return false
	}
	return BarePath(deleted) == BarePath(data)
}

// BarePath returns a location without scheme and authority: the same of all paths
// that [SamePath] may take for one.
func BarePath(uri string) string {
	_, rest, ok := strings.Cut(uri, ":")
	if !ok || strings.HasPrefix(uri, "/") {
		return uri
	}
	if host, ok := strings.CutPrefix(rest, "//"); ok {
		if i := strings.IndexByte(host, '/'); i >= 0 {
			return host[i:]
		}
		return "/"
	}
	return rest
}
