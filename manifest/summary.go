package manifest

import (
	"fmt"
	"math"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// summariser computes the partition summaries of a manifest.
type summariser struct {
	fields []fieldSummariser
	last   partition.Tuple
}

type fieldSummariser struct {
	typ       schema.Type
	null, nan bool
	lo, hi    any
}

func newSummariser(types []schema.Type) *summariser {
	s := &summariser{fields: make([]fieldSummariser, len(types))}
	for i, t := range types {
		s.fields[i].typ = t
	}
	return s
}

func (s *summariser) add(t partition.Tuple) error {
	// Files of one partition usually share their tuple.
	if len(t) == 0 || len(s.last) > 0 && &s.last[0] == &t[0] {
		return nil
	}
	s.last = t
	for i, v := range t {
		s.fields[i].add(v)
	}
	return nil
}

func (f *fieldSummariser) add(v any) {
	switch v := v.(type) {
	case nil:
		f.null = true
		return
	case float32:
		if math.IsNaN(float64(v)) {
			f.nan = true
			return
		}
	case float64:
		if math.IsNaN(v) {
			f.nan = true
			return
		}
	}
	if f.typ.Kind == schema.KindUnknown {
		return
	}
	// The order of floats puts -0 below +0, as bounds need it.
	if f.lo == nil || schema.Compare(f.typ, v, f.lo) < 0 {
		f.lo = v
	}
	if f.hi == nil || schema.Compare(f.typ, v, f.hi) > 0 {
		f.hi = v
	}
}

func (s *summariser) result() ([]FieldSummary, error) {
	if len(s.fields) == 0 {
		return nil, nil
	}
	out := make([]FieldSummary, len(s.fields))
	for i := range s.fields {
		f := &s.fields[i]
		nan := f.nan
		out[i] = FieldSummary{ContainsNull: f.null, ContainsNaN: &nan}
		if f.lo == nil {
			continue
		}
		var err error
		if out[i].Lower, err = schema.EncodeBound(f.typ, f.lo); err != nil {
			return nil, fmt.Errorf("partition summary %d: %w", i, err)
		}
		if out[i].Upper, err = schema.EncodeBound(f.typ, f.hi); err != nil {
			return nil, fmt.Errorf("partition summary %d: %w", i, err)
		}
	}
	return out, nil
}
