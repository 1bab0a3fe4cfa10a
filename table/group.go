package table

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
)

// maxGroup bounds how many commits are made as one.
const maxGroup = 64

// pending is a commit that waits for its turn or for another to take it along.
type pending struct {
	c    *commit
	done bool
	snap *metadata.Snapshot
	err  error
}

// commitInGroup makes c, alone or with others: committers of one process queue
// up, and whoever's turn it is commits all compatible changes as one snapshot,
// in the order they came.
func (t *Table) commitInGroup(ctx context.Context, c *commit) (*metadata.Snapshot, error) {
	p := &pending{c: c}
	t.waiting.Lock()
	t.waiting.commits = append(t.waiting.commits, p)
	t.waiting.Unlock()

	t.commitMu.Lock()
	defer t.commitMu.Unlock()
	if p.done {
		return p.snap, p.err
	}
	group := t.takeGroup(p)
	if len(group) == 1 {
		return c.run(ctx)
	}
	all := join(group)
	snap, err := all.run(ctx)
	if err != nil && !errors.Is(err, catalog.ErrUnknownOutcome) {
		t.requeue(without(group, p)) // one of them spoils it: each for itself, ours first
		return c.run(ctx)
	}
	for _, q := range group {
		q.done, q.snap, q.err = true, snap, err
	}
	return snap, err
}

// takeGroup removes p and the commits it can take along from the queue. The
// group keeps the order of arrival.
func (t *Table) takeGroup(p *pending) []*pending {
	t.waiting.Lock()
	defer t.waiting.Unlock()
	var group, rest []*pending
	for _, q := range t.waiting.commits {
		if q == p || len(group) < maxGroup && p.c.goesWith(q.c) && q.goesWithAll(group) {
			group = append(group, q)
		} else {
			rest = append(rest, q)
		}
	}
	t.waiting.commits = rest
	if !p.goesWithAll(group) { // those before it and it share a stream: they go later
		t.waiting.commits = append(t.waiting.commits, without(group, p)...)
		return []*pending{p}
	}
	return group
}

func (p *pending) goesWithAll(group []*pending) bool {
	for _, q := range group {
		if q != p && !p.c.goesWith(q.c) {
			return false
		}
	}
	return true
}

func without(group []*pending, p *pending) []*pending {
	return slices.DeleteFunc(slices.Clone(group), func(q *pending) bool { return q == p })
}

// requeue puts back what a failed group took along, each to go alone.
func (t *Table) requeue(group []*pending) {
	t.waiting.Lock()
	defer t.waiting.Unlock()
	for _, q := range group {
		q.c.alone, q.c.started = true, t.opts.Clock()
	}
	t.waiting.commits = append(t.waiting.commits, group...)
}

// goesWith reports whether two commits can be one snapshot. Equality deletes
// cannot: they miss rows of their own sequence number. Commits with positions of
// the same stream cannot: only the later position would be seen.
func (c *commit) goesWith(o *commit) bool {
	if c.alone || o.alone || c.reset != nil || o.reset != nil {
		return false
	}
	if c.wo.Branch != o.wo.Branch || c.wo.KeepSnapshots != o.wo.KeepSnapshots || c.wo.KeyIndex != o.wo.KeyIndex || !slices.Equal(c.wo.Readers, o.wo.Readers) || c.co.Fold != o.co.Fold || len(c.co.Summary)+len(o.co.Summary) > 0 {
		return false
	}
	for k := range c.positions {
		if _, both := o.positions[k]; both {
			return false
		}
	}
	return c.byPosition() && o.byPosition() && sameOrder(c, o)
}

// sameOrder reports whether the changes of two commits can be compared.
func sameOrder(c, o *commit) bool {
	for _, a := range c.staged {
		for _, b := range o.staged {
			if a.orderName != b.orderName {
				return false
			}
		}
	}
	return true
}

func (c *commit) byPosition() bool {
	for _, s := range c.staged {
		if s.encoding == EncodingEquality || s.truncate {
			return false
		}
	}
	return true
}

// join makes one commit of a group.
func join(group []*pending) *commit {
	first := group[0].c
	all := &commit{t: first.t, wo: first.wo, co: first.co, started: first.started, positions: map[string]string{}}
	for _, q := range group {
		all.staged = append(all.staged, q.c.staged...)
		maps.Copy(all.positions, q.c.positions)
	}
	return all
}
