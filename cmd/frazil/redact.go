package main

import (
	"io"

	"github.com/frazildb/frazil/objstore"
)

// redacting is standard error without secrets: users put passwords and tokens into
// locations, and errors and warnings quote them. Each write is a line or more.
type redacting struct{ io.Writer }

func (r redacting) Write(p []byte) (int, error) {
	if _, err := io.WriteString(r.Writer, objstore.Redact(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
