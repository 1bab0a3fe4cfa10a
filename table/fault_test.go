package table_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestSingleFaults (catalogue N1) makes every store call of an upsert commit
// fail in every mode. Whatever happens: the outcome reported is the outcome, the
// table stays readable, and the same changes then succeed on a healed store.
func TestSingleFaults(t *testing.T) {
	for _, version := range []int{2, 3} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			clean := newFaultRun(t, version)
			clean.fs.Arm(nil)
			before := clean.fs.Calls()
			if err := clean.change(); err != nil {
				t.Fatal(err)
			}
			calls := clean.fs.Calls() - before
			cases, unknown := 0, 0
			for n := int64(1); n <= calls; n++ {
				for _, mode := range faultstore.Modes() {
					r := newFaultRun(t, version)
					if r.run(n, mode) {
						unknown++
					}
					cases++
				}
			}
			testenv.Figures(t, "calls=%d cases=%d unknown=%d", calls, cases, unknown)
			if calls < 8 {
				t.Errorf("only %d store calls: is the commit going through the store?", calls)
			}
		})
	}
}

type faultRun struct {
	t   *testing.T
	ctx context.Context
	fs  *faultstore.Store
	cat catalog.Catalog
	tab *table.Table
}

func newFaultRun(t *testing.T, version int) *faultRun {
	t.Helper()
	r := &faultRun{t: t, ctx: context.Background(), fs: faultstore.New(objstore.NewMemory("mem://faults"), nil)}
	r.cat = catalog.NewFiles(r.fs, nil)
	clock := time.UnixMilli(1_700_000_000_000)
	var err error
	r.tab, err = table.Create(r.ctx, r.cat, "f.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "v", Type: schema.String},
	), &table.CreateOptions{Key: []string{"id"}, FormatVersion: version, Options: table.Options{
		Clock:  func() time.Time { clock = clock.Add(time.Second); return clock },
		Random: rand.New(rand.NewPCG(1, 2)).Uint64,
		Wait:   func(context.Context, time.Duration) error { return nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := r.writer()
	for i := range 5 {
		r.must(w.Upsert(r.ctx, schema.Row{int64(i), "old"}))
	}
	_, err = w.Commit(r.ctx, &table.CommitOptions{Positions: map[string]string{"s": "1"}})
	r.must(err)
	return r
}

func (r *faultRun) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *faultRun) writer() *table.Writer {
	w, err := r.tab.NewWriter(nil)
	r.must(err)
	return w
}

var (
	faultBefore = []string{"0=old", "1=old", "2=old", "3=old", "4=old"}
	faultAfter  = []string{"0=old", "1=new", "2=new", "4=old", "7=new"}
)

// change is the commit under test.
func (r *faultRun) change() error {
	w := r.writer()
	defer w.Close()
	for _, id := range []int64{1, 2, 7} {
		if err := w.Upsert(r.ctx, schema.Row{id, "new"}); err != nil {
			return err
		}
	}
	if err := w.Delete(r.ctx, schema.Row{int64(3)}); err != nil {
		return err
	}
	_, err := w.Commit(r.ctx, &table.CommitOptions{Positions: map[string]string{"s": "2"}})
	return err
}

// run injects one fault into the change; it reports whether the outcome was
// unknown.
func (r *faultRun) run(n int64, mode faultstore.Mode) bool {
	r.t.Helper()
	r.fs.Arm(&faultstore.Plan{Faults: []faultstore.Fault{{Call: n, Mode: mode}}})
	err := r.change()
	unknown := errors.Is(err, catalog.ErrUnknownOutcome)
	r.fs.Arm(nil) // a new process on a healed store

	fresh, openErr := table.Open(r.ctx, r.cat, "f.t", nil)
	if openErr != nil {
		r.t.Fatalf("call %d %v: table does not open: %v", n, mode, openErr)
	}
	r.tab = fresh
	got := r.rows()
	switch {
	case err == nil && !slices.Equal(got, faultAfter):
		r.t.Errorf("call %d %v: reported committed, rows %v", n, mode, got)
	case err != nil && !unknown && mode != faultstore.Crash && !slices.Equal(got, faultBefore):
		r.t.Errorf("call %d %v: reported not committed (%v), rows %v", n, mode, err, got)
	case !slices.Equal(got, faultBefore) && !slices.Equal(got, faultAfter):
		r.t.Errorf("call %d %v: neither before nor after: %v", n, mode, got)
	}
	p, perr := fresh.Positions()
	r.must(perr)
	if want := map[bool]string{true: "2", false: "1"}[slices.Equal(got, faultAfter)]; p["s"] != want {
		r.t.Errorf("call %d %v: rows %v with position %v", n, mode, got, p)
	}
	if err := r.change(); err != nil {
		r.t.Errorf("call %d %v: retry on a healed store: %v", n, mode, err)
	} else if got := r.rows(); !slices.Equal(got, faultAfter) {
		r.t.Errorf("call %d %v: after the retry %v", n, mode, got)
	}
	return unknown
}

func (r *faultRun) rows() []string {
	r.t.Helper()
	var out []string
	for row, err := range r.tab.Scan(nil).Rows(r.ctx) {
		r.must(err)
		out = append(out, fmt.Sprintf("%v=%v", row[0], row[1]))
	}
	slices.Sort(out)
	return out
}
