package bench

import (
	"context"
	"fmt"

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
		name     string
		version  int
		encoding table.Encoding
		updates  bool
	}{
		{"vector", 3, table.EncodingPosition, false},
		{"vector-updates", 3, table.EncodingPosition, true},
		{"position", 2, table.EncodingPosition, false},
		{"equality", 2, table.EncodingEquality, false},
	} {
		if !o.wants(v.name) {
			continue
		}
		c, err := o.newChurn(ctx, "w11", o.rows(100000, 500000), v.version, v.encoding)
		if err != nil {
			return rs, err
		}
		r, err := c.changes(ctx, v.name, v.updates)
		c.close()
		if err != nil {
			return rs, fmt.Errorf("%s: %w", v.name, err)
		}
		rs = o.done(rs, r)
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
