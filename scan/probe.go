package scan

import (
	"context"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/datafile"
)

// maxProbes is for how many values the bloom filters of a file are asked.
const maxProbes = 256

// probe is a column and the values one of which it must have.
type probe struct {
	id     int
	values []any
}

func probesOf(b *expr.Bound) []probe {
	var out []probe
	for _, id := range b.FieldIDs() {
		if vals, ok := b.Candidates(id); ok && len(vals) <= maxProbes {
			out = append(out, probe{id, vals})
		}
	}
	return out
}

// keepGroup reports whether a row group may have a row that the filter keeps,
// going by its statistics and bloom filters.
func (v *view) keepGroup(ctx context.Context, f datafile.File, group int) (bool, error) {
	if !v.canProbe(f) {
		return true, nil
	}
	for _, p := range v.probes {
		might := false
		for i := 0; !might && i < len(p.values); i++ {
			var err error
			if might, err = f.MightContain(ctx, group, p.id, p.values[i]); err != nil {
				return false, err
			}
		}
		if !might {
			return false, nil
		}
	}
	return true, nil
}

// canProbe reports whether the columns of a file are known by their ids: a name
// mapping, which a file without ids needs, is not known to MightContain.
func (v *view) canProbe(f datafile.File) bool { return v.mapping == nil || f.HasFieldIDs() }
