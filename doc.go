// Package frazil is the root of the Frazil storage engine; it exports nothing.
//
// Frazil turns streams of row changes into Apache Iceberg tables and reads them
// back fast. Start with package [github.com/frazildb/frazil/table] to create and
// write tables, [github.com/frazildb/frazil/scan] to read them, and
// [github.com/frazildb/frazil/cdc/debezium] for change streams. The examples of
// this package are the samples of the README.
package frazil
