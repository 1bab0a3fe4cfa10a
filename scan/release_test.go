package scan_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// openStore counts the objects that are open, and fails reads once failAt of them
// were made.
type openStore struct {
	objstore.Store
	open, reads, failAt atomic.Int64
}

var errBroken = errors.New("broken store")

func (s *openStore) Open(ctx context.Context, uri string) (objstore.Object, error) {
	o, err := s.Store.Open(ctx, uri)
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	return &openObject{Object: o, s: s}, nil
}

type openObject struct {
	objstore.Object
	s      *openStore
	closed atomic.Bool
}

func (o *openObject) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if n := o.s.reads.Add(1); o.s.failAt.Load() > 0 && n >= o.s.failAt.Load() {
		return 0, errBroken
	}
	return o.Object.ReadAt(ctx, p, off)
}

func (o *openObject) Close() error {
	if !o.closed.Swap(true) {
		o.s.open.Add(-1)
	}
	return o.Object.Close()
}

// releaseTable has 12 files of 400 rows with deletes of every kind of version 2.
func releaseTable(t *testing.T) *builder {
	b := newBuilder(t, 2, orders, partition.Identity("n"))
	for c := range 4 {
		var ch snapshot.Changes
		for p := range int32(3) {
			rows := make([]schema.Row, 400)
			for i := range rows {
				id := int64(c*3+int(p))*400 + int64(i)
				rows[i] = schema.Row{id, fmt.Sprint("c", id%7), "new", float64(i), id, p}
			}
			f := b.data(partition.Tuple{p}, rows)
			ch.AddData = append(ch.AddData, f)
			ch.AddDeletes = append(ch.AddDeletes, b.positions(f, 5, 7, 300),
				b.equality(0, partition.Tuple{p}, []string{"id"}, []schema.Row{{int64(c * 1000)}, {int64(c*300 + 11)}}))
		}
		b.commit(ch)
	}
	return b
}

// TestEverythingReleased ends scans, streams of tasks, look-ups and changes early,
// by a stop, a limit, a cancelled context and a store that breaks, and looks for
// goroutines, open files and Arrow memory left behind.
func TestEverythingReleased(t *testing.T) {
	b := releaseTable(t)
	before := runtime.NumGoroutine()
	store := &openStore{Store: b.store}
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	src := b.source()
	src.Store = store
	options := func(o scan.Options) *scan.Options {
		o.Allocator, o.BatchRows = mem, 64
		return &o
	}
	batches := func(o scan.Options) func(ctx context.Context, stop int) error {
		return func(ctx context.Context, stop int) error {
			n := 0
			for _, err := range scan.New(src, options(o)).Batches(ctx) {
				if err != nil {
					return err
				}
				if n++; n == stop {
					break
				}
			}
			return nil
		}
	}
	ways := map[string]func(ctx context.Context, stop int) error{
		"unordered":  batches(scan.Options{Concurrency: 3}),
		"ordered":    batches(scan.Options{Concurrency: 3, Ordered: true}),
		"sequential": batches(scan.Options{Concurrency: 1}),
		"limit":      batches(scan.Options{Concurrency: 3, Limit: 1000}),
		"filter":     batches(scan.Options{Concurrency: 2, Filter: expr.Ge("id", int64(1000))}),
		"spilled":    batches(scan.Options{Concurrency: 2, MemoryBudget: 1}),
		"tasks": func(ctx context.Context, stop int) error {
			n := 0
			for task, err := range scan.New(src, options(scan.Options{TargetTaskBytes: 1})).Tasks(ctx) {
				if err != nil {
					return err
				}
				for _, err := range task.Batches(ctx) {
					if err != nil {
						return err
					}
					if n++; n == stop {
						return nil
					}
				}
			}
			return nil
		},
		"get": func(ctx context.Context, stop int) error {
			n := 0
			keys := []schema.Row{{int64(3)}, {int64(900)}, {int64(2000)}, {int64(4100)}}
			for _, err := range scan.New(src, options(scan.Options{Concurrency: 2})).Get(ctx, []string{"id"}, keys) {
				if err != nil {
					return err
				}
				if n++; n == stop {
					break
				}
			}
			return nil
		},
		"changes": func(ctx context.Context, stop int) error {
			n := 0
			for _, err := range scan.Changes(src, &scan.ChangesOptions{Concurrency: 2, Allocator: mem, Key: []string{"id"}}).Batches(ctx) {
				if err != nil {
					return err
				}
				if n++; n == stop {
					break
				}
			}
			return nil
		},
	}
	check := func(what string) {
		t.Helper()
		if n := store.open.Load(); n != 0 {
			t.Errorf("%s: %d objects are open", what, n)
		}
		if n := mem.CurrentAlloc(); n != 0 {
			t.Fatalf("%s: %d bytes of Arrow memory are held", what, n)
		}
		// A goroutine that has said it is through may not be gone yet.
		for i := 0; runtime.NumGoroutine() > before; i++ {
			if i == 1_000_000 {
				t.Fatalf("%s: %d goroutines, %d before", what, runtime.NumGoroutine(), before)
			}
			runtime.Gosched()
		}
	}
	for name, run := range ways {
		for _, stop := range []int{0, 1, 2, 9} {
			if err := run(context.Background(), stop); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			check(fmt.Sprint(name, " stopped at ", stop))
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := run(ctx, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
		check(name + " cancelled")
		for failAt := int64(1); failAt < 60; failAt += 3 {
			store.reads.Store(0)
			store.failAt.Store(failAt)
			// A limit may be reached before what broke was needed.
			if err := run(context.Background(), 0); !errors.Is(err, errBroken) && store.reads.Load() >= failAt && !(err == nil && name == "limit") {
				t.Errorf("%s, broken at read %d: %v", name, failAt, err)
			}
			store.failAt.Store(0)
			check(fmt.Sprint(name, " broken at read ", failAt))
		}
	}
}
