package bench

import (
	"fmt"
	"strings"
)

// Verdict says how a figure of a result stands to the limit set for it.
type Verdict struct {
	// What is the figure, with its unit.
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	// Least says that Value must not be below Limit, else it must not be above.
	Least bool `json:"least,omitempty"`
	Met   bool `json:"met"`
}

// String is short: "0.21 s ≤ 0.3 met".
func (v Verdict) String() string {
	sign, met := "≤", "met"
	if v.Least {
		sign = "≥"
	}
	if !v.Met {
		met = "MISSED"
	}
	return fmt.Sprintf("%s %.4g %s %.4g %s", v.What, v.Value, sign, v.Limit, met)
}

// figure is what a limit can be set for.
type figure struct {
	what string
	of   func(r *Result) float64
	// least says that more is better.
	least bool
}

var (
	seconds   = figure{what: "s", of: func(r *Result) float64 { return r.Seconds }}
	cpuPerRow = figure{what: "CPU ns/row", of: func(r *Result) float64 { return r.CPUNsPerRow }}
	rowRate   = figure{what: "million rows/s", of: func(r *Result) float64 { return r.RowsPerSecond / 1e6 }, least: true}
	peak      = figure{what: "peak MB", of: func(r *Result) float64 { return float64(r.PeakRSSBytes) / 1e6 }}
	ratio     = figure{what: "of clean", of: func(r *Result) float64 { return r.RatioToClean }}
	compacted = figure{what: "of compacted", of: func(r *Result) float64 { return r.RatioToCompact }}
	p50       = figure{what: "p50 ms", of: func(r *Result) float64 { return r.P50MS }}
)

// limit bounds a figure of the cases of a workload. A case ending in * stands for
// all that begin so.
type limit struct {
	workload, name string
	figure         figure
	bound          float64
	// fullOnly leaves the small size out, where fixed costs rule or the case is not
	// what its name says.
	fullOnly bool
}

// limits are the project's aims; those of a wall clock are for two cores of their
// own.
func limits() []limit {
	return []limit{
		{workload: "W4", name: "full*", figure: ratio, bound: 1.3},
		{workload: "W4", name: "full*", figure: compacted, bound: 3},
		{workload: "W4", name: "full*", figure: peak, bound: 256},
		{workload: "W5", name: "commits-*", figure: ratio, bound: 1.5},
		{workload: "W5", name: "commits-*", figure: peak, bound: 400},
		{workload: "W6", name: "full", figure: cpuPerRow, bound: 85},
		{workload: "W6", name: "full", figure: peak, bound: 200},
		{workload: "W6", name: "two-columns", figure: rowRate, bound: 80, fullOnly: true},
		{workload: "W7", name: "vector", figure: ratio, bound: 1.05},
		{workload: "W7", name: "position", figure: ratio, bound: 1.15},
		{workload: "W7", name: "equality*", figure: ratio, bound: 1.3},
		{workload: "W8", name: "10k-manifests", figure: seconds, bound: 0.6, fullOnly: true},
		{workload: "W8", name: "200k", figure: seconds, bound: 0.3},
		{workload: "W8", name: "200k-warm", figure: seconds, bound: 0.05},
		{workload: "W8", name: "200k*", figure: peak, bound: 300},
		{workload: "W8", name: "1m-stream", figure: seconds, bound: 1.5},
		{workload: "W8", name: "1m-stream", figure: peak, bound: 300},
		{workload: "W11", name: "*", figure: rowRate, bound: 1},
		{workload: "W13", name: "cold", figure: p50, bound: 1.5},
		{workload: "W13", name: "warm", figure: p50, bound: 0.3},
	}
}

// judge holds a result against the limits set for it.
func judge(r *Result, size Size) []Verdict {
	var out []Verdict
	for _, l := range limits() {
		prefix, any := strings.CutSuffix(l.name, "*")
		if l.workload != r.Workload || l.fullOnly && size != Full ||
			l.name != r.Case && !(any && strings.HasPrefix(r.Case, prefix)) {
			continue
		}
		v := Verdict{What: l.figure.what, Value: l.figure.of(r), Limit: l.bound, Least: l.figure.least}
		v.Met = v.Value <= v.Limit
		if v.Least {
			v.Met = v.Value >= v.Limit
		}
		out = append(out, v)
	}
	return out
}
