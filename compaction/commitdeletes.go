package compaction

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// writeDeletes writes deletion vectors (format version 3) in one file, or a
// position delete file for each data file (version 2).
func (a *attempt) writeDeletes(ctx context.Context) ([]*manifest.DataFile, error) {
	if len(a.targets) == 0 {
		return nil, nil
	}
	name := func(specID int, tuple partition.Tuple, suffix string) string {
		uri := table.NewFile(a.base.Entry, specID, tuple, a.t.NewUUID()+suffix)
		a.written = append(a.written, uri)
		return uri
	}
	if a.base.Metadata.FormatVersion >= 3 {
		uri := name(-1, nil, ".puffin")
		return deletes.WriteDVs(ctx, a.base.Store, uri, a.targets, nil)
	}
	opts, err := table.ParquetOptions(a.base.Entry, true)
	if err != nil {
		return nil, err
	}
	out := make([]*manifest.DataFile, len(a.targets))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(deleteWriters)
	for i, t := range a.targets {
		uri := name(t.SpecID, t.Partition, "-deletes.parquet")
		g.Go(func() (err error) {
			out[i], err = deletes.WritePositions(ctx, a.base.Store, uri, t, opts)
			return err
		})
	}
	return out, g.Wait()
}

// deleteWriters is how many position delete files are written at a time.
const deleteWriters = 16

// dropDangling removes the delete files that apply to nothing afterwards.
func (a *attempt) dropDangling(ctx context.Context) error {
	stay := make([]scan.FileTask, 0, len(a.state.Files))
	for i := range a.state.Files {
		if !a.gone[a.state.Files[i].Data.File.Path] {
			stay = append(stay, a.state.Files[i])
		}
	}
	for _, f := range dangling(a.state, stay, a.outputs, a.resolved) {
		a.removes[idOf(f)] = f
	}
	return a.dropByContent(ctx)
}

// Position deletes for several files are read to see whether any of these is
// left, as long as that is cheap.
const (
	maxReadFiles = 2000
	maxReadBytes = 8 << 20
)

func (a *attempt) dropByContent(ctx context.Context) error {
	if len(a.gone) == 0 {
		return nil
	}
	live := map[string]bool{}
	for i := range a.state.Files {
		if p := a.state.Files[i].Data.File.Path; !a.gone[p] {
			live[deletes.BarePath(p)] = true
		}
	}
	n := 0
	for _, e := range a.state.Deletes {
		f := e.File
		if f.Content != manifest.ContentPositionDeletes || f.IsDV() || f.ReferencedDataFile != "" ||
			a.removes[idOf(f)] != nil || f.FileSize > maxReadBytes || n == maxReadFiles {
			continue
		}
		n++
		sets, err := deletes.ReadPositions(ctx, a.base.Store, f, nil)
		if err != nil {
			continue // cannot tell: it stays
		}
		needed := false
		for path := range sets {
			needed = needed || live[deletes.BarePath(path)]
		}
		if !needed {
			a.removes[idOf(f)] = f
		}
	}
	return ctx.Err()
}
