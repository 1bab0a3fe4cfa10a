package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frazildb/frazil/bench"
)

func results(cpu ...float64) []bench.Result {
	rs := make([]bench.Result, len(cpu))
	for i, c := range cpu {
		rs[i] = bench.Result{Workload: "W1", Case: "zstd", Rows: 10, CPUNsPerRow: c, Seconds: c / 1e9, PeakRSSBytes: 50e6}
	}
	return rs
}

func TestReport(t *testing.T) {
	r := &run{out: t.TempDir(), size: bench.Small, rounds: 3, only: []string{"W1"}}
	m := measurement{System: frazil, Workload: "W1", Case: "zstd"}
	theirs := m
	theirs.System = icebergGo
	broken := theirs
	broken.Case = "wide"
	r.outcomes = []*outcome{
		{measurement: m, Results: results(500, 400, 900)},
		{measurement: theirs, Results: results(1000, 1200, 1250)},
		{measurement: broken, Failed: "no | such thing"},
	}
	if err := r.report(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(r.out, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| zstd | Frazil | 500 | - |", "| zstd | iceberg-go | 1,200 | 2.40 |", "| wide | iceberg-go | failed: no / such thing |", "w1.svg",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "## W2") {
		t.Error("report has a workload that did not run")
	}
	chart, err := os.Open(filepath.Join(r.out, "w1.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer chart.Close()
	d := xml.NewDecoder(chart)
	for err == nil {
		_, err = d.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("chart is not XML: %v", err)
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999.4: "999", 1000: "1,000", 15122650: "15,122,650"} {
		if got := thousands(v); got != want {
			t.Errorf("%g: %s, want %s", v, got, want)
		}
	}
}

// TestRival runs one case of each workload through iceberg-go on little data:
// the checks are inside.
func TestRival(t *testing.T) {
	dir := t.TempDir()
	o := &bench.Options{Scale: 0.01, Size: bench.Small, Dir: dir, Prepared: filepath.Join(dir, "tables")}
	if err := os.Mkdir(o.Prepared, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := prepareRival(t.Context(), o.Prepared, o); err != nil {
		t.Fatal(err)
	}
	for _, m := range []measurement{
		{Workload: "W1", Case: "zstd-buckets"},
		{Workload: "W1", Case: "wide"},
		{Workload: "W2", Case: "mix2-equality"},
		{Workload: "W6", Case: "full"},
		{Workload: "W6", Case: "two-columns"},
		{Workload: "W6", Case: "filter"},
		{Workload: "W6", Case: "lookup"},
	} {
		r, err := runRival(t.Context(), m, o)
		if err != nil {
			t.Errorf("%s/%s: %v", m.Workload, m.Case, err)
			continue
		}
		if r.Rows <= 0 || r.CPUNsPerRow < 0 {
			t.Errorf("%s/%s: %+v", m.Workload, m.Case, r)
		}
	}
	if _, err := runRival(t.Context(), measurement{Workload: "W9"}, o); err == nil {
		t.Error("W9: no error")
	}
}
