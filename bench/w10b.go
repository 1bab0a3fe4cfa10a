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
		name     string
		version  int
		encoding table.Encoding
	}{
		{"positions-v2", 2, table.EncodingPosition},
		{"vectors-v3", 3, table.EncodingPosition},
		{"equality-v2", 2, table.EncodingEquality},
	} {
		if !o.wants(v.name) {
			continue
		}
		alone, err := o.beside(ctx, v.version, v.encoding, false)
		if err != nil {
			return rs, fmt.Errorf("%s alone: %w", v.name, err)
		}
		r, err := o.beside(ctx, v.version, v.encoding, true)
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

// beside runs the writer with or without a runner.
func (o *Options) beside(ctx context.Context, version int, encoding table.Encoding, compact bool) (Result, error) {
	c, err := o.newChurn(ctx, "w10b", o.rows(200_000, 1_000_000), version, encoding)
	if err != nil {
		return Result{}, err
	}
	defer c.close()
	index, err := keyindex.Open(nil)
	if err != nil {
		return Result{}, err
	}
	defer index.Close()
	if err := c.w.Close(); err != nil {
		return Result{}, err
	}
	wo := &table.WriterOptions{Encoding: encoding}
	if encoding != table.EncodingEquality {
		wo.KeyIndex = index
	}
	if c.w, err = c.t.NewWriter(wo); err != nil {
		return Result{}, err
	}
	var stats compaction.RunnerStats
	var wall, cpu time.Duration
	worst := 0.0
	commits := o.rows(60, 300)/w10bParts + 1
	for range w10bParts {
		var r *compaction.Runner
		if compact {
			r = compaction.NewRunner(c.t, nil)
		}
		w, u, err := c.offer(ctx, r, commits)
		if err != nil {
			return Result{}, err
		}
		wall, cpu = wall+w, cpu+u
		if r != nil {
			s := r.Stats()
			stats.Commits, stats.BytesWritten, stats.GivenUp = stats.Commits+s.Commits, stats.BytesWritten+s.BytesWritten, stats.GivenUp+s.GivenUp
		}
		scan, err := c.scan(ctx, "W10b", "", c.rows)
		if err != nil {
			return Result{}, err
		}
		worst = max(worst, scan.CPUNsPerRow)
	}
	res := Result{Workload: "W10b", Rows: commits * w10bParts * w10bCommit, Seconds: wall.Seconds(), Commits: commits * w10bParts}
	res.CPUNsPerRow = round(float64(cpu.Nanoseconds())/float64(res.Rows), 10)
	res.RowsPerSecond = round(float64(res.Rows)/wall.Seconds(), 1)
	if res.Files, res.Bytes, err = c.l.size(); err != nil {
		return res, err
	}
	res.PeakRSSBytes = StartMeter().Stop().PeakRSS
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

// offer makes commits at the writer's rate, or as near as it gets, with r at
// work meanwhile.
func (c *churn) offer(ctx context.Context, r *compaction.Runner, commits int64) (wall, cpu time.Duration, err error) {
	rctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	if r == nil {
		ended <- context.Canceled
	} else {
		go func() { ended <- r.Run(rctx) }()
	}
	m := StartMeter()
	began := time.Now()
	for n := range commits {
		if early := time.Until(began.Add(time.Duration(n) * w10bCommit * time.Second / w10bRate)); early > 0 {
			time.Sleep(early) // the source has no more yet
		}
		if r != nil {
			if err := r.Throttle(ctx); err != nil {
				return 0, 0, err
			}
		}
		if err := c.change(ctx, w10bCommit, table.OpUpsert); err != nil {
			return 0, 0, err
		}
	}
	wall = time.Since(began)
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return 0, 0, err
	}
	return wall, m.Stop().CPU, nil
}
