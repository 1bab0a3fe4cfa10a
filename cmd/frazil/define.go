package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var createCommand = command{
	name: "create", args: "TABLE", short: "creates a table", minArgs: 1, maxArgs: 1,
	long: `
Types: boolean, int, long, float, double, decimal(p,s), date, time, timestamp,
timestamptz, timestamp_ns and timestamptz_ns (format version 3), string, uuid,
fixed[n], binary, list<t>, map<k, v>, struct<name: t, …>; ! after one is NOT NULL.`,
	examples: []string{
		"frazil create shop.orders --schema 'id long!, status string, at timestamptz' --key id",
		"frazil create shop.orders --schema 'id long!, at timestamptz' --key id --partition 'bucket(8, id), day(at)' --format-version 3",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		var c struct {
			schema, partition, sort string
			key, properties         []string
			version                 int
		}
		fs.StringVar(&c.schema, "schema", "", "columns as 'name type, …'; ! after the type means required")
		fs.StringSliceVar(&c.key, "key", nil, "key columns")
		fs.StringVar(&c.partition, "partition", "", "partition fields: column, bucket(n, c), truncate(w, c), year(c), month(c), day(c), hour(c)")
		fs.StringVar(&c.sort, "sort", "", "declared sort order: 'a, b desc nulls last'")
		fs.IntVar(&c.version, "format-version", 2, "2 or 3")
		fs.StringArrayVar(&c.properties, "property", nil, "table property k=v (repeatable)")
		return func(ctx context.Context, args []string) error {
			fields, err := parseColumns(c.schema)
			if err != nil {
				return usageError{fmt.Errorf("--schema: %w", err)}
			}
			opts := &table.CreateOptions{Key: c.key, FormatVersion: c.version}
			if opts.Partition, err = partition.Parse(c.partition); err != nil {
				return usageError{fmt.Errorf("--partition: %w", err)}
			}
			if opts.Sort, err = partition.ParseSort(c.sort); err != nil {
				return usageError{fmt.Errorf("--sort: %w", err)}
			}
			if opts.Properties, err = parseProperties(c.properties); err != nil {
				return err
			}
			for _, k := range c.key {
				if !hasColumn(fields, k) {
					return usagef("--key %s: no such column; there are %s", k, columnNames(fields))
				}
			}
			if _, err := checkName(args[0]); err != nil {
				return err
			}
			if err := checkDefinition(fields, opts); err != nil {
				return err
			}
			cat, closeCat, err := e.catalog(ctx)
			if err != nil {
				return err
			}
			defer closeCat()
			t, err := table.Create(ctx, cat, args[0], &schema.Schema{Fields: fields}, opts)
			if err != nil {
				return err
			}
			return e.tell(map[string]string{"table": t.Name(), "location": t.Metadata().Location}, "created %s at %s", t.Name(), t.Metadata().Location)
		}
	},
}

// checkDefinition finds what is wrong with a table before anything is made.
func checkDefinition(fields []schema.Field, opts *table.CreateOptions) error {
	s, err := schema.New(0, fields, nil)
	if err == nil {
		_, err = metadata.New(metadata.NewOptions{
			Schema: s, Partition: opts.Partition, Sort: opts.Sort, Properties: opts.Properties, FormatVersion: opts.FormatVersion,
		})
	}
	if err != nil {
		return usageError{fmt.Errorf("create: %w", err)}
	}
	return nil
}

func hasColumn(fields []schema.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

func columnNames(fields []schema.Field) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

func parseProperties(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range list {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usagef("property %q: give k=v", p)
		}
		out[k] = v
	}
	return out, nil
}

// parseColumns reads 'id long!, "odd name" decimal(9,2), tags list<string>'.
func parseColumns(text string) ([]schema.Field, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("give the columns, such as 'id long!, name string'")
	}
	var out []schema.Field
	for _, part := range splitTop(text, ',') {
		f, err := parseColumn(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func parseColumn(text string) (schema.Field, error) {
	var name, rest string
	if strings.HasPrefix(text, `"`) {
		end := strings.Index(text[1:], `"`)
		if end < 0 {
			return schema.Field{}, fmt.Errorf("column %s: the quote does not end", text)
		}
		name, rest = text[1:end+1], text[end+2:]
	} else if i := strings.IndexAny(text, " \t\n"); i > 0 {
		name, rest = text[:i], text[i:]
	}
	rest = strings.TrimSpace(rest)
	if name == "" || rest == "" {
		return schema.Field{}, fmt.Errorf("column %q: give a name and a type", text)
	}
	required := strings.HasSuffix(rest, "!")
	t, err := parseType(strings.TrimSuffix(rest, "!"))
	if err != nil {
		return schema.Field{}, fmt.Errorf("column %q: %w", name, err)
	}
	return schema.Field{Name: name, Type: t, Required: required}, nil
}

// parseType reads a primitive type or list<t>, map<k, v>, struct<name: t, …>.
func parseType(text string) (schema.Type, error) {
	text = strings.TrimSpace(text)
	head, body, nested := strings.Cut(text, "<")
	if !nested {
		return schema.ParseType(text)
	}
	if !strings.HasSuffix(body, ">") {
		return schema.Type{}, fmt.Errorf("type %s: < without >", text)
	}
	parts := splitTop(strings.TrimSuffix(body, ">"), ',')
	switch head = strings.TrimSpace(head); {
	case head == "list" && len(parts) == 1:
		el, err := parseMember("", parts[0])
		return schema.List(el), err
	case head == "map" && len(parts) == 2:
		k, err := parseType(parts[0])
		if err != nil {
			return schema.Type{}, err
		}
		v, err := parseMember("", parts[1])
		return schema.Map(schema.Field{Type: k}, v), err
	case head == "struct":
		var fields []schema.Field
		for _, p := range parts {
			name, typ, ok := strings.Cut(p, ":")
			if !ok {
				return schema.Type{}, fmt.Errorf("struct member %q: give name: type", p)
			}
			f, err := parseMember(strings.TrimSpace(name), typ)
			if err != nil {
				return schema.Type{}, err
			}
			fields = append(fields, f)
		}
		return schema.Struct(fields...), nil
	}
	return schema.Type{}, fmt.Errorf("type %s: there are list<t>, map<k, v>, struct<name: t, …>", text)
}

// parseMember reads the type of what is in a nested type, with ! where it is
// required.
func parseMember(name, text string) (schema.Field, error) {
	text = strings.TrimSpace(text)
	t, err := parseType(strings.TrimSuffix(text, "!"))
	return schema.Field{Name: name, Type: t, Required: strings.HasSuffix(text, "!")}, err
}

// splitTop splits at separators outside brackets and quotes.
func splitTop(text string, sep byte) []string {
	var out []string
	depth, start, quoted := 0, 0, false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(' || c == '<' || c == '[':
			depth++
		case c == ')' || c == '>' || c == ']':
			depth--
		case c == sep && depth == 0:
			out = append(out, text[start:i])
			start = i + 1
		}
	}
	return append(out, text[start:])
}

var alterCommand = command{
	name: "alter", args: "TABLE", short: "changes a table's columns, properties or format version", minArgs: 1, maxArgs: 1,
	examples: []string{
		"frazil alter shop.orders --add 'note string' --widen 'quantity long'",
		"frazil alter shop.orders --rename state=status --set write.target-file-size-bytes=134217728",
		"frazil alter shop.orders --upgrade 3",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		var c struct {
			add, drop, rename, widen, set, unset, key []string
			upgrade                                   int
		}
		fs.StringArrayVar(&c.add, "add", nil, "'column type': add an optional column (repeatable)")
		fs.StringArrayVar(&c.drop, "drop", nil, "column to drop (repeatable)")
		fs.StringArrayVar(&c.rename, "rename", nil, "old=new (repeatable)")
		fs.StringArrayVar(&c.widen, "widen", nil, "'column type': int to long, float to double, more decimal digits (repeatable)")
		fs.StringSliceVar(&c.key, "key", nil, "the key columns from now on")
		fs.StringArrayVar(&c.set, "set", nil, "property k=v (repeatable)")
		fs.StringArrayVar(&c.unset, "unset", nil, "property to remove (repeatable)")
		fs.IntVar(&c.upgrade, "upgrade", 0, "format version to upgrade to")
		return func(ctx context.Context, args []string) error {
			set, err := parseProperties(c.set)
			if err != nil {
				return err
			}
			t, closeTable, err := e.openTable(ctx, args[0])
			if err != nil {
				return err
			}
			defer closeTable()
			if c.upgrade != 0 {
				if err := t.UpgradeFormat(ctx, c.upgrade); err != nil {
					return err
				}
			}
			if len(c.add)+len(c.drop)+len(c.rename)+len(c.widen)+len(c.key) > 0 {
				err := t.Evolve(ctx, func(ev *schema.Evolution) error {
					if err := evolve(ev, c.add, c.drop, c.rename, c.widen, c.key); err != nil {
						return usageError{err}
					}
					return nil
				}, nil)
				if err != nil {
					return err
				}
			}
			if len(set)+len(c.unset) > 0 {
				if err := t.SetProperties(ctx, set, c.unset); err != nil {
					return err
				}
			} else if fs.NFlag() == 0 {
				return usagef("alter: say what to change, such as --add 'note string' (see frazil help alter)")
			}
			return e.tell(map[string]string{"table": t.Name(), "metadata_location": t.MetadataLocation()}, "altered %s", t.Name())
		}
	},
}

func evolve(ev *schema.Evolution, add, drop, rename, widen, key []string) error {
	for _, d := range drop {
		if err := ev.Drop(d); err != nil {
			return err
		}
	}
	for _, r := range rename {
		from, to, ok := strings.Cut(r, "=")
		if !ok {
			return usagef("--rename %s: give old=new", r)
		}
		if err := ev.Rename(from, to); err != nil {
			return err
		}
	}
	for _, w := range widen {
		f, err := parseColumn(w)
		if err != nil {
			return usageError{fmt.Errorf("--widen: %w", err)}
		}
		if err := ev.Widen(f.Name, f.Type); err != nil {
			return err
		}
	}
	for _, a := range add {
		f, err := parseColumn(a)
		if err != nil {
			return usageError{fmt.Errorf("--add: %w", err)}
		}
		if err := ev.Add("", f); err != nil {
			return err
		}
	}
	if len(key) > 0 {
		for _, k := range key {
			if err := ev.RequireColumn(k); err != nil {
				return err
			}
		}
		return ev.SetIdentifier(key...)
	}
	return nil
}

var dropCommand = command{
	name: "drop", args: "TABLE", short: "drops a table", minArgs: 1, maxArgs: 1,
	examples: []string{"frazil drop shop.orders", "frazil drop shop.orders --purge   # deletes its files too"},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		purge := fs.Bool("purge", false, "delete the table's files too")
		return func(ctx context.Context, args []string) error {
			id, cat, closeCat, err := e.catalogOf(ctx, args[0])
			if err != nil {
				return err
			}
			defer closeCat()
			if err := cat.DropTable(ctx, id, *purge); err != nil {
				return e.explainMissing(err)
			}
			return e.tell(map[string]string{"dropped": id.String()}, "dropped %s", id)
		}
	},
}
