package schema

import "errors"

// AppendWKT appends the well-known text of a geometry in well-known binary.
func AppendWKT(dst, wkb []byte) ([]byte, error) { return nil, errors.New("unwritten") }

// ParseWKT reads well-known text into well-known binary (little endian).
func ParseWKT(s string) ([]byte, error) { return nil, errors.New("unwritten") }
