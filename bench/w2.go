package bench

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/table"
)

// upsertCase is a case of W2.
type upsertCase struct {
	name     string
	mix      int
	version  int
	encoding table.Encoding
	// index is the memory budget of a key index, 0 for none.
	index int64
}

func upsertCases() []upsertCase {
	return []upsertCase{
		{"mix1", 1, 3, table.EncodingPosition, 0},
		{"mix2", 2, 3, table.EncodingPosition, 0},
		{"mix1-index", 1, 3, table.EncodingPosition, 256 << 20},
		{"mix2-index", 2, 3, table.EncodingPosition, 256 << 20},
		{"mix1-index-disk", 1, 3, table.EncodingPosition, 24 << 20},
		{"mix1-v2", 1, 2, table.EncodingPosition, 0},
		{"mix2-v2", 2, 2, table.EncodingPosition, 0},
		{"mix1-v2-index", 1, 2, table.EncodingPosition, 256 << 20},
		{"mix2-v2-index", 2, 2, table.EncodingPosition, 256 << 20},
		{"mix1-equality", 1, 2, table.EncodingEquality, 0},
		{"mix2-equality", 2, 2, table.EncodingEquality, 0},
	}
}

// applyRows is how many events are handed over at once, as a change stream would.
const applyRows = 10000

// W2 runs workload U: a base of a million rows, then commits of 100,000 events;
// on format version 3 with deletion vectors, on version 2 with position deletes,
// with a warm key index in memory and on disk, and with blind equality deletes.
// Small has three commits, full twenty. Rows are events, CPU includes everything
// but making them; p50 and p99 are of the commits. The final rows are added up and compared with what they must be.
func W2(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, c := range upsertCases() {
		if !o.wants(c.name) {
			continue
		}
		r, err := o.upserts(ctx, c)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", c.name, err)
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

func (o *Options) upserts(ctx context.Context, c upsertCase) (Result, error) {
	l, err := o.newLake("w2")
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	d := &Data{Name: "u", Schema: USchema()}
	t, err := l.create(ctx, d, &table.CreateOptions{Key: []string{"id"}, FormatVersion: c.version})
	if err != nil {
		return Result{}, err
	}
	wo := &table.WriterOptions{Encoding: c.encoding}
	var index *keyindex.Index
	if c.index > 0 {
		dir := l.dir + "-index"
		defer os.RemoveAll(dir)
		index, err = keyindex.Open(&keyindex.Options{Dir: dir, MemoryBudget: c.index})
		if err != nil {
			return Result{}, err
		}
		defer index.Close()
		wo.KeyIndex = index
	}
	w, err := t.NewWriter(wo)
	if err != nil {
		return Result{}, err
	}
	defer w.Close()
	u := U{Mix: c.mix}
	base, err := u.load(ctx, w)
	if err != nil {
		return Result{}, err
	}
	clean, _, err := uScan(ctx, t)
	if err != nil {
		return Result{}, err
	}
	if index != nil {
		if err := t.LearnKeys(ctx, index, ""); err != nil {
			return Result{}, err
		}
	}
	commits := UCommits(o)
	r, err := u.apply(ctx, w, commits)
	if err != nil {
		return r, err
	}
	r.Case = c.name
	if r.Files, r.Bytes, err = l.size(); err != nil {
		return r, err
	}
	after, sums, err := uScan(ctx, t)
	if err != nil {
		return r, err
	}
	r.RatioToClean = round(after/clean, 1000)
	r.Note = fmt.Sprintf("base %.0f ns/row, scan %.0f ns/row clean, %.0f after", base, clean, after)
	return r, expect("sums", sums, u.Sums(UBase+commits*UCommit))
}

// UCommits is the number of commits of W2. Scaled above 1 the full size goes on
// past the events that have published sums.
func UCommits(o *Options) uint64 { return uint64(o.rows(3, 20)) }

// load appends the base and returns its CPU per row.
func (u U) load(ctx context.Context, w *table.Writer) (float64, error) {
	m := StartMeter()
	for first := uint64(0); first < UBase; first += 50000 {
		var b arrow.RecordBatch
		m.Outside(func() { b, _ = u.Batch(first, 50000) })
		err := w.AppendBatch(ctx, b)
		b.Release()
		if err != nil {
			return 0, err
		}
	}
	if _, err := w.Commit(ctx, nil); err != nil {
		return 0, err
	}
	return float64(m.Stop().CPU.Nanoseconds()) / UBase, nil
}

// apply makes so many commits of events.
func (u U) apply(ctx context.Context, w *table.Writer, commits uint64) (Result, error) {
	var times []time.Duration
	m := StartMeter()
	for c := range commits {
		for i := uint64(0); i < UCommit; i += applyRows {
			var b arrow.RecordBatch
			var ops []table.Op
			m.Outside(func() { b, ops = u.Batch(UBase+c*UCommit+i, applyRows) })
			err := w.ApplyBatch(ctx, b, ops)
			b.Release()
			if err != nil {
				return Result{}, err
			}
		}
		start := time.Now()
		if _, err := w.Commit(ctx, nil); err != nil {
			return Result{}, err
		}
		times = append(times, time.Since(start))
	}
	r := m.Stop().Result("W2", "", int64(commits*UCommit))
	r.Commits = int64(commits)
	r.P50MS, r.P99MS = percentile(times, 50), percentile(times, 99)
	return r, nil
}

// uScan reads every column of the table, adds them up, and returns the CPU per
// row that reading took; adding up is not in it.
func uScan(ctx context.Context, t *table.Table) (float64, USums, error) {
	var sums USums
	m := StartMeter()
	err := eachBatch(ctx, t, nil, func(b arrow.RecordBatch) { m.Outside(func() { sums.Add(b) }) })
	used := m.Stop()
	if err != nil {
		return 0, sums, err
	}
	return float64(used.CPU.Nanoseconds()) / float64(max(1, sums.Rows)), sums, nil
}
