package expr_test

import (
	"fmt"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

func Example() {
	orders := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "at", Type: schema.TimestampTz},
	)
	where, err := expr.Parse("at >= date '2026-01-01' AND NOT id IN (7, 8)")
	if err != nil {
		panic(err)
	}
	bound, err := expr.Bind(where, orders, false)
	if err != nil {
		panic(err)
	}
	fmt.Println(bound)

	spec, _, err := partition.Bind([]partition.Field{partition.Day("at")}, orders, nil, 0)
	if err != nil {
		panic(err)
	}
	filter := bound.Project(spec, orders, true)
	fmt.Println(filter.KeepTuple(partition.Tuple{int32(20453)}), filter.KeepTuple(partition.Tuple{int32(20454)}))
	// Output:
	// at >= '2026-01-01T00:00:00.000000+00:00' AND id NOT IN (7, 8)
	// false true
}
