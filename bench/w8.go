package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

const (
	w8Manifest = 10000 // data files a manifest, which is a commit
	w8Days     = 100
	w8Rows     = 1000 // rows that a data file claims to have
	w8Warm     = 5    // plans of a warm case, of which the mean is told
	dayMicros  = 24 * 3600 * 1000 * 1000
)

// W8 plans scans of tables of many data files, of which only the metadata
// exists: 10,000 (small), and 100,000, 200,000 and a million (full); six columns
// with all statistics, partitioned by day. Without a filter, with one on the
// partition (-partition) that keeps a hundredth, and with one on a value (-value)
// that keeps one file; cold, the table opened afresh, and once more with the
// manifests cached (-warm, -partition-warm, -value-warm). With -stream tasks are
// taken as they come and not kept. The case 10k-manifests has 10,000 manifests of
// one file each (small: a tenth). Rows are the data files of the table.
func W8(ctx context.Context, o *Options) ([]Result, error) {
	tables := []struct {
		name            string
		files, manifest int64
	}{
		{"10k-manifests", o.rows(1000, 10000), 1},
		{"10k", o.rows(10000, 10000), w8Manifest},
		{"100k", o.rows(100000, 100000), w8Manifest},
		{"200k", o.rows(200000, 200000), w8Manifest},
		{"1m", o.rows(1000000, 1000000), w8Manifest},
	}
	if o.Size != Full {
		tables = tables[:2]
	}
	var rs []Result
	for _, t := range tables {
		got, err := o.plans(ctx, t.name, t.files, t.manifest)
		rs = append(rs, got...)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return rs, nil
}

// plans makes those plans that are wanted on a table of files, so many in each
// manifest.
func (o *Options) plans(ctx context.Context, name string, files, manifest int64) ([]Result, error) {
	day := int64(epoch) + 7*dayMicros
	days := (files-8)/w8Days + 1 // files of day 7
	if files <= 7 {
		days = 0
	}
	part := expr.And(expr.Ge("ts", day), expr.Lt("ts", day+dayMicros))
	value := expr.Eq("id", files/2*w8Rows+7)
	cases := []planCase{
		{suffix: "", want: files},
		{suffix: "-stream", stream: true, want: files},
		{suffix: "-partition", filter: part, want: days},
		{suffix: "-value", filter: value, want: 1},
		{suffix: "-warm", warm: true, want: files},
		{suffix: "-partition-warm", filter: part, warm: true, want: days},
		{suffix: "-value-warm", filter: value, warm: true, want: 1},
	}
	cases = slices.DeleteFunc(cases, func(c planCase) bool { return !o.wants(name + c.suffix) })
	if len(cases) == 0 {
		return nil, nil
	}
	l, err := o.newLake("w8")
	if err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.manyFiles(ctx, files, manifest); err != nil {
		return nil, err
	}
	var rs []Result
	for _, c := range cases {
		r, err := l.plan(ctx, name+c.suffix, c, files)
		if err != nil {
			return rs, err
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

// planCase is a plan of W8 and how many files it must have.
type planCase struct {
	suffix       string
	filter       expr.Expr
	warm, stream bool
	want         int64
}

func (c *planCase) run(ctx context.Context, t *table.Table) (n int64, err error) {
	s := t.Scan(&scan.Options{Filter: c.filter})
	if c.stream {
		for task, err := range s.Tasks(ctx) {
			if err != nil {
				return n, err
			}
			n += int64(len(task.Files))
		}
		return n, nil
	}
	p, err := s.Plan(ctx)
	if err != nil {
		return 0, err
	}
	for _, task := range p.Tasks {
		n += int64(len(task.Files))
	}
	return n, nil
}

func (l *lake) plan(ctx context.Context, name string, c planCase, files int64) (Result, error) {
	t, err := table.Open(ctx, l.cat, "bench.files", nil)
	if err != nil {
		return Result{}, err
	}
	rounds := int64(1)
	if c.warm {
		rounds = w8Warm
		if _, err := c.run(ctx, t); err != nil {
			return Result{}, err
		}
	}
	m := StartMeter()
	for range rounds {
		if !c.warm {
			if t, err = table.Open(ctx, l.cat, "bench.files", nil); err != nil {
				return Result{}, err
			}
		}
		got, err := c.run(ctx, t)
		if err != nil {
			return Result{}, err
		}
		if err := expect(name+": files planned", got, c.want); err != nil {
			return Result{}, err
		}
	}
	u := m.Stop()
	r := u.Result("W8", name, files*rounds)
	r.Rows, r.Seconds = files, round(u.Seconds/float64(rounds), 1e6)
	r.Files, r.Bytes, err = l.size()
	return r, err
}

// manyFiles makes a table of data files that do not exist, so many in each
// manifest.
func (l *lake) manyFiles(ctx context.Context, files, perManifest int64) error {
	d := R6(0)
	d.Name = "files"
	props := map[string]string{"commit.manifest-merge.enabled": "false"}
	if perManifest == 1 {
		props["commit.manifest.target-size-bytes"] = "1"
	}
	t, err := l.create(ctx, d, &table.CreateOptions{Partition: []partition.Field{partition.Day("ts")}, Properties: props})
	if err != nil {
		return err
	}
	id, err := catalog.ParseIdentifier(t.Name())
	if err != nil {
		return err
	}
	base, err := l.cat.LoadTable(ctx, id)
	if err != nil {
		return err
	}
	for first := int64(0); first < files; first += w8Manifest {
		var add []*manifest.DataFile
		for i := first; i < min(first+w8Manifest, files); i++ {
			add = append(add, imagined(base.Metadata.Location, i))
		}
		p := snapshot.NewProducer(snapshot.Options{Store: base.Store}, snapshot.Changes{AddData: add}, snapshot.Conditions{})
		a, err := p.Apply(ctx, base.Metadata, "main")
		if err != nil {
			return err
		}
		base, err = l.cat.CommitTable(ctx, catalog.Commit{ID: id, Base: base, Requirements: a.Requirements, Updates: a.Updates})
		if err != nil {
			return err
		}
	}
	return nil
}

// imagined describes data file i.
func imagined(location string, i int64) *manifest.DataFile {
	day := i % w8Days
	long := func(v int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) }
	f := &manifest.DataFile{
		Path:   objstore.Join(location, "data", fmt.Sprintf("ts_day=%d/%08d-%016x.parquet", day, i, random(9, uint64(i)))),
		Format: manifest.FormatParquet, RecordCount: w8Rows, FileSize: 40000,
		Partition: partition.Tuple{int32(epoch/dayMicros + day)},
	}
	for c := 1; c <= 6; c++ {
		f.ColumnSizes = append(f.ColumnSizes, manifest.Count{FieldID: c, N: 6000})
		f.ValueCounts = append(f.ValueCounts, manifest.Count{FieldID: c, N: w8Rows})
		f.NullCounts = append(f.NullCounts, manifest.Count{FieldID: c})
	}
	f.NaNCounts = manifest.Counts{{FieldID: 3}}
	start := int64(epoch) + day*dayMicros
	f.Lower = manifest.Bounds{
		{FieldID: 1, Value: long(i * w8Rows)},
		{FieldID: 2, Value: long(0)},
		{FieldID: 3, Value: long(0)},
		{FieldID: 4, Value: long(start)},
		{FieldID: 5, Value: []byte("CANCELLED")},
		{FieldID: 6, Value: []byte("--A0fkd93hFNw1kd")},
	}
	f.Upper = manifest.Bounds{
		{FieldID: 1, Value: long(i*w8Rows + w8Rows - 1)},
		{FieldID: 2, Value: long(R6Customers)},
		{FieldID: 3, Value: long(0x40c3880000000000)},
		{FieldID: 4, Value: long(start + dayMicros - 1)},
		{FieldID: 5, Value: []byte("SHIPPED")},
		{FieldID: 6, Value: []byte("zzY3fkd93hFNw1ke")},
	}
	return f
}
