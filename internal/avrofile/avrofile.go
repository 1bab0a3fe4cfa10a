// Package avrofile reads and writes the Avro object container framing.
package avrofile
