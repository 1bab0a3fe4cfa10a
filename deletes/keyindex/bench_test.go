package keyindex

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/frazildb/frazil/deletes"
)

// fill makes an index of n keys in files of a million rows.
func fill(b *testing.B, n int, o *Options) (*Index, *deletes.IndexState, []deletes.IndexFile) {
	x, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = x.Close() })
	at := &deletes.IndexState{Identity: "b"}
	var files []deletes.IndexFile
	for first := 0; first < n; first += 1 << 20 {
		f := deletes.IndexFile{Path: fmt.Sprint(first)}
		files = append(files, f)
		if _, err := x.Find(context.Background(), at, files, nil, nil); err != nil {
			b.Fatal(err)
		}
		err := x.Learn(context.Background(), at, f, func(_ context.Context, add func(deletes.IndexRows) error) error {
			var rows deletes.IndexRows
			for i := range min(1<<20, n-first) {
				rows.Keys, rows.Positions = append(rows.Keys, benchKey(uint64(first+i))), append(rows.Positions, int64(i))
				if len(rows.Keys) == 8192 {
					if err := add(rows); err != nil {
						return err
					}
					rows.Keys, rows.Positions = rows.Keys[:0], rows.Positions[:0]
				}
			}
			return add(rows)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return x, at, files
}

func benchKey(n uint64) deletes.Digest {
	a := n * 0x9e3779b97f4a7c15
	a ^= a >> 32
	a *= 0xff51afd7ed558ccd
	return deletes.Digest{a ^ a>>29, a * 0xc4ceb9fe1a85ec53}
}

// BenchmarkIndexProbe looks up 100,000 keys at a time in an index of a million
// and of ten million, half of the keys absent in the cases "new".
func BenchmarkIndexProbe(b *testing.B) {
	for _, c := range []struct {
		name   string
		n      int
		budget int64
		absent uint64
	}{
		{"memory-1M", 1_000_000, 1 << 30, 0},
		{"memory-10M", 10_000_000, 1 << 30, 0},
		{"memory-10M-new", 10_000_000, 1 << 30, 2},
		{"disk-1M", 1_000_000, 8 << 20, 0},
		{"disk-10M", 10_000_000, 64 << 20, 0},
		{"disk-10M-new", 10_000_000, 64 << 20, 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			x, at, files := fill(b, c.n, &Options{Dir: b.TempDir(), MemoryBudget: c.budget})
			keys := make([]deletes.Digest, 100_000)
			r := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				b.StopTimer()
				for i := range keys {
					n := r.Uint64N(uint64(c.n))
					if c.absent > 0 && uint64(i)%c.absent == 0 {
						n += 1 << 40
					}
					keys[i] = benchKey(n)
				}
				b.StartTimer()
				n := 0
				if _, err := x.Find(context.Background(), at, files, keys, func(int, int64) { n++ }); err != nil {
					b.Fatal(err)
				}
				if n < len(keys)/2 {
					b.Fatalf("found %d", n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(keys)), "ns/key")
			s := x.Stats()
			b.ReportMetric(float64(s.Bytes)/float64(s.Keys), "B/key")
		})
	}
}

// BenchmarkIndexCommit moves 100,000 of a million keys.
func BenchmarkIndexCommit(b *testing.B) {
	for name, budget := range map[string]int64{"memory": 1 << 30, "disk": 8 << 20} {
		b.Run(name, func(b *testing.B) {
			x, at, _ := fill(b, 1_000_000, &Options{Dir: b.TempDir(), MemoryBudget: budget})
			c := &deletes.IndexCommit{Keys: make([]deletes.Digest, 100_000), Places: make([]deletes.IndexPlace, 100_000)}
			for b.Loop() {
				b.StopTimer()
				c.Snapshot, c.Sequence = at.Snapshot+1, at.Snapshot+1
				c.Files = []deletes.IndexFile{{Path: fmt.Sprint("c", c.Snapshot), Sequence: c.Sequence}}
				for i := range c.Keys {
					c.Keys[i] = benchKey(uint64(i)*10 + uint64(c.Snapshot)%10)
					c.Places[i].Position = int64(i)
				}
				b.StartTimer()
				x.Committed(at, c)
				at.Snapshot, at.Sequence = c.Snapshot, c.Sequence
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.Keys)), "ns/key")
		})
	}
}
