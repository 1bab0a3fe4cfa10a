package table_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// ordered is a table whose changes are ordered by the column ts, under two
// processes: ours commits through the interloper.
type ordered struct {
	race
	wo table.WriterOptions
}

func newOrdered(t *testing.T, version int, off string, wo table.WriterOptions) *ordered {
	t.Helper()
	files := catalog.NewFiles(objstore.NewMemory("mem://order"), nil)
	o := &ordered{race: race{t: t, ctx: context.Background(), cat: &interloper{Catalog: files}}, wo: wo}
	o.wo.OrderBy = []string{"ts"}
	opts := &table.CreateOptions{Key: []string{"id"}, FormatVersion: version}
	table.SwitchOff(&opts.Options, off)
	var err error
	o.ours, err = table.Create(o.ctx, o.cat, "r.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "ts", Type: schema.Long},
		schema.Field{ID: 3, Name: "gone", Type: schema.Boolean}), opts)
	o.must(err)
	o.rival, err = table.Open(o.ctx, files, "r.t", nil)
	o.must(err)
	return o
}

// apply gives a writer changes "id@ts", "-id@ts" for a delete, "+id@ts" for an
// append.
func (o *ordered) apply(w *table.Writer, changes string) {
	o.t.Helper()
	for c := range strings.FieldsSeq(changes) {
		id, ts, _ := strings.Cut(strings.TrimLeft(c, "-+"), "@")
		key, err := strconv.ParseInt(id, 10, 64)
		o.must(err)
		at, err := strconv.ParseInt(ts, 10, 64)
		o.must(err)
		switch c[0] {
		case '-':
			err = w.Delete(o.ctx, schema.Row{key, at})
		case '+':
			err = w.Append(o.ctx, schema.Row{key, at, nil})
		default:
			err = w.Upsert(o.ctx, schema.Row{key, at, nil})
		}
		o.must(err)
	}
}

func (o *ordered) stage(tab *table.Table, changes string) *table.Staged {
	o.t.Helper()
	w, err := tab.NewWriter(&o.wo)
	o.must(err)
	defer w.Close()
	o.apply(w, changes)
	s, err := w.Flush(o.ctx)
	o.must(err)
	b, err := s.Marshal(o.ctx, tab)
	o.must(err)
	s, err = tab.UnmarshalStaged(o.ctx, b)
	o.must(err)
	return s
}

func (o *ordered) commit(tab *table.Table, changes ...string) {
	o.t.Helper()
	wo := o.wo
	if tab == o.rival {
		wo.KeyIndex = nil
		o.must(tab.Refresh(o.ctx))
	}
	var staged []*table.Staged
	for _, c := range changes {
		staged = append(staged, o.stage(tab, c))
	}
	_, err := tab.CommitStaged(o.ctx, staged, &wo, nil)
	o.must(err)
}

func (o *ordered) rows() string {
	o.t.Helper()
	o.must(o.ours.Refresh(o.ctx))
	var out []string
	for row, err := range o.ours.Scan(nil).Rows(o.ctx) {
		o.must(err)
		mark := ""
		if row[2] == true {
			mark = "!"
		}
		out = append(out, fmt.Sprintf("%v@%v%s", row[0], row[1], mark))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// orders are ways in which changes can come out of order. check, when not empty,
// is the one whose absence must be noticed.
var orders = []struct {
	name, check string
	run         func(o *ordered)
	want        string
}{
	{name: "older upsert within a commit", run: func(o *ordered) { o.commit(o.ours, "1@5 1@3 2@1 2@2") }, want: "1@5 2@2"},
	{name: "older delete within a commit", run: func(o *ordered) { o.commit(o.ours, "1@5 -1@3 2@1 -2@1") }, want: "1@5"},
	{name: "older upsert after a delete within a commit", run: func(o *ordered) { o.commit(o.ours, "1@5 -1@6 1@4") }, want: ""},
	{name: "equal: the later one", check: "order against stored rows", run: func(o *ordered) {
		o.commit(o.ours, "1@5 2@7")
		o.commit(o.ours, "-1@5 2@6 3@1")
	}, want: "2@7 3@1"},
	{name: "a row newer than the changes", check: "order against stored rows", run: func(o *ordered) {
		o.commit(o.ours, "1@5 2@5 3@5 4@5")
		o.commit(o.ours, "1@4 -2@4 3@6 -4@6 5@1")
		o.commit(o.ours, "1@1 2@4 3@2 5@2")
	}, want: "1@5 2@5 3@6 5@2"},
	{name: "all changes of a commit are late", check: "order against stored rows", run: func(o *ordered) {
		o.commit(o.ours, "1@5 2@5")
		o.commit(o.ours, "1@4 -2@4")
	}, want: "1@5 2@5"},
	{name: "several sets", run: func(o *ordered) {
		o.commit(o.ours, "1@5 2@5 3@5 4@5")
		o.commit(o.ours, "1@8 2@4 -3@9 4@7 5@2", "1@7 2@6 3@8 -4@6 5@1")
	}, want: "1@8 2@6 4@7 5@2"},
	{name: "a rival commits a newer row", check: "order against stored rows", run: func(o *ordered) {
		o.commit(o.ours, "1@1 2@1 3@1")
		o.cat.before = func() { o.commit(o.rival, "1@9 2@2 4@9 -3@9") }
		o.commit(o.ours, "1@5 2@5 4@5 5@5")
	}, want: "1@9 2@5 4@9 5@5"},
	{name: "the newer row goes before the commit", check: "late changes are compared anew", run: func(o *ordered) {
		o.commit(o.ours, "1@7 2@1")
		o.cat.before = func() { o.commit(o.rival, "-1@8") }
		o.commit(o.ours, "1@5 2@2")
	}, want: "1@5 2@2"},
	{name: "the newer row is replaced by a newer one yet", check: "order against stored rows", run: func(o *ordered) {
		o.commit(o.ours, "1@7 2@1")
		o.cat.before = func() { o.commit(o.rival, "1@8 9@1") }
		o.commit(o.ours, "1@5 2@2")
	}, want: "1@8 2@2 9@1"},
	{name: "a rival's row makes all changes late", check: "order against stored rows", run: func(o *ordered) {
		o.commit(o.ours, "7@1")
		o.cat.before = func() { o.commit(o.rival, "1@9") }
		o.commit(o.ours, "1@5")
	}, want: "1@9 7@1"},
	{name: "appended rows", run: func(o *ordered) {
		w, err := o.ours.NewWriter(&o.wo)
		o.must(err)
		defer w.Close()
		o.apply(w, "+1@5 +2@5 1@4 2@6")
		_, err = w.Commit(o.ctx, nil)
		o.must(err)
		o.apply(w, "7@1 +1@8 1@9 1@8 2@1")
		_, err = w.Commit(o.ctx, nil)
		o.must(err)
	}, want: "1@9 2@6 7@1"},
}

// TestOrderBy: the newer change wins, whatever the arrival, with each way to
// find stored rows.
func TestOrderBy(t *testing.T) {
	for _, c := range orders {
		for _, version := range []int{2, 3} {
			for _, index := range []bool{false, true} {
				for _, budget := range []int64{0, 1} {
					t.Run(fmt.Sprintf("%s/v%d/index=%v/budget=%d", c.name, version, index, budget), func(t *testing.T) {
						for _, off := range []string{"", c.check} {
							wo := table.WriterOptions{MemoryBudget: budget}
							if index {
								x, err := keyindex.Open(nil)
								if err != nil {
									t.Fatal(err)
								}
								defer x.Close()
								wo.KeyIndex = x
							}
							if off != "" && index && strings.HasPrefix(off, "late") {
								continue // what an index finds is compared at every attempt
							}
							o := newOrdered(t, version, off, wo)
							c.run(o)
							if got := o.rows(); (got == c.want) != (off == "") {
								t.Errorf("with check off %q: got %s, want %s", off, got, c.want)
							}
							if c.check == "" {
								break
							}
						}
					})
				}
			}
		}
	}
}

// TestOrderByTwoSources: two sources into one table by two writers, in every
// interleaving of their commits: the later of each key's changes is what stays.
func TestOrderByTwoSources(t *testing.T) {
	a := []string{"1@1 2@4", "1@5 3@3", "-2@9 3@7"}
	b := []string{"1@3 2@2", "-1@4 3@1", "2@6 3@5 4@1"}
	const want = "1@5 2@9! 3@7 4@1"
	for mask := range 1 << 6 {
		ones := 0
		for m := mask; m > 0; m &= m - 1 {
			ones++
		}
		if ones != 3 {
			continue
		}
		o := newOrdered(t, 2+mask&1, "", table.WriterOptions{DeletedColumn: "gone"})
		next := [2]int{}
		for i := range 6 {
			if mask>>i&1 == 0 {
				o.commit(o.ours, a[next[0]])
				next[0]++
			} else {
				o.commit(o.rival, b[next[1]])
				next[1]++
			}
			o.must(o.ours.Refresh(o.ctx))
		}
		if got := o.rows(); got != want {
			t.Errorf("order %06b: got %s, want %s", mask, got, want)
		}
	}
}

// TestOrderByRefusals: options and changes that cannot be ordered.
func TestOrderByRefusals(t *testing.T) {
	o := newOrdered(t, 2, "", table.WriterOptions{})
	for _, c := range []struct {
		wo   table.WriterOptions
		want string
	}{
		{table.WriterOptions{OrderBy: []string{"nope"}}, `order column: no column "nope"`},
		{table.WriterOptions{OrderBy: []string{"ts", "ts"}}, `order column "ts" is named twice`},
		{table.WriterOptions{OrderBy: []string{"gone"}}, `order column "gone" is boolean`},
		{table.WriterOptions{OrderBy: []string{"ts"}, Encoding: table.EncodingEquality}, "delete by position"},
		{table.WriterOptions{DeletedColumn: "ts"}, `deleted column "ts" is long, not boolean`},
	} {
		if _, err := o.ours.NewWriter(&c.wo); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.wo, err, c.want)
		}
	}
	w, err := o.ours.NewWriter(&o.wo)
	o.must(err)
	defer w.Close()
	for _, err := range []error{
		w.Upsert(o.ctx, schema.Row{int64(1), nil, nil}),
		w.Delete(o.ctx, schema.Row{int64(1)}),
		w.Delete(o.ctx, schema.Row{int64(1), nil}),
	} {
		if !errors.Is(err, table.ErrBadRow) {
			t.Errorf("%v", err)
		}
	}
	plain := o.wo
	plain.OrderBy = nil
	other := &ordered{race: o.race, wo: plain}
	s1 := o.stage(o.ours, "1@1")
	w2, err := o.ours.NewWriter(&plain)
	o.must(err)
	defer w2.Close()
	other.must(w2.Upsert(o.ctx, schema.Row{int64(1), int64(2), nil}))
	s2, err := w2.Flush(o.ctx)
	o.must(err)
	if _, err := o.ours.CommitStaged(o.ctx, []*table.Staged{s1, s2}, nil, nil); !errors.Is(err, table.ErrBadRow) {
		t.Errorf("sets of different orders: %v", err)
	}
}
