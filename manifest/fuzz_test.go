package manifest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/schema"
)

// seeds adds small files made by the writer in this package and, when the
// shared tables are there, some of other engines'.
func seeds(f *testing.F, kind string) {
	data, file := write(f, 3, Data, dataEntry(StatusAdded, "a", 1), dataEntry(StatusExisting, "b", 2))
	if kind == "list" {
		var err error
		file.AddedSnapshotID = 9
		if data, _, err = WriteList(ListOptions{FormatVersion: 2, SnapshotID: 9, SequenceNumber: 4, Codec: "null"}, []*File{file}); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(data)
	f.Add([]byte("Obj\x01\x02\x16avro.schema\x0c\"null\"\x000123456789abcdef\x02\x000123456789abcdef"))
	paths, _ := filepath.Glob(filepath.Join("..", "..", "shared", "tables", "spark", "v3_dvs", "metadata", "*.avro"))
	for _, p := range paths {
		if data, err := os.ReadFile(p); err == nil {
			f.Add(data)
		}
	}
}

func FuzzManifest(f *testing.F) {
	seeds(f, "manifest")
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		file := &File{Path: "m", SequenceNumber: 4, FirstRowID: ptr(int64(1))}
		opts := &ReadOptions{Stats: StatsAll, KeepDeleted: true, PartitionTypes: []schema.Type{schema.Int}}
		n := 0
		all, allErr := ReadAll(data, file, opts)
		for e, err := range Read(data, file, nil) {
			if err != nil {
				break
			}
			if e.File.Path == "" || e.File.FileSize < 0 {
				t.Fatal("unchecked entry")
			}
			n++
		}
		samePacked(t, "packed", data, file, &ReadOptions{StatsFields: []int{1, 2}, PartitionTypes: opts.PartitionTypes})
		if allErr == nil && n > len(all) {
			t.Fatalf("%d live entries of %d", n, len(all))
		}
	})
}

func FuzzManifestList(f *testing.F) {
	seeds(f, "list")
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		files, err := ReadList(data)
		if err != nil {
			return
		}
		for _, file := range files {
			if file.Path == "" || file.Length < 0 {
				t.Fatal("unchecked entry")
			}
		}
	})
}

// FuzzBlock leaves framing aside and feeds mutated blocks to the decoder.
func FuzzBlock(f *testing.F) {
	data, _ := write(f, 3, Data, dataEntry(StatusAdded, "a", 1))
	r, err := avrofile.NewReader(data, nil)
	if err != nil {
		f.Fatal(err)
	}
	avro, _ := r.Meta("avro.schema")
	block, _, err := r.Next()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block)
	p, err := compilePlan(avro)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		d := &decoder{plan: p, opts: &ReadOptions{}, mode: fresh}
		d.tuple, _ = newTupleDecoder(p.partition, d.opts)
		d.b = block
		for d.off < len(block) {
			if _, err := d.next(); err != nil {
				return
			}
		}
	})
}
