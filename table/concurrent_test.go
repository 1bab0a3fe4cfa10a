package table_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// TestConcurrentAppenders lets writers append and upsert at once, some through
// one open table (which makes them groups), some through their own (which makes
// them rivals). No commit fails, no row is lost, no key is there twice, and the
// history is one chain.
func TestConcurrentAppenders(t *testing.T) {
	const writers, commits = 8, 12
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprintf("shared=%v", shared), func(t *testing.T) {
			ctx := context.Background()
			cat := catalog.NewFiles(objstore.NewMemory("mem://many"), nil)
			first, err := table.Create(ctx, cat, "m.t", schema.MustNew(
				schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "w", Type: schema.Int},
			), &table.CreateOptions{Key: []string{"id"}, FormatVersion: 3})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			errs := make(chan error, writers)
			for n := range writers {
				tab := first
				if !shared {
					if tab, err = table.Open(ctx, cat, "m.t", nil); err != nil {
						t.Fatal(err)
					}
				}
				wg.Add(1)
				go func() {
					defer wg.Done()
					errs <- appendMany(ctx, tab, n, commits)
				}()
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				if err != nil {
					t.Error(err)
				}
			}
			if err := first.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
			checkMany(t, ctx, first, writers, commits)
		})
	}
}

// appendMany commits rows of its own by append, and key 0, which all share, by
// upsert.
func appendMany(ctx context.Context, tab *table.Table, n, commits int) error {
	w, err := tab.NewWriter(&table.WriterOptions{KeepSnapshots: -1})
	if err != nil {
		return err
	}
	defer w.Close()
	for i := range commits {
		if err := w.Append(ctx, schema.Row{int64(1 + n*1000 + i), int32(n)}); err != nil {
			return err
		}
		if i%3 == 0 {
			if err := w.Upsert(ctx, schema.Row{int64(0), int32(n)}); err != nil {
				return err
			}
		}
		_, err := w.Commit(ctx, &table.CommitOptions{Positions: map[string]string{fmt.Sprint(n): fmt.Sprint(i)}})
		if err != nil {
			return fmt.Errorf("writer %d commit %d: %w", n, i, err)
		}
	}
	return nil
}

func checkMany(t *testing.T, ctx context.Context, tab *table.Table, writers, commits int) {
	t.Helper()
	seen := map[int64]int{}
	for row, err := range tab.Scan(nil).Rows(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		seen[row[0].(int64)]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("key %d is there %d times", id, n)
		}
	}
	if want := writers*commits + 1; len(seen) != want {
		t.Errorf("%d keys, want %d", len(seen), want)
	}
	p, err := tab.Positions()
	if err != nil {
		t.Fatal(err)
	}
	for n := range writers {
		if p[fmt.Sprint(n)] != fmt.Sprint(commits-1) {
			t.Errorf("writer %d is at position %q", n, p[fmt.Sprint(n)])
		}
	}
	chain := 0
	m := tab.Metadata()
	for range m.Ancestors(m.Current().ID) {
		chain++
	}
	if chain != len(m.Snapshots) {
		t.Errorf("%d snapshots, %d in the chain", len(m.Snapshots), chain)
	}
	t.Logf("%d commits in %d snapshots", writers*commits, chain)
}

// TestGroupSpoiled: a commit that must fail does not take the others of its
// group with it.
func TestGroupSpoiled(t *testing.T) {
	r := newRace(t, 2, "")
	young, err := r.ours.NewWriter(&table.WriterOptions{ID: "sink", Epoch: 5})
	r.must(err)
	r.must(young.Upsert(r.ctx, schema.Row{int64(1), "young"}))
	_, err = young.Commit(r.ctx, nil)
	r.must(err)

	start := make(chan struct{})
	var wg sync.WaitGroup
	results := make([]error, 6)
	for n := range results {
		o := &table.WriterOptions{}
		if n == 2 {
			o.ID, o.Epoch = "sink", 1
		}
		w, err := r.ours.NewWriter(o)
		r.must(err)
		r.must(w.Upsert(r.ctx, schema.Row{int64(100 + n), "x"}))
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			_, results[n] = w.Commit(r.ctx, nil)
		}()
	}
	close(start)
	wg.Wait()
	for n, err := range results {
		if fenced := errors.Is(err, table.ErrFenced); fenced != (n == 2) || n != 2 && err != nil {
			t.Errorf("commit %d: %v", n, err)
		}
	}
	if got, want := r.rows(), "100=x 101=x 103=x 104=x 105=x 1=young 2=a 3=a 4=a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
