package bench

import (
	"context"
	"fmt"
	"runtime"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// CompactionCase is a case of W10: a table that needs compaction.
type CompactionCase struct {
	Name string
	// Version of the format.
	Version int
	// Live is how many rows there are to read, before and after.
	Live func(o *Options) int64
	fill func(ctx context.Context, o *Options, l *lake) error
	// rewrite has files with any deletes rewritten, as the rivals do.
	rewrite bool
}

// CompactionTable is the name of the table that every case makes.
const CompactionTable = "bench.R6"

// CompactionCases are the cases of W10: the tables of W4 after ten rounds of
// upserts by deletion vectors, position deletes and equality deletes; that of W5
// after 200 commits of equality deletes (small: 50); a million rows out of 300
// commits as Flink makes them, every key deleted by equality before it is
// written, a third of them there already (small: 100,000 out of 100); and files
// of good row groups to be joined. Of w5 the deletes are turned to positions; in
// w5-rewrite the file is rewritten without the rows.
func CompactionCases() []CompactionCase {
	w4 := func(name string, f form) CompactionCase {
		return CompactionCase{Name: name, Version: f.version, Live: func(o *Options) int64 { return o.rows(100000, 500000) }, fill: func(ctx context.Context, o *Options, l *lake) error {
			return l.churned(ctx, o.rows(100000, 500000), f, 10, 5, table.OpUpsert)
		}}
	}
	join := func(name string, version int) CompactionCase {
		return CompactionCase{Name: name, Version: version, Live: func(o *Options) int64 { return o.rows(1600000, 8000000) }, fill: func(ctx context.Context, o *Options, l *lake) error {
			return l.fill(ctx, R6(0), o.rows(1600000, 8000000), 8, version)
		}}
	}
	sizes := func(o *Options) (rows, commits int64) { return o.rows(200000, 2000000), o.rows(50, 200) }
	w5 := CompactionCase{Name: "w5", Version: 2, Live: func(o *Options) int64 {
		rows, commits := sizes(o)
		return rows - rows/10/commits*commits
	}, fill: func(ctx context.Context, o *Options, l *lake) error {
		rows, commits := sizes(o)
		return l.churned(ctx, rows, equality, commits, 10*commits, table.OpDelete)
	}}
	rewritten := w5
	rewritten.Name, rewritten.rewrite = "w5-rewrite", true
	return []CompactionCase{
		w4("w4", vectors), w4("w4-v2", positions), w4("w4-equality", equality),
		w5, rewritten,
		{Name: "flink", Version: 2, Live: func(o *Options) int64 { return o.rows(100000, 1000000) }, fill: func(ctx context.Context, o *Options, l *lake) error {
			return l.flink(ctx, o.rows(100000, 1000000), o.rows(100, 300))
		}},
		join("join", 2),
		join("join-v3", 3),
	}
}

// churned is the table of W4 and W5: rows, then commits of a share of them each.
func (l *lake) churned(ctx context.Context, rows int64, f form, commits, share int64, op table.Op) error {
	c, err := l.newChurn(ctx, rows, f)
	if err != nil {
		return err
	}
	defer c.w.Close()
	for range commits {
		if err := c.change(ctx, rows/share, op); err != nil {
			return err
		}
	}
	return nil
}

// flink writes rows in commits of new ones and, half as many, changed ones.
func (l *lake) flink(ctx context.Context, rows, commits int64) error {
	d := R6(0)
	t, err := l.create(ctx, d, &table.CreateOptions{Key: []string{"id"}})
	if err != nil {
		return err
	}
	w, err := t.NewWriter(&table.WriterOptions{Encoding: table.EncodingEquality})
	if err != nil {
		return err
	}
	defer w.Close()
	apply := func(b arrow.RecordBatch) error {
		defer b.Release()
		return w.ApplyBatch(ctx, b, nil)
	}
	for c := range commits {
		from, to := rows*c/commits, rows*(c+1)/commits
		if err := apply(d.Batch(from, int(to-from))); err != nil {
			return err
		}
		if n := (to - from) / 2; from > n {
			at := int64(random(21, uint64(c)) % uint64(from-n))
			if err := apply(d.Batch(at, int(n))); err != nil {
				return err
			}
		}
		if _, err := w.Commit(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// PrepareCompaction fills a folder with the table of a case of W10.
func PrepareCompaction(ctx context.Context, dir string, c CompactionCase, opts *Options) error {
	o, err := opts.withDefaults()
	if err != nil {
		return err
	}
	l, err := openLake(dir)
	if err != nil {
		return err
	}
	defer l.close()
	return c.fill(ctx, &o, l)
}

// W10 compacts tables with the default options. Rows are those in the files
// before, deleted ones included; what is said of memory is the peak of the
// process while it compacts.
func W10(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, c := range CompactionCases() {
		if !o.wants(c.Name) {
			continue
		}
		r, err := c.run(ctx, o)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", c.Name, err)
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

func (c CompactionCase) run(ctx context.Context, o *Options) (Result, error) {
	l, err := o.newLake("w10")
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	if err := c.fill(ctx, o, l); err != nil {
		return Result{}, err
	}
	runtime.GC()
	m := StartMeter()
	t, err := table.Open(ctx, l.cat, CompactionTable, nil)
	if err != nil {
		return Result{}, err
	}
	var opts compaction.Options
	if c.rewrite {
		opts.DeleteRatio = 0.001
	}
	rep, err := compaction.Compact(ctx, t, &opts)
	if err != nil {
		return Result{}, err
	}
	u := m.Stop()
	r := u.Result("W10", c.Name, rep.Before.Rows)
	r.Commits = int64(rep.Commits)
	r.Files, r.Bytes = int64(rep.After.DataFiles+rep.After.DeleteFiles), rep.After.Bytes
	r.Note = fmt.Sprintf("%.2f CPU-s, %d MB/s and core, %d of %d MB copied; %d files before", u.CPU.Seconds(),
		int64(float64(rep.BytesRead)/u.CPU.Seconds()/1e6), rep.BytesSpliced/1e6, rep.BytesRead/1e6, rep.Before.DataFiles+rep.Before.DeleteFiles)
	n, err := countRows(ctx, t, &scan.Options{Columns: []string{"id"}})
	if err != nil {
		return r, err
	}
	return r, expect(c.Name+": rows afterwards", n, c.Live(o))
}
