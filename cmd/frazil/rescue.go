package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/table"
)

var maintainCommand = command{
	name: "maintain", args: "[CATALOG|NAMESPACE|TABLE]...", short: "keeps tables healthy, also those that others write, once or on a schedule", maxArgs: -1,
	long: `Turns equality deletes into deletes by position, joins small files, applies
deletes, drops delete files that apply to nothing and rewrites manifests, beside
the tables' writers, whichever engine they are. With --expire old snapshots go by
the table's own retention, with --orphans files that nothing refers to. Without
arguments all tables of the warehouse are maintained; CATALOG is the location of
another warehouse. A table that fails is reported and the rest is done. A run that
was interrupted is taken up by the next.`,
	examples: []string{
		"frazil maintain                                   # the whole warehouse, once",
		"frazil maintain shop.orders shop.items --expire",
		"frazil maintain --every 10m --share 0.25 --json   # for ever, a report a table and run",
		"frazil maintain s3://bucket/warehouse --dry-run   # what is due",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		m := &maintenance{e: e}
		o := &m.o.Compact
		every := fs.String("every", "", "begin again so long after the last beginning, until interrupted: 10m, 6h, 1d")
		fs.BoolVar(&m.dry, "dry-run", false, "show what is due and do nothing")
		fs.Float64Var(&o.Share, "share", 0, "share of the time, from 0 to 1, that reading and writing may take (default 1)")
		fs.Int64Var(&o.BytesPerSecond, "bytes-per-second", 0, "most bytes to read and write a second (default any)")
		fs.Int64Var(&o.MaxBytes, "max-bytes", 0, "most bytes of data files to read of each table in one run (default all)")
		fs.Int64Var(&o.TargetFileBytes, "target-bytes", 0, "size that files are brought to (default the table's, else 512 MiB)")
		fs.BoolVar(&o.Tiered, "tiered", false, "join files of about the same size only: for schedules")
		fs.BoolVar(&o.ConvertOnly, "convert-only", false, "only turn equality deletes into deletes by position")
		expire := fs.Bool("expire", false, "expire snapshots by the table's own retention")
		orphans := fs.String("orphans", "", "delete files that nothing refers to, of this age or more: 3d; at least 1d")
		return func(ctx context.Context, args []string) error {
			var pause time.Duration
			var err error
			if *every != "" {
				if pause, err = parseAge(*every); err != nil || pause <= 0 {
					return usagef("--every %s: give a time such as 10m or 6h", *every)
				}
			}
			if *expire {
				m.o.Expire = &compaction.ExpireOptions{}
			}
			if *orphans != "" {
				age, err := parseAge(*orphans)
				if err != nil {
					return usagef("--orphans: %w", err)
				}
				m.o.Orphans = &compaction.OrphanOptions{Delete: true, OlderThan: age}
			}
			return m.loop(ctx, args, pause)
		}
	},
}

// maintenance is one call of the command.
type maintenance struct {
	e   *env
	o   compaction.MaintainOptions
	dry bool
}

// loop runs once, or every so often until ctx ends.
func (m *maintenance) loop(ctx context.Context, args []string, every time.Duration) error {
	for {
		began := time.Now()
		err := m.run(ctx, args)
		if every == 0 || ctx.Err() != nil {
			return err
		}
		if err != nil {
			fmt.Fprintf(m.e.stderr, "warning: %v\n", err)
		}
		timer := time.NewTimer(every - time.Since(began))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// run maintains every table that the arguments name. Tables are listed anew by
// every run.
func (m *maintenance) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{m.e.warehouse}
	}
	tables, failed := 0, 0
	for _, arg := range args {
		err := m.within(ctx, arg, func(cat catalog.Catalog, id catalog.Identifier) error {
			tables++
			if err := m.table(ctx, cat, id); err != nil {
				if ctx.Err() != nil {
					return err
				}
				failed++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s could not be maintained", failed, plural(int64(tables), "table"))
	}
	if tables == 0 {
		m.e.note("no tables in %s", strings.Join(args, ", "))
	}
	return nil
}

// within visits the tables that one argument names.
func (m *maintenance) within(ctx context.Context, arg string, f func(cat catalog.Catalog, id catalog.Identifier) error) error {
	if isLocation(arg) || arg == m.e.warehouse {
		defer func(old string) { m.e.warehouse = old }(m.e.warehouse)
		m.e.warehouse, arg = arg, ""
	}
	cat, closeCat, err := m.e.catalog(ctx)
	if err != nil {
		return err
	}
	defer closeCat()
	return m.e.explainMissing(eachNamed(ctx, cat, arg, func(id catalog.Identifier) error { return f(cat, id) }))
}

// eachNamed visits a table, or all tables of a namespace, or all there are.
func eachNamed(ctx context.Context, cat catalog.Catalog, name string, f func(catalog.Identifier) error) error {
	if name == "" {
		return eachTable(ctx, cat, nil, f)
	}
	id, err := catalog.ParseIdentifier(name)
	if err != nil {
		return usageError{err}
	}
	var missing error
	if len(id.Namespace) > 0 {
		if _, missing = cat.LoadTable(ctx, id); !errors.Is(missing, catalog.ErrNotFound) {
			return f(id) // which reports what may be wrong with it
		}
	}
	n := 0
	err = eachTable(ctx, cat, append(id.Namespace, id.Name), func(id catalog.Identifier) error { n++; return f(id) })
	if n == 0 && missing != nil {
		return missing
	}
	return err
}

// table maintains one table and reports it.
func (m *maintenance) table(ctx context.Context, cat catalog.Catalog, id catalog.Identifier) error {
	began := time.Now()
	r := &compaction.MaintainReport{}
	t, err := table.Open(ctx, cat, id.String(), nil)
	if err == nil && m.dry {
		r.Before, err = compaction.CheckHealth(ctx, t, "", &m.o.Compact)
	} else if err == nil {
		o := m.o
		p := m.e.progress("maintain "+id.String(), "files")
		o.Compact.Progress = func(ev compaction.Event) {
			if ev.Kind == "rewrite" || ev.Kind == "convert" {
				p.items.Add(int64(ev.Files))
			}
		}
		r, err = compaction.Maintain(ctx, t, &o)
		p.end()
	}
	status := "done"
	switch {
	case errors.Is(err, compaction.ErrRefused): // such as a table of version 1: its owner has to act
		status = "refused"
	case err != nil:
		status = "failed"
	case m.dry:
		status = "dry-run"
	}
	if failed := m.report(id, status, r, err, time.Since(began)); failed != nil {
		return failed
	}
	if status == "refused" {
		return nil
	}
	return err
}

// maintained is the report of one table and run as JSON.
type maintained struct {
	Table   string      `json:"table"`
	Time    string      `json:"time"`
	Status  string      `json:"status"`
	Error   string      `json:"error,omitempty"`
	Seconds float64     `json:"seconds"`
	Commits int         `json:"commits"`
	Before  *healthJSON `json:"before,omitempty"`
	After   *healthJSON `json:"after,omitempty"`
	// Of compaction and conversion.
	FilesRewritten int      `json:"files_rewritten"`
	FilesConverted int      `json:"files_converted"`
	BytesRead      int64    `json:"bytes_read"`
	BytesWritten   int64    `json:"bytes_written"`
	Carried        int64    `json:"deletes_carried"`
	GivenUp        int      `json:"given_up"`
	Skipped        []string `json:"skipped,omitempty"`
	// Of expiry and orphans.
	SnapshotsExpired int `json:"snapshots_expired"`
	FilesDeleted     int `json:"files_deleted"`
}

type healthJSON struct {
	DataFiles       int    `json:"data_files"`
	DeleteFiles     int    `json:"delete_files"`
	Rows            int64  `json:"rows_written"`
	Bytes           int64  `json:"bytes"`
	PositionDeletes int64  `json:"position_deletes"`
	EqualityDeletes int64  `json:"equality_deletes"`
	Manifests       int    `json:"manifests"`
	Snapshots       int    `json:"snapshots"`
	ReadCost        int64  `json:"read_cost_bytes"`
	Due             string `json:"due"`
}

func healthToJSON(h *compaction.Health) *healthJSON {
	if h == nil {
		return nil
	}
	return &healthJSON{
		DataFiles: h.DataFiles, DeleteFiles: h.DeleteFiles, Rows: h.Rows, Bytes: h.Bytes + h.DeleteBytes, PositionDeletes: h.PositionDeletes,
		EqualityDeletes: h.EqualityDeletes, Manifests: h.Manifests, Snapshots: h.Snapshots, ReadCost: h.ReadCost, Due: h.Due,
	}
}

func (m *maintenance) report(id catalog.Identifier, status string, r *compaction.MaintainReport, cause error, took time.Duration) error {
	out := maintained{
		Table: id.String(), Time: formatTime(time.Now().UnixMilli()), Status: status, Seconds: took.Seconds(),
		Commits: r.Commits(), Before: healthToJSON(r.Before), After: healthToJSON(r.After),
	}
	if cause != nil {
		out.Error = objstore.Redact(cause.Error())
	}
	for _, c := range []*compaction.Report{r.Convert, r.Compact} {
		if c == nil {
			continue
		}
		out.FilesRewritten += c.FilesRewritten
		out.FilesConverted += c.FilesConverted
		out.BytesRead += c.BytesRead
		out.BytesWritten += c.BytesWritten
		out.Carried += c.Carried
		out.GivenUp += c.GivenUp
		for _, s := range c.Skipped {
			out.Skipped = append(out.Skipped, objstore.Redact(fmt.Sprintf("%s: %v", s.Path, s.Err)))
		}
	}
	if r.Expire != nil {
		out.SnapshotsExpired, out.FilesDeleted = len(r.Expire.Snapshots), r.Expire.Deleted
	}
	if r.Orphans != nil {
		out.FilesDeleted += r.Orphans.Deleted
	}
	if m.e.json {
		return m.e.writeJSON(out)
	}
	return m.print(&out)
}

// print shows a report to people: a line if there was nothing to do, else a table
// of before and after.
func (m *maintenance) print(r *maintained) error {
	for _, s := range r.Skipped {
		fmt.Fprintf(m.e.stderr, "warning: table %s: left alone: %s\n", r.Table, s)
	}
	if r.Error != "" {
		fmt.Fprintf(m.e.stderr, "warning: %s: %s\n", status(r), r.Error)
	}
	b, a := r.Before, r.After
	switch {
	case b == nil:
		return nil
	case r.Status == "dry-run":
		due := b.Due
		if due == "" {
			due = "nothing"
		}
		_, err := fmt.Fprintf(m.e.stdout, "%s: due: %s\n", r.Table, due)
		return err
	case a == nil || r.Commits == 0 && r.FilesDeleted == 0:
		_, err := fmt.Fprintf(m.e.stdout, "%s: %s: %s, %s\n", r.Table, status(r), plural(int64(b.DataFiles), "data file"), plural(int64(b.DeleteFiles), "delete file"))
		return err
	}
	fmt.Fprintf(m.e.stdout, "%s: %s\n", r.Table, status(r))
	n := func(v int64) string { return fmt.Sprint(v) }
	return m.e.writeCells([]string{"", "before", "after"}, [][]string{
		{"data files", n(int64(b.DataFiles)), n(int64(a.DataFiles))},
		{"delete files", n(int64(b.DeleteFiles)), n(int64(a.DeleteFiles))},
		{"equality deletes", n(b.EqualityDeletes), n(a.EqualityDeletes)},
		{"position deletes", n(b.PositionDeletes), n(a.PositionDeletes)},
		{"rows written", n(b.Rows), n(a.Rows)},
		{"size", formatBytes(b.Bytes), formatBytes(a.Bytes)},
		{"to read all", formatBytes(b.ReadCost), formatBytes(a.ReadCost)},
		{"manifests", n(int64(b.Manifests)), n(int64(a.Manifests))},
		{"snapshots", n(int64(b.Snapshots)), n(int64(a.Snapshots))},
	})
}

func status(r *maintained) string {
	switch {
	case r.Status == "failed" || r.Status == "refused":
		return r.Status
	case r.Commits == 0:
		return "nothing to do"
	}
	return plural(int64(r.Commits), "commit")
}
