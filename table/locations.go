package table

import (
	"fmt"
	"strings"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// dataDirectory is where a table's new data and delete files go: the property
// write.data.path, else the directory data of the table.
func dataDirectory(m *metadata.Table) string {
	if p := m.Property("write.data.path", ""); p != "" {
		return p
	}
	return objstore.Join(m.Location, "data")
}

// NewFile is the location of a new data or delete file with a name of its own,
// in the directory of its partition.
func NewFile(base *catalog.Entry, specID int, tuple partition.Tuple, name string) string {
	m := base.Metadata
	path := ""
	if spec, ok := m.Spec(specID); ok && !spec.IsUnpartitioned() {
		path = spec.Path(m.CurrentSchema(), tuple)
	}
	return newFile(m, path, name)
}

// newFile places a file. With write.object-storage.enabled directories made of
// its name's hash come before those of the partition, as Iceberg Java makes
// them: stores that shard by prefix then spread the load.
func newFile(m *metadata.Table, partitionPath, name string) string {
	dir := dataDirectory(m)
	if m.Property("write.object-storage.enabled", "false") != "true" {
		return objstore.Join(dir, partitionPath, name)
	}
	if m.Property("write.object-storage.partitioned-paths", "true") == "true" {
		name = strings.TrimPrefix(partitionPath+"/"+name, "/")
	} else {
		partitionPath = "" // the name alone
	}
	hash := entropy(name)
	if !objstore.Under(m.Location, dir) {
		// Outside of the table: its own and its namespace's name keep it apart.
		parts := strings.Split(strings.TrimRight(m.Location, "/"), "/")
		return objstore.Join(dir, hash, strings.Join(parts[max(0, len(parts)-2):], "/"), name)
	}
	if m.Property("write.object-storage.partitioned-paths", "true") != "true" {
		return objstore.Join(dir, hash+"-"+name)
	}
	return objstore.Join(dir, hash, name)
}

// entropy is twenty bits of a hash as directories: 0101/1100/0011/01010101.
func entropy(name string) string {
	h, _ := partition.Hash(schema.String, name)
	bits := fmt.Sprintf("%032b", uint32(h))[12:]
	return bits[:4] + "/" + bits[4:8] + "/" + bits[8:12] + "/" + bits[12:]
}
