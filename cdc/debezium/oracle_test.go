package debezium_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/cdctest"
	"github.com/frazildb/frazil/cdc/debezium"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

// shared returns the directory of the shared change streams.
func shared(t testing.TB) string {
	t.Helper()
	return testenv.Shared(t, "changes")
}

// variant is a stream with how it is read.
type variant struct {
	name    string
	set     string
	file    string
	changes bool
	// skip are the tables that the stream cannot tell.
	skip []string
	// only are the tables that the file carries, nil for all.
	only []string
}

func variants() []variant {
	return []variant{
		{name: "events", set: "sakila", file: "events.jsonl.zst", changes: true},
		{name: "events-precise", set: "sakila", file: "events-precise.jsonl.zst", changes: true},
		{name: "events-schema", set: "sakila", file: "events-schema.jsonl.zst", only: []string{
			"type_zoo", "customer", "film", "address", "loyalty_card", "kiosk_log", "staff", "store",
			"language", "category", "price_cache", "stream_end",
		}},
		{name: "events-flat", set: "sakila", file: "events-flat.jsonl.zst", changes: true, skip: []string{"price_cache", "kiosk_log"}},
	}
}

func (v variant) reader(t testing.TB, dir string, opts *debezium.Options) *debezium.Reader {
	t.Helper()
	if opts == nil {
		opts = &debezium.Options{}
	}
	if v.changes {
		opts.SchemaChanges = open(t, filepath.Join(dir, v.set, "schema-changes.jsonl.zst"))
	}
	r, err := debezium.NewReader([]debezium.Input{debezium.FileInput(filepath.Join(dir, v.set, v.file))}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func open(t testing.TB, path string) io.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(256<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close(); f.Close() })
	return z
}

func (v variant) check(t testing.TB, dir string, m *cdctest.Memory) {
	t.Helper()
	o, err := cdctest.Load(filepath.Join(dir, v.set, "oracle", "tables.json"))
	if err != nil {
		t.Fatal(err)
	}
	ok := 0
	for name, want := range o.Tables {
		if contains(v.skip, name) || v.only != nil && !contains(v.only, name) {
			continue
		}
		parts := strings.Split(want.Topic, ".")
		table := m.Table(strings.Join(parts[1:], "."))
		if table == nil {
			t.Errorf("%s: no table", name)
			continue
		}
		sum, err := table.Sum(want)
		if err == nil {
			err = want.Check(sum)
		}
		if err == nil && table.Missing > 0 {
			err = fmt.Errorf("%d rows to remove were not there", table.Missing)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ok++
	}
	t.Logf("%s: %d tables equal the oracle", v.name, ok)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TestOracle replays every variant of the real stream: the rows must be the
// source's.
func TestOracle(t *testing.T) {
	dir := shared(t)
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			var warned []string
			r := v.reader(t, dir, &debezium.Options{Warn: func(w debezium.Warning) {
				warned = append(warned, w.Table)
				t.Logf("%s: %s: %s", w.Line, w.Table, w.Reason)
			}})
			m := cdctest.NewMemory()
			stats, err := cdc.Run(context.Background(), r, m, &cdc.Options{CommitRows: 10_000})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", stats)
			v.check(t, dir, m)
			for _, name := range v.skip {
				if !contains(warned, "sakila."+name) {
					t.Errorf("no warning names %s", name)
				}
			}
			if len(v.skip) != len(warned) {
				t.Errorf("warnings about %v, want %v", warned, v.skip)
			}
		})
	}
}

// cutSource ends the stream, or fails, at an event: what a killed process leaves.
type cutSource struct {
	*debezium.Reader
	left int
}

var errCut = errors.New("cut")

func (c *cutSource) Next(ctx context.Context) (*cdc.Event, error) {
	if c.left--; c.left < 0 {
		return nil, errCut
	}
	return c.Reader.Next(ctx)
}

// TestRestart kills the run at random events again and again, with random commit
// sizes, and lets it go on: the rows must be the source's, and a last run must add
// nothing.
func TestRestart(t *testing.T) {
	dir := shared(t)
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			m := cdctest.NewMemory()
			m.Eager = rnd.IntN(2) == 0
			m.Fail = func(string) error { // a commit fails now and then, others of its boundary do not
				if rnd.IntN(40) == 0 {
					return errCut
				}
				return nil
			}
			runs := 0
			for done := false; !done; runs++ {
				left := rnd.IntN(60_000)
				if runs == 4 {
					left = math.MaxInt
					m.Fail = nil
				}
				src := &cutSource{v.reader(t, dir, nil), left}
				_, err := cdc.Run(context.Background(), src, m, &cdc.Options{
					CommitRows: 1 + rnd.Int64N(5000), BatchRows: 1 + rnd.IntN(2000), Parallel: 1,
					CommitBytes: 1 << (10 + rnd.IntN(20)),
				})
				switch {
				case err == nil:
					done = true
				case !errors.Is(err, errCut):
					t.Fatalf("run %d: %v", runs, err)
				}
			}
			v.check(t, dir, m)
			stats, err := cdc.Run(context.Background(), v.reader(t, dir, nil), m, nil)
			if err != nil || stats.Rows != 0 || stats.Commits != 0 || stats.Truncates != 0 {
				t.Errorf("a run after the last: %+v, %v", stats, err)
			}
			t.Logf("%d runs", runs)
		})
	}
}

// TestSysbench replays the large stream, whose types have to be guessed.
func TestSysbench(t *testing.T) {
	dir := shared(t)
	v := variant{name: "sbtest", set: "sbtest", file: "events.jsonl.zst"}
	m := cdctest.NewMemory()
	stats, err := cdc.Run(context.Background(), v.reader(t, dir, nil), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", stats)
	v.check(t, dir, m)
}

// TestGuessedStream reads the streams without the schema changes: every row is
// there, with guessed types.
func TestGuessedStream(t *testing.T) {
	dir := shared(t)
	for _, v := range variants() {
		if !v.changes {
			continue
		}
		v.changes = false
		m := cdctest.NewMemory()
		if _, err := cdc.Run(context.Background(), v.reader(t, dir, nil), m, nil); err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		o, err := cdctest.Load(filepath.Join(dir, v.set, "oracle", "tables.json"))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range o.Tables {
			n := 0
			_ = m.Table("sakila." + name).Rows(func(schema.Row) error { n++; return nil })
			if n != want.Rows && !contains(v.skip, name) {
				t.Errorf("%s: %s has %d rows, want %d", v.name, name, n, want.Rows)
			}
		}
	}
}

// BenchmarkDecode decodes the stream into Arrow batches and throws them away.
func BenchmarkDecode(b *testing.B) {
	dir := shared(b)
	for _, v := range append(variants(), variant{name: "sbtest", set: "sbtest", file: "events.jsonl.zst"}) {
		b.Run(v.name, func(b *testing.B) {
			data, err := io.ReadAll(open(b, filepath.Join(dir, v.set, v.file)))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			b.ResetTimer()
			events := int64(0)
			for range b.N {
				opts := &debezium.Options{}
				if v.changes {
					opts.SchemaChanges = open(b, filepath.Join(dir, v.set, "schema-changes.jsonl.zst"))
				}
				in := debezium.Input{Name: v.file, Open: func() (io.ReadCloser, error) {
					return io.NopCloser(bytes.NewReader(data)), nil
				}}
				r, err := debezium.NewReader([]debezium.Input{in}, opts)
				if err != nil {
					b.Fatal(err)
				}
				stats, err := cdc.Run(context.Background(), r, discard{}, nil)
				if err != nil {
					b.Fatal(err)
				}
				events += stats.Events
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}

// discard is a sink that keeps nothing.
type discard struct{}

func (discard) Open(context.Context, string) (cdc.TableSink, error) { return nil, nil }
func (discard) Create(_ context.Context, _ string, s *cdc.Shape) (cdc.TableSink, error) {
	return &discardTable{s}, nil
}

type discardTable struct{ shape *cdc.Shape }

func (d *discardTable) Shape() *cdc.Shape            { return d.shape }
func (d *discardTable) Positions() map[string]string { return nil }
func (d *discardTable) Evolve(_ context.Context, s *cdc.Shape) error {
	d.shape = s
	return nil
}

func (d *discardTable) Apply(_ context.Context, b *cdc.Batch) error {
	b.Rows.Release()
	return nil
}
func (d *discardTable) Truncate(context.Context) error                  { return nil }
func (d *discardTable) Buffered() (int64, int64)                        { return 0, 0 }
func (d *discardTable) Commit(context.Context, map[string]string) error { return nil }
func (d *discardTable) Discard() error                                  { return nil }
func (d *discardTable) Close() error                                    { return nil }
