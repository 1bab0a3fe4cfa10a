package catalog

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds one part of an identifier, in bytes: the longest file name.
const maxName = 255

// String writes the identifier as ParseIdentifier reads it: parts joined by
// dots, those with a dot or a quote in them quoted.
func (id Identifier) String() string {
	return joinParts(append(append([]string(nil), id.Namespace...), id.Name))
}

// joinParts is String for a namespace.
func joinParts(parts []string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		if p == "" || strings.ContainsAny(p, `."`) {
			p = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
		}
		b.WriteString(p)
	}
	return b.String()
}

// ParseIdentifier reads "namespace.table" with any number of namespaces, also
// none. A part in double quotes may hold dots, and quotes written twice. The
// result is validated.
func ParseIdentifier(s string) (Identifier, error) {
	var parts []string
	for rest, more := s, true; more; {
		var part string
		var err error
		if part, rest, more, err = cutPart(rest); err != nil {
			return Identifier{}, fmt.Errorf("identifier %.100q: %w", s, err)
		}
		parts = append(parts, part)
	}
	id := Identifier{Namespace: parts[:len(parts)-1], Name: parts[len(parts)-1]}
	if len(id.Namespace) == 0 {
		id.Namespace = nil
	}
	if err := id.Validate(); err != nil {
		return Identifier{}, err
	}
	return id, nil
}

// cutPart takes the first part off; more says that a dot followed.
func cutPart(s string) (part, rest string, more bool, err error) {
	if !strings.HasPrefix(s, `"`) {
		part, rest, more = strings.Cut(s, ".")
		return part, rest, more, nil
	}
	var b strings.Builder
	for s = s[1:]; ; {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return "", "", false, errors.New("unclosed quote")
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		if !strings.HasPrefix(s, `"`) {
			break
		}
		b.WriteByte('"')
		s = s[1:]
	}
	rest, more = strings.CutPrefix(s, ".")
	if !more && s != "" {
		return "", "", false, errors.New("text after a closing quote")
	}
	return b.String(), rest, more, nil
}

// Validate reports whether every part may be a name. What a path, a pattern, a
// policy or a shell would take for more than a name is refused: slashes, "." and
// "..", control characters, wildcards, quotes, percent signs, blanks at the ends.
func (id Identifier) Validate() error {
	if err := validateNamespace(id.Namespace); err != nil {
		return err
	}
	if err := validateName(id.Name); err != nil {
		return fmt.Errorf("table name %.100q: %w", id.Name, err)
	}
	return nil
}

// maxDepth bounds the parts of a namespace.
const maxDepth = 64

func validateNamespace(namespace []string) error {
	if len(namespace) > maxDepth {
		return fmt.Errorf("namespace of %d parts: more than %d", len(namespace), maxDepth)
	}
	for _, part := range namespace {
		if err := validateName(part); err != nil {
			return fmt.Errorf("namespace %.100q: %w", part, err)
		}
	}
	return nil
}

// refused are the characters no name may hold.
const refused = "/\\:*?\"'<>|[]{}%#;`"

func validateName(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > maxName:
		return fmt.Errorf("is longer than %d bytes", maxName)
	case !utf8.ValidString(s):
		return errors.New("is not valid UTF-8")
	case s[0] == '.':
		return errors.New("begins with a dot")
	case strings.TrimSpace(s) != s:
		return errors.New("has blanks at its ends")
	}
	for _, r := range s {
		if strings.ContainsRune(refused, r) {
			return fmt.Errorf("holds %q", r)
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("holds the control character %U", r)
		}
	}
	return nil
}
