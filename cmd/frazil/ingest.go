package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/debezium"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/table"
)

var ingestCommand = command{
	name: "ingest", args: "[TABLE] FILE…", short: "applies a change stream or rows to tables", minArgs: 1, maxArgs: -1,
	long: `
Files may be packed by gzip or zstd; - is standard input. How far each file was
read is kept in the tables, with the rows: the same command again adds nothing, and
after a failure it goes on where the last commit ended. --replay starts over. Of
files of rows the newest 100 are kept that way; 2,000 older ones are known again,
skipped if they are as they were and refused if not; and once there are more, files
are refused that were last modified before the newest of those was ingested.

debezium   change events as Debezium writes them to Kafka, one JSON record a line.
           Tables are made and changed as the stream says.
jsonl      one object a line; structs by name, lists as arrays, maps as objects or
           {"keys": […], "values": […]}, binary as hex
csv        with the columns' names in the first line; an empty cell is null, "" an
           empty text
parquet, arrow (stream or file)

Columns are matched by name; those a file lacks are null.

With --order-by, a change that is older than what the table has for its key does
nothing. Every change needs a value in those columns, deletes too. A delete leaves
nothing to compare with: an older row that comes in a later commit than a newer
delete is back, unless --deleted-column keeps deleted rows, marked.

A key index in a folder stays right while others write the table, and is made again
when it is lost; it spares reading the table's keys at every commit.`,
	examples: []string{
		"frazil ingest events.jsonl.zst --format debezium      # tables named by the events' source",
		"frazil ingest events.jsonl --format debezium --schema-changes schema-changes.jsonl",
		"frazil ingest shop.orders orders.csv --key id --create # rows, upserted by key",
		"zcat log.gz | frazil ingest shop.events - --format jsonl",
		"frazil ingest shop.orders eu.jsonl us.jsonl --key id --order-by updated_at --readers spark,snowflake",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		in := &ingestion{e: e}
		fs.StringVar(&in.format, "format", "", "debezium, jsonl, csv, parquet or arrow (default: by the file's name)")
		fs.StringSliceVar(&in.key, "key", nil, "rows: key columns, which make it an upsert; without them rows are appended")
		fs.BoolVar(&in.create, "create", false, "rows: create the table from the data if it does not exist")
		fs.StringVar(&in.opColumn, "op-column", "", "rows: column that holds I, U or D")
		fs.StringVar(&in.delimiter, "delimiter", "", "csv: what is between cells (default a comma, in .tsv files a tab)")
		fs.StringVar(&in.null, "null", "", "csv: what stands for null where it is not quoted (default nothing)")
		fs.StringVar(&in.schemaChanges, "schema-changes", "", "debezium: file with the schema history, for streams without schemas")
		fs.StringVar(&in.deadLetter, "dead-letter", "", "file that takes events and rows that cannot be applied, instead of stopping")
		fs.Int64Var(&in.commitRows, "commit-rows", 0, "commit after about so many rows (default 100,000; a change stream that is ahead grows to a million)")
		fs.DurationVar(&in.commitInterval, "commit-interval", 0, "commit at least so often")
		fs.IntVar(&in.keepPositions, "keep-positions", 0, "rows: files of which the table keeps how far they were read (default 100); 2,000 older ones are only known again")
		fs.BoolVar(&in.replay, "replay", false, "apply events even if the table's positions say they are there")
		fs.StringVar(&in.partition, "partition", "", "partitioning of tables that are created")
		fs.IntVar(&in.version, "format-version", 2, "format version of tables that are created")
		fs.StringVar(&in.encoding, "delete-encoding", "position", "position (also deletion vectors) or equality")
		fs.StringSliceVar(&in.orderBy, "order-by", nil, "columns that tell the newer of two changes of a key, whichever comes first; older ones do nothing")
		fs.StringVar(&in.deletedColumn, "deleted-column", "", "boolean column that marks rows as deleted instead of removing them (see --order-by)")
		fs.StringSliceVar(&in.readers, "readers", nil, "engines that must read the table: deletes that one of them does not read are refused")
		fs.StringVar(&in.index, "key-index", "auto", "where keys are looked up: a folder, mem, none (the table is read), or auto: mem for tables of up to a million rows")
		fs.BoolVar(&in.noBackfill, "no-backfill", false, "leave a new column's default out of rows that are already there (format version 2)")
		return in.run
	},
}

// ingestion is one run of the ingest command.
type ingestion struct {
	e                         *env
	format, opColumn          string
	key                       []string
	create                    bool
	schemaChanges, deadLetter string
	commitRows                int64
	commitInterval            time.Duration
	replay, noBackfill        bool
	partition, encoding       string
	version                   int
	orderBy, readers          []string
	deletedColumn, index      string
	keepPositions             int
	keys                      keyCounts
	formatGiven               bool
	delimiter, null           string

	warned map[string]bool
}

func (in *ingestion) run(ctx context.Context, args []string) error {
	err := in.apply(ctx, args)
	if err != nil && ctx.Err() != nil {
		in.e.note("what was committed stays; the same command goes on from there")
	}
	return err
}

func (in *ingestion) apply(ctx context.Context, args []string) error {
	name, files := in.split(args)
	if len(files) == 0 {
		return usagef("ingest: give the files to read, - for standard input")
	}
	for _, f := range append(files[:len(files):len(files)], in.schemaChanges) {
		if err := checkInput(f); err != nil {
			return err
		}
	}
	if in.formatGiven = in.format != ""; !in.formatGiven {
		in.format = formatOf(files[0])
	}
	switch in.format {
	case "debezium":
		return in.debezium(ctx, name, files)
	case "jsonl", "csv", "parquet", "arrow":
		return in.rowFiles(ctx, name, files)
	case "":
		return usagef("ingest: cannot tell the format of %s: give --format debezium, jsonl, csv, parquet or arrow", files[0])
	}
	return usagef("--format %s: give debezium, jsonl, csv, parquet or arrow", in.format)
}

// split tells the table from the files: the first argument is the table unless
// it is a file.
func (in *ingestion) split(args []string) (string, []string) {
	first := args[0]
	if first == "-" || strings.ContainsAny(first, "/") {
		return "", args
	}
	if _, err := os.Stat(first); err == nil {
		return "", args
	}
	if len(args) == 1 && formatOf(first) != "" {
		return "", args // a file that is missing, not a table
	}
	return first, args[1:]
}

// comma returns what is between the cells of a CSV file, 0 for JSON lines.
func (in *ingestion) comma(path, format string) (byte, error) {
	switch d := in.delimiter; {
	case format != "csv":
		return 0, nil
	case d == "" && strings.HasPrefix(filepath.Ext(strings.TrimSuffix(strings.TrimSuffix(path, ".zst"), ".gz")), ".tsv"), d == `\t`, d == "tab":
		return '\t', nil
	case d == "":
		return ',', nil
	case len(d) == 1 && d != `"` && d != "\n" && d != "\r":
		return d[0], nil
	}
	return 0, usagef("--delimiter %s: give one character, or tab", in.delimiter)
}

func formatOf(path string) string {
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".zst"), ".gz")
	switch filepath.Ext(base) {
	case ".csv", ".tsv":
		return "csv"
	case ".parquet":
		return "parquet"
	case ".arrow", ".arrows", ".ipc":
		return "arrow"
	case ".jsonl", ".ndjson", ".json":
		return "jsonl"
	}
	return ""
}

func (in *ingestion) tablesOptions() (*cdc.TablesOptions, error) {
	o := &cdc.TablesOptions{NoBackfill: in.noBackfill, Warn: func(t, reason string) { in.warn(t, reason) }}
	o.Create.FormatVersion = in.version
	var err error
	if o.Create.Partition, err = partition.Parse(in.partition); err != nil {
		return nil, usageError{fmt.Errorf("--partition: %w", err)}
	}
	switch in.encoding {
	case "position":
	case "equality":
		o.Writer.Encoding = table.EncodingEquality
	default:
		return nil, usagef("--delete-encoding %s: give position or equality", in.encoding)
	}
	o.Writer.OrderBy, o.Writer.DeletedColumn, o.Writer.Readers = in.orderBy, in.deletedColumn, in.readers
	for _, r := range in.readers {
		if !slices.ContainsFunc(table.Readers(), func(known string) bool { return strings.EqualFold(known, r) }) {
			return nil, usagef("--readers %s: there are %s", r, strings.Join(table.Readers(), ", "))
		}
	}
	o.KeyIndex = in.keyIndex
	o.Create.Events.Committed = in.keys.add
	return o, nil
}

func (in *ingestion) warn(tableName, reason string) {
	if in.warned == nil {
		in.warned = map[string]bool{}
	}
	line := reason
	if tableName != "" {
		line = "table " + tableName + ": " + reason
	}
	if !in.warned[line] {
		in.warned[line] = true
		in.e.clearBar()
		fmt.Fprintln(in.e.stderr, "warning: "+line)
	}
}

// debezium applies files of Debezium events, one after the other.
func (in *ingestion) debezium(ctx context.Context, name string, files []string) error {
	to, err := in.tablesOptions()
	if err != nil {
		return err
	}
	cat, closeCat, err := in.e.catalog(ctx)
	if err != nil {
		return err
	}
	defer closeCat()
	p := in.e.progress("ingest", "events")
	defer p.end()
	r, closeInputs, err := in.reader(files, name, p)
	if err != nil {
		return err
	}
	defer closeInputs()
	ao := &cdc.Options{CommitRows: in.commitRows, CommitInterval: in.commitInterval, Replay: in.replay}
	closeLetters, err := in.deadLetters(ao)
	if err != nil {
		return err
	}
	st, err := cdc.Run(ctx, counted{r, p}, cdc.NewTables(cat, to), ao)
	p.end()
	var bad *cdc.LineError
	if errors.As(err, &bad) {
		err = fmt.Errorf("%w (what came before it is in the tables; mend the line and run again, or give --dead-letter FILE)", err)
	}
	if err = errors.Join(err, closeLetters()); err != nil {
		return err
	}
	return in.report(st, time.Since(p.start))
}

func (in *ingestion) report(st cdc.Stats, took time.Duration) error {
	if in.e.json {
		return in.e.writeJSON(map[string]any{
			"keys": in.keys.json(), "events": st.Events, "rows": st.Rows, "skipped": st.Skipped, "tables": st.Tables, "commits": st.Commits,
			"dead_letters": st.DeadLetters, "left_out": st.LeftOut, "schema_changes": st.Evolutions, "truncates": st.Truncates, "seconds": took.Seconds(),
		})
	}
	in.e.note("%d events, %d row changes in %d tables, %d commits, %d skipped (already in the tables), %.1f s, %.0f events/s",
		st.Events, st.Rows, st.Tables, st.Commits, st.Skipped, took.Seconds(), float64(st.Events)/took.Seconds())
	if st.LeftOut > 0 {
		in.e.note("the stream ends within a transaction: its %s wait for the rest", plural(st.LeftOut, "event"))
	}
	if st.DeadLetters > 0 {
		in.e.note("%d events went to %s", st.DeadLetters, in.deadLetter)
	}
	return nil
}

// reader opens the event files and the schema history.
func (in *ingestion) reader(files []string, name string, p *progress) (*debezium.Reader, func(), error) {
	closeAll := func() {}
	o := &debezium.Options{Table: name, Warn: func(w debezium.Warning) { in.warn(w.Table, w.Reason) }}
	if name != "" && len(in.key) > 0 {
		o.Keys = map[string][]string{name: in.key}
	}
	if in.schemaChanges != "" {
		h, _, err := in.e.input(in.schemaChanges)
		if err != nil {
			return nil, nil, err
		}
		closeAll = func() { _ = h.Close() }
		o.SchemaChanges = h
	}
	var inputs []debezium.Input
	for _, f := range files {
		if f != "-" {
			st, err := os.Stat(f)
			if err != nil {
				closeAll()
				return nil, nil, err
			}
			p.total.Add(st.Size())
		}
		inputs = append(inputs, debezium.Input{Name: filepath.Base(f), Open: func() (io.ReadCloser, error) {
			file, _, err := in.e.input(f)
			if err != nil {
				return nil, err
			}
			return readCloser{p.reader(file), file}, nil
		}})
	}
	r, err := debezium.NewReader(inputs, o)
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	return r, func() { _ = r.Close(); closeAll() }, nil
}

// readCloser reads through one object and closes another.
type readCloser struct {
	io.Reader
	io.Closer
}

// counted counts the events of a source.
type counted struct {
	cdc.Source
	p *progress
}

func (c counted) Next(ctx context.Context) (*cdc.Event, error) {
	c.p.items.Add(1)
	return c.Source.Next(ctx)
}

// deadLetters opens the dead-letter file, if one is asked for.
func (in *ingestion) deadLetters(o *cdc.Options) (func() error, error) {
	if in.deadLetter == "" {
		return func() error { return nil }, nil
	}
	f, err := os.OpenFile(in.deadLetter, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	o.DeadLetter = cdc.WriteDeadLetters(f)
	return f.Close, nil
}

// input opens a file to read, - for standard input, and returns its size, 0
// when not known. Compressed files are unpacked by their readers.
func (e *env) input(path string) (io.ReadCloser, int64, error) {
	if path == "-" {
		return io.NopCloser(e.stdin), 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if st.IsDir() {
		return nil, 0, errors.Join(usagef("%s is a folder: give files", path), f.Close())
	}
	return f, st.Size(), nil
}
