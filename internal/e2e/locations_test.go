package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// watched is a store whose log is looked at for calls that reach outside one
// table's directory and the catalog's own marks.
type watched struct {
	*faultstore.Store
	home string
}

// seen returns the calls on locations so far, and those of them that were outside.
func (w *watched) seen() (calls int, outside []string) {
	for _, c := range w.Log() {
		if c.Op == faultstore.OpRead || c.Op == faultstore.OpWrite || c.Op == faultstore.OpClose {
			continue // of what was opened
		}
		calls++
		if u, err := objstore.Canonical(c.URI); err != nil || u != w.home && !strings.HasPrefix(u, w.home+"/") && !strings.HasSuffix(u, ".namespace.json") {
			outside = append(outside, c.String())
		}
	}
	return calls, outside
}

const (
	warehouse  = "mem://wh"
	hostileDir = warehouse + "/shop/t"
	victimDir  = warehouse + "/shop/victim"
)

// hostileLocations are places that a table must not reach, however they are
// spelt: a neighbour's files, parents, other stores and services.
func hostileLocations(victim []string) []string {
	targets := append([]string{
		victimDir, warehouse, warehouse + "/shop", warehouse + "/", hostileDir + "2/data/a.parquet", hostileDir + "-evil/a",
		"/etc/passwd", "/proc/self/environ", "/", "http://169.254.169.254/latest/meta-data/", "https://example.com/x", "ftp://host/x",
		"s3://other-bucket/key", "s3a://other/key", "gs://other/key", "azblob://other/key", "abfss://c@account/key", "hdfs://nn:8020/x", "hdfs:/x",
		"mem://other/shop/t/data/a", "MEM://WH2/shop/t/a", "data/a.parquet", "", ".", "..", "C:\\x", "\\\\host\\share", "x:y", "file:", "//wh/shop/t",
		"mem:wh/shop/t/a", "mem:/wh/shop/t/a", "jar:file:/x!/y", "mem://wh@evil/shop/t/a", "mem://u:p@wh/shop/t/a", "mem://wh:80/shop/t/a",
	}, victim[:4]...)
	out := append(victim[4:len(victim):len(victim)], targets...)
	for i, t := range targets {
		rest := strings.TrimLeft(strings.TrimPrefix(t, warehouse), "/")
		ups := []string{"../", "../../", "%2e%2e/", "data/../../", "../../../", ".%2E/%2e./", "./../", "..//", "..\\", "..%2f", "\x00/../", "․․/"}
		if i >= 8 {
			ups = ups[:4]
		}
		for _, up := range ups {
			out = append(out, hostileDir+"/"+up+rest)
		}
	}
	for _, f := range []string{"file://%s", "file:%s", "file://localhost%s", "FILE:///%s", "file://evil%s"} {
		for _, p := range []string{"/etc/passwd", "/etc/shadow", "/root/.aws/credentials", "/proc/self/mem", "/tmp/../etc/passwd"} {
			out = append(out, fmt.Sprintf(f, p))
		}
	}
	return out
}

// attacked is a table with a snapshot to expire, deletes of both kinds, and a
// neighbour.
type attacked struct {
	mem    objstore.Store
	files  map[string][]byte // all objects as they were made
	victim []string
	head   string // the metadata file
}

func newAttacked(t *testing.T, version int) *attacked {
	t.Helper()
	a := &attacked{mem: objstore.NewMemory(warehouse), files: map[string][]byte{}}
	ctx := t.Context()
	for _, name := range []string{"shop.victim", "shop.t"} {
		tab, err := table.Create(ctx, catalog.NewFiles(a.mem, nil), name, schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "v", Type: schema.String},
		), &table.CreateOptions{Key: []string{"id"}, FormatVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			w, err := tab.NewWriter(nil)
			if err != nil {
				t.Fatal(err)
			}
			for id := range 20 {
				if err := w.Upsert(ctx, schema.Row{int64(id*(round+1)) % 37, fmt.Sprint(round)}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Commit(ctx, nil); err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
		}
		a.head = tab.MetadataLocation()
	}
	for info, err := range a.mem.List(ctx, warehouse) {
		if err != nil {
			t.Fatal(err)
		}
		data, err := objstore.ReadAll(ctx, a.mem, info.URI, 0)
		if err != nil {
			t.Fatal(err)
		}
		a.files[info.URI] = data
		if objstore.Under(victimDir, info.URI) {
			a.victim = append(a.victim, info.URI)
		}
	}
	return a
}

// forge returns a fresh copy of the warehouse in which one field names a
// location.
func (a *attacked) forge(t *testing.T, field, location string) *watched {
	t.Helper()
	mem := objstore.NewMemory(warehouse)
	put := func(uri string, data []byte) {
		if err := mem.Put(t.Context(), uri, data, nil); err != nil {
			t.Fatal(err)
		}
	}
	for uri, data := range a.files {
		put(uri, data)
	}
	m, err := metadata.Parse(a.files[a.head], a.head)
	if err != nil {
		t.Fatal(err)
	}
	old := m.Snapshots[len(m.Snapshots)-2] // so that expiry meets it too
	switch field {
	case "manifest_path":
		a.forgeList(t, put, &old, func(f *manifest.File) { f.Path = location })
	case "file_path", "referenced_data_file":
		a.forgeManifests(t, put, m, &old, field, location)
	default:
		put(a.head, forgeJSON(t, a.files[a.head], field, location))
	}
	return &watched{Store: faultstore.New(mem, nil), home: hostileDir}
}

// forgeJSON changes a field of table metadata.
func forgeJSON(t *testing.T, text []byte, field, location string) []byte {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	snapshots := doc["snapshots"].([]any)
	old := snapshots[len(snapshots)-2].(map[string]any)
	switch field {
	case "location":
		doc["location"] = location
	case "manifest-list":
		old["manifest-list"] = location
	case "metadata-log":
		for _, e := range doc["metadata-log"].([]any) {
			e.(map[string]any)["metadata-file"] = location
		}
	case "statistics":
		doc["statistics"] = []any{map[string]any{
			"snapshot-id": old["snapshot-id"], "statistics-path": location, "file-size-in-bytes": 10, "file-footer-size-in-bytes": 5, "blob-metadata": []any{},
		}}
	case "partition-statistics":
		doc["partition-statistics"] = []any{map[string]any{"snapshot-id": old["snapshot-id"], "statistics-path": location, "file-size-in-bytes": 10}}
	default: // a property
		p, _ := doc["properties"].(map[string]any)
		if p == nil {
			p = map[string]any{}
		}
		p[field] = location
		doc["properties"] = p
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// forgeList rewrites a snapshot's manifest list in place.
func (a *attacked) forgeList(t *testing.T, put func(string, []byte), s *metadata.Snapshot, change func(*manifest.File)) {
	files, err := manifest.ReadList(a.files[s.ManifestList])
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		change(f)
	}
	o := manifest.ListOptions{FormatVersion: 2, SnapshotID: s.ID, ParentID: s.ParentID, SequenceNumber: s.SequenceNumber}
	if s.FirstRowID != nil {
		o.FormatVersion, o.FirstRowID = 3, s.FirstRowID
	}
	data, err := manifest.EncodeList(o, files)
	if err != nil {
		t.Fatal(err)
	}
	put(s.ManifestList, data)
}

// forgeManifests rewrites the manifests of a snapshot in place.
func (a *attacked) forgeManifests(t *testing.T, put func(string, []byte), m *metadata.Table, s *metadata.Snapshot, field, location string) {
	a.forgeList(t, put, s, func(f *manifest.File) {
		entries, err := manifest.ReadAll(a.files[f.Path], f, nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := manifest.NewWriter(manifest.WriterOptions{
			FormatVersion: m.FormatVersion, Schema: m.CurrentSchema(), Spec: m.DefaultSpec(), Kind: f.Kind, SnapshotID: f.AddedSnapshotID, Path: f.Path,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if field == "file_path" {
				e.File.Path = location
			} else if f.Kind == manifest.Deletes {
				e.File.ReferencedDataFile = location
			}
			if err := w.Append(e); err != nil {
				return // not even a writer could name it
			}
		}
		data, written, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		f.Length = written.Length
		put(f.Path, data)
	})
}

// everything runs each operation that follows what metadata names. Whether it
// succeeds does not matter here.
func everything(ctx context.Context, w *watched) {
	cat := catalog.NewFiles(w, nil)
	tab, err := table.Open(ctx, cat, "shop.t", nil)
	if err != nil {
		return
	}
	drain := func(o *scan.Options) {
		for range tab.Scan(o).Rows(ctx) {
		}
	}
	drain(nil)
	for _, s := range tab.Metadata().Snapshots {
		drain(&scan.Options{SnapshotID: &s.ID})
	}
	for range tab.Changes(nil).Rows(ctx) {
	}
	_, _ = compaction.Compact(ctx, tab, nil)
	_, _ = compaction.RewriteManifests(ctx, tab, nil)
	if wr, err := tab.NewWriter(nil); err == nil {
		_ = wr.Upsert(ctx, schema.Row{int64(3), "mine"})
		_, _ = wr.Commit(ctx, nil)
		_ = wr.Truncate(ctx)
		_, _ = wr.Commit(ctx, nil)
		_ = wr.Close()
	}
	_, _ = compaction.Expire(ctx, tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{KeepLast: 1, OlderThan: time.Now().Add(time.Hour)}})
	_, _ = compaction.RemoveOrphans(ctx, tab, &compaction.OrphanOptions{Delete: true, Force: true, OlderThan: time.Nanosecond})
	_ = cat.DropTable(ctx, catalog.Identifier{Namespace: []string{"shop"}, Name: "t"}, true)
}

// TestHostileLocations: whatever a table's metadata, manifest lists and manifests
// name, no operation looks at or deletes anything outside the table's directory.
func TestHostileLocations(t *testing.T) {
	fields := []string{
		"location", "manifest-list", "manifest_path", "file_path", "referenced_data_file", "statistics", "partition-statistics",
		"metadata-log", "write.data.path", "write.metadata.path", "write.object-storage.path", "write.folder-storage.path",
	}
	locations, calls, outside := 0, 0, 0
	for _, version := range []int{2, 3} {
		a := newAttacked(t, version)
		all := hostileLocations(a.victim)
		if testing.Short() {
			all = all[:len(all)/8]
		}
		locations += len(all)
		// The operations reach their files at all when nothing is forged.
		w := a.forge(t, "comment", "x")
		everything(t.Context(), w)
		if n, out := w.seen(); len(out) > 0 || n < 100 {
			t.Fatalf("unforged: %d calls, outside: %q", n, out)
		}
		for _, field := range fields {
			for i, location := range all {
				if (i+version)%2 == 0 { // each location once in either version
					continue
				}
				w := a.forge(t, field, location)
				everything(t.Context(), w)
				n, out := w.seen()
				calls, outside = calls+n, outside+len(out)
				if len(out) > 0 {
					t.Errorf("v%d: %s = %q: %d calls outside, first %s", version, field, location, len(out), out[0])
				}
			}
		}
	}
	t.Logf("fields=%d locations=%d calls=%d outside=%d", len(fields), locations/2, calls, outside)
}
