package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/internal/fsck"
)

// errFindings ends a verify that found errors; they are printed already.
var errFindings = errors.New("verification failed")

var verifyCommand = command{
	name: "verify", args: "TABLE", short: "checks a table against its format and its own files", minArgs: 1, maxArgs: 1,
	long: `
Checks every snapshot that the table keeps: that all files exist with the length
stated, that manifest lists and manifests decode, that their counts, summaries,
sequence numbers and row ids agree with what they hold, that no file is live
twice and that deletes fit their data files. With --deep every data and delete
file is read too: rows, null counts, bounds, partitions and checksums.

With --source the rows are compared with those the table came from: another table,
by name or location, or a dump of the source table as CSV (an empty cell is null)
or JSON lines. A row of the source that the table lacks is printed with a minus, one
that only the table has with a plus, 20 at most; any is exit code 1. The rows of a
table with errors are not compared.

Prints a line for each finding. Warnings cost space or time only; errors make
the exit code 1.`,
	examples: []string{"frazil verify shop.orders", "frazil verify ./lake/t --deep --json", "frazil verify shop.orders --source orders.csv"},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		deep := fs.Bool("deep", false, "read every data and delete file")
		source := fs.String("source", "", "compare the rows with a table or a dump (.csv, .jsonl; also .gz, .zst)")
		return func(ctx context.Context, args []string) error {
			_, src, done, err := e.source(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			p := e.progress("verify", "files")
			r, err := fsck.Check(ctx, fsck.Source{Store: src.Store, Metadata: src.Metadata}, &fsck.Options{Deep: *deep, Progress: p.items.Store})
			p.end()
			if err != nil {
				return err
			}
			if err := e.printFindings(args[0], *deep, r); err != nil || *source == "" {
				return err
			}
			return e.verifySource(ctx, args[0], src, *source)
		}
	},
}

func (e *env) printFindings(name string, deep bool, r *fsck.Report) error {
	for _, f := range r.Findings {
		if e.json {
			if err := e.writeJSON(f); err != nil {
				return err
			}
		} else if _, err := fmt.Fprintln(e.stdout, oneLine(errors.New(f.String()))); err != nil {
			return err
		}
	}
	if e.json {
		err := e.writeJSON(map[string]any{
			"table": name, "deep": deep, "errors": r.Errors, "warnings": r.Warnings, "snapshots": r.Snapshots,
			"manifests": r.Manifests, "data_files": r.DataFiles, "delete_files": r.DeleteFiles, "rows_read": r.Rows,
		})
		if err != nil {
			return err
		}
	}
	read := ""
	if deep {
		read = fmt.Sprintf(", %s read", plural(r.Rows, "row"))
	}
	e.note("%s: %s, %s; %s, %s, %s, %s%s", name, plural(int64(r.Errors), "error"), plural(int64(r.Warnings), "warning"),
		plural(int64(r.Snapshots), "snapshot"), plural(int64(r.Manifests), "manifest"), plural(int64(r.DataFiles), "data file"),
		plural(int64(r.DeleteFiles), "delete file"), read)
	if r.Errors > 0 {
		return fmt.Errorf("table %s: %w: %s", name, errFindings, plural(int64(r.Errors), "error"))
	}
	return nil
}
