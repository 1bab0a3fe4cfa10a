package table

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// resolveChanges finds the rows to delete in base and writes the delete files.
func (c *commit) resolveChanges(ctx context.Context, base *catalog.Entry, head *metadata.Snapshot) (snapshot.Changes, error) {
	ch := snapshot.Changes{RemoveAll: c.resolver.truncate}
	r := c.resolver
	c.decisions = Decisions{}
	equality := c.useEquality(base.Metadata)
	var keep func(e *manifest.Entry) bool
	if equality { // equality deletes reach only files of their own spec
		spec := base.Metadata.DefaultSpecID
		keep = func(e *manifest.Entry) bool { return e.File.SpecID != spec }
	}
	targets, err := r.resolve(ctx, base, head, keep)
	if err != nil {
		return ch, err
	}
	if err := r.probeAppended(ctx, base); err != nil {
		return ch, err
	}
	r.gens = nil
	r.noteLate()
	var write []deletes.Target
	allStale := r.staleNow()
	for n, f := range r.own {
		stale := allStale[n]
		if stale != nil && int64(stale.Len()) == f.RecordCount {
			continue // every row was replaced within the commit
		}
		ch.AddData = append(ch.AddData, f)
		if stale != nil {
			write = append(write, deletes.Target{Path: f.Path, SpecID: f.SpecID, Partition: f.Partition, Positions: stale})
		}
	}
	merged, err := c.mergeAll(ctx, base, targets, &ch)
	if err != nil {
		return ch, err
	}
	write = append(write, merged...)
	if ch.AddDeletes, err = c.writeDeletes(ctx, base, write); err != nil {
		return ch, err
	}
	equality = equality && head != nil && !r.truncate
	c.countKeys(equality)
	if equality && len(r.asked) > 0 {
		eq, err := c.writeEquality(ctx, base)
		if err != nil {
			return ch, err
		}
		ch.AddDeletes = append(ch.AddDeletes, eq...)
	}
	return ch, nil
}

// writeDeletes writes deletion vectors (format version 3) in one Puffin file, or
// one position-delete file per data file (version 2).
func (c *commit) writeDeletes(ctx context.Context, base *catalog.Entry, targets []deletes.Target) ([]*manifest.DataFile, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	if base.Metadata.FormatVersion >= 3 {
		uri := c.newDeleteFile(base, "", ".puffin")
		return deletes.WriteDVs(ctx, base.Store, uri, targets, nil)
	}
	out := make([]*manifest.DataFile, len(targets))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	settings, err := fileSettings(base.Metadata, &c.wo)
	if err != nil {
		return nil, err
	}
	for i, t := range targets {
		uri := c.newDeleteFile(base, c.partitionPath(base.Metadata, t.SpecID, t.Partition), "-deletes.parquet")
		g.Go(func() error {
			opts := settings.parquet
			opts.KeyColumns, opts.Metrics = nil, nil
			var err error
			out[i], err = deletes.WritePositions(ctx, base.Store, uri, t, &opts)
			return err
		})
	}
	return out, g.Wait()
}

func (c *commit) newDeleteFile(base *catalog.Entry, dir, suffix string) string {
	uri := newFile(base.Metadata, dir, c.t.opts.newUUID()+suffix)
	c.written = append(c.written, uri)
	return uri
}

func (c *commit) partitionPath(m *metadata.Table, specID int, tuple partition.Tuple) string {
	spec, ok := m.Spec(specID)
	if !ok {
		return ""
	}
	return spec.Path(m.CurrentSchema(), tuple)
}

// dropUnused deletes the delete files of earlier attempts, which the commit does
// not refer to.
func (c *commit) dropUnused(ctx context.Context, entry *catalog.Entry) {
	if len(c.written) == 0 {
		return
	}
	used := map[string]bool{}
	for _, f := range c.changes.AddDeletes {
		used[f.Path] = true
	}
	var unused []string
	for _, u := range c.written {
		if !used[u] {
			unused = append(unused, u)
		}
	}
	deleteQuietly(ctx, entry.Store, unused)
}

// useEquality reports whether deletes are written as equality deletes: asked
// for, one staged set, and the key says which partition its row is in.
func (c *commit) useEquality(m *metadata.Table) bool {
	if len(c.staged) != 1 || c.staged[0].encoding != EncodingEquality || len(c.resolver.bag) > 0 || len(c.resolver.keys) == 0 {
		return false
	}
	for _, f := range c.resolver.fields {
		if f.Type.Kind == schema.KindFloat || f.Type.Kind == schema.KindDouble {
			return false // spec: not allowed as equality columns
		}
	}
	spec := m.DefaultSpec()
	return spec.IsUnpartitioned() || covered(spec, c.resolver.fields)
}

// writeEquality writes the equality deletes of all keys, a file per partition.
func (c *commit) writeEquality(ctx context.Context, base *catalog.Entry) ([]*manifest.DataFile, error) {
	keySchema, err := schema.New(0, c.resolver.fields, nil)
	if err != nil {
		return nil, err
	}
	parts, router, err := c.equalityParts(base.Metadata, keySchema)
	if err != nil {
		return nil, err
	}
	settings, err := fileSettings(base.Metadata, &c.wo)
	if err != nil {
		return nil, err
	}
	settings.parquet.KeyColumns = nil // no bloom filters in delete files
	var out []*manifest.DataFile
	for p, batches := range parts {
		var tuple partition.Tuple
		if router != nil {
			tuple = router.Tuple(int32(p))
		}
		spec := base.Metadata.DefaultSpec()
		uri := c.newDeleteFile(base, c.partitionPath(base.Metadata, spec.ID, tuple), "-eq-deletes.parquet")
		f, err := deletes.WriteEquality(ctx, base.Store, uri, keySchema, eachBatch(batches), spec.ID, tuple, &settings.parquet)
		if err != nil {
			return nil, fmt.Errorf("equality deletes: %w", err)
		}
		out = append(out, f)
	}
	return out, nil
}

// equalityParts splits the keys by partition ordinal.
func (c *commit) equalityParts(m *metadata.Table, keySchema *schema.Schema) ([][]arrow.RecordBatch, *partition.Router, error) {
	spec := m.DefaultSpec()
	if spec.IsUnpartitioned() {
		var all []arrow.RecordBatch
		for _, k := range c.resolver.asked {
			all = append(all, k.batch)
		}
		return [][]arrow.RecordBatch{all}, nil, nil
	}
	router, err := partition.NewRouter(spec, keySchema)
	if err != nil {
		return nil, nil, err
	}
	var parts [][]arrow.RecordBatch
	for _, k := range c.resolver.asked {
		routes, err := router.Route(k.batch, nil)
		if err != nil {
			return nil, nil, err
		}
		rows := make([][]int32, router.Len())
		for i, p := range routes {
			rows[p] = append(rows[p], int32(i))
		}
		parts = slices.Grow(parts, len(rows))
		for len(parts) < len(rows) {
			parts = append(parts, nil)
		}
		for p, idx := range rows {
			if len(idx) == 0 {
				continue
			}
			b, err := arrowsel.TakeBatch(k.batch, idx, nil)
			if err != nil {
				return nil, nil, err
			}
			parts[p] = append(parts[p], b)
		}
	}
	return parts, router, nil
}

func eachBatch(batches []arrow.RecordBatch) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, b := range batches {
			if !yield(b, nil) {
				return
			}
		}
	}
}
