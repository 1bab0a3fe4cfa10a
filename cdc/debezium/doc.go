// Package debezium reads Debezium's change events from JSON, as Kafka Connect's
// JsonConverter writes them.
//
//	r, err := debezium.NewReader([]debezium.Input{debezium.FileInput("events.jsonl.zst")}, nil)
//	…
//	stats, err := cdc.Run(ctx, r, sink, nil)
//
// # Lines
//
// One event a line, in commit order: a record {"topic", "partition", "offset",
// "key", "value", "headers"}, a record of kcat -J (payload and key are texts),
// {"key", "value"}, or the value alone. Values and keys may have a schema block
// {"schema", "payload"}, and may be flattened by ExtractNewRecordState. The topics
// of transactions and of schema changes may be among the lines.
//
// Positions are topic/partition → offset; lines without offsets are counted, per
// input and the hash of its first event.
//
// # Types
//
// A table's columns come from the schema block of its events, else from the schema
// history ([Options.SchemaChanges], or in the stream), else from values.
//
//	source                               becomes
//	TINYINT…INT, BOOLEAN of a DDL, YEAR  int
//	INT UNSIGNED, BIGINT                 long
//	BIGINT UNSIGNED                      decimal(20, 0); wrapped numbers are unwrapped
//	boolean, BIT(1)                      boolean
//	BIT(2…63), BIT(64), longer           long, decimal(20, 0), binary as it comes (least significant byte first)
//	DECIMAL(p ≤ 38, s)                   decimal(p, s), from digits, base64 or numbers
//	DECIMAL with more digits or no scale string of plain digits
//	FLOAT, DOUBLE                        float, double
//	CHAR, TEXT, ENUM, SET, JSON, XML …   string
//	BINARY, BLOB …                       binary
//	UUID                                 uuid
//	DATE                                 date
//	DATETIME, TIMESTAMP without zone     timestamp
//	TIMESTAMP (MySQL), with time zone    timestamptz
//	TIME of MySQL and MariaDB            long, microseconds: it may be negative or beyond 24 h
//	TIME of others                       time
//	TIME with time zone, INTERVAL text   string;   INTERVAL as a number: long, microseconds
//	geometry, geography, point           struct<srid: int, wkb: binary>
//	arrays, hstore, structs              list, map, struct
//
// Nanoseconds are cut to microseconds with a warning, unless [Options.Nanoseconds].
// A zero date arrives as null. A default of the epoch stands for the current time
// and is not taken as one.
//
// Guessed types are long, double, boolean, string (also for nested values, as
// their JSON) and the geometry struct; a column whose values are all null so far
// is not there yet.
//
// # What a stream cannot tell
//
// A flattened stream has no truncates, and no changes of tables without a key.
// Both are warned of, with the table's name, when they are noticed; see
// [Options.Warn].
package debezium
