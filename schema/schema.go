package schema

// Schema is a table schema: an ordered list of fields with ids. A Schema is
// immutable once made by New; all methods may be called concurrently.
type Schema struct {
	// ID is the schema-id in table metadata.
	ID int
	// Fields are the top-level columns in order.
	Fields []Field
	// IdentifierFieldIDs is the table's key (spec: "Identifier Field IDs"),
	// empty when it has none.
	IdentifierFieldIDs []int

	index *index
}
