package objstore

import (
	"regexp"
	"strings"
)

// What may be a secret in a location: whatever stands before the host, and a
// query, which may be a signature.
var (
	userInfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*):/{1,3}[^\s"'@]*@`)
	query    = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'?]*)\?[^\s"']*`)
)

// Redact cuts passwords, tokens and signatures from the locations in a text: users
// put them there, and errors, also those of libraries, quote them. Text before the
// host is cut but for the container of an Azure location, and all that follows a
// question mark.
func Redact(text string) string {
	if !strings.Contains(text, ":/") {
		return text
	}
	text = userInfo.ReplaceAllStringFunc(text, func(m string) string {
		scheme, before, _ := strings.Cut(m, ":")
		azure := strings.HasPrefix(scheme, "abfs") || strings.HasPrefix(scheme, "wasb") || strings.HasPrefix(scheme, "azblob")
		if azure && !strings.Contains(before, ":") {
			return m // a container
		}
		return scheme + "://…@"
	})
	return query.ReplaceAllString(text, "$1?…")
}
