package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
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
		run := chooseRun(group, targetSize(b.base), minMergeCount(b.base), maxEntries(kind))
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

// maxEntries bounds the entries of a manifest beside its size. Deletion vectors
// and position deletes are replaced file by file, and each time the manifest that
// holds the old one is rewritten: were all of them in one, every commit would
// cost as much as the table has deletes.
func maxEntries(kind manifest.Kind) int {
	if kind == manifest.Deletes {
		return 512
	}
	return math.MaxInt
}

// chooseRun returns the manifests of a group that are worth merging, in the
// order of the group. Ordered by the number of their entries, it takes them as
// long as the next has no more than twice the entries of all before it, and
// leaves everything alone unless that gives minCount of them, or a manifest that
// is at least half full. So an entry is rewritten only when the manifest it is in
// grows by half or more: the cost of a commit does not grow with the table, and
// the number of manifests that are not full only with its logarithm.
func chooseRun(group []*manifest.File, target, minCount, most int) []*manifest.File {
	var small []*manifest.File
	fresh := false
	for _, f := range group {
		fresh = fresh || f.SequenceNumber == manifest.Unassigned
		if f.Length < int64(target) && weight(f) < int64(most) {
			small = append(small, f)
		}
	}
	if !fresh || len(small) < minCount {
		return nil
	}
	order := slices.Clone(small)
	slices.SortStableFunc(order, func(a, b *manifest.File) int { return cmp.Compare(weight(a), weight(b)) })
	in := make(map[*manifest.File]bool, len(order))
	var entries, bytes int64
	for _, f := range order {
		full := bytes+f.Length > int64(target) || entries+weight(f) > int64(most)
		if len(in) > 0 && (full || weight(f) > 2*entries) {
			break
		}
		in[f] = true
		entries += weight(f)
		bytes += f.Length
	}
	full := bytes >= int64(target)/2 || entries >= int64(most)/2
	if len(in) < 2 || len(in) < minCount && !full {
		return nil
	}
	return slices.DeleteFunc(small, func(f *manifest.File) bool { return !in[f] })
}

// weight is the number of entries that merging a manifest reads, about.
func weight(f *manifest.File) int64 {
	if f.AddedFiles < 0 || f.ExistingFiles < 0 {
		return 1 + f.Length/64
	}
	return int64(f.AddedFiles) + int64(f.ExistingFiles) + int64(max(f.DeletedFiles, 0)) + 1
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
