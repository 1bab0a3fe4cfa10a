package compaction_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/table"
)

// TestFixedPoint: whatever the table and the options, once a plan has been
// carried out, and nobody else changed the table, the next plan is empty; if rows
// moved to other partitions, where they join files that were there, the one after
// that.
func TestFixedPoint(t *testing.T) {
	n := uint64(40)
	if testing.Short() {
		n = 10
	}
	base := rand.Uint64N(1 << 40)
	t.Logf("seeds from %d", base)
	for seed := base; seed < base+n; seed++ {
		r := rand.New(rand.NewPCG(seed, 12))
		o := worldOptions{version: 2 + r.IntN(2), seed: seed, props: map[string]string{}}
		if r.IntN(2) == 0 {
			o.partition = []partition.Field{partition.Bucket("id", 1+r.IntN(4))}
		}
		if r.IntN(2) == 0 {
			o.props["write.parquet.row-group-size-bytes"] = fmt.Sprint(200 + r.IntN(2000))
		}
		w := newWorld(t, o)
		if r.IntN(3) == 0 {
			w.declare(parseSort(t, "v desc, id")...)
		}
		rounds := 1
		for range 1 + r.IntN(10) {
			w.write([]table.Encoding{table.EncodingPosition, table.EncodingEquality}[r.IntN(2)], w.random(1+r.IntN(400), 1+r.Int64N(2000)))
			if r.IntN(8) == 0 {
				w.respec(r.IntN(4))
				rounds = 2
			}
		}
		w.must(w.tab.Refresh(w.ctx))
		opts := &compaction.Options{
			TargetFileBytes: []int64{0, 30000}[r.IntN(2)], MinInputFiles: r.IntN(5), MaxRounds: rounds,
			DeleteRatio: []float64{0, 0.01, 0.9}[r.IntN(3)], SpliceBytes: []int64{0, 1, -1}[r.IntN(3)],
			ConvertOnly: r.IntN(6) == 0, KeepEqualityDeletes: r.IntN(6) == 0, CommitBytes: []int64{0, 1}[r.IntN(2)],
		}
		if r.IntN(2) == 0 {
			opts.Sort = w.tab.Metadata().DefaultSortOrder().Fields
		}
		w.compact(opts)
		w.check("after")
		w.settled(opts)
		if t.Failed() {
			t.Fatalf("seed %d, options %+v", seed, *opts)
		}
	}
}
