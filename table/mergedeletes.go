package table

import (
	"context"
	"math/bits"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/snapshot"
)

// merged is what becomes of a target: the delete file to write in place of drop,
// or none when no row of the data file is left.
type merged struct {
	write *deletes.Target
	drop  []*manifest.DataFile
	// fresh counts the new rows, as far as that shows: not whether a position delete
	// file that stays has them too.
	fresh int64
}

// mergeAll joins the new deletes of each target with those it has, as far as
// they are to be rewritten, and notes in ch what goes. It returns the delete
// files to write.
func (c *commit) mergeAll(ctx context.Context, base *catalog.Entry, targets []target, ch *snapshot.Changes) ([]deletes.Target, error) {
	done := make([]merged, len(targets))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, t := range targets {
		g.Go(func() (err error) {
			done[i], err = c.mergeExisting(gctx, base, t)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	write := make([]deletes.Target, 0, len(done))
	for i, m := range done {
		ch.RemoveDeletes = append(ch.RemoveDeletes, m.drop...)
		c.located(m.fresh, base.Metadata.FormatVersion, m.write == nil)
		if m.write == nil {
			ch.RemoveData = append(ch.RemoveData, targets[i].file.File)
			continue
		}
		write = append(write, *m.write)
	}
	return write, nil
}

// mergeExisting joins the new deletes of a file with those it has. A deletion
// vector takes in all of them, for it hides the others. Position delete files
// apply beside each other, so only those that [worthMerging] names are rewritten.
// A file without a row left goes whole.
func (c *commit) mergeExisting(ctx context.Context, base *catalog.Entry, t target) (merged, error) {
	f := t.file.File
	var m merged
	all := &deletes.Positions{}
	if dv := t.existing.DV; dv != nil {
		old, err := deletes.ReadDV(ctx, base.Store, dv.File)
		if err != nil {
			return m, err
		}
		if c.t.opts.off != "union of deletion vectors" {
			all.Union(old)
		}
		m.drop = append(m.drop, dv.File)
	}
	vectors := base.Metadata.FormatVersion >= 3
	old := t.existing.Positions
	if !vectors {
		old = worthMerging(f, old, int64(t.positions.Len()))
	}
	for _, e := range old {
		sets, err := deletes.ReadPositions(ctx, base.Store, e.File, func(path string) bool { return path == f.Path })
		if err != nil {
			return m, err
		}
		if p := sets[f.Path]; p != nil {
			all.Union(p)
		}
		if e.File.ReferencedDataFile == f.Path {
			m.drop = append(m.drop, e.File)
		}
	}
	had := all.Len()
	all.Union(t.positions)
	m.fresh = int64(all.Len() - had)
	if f.RecordCount > 0 && int64(all.Len()) == f.RecordCount {
		return m, nil
	}
	m.write = &deletes.Target{Path: f.Path, SpecID: f.SpecID, Partition: f.Partition, Positions: all}
	return m, nil
}

// positionTier is how many position delete files of about one size a data file
// may have before they are merged.
const positionTier = 4

// worthMerging names the position delete files of data file f to be rewritten
// together with fresh new positions. Rewriting all of them at every commit would
// make the cost of a commit grow with the deletes that rest on what it touches,
// so sizes form tiers, each of eight times the rows of the one below: when a tier
// has positionTier files they become one, with all smaller ones. A data file
// of a million rows so has a dozen at most, and each position is rewritten a few
// times in its life. When the deletes may be of all rows, all are merged, to see.
// Delete files of several data files are another's, and stay.
func worthMerging(f *manifest.DataFile, existing []*manifest.Entry, fresh int64) []*manifest.Entry {
	var own []*manifest.Entry
	total := fresh
	for _, e := range existing {
		if e.File.ReferencedDataFile == f.Path {
			own = append(own, e)
			total += e.File.RecordCount
		}
	}
	if total >= f.RecordCount {
		return own
	}
	var taken []*manifest.Entry
	for {
		tier := tierOf(fresh)
		var near, rest []*manifest.Entry
		for _, e := range own {
			if tierOf(e.File.RecordCount) <= tier {
				near = append(near, e)
			} else {
				rest = append(rest, e)
			}
		}
		if len(near) < positionTier-1 {
			return taken
		}
		taken, own = append(taken, near...), rest
		for _, e := range near {
			fresh += e.File.RecordCount
		}
	}
}

// tierOf returns 0 below 1,024 rows, 1 below 8,192, 2 below 65,536, and so on.
func tierOf(rows int64) int { return (bits.Len64(uint64(max(rows, 0))>>10) + 2) / 3 }
