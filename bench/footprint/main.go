// Command footprint is a minimal program that embeds Frazil: a local folder, the
// file catalog, a table that is written, changed and read. W14 is the size of
// its stripped binary and the number of modules linked into it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: footprint FOLDER")
	}
	store, err := objstore.NewLocal(args[0], nil)
	if err != nil {
		return err
	}
	defer store.Close()
	fields := []schema.Field{
		{Name: "id", Type: schema.Long},
		{Name: "status", Type: schema.String},
	}
	t, err := table.Create(ctx, catalog.NewFiles(store, nil), "shop.orders",
		&schema.Schema{Fields: fields}, &table.CreateOptions{Key: []string{"id"}})
	if err != nil {
		return err
	}
	w, err := t.NewWriter(nil)
	if err != nil {
		return err
	}
	defer w.Close()
	for _, row := range []schema.Row{{int64(1), "new"}, {int64(2), "new"}, {int64(1), "paid"}} {
		if err := w.Upsert(ctx, row); err != nil {
			return err
		}
	}
	if _, err := w.Commit(ctx, nil); err != nil {
		return err
	}
	n, err := t.Scan(nil).Count(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Println(n, "rows")
	return err
}
