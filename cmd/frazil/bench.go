package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/bench"
)

var benchCommand = command{
	name: "bench", args: "W1 [W2 …]", short: "measures the workloads on this machine", minArgs: 1, maxArgs: -1,
	examples: []string{
		"frazil bench W1 W2 W6 W12                # small: a minute in all",
		"frazil bench W6 --size full --json       # one object a result",
		"frazil bench W1/zstd W2/mix2             # single cases",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		o := &bench.Options{}
		size := fs.String("size", "small", "small or full")
		fs.StringVar(&o.Dir, "dir", "", "folder for the tables (default a temporary one)")
		fs.BoolVar(&o.Keep, "keep", false, "leave the tables there")
		fs.Float64Var(&o.Scale, "scale", 1, "multiplies the number of rows")
		return func(ctx context.Context, args []string) error {
			if *size != string(bench.Small) && *size != string(bench.Full) {
				return usagef("--size %s: give small or full", *size)
			}
			if o.Scale <= 0 {
				return usagef("--scale %g: give a number above 0", o.Scale)
			}
			o.Size = bench.Size(*size)
			return e.bench(ctx, args, o)
		}
	},
}

func (e *env) bench(ctx context.Context, names []string, o *bench.Options) error {
	if err := bench.Check(names); err != nil {
		return usageError{err}
	}
	var failed error
	o.Done = func(r bench.Result) {
		if e.json {
			failed = e.benchJSON(r)
			return
		}
		e.note("%s", benchLine(r))
	}
	results, err := bench.Run(ctx, names, o)
	if errors.Is(err, bench.ErrUnknownWorkload) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	if failed != nil || e.json {
		return failed
	}
	return e.benchTable(results)
}

// benchJSON prints a result as one line.
func (e *env) benchJSON(r bench.Result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", line)
	return err
}

func benchLine(r bench.Result) string {
	return fmt.Sprintf("%s %s: %d rows, %.2f s, %.0f ns of CPU a row", r.Workload, r.Case, r.Rows, r.Seconds, r.CPUNsPerRow)
}

func (e *env) benchTable(results []bench.Result) error {
	cells := make([][]string, len(results))
	count := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return strconv.FormatInt(n, 10)
	}
	size := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return formatBytes(n)
	}
	for i, r := range results {
		cells[i] = []string{
			r.Workload, r.Case, strconv.FormatInt(r.Rows, 10), fmt.Sprintf("%.2f", r.Seconds), fmt.Sprintf("%.0f", r.CPUNsPerRow),
			fmt.Sprintf("%.0f", r.RowsPerSecond), size(r.PeakRSSBytes), count(r.Files), size(r.Bytes), count(r.Commits), benchMore(r),
		}
	}
	return e.writeCells([]string{"workload", "case", "rows", "s", "CPU ns/row", "rows/s", "peak memory", "files", "size", "commits", ""}, cells)
}

// benchMore puts what only some results have into words.
func benchMore(r bench.Result) string {
	var more []string
	if r.RatioToClean > 0 {
		more = append(more, fmt.Sprintf("%.2f of clean", r.RatioToClean))
	}
	if r.P50MS > 0 {
		more = append(more, fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", r.P50MS, r.P99MS))
	}
	phases := make([]string, 0, len(r.Phases))
	for name := range r.Phases {
		phases = append(phases, name)
	}
	slices.Sort(phases)
	for _, name := range phases {
		more = append(more, fmt.Sprintf("%s %.2f s", name, r.Phases[name]))
	}
	if r.Note != "" {
		more = append(more, r.Note)
	}
	for _, v := range r.Verdicts {
		more = append(more, v.String())
	}
	return strings.Join(more, ", ")
}
