package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/table"
)

//go:embed demo/*.zst
var demoFiles embed.FS

// demoRows is how many rows the tables of the database had when the bundled
// stream ended.
var demoRows = map[string]int64{
	"sakila.address": 1089, "sakila.category": 16, "sakila.customer": 951, "sakila.film": 1060,
	"sakila.kiosk_log": 797, "sakila.language": 6, "sakila.loyalty_card": 1563, "sakila.price_cache": 354,
	"sakila.staff": 2, "sakila.store": 2, "sakila.stream_end": 1, "sakila.type_zoo": 387,
}

var demoCommand = command{
	name: "demo", short: "shows the main job on bundled real data: ingest, query, update, time travel, changes",
	examples: []string{"frazil demo", "frazil demo --warehouse ./demo   # keeps the tables, to look around in"},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		return func(ctx context.Context, _ []string) error {
			return (&demo{e: e, keep: fs.Changed("warehouse")}).run(ctx)
		}
	},
}

// demo is a run of the demo command.
type demo struct {
	e     *env
	keep  bool
	color bool
	out   io.Writer
	dir   string // with the bundled files
}

func (d *demo) run(ctx context.Context) (err error) {
	start := time.Now()
	d.out = d.e.stdout
	if d.e.json {
		d.out = io.Discard
	}
	d.color = isTerminal(d.e.stdout) && os.Getenv("NO_COLOR") == ""
	if d.dir, err = os.MkdirTemp("", "frazil-demo-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if !d.keep {
		d.e.warehouse = filepath.Join(d.dir, "warehouse")
	}
	d.e.catalogURI = ""
	for _, name := range []string{"sakila-1.jsonl.zst", "sakila-2.jsonl.zst"} {
		data, err := demoFiles.ReadFile("demo/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(d.dir, name), data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if d.keep {
		if t, done, err := d.e.openTable(ctx, "sakila.film"); err == nil {
			done()
			return usagef("demo: %s has a table %s already: give an empty --warehouse", d.e.warehouse, t.Name())
		}
	}
	if err := d.steps(ctx); err != nil {
		return err
	}
	return d.check(ctx, time.Since(start))
}

func (d *demo) steps(ctx context.Context) error {
	d.say("A DVD-rental shop's database was captured by Debezium: a snapshot, then every change.",
		"This makes Iceberg tables of it.")
	if err := d.do(ctx, "ingest", "sakila-1.jsonl.zst", "--format", "debezium"); err != nil {
		return err
	}
	d.say("The tables are there. Any Iceberg engine can read them (frazil metadata prints what to hand to it).")
	for _, c := range [][]string{
		{"tables"},
		{"describe", "sakila.film"},
		{"scan", "sakila.film", "--where", "rating = 'PG' AND rental_rate > 4 AND length < 60", "--columns", "film_id,title,rental_rate,length", "--limit", "5"},
		{"get", "sakila.customer", "5", "--columns", "customer_id,first_name,last_name,email,active"},
	} {
		if err := d.do(ctx, c...); err != nil {
			return err
		}
	}
	before, err := d.snapshot(ctx, "sakila.customer")
	if err != nil {
		return err
	}
	d.say("Life goes on: the second part of the stream. It updates and deletes rows, changes keys and truncates a table.")
	if err := d.do(ctx, "ingest", "sakila-2.jsonl.zst", "--format", "debezium"); err != nil {
		return err
	}
	d.say("Running it again adds nothing: how far the stream was read is kept in the tables.")
	if err := d.do(ctx, "ingest", "sakila-2.jsonl.zst", "--format", "debezium"); err != nil {
		return err
	}
	d.say("Time travel: customers now, and as they were before the second part.")
	id := strconv.FormatInt(before, 10)
	for _, c := range [][]string{
		{"scan", "sakila.customer", "--count"},
		{"scan", "sakila.customer", "--count", "--snapshot", id},
	} {
		if err := d.do(ctx, c...); err != nil {
			return err
		}
	}
	d.say("What changed between the two, row by row.")
	if err := d.do(ctx, "changes", "sakila.customer", "--from", id, "--columns", "customer_id,first_name,last_name,active", "--limit", "8"); err != nil {
		return err
	}
	return d.maintenance(ctx)
}

// maintenance shows the upkeep of a table, as far as there are commands for it.
func (d *demo) maintenance(ctx context.Context) error {
	if _, err := d.e.findCommand("compact"); err == nil {
		d.say("Upkeep: rewrite the files so that no reader has to look at deletes.")
		if err := d.do(ctx, "compact", "sakila.loyalty_card"); err != nil {
			return err
		}
	}
	return d.do(ctx, "inspect", "sakila.loyalty_card", "snapshots", "--columns", "committed_at,snapshot_id,operation")
}

func (d *demo) say(lines ...string) {
	fmt.Fprintln(d.out)
	for _, l := range lines {
		if d.color {
			l = "\x1b[2m" + l + "\x1b[0m"
		}
		fmt.Fprintln(d.out, l)
	}
}

// do prints a command line and runs it.
func (d *demo) do(ctx context.Context, args ...string) error {
	line := "$ frazil"
	for _, a := range args {
		if strings.ContainsAny(a, " '()<>*") {
			a = `"` + a + `"`
		}
		line += " " + a
	}
	if d.keep && !strings.HasPrefix(d.e.warehouse, d.dir) {
		line += " --warehouse " + d.e.warehouse
	}
	if d.color {
		line = "\x1b[1m" + line + "\x1b[0m"
	}
	fmt.Fprintf(d.out, "\n%s\n", line)
	sub := &env{stdin: d.e.stdin, stdout: d.out, stderr: d.out, commands: d.e.commands, tables: true}
	if args[0] == "ingest" {
		args = slices.Clone(args)
		args[1] = filepath.Join(d.dir, args[1])
	}
	err := sub.dispatch(ctx, append(args, "--warehouse", d.e.warehouse, "--catalog", ""))
	if err != nil {
		return fmt.Errorf("demo: %s: %w", args[0], err)
	}
	return nil
}

func (d *demo) snapshot(ctx context.Context, name string) (int64, error) {
	t, done, err := d.e.openTable(ctx, name)
	if err != nil {
		return 0, err
	}
	defer done()
	return t.Metadata().Current().ID, nil
}

// check compares the row counts with those of the database.
func (d *demo) check(ctx context.Context, took time.Duration) error {
	cat, done, err := d.e.catalog(ctx)
	if err != nil {
		return err
	}
	defer done()
	var total int64
	for name, want := range demoRows {
		t, err := table.Open(ctx, cat, name, nil)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		n, err := t.Scan(nil).Count(ctx)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		if n != want {
			return fmt.Errorf("demo: table %s has %d rows and the database had %d", name, n, want)
		}
		total += n
	}
	if d.e.json {
		return d.e.writeJSON(map[string]any{"tables": demoRows, "rows": total, "seconds": took.Seconds(), "ok": true})
	}
	d.say(fmt.Sprintf("All %d tables have the rows that the database had: %d in all. %.1f s.", len(demoRows), total, took.Seconds()))
	if d.keep {
		d.say("The tables are in " + d.e.warehouse + ".")
	} else {
		d.say("The tables were temporary. frazil demo --warehouse ./demo keeps them; frazil help says more.")
	}
	return nil
}
