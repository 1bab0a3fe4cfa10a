package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/compaction"

	"github.com/frazildb/frazil/bench"
)

// rivalCompact is W10: iceberg-go compacts a table that Frazil wrote, as its own
// command does, with files taken that are small or have any delete file.
func rivalCompact(ctx context.Context, c bench.CompactionCase, o *bench.Options) (bench.Result, error) {
	dir, err := os.MkdirTemp(o.Dir, "iceberg-go-")
	if err != nil {
		return bench.Result{}, err
	}
	defer os.RemoveAll(dir)
	if err := bench.PrepareCompaction(ctx, dir, c, o); err != nil {
		return bench.Result{}, err
	}
	w, err := openWarehouse(ctx, dir)
	if err != nil {
		return bench.Result{}, err
	}
	ident := table.Identifier(strings.Split(bench.CompactionTable, "."))
	m := bench.StartMeter()
	t, err := w.cat.LoadTable(ctx, ident)
	if err != nil {
		return bench.Result{}, err
	}
	rows, t, err := compactRival(ctx, t)
	if err != nil {
		return bench.Result{}, err
	}
	u := m.Stop()
	r := u.Result("W10", c.Name, rows)
	r.Commits = 1
	var live int64
	if _, err := readAll(ctx, t, func(b arrow.RecordBatch) { live += b.NumRows() }, table.WithSelectedFields("id")); err != nil {
		return r, err
	}
	if want := c.Live(o); live != want {
		return r, fmt.Errorf("%d rows afterwards, expected %d", live, want)
	}
	return r, nil
}

// compactRival returns the rows of the files taken.
func compactRival(ctx context.Context, t *table.Table) (int64, *table.Table, error) {
	cfg := compaction.DefaultConfig()
	cfg.MinInputFiles, cfg.DeleteFileThreshold = 1, 1
	plan, err := compaction.Analyze(ctx, t, cfg)
	if err != nil {
		return 0, t, err
	}
	var rows int64
	rewritten := map[string]struct{}{}
	groups := make([]table.CompactionTaskGroup, len(plan.Groups))
	for i, g := range plan.Groups {
		groups[i] = table.CompactionTaskGroup{PartitionKey: g.PartitionKey, Tasks: g.Tasks, TotalSizeBytes: g.TotalSizeBytes}
		for _, task := range g.Tasks {
			rewritten[task.File.FilePath()] = struct{}{}
			rows += task.File.Count()
		}
	}
	if rows == 0 {
		return 0, t, fmt.Errorf("iceberg-go finds nothing to compact")
	}
	fs, err := t.FS(ctx)
	if err != nil {
		return 0, t, err
	}
	var opts table.RewriteDataFilesOptions
	opts.ExtraDeleteFilesToRemove, err = compaction.CollectDeadEqualityDeletesWithSpecs(ctx, fs, t.Metadata(), t.CurrentSnapshot(), rewritten)
	if err != nil {
		return 0, t, err
	}
	tx := t.NewTransaction()
	if _, err := tx.RewriteDataFiles(ctx, groups, opts); err != nil {
		return 0, t, err
	}
	t, err = tx.Commit(ctx)
	return rows, t, err
}
