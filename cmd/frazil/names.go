package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

var renameCommand = command{
	name: "rename", args: "TABLE NEW", short: "gives a table another name, where the catalog can", minArgs: 2, maxArgs: 2,
	long: `
A catalog that keeps names apart from files does it at once. In a warehouse of
files a table's folder is its name and its files name each other by it, so that it
cannot be renamed safely; frazil register gives the table a second name there.`,
	examples: []string{"frazil rename shop.orders shop.orders_2025"},
	setup: func(e *env, _ *pflag.FlagSet) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			to, err := checkName(args[1])
			if err != nil {
				return err
			}
			from, cat, closeCat, err := e.catalogOf(ctx, args[0])
			if err != nil {
				return err
			}
			defer closeCat()
			if _, err := cat.LoadTable(ctx, from); err != nil {
				return e.explainMissing(err)
			}
			err = cat.RenameTable(ctx, from, to)
			if errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("%w; frazil register %s \"$(frazil metadata %s)\" gives it that name too", err, to, from)
			}
			if err != nil {
				return err
			}
			return e.tell(map[string]string{"table": to.String(), "was": from.String()}, "renamed %s to %s", from, to)
		}
	},
}

var registerCommand = command{
	name: "register", args: "TABLE METADATA_LOCATION", short: "adds a table by the place of its metadata file", minArgs: 2, maxArgs: 2,
	long: `
The table's files stay where they are and may be written to under the new name. If
they belong to another table of the warehouse, both names are tables of their own
from then on which share those files: drop the other one without --purge, and run
orphans on neither while both are there.`,
	examples: []string{
		"frazil register shop.orders ./lake/orders/metadata/v12.metadata.json",
		`frazil register shop.copy "$(frazil metadata shop.orders)"`,
	},
	setup: func(e *env, _ *pflag.FlagSet) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			id, cat, closeCat, err := e.catalogOf(ctx, args[0])
			if err != nil {
				return err
			}
			defer closeCat()
			entry, err := cat.RegisterTable(ctx, id, absAll(args[1:])[0])
			if err != nil {
				return err
			}
			return e.tell(map[string]string{"table": id.String(), "metadata_location": entry.MetadataLocation},
				"registered %s, whose files are in %s", id, entry.Metadata.Location)
		}
	},
}
