package debezium

import (
	"io"

	"github.com/frazildb/frazil/cdc"
)

// Options tunes a Reader. Nil and zero values mean the defaults.
type Options struct {
	// SchemaChanges is the content of a schema history topic, also packed (JSON
	// lines with
	// "tableChanges"), which gives a stream without schema blocks its types and
	// defaults.
	SchemaChanges io.Reader
	// Table names the one table that all events go to; empty takes the table from
	// the event's source.
	Table string
	// Include tells which tables to read, by "namespace.table"; nil reads all.
	Include func(table string) bool
	// Keys gives key columns by table, where the stream has none.
	Keys map[string][]string
	// Decimals says how decimals are written in a stream without schema blocks:
	// "string", "base64", or "" to find out from the values.
	Decimals string
	// Binary says how binary columns are written in a stream without schema
	// blocks: "base64" (the default), "base64-url-safe" or "hex".
	Binary string
	// TimePrecision is the connector's time.precision.mode for a stream without
	// schema blocks: "adaptive_time_microseconds" (the default), "adaptive",
	// "connect", "microseconds" or "nanoseconds". Texts (isostring) are recognised.
	TimePrecision string
	// Nanoseconds keeps nanoseconds as timestamp_ns and timestamptz_ns, which need
	// tables of format version 3. Without it they are cut to microseconds, with a
	// warning that names the column.
	Nanoseconds bool
	// MaxLineBytes bounds a line. Default 64 MiB.
	MaxLineBytes int
	// Warn is told, once each, what the stream cannot express. May be nil.
	Warn func(Warning)
}

// Warning is something that the user should know about a stream.
type Warning struct {
	Table  string
	Reason string
	// Line is where it was noticed first.
	Line cdc.Line
}
