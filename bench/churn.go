package bench

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// churn is a table of R6 with the ids 0 to rows-1 that changes are made to.
type churn struct {
	l    *lake
	t    *table.Table
	w    *table.Writer
	rows int64
	next int64 // row of R6(rows) that the next change takes
}

// form is the format version of a table and how it writes deletes.
type form struct {
	version  int
	encoding table.Encoding
}

// The forms that are compared.
var (
	vectors   = form{3, table.EncodingPosition}
	positions = form{2, table.EncodingPosition}
	equality  = form{2, table.EncodingEquality}
)

func (o *Options) newChurn(ctx context.Context, name string, rows int64, f form) (*churn, error) {
	l, err := o.newLake(name)
	if err != nil {
		return nil, err
	}
	c, err := l.newChurn(ctx, rows, f)
	if err != nil {
		l.close()
	}
	return c, err
}

// newChurn makes the table in l.
func (l *lake) newChurn(ctx context.Context, rows int64, f form) (*churn, error) {
	d := R6(0)
	t, err := l.create(ctx, d, &table.CreateOptions{Key: []string{"id"}, FormatVersion: f.version})
	if err != nil {
		return nil, err
	}
	w, err := t.NewWriter(&table.WriterOptions{Encoding: f.encoding})
	if err != nil {
		return nil, err
	}
	if err = appendRows(ctx, w, d, 0, rows, nil); err == nil {
		_, err = w.Commit(ctx, nil)
	}
	if err != nil {
		_ = w.Close()
		return nil, err
	}
	return &churn{l: l, t: t, w: w, rows: rows, next: rows}, nil
}

// on makes a table for a case, if that is wanted, and reports what run measures
// with it.
func (o *Options) on(ctx context.Context, rs []Result, workload, name string, rows int64, f form, run func(c *churn) (Result, error)) ([]Result, error) {
	if !o.wants(name) {
		return rs, nil
	}
	c, err := o.newChurn(ctx, strings.ToLower(workload), rows, f)
	if err != nil {
		return rs, fmt.Errorf("%s: %w", name, err)
	}
	defer c.close()
	r, err := run(c)
	if err != nil {
		return rs, fmt.Errorf("%s: %w", name, err)
	}
	return o.done(rs, r), nil
}

func (c *churn) close() {
	_ = c.w.Close()
	c.l.close()
}

// change upserts or deletes n rows with ids all over the table, none twice until
// all have had their turn, and commits.
func (c *churn) change(ctx context.Context, n int64, op table.Op) error {
	d := R6(c.rows)
	for n > 0 {
		some := min(n, 65536)
		b := d.Batch(c.next, int(some))
		var ops []table.Op
		if op != table.OpUpsert {
			ops = make([]table.Op, some)
			for i := range ops {
				ops[i] = op
			}
		}
		err := c.w.ApplyBatch(ctx, b, ops)
		b.Release()
		if err != nil {
			return err
		}
		c.next += some
		n -= some
	}
	_, err := c.w.Commit(ctx, nil)
	return err
}

// scan reads all columns, or those named, of a table that is opened afresh.
func (c *churn) scan(ctx context.Context, workload, name string, want int64, columns ...string) (Result, error) {
	m := StartMeter()
	t, err := table.Open(ctx, c.l.cat, c.t.Name(), nil)
	if err != nil {
		return Result{}, err
	}
	n, err := countRows(ctx, t, &scan.Options{Columns: columns})
	if err != nil {
		return Result{}, err
	}
	r := m.Stop().Result(workload, name, n)
	if err := expect(name+": rows read", n, want); err != nil {
		return r, err
	}
	r.Files, r.Bytes, err = c.l.size()
	return r, err
}

// scanRounds is how often a scan is measured beside the one it is compared with;
// the least CPU of each counts, since noise only adds.
const scanRounds = 5

// against reads the table as it is, and the same data files as if they had no
// deletes, in turns. RatioToClean is the CPU of the one to that of the other.
func (c *churn) against(ctx context.Context, workload, name string, want int64, columns ...string) (best Result, err error) {
	clean := 0.0
	for i := range scanRounds {
		r, err := c.scan(ctx, workload, name, want, columns...)
		if err != nil {
			return r, err
		}
		if i == 0 || r.CPUNsPerRow < best.CPUNsPerRow {
			r.PeakRSSBytes = max(r.PeakRSSBytes, best.PeakRSSBytes)
			best = r
		}
		cpu, err := c.undeleted(ctx, columns)
		if err != nil {
			return r, err
		}
		if i == 0 || cpu < clean {
			clean = cpu
		}
	}
	best.RatioToClean = round(best.CPUNsPerRow*float64(best.Rows)/clean, 100)
	return best, nil
}

// undeleted reads all data files without their deletes and returns the CPU it
// took in nanoseconds.
func (c *churn) undeleted(ctx context.Context, columns []string) (float64, error) {
	m := StartMeter()
	t, err := table.Open(ctx, c.l.cat, c.t.Name(), nil)
	if err != nil {
		return 0, err
	}
	s := t.Scan(&scan.Options{Columns: columns})
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for f, err := range s.Files(ctx) {
		if err != nil {
			return 0, err
		}
		task, err := s.NewTask(scan.FileTask{Data: f.Data})
		if err != nil {
			return 0, err
		}
		g.Go(func() error {
			for _, err := range task.Batches(gctx) {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return float64(m.Stop().CPU.Nanoseconds()), nil
}

// W4 reads a table of half a million rows after ten rounds of upserts of a fifth
// of its rows, without compaction: all columns and the id alone. Ratios are to
// the same files without deletes, and to the table before the rounds, which is
// what compaction would make of it.
func W4(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, v := range []struct {
		suffix string
		form   form
	}{{"", vectors}, {"-v2", positions}, {"-equality", equality}} {
		if !o.wants("full"+v.suffix) && !o.wants("id"+v.suffix) {
			continue
		}
		c, err := o.newChurn(ctx, "w4", o.rows(100000, 500000), v.form)
		if err != nil {
			return rs, err
		}
		got, err := c.w4(ctx, v.suffix)
		c.close()
		if err != nil {
			return rs, err
		}
		for _, r := range got {
			if o.wants(r.Case) {
				rs = o.done(rs, r)
			}
		}
	}
	return rs, nil
}

func (c *churn) w4(ctx context.Context, suffix string) ([]Result, error) {
	cases := map[string][]string{"full": nil, "id": {"id"}}
	compact := map[string]float64{}
	for name, columns := range cases {
		r, err := c.against(ctx, "W4", name, c.rows, columns...)
		if err != nil {
			return nil, err
		}
		compact[name] = r.CPUNsPerRow
	}
	for range 10 {
		if err := c.change(ctx, c.rows/5, table.OpUpsert); err != nil {
			return nil, err
		}
	}
	var rs []Result
	for _, name := range []string{"full", "id"} {
		r, err := c.against(ctx, "W4", name+suffix, c.rows, cases[name]...)
		if err != nil {
			return nil, err
		}
		r.RatioToCompact = round(r.CPUNsPerRow/compact[name], 100)
		r.Commits = 10
		rs = append(rs, r)
	}
	return rs, nil
}

// W5 reads two million rows of which 200,000 are deleted by equality over 25,
// 200 and 1,000 commits (small: a tenth, over 25 and 100). The ratio is to the
// same data file without deletes.
func W5(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	counts := []int64{25, 100}
	if o.Size == Full {
		counts = []int64{25, 200, 1000}
	}
	for _, commits := range counts {
		name := fmt.Sprintf("commits-%d", commits)
		var err error
		rs, err = o.on(ctx, rs, "W5", name, o.rows(200000, 2000000), equality, func(c *churn) (Result, error) {
			return c.w5(ctx, name, commits)
		})
		if err != nil {
			return rs, err
		}
	}
	return rs, nil
}

func (c *churn) w5(ctx context.Context, name string, commits int64) (Result, error) {
	each := max(1, c.rows/10/commits)
	for range commits {
		if err := c.change(ctx, each, table.OpDelete); err != nil {
			return Result{}, err
		}
	}
	r, err := c.against(ctx, "W5", name, c.rows-each*commits)
	r.Commits = commits
	return r, err
}

// W7 reads a table of which a tenth of the rows is deleted, by position deletes,
// deletion vectors and equality deletes. The ratio is CPU of the whole scan to
// that of the same files without the deletes.
func W7(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, v := range []struct {
		name string
		form form
	}{{"position", positions}, {"vector", vectors}, {"equality", equality}} {
		var err error
		rs, err = o.on(ctx, rs, "W7", v.name, o.rows(500000, 5000000), v.form, func(c *churn) (Result, error) {
			return c.w7(ctx, v.name)
		})
		if err != nil {
			return rs, err
		}
	}
	return rs, nil
}

func (c *churn) w7(ctx context.Context, name string) (Result, error) {
	if err := c.change(ctx, c.rows/10, table.OpDelete); err != nil {
		return Result{}, err
	}
	return c.against(ctx, "W7", name, c.rows-c.rows/10)
}

// W13 looks up random keys one by one in a table of which a tenth of the rows is
// deleted: cold, opening the table for each, and warm, with one scan. Rows are
// look-ups; nine in ten find a row.
func W13(ctx context.Context, o *Options) ([]Result, error) {
	c, err := o.newChurn(ctx, "w13", o.rows(500000, 5000000), vectors)
	if err != nil {
		return nil, err
	}
	defer c.close()
	first := c.next
	if err := c.change(ctx, c.rows/10, table.OpDelete); err != nil {
		return nil, err
	}
	dead := make(map[int64]bool, c.rows/10)
	for n := first; n < c.next; n++ {
		dead[int64(Shuffled(n, c.rows))] = true
	}
	var rs []Result
	for _, name := range []string{"cold", "warm"} {
		if !o.wants(name) {
			continue
		}
		r, err := c.lookups(ctx, name, int(o.rows(100, 1000)), dead)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", name, err)
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

func (c *churn) lookups(ctx context.Context, name string, n int, dead map[int64]bool) (Result, error) {
	var times []time.Duration
	m := StartMeter()
	s := c.t.Scan(nil)
	for i := range n {
		id := LookupID(i, c.rows)
		start := time.Now()
		if name == "cold" {
			t, err := table.Open(ctx, c.l.cat, c.t.Name(), nil)
			if err != nil {
				return Result{}, err
			}
			s = t.Scan(nil)
		}
		found := 0
		for _, err := range s.Get(ctx, nil, []schema.Row{{id}}) {
			if err != nil {
				return Result{}, err
			}
			found++
		}
		times = append(times, time.Since(start))
		want := 1
		if dead[id] {
			want = 0
		}
		if err := expect(fmt.Sprintf("rows with id %d", id), found, want); err != nil {
			return Result{}, err
		}
	}
	r := m.Stop().Result("W13", name, int64(n))
	r.P50MS, r.P99MS = percentile(times, 50), percentile(times, 99)
	return r, nil
}
