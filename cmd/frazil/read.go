package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// readFlags are the flags of commands that read rows.
type readFlags struct {
	columns           []string
	where, output     string
	limit, snapshot   int64
	asOf, ref         string
	fold              bool
	count, checksum   bool
	explain, ordered  bool
	countPartitions   bool
	min, max          []string
	snapshotIDChanged func() bool
}

func (r *readFlags) declare(fs *pflag.FlagSet) {
	fs.StringSliceVar(&r.columns, "columns", nil, "columns to read; '*,_row_id' adds metadata columns")
	fs.StringVar(&r.where, "where", "", "condition, as in SQL: \"status = 'paid' AND amount > 10\"")
	fs.Int64Var(&r.limit, "limit", 0, "most rows to print")
	fs.Int64Var(&r.snapshot, "snapshot", 0, "snapshot id to read")
	fs.StringVar(&r.asOf, "as-of", "", "read as of a time: 2026-01-31T12:00:00Z, or a date")
	fs.StringVar(&r.ref, "ref", "", "branch or tag to read")
	fs.BoolVar(&r.fold, "case-insensitive", false, "match column names in any case; two that differ by case only are an error")
	fs.StringVar(&r.output, "output", "", "table, jsonl, csv, parquet, arrow or canonical (default: table on a terminal, else jsonl)")
	r.snapshotIDChanged = func() bool { return fs.Changed("snapshot") }
}

func (r *readFlags) options(s *schema.Schema) (*scan.Options, error) {
	o := &scan.Options{Limit: r.limit, Ref: r.ref, Ordered: r.ordered, CaseInsensitive: r.fold}
	var err error
	if o.Filter, err = parseWhere(r.where); err != nil {
		return nil, err
	}
	if r.snapshotIDChanged() {
		o.SnapshotID = &r.snapshot
	}
	if r.asOf != "" {
		t, err := parseTime(r.asOf)
		if err != nil {
			return nil, usageError{fmt.Errorf("--as-of: %w", err)}
		}
		o.AsOf = t
	}
	for _, c := range r.columns {
		if c = strings.TrimSpace(c); c == "*" {
			for _, f := range s.Fields {
				o.Columns = append(o.Columns, f.Name)
			}
			continue
		}
		o.Columns = append(o.Columns, c)
	}
	return o, nil
}

// check finds columns that a call names wrongly. The schema of an earlier
// snapshot is left to the scan.
func (r *readFlags) check(s *schema.Schema, o *scan.Options) error {
	if o.SnapshotID != nil || o.Ref != "" || !o.AsOf.IsZero() {
		return nil
	}
	return checkColumns(s, o.Columns, o.Filter, o.CaseInsensitive)
}

func checkColumns(s *schema.Schema, columns []string, filter expr.Expr, fold bool) error {
	for _, c := range columns {
		if _, meta := schema.MetadataColumn(c); meta {
			continue
		}
		if fold {
			if _, err := s.FieldByNameFold(c); err != nil {
				return usageError{err}
			}
		} else if _, ok := s.FieldByName(c); !ok {
			return usageError{s.UnknownColumn(c)}
		}
	}
	if filter == nil || strings.Contains(filter.String(), "_partition") { // whose type is the scan's to know
		return nil
	}
	fields := slices.Clone(s.Fields)
	for _, name := range []string{"_file", "_pos", "_spec_id", "_row_id", "_last_updated_sequence_number"} {
		if f, ok := schema.MetadataColumn(name); ok {
			fields = append(fields, f)
		}
	}
	with := &schema.Schema{Fields: fields}
	if _, err := expr.Bind(filter, with, fold); err != nil {
		return usageError{fmt.Errorf("--where: %w", err)}
	}
	return nil
}

func parseWhere(where string) (expr.Expr, error) {
	if where == "" {
		return nil, nil
	}
	e, err := expr.Parse(where)
	if err != nil {
		return nil, usageError{fmt.Errorf("--where: %w", err)}
	}
	return e, nil
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 2026-01-31T12:00:00Z", s)
}

var scanCommand = command{
	name: "scan", args: "TABLE", short: "prints rows", minArgs: 1, maxArgs: 1,
	long: `
TABLE is namespace.table, a table's directory or a metadata file.

--where takes = <> < <= > >= IN NOT IN BETWEEN IS [NOT] NULL IS [NOT] NAN
LIKE 'x%' AND OR NOT ( ), 'text' in single quotes, "odd names" in double ones.`,
	examples: []string{
		"frazil scan shop.orders --where \"status = 'paid'\" --columns id,amount --limit 10",
		"frazil scan shop.orders --as-of 2026-11-20 --count",
		"frazil scan shop.orders --count --min id,at --max id,at",
		"frazil scan ./lake/t --map s3://old/t=./lake/t --output canonical",
		`frazil scan shop.orders --output arrow | python3 -c 'import sys, duckdb, pyarrow as pa
  orders = pa.ipc.open_stream(sys.stdin.buffer).read_all()
  print(duckdb.sql("SELECT status, count(*) FROM orders GROUP BY ALL"))'   # a query in DuckDB, through Arrow`,
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		var r readFlags
		r.declare(fs)
		fs.BoolVar(&r.count, "count", false, "print only the number of rows")
		fs.StringSliceVar(&r.min, "min", nil, "print the least value of columns, from the metadata where that is exact")
		fs.StringSliceVar(&r.max, "max", nil, "print the greatest value of columns; with --count and --min in one row")
		fs.BoolVar(&r.countPartitions, "count-partitions", false, "print the number of rows of every partition")
		fs.BoolVar(&r.checksum, "checksum", false, "print only the number of rows and the SHA-256 of the canonical rows")
		fs.BoolVar(&r.explain, "explain", false, "print the plan and what was pruned instead of rows")
		fs.BoolVar(&r.ordered, "ordered", false, "rows in the order of files and positions, the same on every run")
		return func(ctx context.Context, args []string) error {
			form, err := e.form(r.output)
			if err != nil {
				return err
			}
			_, src, done, err := e.source(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			opts, err := r.options(src.Metadata.CurrentSchema())
			if err != nil {
				return err
			}
			if err := r.check(src.Metadata.CurrentSchema(), opts); err != nil {
				return fmt.Errorf("table %s: %w", src.Name, err)
			}
			sc := scan.New(src, opts)
			switch {
			case r.explain:
				return e.explain(ctx, sc)
			case r.countPartitions:
				return e.countPartitions(ctx, form, src.Metadata, sc)
			case len(r.min)+len(r.max) > 0:
				wanted := *opts
				wanted.Columns = slices.Concat(r.min, r.max)
				if err := r.check(src.Metadata.CurrentSchema(), &wanted); err != nil {
					return fmt.Errorf("table %s: %w", src.Name, err)
				}
				return e.aggregate(ctx, form, sc, &r)
			case r.count:
				return e.count(ctx, sc)
			}
			s, err := sc.Schema()
			if err != nil {
				return err
			}
			if r.checksum {
				return e.writeChecksum(s, sc.Batches(ctx))
			}
			_, err = e.writeRows(ctx, form, s, sc.Batches(ctx))
			return err
		}
	},
}

func (e *env) count(ctx context.Context, sc *scan.Scan) error {
	n, err := sc.Count(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.writeJSON(map[string]int64{"rows": n})
	}
	_, err = fmt.Fprintln(e.stdout, n)
	return err
}

func (e *env) explain(ctx context.Context, sc *scan.Scan) error {
	p, err := sc.Plan(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.writeJSON(map[string]any{"tasks": len(p.Tasks), "stats": p.Stats})
	}
	st := p.Stats
	id := "none"
	if p.Snapshot != nil {
		id = fmt.Sprintf("%d (%s)", p.Snapshot.ID, formatTime(p.Snapshot.TimestampMS))
	}
	return e.writeCells(nil, [][]string{
		{"snapshot", id},
		{"manifests", fmt.Sprintf("%d read, %d pruned", st.Manifests, st.ManifestsPruned)},
		{"data files", fmt.Sprintf("%d read, %d pruned", st.DataFiles, st.DataFilesPruned)},
		{"delete files", fmt.Sprintf("%d read, %d pruned", st.DeleteFiles, st.DeleteFilesPruned)},
		{"to read", fmt.Sprintf("%d rows, %s, in %d tasks", st.Rows, formatBytes(st.Bytes), len(p.Tasks))},
	})
}

var getCommand = command{
	name: "get", args: "TABLE KEY…", short: "looks rows up by key", minArgs: 2, maxArgs: -1,
	examples: []string{"frazil get shop.orders 1042", "frazil get shop.film_actor 7,121   # a key of two columns"},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		var r readFlags
		r.declare(fs)
		return func(ctx context.Context, args []string) error {
			form, err := e.form(r.output)
			if err != nil {
				return err
			}
			_, src, done, err := e.source(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			s := src.Metadata.CurrentSchema()
			keys, err := parseKeys(s, args[1:])
			if err != nil {
				return err
			}
			opts, err := r.options(s)
			if err != nil {
				return err
			}
			if err := r.check(s, opts); err != nil {
				return fmt.Errorf("table %s: %w", src.Name, err)
			}
			sc := scan.New(src, opts)
			rows, err := collect(sc.Get(ctx, nil, keys))
			if err != nil {
				return err
			}
			out, err := sc.Schema()
			if err != nil {
				return err
			}
			if err := e.printRows(ctx, form, out, rows); err != nil {
				return err
			}
			if len(rows) == 0 {
				return notFound(fmt.Sprintf("table %s has no row with key %s", src.Name, strings.Join(args[1:], " or ")))
			}
			return nil
		}
	},
}

// parseKeys reads each argument as one key, its columns split by commas.
func parseKeys(s *schema.Schema, args []string) ([]schema.Row, error) {
	if len(s.IdentifierFieldIDs) == 0 {
		return nil, usagef("the table has no key: use scan --where")
	}
	var keys []schema.Row
	for _, a := range args {
		parts := []string{a}
		if len(s.IdentifierFieldIDs) > 1 {
			parts = strings.Split(a, ",")
		}
		if len(parts) != len(s.IdentifierFieldIDs) {
			return nil, usagef("key %q has %d parts, the table's key %d, split by commas", a, len(parts), len(s.IdentifierFieldIDs))
		}
		key := make(schema.Row, len(parts))
		for i, id := range s.IdentifierFieldIDs {
			f, _ := s.FieldByID(id)
			v, err := schema.ParseLiteral(f.Type, parts[i])
			if err != nil {
				return nil, usagef("key %q: column %s: %w", a, f.Name, err)
			}
			key[i] = v
		}
		keys = append(keys, key)
	}
	return keys, nil
}

var changesCommand = command{
	name: "changes", args: "TABLE --from ID", short: "prints the rows changed between two snapshots", minArgs: 1, maxArgs: 1,
	examples: []string{
		"frazil changes shop.orders --from 4358937 --to 8714523",
		"frazil changes shop.orders --from 0   # since the beginning",
		"frazil changes shop.orders --from 4358937 --net   # as a comparison of two snapshots",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		var from, to, limit int64
		var output, where, ref string
		var net, appends bool
		var columns []string
		fs.Int64Var(&from, "from", 0, "snapshot after which changes count; 0 is the beginning (required)")
		fs.Int64Var(&to, "to", 0, "last snapshot; default the current one")
		fs.StringVar(&ref, "ref", "", "branch or tag whose head is the last snapshot; default main")
		fs.BoolVar(&net, "net", false, "compare the two snapshots, whichever they are: what came and went in between does not show")
		fs.BoolVar(&appends, "appends", false, "only the rows that were appended, without change columns; snapshots that did more are an error")
		fs.StringSliceVar(&columns, "columns", nil, "columns to read; default all")
		fs.StringVar(&where, "where", "", "condition on the rows, as in scan")
		fs.Int64Var(&limit, "limit", 0, "most rows to print")
		fs.StringVar(&output, "output", "", "table, jsonl, csv, parquet, arrow or canonical (default: table on a terminal, else jsonl)")
		return func(ctx context.Context, args []string) error {
			if !fs.Changed("from") {
				return usagef("changes: give --from ID (frazil inspect %s snapshots lists them; 0 is the beginning)", args[0])
			}
			if appends && net {
				return usagef("changes: --appends reads every append, --net compares two snapshots: give one of them")
			}
			form, err := e.form(output)
			if err != nil {
				return err
			}
			_, src, done, err := e.source(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			table := src.Metadata.CurrentSchema()
			opts := &scan.ChangesOptions{Columns: columns, Ref: ref, Net: net, Updates: len(table.IdentifierFieldIDs) > 0}
			for _, id := range table.IdentifierFieldIDs { // updates are paired by key
				opts.Updates = opts.Updates && (len(columns) == 0 || slices.Contains(columns, table.Path(id)))
			}
			if opts.Filter, err = parseWhere(where); err != nil {
				return err
			}
			if from != 0 {
				opts.From = &from
			}
			if fs.Changed("to") {
				opts.To = &to
			}
			if err := checkColumns(table, columns, opts.Filter, false); err != nil {
				return fmt.Errorf("table %s: %w", src.Name, err)
			}
			if from != 0 && src.Metadata.Current() == nil {
				return fmt.Errorf("table %s: snapshot %d: %w", src.Name, from, scan.ErrNoSnapshot)
			}
			var c scan.Reader = scan.Changes(src, opts)
			if appends {
				c = scan.Appends(src, &scan.AppendsOptions{
					Options: scan.Options{Columns: columns, Filter: opts.Filter, SnapshotID: opts.To, Ref: ref, Ordered: true}, From: opts.From,
				})
			}
			s, err := c.Schema()
			if err != nil {
				return err
			}
			_, err = e.writeRows(ctx, form, s, firstRows(c.Batches(ctx), limit))
			return err
		}
	},
}

// firstRows ends batches after so many rows; 0 is no limit.
func firstRows(in batches, limit int64) batches {
	if limit <= 0 {
		return in
	}
	return func(yield func(arrow.RecordBatch, error) bool) {
		left := limit
		for b, err := range in {
			if err == nil && b.NumRows() >= left {
				part := b.NewSlice(0, left)
				yield(part, nil)
				part.Release()
				return
			}
			if err == nil {
				left -= b.NumRows()
			}
			if !yield(b, err) {
				return
			}
		}
	}
}
