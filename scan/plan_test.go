package scan_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// planLines lists the files of a plan with the deletes that apply, a line each.
func planLines(tasks []*scan.Task) []string {
	var out []string
	for _, t := range tasks {
		for _, f := range t.Files {
			line := fmt.Sprint(f.Data.File.Path, " seq ", f.Data.SequenceNumber, " rows ", f.Data.File.RecordCount, " part ", f.Data.File.Partition, " from ", f.Start, "+", f.Length)
			for _, e := range f.Positions {
				line += " pos " + e.File.Path
			}
			for _, e := range f.Equality {
				line += " eq " + e.File.Path
			}
			if f.DV != nil {
				line += " dv " + f.DV.File.Path
			}
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

// manyFiles makes a table of 6,000 files in three manifests of different sizes,
// and some delete files of every kind in two more.
func manyFiles(t *testing.T) *builder {
	b := newBuilder(t, 2, orders, partition.Identity("n"))
	one := b.data(partition.Tuple{int32(0)}, []schema.Row{{int64(1), "c", "new", 1.0, int64(5), int32(3)}})
	at := 0
	var some []*manifest.DataFile
	for i, n := range []int{1, 5000, 999} {
		var ch snapshot.Changes
		for range n {
			f := *one
			f.Path = fmt.Sprintf("mem://t/table/data/%06d.parquet", at)
			f.Partition = partition.Tuple{int32(at % 16)}
			if at%16 == 3 {
				f.Partition = partition.Tuple{nil}
			}
			f.RecordCount = int64(at%3) * 10 // a third are empty
			lo, _ := schema.EncodeBound(schema.Long, int64(at)*1000)
			hi, _ := schema.EncodeBound(schema.Long, int64(at)*1000+999)
			f.Metrics = manifest.Metrics{Lower: manifest.Bounds{{FieldID: 1, Value: lo}}, Upper: manifest.Bounds{{FieldID: 1, Value: hi}}}
			if at%100 == 1 {
				some = append(some, &f)
			}
			ch.AddData = append(ch.AddData, &f)
			at++
		}
		if i > 0 {
			ch.AddDeletes = append(ch.AddDeletes, b.positions(some[len(some)-1], 1, 2), b.equality(0, partition.Tuple{int32(5)}, []string{"id"}, []schema.Row{{int64(2_005_000)}, {int64(4_000_000)}}))
		}
		b.commit(ch)
	}
	return b
}

// TestPlans compares plans made in every way: at once and as a stream, cold and
// with a cache, and a filter's with a plan without it of which the filter's
// files are picked afterwards.
func TestPlans(t *testing.T) {
	b := manyFiles(t)
	ctx := context.Background()
	src := b.source()
	src.Cache = snapshot.NewCache(0)
	for _, c := range []struct {
		name   string
		filter expr.Expr
		keep   func(at int) bool
	}{
		{"all", nil, func(int) bool { return true }},
		{"partition", expr.Eq("n", int32(5)), func(at int) bool { return at%16 == 5 }},
		{"partitions", expr.In("n", int32(2), int32(14), int32(900)), func(at int) bool { return at%16 == 2 || at%16 == 14 }},
		{"null partition", expr.IsNull("n"), func(at int) bool { return at%16 == 3 }},
		{"value", expr.Eq("id", int64(4_000_007)), func(at int) bool { return at == 4000 }},
		{"values", expr.Ge("id", int64(5_998_500)), func(at int) bool { return at >= 5998 }},
		{"both", expr.And(expr.Eq("n", int32(1)), expr.Lt("id", int64(40_000))), func(at int) bool { return at%16 == 1 && at < 40 }},
		{"nothing", expr.Eq("id", int64(-1)), func(int) bool { return false }},
	} {
		o := &scan.Options{Filter: c.filter}
		cold, err := scan.New(b.source(), o).Plan(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := planLines(cold.Tasks)
		n := 0
		for at := range 6000 {
			if at%3 != 0 && c.keep(at) {
				n++
			}
		}
		if len(want) != n {
			t.Errorf("%s: %d files, want %d", c.name, len(want), n)
		}
		for _, how := range []string{"first", "second"} {
			warm, err := scan.New(src, o).Plan(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got := planLines(warm.Tasks); !slices.Equal(got, want) {
				t.Errorf("%s: %s plan with a cache has %d files, want %d", c.name, how, len(got), len(want))
			}
			if warm.Stats != cold.Stats {
				t.Errorf("%s: %s plan with a cache: %+v, cold %+v", c.name, how, warm.Stats, cold.Stats)
			}
		}
		var tasks []*scan.Task
		for task, err := range scan.New(src, o).Tasks(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			tasks = append(tasks, task)
		}
		if got := planLines(tasks); !slices.Equal(got, want) {
			t.Errorf("%s: the stream has %d files, want %d", c.name, len(got), len(want))
		}
		naive := naivePlan(t, b, c.keep)
		if !reflect.DeepEqual(naive, want) {
			t.Errorf("%s: %d files, without packing %d", c.name, len(want), len(naive))
		}
	}
	for range scan.New(src, nil).Tasks(ctx) {
		break
	}
}

// openCounter counts how often an object is opened.
type openCounter struct {
	objstore.Store
	uri   string
	opens atomic.Int64
}

func (s *openCounter) Open(ctx context.Context, uri string) (objstore.Object, error) {
	if uri == s.uri {
		s.opens.Add(1)
	}
	return s.Store.Open(ctx, uri)
}

// TestPlanReadsListOnce: whatever a plan is for, the list of manifests is read
// once, without a cache too.
func TestPlanReadsListOnce(t *testing.T) {
	b := releaseTable(t)
	store := &openCounter{Store: b.store, uri: b.meta.Current().ManifestList}
	src := b.source()
	src.Store = store
	sc := scan.New(src, nil)
	for what, use := range map[string]func() error{
		"plan":  func() error { _, err := sc.Plan(b.ctx); return err },
		"count": func() error { _, err := sc.Count(b.ctx); return err },
		"get": func() error {
			for _, err := range sc.Get(b.ctx, []string{"id"}, []schema.Row{{int64(3)}}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"batches": func() error {
			for _, err := range sc.Batches(b.ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		store.opens.Store(0)
		if err := use(); err != nil || store.opens.Load() != 1 {
			t.Errorf("%s: the list was opened %d times, %v", what, store.opens.Load(), err)
		}
	}
}

// naivePlan plans with LiveFiles and an index of all deletes.
func naivePlan(t *testing.T, b *builder, keep func(at int) bool) []string {
	t.Helper()
	ctx := context.Background()
	live := snapshot.LiveFiles(ctx, b.store, b.meta, b.meta.Current(), &snapshot.LiveOptions{Stats: manifest.StatsAll})
	index, err := snapshot.BuildDeleteIndex(b.meta, live)
	if err != nil {
		t.Fatal(err)
	}
	task := &scan.Task{}
	for e, err := range live {
		if err != nil {
			t.Fatal(err)
		}
		var at int
		if _, err := fmt.Sscanf(e.File.Path, "mem://t/table/data/%06d.parquet", &at); err != nil || e.File.RecordCount == 0 || !keep(at) {
			continue
		}
		d, err := index.For(e)
		if err != nil {
			t.Fatal(err)
		}
		task.Files = append(task.Files, scan.FileTask{Data: e, DV: d.DV, Positions: d.Positions, Equality: d.Equality})
	}
	return planLines([]*scan.Task{task})
}
