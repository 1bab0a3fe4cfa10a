package manifest_test

import (
	"fmt"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A manifest and its list, written and read back.
func Example() {
	s := schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true})
	w, err := manifest.NewWriter(manifest.WriterOptions{FormatVersion: 2, Schema: s, SnapshotID: 7, Path: "s3://lake/t/metadata/m0.avro"})
	check(err)
	check(w.Append(&manifest.Entry{
		Status: manifest.StatusAdded, SequenceNumber: manifest.Unassigned,
		File: &manifest.DataFile{
			Path: "s3://lake/t/data/1.parquet", Format: manifest.FormatParquet,
			Partition: partition.Tuple{}, RecordCount: 100, FileSize: 4321,
		},
	}))
	data, f, err := w.Close()
	check(err)
	list, _, err := manifest.WriteList(manifest.ListOptions{FormatVersion: 2, SnapshotID: 7, SequenceNumber: 3}, []*manifest.File{f})
	check(err)

	files, err := manifest.ReadList(list)
	check(err)
	for e, err := range manifest.Read(data, files[0], nil) {
		check(err)
		fmt.Println(e.File.Path, e.File.RecordCount, e.SequenceNumber)
	}
	// Output: s3://lake/t/data/1.parquet 100 3
}
