// Package fsck checks a table against the rules of its format and against its
// own files: what metadata says exists, and is what metadata says it is.
//
// Everything is recomputed from the lowest level there is. It shares the decoders
// with the engine and little of its bookkeeping, so that a mistake of the one
// shows in the other.
package fsck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/snapshot"
)

// Source is a table to check.
type Source struct {
	Store    objstore.Store
	Metadata *metadata.Table
}

// Options say how thorough a check is; nil and zero fields mean the documented
// default.
type Options struct {
	// Deep reads every data and delete file as well: rows, bounds, checksums.
	Deep bool
	// Workers bounds files looked at at a time; default 8.
	Workers int
	// MaxFindings ends the collecting of findings; default 1,000. The report
	// still counts the others.
	MaxFindings int
	// Schemas, when not nil, is shared by many checks, to save time.
	Schemas *manifest.Schemas
	// Progress, when not nil, is told from one goroutine at a time how many files
	// were looked at; with Deep those of data and deletes count again when they are
	// read.
	Progress func(files int64)
}

// Severity says what a finding means.
type Severity string

// Severities. An Error breaks the format, or may lose or falsify rows for some
// reader. A Warning is wasteful or untidy and costs no row.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is one thing wrong with a table.
type Finding struct {
	Severity Severity `json:"severity"`
	// Rule is the short name of what is violated, such as "length".
	Rule string `json:"rule"`
	// Place is the file, or the member of the metadata.
	Place  string `json:"place"`
	Detail string `json:"detail"`
}

// String is a line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s: %s", f.Severity, f.Rule, f.Place, f.Detail)
}

// Report is the result of a check.
type Report struct {
	Findings         []Finding
	Errors, Warnings int
	// What was looked at, each file once.
	Snapshots, Manifests, DataFiles, DeleteFiles int
	// Rows and Values were read, with Deep.
	Rows, Values int64
}

// Err returns the errors among the findings as one; warnings are none. It is nil
// for a sound table.
func (r *Report) Err() error {
	if r.Errors == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("fsck: errors=%d", r.Errors)}
	for _, f := range r.Findings {
		if f.Severity == Error {
			lines = append(lines, f.String())
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// Check checks a table. The error is that of ctx; all else is a finding.
func Check(ctx context.Context, src Source, opts *Options) (*Report, error) {
	c := &checker{src: src, t: src.Metadata, report: &Report{}, cache: snapshot.NewCache(0), seen: make(map[Finding]bool)}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.Workers <= 0 {
		c.opts.Workers = 8
	}
	if c.opts.Schemas == nil {
		c.opts.Schemas = &manifest.Schemas{}
	}
	if c.opts.MaxFindings <= 0 {
		c.opts.MaxFindings = 1000
	}
	c.metadata()
	c.metadataFiles(ctx)
	c.snapshots(ctx)
	c.files(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(c.report.Findings, func(a, b Finding) int { return strings.Compare(a.String(), b.String()) })
	return c.report, nil
}

type checker struct {
	src   Source
	opts  Options
	t     *metadata.Table
	cache *snapshot.Cache

	mu       sync.Mutex
	report   *Report
	seen     map[Finding]bool
	progress int64

	manifests map[manifestKey]*checked
	data      map[string]*dataFile
	bare      map[string]*dataFile // by path without scheme and authority
	deletes   map[deleteKey]*manifestEntry
}

func (c *checker) add(f Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[f] {
		return
	}
	if f.Severity == Error {
		c.report.Errors++
	} else {
		c.report.Warnings++
	}
	if len(c.report.Findings) < c.opts.MaxFindings {
		c.seen[f] = true
		c.report.Findings = append(c.report.Findings, f)
	}
}

func (c *checker) fail(rule, place, format string, args ...any) {
	c.add(Finding{Error, rule, place, fmt.Sprintf(format, args...)})
}

func (c *checker) warn(rule, place, format string, args ...any) {
	c.add(Finding{Warning, rule, place, fmt.Sprintf(format, args...)})
}

func (c *checker) looked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.progress++; c.opts.Progress != nil {
		c.opts.Progress(c.progress)
	}
}
