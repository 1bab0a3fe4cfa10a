package snapshot_test

import (
	"context"
	"fmt"
	"time"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// One data file is added to an empty table; the updates would go to a catalog.
func Example() {
	ctx := context.Background()
	store := objstore.NewMemory("mem://lake")
	table, err := metadata.New(metadata.NewOptions{
		Location: "mem://lake/t",
		Schema:   schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}),
	})
	check(err)

	p := snapshot.NewProducer(snapshot.Options{Store: store}, snapshot.Changes{AddData: []*manifest.DataFile{{
		Path: "mem://lake/t/data/1.parquet", Format: manifest.FormatParquet,
		Partition: partition.Tuple{}, RecordCount: 100, FileSize: 4321,
	}}}, snapshot.Conditions{})
	a, err := p.Apply(ctx, table, "main")
	check(err)
	check(metadata.Check(a.Requirements, table))
	table, err = table.Apply(a.Updates, time.Now(), "")
	check(err)
	check(p.Cleanup(ctx, true))

	for e, err := range snapshot.LiveFiles(ctx, store, table, table.Current(), nil) {
		check(err)
		fmt.Println(e.File.Path, table.Current().Summary["total-records"])
	}
	// Output: mem://lake/t/data/1.parquet 100
}
