package schema_test

import (
	"fmt"
	"time"

	"github.com/frazildb/frazil/schema"
)

func ExampleNewEvolution() {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Int, Required: true},
		schema.Field{ID: 2, Name: "price", Type: schema.Decimal(9, 2)})
	e := schema.NewEvolution(s, s.HighestFieldID(), 2)
	for _, err := range []error{
		e.Widen("id", schema.Long),
		e.Rename("price", "amount"),
		e.Add("", schema.Field{Name: "note", Type: schema.String}),
		e.Widen("amount", schema.Decimal(9, 3)),
	} {
		if err != nil {
			fmt.Println(err)
		}
	}
	changed, last, err := e.Schema()
	fmt.Println(changed, last, err)
	// Output:
	// column amount: type decimal(9,2) cannot become decimal(9,3) in format version 2
	// struct<1: id: required long, 2: amount: optional decimal(9,2), 3: note: optional string> 3 <nil>
}

func ExampleCoerce() {
	for _, c := range []struct {
		t schema.Type
		v any
	}{
		{schema.Long, 7},
		{schema.Decimal(9, 2), "14.2"},
		{schema.TimestampTz, time.Date(2026, 1, 31, 13, 0, 0, 0, time.FixedZone("", 3600))},
		{schema.Int, 1 << 40},
	} {
		v, err := schema.Coerce(c.t, c.v)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(c.t, schema.FormatValue(c.t, v))
	}
	// Output:
	// long 7
	// decimal(9,2) 14.20
	// timestamptz 2026-01-31T12:00:00.000000+00:00
	// type int: 1099511627776 is out of range
}

func ExampleRowsToBatch() {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "name", Type: schema.String})
	batch, err := schema.RowsToBatch(s, []schema.Row{{int64(1), "a"}, {int64(2), nil}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer batch.Release()
	fmt.Println(batch.NumRows(), schema.ValueAt(batch.Column(1), schema.String, 0), schema.ValueAt(batch.Column(1), schema.String, 1))
	// Output: 2 a <nil>
}
