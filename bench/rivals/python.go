package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/frazildb/frazil/bench"
)

// pythonEngines read the tables of W6 through scanbench.py.
var pythonEngines = []string{"duckdb", "polars", "pyiceberg"}

// python measures other engines on Frazil's tables; none without FRAZIL_SHARED
// and FRAZIL_PYTHON. An engine warms up once; a round is one repetition after.
func (r *run) python(ctx context.Context) []*outcome {
	shared, interpreter := os.Getenv("FRAZIL_SHARED"), os.Getenv("FRAZIL_PYTHON")
	if shared == "" || interpreter == "" {
		fmt.Fprintln(os.Stderr, "no DuckDB, Polars, PyIceberg: FRAZIL_SHARED and FRAZIL_PYTHON are not set")
		return nil
	}
	script := filepath.Join(shared, "tools", "scanbench.py")
	var out []*outcome
	for name, theirs := range map[string]string{"full": "full", "two-columns": "two", "lookup": "point"} {
		if !r.wantsCase("W6", name) {
			continue
		}
		for _, engine := range pythonEngines {
			o := &outcome{measurement: measurement{System: engine, Workload: "W6", Case: name, Size: r.size, Prepared: r.tables(frazil)}}
			var err error
			if o.Results, err = r.scanbench(ctx, []string{interpreter, script, "--engine", engine, "--case", theirs}, name); err != nil {
				o.Failed = err.Error()
			}
			out = append(out, o)
		}
	}
	return out
}

func (r *run) scanbench(ctx context.Context, command []string, name string) ([]bench.Result, error) {
	rows, tableName := bench.ScanRows(&bench.Options{Size: r.size}), "sorted"
	per := rows
	if name == "lookup" {
		tableName, per = "shuffled", 1
	}
	command = append(command, filepath.Join(r.tables(frazil), "bench", tableName),
		"--key", fmt.Sprintf("id=%d", bench.LookupID(0, rows)), "--repeat", fmt.Sprint(r.rounds+1))
	command = append(slices.Clone(r.prefix), command...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	var found struct {
		Error string    `json:"error"`
		Rows  int64     `json:"rows"`
		Wall  []float64 `json:"wall_s"`
		CPU   []float64 `json:"cpu_s"`
		Peak  int64     `json:"peak_rss_mb"`
	}
	if jsonErr := json.Unmarshal(text, &found); jsonErr != nil {
		return nil, errors.New(lastLine(stderr.String(), fmt.Sprint(err)))
	}
	if found.Error != "" {
		return nil, errors.New(found.Error)
	}
	if found.Rows != per {
		return nil, fmt.Errorf("%d rows read, expected %d", found.Rows, per)
	}
	var out []bench.Result
	for i := range found.Wall {
		out = append(out, bench.Result{
			Workload: "W6", Case: name, Rows: per, Seconds: found.Wall[i], CPUNsPerRow: found.CPU[i] * 1e9 / float64(per),
			RowsPerSecond: float64(per) / found.Wall[i], PeakRSSBytes: found.Peak << 20,
		})
	}
	return out, nil
}
