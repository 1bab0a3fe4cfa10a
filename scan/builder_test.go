package scan_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// builder makes tables by hand, file by file.
type builder struct {
	t     testing.TB
	ctx   context.Context
	store objstore.Store
	root  string
	meta  *metadata.Table
	n     int
	now   time.Time
	opts  parquetfile.WriterOptions
}

func newBuilder(t testing.TB, version int, s *schema.Schema, spec ...partition.Field) *builder {
	t.Helper()
	return newBuilderAt(t, objstore.NewMemory("mem://t"), "mem://t/table", version, s, spec...)
}

func newBuilderAt(t testing.TB, store objstore.Store, root string, version int, s *schema.Schema, spec ...partition.Field) *builder {
	t.Helper()
	now := time.UnixMilli(1_700_000_000_000)
	m, err := metadata.New(metadata.NewOptions{FormatVersion: version, Schema: s, Partition: spec, Location: root, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return &builder{t: t, ctx: context.Background(), store: store, root: root, meta: m, now: now}
}

func (b *builder) source() scan.Source { return scan.Source{Store: b.store, Metadata: b.meta} }

func (b *builder) path(what string) string {
	b.n++
	return fmt.Sprintf("%s/data/%05d-%s.parquet", b.root, b.n, what)
}

func (b *builder) update(u ...metadata.Update) {
	b.t.Helper()
	m, err := b.meta.Apply(u, b.now, "")
	if err != nil {
		b.t.Fatal(err)
	}
	b.meta = m
}

// commit makes a snapshot on main and returns its sequence number.
func (b *builder) commit(c snapshot.Changes) int64 {
	b.t.Helper()
	b.now = b.now.Add(time.Second)
	p := snapshot.NewProducer(snapshot.Options{Store: b.store, Clock: func() time.Time { return b.now }}, c, snapshot.Conditions{})
	a, err := p.Apply(b.ctx, b.meta, metadata.MainBranch)
	if err != nil {
		b.t.Fatal(err)
	}
	b.update(a.Updates...)
	return b.meta.LastSequenceNumber
}

func (b *builder) batch(s *schema.Schema, rows []schema.Row) arrow.RecordBatch {
	b.t.Helper()
	r, err := schema.RowsToBatch(s, rows, memory.DefaultAllocator)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// data writes a data file with the current schema.
func (b *builder) data(tuple partition.Tuple, rows []schema.Row) *manifest.DataFile {
	b.t.Helper()
	return b.written(b.meta.CurrentSchema(), tuple, rows)
}

// written writes a data file of any schema.
func (b *builder) written(s *schema.Schema, tuple partition.Tuple, rows []schema.Row) *manifest.DataFile {
	b.t.Helper()
	path := b.path("data")
	out, err := b.store.Create(b.ctx, path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	o := b.opts
	w, err := parquetfile.NewWriter(out, s, &o)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := w.Write(b.ctx, b.batch(s, rows)); err != nil {
		b.t.Fatal(err)
	}
	res, err := w.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		b.t.Fatal(err)
	}
	return &manifest.DataFile{
		Path: path, Format: manifest.FormatParquet, SpecID: b.meta.DefaultSpecID, Partition: tuple,
		RecordCount: res.RecordCount, FileSize: res.FileSize, SplitOffsets: res.SplitOffsets, Metrics: res.Metrics,
	}
}

// equality writes an equality delete file of keys in the named columns.
func (b *builder) equality(specID int, tuple partition.Tuple, columns []string, keys []schema.Row) *manifest.DataFile {
	b.t.Helper()
	s, err := b.meta.CurrentSchema().Select(columns)
	if err != nil {
		b.t.Fatal(err)
	}
	fields := slices.Clone(s.Fields)
	for i := range fields {
		fields[i].Required = false
	}
	s = schema.MustNew(fields...)
	f, err := deletes.WriteEquality(b.ctx, b.store, b.path("eq"), s, func(yield func(arrow.RecordBatch, error) bool) {
		yield(b.batch(s, keys), nil)
	}, specID, tuple, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

func (b *builder) positions(f *manifest.DataFile, pos ...uint64) *manifest.DataFile {
	b.t.Helper()
	out, err := deletes.WritePositions(b.ctx, b.store, b.path("pos"), target(f, pos), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func target(f *manifest.DataFile, pos []uint64) deletes.Target {
	p := &deletes.Positions{}
	for _, v := range pos {
		p.Add(v)
	}
	return deletes.Target{Path: f.Path, SpecID: f.SpecID, Partition: f.Partition, Positions: p}
}

func (b *builder) dvs(targets ...deletes.Target) []*manifest.DataFile {
	b.t.Helper()
	out, err := deletes.WriteDVs(b.ctx, b.store, b.path("dv"), targets, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// modelRow is a row as written, and whether it is still there.
type modelRow struct {
	row  schema.Row
	seq  int64
	live bool
	file int
	pos  uint64
}

// model is a table as a list of rows, beside the real one.
type model struct {
	*builder
	r     *rand.Rand
	rows  []*modelRow
	files []*manifest.DataFile
	dv    map[int]*manifest.DataFile // by file
	posOf map[int][]uint64           // deleted by position, by file
	flat  int                        // 1: no partitions, no null keys, no keys inside structs
}

var modelSchema = schema.MustNew(
	schema.Field{ID: 1, Name: "k", Type: schema.Long},
	schema.Field{ID: 2, Name: "s", Type: schema.String},
	schema.Field{ID: 3, Name: "p", Type: schema.Int},
	schema.Field{ID: 4, Name: "v", Type: schema.Double},
	schema.Field{ID: 5, Name: "n", Type: schema.Struct(
		schema.Field{ID: 7, Name: "x", Type: schema.Int},
		schema.Field{ID: 8, Name: "y", Type: schema.String})},
	schema.Field{ID: 6, Name: "id", Type: schema.Long})

func (m *model) randomRow(p int32) schema.Row {
	row := schema.Row{nil, nil, nil, nil, nil, int64(len(m.rows))}
	if m.r.IntN(12) > 0 || m.flat > 0 {
		row[0] = m.r.Int64N(60)
	}
	if m.r.IntN(12) > 0 || m.flat > 0 {
		row[1] = fmt.Sprintf("name-%d", m.r.IntN(4))
	}
	if p >= 0 {
		row[2] = p
	}
	if m.r.IntN(5) > 0 {
		row[3] = float64(m.r.IntN(1000)) / 8
	}
	if m.r.IntN(4) > 0 {
		n := schema.Row{nil, nil}
		if m.r.IntN(3) > 0 {
			n[0] = int32(m.r.IntN(10))
		}
		if m.r.IntN(3) > 0 {
			n[1] = fmt.Sprint("y", m.r.IntN(10))
		}
		row[4] = n
	}
	return row
}

func (m *model) tuple(p int32) partition.Tuple {
	switch {
	case m.meta.DefaultSpec().IsUnpartitioned():
		return nil
	case p < 0:
		return partition.Tuple{nil}
	}
	return partition.Tuple{p}
}

// append adds a data file to a commit.
func (m *model) append(c *snapshot.Changes) {
	p := int32(m.r.IntN(4)) - 1
	rows := make([]schema.Row, 1+m.r.IntN(300))
	for i := range rows {
		if m.meta.DefaultSpec().IsUnpartitioned() {
			p = int32(m.r.IntN(4)) - 1
		}
		rows[i] = m.randomRow(p)
		m.rows = append(m.rows, &modelRow{row: rows[i], seq: m.meta.LastSequenceNumber + 1, live: true, file: len(m.files), pos: uint64(i)})
	}
	m.opts = parquetfile.WriterOptions{RowGroupRows: 20 + m.r.IntN(200), PageBytes: 200 + m.r.IntN(2000)}
	if m.r.IntN(2) == 0 {
		m.opts.KeyColumns = []int{1}
	}
	f := m.data(m.tuple(p), rows)
	c.AddData = append(c.AddData, f)
	m.files = append(m.files, f)
}

// equalityDelete adds an equality delete file to a commit.
func (m *model) equalityDelete(c *snapshot.Changes) {
	columns := [][]string{{"k"}, {"k", "s"}, {"id"}, {"n.x"}}[m.r.IntN(4-m.flat)]
	p := int32(m.r.IntN(4)) - 1
	if len(columns) == 2 && m.r.IntN(2) == 0 {
		columns = []string{"s", "k"}
	}
	keyOf := func(r schema.Row) string {
		switch columns[0] {
		case "n.x":
			if n, ok := r[4].(schema.Row); ok {
				return fmt.Sprint(n[0])
			}
			return "<nil>"
		case "id":
			return fmt.Sprint(r[5])
		}
		if len(columns) == 2 {
			return fmt.Sprint(r[0], "/", r[1])
		}
		return fmt.Sprint(r[0])
	}
	keys := make(map[string]bool)
	var rows []schema.Row
	for range 1 + m.r.IntN(8) {
		r := m.randomRow(p)
		if len(m.rows) > 0 && m.r.IntN(3) > 0 {
			r = m.rows[m.r.IntN(len(m.rows))].row
		}
		keys[keyOf(r)] = true
		switch columns[0] {
		case "k":
			rows = append(rows, slices.Clone(r[:len(columns)]))
		case "s":
			rows = append(rows, schema.Row{r[1], r[0]})
		case "id":
			rows = append(rows, schema.Row{r[5]})
		default:
			if n, ok := r[4].(schema.Row); ok {
				rows = append(rows, schema.Row{schema.Row{n[0]}})
			} else {
				rows = append(rows, schema.Row{nil})
			}
		}
	}
	spec := m.meta.DefaultSpec()
	f := m.equality(spec.ID, m.tuple(p), columns, rows)
	c.AddDeletes = append(c.AddDeletes, f)
	for _, r := range m.rows {
		file := m.files[r.file]
		if file == nil {
			continue
		}
		inScope := spec.IsUnpartitioned() || file.SpecID == spec.ID && fmt.Sprint(file.Partition) == fmt.Sprint(f.Partition)
		if r.seq <= m.meta.LastSequenceNumber && inScope && keys[keyOf(r.row)] {
			r.live = false
		}
	}
}

// positionDelete deletes rows of one file, new in this commit or not, by the
// encoding of the table's version.
func (m *model) positionDelete(c *snapshot.Changes) {
	if len(m.files) == 0 {
		return
	}
	i := m.r.IntN(len(m.files))
	f := m.files[i]
	if f == nil || slices.ContainsFunc(c.AddDeletes, func(d *manifest.DataFile) bool { return d.ReferencedDataFile == f.Path }) {
		return
	}
	var pos []uint64
	every := 1 + m.r.IntN(20)
	from := m.r.IntN(int(f.RecordCount))
	for p := from; p < int(f.RecordCount); p += every {
		pos = append(pos, uint64(p))
	}
	for _, r := range m.rows {
		if r.file == i && slices.Contains(pos, r.pos) {
			r.live = false
		}
	}
	m.posOf[i] = append(m.posOf[i], pos...)
	if m.meta.FormatVersion < 3 {
		c.AddDeletes = append(c.AddDeletes, m.positions(f, pos...))
		return
	}
	dv := m.dvs(target(f, m.posOf[i]))[0]
	if old := m.dv[i]; old != nil {
		c.RemoveDeletes = append(c.RemoveDeletes, old)
	}
	m.dv[i] = dv
	c.AddDeletes = append(c.AddDeletes, dv)
}

// removeFile drops a data file.
func (m *model) removeFile(c *snapshot.Changes) {
	i := m.r.IntN(len(m.files))
	f := m.files[i]
	if f == nil || slices.Contains(c.AddData, f) || slices.ContainsFunc(c.AddDeletes, func(d *manifest.DataFile) bool { return d.ReferencedDataFile == f.Path }) {
		return
	}
	c.RemoveData = append(c.RemoveData, f)
	for _, r := range m.rows {
		if r.file == i {
			r.live = false
		}
	}
	m.files[i] = nil
}

// step makes one random commit.
func (m *model) step() {
	var c snapshot.Changes
	for range 1 + m.r.IntN(3) {
		switch m.r.IntN(10) {
		case 0, 1, 2, 3:
			m.append(&c)
		case 4, 5, 6:
			m.equalityDelete(&c)
		case 7, 8:
			m.positionDelete(&c)
		default:
			if len(m.files) > 3 {
				m.removeFile(&c)
			}
		}
	}
	if len(c.AddData)+len(c.AddDeletes)+len(c.RemoveData) > 0 {
		m.commit(c)
	}
	if m.meta.FormatVersion == 2 && m.r.IntN(25) == 0 {
		m.update(metadata.UpgradeFormatVersion{Version: 3})
	}
}
