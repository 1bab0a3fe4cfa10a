package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/frazildb/frazil/bench"
)

// iceberg-go has no upsert: nothing finds the rows that a key replaces. What it
// offers is (a) to write equality deletes of the keys and the new rows and commit
// both as a row delta, which is compared with our equality encoding; the caller
// has to reduce each commit to the last state of every key first; and (b) to
// delete by a filter, merge-on-read, and then append: for commits of 100,000
// keys the filter is an IN of as many literals.

// rivalDelete is case (b); it makes one commit.
const rivalDelete = "mix1-delete-in"

// rivalUpsert is W2.
func rivalUpsert(ctx context.Context, name string, o *bench.Options) (bench.Result, error) {
	u := bench.U{Mix: 1}
	if strings.HasPrefix(name, "mix2") {
		u.Mix = 2
	}
	w, remove, err := tempWarehouse(ctx, o.Dir)
	if err != nil {
		return bench.Result{}, err
	}
	defer remove()
	t, err := w.create(ctx, "u", bench.USchema(), 2, 0, iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead})
	if err != nil {
		return bench.Result{}, err
	}
	if t, err = rivalBase(ctx, t, u); err != nil {
		return bench.Result{}, err
	}
	clean, _, err := rivalSums(ctx, t)
	if err != nil {
		return bench.Result{}, err
	}
	commits, change := bench.UCommits(o), equalityCommit
	if name == rivalDelete {
		commits, change = 1, deleteCommit
	}
	m := bench.StartMeter()
	for c := range commits {
		if t, err = change(ctx, t, u, c, m); err != nil {
			return bench.Result{}, err
		}
	}
	r := m.Stop().Result("W2", name, int64(commits*bench.UCommit))
	r.Commits = int64(commits)
	if r.Files, r.Bytes, err = bench.FolderSize(w.dir); err != nil {
		return r, err
	}
	after, sums, err := rivalSums(ctx, t)
	if err != nil {
		return r, err
	}
	r.RatioToClean = after / clean
	if want := u.Sums(bench.UBase + commits*bench.UCommit); sums != want {
		return r, fmt.Errorf("sums: found %v, expected %v", sums, want)
	}
	return r, nil
}

func rivalBase(ctx context.Context, t *table.Table, u bench.U) (*table.Table, error) {
	first := uint64(0)
	b, _ := u.Batch(0, 1)
	defer b.Release()
	return t.Append(ctx, &reader{schema: b.Schema(), next: func() arrow.RecordBatch {
		if first >= bench.UBase {
			return nil
		}
		b, _ := u.Batch(first, 50000)
		first += 50000
		return b
	}}, nil)
}

// lastStates reduces the events of a commit to the last of every key: the keys,
// and the events that leave a row.
func lastStates(u bench.U, commit uint64) (keys []int64, rows []uint64) {
	last := make(map[int64]uint64, bench.UCommit)
	first := bench.UBase + commit*bench.UCommit
	for n := first; n < first+bench.UCommit; n++ {
		_, id := u.Event(n)
		last[id] = n
	}
	for id, n := range last {
		keys = append(keys, id)
		if op, _ := u.Event(n); op != 'D' {
			rows = append(rows, n)
		}
	}
	return keys, rows
}

// equalityCommit deletes all keys by equality without looking, and adds rows.
func equalityCommit(ctx context.Context, t *table.Table, u bench.U, commit uint64, m *bench.Meter) (*table.Table, error) {
	keys, events := lastStates(u, commit) // an application has to do this: it counts
	var rows arrow.RecordBatch
	m.Outside(func() { rows = u.Rows(events) })
	defer rows.Release()
	tx := t.NewTransaction()
	deletes, err := tx.WriteEqualityDeletes(ctx, []int{1}, single(keyBatch(keys)))
	if err != nil {
		return nil, err
	}
	rd := tx.NewRowDelta(nil).AddDeletes(deletes...)
	for f, err := range table.WriteRecords(ctx, t, rows.Schema(), single(rows)) {
		if err != nil {
			return nil, err
		}
		rd.AddRows(f)
	}
	if err := rd.Commit(ctx); err != nil {
		return nil, err
	}
	return tx.Commit(ctx)
}

// deleteCommit deletes the keys by a filter and appends the rows.
func deleteCommit(ctx context.Context, t *table.Table, u bench.U, commit uint64, m *bench.Meter) (*table.Table, error) {
	keys, events := lastStates(u, commit)
	var rows arrow.RecordBatch
	m.Outside(func() { rows = u.Rows(events) })
	tx := t.NewTransaction()
	if err := tx.Delete(ctx, iceberg.IsIn(iceberg.Reference("id"), keys...), nil); err != nil {
		return nil, err
	}
	given := false
	in := &reader{schema: rows.Schema(), next: func() arrow.RecordBatch {
		if given {
			return nil
		}
		given = true
		return rows
	}}
	if err := tx.Append(ctx, in, nil); err != nil {
		return nil, err
	}
	return tx.Commit(ctx)
}

func keyBatch(keys []int64) arrow.RecordBatch {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(keys, nil)
	col := b.NewArray()
	defer col.Release()
	f := arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64, Metadata: arrow.MetadataFrom(map[string]string{"PARQUET:field_id": "1"})}
	return array.NewRecordBatch(arrow.NewSchema([]arrow.Field{f}, nil), []arrow.Array{col}, int64(len(keys)))
}

// rivalSums reads the whole table and returns CPU per row and the sums.
func rivalSums(ctx context.Context, t *table.Table) (float64, bench.USums, error) {
	var sums bench.USums
	m := bench.StartMeter()
	_, err := readAll(ctx, t, func(b arrow.RecordBatch) { m.Outside(func() { sums.Add(b) }) })
	used := m.Stop()
	return float64(used.CPU.Nanoseconds()) / float64(max(1, sums.Rows)), sums, err
}

func tempWarehouse(ctx context.Context, parent string) (*warehouse, func(), error) {
	dir, err := os.MkdirTemp(parent, "iceberg-go-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	w, err := openWarehouse(ctx, dir)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return w, remove, nil
}
