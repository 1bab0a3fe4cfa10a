// Package manifest reads and writes manifests and manifest lists, the Avro files
// that say which data and delete files a snapshot has (spec: "Manifests",
// "Manifest Lists").
//
//	list, err := manifest.ReadList(data)
//	for _, f := range list {
//		for e, err := range manifest.Read(read(f.Path), f, nil) {
//			… // e.File.Path, e.SequenceNumber
//		}
//	}
//
// Reading compiles the writer's Avro schema into steps and moves a cursor over
// the bytes; fields are found by id, by name where a schema has no ids, and what
// is not wanted, above all statistics, is skipped. Numbers that an entry inherits
// from the manifest list are filled in. Files of any format version are read, and
// malformed ones give errors wrapping [ErrCorrupt]: lengths are checked before
// anything is allocated, sizes are bounded after decompression.
//
// Writing is for format versions 2 and 3, with the field order and record names
// of the reference implementation. A [Writer] refuses entries that break the
// rules of inheritance; [Assign] gives manifests their sequence numbers and first
// row ids when the list is written.
package manifest
