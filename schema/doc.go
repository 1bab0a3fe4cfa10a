// Package schema holds table schemas of the Iceberg format and their values:
// types, fields with ids, evolution, defaults, name mappings, and the text,
// JSON, binary and Arrow forms of values.
//
// A [Schema] is made by [New] or read from table metadata:
//
//	s := schema.MustNew(
//		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
//		schema.Field{ID: 2, Name: "price", Type: schema.Decimal(9, 2)})
//
// Values have one Go type per table type, listed at [Row]. [Coerce] turns what
// a program has at hand into it, [ParseLiteral] and [ValueFromJSON] read it
// from text, [RowsToBatch] and [ValueAt] go to and from Arrow:
//
//	v, err := schema.Coerce(schema.Decimal(9, 2), "14.20")
//	batch, err := schema.RowsToBatch(s, []schema.Row{{int64(1), v}}, nil)
//
// A schema changes through an [Evolution], which keeps the rules of the format:
// ids are never used twice, types only widen.
//
//	e := schema.NewEvolution(s, s.HighestFieldID(), 2)
//	err = e.Add("", schema.Field{Name: "note", Type: schema.String})
//	changed, lastColumnID, err := e.Schema()
//
// Statistics of files are kept as bounds: [EncodeBound], [DecodeBound],
// [TruncateLower], [TruncateUpper], ordered by [Compare].
package schema
