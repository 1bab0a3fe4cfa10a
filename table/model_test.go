package table_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/internal/fsck"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "run the model test with this seed only")
	modelRuns  = flag.Int("model.runs", 60, "seeds of the model test")
	modelSteps = flag.Int("model.steps", 40, "commits of a model run")
)

// TestModel applies random changes with random options to a table and to a map
// and compares the two after every commit, also by time travel at the end.
// Rerun a failure with -model.seed.
func TestModel(t *testing.T) {
	runs := *modelRuns
	if testing.Short() {
		runs = 10
	}
	first, n := uint64(1), runs
	if *modelSeed != 0 {
		first, n = *modelSeed, 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			m.run(*modelSteps)
		})
	}
}

type model struct {
	t       *testing.T
	ctx     context.Context
	r       *rand.Rand
	cat     catalog.Catalog
	tab     *table.Table
	w       *table.Writer
	rival   *table.Table // a second process's view of the table
	keyless bool
	wide    bool // the key has two columns
	strs    bool // the key is a string
	extra   bool // the column "extra" has been added
	blind   bool // appends would be on a word the rival breaks
	dir     string
	index   *keyindex.Index // of the writer, nil for none

	rows     map[string]schema.Row // keyed: key text → row
	bag      map[string]int        // keyless: row text → count
	history  map[int64][]string    // snapshot → rows
	position int
	log      []string
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		t: t, ctx: context.Background(), r: rand.New(rand.NewPCG(seed, 7)),
		rows: map[string]schema.Row{}, bag: map[string]int{}, history: map[int64][]string{},
	}
	m.cat = catalog.NewFiles(objstore.NewMemory(fmt.Sprintf("mem://model-%d", seed)), nil)
	m.keyless, m.wide, m.strs = m.r.IntN(6) == 0, m.r.IntN(3) == 0, m.r.IntN(3) == 0
	m.create(seed)
	return m
}

func (m *model) note(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

func (m *model) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%v\n%s", err, strings.Join(m.log, "\n"))
	}
}

func (m *model) create(seed uint64) {
	idType := schema.Long
	if m.strs {
		idType = schema.String
	}
	s := &schema.Schema{Fields: []schema.Field{
		{Name: "id", Type: idType},
		{Name: "region", Type: schema.Int},
		{Name: "amount", Type: schema.Decimal(12, 2)},
		{Name: "note", Type: schema.String},
	}}
	opts := &table.CreateOptions{FormatVersion: 2 + m.r.IntN(2)}
	if !m.keyless {
		opts.Key = []string{"id"}
		if m.wide {
			opts.Key = []string{"id", "region"}
		}
	}
	switch m.r.IntN(4) {
	case 0:
		opts.Partition = []partition.Field{partition.Bucket("id", 3)}
	case 1:
		opts.Partition = []partition.Field{partition.Identity("region")}
	case 2:
		opts.Partition = []partition.Field{partition.Truncate("note", 1), partition.Bucket("id", 2)}
	}
	clock := time.UnixMilli(1_700_000_000_000)
	opts.Options = table.Options{
		Clock:  func() time.Time { clock = clock.Add(time.Second); return clock },
		Random: rand.New(rand.NewPCG(seed, 99)).Uint64,
	}
	m.note("seed %d: version %d key %v partition %v", seed, opts.FormatVersion, opts.Key, opts.Partition)
	var err error
	m.tab, err = table.Create(m.ctx, m.cat, "m.t", s, opts)
	m.check(err)
	m.rival, err = table.Open(m.ctx, m.cat, "m.t", nil)
	m.check(err)
	m.newWriter()
}

func (m *model) newWriter() {
	o := &table.WriterOptions{MemoryBudget: []int64{1, 4000, 1 << 20}[m.r.IntN(3)], MaxOpenFiles: 1 + m.r.IntN(4), KeepSnapshots: -1}
	if m.r.IntN(4) == 0 {
		o.Encoding = table.EncodingEquality
	}
	if m.r.IntN(4) == 0 {
		o.TargetFileBytes = 600
	}
	m.note("writer %+v", *o)
	if m.newIndex(); m.index != nil {
		o.KeyIndex = m.index
	}
	var err error
	m.w, err = m.tab.NewWriter(o)
	m.check(err)
}

func (m *model) id() any {
	n := m.r.IntN(40)
	if m.strs {
		return fmt.Sprintf("k%03d", n)
	}
	return int64(n)
}

// row makes a random row of the current schema.
func (m *model) row() schema.Row {
	row := schema.Row{m.id(), nil, nil, nil}
	if m.wide || m.r.IntN(4) > 0 {
		row[1] = int32(m.r.IntN(3))
	}
	if m.r.IntN(4) > 0 {
		row[2] = schema.Unscaled{}
		row[2], _ = schema.Coerce(schema.Decimal(12, 2), fmt.Sprintf("%d.%02d", m.r.IntN(100)-50, m.r.IntN(100)))
	}
	if m.r.IntN(4) > 0 {
		row[3] = string(rune('a'+m.r.IntN(3))) + fmt.Sprint(m.r.IntN(2))
	}
	if m.keyless { // few distinct rows, so that equal ones meet
		row[2] = nil
	}
	if m.extra {
		row = append(row, int64(m.r.IntN(5)))
	}
	return row
}

func (m *model) key(row schema.Row) schema.Row {
	if m.wide {
		return schema.Row{row[0], row[1]}
	}
	return schema.Row{row[0]}
}

func text(row schema.Row) string { return fmt.Sprintf("%v", []any(row)) }

func (m *model) run(steps int) {
	for range steps {
		switch m.r.IntN(13) {
		case 12:
			m.check(m.w.Close())
			m.newWriter()
		case 0:
			m.rivalCommit()
		case 1:
			m.restart()
		case 2:
			m.addColumn()
		case 3:
			m.stagedCommit()
		default:
			m.commit()
		}
		m.compare()
	}
	m.timeTravel()
	m.fsck()
}

// fsck checks all that is stored.
func (m *model) fsck() {
	src := m.tab.Source()
	r, err := fsck.Check(m.ctx, fsck.Source{Store: src.Store, Metadata: src.Metadata}, &fsck.Options{Deep: true})
	m.check(err)
	for _, f := range r.Findings {
		if f.Severity == fsck.Error || f.Rule != "dangling" && f.Rule != "metadata-log" {
			m.t.Errorf("%s", f)
		}
	}
	if m.t.Failed() {
		m.t.Log(strings.Join(m.log, "\n"))
	}
}

// change applies one random change to the writer and to the map.
func (m *model) change(w *table.Writer) {
	row := m.row()
	switch p := m.r.IntN(40); {
	case p == 0:
		m.note("truncate")
		m.check(w.Truncate(m.ctx))
		clear(m.rows)
		clear(m.bag)
	case m.keyless && p < 14:
		if len(m.bag) > 0 && p < 12 {
			keys := slices.Sorted(maps.Keys(m.bag))
			m.deleteEqual(w, keys[m.r.IntN(len(keys))])
		}
	case m.keyless:
		m.note("insert %s", text(row))
		m.check(w.Upsert(m.ctx, row))
		m.bag[text(row)]++
		m.keepRow(row)
	case p < 12:
		m.note("delete %s", text(m.key(row)))
		m.check(w.Delete(m.ctx, m.key(row)))
		delete(m.rows, text(m.key(row)))
	case p < 15 && !m.blind && m.rows[text(m.key(row))] == nil: // an append is on the caller's word that the key is new
		m.note("append %s", text(row))
		m.check(w.Append(m.ctx, row))
		m.rows[text(m.key(row))] = row
	default:
		m.note("upsert %s", text(row))
		m.check(w.Upsert(m.ctx, row))
		m.rows[text(m.key(row))] = row
	}
}

// keepRow remembers a row's values by its text, for deletes of whole rows.
func (m *model) keepRow(row schema.Row) { m.rows["row "+text(row)] = row }

func (m *model) deleteEqual(w *table.Writer, key string) {
	row := m.rows["row "+key]
	if m.extra && len(row) == 4 {
		row = append(slices.Clone(row), nil)
		key = text(row)
		m.keepRow(row)
	}
	if m.bag[key] == 0 {
		return
	}
	m.note("delete row %s", key)
	m.check(w.Delete(m.ctx, row))
	if m.bag[key]--; m.bag[key] == 0 {
		delete(m.bag, key)
	}
}

func (m *model) commit() {
	for range m.r.IntN(30) {
		m.change(m.w)
	}
	m.position++
	_, err := m.w.Commit(m.ctx, &table.CommitOptions{Positions: map[string]string{"s": fmt.Sprint(m.position)}})
	m.check(err)
	m.note("committed")
	p, err := m.tab.Positions()
	m.check(err)
	if p["s"] != fmt.Sprint(m.position) {
		m.t.Fatalf("position %v, want %d", p, m.position)
	}
}

// rivalCommit lets another process commit between our begin and our commit.
func (m *model) rivalCommit() {
	if m.keyless {
		return // both sides' deletes of one row would have to be ordered
	}
	if m.extra != (len(m.rival.Schema().Fields) == 5) {
		m.check(m.rival.Refresh(m.ctx))
	}
	w, err := m.rival.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
	m.check(err)
	before := maps.Clone(m.rows)
	m.blind = true
	for range m.r.IntN(10) {
		m.change(m.w)
	}
	m.blind = false
	ours := m.rows
	m.rows = before
	m.note("rival:")
	for range 1 + m.r.IntN(10) {
		row := m.row()
		m.note("rival upsert %s", text(row))
		m.check(w.Upsert(m.ctx, row))
		before[text(m.key(row))] = row
	}
	_, err = w.Commit(m.ctx, nil)
	m.check(err)
	m.note("rival committed; ours follows")
	// What we changed wins, for it commits later: replay the log of ours.
	m.replayOurs(before, ours)
}

// replayOurs commits our pending changes on top of the rival's: the newest state
// of each key we touched holds.
func (m *model) replayOurs(base, ours map[string]schema.Row) {
	touched := m.touched()
	if touched == nil { // truncated
		m.rows = ours
	} else {
		for k := range touched {
			delete(base, k)
			if r := ours[k]; r != nil {
				base[k] = r
			}
		}
		m.rows = base
	}
	_, err := m.w.Commit(m.ctx, nil)
	m.check(err)
}

// touched reads from the log which keys we changed since the last commit, nil
// after a truncate.
func (m *model) touched() map[string]bool {
	out := map[string]bool{}
	end := len(m.log) - 1
	for m.log[end] != "rival:" {
		end--
	}
	for i := end - 1; i >= 0; i-- {
		op, arg, _ := strings.Cut(m.log[i], " ")
		switch op {
		case "truncate":
			return nil
		case "delete":
			out[arg] = true
		case "upsert", "append":
			out[m.keyOfText(arg)] = true
		default:
			return out
		}
	}
	return out
}

// keyOfText cuts the key out of a row's text "[id region …]".
func (m *model) keyOfText(row string) string {
	parts := strings.Fields(strings.Trim(row, "[]"))
	if m.wide {
		return "[" + parts[0] + " " + parts[1] + "]"
	}
	return "[" + parts[0] + "]"
}

func (m *model) restart() {
	m.note("restart")
	m.check(m.w.Close())
	var err error
	m.tab, err = table.Open(m.ctx, m.cat, "m.t", nil)
	m.check(err)
	m.newWriter()
}

func (m *model) addColumn() {
	if m.extra {
		return
	}
	m.note("add column")
	backfill := map[string]any{}
	def := any(nil)
	if m.r.IntN(2) == 0 {
		def = int64(7)
		backfill["extra"] = def
	}
	m.check(m.tab.Evolve(m.ctx, func(e *schema.Evolution) error {
		return e.Add("", schema.Field{Name: "extra", Type: schema.Long})
	}, &table.EvolveOptions{Backfill: backfill}))
	m.extra = true
	rows, bag := m.rows, m.bag
	m.rows, m.bag = map[string]schema.Row{}, map[string]int{}
	for k, r := range rows {
		r = append(slices.Clone(r), def)
		if m.keyless {
			old := text(r[:4])
			if n := bag[old]; n > 0 {
				m.bag[text(r)] = n
			}
			m.keepRow(r)
			continue
		}
		m.rows[k] = r
	}
}

// stagedCommit flushes several sets from several writers, sends them through
// bytes, and commits them together.
func (m *model) stagedCommit() {
	if m.keyless {
		return
	}
	var staged []*table.Staged
	for range 1 + m.r.IntN(3) {
		m.note("stage:")
		w, err := m.tab.NewWriter(&table.WriterOptions{MemoryBudget: 3000})
		m.check(err)
		for range m.r.IntN(15) {
			m.change(w)
		}
		s, err := w.Flush(m.ctx)
		m.check(err)
		b, err := s.Marshal(m.ctx, m.tab)
		m.check(err)
		s, err = m.tab.UnmarshalStaged(m.ctx, b)
		m.check(err)
		staged = append(staged, s)
		m.check(w.Close())
	}
	_, err := m.tab.CommitStaged(m.ctx, staged, &table.WriterOptions{KeepSnapshots: -1}, nil)
	m.check(err)
	m.note("committed")
}

func (m *model) expected() []string {
	var want []string
	if m.keyless {
		for k, n := range m.bag {
			for range n {
				want = append(want, k)
			}
		}
	} else {
		for _, r := range m.rows {
			want = append(want, text(r))
		}
	}
	slices.Sort(want)
	return want
}

func (m *model) read(opts *scan.Options) []string {
	var got []string
	for row, err := range m.tab.Scan(opts).Rows(m.ctx) {
		m.check(err)
		got = append(got, text(row))
	}
	slices.Sort(got)
	return got
}

func (m *model) compare() {
	m.t.Helper()
	m.check(m.tab.Refresh(m.ctx))
	want, got := m.expected(), m.read(nil)
	if !slices.Equal(got, want) {
		m.t.Fatalf("rows differ\n got %v\nwant %v\n%s", got, want, strings.Join(m.log, "\n"))
	}
	if s := m.tab.Metadata().Current(); s != nil {
		m.history[s.ID] = want
	}
}

func (m *model) timeTravel() {
	for id, want := range m.history {
		if len(want) > 0 && m.extra && len(strings.Fields(want[0])) < 5 {
			continue // rows of an older schema
		}
		got := m.read(&scan.Options{SnapshotID: &id, UseCurrentSchema: true})
		if !slices.Equal(got, want) && !m.extra {
			m.t.Fatalf("snapshot %d\n got %v\nwant %v\n%s", id, got, want, strings.Join(m.log, "\n"))
		}
	}
}

var _ = errors.Is
