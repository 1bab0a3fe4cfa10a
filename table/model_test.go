package table_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
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
// and compares the two after every commit, also by time travel at the end. A
// failure is reduced: steps and changes are left out as long as it stays, and what
// is left is printed. Rerun it with -model.seed.
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
			if m := runModel(t, seed, *modelSteps, nil, ""); m.failure != "" {
				t.Error(reduce(t, m, *modelSteps))
			}
		})
	}
}

// TestModelReduces: the model notices when a safety check is off, and says so in
// few steps.
func TestModelReduces(t *testing.T) {
	for seed := uint64(1); seed < 40; seed++ {
		m := runModel(t, seed, 30, nil, "catch up with rivals")
		if m.failure == "" {
			continue
		}
		said := reduce(t, m, 30)
		if n := strings.Count(said, "\n"); n > 40 || !strings.Contains(said, "rival") {
			t.Errorf("reduced to %d lines:\n%s", n, said)
		}
		return
	}
	t.Error("no seed noticed")
}

// Every step has a unit, and every change within it: the random choices of each
// depend on the seed and the unit alone, so that leaving others out does not
// change them.
const unitsPerStep = 1000

// runModel runs a model without the units left out.
func runModel(t *testing.T, seed uint64, steps int, leaveOut map[int]bool, off string) (m *model) {
	m = newModel(t, seed, off)
	m.leaveOut = leaveOut
	defer func() {
		if m.index != nil {
			_ = m.index.Close()
		}
		if p := recover(); p != nil {
			f, ok := p.(modelFailure)
			if !ok {
				panic(p)
			}
			m.failure = string(f)
		}
	}()
	m.run(steps)
	return m
}

// modelFailure ends a run.
type modelFailure string

func (m *model) fail(format string, args ...any) { panic(modelFailure(fmt.Sprintf(format, args...))) }

// reduce leaves out as many units as it can within some hundred runs and returns
// what is left.
func reduce(t *testing.T, failed *model, steps int) string {
	out, best := map[int]bool{}, failed
	runs := 0
	try := func(units []int) bool {
		if len(units) == 0 || runs >= 400 {
			return false
		}
		runs++
		more := maps.Clone(out)
		for _, u := range units {
			more[u] = true
		}
		m := runModel(t, failed.seed, steps, more, failed.off)
		if m.failure == "" {
			return false
		}
		out, best = more, m
		return true
	}
	for size := 1 << 10; size > 0; size /= 2 {
		for at := 0; ; {
			used := best.units
			if at >= len(used) {
				break
			}
			if !try(used[at:min(at+size, len(used))]) {
				at += size
			}
		}
	}
	return fmt.Sprintf("%s\nafter %d runs to reduce it (rerun with -model.seed %d):\n%s", best.failure, runs, failed.seed, strings.Join(best.log, "\n"))
}

// choose makes the random choices those of a unit, and reports whether it is left
// out.
func (m *model) choose(unit int) bool {
	m.r = rand.New(rand.NewPCG(m.seed, uint64(unit)))
	if m.leaveOut[unit] {
		return false
	}
	m.units = append(m.units, unit)
	return true
}

// changes makes up to n changes, whose units are numbered from first on within
// the step.
func (m *model) changes(first, n int, change func()) {
	for i := range m.r.IntN(n) {
		if m.choose(m.step*unitsPerStep + first + i) {
			change()
		}
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

	seed     uint64
	off      string // the safety check that is off
	step     int
	leaveOut map[int]bool
	units    []int // chosen so far
	failure  string

	// ordered models order changes by amount: buffer has the newest change of each
	// key in the commit in progress.
	ordered bool
	buffer  map[string]orderedChange

	rows     map[string]schema.Row // keyed: key text → row
	bag      map[string]int        // keyless: row text → count
	history  map[int64][]string    // snapshot → rows
	position int
	log      []string
}

// orderedChange is a row, or nil for a delete, and its order.
type orderedChange struct {
	row   schema.Row
	order schema.Unscaled
}

func newModel(t *testing.T, seed uint64, off string) *model {
	m := &model{
		t: t, ctx: context.Background(), r: rand.New(rand.NewPCG(seed, 7)), seed: seed, off: off, buffer: map[string]orderedChange{},
		rows: map[string]schema.Row{}, bag: map[string]int{}, history: map[int64][]string{},
	}
	m.cat = catalog.NewFiles(objstore.NewMemory(fmt.Sprintf("mem://model-%d", seed)), nil)
	m.keyless, m.wide, m.strs = m.r.IntN(6) == 0, m.r.IntN(3) == 0, m.r.IntN(3) == 0
	m.ordered = !m.keyless && m.r.IntN(3) == 0
	m.create(seed)
	return m
}

func (m *model) note(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

func (m *model) check(err error) {
	m.t.Helper()
	if err != nil {
		m.fail("%v", err)
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
		Clock:           func() time.Time { clock = clock.Add(time.Second); return clock },
		Random:          rand.New(rand.NewPCG(seed, 99)).Uint64,
		KeyFilterBudget: []int64{0, -1}[m.r.IntN(2)],
	}
	table.SwitchOff(&opts.Options, m.off)
	m.note("seed %d: version %d key %v partition %v ordered %v filter %d", seed, opts.FormatVersion, opts.Key, opts.Partition, m.ordered, opts.KeyFilterBudget)
	var err error
	m.tab, err = table.Create(m.ctx, m.cat, "m.t", s, opts)
	m.check(err)
	m.rival, err = table.Open(m.ctx, m.cat, "m.t", nil)
	m.check(err)
	m.newWriter()
}

func (m *model) newWriter() {
	o := &table.WriterOptions{MemoryBudget: []int64{1, 4000, 1 << 20}[m.r.IntN(3)], MaxOpenFiles: 1 + m.r.IntN(4), KeepSnapshots: -1}
	if m.r.IntN(4) == 0 && !m.ordered {
		o.Encoding = table.EncodingEquality
	}
	if m.r.IntN(4) == 0 {
		o.TargetFileBytes = 600
	}
	m.order(o)
	m.note("writer %+v", *o)
	if m.newIndex(); m.index != nil {
		o.KeyIndex = m.index
	}
	var err error
	m.w, err = m.tab.NewWriter(o)
	m.check(err)
}

// order sets the order of changes, if the model has one.
func (m *model) order(o *table.WriterOptions) *table.WriterOptions {
	if m.ordered {
		o.OrderBy = []string{"amount"}
	}
	return o
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
	if m.ordered || m.r.IntN(4) > 0 {
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
	for m.step = 1; m.step <= steps; m.step++ {
		if !m.choose(m.step * unitsPerStep) {
			continue
		}
		switch m.r.IntN(15) {
		case 14:
			m.maintain()
		case 13, 12:
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

// maintain compacts the table, converts its deletes or rewrites its manifests,
// beside the writer.
func (m *model) maintain() {
	other, err := table.Open(m.ctx, m.cat, "m.t", nil)
	m.check(err)
	switch m.r.IntN(3) {
	case 0:
		m.note("compact")
		_, err = compaction.Compact(m.ctx, other, &compaction.Options{TargetFileBytes: 4000, DeleteRatio: 0.1})
	case 1:
		m.note("convert equality deletes, rewrite manifests")
		if _, err = compaction.Compact(m.ctx, other, &compaction.Options{ConvertOnly: true}); err == nil {
			_, err = compaction.RewriteManifests(m.ctx, other, nil)
		}
	default:
		m.note("compact with our own table")
		m.check(m.tab.Refresh(m.ctx))
		_, err = compaction.Compact(m.ctx, m.tab, &compaction.Options{TargetFileBytes: 4000, DeleteRatio: 0.1})
	}
	m.check(err)
}

// fsck checks all that is stored.
func (m *model) fsck() {
	src := m.tab.Source()
	r, err := fsck.Check(m.ctx, fsck.Source{Store: src.Store, Metadata: src.Metadata}, &fsck.Options{Deep: true})
	m.check(err)
	for _, f := range r.Findings {
		if f.Severity == fsck.Error || f.Rule != "dangling" && f.Rule != "metadata-log" {
			m.fail("%s", f)
		}
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
		clear(m.buffer)
	case m.ordered && p < 12:
		m.note("delete %s at %v", text(m.key(row)), row[2])
		m.check(w.Delete(m.ctx, append(m.key(row), row[2])))
		m.orderedChange(row, true)
	case m.ordered && (p >= 15 || m.blind || m.rows[text(m.key(row))] != nil || m.buffer[text(m.key(row))].row != nil || m.touchedNow(row)):
		m.note("upsert %s", text(row))
		m.check(w.Upsert(m.ctx, row))
		m.orderedChange(row, false)
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

// orderedChange notes a change of the commit in progress: of two of a key the
// newer stays, of equal ones the later.
func (m *model) orderedChange(row schema.Row, isDelete bool) {
	k := text(m.key(row))
	c := orderedChange{row: row, order: row[2].(schema.Unscaled)}
	if isDelete {
		c.row = nil
	}
	if old, ok := m.buffer[k]; !ok || c.order.Cmp(old.order) >= 0 {
		m.buffer[k] = c
	}
}

func (m *model) touchedNow(row schema.Row) bool {
	_, ok := m.buffer[text(m.key(row))]
	return ok
}

// applyBuffer makes the changes of the commit, except those that a row of the
// table is newer than.
func (m *model) applyBuffer() {
	for k, c := range m.buffer {
		if stored := m.rows[k]; stored != nil && stored[2].(schema.Unscaled).Cmp(c.order) > 0 {
			continue
		}
		if delete(m.rows, k); c.row != nil {
			m.rows[k] = c.row
		}
	}
	clear(m.buffer)
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
	m.changes(1, 30, func() { m.change(m.w) })
	m.position++
	_, err := m.w.Commit(m.ctx, &table.CommitOptions{Positions: map[string]string{"s": fmt.Sprint(m.position)}})
	m.check(err)
	m.applyBuffer()
	m.note("committed")
	p, err := m.tab.Positions()
	m.check(err)
	if p["s"] != fmt.Sprint(m.position) {
		m.fail("position %v, want %d", p, m.position)
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
	w, err := m.rival.NewWriter(m.order(&table.WriterOptions{KeepSnapshots: -1}))
	m.check(err)
	before := maps.Clone(m.rows)
	m.blind = true
	m.changes(1, 10, func() { m.change(m.w) })
	m.blind = false
	ours := m.rows
	m.rows = before
	m.note("rival:")
	truncated := m.touched() == nil
	m.choose(m.step*unitsPerStep + 99)
	m.changes(100, 11, func() {
		row := m.row()
		m.note("rival upsert %s", text(row))
		m.check(w.Upsert(m.ctx, row))
		if old := before[text(m.key(row))]; m.ordered && old != nil && old[2].(schema.Unscaled).Cmp(row[2].(schema.Unscaled)) > 0 {
			return
		}
		before[text(m.key(row))] = row
	})
	_, err = w.Commit(m.ctx, nil)
	m.check(err)
	m.note("rival committed; ours follows")
	if m.ordered {
		if truncated {
			clear(m.rows)
		}
		_, err := m.w.Commit(m.ctx, nil)
		m.check(err)
		m.applyBuffer()
		return
	}
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
	for i := range 1 + m.r.IntN(3) {
		m.choose(m.step*unitsPerStep + 199 + 50*i)
		m.note("stage:")
		w, err := m.tab.NewWriter(m.order(&table.WriterOptions{MemoryBudget: 3000}))
		m.check(err)
		m.changes(200+50*i, 15, func() { m.change(w) })
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
	m.applyBuffer()
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
		m.fail("rows differ\n got %v\nwant %v", got, want)
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
			m.fail("snapshot %d\n got %v\nwant %v", id, got, want)
		}
	}
}
