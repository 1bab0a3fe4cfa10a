package table

import (
	"context"
	"fmt"

	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// pruner says which data files cannot hold any of a commit's keys.
type pruner struct {
	fields []schema.Field
	keys   []stagedKeys
	n      int64
	lo, hi []any // per key field; nil lo means not known
	// tuples has, for each partition spec whose source columns all belong to the
	// key, the partitions the keys are in.
	tuples map[int]map[string]bool
	specs  map[int]partition.Spec
}

func (r *resolver) newPruner(m *metadata.Table) (*pruner, error) {
	p := &pruner{fields: r.fields, keys: r.asked, tuples: map[int]map[string]bool{}, specs: map[int]partition.Spec{}}
	if len(r.bag) > 0 {
		return p, nil // rows of all columns: nothing to go by but the deletes' digests
	}
	p.lo, p.hi = make([]any, len(p.fields)), make([]any, len(p.fields))
	for _, k := range p.keys {
		p.n += int64(len(k.locs))
		for c := range p.fields {
			p.widen(c, k)
		}
	}
	keySchema, err := schema.New(0, p.fields, nil)
	if err != nil {
		return nil, err
	}
	for _, spec := range m.Specs {
		if spec.IsUnpartitioned() || !covered(spec, p.fields) {
			continue
		}
		if err := p.addSpec(spec, keySchema); err != nil {
			return nil, fmt.Errorf("partition spec %d: %w", spec.ID, err)
		}
	}
	return p, nil
}

func (p *pruner) widen(c int, k stagedKeys) {
	col, t := k.batch.Column(c), p.fields[c].Type
	for i := range col.Len() {
		v := schema.ValueAt(col, t, i)
		if v == nil {
			continue
		}
		if p.lo[c] == nil || schema.Compare(t, v, p.lo[c]) < 0 {
			p.lo[c] = v
		}
		if p.hi[c] == nil || schema.Compare(t, v, p.hi[c]) > 0 {
			p.hi[c] = v
		}
	}
}

// covered reports whether the fields include every source column of spec.
func covered(spec partition.Spec, fields []schema.Field) bool {
	for _, f := range spec.Fields {
		if f.Transform.Kind == partition.VoidTransform {
			continue
		}
		for _, src := range f.SourceIDs {
			found := false
			for _, k := range fields {
				found = found || k.ID == src
			}
			if !found {
				return false
			}
		}
		if f.Transform.Kind == partition.UnknownTransform {
			return false
		}
	}
	return true
}

func (p *pruner) addSpec(spec partition.Spec, keySchema *schema.Schema) error {
	router, err := partition.NewRouter(spec, keySchema)
	if err != nil {
		return err
	}
	var routes []int32
	for _, k := range p.keys {
		if routes, err = router.Route(k.batch, routes[:0]); err != nil {
			return err
		}
	}
	set := map[string]bool{}
	for i := range router.Len() {
		set[spec.Key(router.Tuple(int32(i)))] = true
	}
	p.tuples[spec.ID], p.specs[spec.ID] = set, spec
	return nil
}

// mayHold reports whether f can hold a key, by partition and column bounds.
func (p *pruner) mayHold(f *manifest.DataFile) bool {
	if set, ok := p.tuples[f.SpecID]; ok && !set[p.specs[f.SpecID].Key(f.Partition)] {
		return false
	}
	for c := range p.lo {
		if p.lo[c] == nil {
			continue
		}
		t := p.fields[c].Type
		if b, ok := f.Upper.Get(p.fields[c].ID); ok {
			if v, err := schema.DecodeBound(t, b); err == nil && schema.Compare(t, p.lo[c], v) > 0 {
				return false
			}
		}
		if b, ok := f.Lower.Get(p.fields[c].ID); ok {
			if v, err := schema.DecodeBound(t, b); err == nil && schema.Compare(t, p.hi[c], v) < 0 {
				return false
			}
		}
	}
	return true
}

// bloomSaysAbsent reports whether the file's bloom filters exclude every key.
// Testing a key costs about as much as reading ten rows of the key column, so it
// is tried only where the keys are few beside the rows.
func (p *pruner) bloomSaysAbsent(ctx context.Context, store objstore.Store, f *manifest.DataFile) (bool, error) {
	if p.n == 0 || p.n*10 >= f.RecordCount || f.Format != manifest.FormatParquet {
		return false, nil
	}
	o, err := store.Open(ctx, f.Path)
	if err != nil {
		return false, err
	}
	file, err := parquetfile.Open(ctx, o, nil)
	if err != nil {
		return false, err
	}
	defer file.Close()
	for _, k := range p.keys {
		for i := range k.locs {
			for g := range file.RowGroups() {
				hit, err := p.groupMightHold(ctx, file, g, k, i)
				if err != nil || hit {
					return false, err
				}
			}
		}
	}
	return true, nil
}

func (p *pruner) groupMightHold(ctx context.Context, file *parquetfile.File, group int, k stagedKeys, i int) (bool, error) {
	for c, f := range p.fields {
		might, err := file.MightContain(ctx, group, f.ID, schema.ValueAt(k.batch.Column(c), f.Type, i))
		if err != nil || !might {
			return false, err
		}
	}
	return true, nil
}
