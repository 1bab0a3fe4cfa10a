package snapshot

import (
	"slices"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
)

// equalityBucket is a bucket of equality deletes with the decoded statistics of
// their equality columns.
type equalityBucket struct {
	bucket
	stats [][]columnStats // by entry; nil for one without statistics
}

// columnStats are what is known of one column of a file.
type columnStats struct {
	id      int
	typ     schema.Type
	lo, hi  any
	hasNull bool // may hold null
	onlyNil bool // holds nothing but null
}

func (b *equalityBucket) finish(table *metadata.Table) {
	b.sort()
	b.stats = make([][]columnStats, len(b.entries))
	any := false
	for i, e := range b.entries {
		for _, id := range e.File.EqualityIDs {
			// Dropped columns still delete; the newest type is the widest.
			f, ok := table.Field(id)
			if !ok || f.Type.IsNested() {
				continue
			}
			if s := statsOf(e.File, id, f.Type); s.useful() {
				b.stats[i] = append(b.stats[i], s)
				any = true
			}
		}
	}
	if !any {
		b.stats = nil
	}
}

// useful reports whether the statistics can rule anything out.
func (s *columnStats) useful() bool { return s.lo != nil && s.hi != nil || s.onlyNil || !s.hasNull }

// statsOf decodes the statistics of a column. What is missing or malformed is
// unknown.
func statsOf(f *manifest.DataFile, id int, t schema.Type) columnStats {
	s := columnStats{id: id, typ: t, hasNull: true}
	nulls, known := f.NullCounts.Get(id)
	if known {
		s.hasNull = nulls != 0
		values, ok := f.ValueCounts.Get(id)
		s.onlyNil = ok && values > 0 && nulls == values
	}
	if b, ok := f.Lower.Get(id); ok {
		if v, err := schema.DecodeBound(t, b); err == nil {
			s.lo = v
		}
	}
	if b, ok := f.Upper.Get(id); ok {
		if v, err := schema.DecodeBound(t, b); err == nil {
			s.hi = v
		}
	}
	return s
}

// applicable returns the deletes that may delete rows of a data file: newer than
// it, and with no equality column that rules it out.
func (b *equalityBucket) applicable(data *manifest.Entry) []*manifest.Entry {
	from := b.from(data.SequenceNumber + 1)
	all := b.entries[from:]
	if b.stats == nil || len(all) == 0 {
		return all
	}
	var cached []columnStats // of the data file
	for i := range all {
		if b.overlaps(from+i, data.File, &cached) {
			continue
		}
		out := slices.Clone(all[:i])
		for j := i + 1; j < len(all); j++ {
			if b.overlaps(from+j, data.File, &cached) {
				out = append(out, all[j])
			}
		}
		return out
	}
	return all
}

// overlaps reports whether a delete may match a row of the data file.
func (b *equalityBucket) overlaps(i int, data *manifest.DataFile, cached *[]columnStats) bool {
	for j := range b.stats[i] {
		del := &b.stats[i][j]
		var s *columnStats
		for k := range *cached {
			if (*cached)[k].id == del.id {
				s = &(*cached)[k]
			}
		}
		if s == nil {
			*cached = append(*cached, statsOf(data, del.id, del.typ))
			s = &(*cached)[len(*cached)-1]
		}
		if !columnOverlaps(del, s) {
			return false
		}
	}
	return true
}

func columnOverlaps(del, data *columnStats) bool {
	switch {
	case del.hasNull && data.hasNull:
		return true // null equals null
	case data.onlyNil && !del.hasNull, del.onlyNil && !data.hasNull:
		return false
	case del.lo == nil || del.hi == nil || data.lo == nil || data.hi == nil:
		return true
	}
	return schema.Compare(del.typ, del.lo, data.hi) <= 0 && schema.Compare(del.typ, data.lo, del.hi) <= 0
}
