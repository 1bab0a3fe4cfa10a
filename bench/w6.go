package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

const (
	w6Files   = 20
	w6Lookups = 20
)

// W6 scans R6 in twenty Zstandard files into Arrow batches: all columns; two
// columns; a filter that keeps one row in a hundred, spread over all pages; and
// one row by its id, where ids are shuffled over the files.
func W6(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	rows := o.rows(500000, 5000000)
	if o.wants("full") || o.wants("two-columns") || o.wants("filter") {
		got, err := o.scans(ctx, rows)
		rs = append(rs, got...)
		if err != nil {
			return rs, err
		}
	}
	if o.wants("lookup") {
		r, err := o.lookups(ctx, rows)
		if err != nil {
			return rs, err
		}
		rs = append(rs, r)
	}
	return rs, nil
}

func (o *Options) scans(ctx context.Context, rows int64) ([]Result, error) {
	l, err := o.newLake("w6")
	if err != nil {
		return nil, err
	}
	defer l.close()
	t, err := l.fill(ctx, R6(0), rows, w6Files)
	if err != nil {
		return nil, err
	}
	matching := int64(0)
	for n := range rows {
		if random(1, uint64(n))%R6Customers < R6Customers/100 {
			matching++
		}
	}
	var rs []Result
	for _, c := range []struct {
		name string
		opts *scan.Options
		want int64
	}{
		{"full", nil, rows},
		{"two-columns", &scan.Options{Columns: []string{"id", "amount"}}, rows},
		{"filter", &scan.Options{Filter: expr.Lt("customer", int64(R6Customers/100))}, matching},
	} {
		if !o.wants(c.name) {
			continue
		}
		m := StartMeter()
		got, err := countRows(ctx, t, c.opts)
		if err != nil {
			return rs, err
		}
		r := m.Stop().Result("W6", c.name, rows)
		if err := expect(c.name+": rows read", got, c.want); err != nil {
			return rs, err
		}
		if r.Files, r.Bytes, err = l.size(); err != nil {
			return rs, err
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

// fill writes rows of d into a new table, a commit for each of so many files.
func (l *lake) fill(ctx context.Context, d *Data, rows int64, files int) (*table.Table, error) {
	t, err := l.create(ctx, d, &table.CreateOptions{Key: []string{"id"}})
	if err != nil {
		return nil, err
	}
	w, err := t.NewWriter(nil)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	for i := range int64(files) {
		if err := appendRows(ctx, w, d, rows*i/int64(files), rows*(i+1)/int64(files), nil); err != nil {
			return nil, err
		}
		if _, err := w.Commit(ctx, nil); err != nil {
			return nil, err
		}
	}
	// What readers of another process see: nothing cached.
	return table.Open(ctx, l.cat, t.Name(), nil)
}

// countRows reads a scan to its end.
func countRows(ctx context.Context, t *table.Table, opts *scan.Options) (int64, error) {
	var n int64
	err := eachBatch(ctx, t, opts, func(b arrow.RecordBatch) { n += b.NumRows() })
	return n, err
}

func eachBatch(ctx context.Context, t *table.Table, opts *scan.Options, f func(arrow.RecordBatch)) error {
	for b, err := range t.Scan(opts).Batches(ctx) {
		if err != nil {
			return err
		}
		f(b)
	}
	return nil
}

// lookups reads single rows by id, each with a table that is opened afresh, so
// that metadata and manifests are read every time.
func (o *Options) lookups(ctx context.Context, rows int64) (Result, error) {
	l, err := o.newLake("w6")
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	t, err := l.fill(ctx, R6(rows), rows, w6Files)
	if err != nil {
		return Result{}, err
	}
	var times []time.Duration
	m := StartMeter()
	for i := range w6Lookups {
		start := time.Now()
		fresh, err := table.Open(ctx, l.cat, t.Name(), nil)
		if err != nil {
			return Result{}, err
		}
		id := int64(random(7, uint64(i)) % uint64(rows))
		got, err := countRows(ctx, fresh, &scan.Options{Filter: expr.Eq("id", id)})
		if err != nil {
			return Result{}, err
		}
		times = append(times, time.Since(start))
		if err := expect(fmt.Sprintf("rows with id %d", id), got, 1); err != nil {
			return Result{}, err
		}
	}
	r := m.Stop().Result("W6", "lookup", w6Lookups)
	r.P50MS, r.P99MS = percentile(times, 50), percentile(times, 99)
	if r.Files, r.Bytes, err = l.size(); err != nil {
		return r, err
	}
	return o.done(nil, r)[0], nil
}
