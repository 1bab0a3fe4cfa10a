// Package deletes owns the contents of delete files: position deletes,
// deletion vectors and equality deletes, written, read and applied (spec:
// "Delete Formats").
package deletes

import (
	"context"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/bitmap"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// Digest is a seeded 128-bit hash of a key. Two keys with one digest are taken
// to be the same key.
type Digest [2]uint64

// Hasher hashes the key columns of record batches. It may be used by one
// goroutine at a time; Clone gives another for a second goroutine.
type Hasher struct{}

// NewHasher returns a hasher of keys of the given columns, in that order. Equal
// seeds and types give equal digests in every process; a value gives the same
// digest in a column of a narrower type that may be promoted to the wider one
// (int and long, float and double, decimals of one scale). An error means a
// column whose type cannot be a key.
func NewHasher(fields []schema.Field, seed uint64) (*Hasher, error) { panic("unwritten") }

// Clone returns a hasher for another goroutine.
func (h *Hasher) Clone() *Hasher { panic("unwritten") }

// Hash writes one digest a row into dst, growing it as needed, and returns it
// with as many elements as the columns have rows. cols are the key columns in
// the order of NewHasher; null is a value of its own. Columns of another type
// than the hasher was made for panic.
func (h *Hasher) Hash(cols []arrow.Array, dst []Digest) []Digest { panic("unwritten") }

// HashValues hashes one key of values as described at schema.Row.
func (h *Hasher) HashValues(key []any) Digest { panic("unwritten") }

// Positions is a set of row positions of one data file, a 64-bit roaring
// bitmap. The zero value is an empty set. It may be read concurrently, not
// while it is changed.
type Positions struct{}

// Add adds p.
func (p *Positions) Add(pos uint64) { panic("unwritten") }

// AddRange adds from to to, to excluded.
func (p *Positions) AddRange(from, to uint64) { panic("unwritten") }

// Contains reports whether pos is in the set.
func (p *Positions) Contains(pos uint64) bool { panic("unwritten") }

// Union adds all of o.
func (p *Positions) Union(o *Positions) { panic("unwritten") }

// Len returns the number of positions.
func (p *Positions) Len() uint64 { panic("unwritten") }

// ClearIn clears in bm, whose bit 0 is position first, the bits of all
// positions of the set.
func (p *Positions) ClearIn(bm *bitmap.Bitmap, first int64) { panic("unwritten") }

// All yields the positions in ascending order.
func (p *Positions) All() iter.Seq[uint64] { panic("unwritten") }

// Clone returns a copy that shares nothing.
func (p *Positions) Clone() *Positions { panic("unwritten") }

// MemoryBytes estimates the memory the set takes.
func (p *Positions) MemoryBytes() int64 { panic("unwritten") }

// EncodeDV encodes a deletion-vector-v1 blob (spec: Puffin, "deletion-vector-v1
// blob type").
func EncodeDV(p *Positions) ([]byte, error) { panic("unwritten") }

// DecodeDV decodes and validates a deletion-vector-v1 blob; wantCardinality is
// the number of positions it must hold, -1 any.
func DecodeDV(b []byte, wantCardinality int64) (*Positions, error) { panic("unwritten") }

// Target is a data file and the positions to delete of it.
type Target struct {
	Path      string // of the data file, byte for byte as in its manifest
	SpecID    int
	Partition partition.Tuple
	Positions *Positions
}

// WriteDVs writes one Puffin file at uri with a deletion vector for each target
// and returns their manifest entries, in the order of targets. properties go
// into the footer (such as "created-by").
func WriteDVs(ctx context.Context, store objstore.Store, uri string, targets []Target, properties map[string]string) ([]*manifest.DataFile, error) {
	panic("unwritten")
}

// ReadDV reads the deletion vector a manifest entry describes.
func ReadDV(ctx context.Context, store objstore.Store, f *manifest.DataFile) (*Positions, error) {
	panic("unwritten")
}

// WritePositions writes a position delete file at uri for one data file.
func WritePositions(ctx context.Context, store objstore.Store, uri string, t Target, opts *parquetfile.WriterOptions) (*manifest.DataFile, error) {
	panic("unwritten")
}

// ReadPositions reads a position delete file; want chooses the data files whose
// positions are kept, nil all. Rows without a path are ignored.
func ReadPositions(ctx context.Context, store objstore.Store, f *manifest.DataFile, want func(path string) bool) (map[string]*Positions, error) {
	panic("unwritten")
}

// WriteEquality writes an equality delete file at uri. keys has exactly the key
// columns, whose ids become the equality ids; batches have its columns in
// order.
func WriteEquality(ctx context.Context, store objstore.Store, uri string, keys *schema.Schema, batches iter.Seq2[arrow.RecordBatch, error], specID int, tuple partition.Tuple, opts *parquetfile.WriterOptions) (*manifest.DataFile, error) {
	panic("unwritten")
}

// ReadEquality yields the key columns of an equality delete file as batches
// with the given fields in order; the batch is valid until the next step.
func ReadEquality(ctx context.Context, store objstore.Store, f *manifest.DataFile, fields []schema.Field) iter.Seq2[arrow.RecordBatch, error] {
	panic("unwritten")
}

// EqualityTable answers, for all data files of a scope, which rows equality
// deletes on one set of columns remove: key → highest data sequence number of a
// delete. Add may be called concurrently with Add; Dead concurrently with Dead,
// after the last Add.
type EqualityTable struct{}

// EqualityOptions bound a table; nil and zero mean the documented default.
type EqualityOptions struct {
	// Seed of the key hash; 0 picks a random one.
	Seed uint64
	// MemoryBudget in bytes, past which Add fails with ErrBudget; 0 is none.
	MemoryBudget int64
}

// NewEqualityTable returns an empty table on the given key columns; their types
// are the widest the columns ever had.
func NewEqualityTable(fields []schema.Field, opts *EqualityOptions) (*EqualityTable, error) {
	panic("unwritten")
}

// Add records that the keys in cols were deleted at data sequence number seq.
func (t *EqualityTable) Add(cols []arrow.Array, seq int64) error { panic("unwritten") }

// Dead clears in live the bits of rows whose key was deleted after the data
// file with data sequence number fileSeq was written. Rows whose bit is already
// clear are not looked up.
func (t *EqualityTable) Dead(cols []arrow.Array, fileSeq int64, live *bitmap.Bitmap) {
	panic("unwritten")
}

// Len returns the number of distinct keys.
func (t *EqualityTable) Len() int { panic("unwritten") }

// MemoryBytes returns the memory the table takes.
func (t *EqualityTable) MemoryBytes() int64 { panic("unwritten") }

// Filter is a bloom filter of keys.
type Filter struct{}

// NewFilter returns an empty filter sized for n keys at a false positive rate
// of fpp (0: 0.01).
func NewFilter(n uint64, fpp float64) *Filter { panic("unwritten") }

// Add adds a key.
func (f *Filter) Add(d Digest) { panic("unwritten") }

// Test reports whether d may have been added; false is certain.
func (f *Filter) Test(d Digest) bool { panic("unwritten") }

// MarshalBinary encodes the filter with its length and a checksum.
func (f *Filter) MarshalBinary() ([]byte, error) { panic("unwritten") }

// UnmarshalBinary decodes what MarshalBinary encoded; damaged data is an error.
func (f *Filter) UnmarshalBinary(b []byte) error { panic("unwritten") }
