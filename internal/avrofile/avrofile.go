// Package avrofile reads and writes the framing of Avro object container files.
//
//	"Obj" 0x01
//	header   map of string → bytes: avro.schema, avro.codec, …
//	sync     16 bytes
//	block*   count (long) · size (long) · size bytes of compressed objects · sync
//
// Numbers are zig-zag varints. The objects themselves are the caller's. Reading
// is bounded: nothing is allocated on the strength of a length alone, and header
// and blocks have size limits that hold after decompression.
package avrofile
