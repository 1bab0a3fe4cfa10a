package snapshot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// BenchmarkCommit makes appends of one file on a local store, all files fsynced,
// to a table that already had so many; the metadata file is not part of it.
func BenchmarkCommit(b *testing.B) {
	for _, before := range []int{0, 1000, 5000} {
		b.Run(fmt.Sprint("commits=", before), func(b *testing.B) {
			w := newWorld(b, 2, true, nil)
			n := 0
			commit := func() {
				n++
				name := fmt.Sprint("mem://w/t/data/00000-0-c5b0c1a2-", n, ".parquet")
				if _, err := w.commitIf(Changes{AddData: files(w.data(name, 10, float64(n%5)))}, Conditions{}); err != nil {
					b.Fatal(err)
				}
				// Keep the history short: its cost belongs to package metadata.
				if len(w.table.Snapshots) > 20 {
					var old []int64
					for i := range 10 {
						old = append(old, w.table.Snapshots[i].ID)
					}
					w.change(metadata.RemoveSnapshots{IDs: old})
				}
			}
			for range before {
				commit()
			}
			local, err := objstore.NewLocal(b.TempDir(), nil)
			if err != nil {
				b.Fatal(err)
			}
			w.store.Store = overlay{w.store.Store, local}
			b.ResetTimer()
			for range b.N {
				commit()
			}
			b.ReportMetric(float64(len(w.manifestsB(b))), "manifests")
		})
	}
}

// BenchmarkCommitVectors replaces the deletion vectors of ten random files of
// 20,000 per commit, in memory.
func BenchmarkCommitVectors(b *testing.B) {
	w := newWorld(b, 3, false, nil)
	const n = 20_000
	vectors := make([]*manifest.DataFile, n)
	for i := range vectors {
		vectors[i] = w.dv("p", fmt.Sprint("mem://w/t/data/00000-0-c5b0c1a2-", i, ".parquet"), int64(i*10+4), 10, 1, 0)
	}
	w.commit(Changes{AddDeletes: vectors})
	r := rand.New(rand.NewPCG(1, 1))
	b.ResetTimer()
	for i := range b.N {
		c := Changes{}
		for range 10 {
			k := r.IntN(n)
			v := w.dv(fmt.Sprint("p", i), vectors[k].ReferencedDataFile, int64(k*10+4), 10, 2, 0)
			c.RemoveDeletes, c.AddDeletes = append(c.RemoveDeletes, vectors[k]), append(c.AddDeletes, v)
			vectors[k] = v
		}
		if _, err := w.commitIf(c, Conditions{}); err != nil {
			b.Fatal(err)
		}
		if len(w.table.Snapshots) > 20 {
			w.change(metadata.RemoveSnapshots{IDs: []int64{w.table.Snapshots[0].ID}})
		}
	}
	b.ReportMetric(float64(len(w.manifestsB(b))), "manifests")
}

// overlay writes to a local store what a memory store would get.
type overlay struct {
	objstore.Store
	local objstore.Store
}

func (o overlay) Put(ctx context.Context, uri string, data []byte, opts *objstore.PutOptions) error {
	if err := o.local.Put(ctx, objstore.Join(o.local.Root(), baseName(uri)), data, opts); err != nil {
		return err
	}
	return o.Store.Put(ctx, uri, data, opts)
}

func (w *world) manifestsB(b *testing.B) []*manifest.File {
	files, err := Manifests(context.Background(), w.store, w.table, w.table.Current(), w.cache)
	if err != nil {
		b.Fatal(err)
	}
	return files
}

// BenchmarkLiveFiles reads 200,000 files cold from a local store.
func BenchmarkLiveFiles(b *testing.B) {
	w := newWorld(b, 2, true, map[string]string{"commit.manifest-merge.enabled": "false"})
	local, err := objstore.NewLocal(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	w.store.Store = mapped{local}
	const per, commits = 20_000, 10
	for c := range commits {
		add := make([]*manifest.DataFile, per)
		for i := range add {
			f := w.data(fmt.Sprintf("mem://w/t/data/p=%d/%05d-%d-0b5c9f5e-7a3a-4c7e-9d3c-2a6c7d1e2f3a-00001.parquet", c, i, i*7), 1000, float64(c))
			for id := 1; id <= 3; id++ {
				f.ValueCounts = append(f.ValueCounts, manifest.Count{FieldID: id, N: 1000})
				f.Lower = append(f.Lower, manifest.Bound{FieldID: id, Value: []byte(fmt.Sprintf("%08d", i))})
				f.Upper = append(f.Upper, manifest.Bound{FieldID: id, Value: []byte(fmt.Sprintf("%08d", i+1))})
			}
			add[i] = f
		}
		w.commit(Changes{AddData: add})
	}
	for _, o := range []struct {
		name string
		opts LiveOptions
	}{
		{"plain", LiveOptions{}},
		{"stats", LiveOptions{Stats: manifest.StatsAll, StatsFields: []int{1}}},
		{"filtered", LiveOptions{Stats: manifest.StatsAll, StatsFields: []int{1}, KeepEntry: func(e *manifest.Entry) bool { return e.File.FileSize == 0 }}},
	} {
		b.Run(o.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range LiveFiles(context.Background(), w.store, w.table, w.table.Current(), &o.opts) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != per*commits && o.name != "filtered" {
					b.Fatal(n)
				}
			}
		})
	}
}

// mapped keeps the objects of mem://w in a local store.
type mapped struct{ objstore.Store }

func (m mapped) uri(uri string) string { return objstore.Join(m.Root(), baseName(uri)) }

func (m mapped) Put(ctx context.Context, uri string, data []byte, opts *objstore.PutOptions) error {
	return m.Store.Put(ctx, m.uri(uri), data, opts)
}

func (m mapped) Open(ctx context.Context, uri string) (objstore.Object, error) {
	return m.Store.Open(ctx, m.uri(uri))
}

// BenchmarkDeleteIndex matches 10,000 data files with 1,000 equality and 10,000
// position deletes.
func BenchmarkDeleteIndex(b *testing.B) {
	w := newWorld(b, 2, true, nil)
	var deletes, data []*manifest.Entry
	for i := range 10_000 {
		name := fmt.Sprint("mem://w/t/data/", i)
		data = append(data, entry(w.data(name, 10, float64(i%10)), int64(i%500)))
		deletes = append(deletes, entry(w.positions(name+"-d", name, 1, float64(i%10)), int64(i%500+1)))
		if i%10 == 0 {
			deletes = append(deletes, entry(w.equality(name+"-e", 1, float64(i/10%10)), int64(i/10)))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		x, err := BuildDeleteIndex(w.table, seqOf(deletes...))
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range data {
			if _, err := x.For(e); err != nil {
				b.Fatal(err)
			}
		}
	}
}
