package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore/faultstore"
)

// Faults makes every store call of a commit fail in every mode, with and without
// a base, and then runs of commits with random faults. After each, the outcome
// that was reported must be true, the table must load, and a commit must work.
func (s Suite) Faults(t *testing.T) {
	for _, withBase := range []bool{true, false} {
		t.Run(fmt.Sprintf("Single/base=%v", withBase), func(t *testing.T) { s.singleFaults(t, withBase) })
	}
	t.Run("Random", s.randomFaults)
	t.Run("Create", s.createFaults)
}

// faulty is a table in a store with faults.
type faulty struct {
	suite   Suite
	store   *faultstore.Store
	cat     catalog.Catalog
	entry   *catalog.Entry
	landed  map[int64]bool
	unknown map[int64]bool
}

func (s Suite) newFaulty(t *testing.T) *faulty {
	t.Helper()
	f := &faulty{
		suite:  s,
		store:  faultstore.New(s.store(t), nil),
		landed: map[int64]bool{}, unknown: map[int64]bool{},
	}
	f.cat = s.Open(t, f.store)
	f.entry = create(t, f.cat, orders)
	f.commit(t, 1, true)
	f.commit(t, 2, true)
	return f
}

// reopen returns a catalog over the same table.
func (f *faulty) reopen(t *testing.T) catalog.Catalog {
	if f.suite.Reopen == nil {
		return f.cat
	}
	return f.suite.Reopen(t, f.store)
}

// commit tries to add a snapshot and records what was reported.
func (f *faulty) commit(t *testing.T, id int64, withBase bool) error {
	c := addSnapshot(f.entry, id)
	if !withBase {
		c.Base = nil
	}
	e, err := f.cat.CommitTable(t.Context(), c)
	switch {
	case err == nil:
		f.landed[id] = true
		f.entry = e
	case errors.Is(err, catalog.ErrUnknownOutcome):
		f.unknown[id] = true
	}
	return err
}

// check loads the table and compares it with what was reported.
func (f *faulty) check(t *testing.T, c catalog.Catalog, what string) {
	t.Helper()
	e, err := c.LoadTable(t.Context(), orders)
	if err != nil {
		t.Fatalf("%s: load: %v", what, err)
	}
	for id := range f.unknown {
		// Whichever way an unknown commit went, that is how it went from now on.
		if e.Metadata.Snapshot(id) != nil {
			f.landed[id] = true
		}
		delete(f.unknown, id)
	}
	for id := range f.landed {
		if e.Metadata.Snapshot(id) == nil {
			t.Errorf("%s: commit %d was acknowledged and is lost", what, id)
		}
	}
	checkChain(t, e.Metadata, f.landed)
	f.entry = e
	if t.Failed() {
		t.Fatalf("%s: the calls were\n%s", what, callLog(f.store))
	}
}

func callLog(s *faultstore.Store) string {
	var out string
	for _, c := range s.Log() {
		out += c.String() + "\n"
	}
	return out
}

func (s Suite) singleFaults(t *testing.T, withBase bool) {
	dry := s.newFaulty(t)
	dry.store.Arm(nil)
	if err := dry.commit(t, 3, withBase); err != nil {
		t.Fatal(err)
	}
	calls := dry.store.Calls()
	t.Logf("a commit makes %d store calls:\n%s", calls, callLog(dry.store))
	outcomes := map[string]int{}
	// Some modes make a commit look back, so calls beyond those of a good one.
	for n := int64(1); n <= calls+4; n++ {
		for _, mode := range faultstore.Modes() {
			f := s.newFaulty(t)
			what := fmt.Sprintf("call %d %s", n, mode)
			f.store.Arm(&faultstore.Plan{Faults: []faultstore.Fault{{Call: n, Mode: mode}}, OnDelay: f.rival(t)})
			err := f.commit(t, 3, withBase)
			outcomes[outcome(err)]++
			log := callLog(f.store)
			f.store.Arm(nil)
			cat := f.reopen(t)
			f.check(t, cat, fmt.Sprintf("%s: %v\n%s", what, err, log))
			f.cat = cat
			if err := f.commit(t, 4, withBase); err != nil {
				t.Fatalf("%s: %v: the next commit: %v", what, err, err)
			}
			f.check(t, cat, what+", next commit")
		}
	}
	t.Logf("outcomes: %v", outcomes)
	if outcomes["committed"] == 0 || outcomes["unknown"] == 0 {
		t.Errorf("the faults tried nothing: %v", outcomes)
	}
}

// createFaults makes every store call of a creation fail.
func (s Suite) createFaults(t *testing.T) {
	seen := map[string]int{}
	for n := int64(1); ; n++ {
		beyond := true
		for _, mode := range faultstore.Modes() {
			if mode == faultstore.Delay {
				continue
			}
			what := fmt.Sprintf("call %d %s", n, mode)
			f := &faulty{suite: s, store: faultstore.New(s.store(t), nil)}
			f.cat = s.Open(t, f.store)
			m := newTable(t)
			f.store.Arm(&faultstore.Plan{Faults: []faultstore.Fault{{Call: n, Mode: mode}}})
			_, err := f.cat.CreateTable(t.Context(), orders, m)
			beyond = beyond && f.store.Calls() < n
			f.store.Arm(nil)
			f.cat = f.reopen(t)
			e, lerr := f.cat.LoadTable(t.Context(), orders)
			there := lerr == nil && e.Metadata.UUID == m.UUID
			switch {
			case lerr != nil && !errors.Is(lerr, catalog.ErrNotFound):
				t.Errorf("%s: create: %v; load: %v", what, err, lerr)
			case err == nil && !there:
				t.Errorf("%s: created and lost: %v", what, lerr)
			case err != nil && !errors.Is(err, catalog.ErrUnknownOutcome) && there:
				t.Errorf("%s: created, but the error is %v", what, err)
			}
			if !there {
				if _, err := f.cat.CreateTable(t.Context(), orders, newTable(t)); err != nil {
					t.Errorf("%s: create again: %v", what, err)
				}
			}
			seen[outcome(err)]++
		}
		if beyond {
			break
		}
	}
	t.Logf("outcomes: %v", seen)
}

// rival returns a delay in which three other commits are made.
func (f *faulty) rival(t *testing.T) func(context.Context, faultstore.Call) {
	return func(ctx context.Context, _ faultstore.Call) {
		c := f.reopen(t)
		for i := range int64(3) {
			e, err := c.LoadTable(ctx, orders)
			if err != nil {
				t.Errorf("rival: %v", err)
				return
			}
			if _, err := c.CommitTable(ctx, addSnapshot(e, 100+i)); err != nil {
				t.Errorf("rival: %v", err)
				return
			}
			f.landed[100+i] = true
		}
	}
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "committed"
	case errors.Is(err, catalog.ErrUnknownOutcome):
		return "unknown"
	case errors.Is(err, catalog.ErrConflict):
		return "conflict"
	default:
		return "not committed"
	}
}

// randomFaults makes runs of commits in which each store call may fail, or be
// held up until a rival has committed.
func (s Suite) randomFaults(t *testing.T) {
	const runs, commits = 40, 12
	modes := []faultstore.Mode{
		faultstore.Before, faultstore.After, faultstore.Unknown, faultstore.Late, faultstore.Twice, faultstore.Torn,
		faultstore.Delay, faultstore.Delay,
	}
	outcomes := map[string]int{}
	for seed := range uint64(runs) {
		f := s.newFaulty(t)
		inside := false
		rivals := int64(100)
		f.store.Arm(&faultstore.Plan{Seed: seed, Rate: 0.25, Modes: modes, OnDelay: func(context.Context, faultstore.Call) {
			if !inside { // no rivals of rivals
				inside = true
				rivals++
				f.maybe(t, f.reopen(t), rivals)
				inside = false
			}
		}})
		for id := int64(10); id < 10+commits; id++ {
			err := f.commit(t, id, id%2 == 0)
			outcomes[outcome(err)]++
			if err != nil {
				// As a client would: look, then go on from there.
				if e := f.reload(t); e != nil {
					f.entry = e
				}
			}
		}
		handle := fmt.Sprintf("seed %d: %s", seed, f.store.Handle())
		f.store.Arm(nil)
		cat := f.reopen(t)
		f.check(t, cat, "faults "+handle)
		f.cat = cat
		if err := f.commit(t, 1000, true); err != nil {
			t.Fatalf("faults %s: the next commit: %v", handle, err)
		}
		f.check(t, cat, "faults "+handle+", next commit")
	}
	t.Logf("outcomes of %d commits: %v", runs*commits, outcomes)
	for o, atLeast := range map[string]int{"committed": 50, "conflict": 1, "unknown": 1} {
		if outcomes[o] < atLeast {
			t.Errorf("%d commits were %s: the run shows too little", outcomes[o], o)
		}
	}
}

// maybe makes a commit that may fail and records what was reported.
func (f *faulty) maybe(t *testing.T, c catalog.Catalog, id int64) {
	e, err := c.LoadTable(t.Context(), orders)
	if err != nil {
		return
	}
	_, err = c.CommitTable(t.Context(), addSnapshot(e, id))
	switch {
	case err == nil:
		f.landed[id] = true
	case errors.Is(err, catalog.ErrUnknownOutcome):
		f.unknown[id] = true
	}
}

// reload loads the table through the faults, trying a few times.
func (f *faulty) reload(t *testing.T) *catalog.Entry {
	for range 5 {
		if e, err := f.cat.LoadTable(t.Context(), orders); err == nil {
			return e
		}
	}
	return nil
}
