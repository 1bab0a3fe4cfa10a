package rowjson

import (
	"crypto/sha256"
	"encoding/binary"
)

// Sum is a checksum of rows that does not depend on their order: the first
// eight bytes, big endian, of SHA-256 of every line without its newline, added
// up modulo 2^64. The zero Sum is that of no rows.
type Sum struct {
	Rows  int64
	Sum64 uint64
}

// Add adds a row's line.
func (s *Sum) Add(line []byte) {
	h := sha256.Sum256(line)
	s.Rows++
	s.Sum64 += binary.BigEndian.Uint64(h[:8])
}

// Merge adds the rows of another sum.
func (s *Sum) Merge(o Sum) {
	s.Rows += o.Rows
	s.Sum64 += o.Sum64
}
