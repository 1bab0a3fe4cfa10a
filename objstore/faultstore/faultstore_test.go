package faultstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"testing"

	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/objstore/objstoretest"
)

func TestConformance(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		return faultstore.New(objstore.NewMemory(""), nil)
	})
}

// TestPut: what each mode reports and what it leaves, for a conditional and a
// plain put.
func TestPut(t *testing.T) {
	type outcome struct {
		err    error // nil, or what the error must be
		stored string
	}
	clean, unknown := faultstore.ErrInjected, objstore.ErrUnknownOutcome
	for _, c := range []struct {
		mode            faultstore.Mode
		plain, ifAbsent outcome
	}{
		{faultstore.None, outcome{nil, "data"}, outcome{nil, "data"}},
		{faultstore.Before, outcome{clean, ""}, outcome{clean, ""}},
		{faultstore.After, outcome{unknown, "data"}, outcome{unknown, "data"}},
		{faultstore.Unknown, outcome{unknown, ""}, outcome{unknown, ""}},
		{faultstore.Late, outcome{unknown, ""}, outcome{unknown, ""}},
		{faultstore.Twice, outcome{nil, "data"}, outcome{objstore.ErrExists, "data"}},
		{faultstore.Torn, outcome{unknown, "da"}, outcome{clean, ""}},
		{faultstore.Delay, outcome{nil, "data"}, outcome{nil, "data"}},
		{faultstore.Crash, outcome{unknown, ""}, outcome{unknown, ""}},
		{faultstore.CrashAfter, outcome{unknown, "data"}, outcome{unknown, "data"}},
	} {
		for _, ifAbsent := range []bool{false, true} {
			want := c.plain
			if ifAbsent {
				want = c.ifAbsent
			}
			inner := objstore.NewMemory("")
			s := faultstore.New(inner, &faultstore.Plan{Faults: []faultstore.Fault{{Call: 2, Mode: c.mode}}})
			uri := objstore.Join(s.Root(), "k")
			if _, err := s.Stat(t.Context(), uri); !errors.Is(err, objstore.ErrNotFound) {
				t.Fatal(err)
			}
			err := s.Put(t.Context(), uri, []byte("data"), &objstore.PutOptions{IfAbsent: ifAbsent})
			if !errors.Is(err, want.err) || want.err == clean && errors.Is(err, unknown) {
				t.Errorf("%s, if absent %v: error %v, want %v", c.mode, ifAbsent, err, want.err)
			}
			data, err := objstore.ReadAll(t.Context(), inner, uri, 0)
			if string(data) != want.stored || (err == nil) != (want.stored != "") {
				t.Errorf("%s, if absent %v: stored %q, %v, want %q", c.mode, ifAbsent, data, err, want.stored)
			}
			_, err = s.Stat(t.Context(), uri)
			if crash := c.mode == faultstore.Crash || c.mode == faultstore.CrashAfter; errors.Is(err, faultstore.ErrCrashed) != crash {
				t.Errorf("%s: next call: %v", c.mode, err)
			}
			if c.mode == faultstore.Late {
				if _, err := s.Stat(t.Context(), uri); err != nil {
					t.Errorf("the late write did not land: %v", err)
				}
			}
		}
	}
}

func TestReads(t *testing.T) {
	inner := objstore.NewMemory("")
	uri := objstore.Join(inner.Root(), "d/k")
	if err := inner.Put(t.Context(), uri, []byte("data"), nil); err != nil {
		t.Fatal(err)
	}
	s := faultstore.New(inner, &faultstore.Plan{Faults: []faultstore.Fault{{3, faultstore.Torn}, {5, faultstore.Torn}, {6, faultstore.Before}}})
	o, err := s.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4)
	if n, err := o.ReadAt(t.Context(), p, 0); n != 4 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if n, err := o.ReadAt(t.Context(), p, 0); n != 2 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("torn read %d, %v", n, err)
	}
	count := func() (n int, last error) {
		for _, err := range s.List(t.Context(), s.Root()) {
			n++
			last = err
		}
		return n, last
	}
	if n, err := count(); n != 1 || err != nil {
		t.Errorf("list %d, %v", n, err)
	}
	if n, err := count(); n != 2 || err == nil {
		t.Errorf("torn list %d, %v", n, err)
	}
	if _, err := s.Open(t.Context(), uri); !errors.Is(err, faultstore.ErrInjected) {
		t.Errorf("open: %v", err)
	}
	if got := s.Calls(); got != 6 {
		t.Errorf("%d calls", got)
	}
}

func TestHandles(t *testing.T) {
	for _, h := range []string{"", "17=after,23=crash", "seed=5,rate=0.25,modes=before|after", "seed=5,rate=0.25,burst=8", "1=torn,seed=5,rate=1,ops=put|close"} {
		p, err := faultstore.ParsePlan(h)
		if err != nil || p.String() != h {
			t.Errorf("%q became %v, %v", h, p, err)
		}
	}
	for _, h := range []string{"x", "x=after", "1=bang", "rate=2", "rate=NaN", "seed=-1", "modes=", "1=none"} {
		if p, err := faultstore.ParsePlan(h); err == nil {
			t.Errorf("%q became %v", h, p)
		}
	}
}

// TestRandomReplays: a random run's handle makes the same run.
func TestRandomReplays(t *testing.T) {
	run := func(p *faultstore.Plan) (*faultstore.Store, []string) {
		s := faultstore.New(objstore.NewMemory(""), p)
		var out []string
		for i := range 200 {
			uri := objstore.Join(s.Root(), fmt.Sprint(i%20))
			out = append(out, fmt.Sprint(s.Put(t.Context(), uri, []byte("x"), &objstore.PutOptions{IfAbsent: true})))
			out = append(out, fmt.Sprint(s.Delete(t.Context(), uri)))
		}
		return s, out
	}
	s, first := run(&faultstore.Plan{Seed: 7, Rate: 0.2})
	p, err := faultstore.ParsePlan(s.Handle())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Faults) < 40 || len(p.Faults) > 120 {
		t.Errorf("%d faults in 400 calls at 20 %%", len(p.Faults))
	}
	if _, again := run(p); !slices.Equal(first, again) {
		t.Errorf("replay of %s differs", s.Handle())
	}
}

func TestDelay(t *testing.T) {
	var seen []faultstore.Call
	p := &faultstore.Plan{
		Faults:  []faultstore.Fault{{1, faultstore.Delay}},
		OnDelay: func(_ context.Context, c faultstore.Call) { seen = append(seen, c) },
	}
	s := faultstore.New(objstore.NewMemory(""), p)
	if err := s.Put(t.Context(), objstore.Join(s.Root(), "k"), nil, nil); err != nil || len(seen) != 1 {
		t.Errorf("%v, %v", seen, err)
	}
}

// TestStale: what was before the last change, whoever made it.
func TestStale(t *testing.T) {
	past := faultstore.NewPast(objstore.NewMemory(""))
	uri := func(name string) string { return objstore.Join(past.Root(), "d", name) }
	writer := faultstore.New(past, nil)
	put := func(name, data string) {
		if err := writer.Put(t.Context(), uri(name), []byte(data), nil); err != nil {
			t.Fatal(err)
		}
	}
	put("a", "1")
	put("a", "22")
	put("new", "x")
	put("gone", "y")
	if err := writer.Delete(t.Context(), uri("gone")); err != nil {
		t.Fatal(err)
	}
	s := faultstore.New(past, &faultstore.Plan{Rate: 1, Modes: []faultstore.Mode{faultstore.Stale}})
	if info, err := s.Stat(t.Context(), uri("a")); err != nil || info.Size != 1 {
		t.Errorf("stat: %+v, %v", info, err)
	}
	if data, err := objstore.ReadAll(t.Context(), s, uri("a"), 0); err != nil || string(data) != "1" {
		t.Errorf("read %q, %v", data, err)
	}
	if _, err := s.Open(t.Context(), uri("new")); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("open of a new object: %v", err)
	}
	if data, err := objstore.ReadAll(t.Context(), s, uri("gone"), 0); err != nil || string(data) != "y" {
		t.Errorf("read of a deleted object %q, %v", data, err)
	}
	var names []string
	for info, err := range s.List(t.Context(), objstore.Join(past.Root(), "d")) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.URI)
	}
	if want := []string{uri("a"), uri("gone")}; !slices.Equal(names, want) {
		t.Errorf("list %q, want %q", names, want)
	}
	if err := s.Put(t.Context(), uri("new"), nil, &objstore.PutOptions{IfAbsent: true}); !errors.Is(err, objstore.ErrExists) {
		t.Errorf("a put is never stale: %v", err)
	}
}

// TestFlip: one bit, the same one in every run.
func TestFlip(t *testing.T) {
	inner := objstore.NewMemory("")
	uri := objstore.Join(inner.Root(), "k")
	if err := inner.Put(t.Context(), uri, make([]byte, 100), nil); err != nil {
		t.Fatal(err)
	}
	read := func(seed uint64) []byte {
		s := faultstore.New(inner, &faultstore.Plan{Seed: seed, Rate: 1, Modes: []faultstore.Mode{faultstore.Flip}})
		data, err := objstore.ReadAll(t.Context(), s, uri, 0)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	a, b, c := read(1), read(1), read(2)
	ones := 0
	for _, x := range a {
		ones += bits.OnesCount8(x)
	}
	if ones != 1 || !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Errorf("%d bits; equal seeds agree %v; others agree %v", ones, slices.Equal(a, b), slices.Equal(a, c))
	}
}
