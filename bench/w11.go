package bench

import (
	"context"

	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// W11 reads the changes of W4's table: its first commit, and ten rounds of
// upserts of a fifth of its rows, each of which takes a row away and adds one. In
// the forms of deletes of W4, and paired as updates (-updates). Rows are the
// changes.
func W11(ctx context.Context, o *Options) ([]Result, error) {
	var rs []Result
	for _, v := range []struct {
		name    string
		form    form
		updates bool
	}{{"vector", vectors, false}, {"vector-updates", vectors, true}, {"position", positions, false}, {"equality", equality, false}} {
		var err error
		rs, err = o.on(ctx, rs, "W11", v.name, o.rows(100000, 500000), v.form, func(c *churn) (Result, error) {
			return c.changes(ctx, v.name, v.updates)
		})
		if err != nil {
			return rs, err
		}
	}
	return rs, nil
}

// changes makes ten rounds of upserts and reads all changes there were.
func (c *churn) changes(ctx context.Context, name string, updates bool) (Result, error) {
	const rounds = 10
	each := c.rows / 5
	for range rounds {
		if err := c.change(ctx, each, table.OpUpsert); err != nil {
			return Result{}, err
		}
	}
	m := StartMeter()
	t, err := table.Open(ctx, c.l.cat, c.t.Name(), nil)
	if err != nil {
		return Result{}, err
	}
	var n int64
	for b, err := range t.Changes(&scan.ChangesOptions{Updates: updates}).Batches(ctx) {
		if err != nil {
			return Result{}, err
		}
		n += b.NumRows()
	}
	r := m.Stop().Result("W11", name, n)
	r.Commits = rounds + 1
	if err := expect(name+": changes", n, c.rows+2*rounds*each); err != nil {
		return r, err
	}
	r.Files, r.Bytes, err = c.l.size()
	return r, err
}
