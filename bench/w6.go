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

// w6Files is the number of data files of a table.
const w6Files = 20

// W6 scans R6 in twenty Zstandard files into Arrow batches: all columns; two
// columns; a filter that keeps one row in a hundred, spread over all pages; and
// one row by its id, where ids are shuffled over the files. The tables are those
// of Options.Prepared, else it makes them.
func W6(ctx context.Context, o *Options) ([]Result, error) {
	if o.Prepared == "" {
		l, err := o.newLake("w6")
		if err != nil {
			return nil, err
		}
		defer l.close()
		prepared := *o
		prepared.Prepared = l.dir
		if err := l.prepare(ctx, ScanRows(o)); err != nil {
			return nil, err
		}
		o = &prepared
	}
	l, err := openLake(o.Prepared)
	if err != nil {
		return nil, err
	}
	defer l.close()
	var rs []Result
	for _, c := range ScanCases() {
		if !o.wants(c.Name) {
			continue
		}
		r, err := c.run(ctx, l)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", c.Name, err)
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

// ScanCase is a case of W6.
type ScanCase struct {
	Name string
	// Table is bench.sorted or bench.shuffled, see Prepare.
	Table string
	// Columns are nil for all. Customers, when not 0, keeps rows with a customer
	// below it. With Lookup single rows are read by id.
	Columns   []string
	Customers int64
	Lookup    bool
}

// ScanCases are the cases of W6.
func ScanCases() []ScanCase {
	return []ScanCase{
		{Name: "full", Table: "bench.sorted"},
		{Name: "two-columns", Table: "bench.sorted", Columns: []string{"id", "amount"}},
		{Name: "filter", Table: "bench.sorted", Customers: R6Customers / 100},
		{Name: "lookup", Table: "bench.shuffled", Lookup: true},
	}
}

// ScanRows is the number of rows of the tables of W6.
func ScanRows(o *Options) int64 { return o.rows(500000, 5000000) }

// Want is the number of rows the case must read of a table of so many.
func (c ScanCase) Want(rows int64) int64 {
	if c.Customers == 0 {
		return rows
	}
	n := int64(0)
	for i := range rows {
		if int64(random(1, uint64(i))%R6Customers) < c.Customers {
			n++
		}
	}
	return n
}

// LookupID is the id that look-up i of a case asks for.
func LookupID(i int, rows int64) int64 { return int64(random(7, uint64(i)) % uint64(rows)) }

// Lookups is how many rows the case lookup reads, one by one.
const Lookups = 20

// Prepare writes the tables of W6 into dir, a warehouse: bench.sorted with ids in
// order and bench.shuffled.
func Prepare(ctx context.Context, dir string, opts *Options) error {
	o, err := opts.withDefaults()
	if err != nil {
		return err
	}
	l, err := openLake(dir)
	if err != nil {
		return err
	}
	defer l.close()
	return l.prepare(ctx, ScanRows(&o))
}

func (l *lake) prepare(ctx context.Context, rows int64) error {
	sorted, shuffled := R6(0), R6(rows)
	sorted.Name, shuffled.Name = "sorted", "shuffled"
	for _, d := range []*Data{sorted, shuffled} {
		if err := l.fill(ctx, d, rows, w6Files, 0); err != nil {
			return err
		}
	}
	return nil
}

// fill writes rows of d into a new table of a format version, 0 for the default,
// with a commit for each of so many files.
func (l *lake) fill(ctx context.Context, d *Data, rows int64, files, version int) error {
	t, err := l.create(ctx, d, &table.CreateOptions{Key: []string{"id"}, FormatVersion: version})
	if err != nil {
		return err
	}
	w, err := t.NewWriter(nil)
	if err != nil {
		return err
	}
	defer w.Close()
	for i := range int64(files) {
		if err := appendRows(ctx, w, d, rows*i/int64(files), rows*(i+1)/int64(files), nil); err != nil {
			return err
		}
		if _, err := w.Commit(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c ScanCase) run(ctx context.Context, l *lake) (Result, error) {
	t, err := table.Open(ctx, l.cat, c.Table, nil)
	if err != nil {
		return Result{}, err
	}
	rows, err := t.Scan(nil).Count(ctx)
	if err != nil {
		return Result{}, err
	}
	if c.Lookup {
		return lookups(ctx, l, t, rows)
	}
	want := c.Want(rows)
	opts := &scan.Options{Columns: c.Columns}
	if c.Customers > 0 {
		opts.Filter = expr.Lt("customer", c.Customers)
	}
	m := StartMeter()
	if t, err = table.Open(ctx, l.cat, c.Table, nil); err != nil { // nothing cached
		return Result{}, err
	}
	got, err := countRows(ctx, t, opts)
	if err != nil {
		return Result{}, err
	}
	r := m.Stop().Result("W6", c.Name, rows)
	if err := expect("rows read", got, want); err != nil {
		return r, err
	}
	r.Files, r.Bytes, err = l.tableSize(t)
	return r, err
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
func lookups(ctx context.Context, l *lake, t *table.Table, rows int64) (Result, error) {
	var times []time.Duration
	m := StartMeter()
	for i := range Lookups {
		start := time.Now()
		fresh, err := table.Open(ctx, l.cat, t.Name(), nil)
		if err != nil {
			return Result{}, err
		}
		id := LookupID(i, rows)
		got, err := countRows(ctx, fresh, &scan.Options{Filter: expr.Eq("id", id)})
		if err != nil {
			return Result{}, err
		}
		times = append(times, time.Since(start))
		if err := expect(fmt.Sprintf("rows with id %d", id), got, 1); err != nil {
			return Result{}, err
		}
	}
	r := m.Stop().Result("W6", "lookup", Lookups)
	r.P50MS, r.P99MS = percentile(times, 50), percentile(times, 99)
	var err error
	r.Files, r.Bytes, err = l.tableSize(t)
	return r, err
}
