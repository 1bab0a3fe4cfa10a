package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/debezium"
)

// stream is a case of W12.
type stream struct {
	name            string
	events, history string // files below the shared folder; no events: made up
}

func streams() []stream {
	const sakila = "changes/sakila/"
	return []stream{
		{"sakila", sakila + "events.jsonl.zst", sakila + "schema-changes.jsonl.zst"},
		{"sakila-precise", sakila + "events-precise.jsonl.zst", sakila + "schema-changes.jsonl.zst"},
		{"sakila-flat", sakila + "events-flat.jsonl.zst", sakila + "schema-changes.jsonl.zst"},
		{"sakila-schema", sakila + "events-schema.jsonl.zst", ""},
		{"sbtest", "changes/sbtest/events.jsonl.zst", ""},
		{"synthetic", "", ""},
	}
}

// W12 ingests recorded Debezium streams with the default settings, from
// compressed text to commits; where they are not at hand, and always beside
// them, a stream that is made up. Rows are events. The phases are wall clock:
// decode is finding the event and its row values in the text, apply is taking
// batches into the tables' writers, commit is while at least one table commits,
// tables is creating, opening and evolving them; other is what is left.
func W12(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, s := range streams() {
		if !o.wants(s.name) {
			continue
		}
		if s.events != "" {
			_, err := os.Stat(filepath.Join(o.Shared, s.events))
			if o.Shared == "" || errors.Is(err, os.ErrNotExist) {
				continue
			}
		}
		r, err := o.ingest(ctx, s)
		if err != nil {
			return rs, fmt.Errorf("%s: %w", s.name, err)
		}
		rs = o.done(rs, r)
	}
	return rs, nil
}

// open opens a stream; one that is made up is first written into dir.
func (o *Options) open(s stream, dir string) (*debezium.Reader, error) {
	path := filepath.Join(o.Shared, s.events)
	if s.events == "" {
		path = filepath.Join(dir, "events.jsonl")
		if err := writeSynthetic(path, o.rows(50000, 500000)); err != nil {
			return nil, err
		}
	}
	opts := &debezium.Options{}
	if s.history != "" {
		text, err := readZstd(filepath.Join(o.Shared, s.history))
		if err != nil {
			return nil, err
		}
		opts.SchemaChanges = bytes.NewReader(text)
	}
	return debezium.NewReader([]debezium.Input{debezium.FileInput(path)}, opts)
}

func readZstd(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

func (o *Options) ingest(ctx context.Context, s stream) (Result, error) {
	l, err := o.newLake("w12")
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	input, err := os.MkdirTemp(o.Dir, "frazil-bench-events-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(input)
	r, err := o.open(s, input)
	if err != nil {
		return Result{}, err
	}
	defer r.Close()
	p := &phases{}
	m := StartMeter()
	st, err := cdc.Run(ctx, &timedSource{Source: r, p: p}, timedSink{cdc.NewTables(l.cat, nil), p}, nil)
	if err != nil {
		return Result{}, err
	}
	u := m.Stop()
	res := u.Result("W12", s.name, st.Events)
	res.Commits = st.Commits
	res.Phases = p.seconds(u.Seconds)
	res.Note = fmt.Sprintf("%d row changes, %.0f a second, %d tables", st.Rows, float64(st.Rows)/u.Seconds, st.Tables)
	res.Files, res.Bytes, err = l.size()
	return res, err
}

// phases adds up wall clock by kind of work.
type phases struct {
	decode time.Duration

	mu         sync.Mutex
	apply      time.Duration
	tables     time.Duration
	committing int
	since      time.Time
	commit     time.Duration
}

func (p *phases) seconds(total float64) map[string]float64 {
	m := map[string]float64{
		"decode": round(p.decode.Seconds(), 1000), "apply": round(p.apply.Seconds(), 1000), "commit": round(p.commit.Seconds(), 1000),
		"tables": round(p.tables.Seconds(), 1000),
	}
	m["other"] = round(max(0, total-m["decode"]-m["apply"]-m["commit"]-m["tables"]), 1000)
	return m
}

// beginCommit and endCommit count the time while at least one table commits.
func (p *phases) beginCommit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.committing == 0 {
		p.since = time.Now()
	}
	p.committing++
}

func (p *phases) endCommit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.committing--; p.committing == 0 {
		p.commit += time.Since(p.since)
	}
}

// addTables counts the time since start.
func (p *phases) addTables(start time.Time) { p.add(&p.tables, start) }

// add counts the time since start; tables commit, and apply their last batch, at
// the same time.
func (p *phases) add(to *time.Duration, start time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*to += time.Since(start)
}

type timedSource struct {
	cdc.Source
	p    *phases
	rows timedRows
}

func (s *timedSource) Next(ctx context.Context) (*cdc.Event, error) {
	start := time.Now()
	ev, err := s.Source.Next(ctx)
	if ev != nil && ev.Rows != nil {
		s.rows = timedRows{ev.Rows, s.p}
		ev.Rows = &s.rows
	}
	s.p.decode += time.Since(start)
	return ev, err
}

type timedRows struct {
	cdc.RowAppender
	p *phases
}

func (r *timedRows) AppendRows(b *cdc.Builder) error {
	start := time.Now()
	err := r.RowAppender.AppendRows(b)
	r.p.decode += time.Since(start)
	return err
}

type timedSink struct {
	cdc.Sink
	p *phases
}

func (s timedSink) Open(ctx context.Context, name string) (cdc.TableSink, error) {
	defer s.p.addTables(time.Now())
	return s.wrap(s.Sink.Open(ctx, name))
}

func (s timedSink) Create(ctx context.Context, name string, shape *cdc.Shape) (cdc.TableSink, error) {
	defer s.p.addTables(time.Now())
	return s.wrap(s.Sink.Create(ctx, name, shape))
}

func (s timedSink) wrap(t cdc.TableSink, err error) (cdc.TableSink, error) {
	if t == nil || err != nil {
		return nil, err
	}
	return &timedTable{t, s.p}, nil
}

type timedTable struct {
	cdc.TableSink
	p *phases
}

func (t *timedTable) Apply(ctx context.Context, b *cdc.Batch) error {
	defer t.p.add(&t.p.apply, time.Now())
	return t.TableSink.Apply(ctx, b)
}

func (t *timedTable) Evolve(ctx context.Context, shape *cdc.Shape) error {
	defer t.p.addTables(time.Now())
	return t.TableSink.Evolve(ctx, shape)
}

func (t *timedTable) Truncate(ctx context.Context) error {
	defer t.p.addTables(time.Now())
	return t.TableSink.Truncate(ctx)
}

func (t *timedTable) Commit(ctx context.Context, positions map[string]string) error {
	t.p.beginCommit()
	defer t.p.endCommit()
	return t.TableSink.Commit(ctx, positions)
}
