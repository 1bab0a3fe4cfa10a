package partition_test

import (
	"fmt"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

func ExampleBind() {
	orders := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "at", Type: schema.TimestampTz},
	)
	fields, err := partition.Parse("bucket(8, id), day(at)")
	if err != nil {
		panic(err)
	}
	spec, last, err := partition.Bind(fields, orders, nil, 0)
	if err != nil {
		panic(err)
	}
	fmt.Println(last, spec.Path(orders, partition.Tuple{int32(3), int32(20454)}))
	// Output: 1001 id_bucket=3/at_day=2026-01-01
}
