package scan

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// Aggregates are computed by [Scan.Aggregate].
type Aggregates struct {
	Rows    int64
	Columns []Extremes // in the order asked for
	// FilesRead counts the data files of which rows were read, FilesTotal all that
	// planning left.
	FilesRead, FilesTotal int64
}

// Extremes are the least and greatest value of a column, as described at
// schema.Row; nil if it has none but nulls. NaN is greater than all numbers,
// as in DuckDB, Spark and PostgreSQL; -0 counts as 0.
type Extremes struct {
	Name     string
	Type     schema.Type
	Min, Max any
}

// Aggregate returns the number of rows of the scan, and the least and greatest
// value of columns, by (dotted) name. Columns of the scan do not matter, its
// Limit must not be set.
//
// What the manifests say is used where it is exact: of files that have no
// deletes and whose rows all match the filter, for columns whose bounds writers
// do not shorten (no text or bytes), without NaN. Of other files the columns are
// read, unless their bounds show that they cannot matter.
func (s *Scan) Aggregate(ctx context.Context, columns ...string) (*Aggregates, error) {
	if s.err != nil {
		return nil, s.err
	}
	a, err := s.newAggregator(columns)
	if err != nil {
		return nil, fmt.Errorf("aggregate: %w", err)
	}
	if err := a.run(ctx); err != nil {
		return nil, err
	}
	return &a.out, nil
}

// aggregator is one Aggregate.
type aggregator struct {
	v      *view // of the columns
	fields []*schema.Field
	paths  [][]int // of each in v.out: the column, and members of structs

	mu  sync.Mutex
	out Aggregates
}

func (s *Scan) newAggregator(columns []string) (*aggregator, error) {
	o := s.opts
	if o.Limit > 0 {
		return nil, fmt.Errorf("a scan with a limit has no aggregates")
	}
	o.Columns = append([]string{}, columns...)
	a := &aggregator{}
	var err error
	if a.v, err = newView(s.src, &o); err != nil {
		return nil, err
	}
	for _, name := range columns {
		f, err := findColumn(a.v.base, name, o.CaseInsensitive)
		if err != nil {
			return nil, err
		}
		path := a.v.out.StructPath(f.ID)
		ok := path != nil
		switch f.Type.Kind {
		case schema.KindVariant, schema.KindGeometry, schema.KindGeography, schema.KindUnknown:
			ok = false
		}
		if !ok || f.Type.IsNested() {
			return nil, fmt.Errorf("column %q of type %s has no least and greatest value", name, f.Type)
		}
		a.fields, a.paths = append(a.fields, f), append(a.paths, path)
		a.out.Columns = append(a.out.Columns, Extremes{Name: a.v.base.Path(f.ID), Type: f.Type})
	}
	return a, nil
}

func (a *aggregator) run(ctx context.Context) error {
	p := &planner{v: a.v}
	for _, f := range a.fields {
		p.statsOf = append(p.statsOf, f.ID)
	}
	// What the metadata knows comes first: it spares reading files that cannot
	// go beyond it.
	var rest []FileTask
	for f, err := range p.files(ctx) {
		if err != nil {
			return err
		}
		a.out.FilesTotal++
		if !a.fromMetadata(&f) {
			rest = append(rest, f)
		}
	}
	read := make(map[string]bool) // a file may come in parts
	err := eachPart(ctx, a.v, rest, func(ctx context.Context, x *exec, f *FileTask) error {
		n, opened, err := a.readFile(ctx, x, f)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.out.Rows += n
		if opened {
			read[f.Data.File.Path] = true
		}
		return err
	})
	a.out.FilesRead = int64(len(read))
	return err
}

// fromMetadata takes a file's rows and bounds, if all of them are exact.
func (a *aggregator) fromMetadata(f *FileTask) bool {
	df := f.Data.File
	if f.DV != nil || len(f.Positions) > 0 || !a.v.allMatch(f) {
		return false
	}
	type bounds struct{ low, high any }
	all := make([]bounds, len(a.fields))
	for i, c := range a.fields {
		var exact bool
		if all[i].low, all[i].high, exact = exactBounds(f, c); !exact {
			return false
		}
	}
	for i := range all {
		a.out.Columns[i].add(all[i].low)
		a.out.Columns[i].add(all[i].high)
	}
	a.out.Rows += df.RecordCount
	return true
}

// exactBounds returns the least and greatest value of a column in a file without
// deletes, nil for no value, if the manifest is sure to tell.
func exactBounds(f *FileTask, c *schema.Field) (low, high any, exact bool) {
	df := f.Data.File
	values, ok := df.ValueCounts.Get(c.ID)
	if !ok || values != df.RecordCount {
		return nil, nil, false
	}
	nulls, ok := df.NullCounts.Get(c.ID)
	if !ok || nulls < 0 || nulls > values {
		return nil, nil, false
	}
	if nulls == values {
		return nil, nil, !hasBounds(df, c) // bounds of nothing: the counts may be wrong
	}
	low, high = looseBounds(f, c)
	switch c.Type.Kind {
	case schema.KindString, schema.KindBinary, schema.KindFixed: // bounds may be shortened
		return nil, nil, false
	}
	return low, high, low != nil && !mayHaveNaN(df, c)
}

// looseBounds returns bounds that all values but NaN lie between, nil where the
// manifest has no such pair: as for filters, bounds that contradict each other are
// none.
func looseBounds(f *FileTask, c *schema.Field) (low, high any) {
	low, high = boundOf(c, f.Data.File.Lower), boundOf(c, f.Data.File.Upper)
	if low == nil || high == nil || schema.Compare(c.Type, low, high) > 0 {
		return nil, nil
	}
	return low, high
}

// boundOf decodes a column's bound, nil for none or one that makes no sense.
func boundOf(c *schema.Field, bounds manifest.Bounds) any {
	raw, ok := bounds.Get(c.ID)
	if !ok {
		return nil
	}
	v, err := schema.DecodeBound(c.Type, raw)
	if err != nil {
		return nil
	}
	return v
}

func hasBounds(df *manifest.DataFile, c *schema.Field) bool {
	_, low := df.Lower.Get(c.ID)
	_, high := df.Upper.Get(c.ID)
	return low || high
}

func mayHaveNaN(df *manifest.DataFile, c *schema.Field) bool {
	if c.Type.Kind != schema.KindFloat && c.Type.Kind != schema.KindDouble {
		return false
	}
	nans, ok := df.NaNCounts.Get(c.ID)
	return !ok || nans != 0
}

// readFile counts a file's rows, and looks at the columns if they may go beyond
// what is known.
func (a *aggregator) readFile(ctx context.Context, x *exec, f *FileTask) (rows int64, opened bool, err error) {
	if !a.mayExtend(f) {
		if n, ok, err := x.countKnown(ctx, f); ok || err != nil {
			return n, false, err
		}
	}
	own := make([]Extremes, len(a.fields))
	for i, c := range a.fields {
		own[i].Type = c.Type
	}
	err = x.read(ctx, f, func(b arrow.RecordBatch) error {
		defer b.Release()
		rows += b.NumRows()
		for i, path := range a.paths {
			c, err := member(b, path)
			if err != nil {
				return err
			}
			own[i].addAll(c)
			c.Release()
		}
		return nil
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range own {
		a.out.Columns[i].add(own[i].Min)
		a.out.Columns[i].add(own[i].Max)
	}
	return rows, true, err
}

// mayExtend reports whether a file may have a value outside of what is known of
// some column.
func (a *aggregator) mayExtend(f *FileTask) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, c := range a.fields {
		e := &a.out.Columns[i]
		df := f.Data.File
		if nulls, ok := df.NullCounts.Get(c.ID); ok && nulls == df.RecordCount && !hasBounds(df, c) {
			continue
		}
		if l, h := looseBounds(f, c); l == nil || mayHaveNaN(df, c) || e.Min == nil || e.order(l, e.Min) < 0 || e.order(h, e.Max) > 0 {
			return true
		}
	}
	return false
}

// PartitionCount is the number of rows of a scan in one partition.
type PartitionCount struct {
	SpecID      int
	Partition   partition.Tuple
	Rows, Files int64 // files with a row of the scan
}

// CountPartitions counts the rows of every partition, as [Scan.Count] does, in
// the order partitions come in the manifests. Rows written under different specs
// are in different partitions. Partitions without a row of the scan are not
// listed.
func (s *Scan) CountPartitions(ctx context.Context) ([]PartitionCount, error) {
	if s.err != nil {
		return nil, s.err
	}
	var mu sync.Mutex
	var out []PartitionCount
	at := make(map[string]int)
	seen := make(map[string]bool) // files in parts, of which one had a row
	err := s.countFiles(ctx, func(f *FileTask, n int64) {
		key := fmt.Sprint(f.Data.File.SpecID)
		if spec, ok := s.src.Metadata.Spec(f.Data.File.SpecID); ok {
			key += "/" + spec.Key(f.Data.File.Partition)
		}
		mu.Lock()
		defer mu.Unlock()
		i, ok := at[key]
		if !ok {
			i, at[key] = len(out), len(out)
			out = append(out, PartitionCount{SpecID: f.Data.File.SpecID, Partition: f.Data.File.Partition})
		}
		out[i].Rows += n
		if path := f.Data.File.Path; n > 0 && !seen[path] {
			out[i].Files++
			if f.Length != 0 {
				seen[path] = true
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(p PartitionCount) bool { return p.Rows == 0 }), nil
}

// order compares two values, neither of them nil.
func (e *Extremes) order(a, b any) int {
	switch nan, other := schema.IsNaN(a), schema.IsNaN(b); {
	case nan && other:
		return 0
	case nan:
		return 1
	case other:
		return -1
	}
	return schema.Compare(e.Type, a, b)
}

// add takes a value in, nil for none.
func (e *Extremes) add(v any) {
	switch x := v.(type) {
	case nil:
		return
	case float32:
		v = x + 0 // -0 becomes 0
	case float64:
		v = x + 0
	}
	if e.Min == nil || e.order(v, e.Min) < 0 {
		e.Min = v
	}
	if e.Max == nil || e.order(v, e.Max) > 0 {
		e.Max = v
	}
}
