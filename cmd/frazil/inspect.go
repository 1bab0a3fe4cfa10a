package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/inspect"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// inspectionNames lists the metadata tables, and properties, which is ours.
func inspectionNames() string {
	names, _ := inspect.Names()
	names = append(names, "properties")
	slices.Sort(names)
	return strings.Join(names, "|")
}

func inspectHelp() string {
	var b strings.Builder
	b.WriteString("The tables are Iceberg's metadata tables:\n")
	names, about := inspect.Names()
	for _, n := range names {
		fmt.Fprintf(&b, "  %-22s %s\n", n, about[n])
	}
	fmt.Fprintf(&b, "  %-22s %s\n", "properties", "table properties, by key")
	b.WriteString("As a table on a terminal, columns of statistics are left out unless --columns names them.")
	return b.String()
}

var inspectCommand = command{
	name: "inspect", args: "TABLE snapshots|files|delete_files|manifests|partitions|refs|history|entries|…",
	short: "prints a table's metadata as rows", long: inspectHelp(), minArgs: 2, maxArgs: 2,
	examples: []string{
		"frazil inspect shop.orders snapshots", "frazil inspect shop.orders files --snapshot 4358937 --output jsonl",
		"frazil inspect shop.orders entries --where 'status = 2' --columns snapshot_id,data_file.file_path",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		var r readFlags
		r.declare(fs)
		return func(ctx context.Context, args []string) error {
			form, err := e.form(r.output)
			if err != nil {
				return err
			}
			entry, src, done, err := e.source(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			if args[1] == "properties" {
				return e.printProperties(ctx, form, src)
			}
			o, err := r.options(src.Metadata.CurrentSchema())
			if err != nil {
				return err
			}
			io := &inspect.Options{
				Columns: o.Columns, Filter: o.Filter, SnapshotID: o.SnapshotID, AsOf: o.AsOf, Ref: o.Ref, Limit: o.Limit,
				MetadataLocation: entry.MetadataLocation, CaseInsensitive: o.CaseInsensitive,
			}
			t, err := inspect.New(src, args[1], io)
			switch {
			case errors.Is(err, inspect.ErrNoTable):
				return usagef("inspect: no metadata table %q; there are %s", args[1], inspectionNames())
			case errors.Is(err, scan.ErrNoSnapshot):
				return err
			case err != nil:
				return usageError{fmt.Errorf("inspect: %w", err)}
			}
			if io.Columns == nil && form == "table" {
				if io.Columns = brief(t.Schema()); len(io.Columns) > 0 {
					if t, err = inspect.New(src, args[1], io); err != nil {
						return err
					}
				}
			}
			_, err = e.writeRows(ctx, form, t.Schema(), t.Batches(ctx, nil))
			return err
		}
	},
}

// brief names the columns that a person wants to see first: no statistics.
func brief(s *schema.Schema) []string {
	var names []string
	for _, f := range s.Fields {
		switch {
		case f.Name == "data_file":
			for _, c := range brief(&schema.Schema{Fields: f.Type.Fields}) {
				names = append(names, "data_file."+c)
			}
		case f.Type.Kind == schema.KindMap && f.Name != "summary", f.Name == "readable_metrics", f.Name == "key_metadata", f.Name == "row":
		default:
			names = append(names, f.Name)
		}
	}
	return names
}

func (e *env) printProperties(ctx context.Context, form string, src scan.Source) error {
	s := schema.MustNew(schema.Field{ID: 1, Name: "key", Type: schema.String}, schema.Field{ID: 2, Name: "value", Type: schema.String})
	var rows []schema.Row
	for _, k := range slices.Sorted(maps.Keys(src.Metadata.Properties)) {
		rows = append(rows, schema.Row{k, src.Metadata.Properties[k]})
	}
	return e.printRows(ctx, form, s, rows)
}
