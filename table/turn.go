package table

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
)

// A rewrite that has to take account of every commit since its last attempt can
// lose to writers of other processes for ever. After a few attempts it asks for
// a turn: a table property, set by a commit so small that it gets in, names the
// turn and how long it may last. Writers that find it in the state they build on
// wait until it is gone, or has lasted as long as it says by their own count of
// time; they trust no clock but their own, and a turn whose owner died costs each
// of them one wait. The rewrite removes the property in the commit that it asked
// for. A turn is a courtesy: correctness never rests on it, and engines that know
// nothing of it are merely impolite.

// turnProperty holds "<id> <milliseconds>" while a turn is taken.
const turnProperty = "frazil.turn"

const (
	minTurn = 500 * time.Millisecond
	// maxTurn bounds what a writer grants, whatever the property says.
	maxTurn = 20 * time.Second
	// turnPoll is the first pause between two looks at a turn that is not over;
	// they double up to maxTurnPoll.
	turnPoll, maxTurnPoll = 2 * time.Millisecond, 50 * time.Millisecond
	// patience is how many attempts a rewrite loses before it asks for a turn.
	patience = 3
)

// turnOf returns the turn that is taken, "" for none.
func turnOf(m *metadata.Table) (id string, d time.Duration) {
	id, ms, ok := strings.Cut(m.Property(turnProperty, ""), " ")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || n <= 0 {
		return "", 0
	}
	return id, min(time.Duration(n)*time.Millisecond, maxTurn)
}

// yield lets a turn that base shows pass by, unless it is the caller's own, and
// returns the newest state. After one turn the caller is next, whatever other
// turns there are.
func (t *Table) yield(ctx context.Context, base *catalog.Entry, own string) (*catalog.Entry, error) {
	id, d := turnOf(base.Metadata)
	if id == "" || id == own || t.turnOver(id) {
		return base, nil
	}
	pause, waited := turnPoll, time.Duration(0)
	for waited < d {
		if err := t.opts.Wait(ctx, pause); err != nil {
			return nil, err
		}
		waited += pause
		pause = min(2*pause, maxTurnPoll)
		var err error
		if base, err = t.reload(ctx); err != nil {
			return nil, err
		}
		if now, _ := turnOf(base.Metadata); now != id {
			return base, nil
		}
	}
	t.mu.Lock()
	t.mu.turnOver = id
	t.mu.Unlock()
	return base, nil
}

// turnOver reports whether a turn has lasted long enough.
func (t *Table) turnOver(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.turnOver == id
}

// endTurn removes from the metadata, with the commit it is part of, a turn that
// is over: the own one, or one that was waited for in vain.
func (t *Table) endTurn(m *metadata.Table, own string) []metadata.Update {
	id, _ := turnOf(m)
	if id == "" || id != own && !t.turnOver(id) {
		return nil
	}
	return []metadata.Update{metadata.RemoveProperties{Names: []string{turnProperty}}}
}

// turn is a commit's claim to be let through.
type turn struct {
	t  *Table
	id string // "" while none was asked for
	d  time.Duration
	at int // attempt at which it was last asked for
}

// before is called before each attempt, numbered from 1, with the state it is to
// build on and how long the last attempt took. It lets others' turns pass, asks
// for one after a few attempts, and again, for longer, if that was not enough.
func (n *turn) before(ctx context.Context, base *catalog.Entry, attempt int, took time.Duration) (*catalog.Entry, error) {
	base, err := n.t.yield(ctx, base, n.id)
	if err != nil || attempt <= patience {
		return base, err
	}
	if id, _ := turnOf(base.Metadata); id == n.id && id != "" && attempt < 2*n.at+patience {
		return base, nil
	}
	n.id, n.at = n.t.NewUUID(), attempt
	n.d = min(max(2*n.d, 4*took, minTurn), maxTurn)
	entry, err := n.t.cat.CommitTable(ctx, catalog.Commit{
		ID: n.t.id, Base: base, Requirements: []metadata.Requirement{metadata.AssertUUID{UUID: base.Metadata.UUID}},
		Updates: []metadata.Update{metadata.SetProperties{Properties: map[string]string{
			turnProperty: n.id + " " + strconv.FormatInt(n.d.Milliseconds(), 10),
		}}},
	})
	if errors.Is(err, catalog.ErrConflict) || errors.Is(err, catalog.ErrUnknownOutcome) {
		return base, nil // the next attempt asks again
	}
	return entry, err
}

// end returns the update that ends the turn with the commit it was taken for.
func (n *turn) end(base *metadata.Table) []metadata.Update { return n.t.endTurn(base, n.id) }

// drop gives the turn back if it was taken and not used. If that fails writers
// wait it out.
func (n *turn) drop(ctx context.Context) {
	if n.id == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	base, err := n.t.reload(ctx)
	if err != nil {
		return
	}
	if updates := n.end(base.Metadata); updates != nil {
		_, err = n.t.cat.CommitTable(ctx, catalog.Commit{
			ID: n.t.id, Base: base, Requirements: []metadata.Requirement{metadata.AssertUUID{UUID: base.Metadata.UUID}}, Updates: updates,
		})
	}
	if err != nil {
		n.t.opts.Logger.Warn("give a turn back", "table", n.t.Name(), "error", err)
	}
}
