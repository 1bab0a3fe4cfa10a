package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/table"
)

var (
	branchCommand = refCommand("branch", "makes, moves or drops a branch; without NAME lists them",
		"frazil branch shop.orders",
		"frazil branch shop.orders audit",
		"frazil branch shop.orders audit --keep 7d --keep-snapshots 5",
		"frazil branch shop.orders audit --drop")
	tagCommand = refCommand("tag", "names a snapshot; without NAME lists the names",
		"frazil tag shop.orders month-end-10",
		"frazil tag shop.orders month-end-10 --snapshot 5936512345678901234 --keep 365d",
		"frazil tag shop.orders month-end-10 --drop")
)

func refCommand(kind, short string, examples ...string) command {
	return command{
		name: kind, args: "TABLE [NAME]", short: short, examples: examples, minArgs: 1, maxArgs: 2,
		setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
			c := refChange{e: e, kind: kind, fs: fs}
			fs.Int64Var(&c.snapshot, "snapshot", 0, "snapshot it names (default the current one)")
			fs.BoolVar(&c.replace, "replace", false, "move one that exists")
			fs.BoolVar(&c.drop, "drop", false, "remove it")
			fs.StringVar(&c.keep, "keep", "", "drop it after that time: 36h, 7d (default never)")
			if kind == "branch" {
				fs.StringVar(&c.keepAge, "keep-age", "", "keep its snapshots that long")
				fs.IntVar(&c.options.MinSnapshots, "keep-snapshots", 0, "keep at least that many of its snapshots")
			}
			return c.run
		},
	}
}

type refChange struct {
	e             *env
	kind          string
	fs            *pflag.FlagSet
	snapshot      int64
	replace, drop bool
	keep, keepAge string
	options       table.RefOptions
}

func (c *refChange) run(ctx context.Context, args []string) (err error) {
	if c.options.MaxRefAge, err = parseAge(c.keep); err != nil {
		return usageError{fmt.Errorf("--keep: %w", err)}
	}
	if c.options.MaxSnapshotAge, err = parseAge(c.keepAge); err != nil {
		return usageError{fmt.Errorf("--keep-age: %w", err)}
	}
	t, done, err := c.e.openTable(ctx, args[0])
	if err != nil {
		return err
	}
	defer done()
	if len(args) == 1 {
		return c.list(t)
	}
	name := args[1]
	if c.drop {
		if err := t.DropRef(ctx, name); err != nil {
			return err
		}
		return c.e.tell(map[string]any{"table": t.Name(), "dropped": name}, "%s: %s %s dropped", t.Name(), c.kind, name)
	}
	if c.fs.Changed("snapshot") {
		c.options.SnapshotID = &c.snapshot
	}
	c.options.Replace = c.replace
	create := t.CreateBranch
	if c.kind == "tag" {
		create = t.CreateTag
	}
	if err := create(ctx, name, &c.options); err != nil {
		return err
	}
	id := t.Metadata().Refs[name].SnapshotID
	return c.e.tell(map[string]any{"table": t.Name(), c.kind: name, "snapshot_id": id}, "%s: %s %s is at %d", t.Name(), c.kind, name, id)
}

// list prints the refs of the kind; inspect TABLE refs has all their properties.
func (c *refChange) list(t *table.Table) error {
	m := t.Metadata()
	for _, name := range sortedNames(m.Refs) {
		ref := m.Refs[name]
		if ref.Type != c.kind {
			continue
		}
		if c.e.json {
			if err := c.e.writeJSON(map[string]any{"name": name, "snapshot_id": ref.SnapshotID}); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(c.e.stdout, "%s\t%d\n", name, ref.SnapshotID); err != nil {
			return err
		}
	}
	return nil
}

func sortedNames(refs map[string]metadata.Ref) []string {
	names := make([]string, 0, len(refs))
	for n := range refs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// parseAge reads a duration that may be in days; "" is none.
func parseAge(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n > 100_000 {
			err = strconv.ErrRange
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < time.Millisecond {
		return 0, fmt.Errorf("%q is no time like 90m, 36h or 7d", s)
	}
	return d, nil
}

// tell reports what a command did: as JSON on standard output, else as a note.
func (e *env) tell(v any, format string, args ...any) error {
	if e.json {
		return e.writeJSON(v)
	}
	e.note(format, args...)
	return nil
}

var rollbackCommand = command{
	name: "rollback", args: "TABLE [SNAPSHOT]", short: "makes an earlier snapshot the current one", minArgs: 1, maxArgs: 2,
	examples: []string{
		"frazil rollback shop.orders 5936512345678901234",
		"frazil rollback shop.orders --as-of 2026-11-20T12:00:00Z",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		asOf := fs.String("as-of", "", "to the state of that time")
		anywhere := fs.Bool("any", false, "also to a snapshot that is not in the history of main")
		return func(ctx context.Context, args []string) error {
			if (*asOf == "") == (len(args) == 1) {
				return usagef("rollback: give a snapshot or --as-of")
			}
			var to func(t *table.Table) error
			if *asOf != "" {
				at, err := parseTime(*asOf)
				if err != nil {
					return usageError{fmt.Errorf("--as-of: %w", err)}
				}
				to = func(t *table.Table) error { return t.RollbackTo(ctx, at) }
			} else {
				id, err := parseSnapshotID(args[1])
				if err != nil {
					return err
				}
				to = func(t *table.Table) error {
					if *anywhere {
						return t.SetCurrent(ctx, id)
					}
					return t.Rollback(ctx, id)
				}
			}
			return e.moveMain(ctx, args[0], to)
		}
	},
}

func parseSnapshotID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, usagef("%q is no snapshot id", s)
	}
	return id, nil
}

// moveMain changes main and tells where it is.
func (e *env) moveMain(ctx context.Context, name string, move func(t *table.Table) error) error {
	t, done, err := e.openTable(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	if err := move(t); err != nil {
		return err
	}
	id := t.Metadata().Current().ID
	return e.tell(map[string]any{"table": t.Name(), "snapshot_id": id}, "%s: the current snapshot is %d", t.Name(), id)
}

var fastForwardCommand = command{
	name: "fast-forward", args: "TABLE BRANCH TO", short: "moves a branch to another that is ahead of it", minArgs: 3, maxArgs: 3,
	examples: []string{"frazil fast-forward shop.orders main audit   # publish what was written to audit"},
	setup: func(e *env, _ *pflag.FlagSet) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			t, done, err := e.openTable(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			if err := t.FastForward(ctx, args[1], args[2]); err != nil {
				return err
			}
			id := t.Metadata().Refs[args[1]].SnapshotID
			return e.tell(map[string]any{"table": t.Name(), "branch": args[1], "snapshot_id": id}, "%s: branch %s is at %d", t.Name(), args[1], id)
		}
	},
}

var cherryPickCommand = command{
	name: "cherry-pick", args: "TABLE SNAPSHOT", short: "publishes what a snapshot elsewhere appended", minArgs: 2, maxArgs: 2,
	examples: []string{"frazil cherry-pick shop.orders 5936512345678901234"},
	setup: func(e *env, _ *pflag.FlagSet) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			id, err := parseSnapshotID(args[1])
			if err != nil {
				return err
			}
			return e.moveMain(ctx, args[0], func(t *table.Table) error {
				_, err := t.CherryPick(ctx, id)
				return err
			})
		}
	},
}
