package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
)

var tablesCommand = command{
	name: "tables", args: "[NAMESPACE]", short: "lists tables", maxArgs: 1,
	examples: []string{"frazil tables", "frazil tables shop --json"},
	setup: func(e *env, _ *pflag.FlagSet) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			var ns []string
			if len(args) == 1 {
				ns = strings.Split(args[0], ".")
			}
			cat, closeCat, err := e.catalog(ctx)
			if err != nil {
				return err
			}
			defer closeCat()
			n := 0
			err = eachTable(ctx, cat, ns, func(id catalog.Identifier) error {
				n++
				if e.json {
					return e.writeJSON(map[string]string{"table": id.String()})
				}
				_, err := fmt.Fprintln(e.stdout, id)
				return err
			})
			if err != nil {
				return err
			}
			if n == 0 {
				e.note("no tables in %s", e.warehouse)
			}
			return nil
		}
	},
}

// eachTable visits the tables of a namespace and those below it.
func eachTable(ctx context.Context, cat catalog.Catalog, ns []string, f func(catalog.Identifier) error) error {
	if len(ns) > 0 {
		for id, err := range cat.ListTables(ctx, ns) {
			if err != nil {
				return err
			}
			if err := f(id); err != nil {
				return err
			}
		}
	}
	for child, err := range cat.ListNamespaces(ctx, ns) {
		if err != nil {
			return err
		}
		if err := eachTable(ctx, cat, child, f); err != nil {
			return err
		}
	}
	return nil
}

var metadataCommand = command{
	name: "metadata", args: "TABLE", short: "prints the current metadata location, to hand to other engines", minArgs: 1, maxArgs: 1,
	examples: []string{
		"frazil metadata shop.orders",
		`duckdb -c "SELECT count(*) FROM iceberg_scan('$(frazil metadata shop.orders)')"`,
	},
	setup: func(e *env, _ *pflag.FlagSet) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			entry, _, done, err := e.source(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			if e.json {
				return e.writeJSON(map[string]string{"metadata_location": entry.MetadataLocation})
			}
			_, err = fmt.Fprintln(e.stdout, entry.MetadataLocation)
			return err
		}
	},
}

var describeCommand = command{
	name: "describe", args: "TABLE", short: "shows columns, key, partitioning, properties, snapshot, sizes and health", minArgs: 1, maxArgs: 1,
	examples: []string{"frazil describe shop.orders", "frazil describe ./lake/t --json"},
	setup: func(e *env, _ *pflag.FlagSet) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			entry, src, done, err := e.source(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			d := describe(src.Name, entry)
			if err := d.findDue(ctx, entry); err != nil {
				return err
			}
			if e.json {
				return e.writeJSON(d)
			}
			return e.printDescription(d)
		}
	},
}

// description is what describe prints, also as JSON.
type description struct {
	Table            string            `json:"table"`
	Location         string            `json:"location"`
	MetadataLocation string            `json:"metadata_location"`
	FormatVersion    int               `json:"format_version"`
	UUID             string            `json:"uuid"`
	Columns          []columnInfo      `json:"columns"`
	Key              []string          `json:"key"`
	Partition        []string          `json:"partition"`
	Properties       map[string]string `json:"properties"`
	Snapshots        int               `json:"snapshots"`
	Snapshot         *snapshotInfo     `json:"snapshot"`
	// Due is what maintenance would do and save, "" for nothing; not looked for in
	// tables of very many files.
	Due *string `json:"due,omitempty"`
}

// dueFiles is how many data files a table may have for describe to read all its
// manifests.
const dueFiles = 100_000

// findDue fills in what maintenance is due. A table that cannot tell is
// described all the same.
func (d *description) findDue(ctx context.Context, entry *catalog.Entry) error {
	snap := entry.Metadata.Current()
	if snap == nil {
		return nil
	}
	if n, err := strconv.ParseInt(snap.Summary["total-data-files"], 10, 64); err != nil || n > dueFiles {
		return nil
	}
	h, err := compaction.HealthOf(ctx, entry)
	if err != nil {
		return ctx.Err()
	}
	d.Due = &h.Due
	return nil
}

type columnInfo struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	Default  any    `json:"default,omitempty"`
	Doc      string `json:"doc,omitempty"`
	text     string // the type for people
}

type snapshotInfo struct {
	ID        int64             `json:"id"`
	Time      string            `json:"time"`
	Operation string            `json:"operation"`
	Summary   map[string]string `json:"summary"`
}

func describe(name string, entry *catalog.Entry) description {
	m := entry.Metadata
	s := m.CurrentSchema()
	d := description{
		Table: name, Location: m.Location, MetadataLocation: entry.MetadataLocation, FormatVersion: m.FormatVersion,
		UUID: m.UUID, Properties: m.Properties, Snapshots: len(m.Snapshots), Key: []string{}, Partition: []string{},
	}
	for _, f := range s.Fields {
		c := columnInfo{ID: f.ID, Name: f.Name, Type: f.Type.String(), text: typeText(f.Type), Required: f.Required, Doc: f.Doc}
		if f.InitialDefault != nil {
			c.Default = schema.FormatValue(f.Type, f.InitialDefault)
		}
		d.Columns = append(d.Columns, c)
	}
	for _, id := range s.IdentifierFieldIDs {
		d.Key = append(d.Key, s.Path(id))
	}
	for _, f := range m.DefaultSpec().Fields {
		var cols []string
		for _, id := range f.SourceIDs {
			cols = append(cols, s.Path(id))
		}
		d.Partition = append(d.Partition, f.Name+" = "+f.Transform.String()+" of "+strings.Join(cols, ", "))
	}
	if snap := m.Current(); snap != nil {
		d.Snapshot = snapshotOf(snap)
	}
	return d
}

func snapshotOf(s *metadata.Snapshot) *snapshotInfo {
	return &snapshotInfo{ID: s.ID, Time: formatTime(s.TimestampMS), Operation: s.Operation, Summary: s.Summary}
}

func (e *env) printDescription(d description) error {
	head := [][]string{
		{"table", d.Table},
		{"location", d.Location},
		{"format version", strconv.Itoa(d.FormatVersion)},
		{"key", orNone(strings.Join(d.Key, ", "))},
		{"partitioned by", orNone(strings.Join(d.Partition, "; "))},
		{"snapshots", strconv.Itoa(d.Snapshots)},
	}
	if s := d.Snapshot; s != nil {
		head = append(head, []string{"current snapshot", fmt.Sprintf("%d, %s, %s", s.ID, s.Operation, s.Time)})
		head = append(head, sizeRows(s.Summary)...)
		if d.Due != nil && *d.Due != "" {
			head = append(head, []string{"due", *d.Due + " (frazil maintain)"})
		}
	} else {
		head = append(head, []string{"current snapshot", "none: the table is empty"})
	}
	if err := e.writeCells(nil, head); err != nil {
		return err
	}
	var cols [][]string
	for _, c := range d.Columns {
		null := ""
		if c.Required {
			null = "required"
		}
		cols = append(cols, []string{strconv.Itoa(c.ID), c.Name, c.text, null})
	}
	fmt.Fprintln(e.stdout)
	if err := e.writeCells([]string{"id", "column", "type", ""}, cols); err != nil {
		return err
	}
	if len(d.Properties) == 0 {
		return nil
	}
	var props [][]string
	for k, v := range d.Properties {
		if len(v) > 100 {
			v = v[:99] + "…"
		}
		props = append(props, []string{k, v})
	}
	slices.SortFunc(props, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	fmt.Fprintln(e.stdout)
	return e.writeCells([]string{"property", "value"}, props)
}

// sizeRows shows totals and what they say about the table's health.
func sizeRows(sum map[string]string) [][]string {
	n := func(k string) int64 { v, _ := strconv.ParseInt(sum[k], 10, 64); return v }
	files, bytes, rows := n("total-data-files"), n("total-files-size"), n("total-records")
	deleteFiles := n("total-delete-files")
	out := [][]string{
		{"rows written", fmt.Sprintf("%d in %d files, %s", rows, files, formatBytes(bytes))},
		{"deletes", fmt.Sprintf("%d files: %d by position, %d by equality", deleteFiles, n("total-position-deletes"), n("total-equality-deletes"))},
	}
	var due []string
	if files > 10 && bytes/max(files, 1) < 8<<20 {
		due = append(due, fmt.Sprintf("many small files (%s on average)", formatBytes(bytes/files)))
	}
	if d := n("total-position-deletes"); rows > 0 && d*5 > rows {
		due = append(due, fmt.Sprintf("%d %% of the rows written are deleted", d*100/rows))
	}
	if n("total-equality-deletes") > 0 {
		due = append(due, "equality deletes slow every reader")
	}
	if len(due) == 0 {
		due = []string{"good"}
	}
	return append(out, []string{"health", strings.Join(due, "; ")})
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
