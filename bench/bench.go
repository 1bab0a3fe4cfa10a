package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Size says how much data a workload handles.
type Size string

// Sizes. Small takes seconds, Full is what published figures refer to.
const (
	Small Size = "small"
	Full  Size = "full"
)

// Options choose how workloads run; nil and zero fields mean the documented
// default.
type Options struct {
	// Size of the workloads; default Small.
	Size Size
	// Scale multiplies the rows of W1, W2 and W6; default 1.
	Scale float64
	// Dir is where tables are written; default a temporary folder. What a
	// workload wrote is deleted when it ends unless Keep is set.
	Dir  string
	Keep bool
	// Prepared is a folder that Prepare has filled with the tables of W6; default
	// none, W6 makes them.
	Prepared string
	// Shared is the folder of the recorded change streams of W12; default the
	// environment variable FRAZIL_SHARED, else ../shared if it is there. Without it
	// W12 has only the stream it makes up.
	Shared string
	// Done is told each result as it comes; may be nil.
	Done func(Result)

	// cases restricts the cases of the workload that runs; nil runs all.
	cases []string
}

// Result is one case of a workload. Members that do not apply are zero.
type Result struct {
	Workload string `json:"workload"`
	Case     string `json:"case"`
	// Rows are those written, read or looked up; events in W2 and W12.
	Rows    int64   `json:"rows"`
	Seconds float64 `json:"seconds"`
	// CPUNsPerRow is user and system time of the process over Rows.
	CPUNsPerRow   float64 `json:"cpu_ns_per_row"`
	RowsPerSecond float64 `json:"rows_per_second"`
	// PeakRSSBytes is the most memory the process held during the case where the
	// system can tell (Linux), else since it began.
	PeakRSSBytes int64 `json:"peak_rss_bytes"`
	// Files and Bytes are what the table's folder holds after the case.
	Files   int64 `json:"files,omitempty"`
	Bytes   int64 `json:"bytes,omitempty"`
	Commits int64 `json:"commits,omitempty"`
	// RatioToClean is CPU against the same data files without deletes,
	// RatioToCompact that against the table compacted.
	RatioToClean   float64 `json:"ratio_to_clean,omitempty"`
	RatioToCompact float64 `json:"ratio_to_compact,omitempty"`
	P50MS          float64 `json:"p50_ms,omitempty"`
	P99MS          float64 `json:"p99_ms,omitempty"`
	// Phases are the seconds of parts of the work.
	Phases map[string]float64 `json:"phases,omitempty"`
	// Note says what a reader must know to read the figures.
	Note string `json:"note,omitempty"`
	// Verdicts hold the figures against the limits set for the case.
	Verdicts []Verdict `json:"verdicts,omitempty"`
}

// Workload is a named set of cases.
type Workload struct {
	Name, Short string
	Run         func(ctx context.Context, o *Options) ([]Result, error)
}

// Workloads returns all there are, in order.
func Workloads() []Workload {
	return []Workload{
		{"W1", "append: rows of 6, 21 and 200 columns in one commit", W1},
		{"W2", "upsert: a million rows, then commits of 100,000 changes", W2},
		{"W3", "small commits: a thousand of ten rows", W3},
		{"W4", "churn: scan after ten rounds of upserts", W4},
		{"W5", "equality deletes: scan after many commits of them", W5},
		{"W6", "scan: all columns, two, a filter, one row by its key", W6},
		{"W7", "deletes: scan with a tenth of the rows deleted", W7},
		{"W8", "plan: scans of tables of very many files", W8},
		{"W10", "compaction: tables of W4, W5 and Flink's habits, and files to be joined", W10},
		{"W10b", "background compaction: a writer of 200,000 upserts a second beside the runner", W10b},
		{"W11", "changes: those of W4's rounds of upserts", W11},
		{"W12", "ingest: a recorded Debezium stream, from text to commit", W12},
		{"W13", "look-up: single rows by key", W13},
	}
}

// ErrUnknownWorkload: a workload or case that does not exist.
var ErrUnknownWorkload = errors.New("unknown workload")

// Run runs workloads by name, "W1" or "W1/zstd" for a single case, in the order
// given, and returns their results. After an error it returns those so far.
func Run(ctx context.Context, names []string, opts *Options) ([]Result, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	var all []Result
	for _, name := range names {
		w, cases, err := find(name)
		if err != nil {
			return all, err
		}
		one := o
		one.cases = cases
		rs, err := w.Run(ctx, &one)
		all = append(all, rs...)
		if err != nil {
			return all, fmt.Errorf("%s: %w", name, err)
		}
		if len(cases) > 0 && len(rs) == 0 {
			return all, fmt.Errorf("%w: %s has no case %q", ErrUnknownWorkload, w.Name, cases[0])
		}
	}
	return all, nil
}

// Check reports whether every name is a workload, with or without a case.
func Check(names []string) error {
	for _, name := range names {
		if _, _, err := find(name); err != nil {
			return err
		}
	}
	return nil
}

func find(name string) (Workload, []string, error) {
	head, sub, ok := strings.Cut(name, "/")
	var have []string
	for _, w := range Workloads() {
		if strings.EqualFold(w.Name, head) {
			if ok {
				return w, []string{sub}, nil
			}
			return w, nil, nil
		}
		have = append(have, w.Name)
	}
	return Workload{}, nil, fmt.Errorf("%w %q: there are %s", ErrUnknownWorkload, name, strings.Join(have, ", "))
}

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Size == "" {
		out.Size = Small
	}
	if out.Size != Small && out.Size != Full {
		return out, fmt.Errorf("size %q: give small or full", out.Size)
	}
	if out.Scale == 0 {
		out.Scale = 1
	}
	if out.Shared == "" {
		out.Shared = os.Getenv("FRAZIL_SHARED")
	}
	if out.Shared == "" {
		if _, err := os.Stat("../shared/changes"); err == nil {
			out.Shared = "../shared"
		}
	}
	return out, nil
}

// wants reports whether a case is to run.
func (o *Options) wants(name string) bool {
	return len(o.cases) == 0 || slices.Contains(o.cases, name)
}

// done judges a result, reports it and appends it.
func (o *Options) done(rs []Result, r Result) []Result {
	if o.Scale == 1 { // limits are for the sizes as they are
		r.Verdicts = judge(&r, o.Size)
	}
	if o.Done != nil {
		o.Done(r)
	}
	return append(rs, r)
}
