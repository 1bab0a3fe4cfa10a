package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// open opens the table for writing.
func (r *rowIngest) open(ctx context.Context) error {
	o, err := r.in.tablesOptions()
	if err != nil {
		return err
	}
	t, err := table.Open(ctx, r.cat, r.name, &o.Create.Options)
	if err != nil {
		return err
	}
	return r.use(ctx, t, o.Writer)
}

// use writes to t, which was opened or created by the options.
func (r *rowIngest) use(ctx context.Context, t *table.Table, wo table.WriterOptions) error {
	s := t.Schema()
	var key []string
	for _, id := range s.IdentifierFieldIDs {
		key = append(key, s.Path(id))
	}
	if len(r.in.key) > 0 {
		for _, k := range r.in.key {
			if _, ok := s.FieldByName(k); !ok {
				return usageError{fmt.Errorf("--key: table %s: %w", r.name, s.UnknownColumn(k))}
			}
		}
		if !sameSet(r.in.key, key) {
			has := "no key"
			if len(key) > 0 {
				has = "the key " + strings.Join(key, ",")
			}
			return usagef("--key %s: table %s has %s; frazil alter %s --key %s changes that",
				strings.Join(r.in.key, ","), r.name, has, r.name, strings.Join(r.in.key, ","))
		}
	}
	r.keyed = len(r.in.key) > 0 || r.in.opColumn != ""
	if !r.keyed && len(key) > 0 {
		r.e.note("note: table %s has the key %s; these rows are appended without a look at it (--key %s replaces rows of the same key)",
			r.name, strings.Join(key, ","), strings.Join(key, ","))
	}
	var err error
	if r.had, err = t.Positions(); errors.Is(err, table.ErrPositionsUnknown) && r.in.replay {
		err = t.ResetPositions(ctx, nil)
	}
	if err != nil {
		return err
	}
	r.t = t
	if r.keyed {
		if wo.KeyIndex, r.closeIndex, err = r.in.keyIndex(ctx, t); err != nil {
			return err
		}
	} else if len(r.in.orderBy) > 0 {
		return usagef("--order-by needs --key: rows that are appended replace none")
	}
	r.w, err = t.NewWriter(&wo)
	return err
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), b)
}

// make creates the table of the columns that the data has.
func (r *rowIngest) make(ctx context.Context, from string, fields []schema.Field) error {
	fields = plainFields(without(fields, r.in.opColumn))
	if len(fields) == 0 {
		return fmt.Errorf("%s: no rows to make the table of; frazil create %s --schema … makes it empty", from, r.name)
	}
	for _, k := range r.in.key {
		if !hasColumn(fields, k) {
			return usagef("--key %s: %s has no such column; there are %s", k, from, columnNames(fields))
		}
	}
	o, err := r.in.tablesOptions()
	if err != nil {
		return err
	}
	o.Create.Key = r.in.key
	t, err := table.Create(ctx, r.cat, r.name, &schema.Schema{Fields: fields}, &o.Create)
	if err != nil {
		return err
	}
	r.e.note("created %s: %s", r.name, describeFields(t.Schema()))
	return r.use(ctx, t, o.Writer)
}

// plainFields drops the ids of fields, so that a table gives its own.
func plainFields(fields []schema.Field) []schema.Field {
	out := slices.Clone(fields)
	for i := range out {
		out[i].ID = 0
		out[i].Type.Fields = plainFields(out[i].Type.Fields)
	}
	return out
}

func describeFields(s *schema.Schema) string {
	var parts []string
	for _, f := range s.Fields {
		required := ""
		if f.Required {
			required = "!"
		}
		parts = append(parts, f.Name+" "+typeText(f.Type)+required)
	}
	return strings.Join(parts, ", ")
}

// typeText is a type as --schema takes it: without the ids of what is nested.
func typeText(t schema.Type) string {
	member := func(f schema.Field) string {
		if f.Required {
			return typeText(f.Type) + "!"
		}
		return typeText(f.Type)
	}
	switch t.Kind {
	case schema.KindStruct:
		var parts []string
		for _, f := range t.Fields {
			parts = append(parts, f.Name+": "+member(f))
		}
		return "struct<" + strings.Join(parts, ", ") + ">"
	case schema.KindList:
		return "list<" + member(t.Fields[0]) + ">"
	case schema.KindMap:
		return "map<" + typeText(t.Fields[0].Type) + ", " + member(t.Fields[1]) + ">"
	}
	return t.String()
}
