package table_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/inspect"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// written is a table with one commit, as its files show it.
type written struct {
	tab   *table.Table
	store objstore.Store
	files []string
	sizes []int64
}

// writeWith makes a table with properties and writes rows to it.
func writeWith(t *testing.T, rows int, props map[string]string) written {
	t.Helper()
	store := objstore.NewMemory("mem://p")
	tab, err := table.Create(t.Context(), catalog.NewFiles(store, nil), "p.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "name", Type: schema.String},
		schema.Field{ID: 3, Name: "st", Type: schema.Struct(schema.Field{ID: 4, Name: "x", Type: schema.Long})},
	), &table.CreateOptions{Key: []string{"id"}, Properties: props})
	must(t, err)
	w, err := tab.NewWriter(nil)
	must(t, err)
	defer w.Close()
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range rows {
		must(t, w.Upsert(t.Context(), schema.Row{int64(i), fmt.Sprintf("long name %d of %d", i%1000, rnd.Uint32()), schema.Row{int64(i % 7)}}))
	}
	_, err = w.Commit(t.Context(), nil)
	must(t, err)
	out := written{tab: tab, store: store}
	files, err := inspect.New(tab.Source(), "files", &inspect.Options{Columns: []string{"file_path", "file_size_in_bytes"}})
	must(t, err)
	for row, err := range files.Rows(t.Context()) {
		must(t, err)
		out.files, out.sizes = append(out.files, row[0].(string)), append(out.sizes, row[1].(int64))
	}
	return out
}

// parquet opens the first data file with a library that is not ours.
func (w *written) parquet(t *testing.T) (*parquet.File, *format.FileMetaData) {
	t.Helper()
	data, err := objstore.ReadAll(t.Context(), w.store, w.files[0], 0)
	must(t, err)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	return f, f.Metadata()
}

// TestParquetProperties sets each property of files and looks at the file.
func TestParquetProperties(t *testing.T) {
	base := writeWith(t, 20_000, nil)
	_, meta := base.parquet(t)
	if c := meta.RowGroups[0].Columns[1].MetaData; c.Codec != format.Zstd || len(meta.RowGroups) != 1 || c.BloomFilterOffset != 0 || len(base.files) != 1 {
		t.Errorf("defaults: %v, %d row groups, bloom filter at %d, %d files", c.Codec, len(meta.RowGroups), c.BloomFilterOffset, len(base.files))
	}
	for codec, want := range map[string]format.CompressionCodec{
		"snappy": format.Snappy, "gzip": format.Gzip, "uncompressed": format.Uncompressed, "lz4_raw": format.Lz4Raw, "brotli": format.Brotli, "ZSTD": format.Zstd,
	} {
		w := writeWith(t, 100, map[string]string{"write.parquet.compression-codec": codec})
		if _, meta := w.parquet(t); meta.RowGroups[0].Columns[0].MetaData.Codec != want {
			t.Errorf("%s: %v", codec, meta.RowGroups[0].Columns[0].MetaData.Codec)
		}
	}
	best := writeWith(t, 20_000, map[string]string{"write.parquet.compression-level": "19"})
	if best.sizes[0] >= base.sizes[0] {
		t.Errorf("level 19: %d bytes, by default %d", best.sizes[0], base.sizes[0])
	}
	groups := writeWith(t, 20_000, map[string]string{"write.parquet.row-group-size-bytes": "100000"})
	if _, meta := groups.parquet(t); len(meta.RowGroups) < 5 {
		t.Errorf("small row groups: %d", len(meta.RowGroups))
	}
	pages := func(w written) int {
		f, _ := w.parquet(t)
		index, err := f.RowGroups()[0].ColumnChunks()[1].OffsetIndex()
		must(t, err)
		return index.NumPages()
	}
	small := writeWith(t, 20_000, map[string]string{"write.parquet.page-size-bytes": "10000"})
	if few, many := pages(base), pages(small); many < 5*few {
		t.Errorf("pages: %d by default, %d small ones", few, many)
	}
	usesDictionary := func(w written) bool {
		_, meta := w.parquet(t)
		return meta.RowGroups[0].Columns[2].MetaData.DictionaryPageOffset != 0
	}
	plain := writeWith(t, 20_000, map[string]string{"write.parquet.dict-size-bytes": "8"})
	if !usesDictionary(base) || usesDictionary(plain) {
		t.Errorf("dictionary of column st.x: %v by default, %v with 8 bytes", usesDictionary(base), usesDictionary(plain))
	}
	bloom := writeWith(t, 1000, map[string]string{"write.parquet.bloom-filter-enabled.column.name": "true", "write.parquet.bloom-filter-enabled.column.nope": "true"})
	if _, meta := bloom.parquet(t); meta.RowGroups[0].Columns[1].MetaData.BloomFilterOffset == 0 {
		t.Error("no bloom filter of column name")
	}
	if several := writeWith(t, 20_000, map[string]string{"write.target-file-size-bytes": "60000", "write.parquet.row-group-size-bytes": "50000"}); len(several.files) < 3 {
		t.Errorf("small target: %d files", len(several.files))
	}
	store := objstore.NewMemory("mem://bad")
	bad, err := table.Create(t.Context(), catalog.NewFiles(store, nil), "p.t", schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long}),
		&table.CreateOptions{Properties: map[string]string{"write.parquet.compression-codec": "lzo"}})
	must(t, err)
	w, err := bad.NewWriter(nil)
	if err == nil {
		err = w.Append(t.Context(), schema.Row{int64(1)})
	}
	if err == nil || !strings.Contains(err.Error(), `write.parquet.compression-codec: no codec "lzo"`) {
		t.Errorf("unknown codec: %v", err)
	}
}

// TestMetricsProperties sets metrics modes and looks at the manifest.
func TestMetricsProperties(t *testing.T) {
	const key = "[100 0 <nil> 0 99]"
	for _, c := range []struct {
		props    map[string]string
		name, st string // value_count, null_value_count, nan_value_count, lower, upper
	}{
		{nil, "[100 0 <nil> long name 0 of 4 long name 99 of!]", "[100 0 <nil> 0 6]"},
		{map[string]string{"write.metadata.metrics.default": "none"}, "[<nil> <nil> <nil> <nil> <nil>]", "[<nil> <nil> <nil> <nil> <nil>]"},
		{map[string]string{"write.metadata.metrics.default": "counts"}, "[100 0 <nil> <nil> <nil>]", "[100 0 <nil> <nil> <nil>]"},
		{map[string]string{"write.metadata.metrics.default": "truncate(4)", "write.metadata.metrics.column.st.x": "counts"}, "[100 0 <nil> long lonh]", "[100 0 <nil> <nil> <nil>]"},
		{map[string]string{"write.metadata.metrics.column.name": "none"}, "[<nil> <nil> <nil> <nil> <nil>]", "[100 0 <nil> 0 6]"},
		{map[string]string{"write.metadata.metrics.max-inferred-column-defaults": "2", "write.metadata.metrics.column.id": "none"}, "[100 0 <nil> long name 0 of 4 long name 99 of!]", "[<nil> <nil> <nil> <nil> <nil>]"},
	} {
		w := writeWith(t, 100, c.props)
		columns := []string{}
		for _, name := range []string{"id", "name", "st.x"} {
			for _, m := range []string{"value_count", "null_value_count", "nan_value_count", "lower_bound", "upper_bound"} {
				columns = append(columns, "readable_metrics."+name+"."+m)
			}
		}
		mt, err := inspect.New(w.tab.Source(), "files", &inspect.Options{Columns: columns})
		must(t, err)
		for row, err := range mt.Rows(t.Context()) {
			must(t, err)
			for i, want := range []string{key, c.name, c.st} { // the key's bounds are always kept
				if got := fmt.Sprint([]any(row[0].(schema.Row)[i].(schema.Row))); got != want {
					t.Errorf("%v: column %d: %s, want %s", c.props, i, got, want)
				}
			}
		}
	}
	full := writeWith(t, 10, map[string]string{"write.metadata.metrics.column.name": "full"})
	mt, err := inspect.New(full.tab.Source(), "files", &inspect.Options{Columns: []string{"readable_metrics.name.upper_bound"}})
	must(t, err)
	for row, err := range mt.Rows(t.Context()) {
		must(t, err)
		if upper := fmt.Sprint(row[0]); len(upper) < 20 || !strings.Contains(upper, "long name 9 of ") {
			t.Errorf("full: %s", upper)
		}
	}
}

// TestPropertiesKept: what we do not know stays, through commits of ours.
func TestPropertiesKept(t *testing.T) {
	props := map[string]string{"their.own": "x", "write.upsert.enabled": "true", "write.distribution-mode": "hash", "write.format.default": "orc"}
	w := writeWith(t, 3, props)
	must(t, w.tab.Refresh(t.Context()))
	for k, v := range props {
		if got := w.tab.Metadata().Properties[k]; got != v {
			t.Errorf("%s: %q, want %q", k, got, v)
		}
	}
}

func TestManifestCodec(t *testing.T) {
	for property, codec := range map[string]string{"": "deflate", "zstd": "zstandard", "snappy": "snappy", "gzip": "deflate", "null": "null"} {
		props := map[string]string{"write.manifest.compression-codec": property}
		if property == "" {
			props = nil
		}
		w := writeWith(t, 3, props)
		mt, err := inspect.New(w.tab.Source(), "manifests", &inspect.Options{Columns: []string{"path"}})
		must(t, err)
		paths := []string{w.tab.Metadata().Current().ManifestList}
		for row, err := range mt.Rows(t.Context()) {
			must(t, err)
			paths = append(paths, row[0].(string))
		}
		if len(paths) != 2 {
			t.Errorf("%d files", len(paths))
		}
		for _, p := range paths {
			data, err := objstore.ReadAll(t.Context(), w.store, p, 0)
			must(t, err)
			at := bytes.Index(data, []byte("avro.codec"))
			if at < 0 || !bytes.HasPrefix(data[at+len("avro.codec")+1:], []byte(codec)) {
				t.Errorf("%q: %s is not in %s", property, p, codec)
			}
		}
	}
}
