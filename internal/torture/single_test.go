package torture

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
)

var (
	full   = flag.Bool("full", false, "try every case where CI tries a slice")
	pairs  = flag.Int("pairs", 0, "also try this many pairs of faults per operation")
	replay = flag.String("replay", "", "only this case of TestEveryFault, as it prints them: operation/version/faults")
)

// TestEveryFault (N1) makes every store call of every operation fail in every
// mode. Whatever happens: the outcome reported is the outcome, the table passes
// fsck and has the rows it ought to have, no goroutine is left, and the operation
// then succeeds on a healed store.
func TestEveryFault(t *testing.T) {
	ops, faults, calls, unknown, before := 0, 0, 0, 0, 0
	for _, op := range operations() {
		for _, version := range []int{2, 3} {
			if op.version != 0 && op.version != version && !(op.version < 0 && version == 2) {
				continue
			}
			s := newSingle(t, op, version)
			log := s.clean()
			s.run(append(s.kept(), s.plans(log)...))
			ops, calls = ops+1, calls+len(log)
			faults, unknown, before = faults+s.faults, unknown+s.unknown, before+s.refused
		}
	}
	testenv.Figures(t, "ops=%d calls=%d faults=%d unknown=%d refused=%d", ops, calls, faults, unknown, before)
	if *replay == "" && !testing.Short() && (faults < 1000 || unknown < faults/100) {
		t.Error("too few faults, or too few unknown outcomes: do the operations go through the store?")
	}
}

// single is one operation with its state.
type single struct {
	t       *testing.T
	op      operation
	version int
	img     image
	before  map[int64]string

	faults, unknown, refused int
}

func newSingle(t *testing.T, op operation, version int) *single {
	s := &single{t: t, op: op, version: version}
	if op.version < 0 {
		return s
	}
	w := newWorld(t, objstore.NewMemory(root), 1)
	base(w, version)
	if op.setup != nil {
		op.setup(w)
	}
	s.img, s.before = imageOf(t, w.inner), w.rows("")
	return s
}

// world is the state at the start, in a new process.
func (s *single) world() *world {
	w := newWorld(s.t, faultstore.NewPast(s.img.store(s.t, root)), 2)
	if s.op.version >= 0 {
		w.must(w.open())
	}
	w.fs.Arm(nil)
	return w
}

// clean runs without faults and returns the calls.
func (s *single) clean() []faultstore.Call {
	s.t.Helper()
	w := s.world()
	for i, err := range s.op.run(w) {
		if err != nil {
			s.t.Fatalf("%s v%d, part %d: %v", s.op.name, s.version, i, err)
		}
	}
	log := w.fs.Log()
	s.healed(w, nil, "without faults")
	return log
}

// plans are the cases: each call in each mode that means something to it.
func (s *single) plans(log []faultstore.Call) (out []faultstore.Plan) {
	for _, c := range log {
		for _, f := range faultsOf(c) {
			out = append(out, faultstore.Plan{Faults: []faultstore.Fault{f}})
		}
	}
	switch {
	case testing.Short():
		out = every(out, 20)
	case s.version == 2 && s.op.version == 0 && !*full:
		out = every(out, 3) // the calls are much the same as in version 3
	}
	if *pairs > 0 {
		out = append(out, s.pairs(log)...)
	}
	return out
}

// faultsOf are a call's faults, in each mode that means something to it.
func faultsOf(c faultstore.Call) (out []faultstore.Fault) {
	modes := faultstore.Modes()
	switch c.Op {
	case faultstore.OpWrite, faultstore.OpCreate:
		modes = []faultstore.Mode{faultstore.Before, faultstore.Crash}
	case faultstore.OpRead:
		modes = []faultstore.Mode{faultstore.Before, faultstore.Torn, faultstore.Crash}
	case faultstore.OpOpen, faultstore.OpStat, faultstore.OpList, faultstore.OpListDir:
		modes = []faultstore.Mode{faultstore.Before, faultstore.Torn, faultstore.Stale, faultstore.Crash}
	}
	for _, m := range modes {
		out = append(out, faultstore.Fault{Call: c.N, Mode: m})
	}
	return out
}

// pairs are two calls that fail in one run, some of all there are.
func (s *single) pairs(log []faultstore.Call) (out []faultstore.Plan) {
	for i, a := range log {
		var later []faultstore.Fault
		for _, b := range log[i+1:] {
			later = append(later, faultsOf(b)...)
		}
		for _, f := range faultsOf(a) {
			for _, g := range later {
				out = append(out, faultstore.Plan{Faults: []faultstore.Fault{f, g}})
			}
		}
	}
	if len(out) > *pairs {
		out = every(out, len(out) / *pairs)
	}
	return out
}

// kept are the cases of this operation that failed once.
func (s *single) kept() (out []faultstore.Plan) {
	for _, line := range kept(s.t, "every-fault") {
		if handle, ok := strings.CutPrefix(line, s.name()); ok {
			p, err := faultstore.ParsePlan(handle)
			if err != nil {
				s.t.Fatal(err)
			}
			out = append(out, *p)
		}
	}
	return out
}

func (s *single) name() string { return fmt.Sprintf("%s/v%d/", s.op.name, s.version) }

// every keeps each nth.
func every[T any](in []T, n int) (out []T) {
	for i := 0; i < len(in); i += n {
		out = append(out, in[i])
	}
	return out
}

func (s *single) run(plans []faultstore.Plan) {
	s.t.Helper()
	idle := goroutines(0)
	for _, p := range plans {
		what := s.name() + p.String()
		if *replay != "" && *replay != what {
			continue
		}
		s.try(&p, what)
		if n := goroutines(idle); n > idle {
			s.t.Fatalf("%s: %d goroutines became %d", what, idle, n)
		}
		s.faults += len(p.Faults)
		if s.t.Failed() {
			keep(s.t, "every-fault", what)
			s.t.Fatalf("replay with -run TestEveryFault -replay %q", what)
		}
	}
}

// try is one case.
func (s *single) try(p *faultstore.Plan, what string) {
	s.t.Helper()
	w := s.world()
	w.fs.Arm(p)
	errs := s.op.run(w)
	for _, err := range errs {
		switch {
		case errors.Is(err, catalog.ErrUnknownOutcome):
			s.unknown++
		case err != nil:
			s.refused++
		}
	}
	w.fs.Arm(nil) // a new process on a healed store
	s.healed(w, errs, what)
}

// healed checks the outcome and does again what was not done.
func (s *single) healed(w *world, errs []error, what string) {
	s.t.Helper()
	again := newWorld(s.t, w.inner, 3)
	again.now = w.now
	if s.op.version < 0 {
		s.healedCreate(again, errs, what)
		return
	}
	if err := again.open(); err != nil {
		s.t.Fatalf("%s: the table does not open: %v", what, err)
	}
	done := s.op.done(again)
	for i, err := range errs {
		switch unknown := errors.Is(err, catalog.ErrUnknownOutcome); {
		case err == nil && !done[i]:
			s.t.Errorf("%s: part %d reported committed, and is not", what, i)
		case err != nil && !unknown && !s.op.steps && done[i]:
			s.t.Errorf("%s: part %d reported not committed (%v), and is", what, i, err)
		}
	}
	s.wantRows(again, done, what)
	all := true
	for _, d := range done {
		all = all && d
	}
	if all {
		again.fsck(what)
		return
	}
	for i, err := range s.op.run(again) {
		if err != nil && !done[i] {
			s.t.Errorf("%s: again on a healed store: %v", what, err)
		}
	}
	again.must(again.tab.Refresh(again.ctx))
	for i, d := range s.op.done(again) {
		if !d {
			s.t.Errorf("%s: part %d is not done after a second try", what, i)
		}
		done[i] = true
	}
	s.wantRows(again, done, what+", again")
	again.fsck(what + ", again")
}

func (s *single) wantRows(w *world, done []bool, what string) {
	s.t.Helper()
	want := s.before
	for i, c := range s.op.changes {
		if done[i] {
			want = c.applyTo(want)
		}
	}
	if got := w.rows(""); !maps.Equal(got, want) {
		s.t.Errorf("%s:\n got %s\nwant %s", what, text(got), text(want))
	}
}

// healedCreate is healed for the creation of a table.
func (s *single) healedCreate(w *world, errs []error, what string) {
	s.t.Helper()
	err := w.open()
	there := err == nil
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		s.t.Fatalf("%s: %v", what, err)
	}
	for _, e := range errs {
		if e == nil && !there || e != nil && there && !errors.Is(e, catalog.ErrUnknownOutcome) {
			s.t.Errorf("%s: reported %v, and the table's being there is %v", what, e, there)
		}
	}
	if !there {
		if err := w.create(s.version); err != nil {
			s.t.Errorf("%s: again on a healed store: %v", what, err)
			return
		}
	}
	w.must(w.write(changes{1: "a"}, "", nil))
	if got := strings.TrimSpace(text(w.rows(""))); got != "1=a" {
		s.t.Errorf("%s: rows %s", what, got)
	}
	w.fsck(what)
}
