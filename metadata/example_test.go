package metadata_test

import (
	"fmt"
	"time"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
)

func Example() {
	table, err := metadata.New(metadata.NewOptions{
		Schema:   schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}),
		Location: "s3://lake/orders",
	})
	if err != nil {
		panic(err)
	}
	first := metadata.Snapshot{
		ID: 1, SequenceNumber: 1, TimestampMS: table.LastUpdatedMS, Operation: metadata.OpAppend,
		ManifestList: "s3://lake/orders/metadata/snap-1.avro",
	}
	next, err := table.Apply([]metadata.Update{
		metadata.AddSnapshot{Snapshot: first},
		metadata.SetRef{Name: metadata.MainBranch, Ref: metadata.Ref{SnapshotID: 1, Type: "branch"}},
	}, time.Now(), "s3://lake/orders/metadata/v1.metadata.json")
	if err != nil {
		panic(err)
	}
	fmt.Println(table.Current() == nil, next.Current().ID, next.LastSequenceNumber)
	fmt.Println(metadata.Check([]metadata.Requirement{metadata.AssertRefSnapshot{Ref: "main"}}, next))
	// Output:
	// true 1 1
	// requirement not met: ref main exists already, at snapshot 1
}
