package scan

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// ChangeType says what a change row is.
type ChangeType string

// Change types, the values of _change_type.
const (
	Insert       ChangeType = "insert"
	Delete       ChangeType = "delete"
	UpdateBefore ChangeType = "update_before"
	UpdateAfter  ChangeType = "update_after"
)

// ChangesOptions choose a range of snapshots; nil and zero fields mean the
// documented default.
type ChangesOptions struct {
	// From is exclusive, nil the beginning; To inclusive, nil the head of Ref. From
	// must be an ancestor of To, unless Net is set. With To the schema is that of
	// To, else the table's current one: rows of every snapshot are read by it.
	From, To *int64
	// Ref is a branch or tag, instead of To; default main.
	Ref string
	// Net compares To with From at once: rows that came and went in between do not
	// show, nor do snapshots in between matter, which may have expired. From and To
	// may be any two snapshots; if From is no ancestor of To rows are read by the
	// table's current schema. Every change belongs to To.
	Net bool
	// Columns and Filter as in Options.
	Columns         []string
	Filter          expr.Expr
	CaseInsensitive bool
	// Updates pairs a delete and an insert of one key in one snapshot as
	// update_before and update_after; it needs Key, whose columns must be among
	// Columns.
	Updates bool
	// Key are the columns that identify a row; default the identifier fields.
	Key []string
	// Concurrency bounds the goroutines that read; default GOMAXPROCS.
	Concurrency int
	// MemoryBudget in bytes for delete tables; default 1 GiB. The changes of one
	// snapshot are held in memory besides.
	MemoryBudget int64
	Allocator    memory.Allocator
}

// ChangeScan reads the changes between two snapshots: for each snapshot the rows
// it took away and the rows it added, whichever kinds of files it used. Rows
// that a snapshot only moved from file to file are no changes, and snapshots
// that replaced files without changing data have none.
type ChangeScan struct {
	src  Source
	opts ChangesOptions
	view *view // of To
	out  *schema.Schema
	key  []int  // indexes in view.out
	seed uint64 // of the hashes that rows are compared by, which no data can know
	// chain is the snapshots from From (nil: from before the first) to To; only
	// these two for net changes.
	chain []*metadata.Snapshot
	err   error
}

// Changes describes a scan of the changes after From up to To; errors in opts
// come out of its first use.
func Changes(src Source, opts *ChangesOptions) *ChangeScan {
	c := &ChangeScan{src: src, seed: rand.Uint64()}
	if opts != nil {
		c.opts = *opts
	}
	if c.src.Cache == nil {
		c.src.Cache = snapshot.NewCache(0)
	}
	if c.err = c.init(); c.err != nil {
		c.err = fmt.Errorf("changes: %w", c.err)
	}
	return c
}

func (c *ChangeScan) init() error {
	var err error
	o, m := &c.opts, c.src.Metadata
	c.view, err = newView(c.src, &Options{
		// A schema later than both reads the rows of both.
		UseCurrentSchema: o.Net && o.From != nil && o.To != nil && !m.IsAncestor(*o.From, *o.To),
		Columns:          o.Columns, Filter: o.Filter, CaseInsensitive: o.CaseInsensitive, SnapshotID: o.To, Ref: o.Ref,
		Concurrency: o.Concurrency, MemoryBudget: o.MemoryBudget, Allocator: o.Allocator,
	})
	if err != nil {
		return err
	}
	fields := slices.Clone(c.view.out.Fields)
	for _, name := range []string{"_change_type", "_change_ordinal", "_commit_snapshot_id"} {
		f, _ := schema.MetadataColumn(name)
		fields = append(fields, f)
	}
	if c.out, err = schema.New(c.view.out.ID, fields, nil); err != nil {
		return err
	}
	if c.opts.Updates {
		if err := c.findKey(); err != nil {
			return err
		}
	}
	return c.findChain()
}

func (c *ChangeScan) findKey() error {
	names := c.opts.Key
	if names == nil {
		for _, id := range c.view.base.IdentifierFieldIDs {
			names = append(names, c.view.base.Path(id))
		}
	}
	if len(names) == 0 {
		return errors.New("updates need a key, and the table has no identifier fields")
	}
	for _, name := range names {
		f, err := findColumn(c.view.base, name, c.opts.CaseInsensitive)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		i := slices.IndexFunc(c.view.out.Fields, func(g schema.Field) bool { return g.ID == f.ID })
		if i < 0 {
			return fmt.Errorf("key column %q is not among the columns read", name)
		}
		c.key = append(c.key, i)
	}
	return nil
}

// findChain finds the snapshots compared: one after the other, or the two ends.
func (c *ChangeScan) findChain() error {
	if c.view.snap == nil {
		if c.opts.From != nil {
			return fmt.Errorf("snapshot %d: %w", *c.opts.From, ErrNoSnapshot)
		}
		return nil
	}
	if c.opts.Net {
		var base *metadata.Snapshot
		if from := c.opts.From; from != nil {
			if base = c.src.Metadata.Snapshot(*from); base == nil && known(c.src.Metadata, *from) {
				return fmt.Errorf("snapshot %d: %w: %w", *from, ErrExpired, ErrNoSnapshot)
			} else if base == nil {
				return fmt.Errorf("snapshot %d: %w", *from, ErrNoSnapshot)
			}
		}
		c.chain = []*metadata.Snapshot{base, c.view.snap}
		return nil
	}
	after, base, err := history(c.src.Metadata, c.opts.From, c.view.snap)
	if err != nil {
		return err
	}
	if base == nil && c.opts.From != nil { // the rows it had are needed
		return fmt.Errorf("snapshot %d: %w: %w", *c.opts.From, ErrExpired, ErrNoSnapshot)
	}
	c.chain = append([]*metadata.Snapshot{base}, after...)
	return nil
}

// Schema returns the columns chosen followed by _change_type, _change_ordinal
// (from 0, one a snapshot that changed data) and _commit_snapshot_id.
func (c *ChangeScan) Schema() (*schema.Schema, error) { return c.out, c.err }

// Rows yields the changes in commit order; each row is valid until the next
// step.
func (c *ChangeScan) Rows(ctx context.Context) iter.Seq2[schema.Row, error] {
	return func(yield func(schema.Row, error) bool) {
		if c.err != nil {
			yield(nil, c.err)
			return
		}
		rowsOf(c.out, c.Batches(ctx), yield)
	}
}

// Batches yields the changes in commit order: of each commit the deletes, then
// the inserts; updates as pairs. A batch is valid until the next step unless
// retained.
func (c *ChangeScan) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if c.err != nil {
			yield(nil, c.err)
			return
		}
		var before liveFiles
		ordinal := int32(0)
		for i, s := range c.chain {
			after, err := c.liveFiles(ctx, s)
			if err == nil && i > 0 && (c.opts.Net || s.Operation != metadata.OpReplace) {
				var more bool
				more, err = c.commit(ctx, s, ordinal, before, after, yield)
				ordinal++
				if err == nil && !more {
					return
				}
			}
			if err != nil {
				if s != nil {
					err = fmt.Errorf("changes of snapshot %d: %w", s.ID, err)
				}
				yield(nil, err)
				return
			}
			before = after
		}
	}
}

// commit yields the changes of one snapshot; false when the consumer stopped.
func (c *ChangeScan) commit(ctx context.Context, s *metadata.Snapshot, ordinal int32, before, after liveFiles, yield func(arrow.RecordBatch, error) bool) (bool, error) {
	gone, came := diffFiles(before, after)
	dead, err := c.collect(ctx, gone)
	if err != nil {
		return false, err
	}
	defer dead.Release()
	born, err := c.collect(ctx, came)
	if err != nil {
		return false, err
	}
	defer born.Release()
	order, err := c.match(dead, born)
	if err != nil {
		return false, err
	}
	cols := make([]arrow.Array, len(c.view.out.Fields))
	defer func() {
		for _, a := range cols {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i := range cols {
		if cols[i], err = array.Concatenate([]arrow.Array{dead.Column(i), born.Column(i)}, c.view.mem); err != nil {
			return false, err
		}
	}
	for len(order) > 0 {
		n := min(len(order), c.view.opts.BatchRows)
		b, err := c.batch(cols, order[:n], ordinal, s.ID)
		if err != nil {
			return false, err
		}
		more := yield(b, nil)
		b.Release()
		if !more {
			return false, nil
		}
		order = order[n:]
	}
	return true, nil
}
