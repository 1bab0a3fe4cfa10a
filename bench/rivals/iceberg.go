package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/hadoop"
	"github.com/apache/iceberg-go/table"

	"github.com/frazildb/frazil/bench"
	"github.com/frazildb/frazil/schema"
)

// runRival runs a case through iceberg-go, or through Spark.
func runRival(ctx context.Context, m measurement, o *bench.Options) (bench.Result, error) {
	switch m.Workload {
	case "W1":
		return rivalAppend(ctx, m.Case, o)
	case "W2":
		return rivalUpsert(ctx, m.Case, o)
	case "W10":
		for _, c := range bench.CompactionCases() {
			switch {
			case c.Name != m.Case:
			case m.System == sparkSystem:
				return sparkCompact(ctx, c, o)
			default:
				return rivalCompact(ctx, c, o)
			}
		}
	case "W6":
		for _, c := range bench.ScanCases() {
			if c.Name == m.Case {
				return rivalScan(ctx, c, o)
			}
		}
	}
	return bench.Result{}, fmt.Errorf("no case %s/%s", m.Workload, m.Case)
}

// warehouse is iceberg-go's file catalog in a folder.
type warehouse struct {
	dir string
	cat *hadoop.Catalog
}

func openWarehouse(ctx context.Context, dir string) (*warehouse, error) {
	cat, err := hadoop.NewCatalog("bench", dir, nil)
	if err != nil {
		return nil, err
	}
	err = cat.CreateNamespace(ctx, table.Identifier{"bench"}, nil)
	if err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		return nil, err
	}
	return &warehouse{dir, cat}, nil
}

// create makes a table of the schema, as JSON that both engines read.
func (w *warehouse) create(ctx context.Context, name string, s *schema.Schema, version, buckets int, props iceberg.Properties) (*table.Table, error) {
	sc, err := rivalSchema(s)
	if err != nil {
		return nil, err
	}
	all := iceberg.Properties{"format-version": fmt.Sprint(version)}
	for k, v := range props {
		all[k] = v
	}
	opts := []catalog.CreateTableOpt{catalog.WithProperties(all)}
	if buckets > 0 {
		spec := iceberg.NewPartitionSpec(iceberg.PartitionField{
			SourceIDs: []int{1}, FieldID: 1000, Name: "id_bucket", Transform: iceberg.BucketTransform{NumBuckets: buckets},
		})
		opts = append(opts, catalog.WithPartitionSpec(&spec))
	}
	return w.cat.CreateTable(ctx, table.Identifier{"bench", name}, sc, opts...)
}

func rivalSchema(s *schema.Schema) (*iceberg.Schema, error) {
	text, err := s.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var sc iceberg.Schema
	return &sc, sc.UnmarshalJSON(text)
}

// reader hands batches to iceberg-go; making them is outside the meter.
type reader struct {
	array.RecordReader
	schema *arrow.Schema
	next   func() arrow.RecordBatch // nil at the end
	meter  *bench.Meter
	batch  arrow.RecordBatch
}

func (r *reader) Retain()                        {}
func (r *reader) Release()                       {}
func (r *reader) Schema() *arrow.Schema          { return r.schema }
func (r *reader) RecordBatch() arrow.RecordBatch { return r.batch }
func (r *reader) Record() arrow.RecordBatch      { return r.batch }
func (r *reader) Err() error                     { return nil }

func (r *reader) Next() bool {
	if r.batch != nil {
		r.batch.Release()
	}
	r.meter.Outside(func() { r.batch = r.next() })
	return r.batch != nil
}

// rowsOf reads rows from to to of d.
func rowsOf(d *bench.Data, from, to int64, m *bench.Meter) *reader {
	const step = 65536
	return &reader{schema: d.Arrow, meter: m, next: func() arrow.RecordBatch {
		if from >= to {
			return nil
		}
		n := min(step, to-from)
		b := d.Batch(from, int(n))
		from += n
		return b
	}}
}

// rivalAppend is W1.
func rivalAppend(ctx context.Context, name string, o *bench.Options) (bench.Result, error) {
	c, err := bench.AppendCaseOf(name)
	if err != nil {
		return bench.Result{}, err
	}
	w, remove, err := tempWarehouse(ctx, o.Dir)
	if err != nil {
		return bench.Result{}, err
	}
	defer remove()
	d, rows := c.Data(), c.Rows(o)
	t, err := w.create(ctx, d.Name, d.Schema, 2, c.Buckets, iceberg.Properties{table.ParquetCompressionKey: c.Codec})
	if err != nil {
		return bench.Result{}, err
	}
	m := bench.StartMeter()
	if t, err = t.Append(ctx, rowsOf(d, 0, rows, m), nil); err != nil {
		return bench.Result{}, err
	}
	r := m.Stop().Result("W1", name, rows)
	r.Commits = 1
	if got := t.CurrentSnapshot().Summary.Properties["total-records"]; got != fmt.Sprint(rows) {
		return r, fmt.Errorf("%s rows in the table, expected %d", got, rows)
	}
	r.Files, r.Bytes, err = bench.FolderSize(w.dir)
	return r, err
}

// prepareRival writes the tables of W6.
func prepareRival(ctx context.Context, dir string, o *bench.Options) error {
	w, err := openWarehouse(ctx, dir)
	if err != nil {
		return err
	}
	rows := bench.ScanRows(o)
	for name, d := range map[string]*bench.Data{"sorted": bench.R6(0), "shuffled": bench.R6(rows)} {
		t, err := w.create(ctx, name, d.Schema, 2, 0, iceberg.Properties{
			"write.parquet.bloom-filter-enabled.column.id": "true", // as Frazil does by itself for a key
		})
		if err != nil {
			return err
		}
		const files = 20
		for i := range int64(files) {
			if t, err = t.Append(ctx, rowsOf(d, rows*i/files, rows*(i+1)/files, nil), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// rivalScan is W6 on the tables of o.Prepared.
func rivalScan(ctx context.Context, c bench.ScanCase, o *bench.Options) (bench.Result, error) {
	w, err := openWarehouse(ctx, o.Prepared)
	if err != nil {
		return bench.Result{}, err
	}
	ident := table.Identifier(strings.Split(c.Table, "."))
	rows := bench.ScanRows(o)
	if c.Lookup {
		return rivalLookups(ctx, w, ident, rows)
	}
	want := c.Want(rows)
	var opts []table.ScanOption
	if c.Columns != nil {
		opts = append(opts, table.WithSelectedFields(c.Columns...))
	}
	if c.Customers > 0 {
		opts = append(opts, table.WithRowFilter(iceberg.LessThan(iceberg.Reference("customer"), c.Customers)))
	}
	m := bench.StartMeter()
	t, err := w.cat.LoadTable(ctx, ident)
	if err != nil {
		return bench.Result{}, err
	}
	got, err := readAll(ctx, t, nil, opts...)
	if err != nil {
		return bench.Result{}, err
	}
	r := m.Stop().Result("W6", c.Name, rows)
	if got != want {
		return r, fmt.Errorf("%d rows read, expected %d", got, want)
	}
	return r, nil
}

// readAll reads a scan to its end; each batch goes to f, which may be nil.
func readAll(ctx context.Context, t *table.Table, f func(arrow.RecordBatch), opts ...table.ScanOption) (int64, error) {
	_, batches, err := t.Scan(opts...).ToArrowRecords(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	for b, err := range batches {
		if err != nil {
			return n, err
		}
		n += b.NumRows()
		if f != nil {
			f(b)
		}
		b.Release()
	}
	return n, nil
}

func rivalLookups(ctx context.Context, w *warehouse, ident table.Identifier, rows int64) (bench.Result, error) {
	var times []time.Duration
	m := bench.StartMeter()
	for i := range bench.Lookups {
		start := time.Now()
		t, err := w.cat.LoadTable(ctx, ident)
		if err != nil {
			return bench.Result{}, err
		}
		n, err := readAll(ctx, t, nil, table.WithRowFilter(iceberg.EqualTo(iceberg.Reference("id"), bench.LookupID(i, rows))))
		if err != nil {
			return bench.Result{}, err
		}
		if n != 1 {
			return bench.Result{}, fmt.Errorf("%d rows found, expected 1", n)
		}
		times = append(times, time.Since(start))
	}
	r := m.Stop().Result("W6", "lookup", bench.Lookups)
	slices.Sort(times)
	r.P50MS = float64(times[len(times)/2].Microseconds()) / 1000
	r.P99MS = float64(times[len(times)-1].Microseconds()) / 1000
	return r, nil
}

// single yields one batch.
func single(b arrow.RecordBatch) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }
}
