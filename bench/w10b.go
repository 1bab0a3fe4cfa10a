package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/table"
)

const (
	w10bRate   = 200_000 // upserts a second that the writer offers
	w10bCommit = 20_000  // of them a commit
	w10bParts  = 3       // after each of which the table is read
)

// W10b has a writer offer 200,000 upserts a second, in commits of 20,000, first
// alone, then beside compaction.Runner on the same machine: with position
// deletes, deletion vectors and equality deletes. Rows a second are those the
// writer made good; the note compares them with the writer alone. The ratio is
// the CPU of a scan, the worst of three during the run, to one of the table when
// it is compacted at the end.
func W10b(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, v := range []struct {
		name string
		form form
	}{{"positions-v2", positions}, {"vectors-v3", vectors}, {"equality-v2", equality}} {
		if !o.wants(v.name) {
			continue
		}
		alone, err := o.beside(ctx, v.form, false)
		if err != nil {
			return rs, fmt.Errorf("%s alone: %w", v.name, err)
		}
		r, err := o.beside(ctx, v.form, true)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", v.name, err)
		}
		r.Case = v.name
		r.Note = fmt.Sprintf("%.0f %% of the writer's rate alone, %.0f/s, whose scans cost %.2f x clean; %s",
			100*r.RowsPerSecond/alone.RowsPerSecond, alone.RowsPerSecond, alone.RatioToClean, r.Note)
		rs = o.done(rs, r)
	}
	return rs, nil
}

// beside runs the writer with or without a runner. The peak of memory is that
// while the writer writes.
func (o *Options) beside(ctx context.Context, f form, compact bool) (Result, error) {
	c, err := o.newChurn(ctx, "w10b", o.rows(200_000, 1_000_000), f)
	if err != nil {
		return Result{}, err
	}
	defer c.close()
	closeIndex, err := c.indexed(f)
	if err != nil {
		return Result{}, err
	}
	defer closeIndex()
	var stats compaction.RunnerStats
	var used Usage
	worst := 0.0
	commits := o.rows(60, 300)/w10bParts + 1
	for range w10bParts {
		u, s, err := c.offer(ctx, compact, commits)
		if err != nil {
			return Result{}, err
		}
		used.Seconds, used.CPU, used.PeakRSS = used.Seconds+u.Seconds, used.CPU+u.CPU, max(used.PeakRSS, u.PeakRSS)
		stats.Commits, stats.BytesWritten, stats.GivenUp = stats.Commits+s.Commits, stats.BytesWritten+s.BytesWritten, stats.GivenUp+s.GivenUp
		scan, err := c.scan(ctx, "W10b", "", c.rows)
		if err != nil {
			return Result{}, err
		}
		worst = max(worst, scan.CPUNsPerRow)
	}
	res := used.Result("W10b", "", commits*w10bParts*w10bCommit)
	res.Commits = commits * w10bParts
	if res.Files, res.Bytes, err = c.l.size(); err != nil {
		return res, err
	}
	if _, err := compaction.Compact(ctx, c.t, &compaction.Options{DeleteRatio: 1e-9}); err != nil {
		return res, err
	}
	clean, err := c.scan(ctx, "W10b", "", c.rows)
	if err != nil {
		return res, err
	}
	res.RatioToClean = round(worst/clean.CPUNsPerRow, 1000)
	res.Note = fmt.Sprintf("%d compactions, %d given up, %d MB written by them", stats.Commits, stats.GivenUp, stats.BytesWritten>>20)
	return res, nil
}

// indexed gives a writer of position deletes a key index; the caller closes it.
func (c *churn) indexed(f form) (closeIndex func() error, err error) {
	if f.encoding == table.EncodingEquality {
		return func() error { return nil }, nil
	}
	index, err := keyindex.Open(nil)
	if err != nil {
		return nil, err
	}
	if err = c.w.Close(); err == nil {
		c.w, err = c.t.NewWriter(&table.WriterOptions{Encoding: f.encoding, KeyIndex: index})
	}
	if err != nil {
		_ = index.Close()
	}
	return index.Close, err
}

// offer makes commits at the writer's rate, or as near as it gets, beside a
// runner if compact says so.
func (c *churn) offer(ctx context.Context, compact bool, commits int64) (used Usage, stats compaction.RunnerStats, err error) {
	throttle := func(context.Context) error { return nil }
	if compact {
		r := compaction.NewRunner(c.t, nil)
		throttle = r.Throttle
		rctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- r.Run(rctx) }()
		defer func() {
			stop()
			if e := <-ended; err == nil && !errors.Is(e, context.Canceled) {
				err = fmt.Errorf("the runner ended: %w", e)
			}
			stats = r.Stats()
		}()
	}
	m := StartMeter()
	began := time.Now()
	for n := range commits {
		if early := time.Until(began.Add(time.Duration(n) * w10bCommit * time.Second / w10bRate)); early > 0 {
			time.Sleep(early) // the source has no more yet
		}
		if err := throttle(ctx); err != nil {
			return used, stats, err
		}
		if err := c.change(ctx, w10bCommit, table.OpUpsert); err != nil {
			return used, stats, err
		}
	}
	return m.Stop(), stats, nil
}
