package bench

import (
	"context"

	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/table"
)

// appendCase is a case of W1.
type appendCase struct {
	name        string
	data        func() *Data
	small, full int64
	codec       parquetfile.Codec
	partition   []partition.Field
}

func appendCases() []appendCase {
	r6 := func() *Data { return R6(0) }
	buckets := []partition.Field{partition.Bucket("id", 4)}
	return []appendCase{
		{"snappy", r6, 500000, 5000000, parquetfile.Snappy, nil},
		{"zstd", r6, 500000, 5000000, parquetfile.Zstd, nil},
		{"zstd-buckets", r6, 500000, 5000000, parquetfile.Zstd, buckets},
		{"r21", R21, 100000, 1000000, parquetfile.Zstd, nil},
		{"wide", Wide, 10000, 100000, parquetfile.Zstd, nil},
	}
}

// W1 appends rows in one commit: R6 with Snappy, with Zstandard and into four
// bucket partitions, R21, and 200 columns.
func W1(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, c := range appendCases() {
		if !o.wants(c.name) {
			continue
		}
		r, err := o.append(ctx, c)
		if err != nil {
			return rs, err
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

func (o *Options) append(ctx context.Context, c appendCase) (Result, error) {
	l, err := o.newLake("w1")
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	d, rows := c.data(), o.rows(c.small, c.full)
	t, err := l.create(ctx, d, &table.CreateOptions{Partition: c.partition})
	if err != nil {
		return Result{}, err
	}
	m := StartMeter()
	w, err := t.NewWriter(&table.WriterOptions{Codec: &c.codec})
	if err != nil {
		return Result{}, err
	}
	defer w.Close()
	if err := appendRows(ctx, w, d, 0, rows, m); err != nil {
		return Result{}, err
	}
	if _, err := w.Commit(ctx, nil); err != nil {
		return Result{}, err
	}
	u := m.Stop()
	r := u.Result("W1", c.name, rows)
	r.Commits = 1
	if r.Files, r.Bytes, err = l.size(); err != nil {
		return r, err
	}
	n, err := t.Scan(nil).Count(ctx)
	if err != nil {
		return r, err
	}
	return r, expect("rows in the table", n, rows)
}

// rows is the number of rows of the size chosen.
func (o *Options) rows(small, full int64) int64 {
	n := small
	if o.Size == Full {
		n = full
	}
	return max(1, int64(float64(n)*o.Scale))
}
