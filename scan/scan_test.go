package scan_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

var keyValue = schema.MustNew(
	schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
	schema.Field{ID: 2, Name: "v", Type: schema.String})

// kv makes rows of keyValue with ids from from up to to.
func kv(from, to int64) []schema.Row {
	var rows []schema.Row
	for i := from; i < to; i++ {
		rows = append(rows, schema.Row{i, fmt.Sprint("v", i)})
	}
	return rows
}

// ids reads the column id, sorted.
func ids(t testing.TB, s *scan.Scan) ([]int64, error) {
	t.Helper()
	var out []int64
	for row, err := range s.Rows(context.Background()) {
		if err != nil {
			return out, err
		}
		out = append(out, row[0].(int64))
	}
	slices.Sort(out)
	return out, nil
}

func mustIDs(t testing.TB, src scan.Source, o *scan.Options) []int64 {
	t.Helper()
	got, err := ids(t, scan.New(src, o))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestMissingAndShortFiles(t *testing.T) {
	ctx := context.Background()
	for _, what := range []string{"data", "eq", "pos", "dv"} {
		version := 2
		if what == "dv" {
			version = 3
		}
		b := newBuilder(t, version, keyValue)
		f := b.data(nil, kv(0, 100))
		b.commit(snapshot.Changes{AddData: []*manifest.DataFile{f, b.data(nil, kv(100, 200))}})
		switch what {
		case "eq":
			b.commit(snapshot.Changes{AddDeletes: []*manifest.DataFile{b.equality(0, nil, []string{"id"}, []schema.Row{{int64(7)}})}})
		case "pos":
			b.commit(snapshot.Changes{AddDeletes: []*manifest.DataFile{b.positions(f, 7)}})
		case "dv":
			b.commit(snapshot.Changes{AddDeletes: b.dvs(target(f, []uint64{7}))})
		}
		var victim string
		for info, err := range b.store.List(ctx, "mem://t/table/data") {
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(info.URI, "-"+what+".") {
				victim = info.URI
			}
		}
		whole, err := objstore.ReadAll(ctx, b.store, victim, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(mustIDs(t, b.source(), nil)); n < 199 {
			t.Fatalf("%s: %d rows", what, n)
		}
		for _, cut := range []int{0, 4, 10, len(whole) / 2, len(whole) - 1} {
			if err := b.store.Put(ctx, victim, whole[:cut], nil); err != nil {
				t.Fatal(err)
			}
			for _, o := range []*scan.Options{nil, {Concurrency: 1}, {Ordered: true, Concurrency: 3}} {
				if _, err := ids(t, scan.New(b.source(), o)); what != "dv" && !errors.Is(err, scan.ErrMissingFile) || err == nil && cut < 60 {
					t.Errorf("%s cut to %d bytes: %v", what, cut, err)
				} else if err != nil && !strings.Contains(err.Error(), victim) {
					t.Errorf("%s: the error does not name the file: %v", what, err)
				}
			}
		}
		if err := b.store.Delete(ctx, victim); err != nil {
			t.Fatal(err)
		}
		if _, err := ids(t, scan.New(b.source(), nil)); !errors.Is(err, scan.ErrMissingFile) || !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("%s gone: %v", what, err)
		}
	}
}

func TestUnsupportedFiles(t *testing.T) {
	b := newBuilder(t, 2, keyValue)
	f := b.data(nil, kv(0, 10))
	f.Format = manifest.FormatORC
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{f}})
	if _, err := ids(t, scan.New(b.source(), nil)); !errors.Is(err, scan.ErrUnsupported) || !strings.Contains(err.Error(), f.Path) {
		t.Errorf("orc: %v", err)
	}
	// Its rows are in the metadata all the same.
	if n, err := scan.New(b.source(), nil).Count(context.Background()); n != 10 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
}

// Whenever a consumer stops, nothing that was read stays behind.
func TestEarlyStop(t *testing.T) {
	b := newBuilder(t, 2, keyValue)
	b.opts = parquetfile.WriterOptions{RowGroupRows: 100}
	var files []*manifest.DataFile
	for i := range int64(8) {
		files = append(files, b.data(nil, kv(i*1000, i*1000+1000)))
	}
	b.commit(snapshot.Changes{AddData: files})
	b.commit(snapshot.Changes{AddDeletes: []*manifest.DataFile{b.equality(0, nil, []string{"id"}, []schema.Row{{int64(3)}})}})
	for _, ordered := range []bool{false, true} {
		for _, workers := range []int{1, 4} {
			for _, stop := range []int{1, 2, 9, 1 << 30} {
				mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
				s := scan.New(b.source(), &scan.Options{Ordered: ordered, Concurrency: workers, BatchRows: 100, Allocator: mem})
				n := 0
				for _, err := range s.Batches(context.Background()) {
					if err != nil {
						t.Fatal(err)
					}
					if n++; n == stop {
						break
					}
				}
				mem.AssertSize(t, 0)
			}
			ctx, cancel := context.WithCancel(context.Background())
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			s := scan.New(b.source(), &scan.Options{Ordered: ordered, Concurrency: workers, BatchRows: 100, Allocator: mem})
			var last error
			for _, err := range s.Batches(ctx) {
				cancel()
				last = err
			}
			cancel()
			if !errors.Is(last, context.Canceled) {
				t.Errorf("ordered %v, %d workers: cancelled scan ends with %v", ordered, workers, last)
			}
			mem.AssertSize(t, 0)
		}
	}
}

func TestLimitAndOrder(t *testing.T) {
	b := newBuilder(t, 2, keyValue)
	b.opts = parquetfile.WriterOptions{RowGroupRows: 70}
	var files []*manifest.DataFile
	for i := range int64(5) {
		files = append(files, b.data(nil, kv(i*300, i*300+300)))
	}
	b.commit(snapshot.Changes{AddData: files})
	b.commit(snapshot.Changes{AddDeletes: []*manifest.DataFile{b.positions(files[0], 0)}})
	for _, n := range []int64{1, 69, 70, 71, 1000, 1499, 1500, 5000} {
		for _, o := range []scan.Options{{}, {Concurrency: 1}, {BatchRows: 13, Concurrency: 4}} {
			o.Limit = n
			if got := mustIDs(t, b.source(), &o); int64(len(got)) != min(n, 1499) {
				t.Errorf("limit %d: %d rows", n, len(got))
			}
		}
	}
	for _, workers := range []int{1, 2, 5} {
		next := int64(1)
		for row, err := range scan.New(b.source(), &scan.Options{Ordered: true, Concurrency: workers, BatchRows: 40}).Rows(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			if row[0] != next {
				t.Fatalf("%d workers: row %v where %d is next", workers, row[0], next)
			}
			next++
		}
	}
}

func TestSnapshotChoice(t *testing.T) {
	b := newBuilder(t, 2, keyValue)
	if got := mustIDs(t, b.source(), nil); len(got) != 0 {
		t.Errorf("empty table: %v", got)
	}
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{b.data(nil, kv(0, 1))}})
	first := *b.meta.CurrentSnapshotID
	at := b.now
	ev := schema.NewEvolution(b.meta.CurrentSchema(), b.meta.LastColumnID, 2)
	if err := ev.Rename("v", "w"); err != nil {
		t.Fatal(err)
	}
	s, _, err := ev.Schema()
	if err != nil {
		t.Fatal(err)
	}
	b.update(metadata.AddSchema{Schema: s}, metadata.SetCurrentSchema{SchemaID: metadata.LastAdded},
		metadata.SetRef{Name: "old", Ref: metadata.Ref{SnapshotID: first, Type: "tag"}},
		metadata.SetRef{Name: "dev", Ref: metadata.Ref{SnapshotID: first, Type: "branch"}})
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{b.data(nil, kv(1, 3))}})
	missing := int64(7)
	for _, c := range []struct {
		o    scan.Options
		rows int
		name string
	}{
		{scan.Options{}, 3, "w"},
		{scan.Options{SnapshotID: &first}, 1, "v"},
		{scan.Options{SnapshotID: &first, UseCurrentSchema: true}, 1, "w"},
		{scan.Options{AsOf: at}, 1, "v"},
		{scan.Options{AsOf: b.now.Add(time.Hour)}, 3, "w"},
		{scan.Options{Ref: "old"}, 1, "v"},
		{scan.Options{Ref: "dev"}, 1, "w"},
		{scan.Options{Ref: "dev", UseSnapshotSchema: true}, 1, "v"},
		{scan.Options{Ref: "main"}, 3, "w"},
		{scan.Options{SnapshotID: &missing}, -1, ""},
		{scan.Options{Ref: "none"}, -1, ""},
		{scan.Options{AsOf: at.Add(-time.Hour)}, -1, ""},
	} {
		sc := scan.New(b.source(), &c.o)
		got, err := ids(t, sc)
		if c.rows < 0 {
			if !errors.Is(err, scan.ErrNoSnapshot) {
				t.Errorf("%+v: %v", c.o, err)
			}
			continue
		}
		out, serr := sc.Schema()
		if err != nil || serr != nil || len(got) != c.rows || out.Fields[1].Name != c.name {
			t.Errorf("%+v: %d rows, column %v: %v", c.o, len(got), out, err)
		}
	}
	if _, err := scan.New(b.source(), &scan.Options{SnapshotID: &first, Ref: "dev"}).Schema(); err == nil {
		t.Error("two choices at once")
	}
	if _, err := scan.New(b.source(), &scan.Options{Columns: []string{"idd"}}).Schema(); err == nil || !strings.Contains(err.Error(), "id") {
		t.Errorf("unknown column: %v", err)
	}
}

func TestMetadataColumns(t *testing.T) {
	b := newBuilder(t, 3, modelSchema, partition.Identity("p"))
	rows := []schema.Row{
		{int64(0), "a", int32(4), nil, nil, int64(10)},
		{int64(1), "b", int32(4), nil, nil, int64(11)},
		{int64(2), "c", int32(4), nil, nil, int64(12)},
	}
	f := b.data(partition.Tuple{int32(4)}, rows)
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{f, b.data(partition.Tuple{nil}, []schema.Row{{int64(3), "d", nil, nil, nil, int64(13)}})}})
	b.commit(snapshot.Changes{AddDeletes: b.dvs(target(f, []uint64{1}))})
	o := &scan.Options{Ordered: true, Columns: []string{
		"_file", "_pos", "_spec_id", "_partition", "_row_id", "_last_updated_sequence_number", "k",
	}}
	var got []string
	for row, err := range scan.New(b.source(), o).Rows(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		row[0] = strings.HasPrefix(row[0].(string), "mem://t/table/data/")
		got = append(got, fmt.Sprint(row...))
	}
	want := []string{
		"true 0 0 [4] 0 1 0",
		"true 2 0 [4] 2 1 2",
		"true 0 0 [<nil>] 3 1 3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestGet(t *testing.T) {
	b := newBuilder(t, 2, keyValue)
	b.opts = parquetfile.WriterOptions{RowGroupRows: 100, PageBytes: 300, KeyColumns: []int{1}}
	var files []*manifest.DataFile
	for i := range int64(5) {
		files = append(files, b.data(nil, kv(i*1000, i*1000+1000)))
	}
	b.commit(snapshot.Changes{AddData: files})
	b.commit(snapshot.Changes{AddDeletes: []*manifest.DataFile{b.positions(files[1], 5), b.equality(0, nil, []string{"id"}, []schema.Row{{int64(2007)}})}})
	get := func(columns []string, keys ...schema.Row) []int64 {
		var out []int64
		for row, err := range scan.New(b.source(), nil).Get(context.Background(), columns, keys) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, row[0].(int64))
		}
		slices.Sort(out)
		return out
	}
	key := func(v any) schema.Row { return schema.Row{v} }
	for i, c := range []struct{ got, want []int64 }{
		{get([]string{"id"}, key(int64(42))), []int64{42}},
		{get([]string{"id"}, key(42), key(int64(3333)), key(4999), key(5000)), []int64{42, 3333, 4999}},
		{get([]string{"id"}, key(1005), key(2007)), nil},
		{get([]string{"v", "id"}, schema.Row{"v7", 7}, schema.Row{"v8", 7}), []int64{7}},
		{get([]string{"v"}, key("v4321"), key(nil)), []int64{4321}},
		{get([]string{"id"}), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("case %d: %v, want %v", i, c.got, c.want)
		}
	}
	for _, err := range scan.New(b.source(), nil).Get(context.Background(), nil, []schema.Row{key(1)}) {
		if err == nil {
			t.Error("get without a key")
		}
	}
}

func TestPlanPrunes(t *testing.T) {
	b := newBuilder(t, 2, keyValue, partition.Bucket("id", 4))
	var files []*manifest.DataFile
	for i := range int64(4) {
		var rows []schema.Row
		for _, r := range kv(0, 400) {
			tr := partition.Transform{Kind: partition.BucketTransform, Param: 4}
			if tr.Apply(schema.Long, r[0]) == int32(i) {
				rows = append(rows, r)
			}
		}
		files = append(files, b.data(partition.Tuple{int32(i)}, rows[:len(rows)/2]), b.data(partition.Tuple{int32(i)}, rows[len(rows)/2:]))
	}
	b.commit(snapshot.Changes{AddData: files})
	p, err := scan.New(b.source(), &scan.Options{Filter: expr.Eq("id", 42)}).Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if p.Stats.DataFiles != 8 || p.Stats.DataFilesPruned != 7 || len(p.Tasks) != 1 || len(p.Tasks[0].Files) != 1 {
		t.Errorf("%+v, %d tasks", p.Stats, len(p.Tasks))
	}
	p, err = scan.New(b.source(), &scan.Options{TargetTaskBytes: 1}).Plan(context.Background())
	if err != nil || len(p.Tasks) != 8 {
		t.Errorf("%d tasks, %v", len(p.Tasks), err)
	}
	b.update(metadata.SetProperties{Properties: map[string]string{"read.split.target-size": "1"}})
	if p, err = scan.New(b.source(), nil).Plan(context.Background()); err != nil || len(p.Tasks) != 8 {
		t.Errorf("by property: %d tasks, %v", len(p.Tasks), err)
	}
}

// Equality deletes past the budget are applied part by part.
func TestMemoryBudget(t *testing.T) {
	b := newBuilder(t, 2, keyValue)
	b.opts = parquetfile.WriterOptions{RowGroupRows: 1000}
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{b.data(nil, kv(0, 5000)), b.data(nil, kv(5000, 10_000))}})
	var keys []schema.Row
	for i := range int64(20_000) {
		if i%3 > 0 {
			keys = append(keys, schema.Row{i})
		}
	}
	b.commit(snapshot.Changes{
		AddData:    []*manifest.DataFile{b.data(nil, kv(10_000, 12_000))},
		AddDeletes: []*manifest.DataFile{b.equality(0, nil, []string{"id"}, keys)},
	})
	want := mustIDs(t, b.source(), nil)
	if len(want) != 3334+2000 {
		t.Fatalf("%d rows", len(want))
	}
	for _, o := range []scan.Options{{MemoryBudget: 100_000}, {MemoryBudget: 20_000, Ordered: true}, {MemoryBudget: 1, Concurrency: 1}} {
		if got := mustIDs(t, b.source(), &o); !slices.Equal(got, want) {
			t.Errorf("%+v: %d rows, want %d", o, len(got), len(want))
		}
		if n, err := scan.New(b.source(), &o).Count(context.Background()); n != int64(len(want)) || err != nil {
			t.Errorf("%+v: count %d: %v", o, n, err)
		}
	}
}
