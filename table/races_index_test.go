package table_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// withIndex gives our commits a key index, in memory or on disk.
func (r *race) withIndex(disk bool) *keyindex.Index {
	r.t.Helper()
	o := &keyindex.Options{}
	if disk {
		o.Dir, o.MemoryBudget = r.t.TempDir(), 1
	}
	x, err := keyindex.Open(o)
	r.must(err)
	r.t.Cleanup(func() { _ = x.Close() })
	r.wo = &table.WriterOptions{KeyIndex: x}
	return x
}

// indexRaces are the ways in which an index can be behind the table.
var indexRaces = []struct {
	name, check string
	run         func(r *race)
	want        string
}{
	{
		name: "a rival has moved the row", check: "read files the index does not cover",
		run: func(r *race) {
			r.put(r.ours, nil, "2=b")
			r.must(r.rival.Refresh(r.ctx))
			r.put(r.rival, nil, "2=rival", "9=rival")
			r.must(r.ours.Refresh(r.ctx))
			r.put(r.ours, nil, "2=ours", "9=ours")
		},
		want: "1=a 2=ours 3=a 4=a 9=ours",
	},
	{
		name: "rows were appended without a look at their keys", check: "read files the index does not cover",
		run: func(r *race) {
			r.put(r.ours, nil, "2=b")
			w, err := r.ours.NewWriter(r.wo)
			r.must(err)
			r.must(w.Upsert(r.ctx, schema.Row{int64(5), "x"}))
			r.must(w.Append(r.ctx, schema.Row{int64(2), "again"}))
			_, err = w.Commit(r.ctx, nil)
			r.must(err)
			r.put(r.ours, nil, "2=ours", "5")
		},
		want: "1=a 2=ours 3=a 4=a",
	},
	{
		name: "another engine drops a deletion vector", check: "rows undeleted by others",
		run: func(r *race) {
			r.put(r.ours, nil, "2=b", "3")
			r.dropDeletes()
			r.put(r.ours, nil, "2=ours", "3=ours")
		},
		want: "1=a 2=ours 3=ours 4=a",
	},
	{
		name: "the table was rolled back", check: "index follows the table's history",
		run: func(r *race) {
			first := r.ours.Metadata().Current().ID
			r.put(r.ours, nil, "2=b", "3")
			r.update(metadata.SetRef{Name: "main", Ref: metadata.Ref{SnapshotID: first, Type: "branch"}})
			r.put(r.ours, nil, "2=ours", "3=ours")
		},
		want: "1=a 2=ours 3=ours 4=a",
	},
}

// dropDeletes takes all deletes of the table back, as another engine might.
func (r *race) dropDeletes() {
	r.t.Helper()
	r.must(r.ours.Refresh(r.ctx))
	src := r.ours.Source()
	var ch snapshot.Changes
	for e, err := range snapshot.LiveFiles(r.ctx, src.Store, src.Metadata, src.Metadata.Current(), &snapshot.LiveOptions{NoData: true}) {
		r.must(err)
		ch.RemoveDeletes = append(ch.RemoveDeletes, e.File)
	}
	if len(ch.RemoveDeletes) == 0 {
		r.t.Fatal("the table has no deletes")
	}
	p := snapshot.NewProducer(snapshot.Options{Store: src.Store, Clock: time.Now, NewID: rand.Int64, CommitUUID: fmt.Sprint(rand.Int64())}, ch, snapshot.Conditions{})
	p.SetSummary(map[string]string{"engine-name": "other"})
	a, err := p.Apply(r.ctx, src.Metadata, "main")
	r.must(err)
	r.update(a.Updates...)
}

// TestIndexRaces: as TestRaces, for what an index knows.
func TestIndexRaces(t *testing.T) {
	for _, c := range indexRaces {
		for _, disk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/disk=%v", c.name, disk), func(t *testing.T) {
				for _, off := range []string{"", c.check} {
					r := newRace(t, 3, off)
					x := r.withIndex(disk)
					c.run(r)
					if got := r.rows(); (got == c.want) != (off == "") {
						t.Errorf("with check off %q: got %s, want %s", off, got, c.want)
					}
					if s := x.Stats(); s.Files == 0 || s.OnDisk != disk {
						t.Errorf("index %+v", s)
					}
				}
			})
		}
	}
}

// TestRacesWithIndex runs the races of writers with an index on our side.
func TestRacesWithIndex(t *testing.T) {
	for _, c := range races {
		for _, disk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/disk=%v", c.name, disk), func(t *testing.T) {
				for _, off := range []string{"", c.check} {
					r := newRace(t, 3, off)
					x := r.withIndex(disk)
					r.put(r.ours, nil, "4=a") // the index learns what is there
					r.must(r.rival.Refresh(r.ctx))
					if x.Stats().Files == 0 {
						t.Fatal("index covers nothing")
					}
					c.run(r)
					if got := r.rows(); (got == c.want) != (off == "") {
						t.Errorf("with check off %q: got %s, want %s", off, got, c.want)
					}
				}
			})
		}
	}
}

// refuser is a catalog whose commits fail, or are made and reported as of
// unknown outcome.
type refuser struct {
	catalog.Catalog
	err  error
	made bool
}

func (c *refuser) CommitTable(ctx context.Context, cm catalog.Commit) (*catalog.Entry, error) {
	if c.err == nil {
		return c.Catalog.CommitTable(ctx, cm)
	}
	if c.made {
		if _, err := c.Catalog.CommitTable(ctx, cm); err != nil {
			return nil, err
		}
	}
	return nil, c.err
}

// LoadTable fails while the outcome of a commit is unknown.
func (c *refuser) LoadTable(ctx context.Context, id catalog.Identifier) (*catalog.Entry, error) {
	if c.err != nil {
		return nil, errors.New("unreachable")
	}
	return c.Catalog.LoadTable(ctx, id)
}

// TestIndexOutcomes: the index moves on with commits that were made only, and an
// unknown outcome is right either way.
func TestIndexOutcomes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		made bool
		want string
	}{
		{"failed", errors.New("no"), false, "1=a 2=c 3=a 4=a"},
		{"unknown, not made", catalog.ErrUnknownOutcome, false, "1=a 2=c 3=a 4=a"},
		{"unknown, made", catalog.ErrUnknownOutcome, true, "1=a 2=c 4=a 5=b"},
	} {
		for _, disk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/disk=%v", c.name, disk), func(t *testing.T) {
				r := newRace(t, 2, "")
				r.withIndex(disk)
				cat := &refuser{Catalog: r.cat, made: c.made}
				opts := &table.Options{Wait: func(context.Context, time.Duration) error { return nil }}
				var err error
				r.ours, err = table.Open(r.ctx, cat, "r.t", opts)
				r.must(err)
				r.put(r.ours, nil, "2=a")
				s := r.stage(r.ours, "2=b", "3", "5=b")
				cat.err = c.err
				if _, err := r.ours.CommitStaged(r.ctx, []*table.Staged{s}, r.wo, nil); !errors.Is(err, c.err) {
					t.Fatalf("%v", err)
				}
				cat.err = nil
				r.must(r.ours.Refresh(r.ctx))
				r.put(r.ours, nil, "2=c")
				if got := r.rows(); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	}
}
