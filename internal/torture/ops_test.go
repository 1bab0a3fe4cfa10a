package torture

import (
	"errors"
	"sync"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// operation is one thing a program does to a table.
type operation struct {
	name string
	// setup extends the common state.
	setup func(w *world)
	// run does it, on a table that was just opened. It returns the outcome of each
	// of its parts.
	run func(w *world) []error
	// done says for each part, on a table that was just opened, whether it is done.
	done func(w *world) []bool
	// changes are what each part does to the rows.
	changes []changes
	// steps says that it consists of several commits, or commits and deletes, so
	// that after an error anything from nothing to all may be done.
	steps bool
	// version is the format it needs; 0 is any.
	version int
}

// one is an operation of a single part.
func one(run func(w *world) error) func(*world) []error {
	return func(w *world) []error { return []error{run(w)} }
}

func isDone(f func(w *world) bool) func(*world) []bool {
	return func(w *world) []bool { return []bool{f(w)} }
}

// positioned is a commit of changes that leaves position 2.
func positioned(name string, c changes, run func(w *world) error) operation {
	return operation{name: name, run: one(run), done: isDone(func(w *world) bool { return w.reached() == "2" }), changes: []changes{c}}
}

var upserts = changes{1: "new", 2: "new", 3: "", 17: "new"}

// operations are all there are.
func operations() []operation {
	return append(append(writes(), maintenance()...), evolutions()...)
}

func writes() []operation {
	appended := changes{20: "a", 21: "b"}
	deleted := changes{1: "", 4: "", 99: ""}
	truncated := changes{50: "t"}
	for id := range baseRows() {
		truncated[id] = ""
	}
	return []operation{
		{name: "create", version: -1, run: func(w *world) []error { return []error{w.create(2)} }},
		positioned("append", appended, func(w *world) error {
			return w.with(nil, "2", func(wr *table.Writer) error {
				for _, id := range appended.keys() {
					if err := wr.Append(w.ctx, schema.Row{id, appended[id]}); err != nil {
						return err
					}
				}
				return nil
			})
		}),
		positioned("upsert", upserts, func(w *world) error { return w.write(upserts, "2", nil) }),
		positioned("upsert by equality", upserts, func(w *world) error {
			return w.write(upserts, "2", &table.WriterOptions{Encoding: table.EncodingEquality})
		}),
		positioned("upsert with key index", upserts, func(w *world) error {
			x, err := keyindex.Open(nil)
			if err != nil {
				return err
			}
			defer x.Close()
			return w.write(upserts, "2", &table.WriterOptions{KeyIndex: x})
		}),
		positioned("upsert and expire", upserts, func(w *world) error {
			return w.write(upserts, "2", &table.WriterOptions{KeepSnapshots: 2, ExpireGrace: time.Nanosecond})
		}),
		positioned("delete by key", deleted, func(w *world) error { return w.write(deleted, "2", nil) }),
		positioned("truncate", truncated, func(w *world) error {
			return w.with(nil, "2", func(wr *table.Writer) error {
				if err := wr.Truncate(w.ctx); err != nil {
					return err
				}
				return wr.Upsert(w.ctx, schema.Row{int64(50), "t"})
			})
		}),
		positioned("staged commit", upserts, func(w *world) error { return w.staged() }),
		groupCommit(),
	}
}

// with commits what fill puts into a writer.
func (w *world) with(wo *table.WriterOptions, position string, fill func(wr *table.Writer) error) error {
	wr, err := w.tab.NewWriter(wo)
	if err != nil {
		return err
	}
	defer wr.Close()
	if err := fill(wr); err != nil {
		return err
	}
	_, err = wr.Commit(w.ctx, at(position))
	return err
}

// staged commits upserts in two sets that travelled as bytes.
func (w *world) staged() error {
	var sets []*table.Staged
	for _, c := range []changes{{1: "old", 2: "new", 17: "old"}, {1: "new", 3: "", 17: "new"}} {
		wr, err := w.tab.NewWriter(nil)
		if err != nil {
			return err
		}
		defer wr.Close()
		if err := w.fill(wr, c); err != nil {
			return err
		}
		s, err := wr.Flush(w.ctx)
		if err != nil {
			return err
		}
		b, err := s.Marshal(w.ctx, w.tab)
		if err != nil {
			return err
		}
		if s, err = w.tab.UnmarshalStaged(w.ctx, b); err != nil {
			return err
		}
		sets = append(sets, s)
	}
	_, err := w.tab.CommitStaged(w.ctx, sets, nil, at("2"))
	return err
}

// groupCommit has four writers of one open table commit at a time, each with a
// stream of its own.
func groupCommit() operation {
	parts := []changes{{1: "g0"}, {2: ""}, {30: "g2"}, {31: "g3"}}
	streams := []string{"a", "b", "c", "d"}
	return operation{
		name: "group commit", changes: parts,
		run: func(w *world) []error {
			errs := make([]error, len(parts))
			var wg sync.WaitGroup
			for i, c := range parts {
				if w.position(streams[i]) != "" {
					continue
				}
				wg.Go(func() {
					wr, err := w.tab.NewWriter(nil)
					if err == nil {
						defer wr.Close()
						err = w.fill(wr, c)
					}
					if err == nil {
						_, err = wr.Commit(w.ctx, &table.CommitOptions{Positions: map[string]string{streams[i]: "2"}})
					}
					errs[i] = err
				})
			}
			wg.Wait()
			return errs
		},
		done: func(w *world) []bool {
			out := make([]bool, len(parts))
			for i := range out {
				out[i] = w.position(streams[i]) == "2"
			}
			return out
		},
	}
}

func (w *world) position(stream string) string {
	p, err := w.tab.Positions()
	w.must(err)
	return p[stream]
}

// litter is a data file that no snapshot has.
const litter = root + "/t/t/data/litter.parquet"

func (w *world) has(uri string) bool {
	_, err := w.inner.Stat(w.ctx, uri)
	return err == nil
}

func maintenance() []operation {
	compacted := func(w *world) bool {
		s, err := compaction.Load(w.ctx, w.tab, "main")
		w.must(err)
		return compaction.Choose(s, nil).Empty()
	}
	equality := func(w *world) {
		w.must(w.write(changes{1: "e", 5: ""}, "", &table.WriterOptions{Encoding: table.EncodingEquality}))
	}
	return []operation{
		{
			name: "compaction", steps: true, done: isDone(compacted), setup: equality,
			run: one(func(w *world) error { return w.compact(nil) }),
		},
		{
			name: "convert", steps: true, setup: equality,
			done: isDone(func(w *world) bool {
				s, err := compaction.Load(w.ctx, w.tab, "main")
				w.must(err)
				return s.Totals().EqualityFiles == 0
			}),
			run: one(func(w *world) error { return w.compact(&compaction.Options{ConvertOnly: true}) }),
		},
		{
			name: "manifest rewrite",
			done: isDone(func(w *world) bool {
				r, err := compaction.RewriteManifests(w.ctx, w.tab, &compaction.ManifestOptions{DryRun: true})
				w.must(err)
				return r.Before <= 2
			}),
			run: one(func(w *world) error { _, err := compaction.RewriteManifests(w.ctx, w.tab, nil); return err }),
		},
		{
			name: "expire", steps: true,
			done: isDone(func(w *world) bool { return len(w.tab.Metadata().Snapshots) == 1 }),
			run: one(func(w *world) error {
				_, err := compaction.Expire(w.ctx, w.tab, &compaction.ExpireOptions{Policy: snapshot.ExpirePolicy{OnlyCount: true, KeepLast: 1}, Workers: 1})
				return err
			}),
		},
		{
			name: "orphan removal", steps: true,
			setup: func(w *world) { w.must(w.inner.Put(w.ctx, litter, []byte("x"), nil)) },
			done:  isDone(func(w *world) bool { return !w.has(litter) }),
			run: one(func(w *world) error {
				r, err := compaction.RemoveOrphans(w.ctx, w.tab, &compaction.OrphanOptions{Delete: true, Force: true, OlderThan: 1, Workers: 1})
				if err == nil && r.Failed > 0 {
					err = errors.New("some were not deleted")
				}
				return err
			}),
		},
	}
}

// compact takes files that were left out because they could not be read for an
// error.
func (w *world) compact(o *compaction.Options) error {
	r, err := compaction.Compact(w.ctx, w.tab, o)
	if err == nil && len(r.Skipped) > 0 {
		err = r.Skipped[0].Err
	}
	return err
}

func evolutions() []operation {
	noRefs := func(w *world) bool { return w.tab.Metadata().Refs["b"].SnapshotID == 0 }
	branched := changes{1: "b", 40: "b"}
	return []operation{
		{
			name: "schema change", done: isDone(func(w *world) bool { return currentSchemaHas(w.tab.Metadata(), "extra") }),
			run: one(func(w *world) error { return w.evolve(nil) }),
		},
		{
			name: "schema change with values", done: isDone(func(w *world) bool { return currentSchemaHas(w.tab.Metadata(), "extra") }),
			run: one(func(w *world) error {
				return w.evolve(&table.EvolveOptions{Backfill: map[string]any{"extra": int64(7)}})
			}),
		},
		{
			name: "spec change", done: isDone(func(w *world) bool { return w.tab.Metadata().DefaultSpecID != 0 }),
			run: one(func(w *world) error {
				_, _, err := w.tab.CommitUpdates(w.ctx, func(*catalog.Entry) ([]metadata.Update, []metadata.Requirement, error) {
					spec := partition.Spec{Fields: []partition.Field{{
						SourceIDs: []int{1}, Name: "b", Transform: partition.Transform{Kind: partition.BucketTransform, Param: 3},
					}}}
					return []metadata.Update{metadata.AddSpec{Spec: spec}, metadata.SetDefaultSpec{SpecID: metadata.LastAdded}}, nil, nil
				})
				return err
			}),
		},
		{
			name: "upgrade", version: 2, done: isDone(func(w *world) bool { return w.tab.Metadata().FormatVersion == 3 }),
			run: one(func(w *world) error { return w.tab.UpgradeFormat(w.ctx, 3) }),
		},
		{
			name: "create branch", done: isDone(func(w *world) bool { return !noRefs(w) }),
			run: one(func(w *world) error { return w.tab.CreateBranch(w.ctx, "b", nil) }),
		},
		{
			name:  "commit to branch",
			setup: func(w *world) { w.must(w.tab.CreateBranch(w.ctx, "b", nil)) },
			done:  isDone(func(w *world) bool { return w.rows("b")[40] == "b" }),
			run:   one(func(w *world) error { return w.write(branched, "", &table.WriterOptions{Branch: "b"}) }),
		},
		{
			name: "fast-forward", changes: []changes{branched},
			setup: func(w *world) {
				w.must(w.tab.CreateBranch(w.ctx, "b", nil))
				w.must(w.write(branched, "", &table.WriterOptions{Branch: "b"}))
			},
			done: isDone(func(w *world) bool { return w.rows("")[40] == "b" }),
			run:  one(func(w *world) error { return w.tab.FastForward(w.ctx, "main", "b") }),
		},
		{
			name: "cherry-pick", changes: []changes{{40: "b"}},
			setup: func(w *world) {
				w.must(w.tab.CreateBranch(w.ctx, "b", nil))
				w.must(w.write(changes{40: "b"}, "", &table.WriterOptions{Branch: "b"}))
				w.must(w.write(changes{41: "m"}, "", nil))
			},
			done: isDone(func(w *world) bool { return w.rows("")[40] == "b" }),
			run: one(func(w *world) error {
				_, err := w.tab.CherryPick(w.ctx, w.tab.Metadata().Refs["b"].SnapshotID)
				return err
			}),
		},
		{
			name: "rollback", changes: []changes{{60: ""}},
			setup: func(w *world) {
				w.must(w.tab.CreateTag(w.ctx, "before", nil))
				w.must(w.write(changes{60: "x"}, "", nil))
			},
			done: isDone(func(w *world) bool { return w.rows("")[60] == "" }),
			run: one(func(w *world) error {
				return w.tab.Rollback(w.ctx, w.tab.Metadata().Refs["before"].SnapshotID)
			}),
		},
	}
}

func (w *world) evolve(o *table.EvolveOptions) error {
	return w.tab.Evolve(w.ctx, func(e *schema.Evolution) error {
		return e.Add("", schema.Field{Name: "extra", Type: schema.Long})
	}, o)
}

// baseRows is what the common state holds.
func baseRows() map[int64]string {
	return map[int64]string{0: "old", 1: "two", 2: "two", 4: "old", 5: "two", 3: "old"}
}

// base makes the common state: three commits, with deletes, at position 1.
func base(w *world, version int) {
	w.must(w.create(version))
	w.must(w.write(changes{0: "old", 1: "old", 2: "old", 3: "old", 4: "old"}, "0", nil))
	w.must(w.write(changes{1: "two", 2: "two", 5: "two", 6: "two"}, "", nil))
	w.must(w.write(changes{6: ""}, "1", nil))
}
