package snapshot

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/manifest"
)

// merge joins small manifests of one kind and spec, so that a table written by
// many small commits keeps few of them. Only groups that this commit adds to are
// looked at.
func (p *Producer) merge(ctx context.Context, b *build) error {
	if !mergeEnabled(b.base) {
		return nil
	}
	var err error
	if b.data, err = p.mergeKind(ctx, b, manifest.Data, b.data); err != nil {
		return err
	}
	b.deletes, err = p.mergeKind(ctx, b, manifest.Deletes, b.deletes)
	return err
}

func (p *Producer) mergeKind(ctx context.Context, b *build, kind manifest.Kind, files []*manifest.File) ([]*manifest.File, error) {
	var specs []int
	groups := make(map[int][]*manifest.File)
	for _, f := range files {
		if groups[f.SpecID] == nil {
			specs = append(specs, f.SpecID)
		}
		groups[f.SpecID] = append(groups[f.SpecID], f)
	}
	out := make([]*manifest.File, 0, len(files))
	for _, spec := range specs {
		group := groups[spec]
		run := chooseRun(group, targetSize(b.base), minMergeCount(b.base))
		if len(run) == 0 {
			out = append(out, group...)
			continue
		}
		merged, err := p.mergeRun(ctx, b, kind, spec, run)
		if err != nil {
			return nil, err
		}
		in := make(map[*manifest.File]bool, len(run))
		for _, f := range run {
			in[f] = true
		}
		out = append(out, merged...)
		for _, f := range group {
			if !in[f] {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// chooseRun returns the manifests of a group, new ones first, that are worth
// merging: none before minCount of them are below the target size. Then it
// starts with the small ones in order and goes on as long as the next is no
// larger than all before it together, so that an entry is rewritten only when
// the manifest it is in at least doubles, and the cost of a commit does not grow
// with the table.
func chooseRun(group []*manifest.File, target, minCount int) []*manifest.File {
	var small []*manifest.File
	fresh := false
	for _, f := range group {
		fresh = fresh || f.SequenceNumber == manifest.Unassigned
		if f.Length < int64(target) {
			small = append(small, f)
		}
	}
	if !fresh || len(small) < minCount {
		return nil
	}
	total := small[0].Length
	n := 1
	for n < len(small) {
		next := small[n].Length
		if n >= minCount && next > total || total+next > int64(target) {
			break
		}
		total += next
		n++
	}
	if n < 2 {
		return nil
	}
	return small[:n]
}

// mergeRun writes the entries of manifests into one, or a few when the result
// exceeds the target size.
func (p *Producer) mergeRun(ctx context.Context, b *build, kind manifest.Kind, spec int, run []*manifest.File) ([]*manifest.File, error) {
	var key strings.Builder
	for _, f := range run {
		key.WriteString(b.identity(f))
		key.WriteByte('\n')
	}
	if out := p.merged[key.String()]; out != nil {
		return out, nil
	}
	entries := make([][]*manifest.Entry, len(run))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.o.Writers)
	for i, f := range run {
		g.Go(func() (err error) {
			// Numbers of a manifest of this commit are not known yet, and row ids in
			// it must not be taken for missing.
			own := f.SequenceNumber == manifest.Unassigned
			entries[i], err = b.src.entries(gctx, f, manifest.ReadOptions{Stats: manifest.StatsAll, KeepDeleted: own, AsStored: own})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m := p.newManifestWriter(b, kind, spec)
	for i, f := range run {
		b.work.entries += len(entries[i])
		for _, e := range entries[i] {
			// Only what this snapshot adds or deletes keeps its status.
			if e.SnapshotID != p.id {
				e.Status = manifest.StatusExisting
			}
			if err := m.append(e); err != nil {
				return nil, fmt.Errorf("merge manifest %s: %w", f.Path, err)
			}
		}
	}
	if err := m.close(); err != nil {
		return nil, err
	}
	p.merged[key.String()] = m.out
	return m.out, nil
}
