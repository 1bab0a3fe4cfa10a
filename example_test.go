package frazil_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/debezium"
	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Create a table, change it by key, and read it.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "lake")
	check(err)
	defer os.RemoveAll(dir)

	store, err := objstore.Open(ctx, dir, nil) // also file://…; package objstore/cloud has s3, gs, azblob
	check(err)
	defer store.Close()

	orders, err := table.Create(ctx, catalog.NewFiles(store, nil), "shop.orders",
		schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
			schema.Field{ID: 2, Name: "status", Type: schema.String}),
		&table.CreateOptions{Key: []string{"id"}, Partition: []partition.Field{partition.Bucket("id", 8)}})
	check(err)

	w, err := orders.NewWriter(nil) // nil options are the documented defaults
	check(err)
	defer w.Close() // discards whatever was not committed
	check(w.Upsert(ctx, schema.Row{int64(1), "new"}))
	check(w.Upsert(ctx, schema.Row{int64(1), "paid"})) // replaces the row above
	check(w.Upsert(ctx, schema.Row{int64(2), "paid"}))
	check(w.Delete(ctx, schema.Row{int64(2)})) // key columns only
	_, err = w.Commit(ctx, &table.CommitOptions{Positions: map[string]string{"orders-0": "1042"}})
	check(err)

	paid := orders.Scan(&scan.Options{Columns: []string{"id", "status"}, Filter: expr.Eq("status", "paid")})
	for row, err := range paid.Rows(ctx) { // deletes applied; row valid until the next step
		check(err)
		fmt.Println(row[0], row[1])
	}
	// Output: 1 paid
}

// Apply a Debezium change stream to tables: one transaction of a shop.
func Example_changeStream() {
	ctx := context.Background()
	cat := catalog.NewFiles(objstore.NewMemory("mem://lake"), nil)

	stream := strings.NewReader(`
{"topic":"s.shop.orders","partition":0,"offset":0,"key":{"id":1},"value":{"op":"c","before":null,"after":{"id":1,"status":"new"},"source":{"db":"shop","table":"orders"}}}
{"topic":"s.shop.orders","partition":0,"offset":1,"key":{"id":2},"value":{"op":"c","before":null,"after":{"id":2,"status":"new"},"source":{"db":"shop","table":"orders"}}}
{"topic":"s.shop.orders","partition":0,"offset":2,"key":{"id":1},"value":{"op":"u","before":{"id":1,"status":"new"},"after":{"id":1,"status":"paid"},"source":{"db":"shop","table":"orders"}}}
{"topic":"s.shop.orders","partition":0,"offset":3,"key":{"id":2},"value":{"op":"d","before":{"id":2,"status":"new"},"after":null,"source":{"db":"shop","table":"orders"}}}
`)
	events, err := debezium.NewReader([]debezium.Input{debezium.StreamInput("orders.jsonl", stream)}, nil)
	check(err)
	defer events.Close()
	_, err = cdc.Run(ctx, events, cdc.NewTables(cat, nil), nil)
	check(err)

	orders, err := table.Open(ctx, cat, "shop.orders", nil)
	check(err)
	var rows []string
	for row, err := range orders.Scan(nil).Rows(ctx) {
		check(err)
		rows = append(rows, fmt.Sprint(row[0], " ", row[1]))
	}
	slices.Sort(rows)
	fmt.Println(rows)
	positions, err := orders.Positions()
	check(err)
	fmt.Println(positions["s.shop.orders/0"])
	// Output:
	// [1 paid]
	// 3
}

// Read rows as structs, look up by key, take aggregates, and follow changes.
func Example_reading() {
	ctx := context.Background()
	orders, err := table.Create(ctx, catalog.NewFiles(objstore.NewMemory("mem://lake"), nil), "shop.orders",
		schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
			schema.Field{ID: 2, Name: "status", Type: schema.String},
			schema.Field{ID: 3, Name: "amount", Type: schema.Decimal(10, 2)}),
		&table.CreateOptions{Key: []string{"id"}})
	check(err)
	w, err := orders.NewWriter(nil)
	check(err)
	defer w.Close()
	check(w.Upsert(ctx, schema.Row{1, "new", "12.50"}))
	check(w.Upsert(ctx, schema.Row{2, "paid", nil}))
	first, err := w.Commit(ctx, nil)
	check(err)
	check(w.Upsert(ctx, schema.Row{1, "paid", "12.50"}))
	_, err = w.Commit(ctx, nil)
	check(err)

	type order struct {
		ID     int64   `frazil:"id"`
		Status string  `frazil:"status"`
		Amount *string `frazil:"amount"` // a decimal with all its digits; nil is null
	}
	priced := orders.Scan(&scan.Options{Filter: expr.NotNull("amount")})
	for o, err := range scan.Into[order](ctx, priced) { // reads only these columns
		check(err)
		fmt.Println(o.ID, o.Status, *o.Amount)
	}
	for row, err := range orders.Scan(nil).Get(ctx, nil, []schema.Row{{2}, {7}}) { // by key
		check(err)
		fmt.Println(row)
	}
	a, err := orders.Scan(nil).Aggregate(ctx, "id") // from the manifests where they are exact
	check(err)
	fmt.Println(a.Rows, a.Columns[0].Min, a.Columns[0].Max)

	// Changes between two snapshots; Follow goes on with those to come.
	for row, err := range orders.Changes(&scan.ChangesOptions{From: &first.ID, Updates: true, Columns: []string{"id", "status"}}).Rows(ctx) {
		check(err)
		fmt.Println(row[:3])
	}
	// Output:
	// 1 paid 12.50
	// [2 paid <nil>]
	// 2 1 2
	// [1 new update_before]
	// [1 paid update_after]
}
