package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// narrow is the row of W3: 23 columns, an eighth of Wide.
func narrow() *Data {
	w := Wide()
	s := schema.MustNew(w.Schema.Fields[:23]...)
	return newData("narrow", 190, s, w.columns[:23])
}

// W3 makes a thousand commits of ten rows of 23 columns (small: 200) and then
// reads nine single columns. There is a result for each hundred commits, with
// p50 and p99 of a commit, so that growth shows.
func W3(ctx context.Context, o *Options) ([]Result, error) {
	l, err := o.newLake("w3")
	if err != nil {
		return nil, err
	}
	defer l.close()
	d := narrow()
	t, err := l.create(ctx, d, nil)
	if err != nil {
		return nil, err
	}
	w, err := t.NewWriter(nil)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	const rows, part = 10, 100
	commits := o.rows(200, 1000)
	var rs []Result
	for first := int64(0); first < commits; first += part {
		r, err := smallCommits(ctx, w, d, first, min(first+part, commits), rows)
		if err != nil {
			return rs, err
		}
		r.Case = fmt.Sprintf("commits-%d", min(first+part, commits))
		if r.Files, r.Bytes, err = l.size(); err != nil {
			return rs, err
		}
		if o.wants(r.Case) {
			rs = o.done(rs, r)
		}
	}
	r, err := columnScans(ctx, t, d, commits*rows)
	if err == nil && o.wants(r.Case) {
		rs = o.done(rs, r)
	}
	return rs, err
}

func smallCommits(ctx context.Context, w *table.Writer, d *Data, from, to int64, rows int) (Result, error) {
	var times []time.Duration
	m := StartMeter()
	for c := from; c < to; c++ {
		var b arrow.RecordBatch
		m.Outside(func() { b = d.Batch(c*int64(rows), rows) })
		start := time.Now()
		err := w.AppendBatch(ctx, b)
		b.Release()
		if err != nil {
			return Result{}, err
		}
		if _, err := w.Commit(ctx, nil); err != nil {
			return Result{}, err
		}
		times = append(times, time.Since(start))
	}
	r := m.Stop().Result("W3", "", (to-from)*int64(rows))
	r.Commits = to - from
	r.P50MS, r.P99MS = percentile(times, 50), percentile(times, 99)
	return r, nil
}

// columnScans reads nine columns, one scan each.
func columnScans(ctx context.Context, t *table.Table, d *Data, rows int64) (Result, error) {
	m := StartMeter()
	for c := 1; c <= 9; c++ {
		got, err := countRows(ctx, t, &scan.Options{Columns: []string{d.Schema.Fields[c].Name}})
		if err != nil {
			return Result{}, err
		}
		if err := expect("rows read", got, rows); err != nil {
			return Result{}, err
		}
	}
	return m.Stop().Result("W3", "columns", 9*rows), nil
}
