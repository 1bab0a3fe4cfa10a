// Command rivals runs the workloads of package bench through Frazil and through
// other engines on the same data in the same run, and writes a report.
//
//	go run . -out ../out -size full -rounds 3
//
// Every measurement is a process of its own; systems take turns, and the report
// has the median of the rounds. iceberg-go is built in. With FRAZIL_SHARED and
// FRAZIL_PYTHON set, engines of Python read the tables of W6 that Frazil wrote.
// This is a module of its own so that its dependencies stay out of Frazil's.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/frazildb/frazil/bench"
)

// measurement is one case of one system.
type measurement struct {
	System, Workload, Case string
	Size                   bench.Size
	Scale                  float64
	// Prepared is the folder of the tables of W6: for W6 of iceberg-go those that
	// iceberg-go wrote, or Frazil's.
	Prepared string
	Dir      string
}

const (
	frazil    = "Frazil"
	icebergGo = "iceberg-go"
)

func main() {
	out := flag.String("out", "out", "folder for report.md, results.jsonl and the charts")
	size := flag.String("size", "small", "small or full")
	rounds := flag.Int("rounds", 3, "rounds; the report has medians")
	only := flag.String("only", "", "comma-separated workloads or cases, W1,W6/full; default all")
	scaling := flag.Bool("scaling", false, "also run Frazil at 1/4, 1/2 and 2 times the size")
	prefix := flag.String("exec", "", "what measurements are started by, such as taskset -c 0 or flock FILE")
	one := flag.String("one", "", "internal: run a single measurement, JSON, and print its result")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *one != "" {
		err = runOne(ctx, *one)
	} else {
		r := &run{out: *out, size: bench.Size(*size), rounds: *rounds, only: split(*only), scaling: *scaling, prefix: strings.Fields(*prefix)}
		err = r.all(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// runOne is what the processes started by run.measure do.
func runOne(ctx context.Context, text string) error {
	var m measurement
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	r, err := m.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (m measurement) run(ctx context.Context) (bench.Result, error) {
	opts := &bench.Options{Size: m.Size, Scale: m.Scale, Dir: m.Dir, Prepared: m.Prepared}
	if m.Workload == "prepare" {
		if m.System == icebergGo {
			return bench.Result{}, prepareRival(ctx, m.Prepared, opts)
		}
		return bench.Result{}, bench.Prepare(ctx, m.Prepared, opts)
	}
	if m.System != frazil {
		return runRival(ctx, m, opts)
	}
	rs, err := bench.Run(ctx, []string{m.Workload + "/" + m.Case}, opts)
	if err != nil {
		return bench.Result{}, err
	}
	return rs[0], nil
}

// outcome are the results of one case of one system over the rounds.
type outcome struct {
	measurement
	Results []bench.Result
	// Failed says why there are none.
	Failed string
}

// run is a whole run.
type run struct {
	out     string
	size    bench.Size
	rounds  int
	only    []string
	scaling bool
	prefix  []string

	work     string // folder for tables
	outcomes []*outcome
	scaled   []*outcome
}

// all measures, round by round, and reports.
func (r *run) all(ctx context.Context) error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	var err error
	if r.work, err = os.MkdirTemp("", "frazil-rivals-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	if err := r.prepare(ctx); err != nil {
		return err
	}
	plan := r.plan()
	for range r.rounds {
		for _, o := range plan {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.measure(ctx, o)
		}
	}
	r.outcomes = plan
	if r.wants("W6") {
		r.outcomes = append(r.outcomes, r.python(ctx)...)
	}
	order := map[string]int{}
	for i, o := range r.outcomes {
		if _, seen := order[o.Workload+o.Case]; !seen {
			order[o.Workload+o.Case] = i
		}
	}
	slices.SortStableFunc(r.outcomes, func(a, b *outcome) int { return order[a.Workload+a.Case] - order[b.Workload+b.Case] })
	if r.scaling {
		r.scale(ctx)
	}
	return r.report()
}

func (r *run) wants(workload string) bool {
	return len(r.only) == 0 || slices.ContainsFunc(r.only, func(o string) bool { return strings.HasPrefix(o+"/", workload+"/") })
}

func (r *run) wantsCase(workload, name string) bool {
	return len(r.only) == 0 || slices.Contains(r.only, workload) || slices.Contains(r.only, workload+"/"+name)
}

// tables is the folder of W6's tables as a system wrote them.
func (r *run) tables(system string) string { return filepath.Join(r.work, "tables-"+system) }

// prepare writes the tables that W6 reads, each system its own.
func (r *run) prepare(ctx context.Context) error {
	if !r.wants("W6") {
		return nil
	}
	for _, system := range []string{frazil, icebergGo} {
		m := measurement{System: system, Workload: "prepare", Size: r.size, Prepared: r.tables(system)}
		if err := os.MkdirAll(m.Prepared, 0o755); err != nil {
			return err
		}
		if _, err := r.child(ctx, m); err != nil {
			return fmt.Errorf("tables of %s: %w", system, err)
		}
	}
	return nil
}

// plan lists what one round measures, the systems of a case next to each other.
func (r *run) plan() []*outcome {
	var plan []*outcome
	add := func(workload, name, prepared string, systems ...string) {
		if !r.wantsCase(workload, name) {
			return
		}
		for _, s := range systems {
			plan = append(plan, &outcome{measurement: measurement{System: s, Workload: workload, Case: name, Size: r.size, Prepared: prepared, Dir: r.work}})
		}
	}
	for _, c := range []string{"snappy", "zstd", "zstd-buckets", "r21", "wide"} {
		add("W1", c, "", frazil, icebergGo)
	}
	for _, c := range []string{"mix1", "mix2"} {
		add("W2", c, "", frazil)
		add("W2", c+"-v2", "", frazil)
		add("W2", c+"-equality", "", frazil, icebergGo)
	}
	add("W2", rivalDelete, "", icebergGo)
	for _, c := range bench.CompactionCases() {
		add("W10", c.Name, "", frazil, icebergGo)
		if sparkHome() != "" {
			add("W10", c.Name, "", sparkSystem)
		}
	}
	for _, c := range bench.ScanCases() {
		add("W6", c.Name, r.tables(frazil), frazil, icebergGo)
		if r.wantsCase("W6", c.Name) {
			own := measurement{System: icebergGo, Workload: "W6", Case: c.Name, Size: r.size, Prepared: r.tables(icebergGo)}
			plan = append(plan, &outcome{measurement: own})
		}
	}
	return plan
}

// measure adds a result to o, or notes why there is none.
func (r *run) measure(ctx context.Context, o *outcome) {
	if o.Failed != "" {
		return
	}
	res, err := r.child(ctx, o.measurement)
	if err != nil {
		o.Failed = err.Error()
		fmt.Fprintf(os.Stderr, "%s %s/%s: %v\n", o.System, o.Workload, o.Case, err)
		return
	}
	o.Results = append(o.Results, res)
	fmt.Fprintf(os.Stderr, "%s %s/%s: %.0f ns of CPU a row, %.2f s\n", o.System, o.Workload, o.Case, res.CPUNsPerRow, res.Seconds)
}

// child runs a measurement in a process of its own.
func (r *run) child(ctx context.Context, m measurement) (bench.Result, error) {
	var res bench.Result
	arg, err := json.Marshal(m)
	if err != nil {
		return res, err
	}
	self, err := os.Executable()
	if err != nil {
		return res, err
	}
	command := append(slices.Clone(r.prefix), self, "-one", string(arg))
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return res, errors.New(lastLine(stderr.String(), err.Error()))
	}
	return res, json.Unmarshal(out, &res)
}

func lastLine(text, otherwise string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := strings.TrimPrefix(lines[len(lines)-1], "rivals: "); last != "" {
		return last
	}
	return otherwise
}

// scale runs Frazil at several sizes.
func (r *run) scale(ctx context.Context) {
	for _, c := range []string{"W1/zstd", "W2/mix1", "W2/mix2", "W6/full"} {
		workload, name, _ := strings.Cut(c, "/")
		for _, s := range []float64{0.25, 0.5, 1, 2} {
			o := &outcome{measurement: measurement{System: frazil, Workload: workload, Case: name, Size: r.size, Scale: s, Dir: r.work}}
			r.measure(ctx, o)
			r.scaled = append(r.scaled, o)
		}
	}
}
