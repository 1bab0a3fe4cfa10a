package bench

import (
	"context"
	"fmt"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/table"
)

// AppendCase is a case of W1.
type AppendCase struct {
	Name string
	Data func() *Data
	// Codec of the data files, as the table property names it.
	Codec string
	// Buckets is the number of bucket partitions of id, 0 for none.
	Buckets     int
	small, full int64
}

// AppendCases are the cases of W1.
func AppendCases() []AppendCase {
	r6 := func() *Data { return R6(0) }
	return []AppendCase{
		{"snappy", r6, "snappy", 0, 500000, 5000000},
		{"zstd", r6, "zstd", 0, 500000, 5000000},
		{"zstd-buckets", r6, "zstd", 4, 500000, 5000000},
		{"r21", R21, "zstd", 0, 100000, 1000000},
		{"wide", Wide, "zstd", 0, 10000, 100000},
	}
}

// AppendCaseOf returns a case of W1 by name.
func AppendCaseOf(name string) (AppendCase, error) {
	for _, c := range AppendCases() {
		if c.Name == name {
			return c, nil
		}
	}
	return AppendCase{}, fmt.Errorf("%w: W1/%s", ErrUnknownWorkload, name)
}

// Rows is the number of rows of the case.
func (c AppendCase) Rows(o *Options) int64 { return o.rows(c.small, c.full) }

// W1 appends rows in one commit: R6 with Snappy, with Zstandard and into four
// bucket partitions, R21, and 200 columns.
func W1(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, c := range AppendCases() {
		if !o.wants(c.Name) {
			continue
		}
		r, err := o.append(ctx, c)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", c.Name, err)
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

func (o *Options) append(ctx context.Context, c AppendCase) (Result, error) {
	l, err := o.newLake("w1")
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	d, rows := c.Data(), c.Rows(o)
	opts := &table.CreateOptions{Properties: map[string]string{"write.parquet.compression-codec": c.Codec}}
	if c.Buckets > 0 {
		opts.Partition = []partition.Field{partition.Bucket("id", c.Buckets)}
	}
	t, err := l.create(ctx, d, opts)
	if err != nil {
		return Result{}, err
	}
	m := StartMeter()
	w, err := t.NewWriter(nil)
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
	r := u.Result("W1", c.Name, rows)
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
	if o.Scale > 0 {
		n = int64(float64(n) * o.Scale)
	}
	return max(1, n)
}
