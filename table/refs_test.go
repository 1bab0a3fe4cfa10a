package table_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

func (r *race) rowsOf(o *scan.Options) string {
	r.t.Helper()
	r.must(r.ours.Refresh(r.ctx))
	var out []string
	for row, err := range r.ours.Scan(o).Rows(r.ctx) {
		r.must(err)
		out = append(out, fmt.Sprintf("%v=%v", row[0], row[1]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (r *race) want(o *scan.Options, want string) {
	r.t.Helper()
	if got := r.rowsOf(o); got != want {
		r.t.Errorf("rows %q, want %q", got, want)
	}
}

func (r *race) head(ref string) int64 {
	r.t.Helper()
	r.must(r.ours.Refresh(r.ctx))
	s := r.ours.Metadata().RefSnapshot(ref)
	if s == nil {
		r.t.Fatalf("no ref %s", ref)
	}
	return s.ID
}

// refused requires an error of a kind.
func (r *race) refused(err, kind error) {
	r.t.Helper()
	if !errors.Is(err, kind) {
		r.t.Errorf("error %v, want one of %v", err, kind)
	}
}

// TestWriteAuditPublish writes to a branch that main does not see, and publishes
// it.
func TestWriteAuditPublish(t *testing.T) {
	for _, version := range []int{2, 3} {
		r := newRace(t, version, "")
		audit := &table.WriterOptions{Branch: "audit"}
		r.must(r.ours.CreateBranch(r.ctx, "audit", nil))
		r.put(r.ours, audit, "1=x", "2", "9=x")
		r.put(r.ours, audit, "9=y")
		r.want(nil, "1=a 2=a 3=a 4=a")
		r.want(&scan.Options{Ref: "audit"}, "1=x 3=a 4=a 9=y")
		r.must(r.ours.CreateTag(r.ctx, "before", nil))
		r.must(r.ours.FastForward(r.ctx, metadata.MainBranch, "audit"))
		r.want(nil, "1=x 3=a 4=a 9=y")
		r.want(&scan.Options{Ref: "before"}, "1=a 2=a 3=a 4=a")
		r.must(r.ours.FastForward(r.ctx, metadata.MainBranch, "audit")) // nothing to do

		// Both go on: now neither is an ancestor of the other.
		r.put(r.ours, nil, "3=main")
		r.put(r.ours, audit, "4=audit")
		r.refused(r.ours.FastForward(r.ctx, metadata.MainBranch, "audit"), snapshot.ErrConflict)
		r.want(nil, "1=x 3=main 4=a 9=y")
		r.want(&scan.Options{Ref: "audit"}, "1=x 3=a 4=audit 9=y")
		r.must(r.ours.FastForward(r.ctx, "fresh", "audit"))
		r.want(&scan.Options{Ref: "fresh"}, "1=x 3=a 4=audit 9=y")
	}
}

// TestFastForwardRace moves main between the check and the swap.
func TestFastForwardRace(t *testing.T) {
	r := newRace(t, 3, "")
	r.must(r.ours.CreateBranch(r.ctx, "audit", nil))
	r.put(r.ours, &table.WriterOptions{Branch: "audit"}, "1=x")
	r.must(r.rival.Refresh(r.ctx))
	r.cat.before = func() { r.put(r.rival, nil, "2=rival") }
	r.refused(r.ours.FastForward(r.ctx, metadata.MainBranch, "audit"), snapshot.ErrConflict)
	r.want(nil, "1=a 2=rival 3=a 4=a")
}

func TestRollback(t *testing.T) {
	for _, version := range []int{2, 3} {
		r := newRace(t, version, "")
		first := r.head("main")
		at := time.UnixMilli(r.ours.Metadata().Current().TimestampMS)
		r.put(r.ours, nil, "1=b", "2")
		second := r.head("main")
		r.put(r.ours, nil, "5=c")
		third := r.head("main")

		r.must(r.ours.Rollback(r.ctx, second))
		r.want(nil, "1=b 3=a 4=a")
		r.refused(r.ours.Rollback(r.ctx, third), snapshot.ErrInvalid)
		r.refused(r.ours.Rollback(r.ctx, 12345), scan.ErrNoSnapshot)
		r.must(r.ours.SetCurrent(r.ctx, third))
		r.want(nil, "1=b 3=a 4=a 5=c")
		r.must(r.ours.Rollback(r.ctx, first))
		r.want(nil, "1=a 2=a 3=a 4=a")
		// Writing goes on from there.
		r.put(r.ours, nil, "2=d", "5=d")
		r.want(nil, "1=a 2=d 3=a 4=a 5=d")
		r.refused(r.ours.RollbackTo(r.ctx, at.Add(-time.Hour)), scan.ErrNoSnapshot)
		r.must(r.ours.RollbackTo(r.ctx, time.UnixMilli(r.ours.Metadata().Current().TimestampMS-1).Add(time.Hour)))
		r.want(nil, "1=a 2=d 3=a 4=a 5=d")
	}
}

// TestRollbackPositions goes back to where the source was then.
func TestRollbackPositions(t *testing.T) {
	r := newRace(t, 2, "")
	commit := func(pos string, changes ...string) int64 {
		s, err := r.ours.CommitStaged(r.ctx, []*table.Staged{r.stage(r.ours, changes...)}, nil, &table.CommitOptions{Positions: map[string]string{"s": pos}})
		r.must(err)
		return s.ID
	}
	first := commit("1", "1=p")
	commit("2", "1=q")
	r.must(r.ours.Rollback(r.ctx, first))
	if p, err := r.ours.Positions(); err != nil || p["s"] != "1" {
		t.Errorf("positions %v, %v", p, err)
	}
	commit("2", "1=q")
	r.want(nil, "1=q 2=a 3=a 4=a")
}

func TestCherryPick(t *testing.T) {
	for _, version := range []int{2, 3} {
		r := newRace(t, version, "")
		r.must(r.ours.CreateBranch(r.ctx, "side", nil))
		side := &table.WriterOptions{Branch: "side"}
		r.put(r.ours, side, "7=s")
		appended := r.head("side")
		r.put(r.ours, side, "1=s")
		updated := r.head("side")
		r.put(r.ours, nil, "2=m")

		s, err := r.ours.CherryPick(r.ctx, appended)
		r.must(err)
		if s.Operation != metadata.OpAppend || s.Summary["source-snapshot-id"] != fmt.Sprint(appended) {
			t.Errorf("snapshot %+v", s)
		}
		r.want(nil, "1=a 2=m 3=a 4=a 7=s")
		_, err = r.ours.CherryPick(r.ctx, appended)
		r.refused(err, snapshot.ErrInvalid)
		_, err = r.ours.CherryPick(r.ctx, updated)
		r.refused(err, snapshot.ErrInvalid)
		_, err = r.ours.CherryPick(r.ctx, 12345)
		r.refused(err, scan.ErrNoSnapshot)
		r.want(nil, "1=a 2=m 3=a 4=a 7=s")
		if version == 3 {
			r.distinctRowIDs()
		}

		// On top of its parent any snapshot can be picked: it becomes the head.
		r.must(r.ours.CreateBranch(r.ctx, "next", nil))
		r.put(r.ours, &table.WriterOptions{Branch: "next"}, "1=n")
		next := r.head("next")
		s, err = r.ours.CherryPick(r.ctx, next)
		r.must(err)
		if s.ID != next {
			t.Errorf("snapshot %d, want %d", s.ID, next)
		}
		r.want(nil, "1=n 2=m 3=a 4=a 7=s")
		_, err = r.ours.CherryPick(r.ctx, next)
		r.refused(err, snapshot.ErrInvalid)
	}
}

func (r *race) distinctRowIDs() {
	r.t.Helper()
	seen := map[any]bool{}
	for row, err := range r.ours.Scan(&scan.Options{Columns: []string{"id", "_row_id"}}).Rows(r.ctx) {
		r.must(err)
		if row[1] == nil || seen[row[1]] {
			r.t.Errorf("row id %v of row %v is missing or there twice", row[1], row[0])
		}
		seen[row[1]] = true
	}
}

func TestRefOptions(t *testing.T) {
	r := newRace(t, 2, "")
	first := r.head("main")
	r.put(r.ours, nil, "1=b")
	r.must(r.ours.CreateTag(r.ctx, "t", &table.RefOptions{SnapshotID: &first, Retention: table.Retention{MaxRefAge: time.Hour}}))
	r.refused(r.ours.CreateTag(r.ctx, "t", nil), snapshot.ErrInvalid)
	r.refused(r.ours.CreateBranch(r.ctx, "t", &table.RefOptions{Replace: true}), snapshot.ErrInvalid)
	r.refused(r.ours.CreateBranch(r.ctx, "main", nil), snapshot.ErrInvalid)
	r.refused(r.ours.DropRef(r.ctx, "main"), snapshot.ErrInvalid)
	r.refused(r.ours.DropRef(r.ctx, "none"), scan.ErrNoSnapshot)
	r.refused(r.ours.SetRetention(r.ctx, "none", table.Retention{}), scan.ErrNoSnapshot)
	r.refused(r.ours.FastForward(r.ctx, "t", "main"), snapshot.ErrInvalid)
	none := int64(1)
	r.refused(r.ours.CreateTag(r.ctx, "u", &table.RefOptions{SnapshotID: &none}), scan.ErrNoSnapshot)
	r.want(&scan.Options{Ref: "t"}, "1=a 2=a 3=a 4=a")
	r.must(r.ours.CreateTag(r.ctx, "t", &table.RefOptions{Replace: true}))
	r.want(&scan.Options{Ref: "t"}, "1=b 2=a 3=a 4=a")
	r.must(r.ours.CreateBranch(r.ctx, "b", &table.RefOptions{Retention: table.Retention{MaxSnapshotAge: time.Minute, MinSnapshots: 3}}))
	ref := r.ours.Metadata().Refs["b"]
	if *ref.MaxSnapshotAgeMS != 60_000 || *ref.MinSnapshotsToKeep != 3 || ref.MaxRefAgeMS != nil {
		t.Errorf("ref %+v", ref)
	}
	r.must(r.ours.SetRetention(r.ctx, "b", table.Retention{MaxRefAge: time.Second}))
	ref = r.ours.Metadata().Refs["b"]
	if *ref.MaxRefAgeMS != 1000 || ref.MinSnapshotsToKeep != nil {
		t.Errorf("ref %+v", ref)
	}
	if err := r.ours.SetRetention(r.ctx, "t", table.Retention{MinSnapshots: 1}); err == nil {
		t.Error("a tag got snapshot retention")
	}
	r.must(r.ours.DropRef(r.ctx, "b"))
	if _, ok := r.ours.Metadata().Refs["b"]; ok {
		t.Error("branch is still there")
	}
}

// TestBranchIsolation commits at random to main and two branches, forks,
// rolls back and fast-forwards, and compares every ref with a map of rows.
func TestBranchIsolation(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		r := newRace(t, 2+int(seed%2), "")
		model := map[string]map[int64]string{"main": {1: "a", 2: "a", 3: "a", 4: "a"}}
		at := map[int64]map[int64]string{r.head("main"): clone(model["main"])}
		for step := range 25 {
			names := sortedKeys(model)
			name := names[rnd.IntN(len(names))]
			switch p := rnd.IntN(10); {
			case p == 0 && len(names) < 4:
				fork := fmt.Sprintf("b%d", step)
				id := r.head(name)
				r.must(r.ours.CreateBranch(r.ctx, fork, &table.RefOptions{SnapshotID: &id}))
				model[fork] = clone(model[name])
			case p == 1:
				to := names[rnd.IntN(len(names))]
				ahead := r.ours.Metadata().IsAncestor(r.head(name), r.head(to))
				err := r.ours.FastForward(r.ctx, name, to)
				if ahead != (err == nil) {
					t.Fatalf("seed %d: fast-forward of %s to %s: %v", seed, name, to, err)
				}
				if ahead {
					model[name] = clone(model[to])
				}
			case p == 2:
				head := r.ours.Metadata().Snapshot(r.head("main"))
				if head.ParentID != nil {
					r.must(r.ours.Rollback(r.ctx, *head.ParentID))
					model["main"] = clone(at[*head.ParentID])
				}
			default:
				var changes []string
				for range 1 + rnd.IntN(3) {
					id := int64(rnd.IntN(8))
					if rnd.IntN(3) == 0 {
						changes = append(changes, fmt.Sprint(id))
						delete(model[name], id)
					} else {
						v := fmt.Sprintf("%s%d", name, step)
						changes = append(changes, fmt.Sprintf("%d=%s", id, v))
						model[name][id] = v
					}
				}
				r.put(r.ours, &table.WriterOptions{Branch: name}, changes...)
				at[r.head(name)] = clone(model[name])
			}
			for _, n := range sortedKeys(model) {
				if got, want := r.rowsOf(&scan.Options{Ref: n}), render(model[n]); got != want {
					t.Fatalf("seed %d, step %d: %s has %q, want %q", seed, step, n, got, want)
				}
			}
		}
	}
}

func clone(m map[int64]string) map[int64]string {
	out := map[int64]string{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func sortedKeys[V any](m map[string]V) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func render(m map[int64]string) string {
	var out []string
	for k, v := range m {
		out = append(out, fmt.Sprintf("%v=%v", k, v))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
