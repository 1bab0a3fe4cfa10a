package parquetfile

import (
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// number is a value type of the fixed-width physical types.
type number interface {
	int32 | int64 | float32 | float64
}

// numberRange is the least and greatest of the values seen, NaN excluded.
type numberRange[T number] struct {
	min, max T
	has      bool
}

func (r *numberRange[T]) reset() { *r = numberRange[T]{} }

func (r *numberRange[T]) merge(min, max T) {
	if !r.has {
		r.min, r.max, r.has = min, max, true
		return
	}
	if min < r.min {
		r.min = min
	}
	if max > r.max {
		r.max = max
	}
}

// add widens the range by v and returns how many of v are NaN.
func (r *numberRange[T]) add(v []T) (nans int) {
	switch v := any(v).(type) {
	case []float32:
		nans = countNaN(v)
	case []float64:
		nans = countNaN(v)
	}
	if nans == len(v) {
		return nans
	}
	if nans == 0 {
		r.merge(rangeOf(v))
		return 0
	}
	for _, x := range v {
		if x == x { // false for NaN
			r.merge(x, x)
		}
	}
	return nans
}

func countNaN[T float32 | float64](v []T) (n int) {
	for _, x := range v {
		if math.IsNaN(float64(x)) {
			n++
		}
	}
	return n
}

// rangeOf returns the least and greatest of v, which is not empty and has no
// NaN. Four lanes keep the comparisons independent of each other.
func rangeOf[T number](v []T) (T, T) {
	lo0, hi0 := v[0], v[0]
	lo1, hi1, lo2, hi2, lo3, hi3 := lo0, hi0, lo0, hi0, lo0, hi0
	for len(v) >= 4 {
		g := v[:4]
		if x := g[0]; x < lo0 {
			lo0 = x
		} else if x > hi0 {
			hi0 = x
		}
		if x := g[1]; x < lo1 {
			lo1 = x
		} else if x > hi1 {
			hi1 = x
		}
		if x := g[2]; x < lo2 {
			lo2 = x
		} else if x > hi2 {
			hi2 = x
		}
		if x := g[3]; x < lo3 {
			lo3 = x
		} else if x > hi3 {
			hi3 = x
		}
		v = v[4:]
	}
	for _, x := range v {
		if x < lo0 {
			lo0 = x
		}
		if x > hi0 {
			hi0 = x
		}
	}
	if lo1 < lo0 {
		lo0 = lo1
	}
	if lo3 < lo2 {
		lo2 = lo3
	}
	if lo2 < lo0 {
		lo0 = lo2
	}
	if hi1 > hi0 {
		hi0 = hi1
	}
	if hi3 > hi2 {
		hi2 = hi3
	}
	if hi2 > hi0 {
		hi0 = hi2
	}
	return lo0, hi0
}

// zeros returns the range with a zero minimum made negative and a zero maximum
// made positive, as both Parquet and Iceberg want float bounds.
func (r *numberRange[T]) zeros() (min, max T) {
	min, max = r.min, r.max
	switch any(min).(type) {
	case float32, float64:
		if min == 0 {
			min = T(math.Copysign(0, -1))
		}
		if max == 0 {
			max = 0
		}
	}
	return min, max
}

// bounds returns the range in PLAIN encoding, nil when there is none.
func (r *numberRange[T]) bounds() (min, max []byte) {
	if !r.has {
		return nil, nil
	}
	lo, hi := r.zeros()
	return plainNumber(lo), plainNumber(hi)
}

func plainNumber[T number](v T) []byte {
	switch v := any(v).(type) {
	case int32:
		return le32(uint32(v))
	case int64:
		return le64(uint64(v))
	case float32:
		return le32(math.Float32bits(v))
	case float64:
		return le64(math.Float64bits(v))
	}
	return nil
}

// pageBounds are the statistics of one page, in PLAIN encoding; nil bounds mean
// there are none.
type pageBounds struct {
	min, max []byte
}

// boundaryOrder tells how pages' bounds are ordered; all pages with bounds.
func boundaryOrder(pages []pageRecord, compare func(a, b []byte) int) format.BoundaryOrder {
	up, down := true, true
	var prev *pageRecord
	for i := range pages {
		p := &pages[i]
		if p.bounds.min == nil {
			continue
		}
		if prev != nil {
			lo, hi := compare(prev.bounds.min, p.bounds.min), compare(prev.bounds.max, p.bounds.max)
			up = up && lo <= 0 && hi <= 0
			down = down && lo >= 0 && hi >= 0
		}
		prev = p
	}
	switch {
	case up:
		return format.Ascending
	case down:
		return format.Descending
	}
	return format.Unordered
}
