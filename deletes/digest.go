package deletes

import (
	"fmt"
	"math"

	"github.com/zeebo/xxh3"

	"github.com/frazildb/frazil/schema"
)

// Digest is a seeded 128-bit hash of a key. Two keys with one digest are taken
// to be the same key; of keys of one fixed-width column (up to 16 bytes) no two
// have the same.
type Digest [2]uint64

// keyKind says how values of a key column become 128 bits.
type keyKind uint8

const (
	keyInt     keyKind = iota + 1 // as int64
	keyFloat                      // as the bits of a float64, one NaN
	keyDecimal                    // sign-extended to 128 bits
	keyBytes                      // xxh3 of the bytes
	rowText                       // xxh3 of the canonical text (whole rows only)
)

// Multipliers and marks of the key hash. They are part of the digest's
// definition: key filters and key indexes store digests.
const (
	mulA1, mulA2 = 0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53
	mulB1, mulB2 = 0xbf58476d1ce4e5b9, 0x94d049bb133111eb
	// spread makes the second half of an integer differ from its first.
	spread = 0x9e3779b97f4a7c15
	// null is no integer's pair (its second half is not nullA*spread) and no
	// decimal's, whose upper half stays within ±5.5e18.
	nullA, nullB = 0x6e756c6c6e756c6c, 0x7f4a7c159e3779b9
	golden       = 0x2545f4914f6cdd1d
)

func mixA(x uint64) uint64 {
	x ^= x >> 33
	x *= mulA1
	x ^= x >> 33
	x *= mulA2
	return x ^ x>>33
}

func mixB(x uint64) uint64 {
	x ^= x >> 30
	x *= mulB1
	x ^= x >> 27
	x *= mulB2
	return x ^ x>>31
}

// add folds one value's 128 bits into a digest. For a given digest it is a
// bijection of (a, b).
func (d *Digest) add(a, b uint64) {
	d[0] = mixA(d[0] ^ a)
	d[1] = mixB(d[1] ^ b)
}

// addInt folds in an integer.
func (d *Digest) addInt(v uint64) {
	d[0] = mixA(d[0] ^ v)
	d[1] = mixB(d[1] ^ v*spread)
}

// Hasher hashes the key columns of record batches. It is immutable and safe for
// concurrent use.
type Hasher struct {
	fields []schema.Field
	kinds  []keyKind
	start  Digest
	seed   uint64
}

// NewHasher returns a hasher of keys of the given columns, in that order. Equal
// seeds and types give equal digests in every process; a value gives the same
// digest in a column of a narrower type that may be promoted to the wider one
// (int and long, float and double, decimals of one scale). An error means a
// column whose type cannot be a key.
func NewHasher(fields []schema.Field, seed uint64) (*Hasher, error) {
	if len(fields) == 0 {
		return nil, fmt.Errorf("a key needs at least one column")
	}
	h := newHasher(fields, seed)
	for i, f := range fields {
		if h.kinds[i] = kindOf(f.Type); h.kinds[i] == 0 {
			return nil, fmt.Errorf("column %q: type %s cannot be a key", f.Name, f.Type)
		}
	}
	return h, nil
}

func newHasher(fields []schema.Field, seed uint64) *Hasher {
	return &Hasher{
		fields: fields,
		kinds:  make([]keyKind, len(fields)),
		start:  Digest{mixA(seed + golden), mixB(seed ^ golden)},
		seed:   mixA(seed ^ spread),
	}
}

func kindOf(t schema.Type) keyKind {
	switch t.Kind {
	case schema.KindBoolean, schema.KindInt, schema.KindLong, schema.KindDate, schema.KindTime,
		schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
		return keyInt
	case schema.KindFloat, schema.KindDouble:
		return keyFloat
	case schema.KindDecimal:
		return keyDecimal
	case schema.KindString, schema.KindBinary, schema.KindFixed, schema.KindUUID:
		return keyBytes
	}
	return 0
}

// Fields returns the key columns; they must not be changed.
func (h *Hasher) Fields() []schema.Field { return h.fields }

// HashValues hashes one key, its values as described at schema.Row. It panics
// where a value is not of its column's type.
func (h *Hasher) HashValues(key []any) Digest {
	if len(key) != len(h.fields) {
		panic(fmt.Sprintf("deletes: key of %d values for %d columns", len(key), len(h.fields)))
	}
	d := h.start
	for i, v := range key {
		a, b, ok := h.value(h.kinds[i], v)
		if !ok {
			panic(fmt.Sprintf("deletes: column %q: value of type %T for %s", h.fields[i].Name, v, h.fields[i].Type))
		}
		d.add(a, b)
	}
	return d
}

// value returns the 128 bits of a value; false if it is not of the kind.
func (h *Hasher) value(k keyKind, v any) (a, b uint64, ok bool) {
	if v == nil {
		return nullA, nullB, true
	}
	switch k {
	case keyInt:
		switch v := v.(type) {
		case int64:
			return uint64(v), uint64(v) * spread, true
		case int32:
			return uint64(int64(v)), uint64(int64(v)) * spread, true
		case bool:
			if v {
				return 1, spread, true
			}
			return 0, 0, true
		}
	case keyFloat:
		switch v := v.(type) {
		case float64:
			u := floatBits(v)
			return u, u * spread, true
		case float32:
			u := floatBits(float64(v))
			return u, u * spread, true
		}
	case keyDecimal:
		if v, is := v.(schema.Unscaled); is {
			return v.LowBits(), uint64(v.HighBits()), true
		}
	case keyBytes:
		var u xxh3.Uint128
		switch v := v.(type) {
		case string:
			u = xxh3.HashString128Seed(v, h.seed)
		case []byte:
			u = xxh3.Hash128Seed(v, h.seed)
		case [16]byte:
			u = xxh3.Hash128Seed(v[:], h.seed)
		default:
			return 0, 0, false
		}
		return u.Lo, u.Hi, true
	}
	return 0, 0, false
}

// floatBits returns the bits of f, the same for every NaN.
func floatBits(f float64) uint64 {
	if f != f {
		return 0x7ff8000000000000
	}
	return math.Float64bits(f)
}
