package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
)

var compactCommand = command{
	name: "compact", args: "TABLE", short: "joins small files and applies deletes, beside the table's writers", minArgs: 1, maxArgs: 1,
	examples: []string{
		"frazil compact shop.orders",
		"frazil compact shop.orders --dry-run   # what would be done",
		"frazil compact shop.orders --delete-ratio 0.05 --target-bytes 134217728",
		"frazil compact shop.orders --sort 'customer, ts desc'",
		"frazil compact shop.orders --zorder customer,ts",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		o := &compaction.Options{}
		dry := fs.Bool("dry-run", false, "show what would be done and do nothing")
		fs.Int64Var(&o.TargetFileBytes, "target-bytes", 0, "size that files are brought to (default the table's, else 512 MiB)")
		fs.IntVar(&o.MinInputFiles, "min-files", 0, "so many small files of a partition make it worth while (default 2)")
		fs.Float64Var(&o.DeleteRatio, "delete-ratio", 0, "share of deleted rows from which a file is rewritten (default 0.3)")
		fs.Int64Var(&o.MaxBytes, "max-bytes", 0, "most bytes to read in one round; what saves most goes first (default all)")
		fs.BoolVar(&o.ConvertOnly, "convert-only", false, "only turn equality deletes into deletes by position")
		order := fs.String("sort", "", "rewrite rows in this order: 'a, b desc nulls last', or 'table' for the one the table declares")
		fs.StringSliceVar(&o.ZOrder, "zorder", nil, "rewrite rows along a curve through these columns, so that filters on any of them rule files out")
		fs.Int64Var(&o.MemoryBudget, "memory", 0, "bytes for sorting and for equality deletes; the process takes twice as many, whatever the size of the table (default 134217728)")
		fs.StringVar(&o.SpillDir, "spill-dir", "", "folder for what is sorted past that (default the system's for temporary files)")
		return func(ctx context.Context, args []string) error {
			if *order != "" && *order != "table" {
				var err error
				if o.Sort, err = partition.ParseSort(*order); err != nil {
					return usageError{fmt.Errorf("--sort: %w", err)}
				}
			}
			return e.compact(ctx, args[0], o, *order == "table", *dry)
		}
	},
}

func (e *env) compact(ctx context.Context, name string, o *compaction.Options, declared, dry bool) error {
	t, done, err := e.openTable(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	if declared {
		if o.Sort = t.Metadata().DefaultSortOrder().Fields; len(o.Sort) == 0 {
			return fmt.Errorf("table %s declares no sort order: give columns to --sort", t.Name())
		}
	}
	if dry {
		s, err := compaction.Load(ctx, t, metadata.MainBranch)
		if err != nil {
			return err
		}
		return e.compactPlan(t.Name(), s, compaction.Choose(s, o))
	}
	limitMemory(o.MemoryBudget)
	start := time.Now()
	p := e.progress("compact", "files")
	o.Progress = func(ev compaction.Event) {
		if ev.Kind == "rewrite" || ev.Kind == "convert" {
			p.items.Add(int64(ev.Files))
		}
	}
	r, err := compaction.Compact(ctx, t, o)
	p.end()
	if err != nil {
		return err
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(e.stderr, "warning: table %s: left alone: %s: %v\n", t.Name(), s.Path, s.Err)
	}
	if e.json {
		return e.writeJSON(map[string]any{
			"table": t.Name(), "commits": r.Commits, "snapshot_id": r.SnapshotID, "files_before": r.Before.DataFiles, "files_after": r.After.DataFiles,
			"delete_files_before": r.Before.DeleteFiles, "delete_files_after": r.After.DeleteFiles, "bytes_before": r.Before.Bytes, "bytes_after": r.After.Bytes,
			"rows_written": r.RowsWritten, "rows_dropped": r.RowsDropped, "given_up": r.GivenUp, "skipped": len(r.Skipped), "seconds": time.Since(start).Seconds(),
		})
	}
	if r.Commits == 0 {
		e.note("%s: nothing to do: %s, %s", t.Name(), plural(int64(r.After.DataFiles), "data file"), plural(int64(r.After.DeleteFiles), "delete file"))
		return nil
	}
	return e.writeCells([]string{"", "before", "after"}, [][]string{
		{"data files", fmt.Sprint(r.Before.DataFiles), fmt.Sprint(r.After.DataFiles)},
		{"delete files", fmt.Sprint(r.Before.DeleteFiles), fmt.Sprint(r.After.DeleteFiles)},
		{"rows written", fmt.Sprint(r.Before.Rows), fmt.Sprint(r.After.Rows)},
		{"size", formatBytes(r.Before.Bytes + r.Before.DeleteBytes), formatBytes(r.After.Bytes + r.After.DeleteBytes)},
	})
}

// limitMemory has the collector keep the process within twice the budget.
func limitMemory(budget int64) {
	if budget <= 0 {
		budget = 128 << 20
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(budget / 8 * 14)
	}
}

// compactPlan prints what a compaction would do and why.
func (e *env) compactPlan(name string, s *compaction.State, p *compaction.Plan) error {
	files := 0
	var reasons []string
	for _, l := range p.Lanes {
		files += len(l.Files)
		reasons = append(reasons, l.Reason)
	}
	if e.json {
		return e.writeJSON(map[string]any{
			"table": name, "rewrite_files": files, "lanes": len(p.Lanes), "convert_files": len(p.Convert),
			"dangling_deletes": len(p.Dangling), "left_out": p.LeftOut, "reasons": reasons, "totals": s.Totals(),
		})
	}
	t := s.Totals()
	rows := [][]string{
		{"now", fmt.Sprintf("%s, %s, %s", plural(int64(t.DataFiles), "data file"), plural(int64(t.DeleteFiles), "delete file"), formatBytes(t.Bytes+t.DeleteBytes))},
		{"rewrite", fmt.Sprintf("%s in %s", plural(int64(files), "file"), plural(int64(len(p.Lanes)), "group"))},
	}
	for i, reason := range reasons {
		if i == 10 {
			rows = append(rows, []string{"", "and so on"})
			break
		}
		rows = append(rows, []string{"", reason})
	}
	return e.writeCells(nil, append(rows, [][]string{
		{"convert", fmt.Sprintf("%s that have equality deletes", plural(int64(len(p.Convert)), "file"))},
		{"drop", fmt.Sprintf("%s that apply to nothing", plural(int64(len(p.Dangling)), "delete file"))},
		{"left out", plural(int64(p.LeftOut), "file")},
	}...))
}
