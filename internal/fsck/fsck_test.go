package fsck_test

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// world is a small table and its store: two partitions, an update of a row and a
// delete, so that it has deletes by position.
type world struct {
	t     *testing.T
	ctx   context.Context
	store objstore.Store
	m     *metadata.Table // a copy, to be spoilt
}

func newWorld(t *testing.T, version int, encoding table.Encoding) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), store: objstore.NewMemory("mem://fsck")}
	cat := catalog.NewFiles(w.store, nil)
	clock := time.UnixMilli(1_700_000_000_000)
	tab, err := table.Create(w.ctx, cat, "f.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "p", Type: schema.Int},
		schema.Field{ID: 3, Name: "v", Type: schema.Double},
		schema.Field{ID: 4, Name: "s", Type: schema.Struct(schema.Field{ID: 5, Name: "x", Type: schema.String})},
	), &table.CreateOptions{
		Key: []string{"id", "p"}, FormatVersion: version, Partition: []partition.Field{partition.Identity("p")},
		Options: table.Options{Clock: func() time.Time { clock = clock.Add(time.Second); return clock }},
	})
	w.must(err)
	for i := range int64(3) {
		tw, err := tab.NewWriter(&table.WriterOptions{Encoding: encoding})
		w.must(err)
		for id := range int64(6) {
			if i == 0 || id == i {
				var s any = schema.Row{"text"}
				if id == 3 {
					s = nil
				}
				w.must(tw.Upsert(w.ctx, schema.Row{id, int32(id % 2), float64(id) / 2, s}))
			}
		}
		if i == 2 {
			w.must(tw.Delete(w.ctx, schema.Row{int64(5), int32(1)}))
		}
		_, err = tw.Commit(w.ctx, nil)
		w.must(err)
	}
	m := *tab.Metadata()
	m.Snapshots = slices.Clone(m.Snapshots)
	m.SnapshotLog = slices.Clone(m.SnapshotLog)
	m.Specs = slices.Clone(m.Specs)
	m.Schemas = slices.Clone(m.Schemas)
	refs := make(map[string]metadata.Ref)
	for k, v := range m.Refs {
		refs[k] = v
	}
	m.Refs = refs
	w.m = &m
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) check(deep bool) *fsck.Report {
	w.t.Helper()
	r, err := fsck.Check(w.ctx, fsck.Source{Store: w.store, Metadata: w.m}, &fsck.Options{Deep: deep})
	w.must(err)
	told := r.Err()
	if (told != nil) != (r.Errors > 0) {
		w.t.Errorf("errors=%d, told as %v", r.Errors, told)
	}
	for _, f := range r.Findings {
		if (told != nil && strings.Contains(told.Error(), f.String())) != (f.Severity == fsck.Error) {
			w.t.Errorf("%s: told as %v", f, told)
		}
	}
	return r
}

func (w *world) head() *metadata.Snapshot { return &w.m.Snapshots[len(w.m.Snapshots)-1] }

func (w *world) get(uri string) []byte {
	w.t.Helper()
	b, err := objstore.ReadAll(w.ctx, w.store, uri, 0)
	w.must(err)
	return b
}

func (w *world) put(uri string, data []byte) {
	w.t.Helper()
	w.must(w.store.Put(w.ctx, uri, data, nil))
}

// list changes the head's manifest list.
func (w *world) list(change func(files []*manifest.File) []*manifest.File) {
	w.t.Helper()
	s := w.head()
	files, err := manifest.ReadList(w.get(s.ManifestList))
	w.must(err)
	o := manifest.ListOptions{FormatVersion: w.m.FormatVersion, SnapshotID: s.ID, ParentID: s.ParentID, SequenceNumber: s.SequenceNumber, FirstRowID: s.FirstRowID}
	data, err := manifest.EncodeList(o, change(files))
	w.must(err)
	w.put(s.ManifestList, data)
}

// find returns the first live entry for which want is true, with its manifest.
func (w *world) find(want func(*manifest.Entry) bool) (*manifest.File, *manifest.Entry) {
	w.t.Helper()
	files, err := manifest.ReadList(w.get(w.head().ManifestList))
	w.must(err)
	for _, f := range files {
		spec, _ := w.m.Spec(f.SpecID)
		entries, err := manifest.ReadAll(w.get(f.Path), f, &manifest.ReadOptions{Spec: &spec, PartitionTypes: w.m.PartitionTypes(f.SpecID), Stats: manifest.StatsAll})
		w.must(err)
		for _, e := range entries {
			if want(e) {
				return f, e
			}
		}
	}
	w.t.Fatal("no such entry")
	return nil, nil
}

// entries rewrites the manifest of one entry with that entry changed; the list
// gets the right length and counts, so that only the entry is wrong.
func (w *world) entries(want func(*manifest.Entry) bool, change func(e *manifest.Entry, f *manifest.DataFile)) {
	w.t.Helper()
	mf, found := w.find(want)
	spec, _ := w.m.Spec(mf.SpecID)
	types := w.m.PartitionTypes(mf.SpecID)
	all, err := manifest.ReadAll(w.get(mf.Path), mf, &manifest.ReadOptions{Spec: &spec, PartitionTypes: types, Stats: manifest.StatsAll, KeepDeleted: true})
	w.must(err)
	mw, err := manifest.NewWriter(manifest.WriterOptions{
		FormatVersion: w.m.FormatVersion, Schema: w.m.CurrentSchema(), Spec: spec, PartitionTypes: types, Kind: mf.Kind,
		SnapshotID: mf.AddedSnapshotID, Path: mf.Path,
	})
	w.must(err)
	for _, e := range all {
		if e.File.Path == found.File.Path && e.File.ReferencedDataFile == found.File.ReferencedDataFile {
			f := *e.File
			e.File = &f
			change(e, &f)
		}
		w.must(mw.Append(e))
	}
	data, nf, err := mw.Close()
	w.must(err)
	w.put(mf.Path, data)
	w.list(func(files []*manifest.File) []*manifest.File {
		for i, f := range files {
			if f.Path == mf.Path {
				g := *nf
				g.SequenceNumber, g.MinSequenceNumber, g.FirstRowID = f.SequenceNumber, f.MinSequenceNumber, f.FirstRowID
				files[i] = &g
			}
		}
		return files
	})
}

func isData(e *manifest.Entry) bool {
	return e.IsLive() && e.File.Content == manifest.ContentData && e.File.RecordCount > 1
}

func isDelete(e *manifest.Entry) bool {
	return e.IsLive() && e.File.Content != manifest.ContentData
}

// TestClean: what the engine writes has no findings at all.
func TestClean(t *testing.T) {
	for _, version := range []int{2, 3} {
		for _, enc := range []table.Encoding{table.EncodingPosition, table.EncodingEquality} {
			r := newWorld(t, version, enc).check(true)
			for _, f := range r.Findings {
				t.Errorf("v%d: %s", version, f)
			}
			if r.Snapshots < 3 || r.DataFiles < 3 || r.DeleteFiles == 0 || r.Rows < 8 {
				t.Errorf("v%d: looked at %+v", version, r)
			}
		}
	}
}

// TestFindings spoils one thing at a time; each must be found, by its rule.
func TestFindings(t *testing.T) {
	cases := []struct {
		name  string
		rule  string
		deep  bool // found only by reading files
		spoil func(w *world)
	}{
		{"current schema", "schema", false, func(w *world) { w.m.CurrentSchemaID = 9 }},
		{"last column id", "schema", false, func(w *world) { w.m.LastColumnID = 2 }},
		{"default spec", "spec", false, func(w *world) { w.m.DefaultSpecID = 9 }},
		{"last partition id", "spec", false, func(w *world) { w.m.LastPartitionID = 999 }},
		{"default sort order", "sort-order", false, func(w *world) { w.m.DefaultSortOrderID = 9 }},
		{"snapshot twice", "snapshot", false, func(w *world) { w.m.Snapshots = append(w.m.Snapshots, w.m.Snapshots[0]) }},
		{"last sequence number", "sequence", false, func(w *world) { w.m.LastSequenceNumber-- }},
		{"sequence number not above the parent's", "sequence", false, func(w *world) { w.head().SequenceNumber-- }},
		{"snapshot later than the table", "time", false, func(w *world) { w.head().TimestampMS += 1 << 30 }},
		{"snapshot before its parent", "time", false, func(w *world) { w.head().TimestampMS -= 1 << 30 }},
		{"schema of a snapshot", "schema", false, func(w *world) { id := 9; w.head().SchemaID = &id }},
		{"ref to nowhere", "ref", false, func(w *world) { w.m.Refs["b"] = metadata.Ref{SnapshotID: 1, Type: "tag"} }},
		{"main is elsewhere", "ref", false, func(w *world) {
			w.m.Refs["main"] = metadata.Ref{SnapshotID: w.m.Snapshots[0].ID, Type: "branch"}
		}},
		{"log out of order", "log", false, func(w *world) { w.m.SnapshotLog[0].TimestampMS += 1 << 40 }},
		{"log ends elsewhere", "log", false, func(w *world) { w.m.SnapshotLog = w.m.SnapshotLog[:1] }},
		{"summary total", "summary", false, func(w *world) { w.summary("total-records", "4") }},
		{"summary added", "summary", false, func(w *world) { w.summary("added-data-files", "7") }},
		{"manifest list gone", "missing", false, func(w *world) { w.must(w.store.Delete(w.ctx, w.head().ManifestList)) }},
		{"manifest list garbled", "corrupt", false, func(w *world) { b := w.get(w.head().ManifestList); w.put(w.head().ManifestList, b[:len(b)-9]) }},
		{"manifest gone", "missing", false, func(w *world) { f, _ := w.find(isData); w.must(w.store.Delete(w.ctx, f.Path)) }},
		{"manifest cut", "length", false, func(w *world) { f, _ := w.find(isData); w.put(f.Path, append(w.get(f.Path), 0)) }},
		{"manifest listed twice", "manifest", false, func(w *world) {
			w.list(func(f []*manifest.File) []*manifest.File { return append(f, f[0]) })
		}},
		{"manifest's added files", "count", false, func(w *world) { w.changeFirst(func(f *manifest.File) { f.AddedFiles++ }) }},
		{"manifest's rows", "count", false, func(w *world) { w.changeFirst(func(f *manifest.File) { f.AddedRows += 5 }) }},
		{"manifest's minimum", "sequence", false, func(w *world) { w.changeFirst(func(f *manifest.File) { f.MinSequenceNumber += 7 }) }},
		{"manifest's spec", "spec", false, func(w *world) { w.changeFirst(func(f *manifest.File) { f.SpecID = 5 }) }},
		{"partition summary", "partition-summary", false, func(w *world) {
			w.changeFirst(func(f *manifest.File) {
				b, _ := schema.EncodeBound(schema.Int, int32(77))
				f.Partitions = []manifest.FieldSummary{{Lower: b, Upper: b}}
			})
		}},
		{"data file gone", "missing", false, func(w *world) { _, e := w.find(isData); w.must(w.store.Delete(w.ctx, e.File.Path)) }},
		{"data file cut", "length", false, func(w *world) {
			_, e := w.find(isData)
			b := w.get(e.File.Path)
			w.put(e.File.Path, b[:len(b)-1])
		}},
		{"data file's rows", "count", true, func(w *world) { w.change(isData, func(f *manifest.DataFile) { f.RecordCount++ }) }},
		{"data page garbled", "unreadable", true, func(w *world) {
			_, e := w.find(isData)
			b := bytes.Clone(w.get(e.File.Path))
			b[60] ^= 1
			w.put(e.File.Path, b)
		}},
		{"partition of the rows", "partition", true, func(w *world) {
			w.change(isData, func(f *manifest.DataFile) { f.Partition = partition.Tuple{int32(9)} })
		}},
		{"null count", "column", true, func(w *world) {
			w.change(isData, func(f *manifest.DataFile) { f.NullCounts = manifest.Counts{{FieldID: 3, N: 1}} })
		}},
		{"value count of a struct's member", "column", true, func(w *world) {
			w.change(isData, func(f *manifest.DataFile) { f.ValueCounts = manifest.Counts{{FieldID: 5, N: 90}} })
		}},
		{"lower bound", "bounds", true, func(w *world) {
			w.change(isData, func(f *manifest.DataFile) {
				b, _ := schema.EncodeBound(schema.Double, 2.0)
				f.Lower = manifest.Bounds{{FieldID: 3, Value: b}}
			})
		}},
		{"live twice", "twice", false, func(w *world) {
			_, first := w.find(isData)
			w.change(func(e *manifest.Entry) bool {
				return isData(e) && e.File.Path != first.File.Path || e.IsLive() && e.File.Content == 0 && e.File.RecordCount == 1
			}, func(f *manifest.DataFile) { f.Path = first.File.Path })
		}},
		{"more deletes than rows", "dv", false, func(w *world) { w.change(isDelete, func(f *manifest.DataFile) { f.RecordCount = 50 }) }},
		{"deletion vector's cardinality", "unreadable", true, func(w *world) { w.change(isDelete, func(f *manifest.DataFile) { f.RecordCount++ }) }},
		{"deletion vector's checksum", "unreadable", true, func(w *world) {
			_, e := w.find(isDelete)
			b := bytes.Clone(w.get(e.File.Path))
			b[*e.File.ContentOffset+*e.File.ContentSize-6] ^= 1
			w.put(e.File.Path, b)
		}},
		{"deletion vector's place", "dv", false, func(w *world) {
			w.change(isDelete, func(f *manifest.DataFile) { n := f.FileSize; f.ContentOffset = &n })
		}},
		{"deletion vector's data file", "dangling", false, func(w *world) {
			w.change(isDelete, func(f *manifest.DataFile) { f.ReferencedDataFile += "x" })
		}},
		{"schema twice", "schema", false, func(w *world) { w.m.Schemas = append(w.m.Schemas, w.m.Schemas[0]) }},
		{"spec twice", "spec", false, func(w *world) { w.m.Specs = append(w.m.Specs, w.m.Specs[0]) }},
		{"sort order twice", "sort-order", false, func(w *world) {
			w.m.SortOrders = append(slices.Clone(w.m.SortOrders), w.m.SortOrders[0])
		}},
		{"metadata log out of order", "log", false, func(w *world) {
			w.m.MetadataLog = slices.Clone(w.m.MetadataLog)
			w.m.MetadataLog[0].TimestampMS += 1 << 40
		}},
		{"metadata log ends later than the table", "log", false, func(w *world) {
			w.m.MetadataLog = slices.Clone(w.m.MetadataLog)
			w.m.MetadataLog[len(w.m.MetadataLog)-1].TimestampMS += 1 << 40
		}},
		{"row ids past the last there is", "row-id", false, func(w *world) { n := int64(math.MaxInt64); w.head().FirstRowID = &n }},
		{"next row id", "row-id", false, func(w *world) { w.m.NextRowID = 3 }},
		{"row ids of snapshots overlap", "row-id", false, func(w *world) { n := int64(1); w.head().FirstRowID = &n }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 3, table.EncodingPosition)
			c.spoil(w)
			if r := w.check(true); !has(r, c.rule) {
				t.Errorf("no finding by rule %s: %v", c.rule, r.Findings)
			}
			if r := w.check(false); has(r, c.rule) == c.deep {
				t.Errorf("without reading files: %v", r.Findings)
			}
		})
	}
	t.Logf("spoilt=%d", len(cases))
}

func has(r *fsck.Report, rule string) bool {
	return slices.ContainsFunc(r.Findings, func(f fsck.Finding) bool { return f.Rule == rule })
}

func (w *world) summary(name, value string) {
	s := w.head()
	sum := make(map[string]string)
	for k, v := range s.Summary {
		sum[k] = v
	}
	sum[name] = value
	s.Summary = sum
}

// changeFirst changes the description of the manifest with the largest file.
func (w *world) changeFirst(change func(f *manifest.File)) {
	mf, _ := w.find(isData)
	w.list(func(files []*manifest.File) []*manifest.File {
		for _, f := range files {
			if f.Path == mf.Path {
				change(f)
			}
		}
		return files
	})
}

func (w *world) change(want func(*manifest.Entry) bool, change func(f *manifest.DataFile)) {
	w.entries(want, func(_ *manifest.Entry, f *manifest.DataFile) { change(f) })
}

// TestDeletes spoils what deletes by position and equality say of themselves.
func TestDeletes(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		enc        table.Encoding
		change     func(f *manifest.DataFile)
	}{
		{"rows of position deletes", "count", table.EncodingPosition, func(f *manifest.DataFile) { f.RecordCount++ }},
		{"path bounds of position deletes", "bounds", table.EncodingPosition, func(f *manifest.DataFile) {
			f.ReferencedDataFile = ""
			f.Lower = manifest.Bounds{{FieldID: schema.IDDeleteFilePath, Value: []byte("zzz")}}
			f.Upper = manifest.Bounds{{FieldID: schema.IDDeleteFilePath, Value: []byte("zzzz")}}
		}},
		{"bounds of equality deletes", "bounds", table.EncodingEquality, func(f *manifest.DataFile) {
			b, _ := schema.EncodeBound(schema.Long, int64(700))
			f.Lower, f.Upper = manifest.Bounds{{FieldID: 1, Value: b}}, manifest.Bounds{{FieldID: 1, Value: b}}
		}},
		{"columns of equality deletes", "equality", table.EncodingEquality, func(f *manifest.DataFile) { f.EqualityIDs = []int{77} }},
	} {
		w := newWorld(t, 2, c.enc)
		w.change(isDelete, c.change)
		if r := w.check(true); !has(r, c.rule) {
			t.Errorf("%s: %v", c.name, r.Findings)
		}
	}
}

// TestPositionsBeyond: a delete of a row that the file does not have is found
// however the delete file spells the data file's path.
func TestPositionsBeyond(t *testing.T) {
	for _, spelled := range []string{"mem://fsck/", "/"} {
		w := newWorld(t, 2, table.EncodingPosition)
		_, data := w.find(isData)
		_, e := w.find(isDelete)
		var p deletes.Positions
		p.Add(uint64(data.File.RecordCount))
		path := strings.Replace(data.File.Path, "mem://fsck/", spelled, 1)
		w.must(w.store.Delete(w.ctx, e.File.Path))
		n, err := deletes.WritePositions(w.ctx, w.store, e.File.Path, deletes.Target{Path: path, SpecID: e.File.SpecID, Partition: e.File.Partition, Positions: &p}, nil)
		w.must(err)
		w.change(isDelete, func(f *manifest.DataFile) {
			f.RecordCount, f.FileSize, f.Lower, f.Upper, f.ReferencedDataFile = n.RecordCount, n.FileSize, n.Lower, n.Upper, ""
		})
		if r := w.check(true); !has(r, "position") {
			t.Errorf("%s: %v", path, r.Findings)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	w := newWorld(t, 2, table.EncodingPosition)
	for i := range w.m.Snapshots {
		w.m.Snapshots[i].Summary = map[string]string{"total-records": "99", "total-data-files": "99"}
	}
	r, err := fsck.Check(w.ctx, fsck.Source{Store: w.store, Metadata: w.m}, &fsck.Options{MaxFindings: 2})
	w.must(err)
	if len(r.Findings) != 2 || r.Errors < 6 || !strings.HasPrefix(r.Findings[0].String(), "error: summary: snapshot ") {
		t.Errorf("%d findings of %d: %v", len(r.Findings), r.Errors, r.Findings)
	}
}
