package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/frazildb/frazil/bench"
)

// median of one figure over the rounds.
func (o *outcome) median(figure func(bench.Result) float64) float64 {
	if len(o.Results) == 0 {
		return 0
	}
	v := make([]float64, len(o.Results))
	for i, r := range o.Results {
		v[i] = figure(r)
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

func (o *outcome) cpu() float64 {
	return o.median(func(r bench.Result) float64 { return r.CPUNsPerRow })
}

func (o *outcome) seconds() float64 {
	return o.median(func(r bench.Result) float64 { return r.Seconds })
}

func (o *outcome) rss() float64 {
	return o.median(func(r bench.Result) float64 { return float64(r.PeakRSSBytes) })
}

// name of a system as the report shows it.
func (o *outcome) name(r *run) string {
	if o.System != frazil && o.Prepared == r.tables(frazil) {
		return o.System + ", Frazil's table"
	}
	return o.System
}

// report writes report.md, results.jsonl and a chart for each workload.
func (r *run) report() error {
	if err := r.writeResults(); err != nil {
		return err
	}
	var md bytes.Buffer
	fmt.Fprintf(&md, "# Frazil beside other engines\n\n")
	fmt.Fprintf(&md, "%s, %s, %d cores, %s; size %s, median of %d rounds, every measurement a process of its own.\n",
		time.Now().UTC().Format("2006-01-02"), processor(), runtime.NumCPU(), runtime.Version(), r.size, r.rounds)
	fmt.Fprintf(&md, "iceberg-go %s. CPU is user plus system time; making the input is not in it. Ratios are CPU over Frazil's: above 1 Frazil uses less.\n",
		version("github.com/apache/iceberg-go"))
	for _, workload := range []string{"W1", "W2", "W6", "W10"} {
		if !r.wants(workload) {
			continue
		}
		r.table(&md, workload)
		chart := strings.ToLower(workload) + ".svg"
		if err := os.WriteFile(filepath.Join(r.out, chart), r.chart(workload), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&md, "\n![CPU per row](%s)\n", chart)
	}
	r.scalingTable(&md)
	path := filepath.Join(r.out, "report.md")
	if err := os.WriteFile(path, md.Bytes(), 0o644); err != nil {
		return err
	}
	_, err := fmt.Printf("%s\nwritten to %s\n", md.Bytes(), path)
	return err
}

func (r *run) writeResults() error {
	f, err := os.Create(filepath.Join(r.out, "results.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	for _, o := range slices.Concat(r.outcomes, r.scaled) {
		for _, res := range o.Results {
			line := struct {
				System string  `json:"system"`
				Scale  float64 `json:"scale,omitempty"`
				bench.Result
			}{o.name(r), o.Scale, res}
			if err := enc.Encode(line); err != nil {
				return err
			}
		}
	}
	return f.Close()
}

// titles say what a workload is and how to read it.
var titles = map[string]string{
	"W1": "W1 append\n\nRows in one commit: R6 with Snappy, with Zstandard, into four bucket partitions; 21 columns; 200 columns.",
	"W2": "W2 upsert\n\nA base of a million rows, then commits of 100,000 events; rows are events. " +
		"mix1 and mix2 find the rows that a key replaces and write deletion vectors, -v2 position deletes, -equality blind equality deletes. " +
		"iceberg-go has no upsert: -equality writes the equality deletes and the rows of the last state of each key as a row delta, " +
		"with the caller's own reduction to last states (a Go map) counted; " + rivalDelete + " is one commit of Transaction.Delete with an IN of 100,000 literals, merge-on-read, and an append. " +
		"It has nothing to compare with mix2's deletion vectors. Final rows are checked by their sums. The column scan is a full scan afterwards over one of the clean base, CPU per row.",
	"W10": "W10 compaction\n\nTables that Frazil wrote, the same for all: half a million rows after ten rounds of upserts of a fifth (deletion vectors, position deletes, equality deletes); " +
		"two million with a tenth deleted by equality over 200 commits, of which Frazil turns the deletes to positions (w5) or rewrites the file as the others do (w5-rewrite); " +
		"a million rows out of 300 commits as Flink makes them; eight files to be joined. Rows are those of the files before. " +
		"Spark is warm, one JVM of two threads, its start not counted.",
	"W6": "W6 scan\n\nTo Arrow batches, 20 Zstandard files: all columns, two, a filter that keeps 1 % spread over all pages, one row by id with ids shuffled (per look-up, table opened afresh). " +
		"Each engine reads the table that it wrote; \"Frazil's table\" is the one that Frazil wrote.",
}

func (r *run) table(w io.Writer, workload string) {
	fmt.Fprintf(w, "\n## %s\n\n", titles[workload])
	head := "| case | system | CPU ns/row | ratio | s | peak MB |"
	if workload == "W2" {
		head += " scan |"
	}
	fmt.Fprintf(w, "%s\n|%s\n", head, strings.Repeat(" --- |", strings.Count(head, "|")-1))
	for _, o := range r.outcomes {
		if o.Workload != workload {
			continue
		}
		if o.Failed != "" {
			fmt.Fprintf(w, "| %s | %s | failed: %s |\n", o.Case, o.name(r), strings.ReplaceAll(o.Failed, "|", "/"))
			continue
		}
		ratio := "-"
		if ours := r.ours(o); ours != nil && ours != o && ours.cpu() > 0 {
			ratio = fmt.Sprintf("%.2f", o.cpu()/ours.cpu())
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.3f | %.0f |", o.Case, o.name(r), thousands(o.cpu()), ratio, o.seconds(), o.rss()/1e6)
		if workload == "W2" {
			fmt.Fprintf(w, " %.2f |", o.median(func(r bench.Result) float64 { return r.RatioToClean }))
		}
		fmt.Fprintln(w)
	}
}

// ours is Frazil's outcome of the same case.
func (r *run) ours(o *outcome) *outcome {
	name := o.Case
	if name == rivalDelete {
		name = "mix1-v2"
	}
	for _, f := range r.outcomes {
		if f.System == frazil && f.Workload == o.Workload && f.Case == name {
			return f
		}
	}
	return nil
}

func (r *run) scalingTable(w io.Writer) {
	if len(r.scaled) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## How cost grows\n\nFrazil, CPU ns/row at parts of the size; a row that grows is worse than linear.\n\n| case | x 1/4 | x 1/2 | x 1 | x 2 |\n| --- | --- | --- | --- | --- |\n")
	for i := 0; i+3 < len(r.scaled); i += 4 {
		fmt.Fprintf(w, "| %s %s |", r.scaled[i].Workload, r.scaled[i].Case)
		for _, o := range r.scaled[i : i+4] {
			fmt.Fprintf(w, " %s |", thousands(o.cpu()))
		}
		fmt.Fprintln(w)
	}
}

// thousands prints a whole number with separators.
func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "?"
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return "?"
}

// processor is the name of the CPU where the system tells.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
