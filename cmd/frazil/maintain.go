package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/compaction"
)

var expireCommand = command{
	name: "expire", args: "TABLE", short: "removes old snapshots and the files only they need", minArgs: 1, maxArgs: 1,
	examples: []string{
		"frazil expire shop.orders                      # by the table's own retention",
		"frazil expire shop.orders --older-than 2d --keep 10",
		"frazil expire shop.orders --dry-run",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		o := &compaction.ExpireOptions{}
		age := fs.String("older-than", "", "age past which snapshots go: 36h, 5d (default the table's, else 5d)")
		fs.IntVar(&o.Policy.KeepLast, "keep", 0, "snapshots of every branch that stay whatever their age (default the table's, else 1)")
		fs.BoolVar(&o.Policy.OnlyCount, "count-only", false, "go by --keep alone, whatever the age")
		fs.Int64SliceVar(&o.Policy.IDs, "snapshot", nil, "id of a snapshot that goes in any case (repeatable)")
		fs.BoolVar(&o.KeepFiles, "keep-files", false, "delete no files")
		fs.BoolVar(&o.DryRun, "dry-run", false, "show what would go and change nothing")
		return func(ctx context.Context, args []string) error {
			if *age != "" {
				d, err := parseAge(*age)
				if err != nil {
					return usagef("--older-than: %w", err)
				}
				o.Policy.OlderThan = time.Now().Add(-d)
			}
			return e.expire(ctx, args[0], o)
		}
	},
}

func (e *env) expire(ctx context.Context, name string, o *compaction.ExpireOptions) error {
	t, done, err := e.openTable(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	before := len(t.Metadata().Snapshots)
	r, err := compaction.Expire(ctx, t, o)
	if err != nil {
		return err
	}
	u := r.Files
	files := len(u.DataFiles) + len(u.DeleteFiles) + len(u.Manifests) + len(u.ManifestLists) + len(u.Statistics)
	after := before - len(r.Snapshots)
	if e.json {
		return e.writeJSON(map[string]any{
			"table": t.Name(), "dry_run": o.DryRun, "snapshots_before": before, "snapshots_after": after, "snapshots": r.Snapshots, "refs": r.Refs,
			"files": files, "deleted": r.Deleted, "missing": r.Missing, "failed": r.Failed,
		})
	}
	if len(r.Snapshots)+len(r.Refs)+r.Deleted == 0 {
		e.note("%s: nothing to expire: %s", t.Name(), plural(int64(before), "snapshot"))
		return nil
	}
	if r.Failed > 0 {
		fmt.Fprintf(e.stderr, "warning: table %s: %s could not be deleted; expire again\n", t.Name(), plural(int64(r.Failed), "file"))
	}
	deleted := strconv.Itoa(r.Deleted)
	if o.DryRun {
		deleted = fmt.Sprintf("%d would be", files)
	}
	return e.writeCells([]string{"", "before", "after"}, [][]string{
		{"snapshots", strconv.Itoa(before), strconv.Itoa(after)},
		{"files deleted", "", deleted},
		{"  data", "", strconv.Itoa(len(u.DataFiles))},
		{"  deletes", "", strconv.Itoa(len(u.DeleteFiles))},
		{"  metadata", "", strconv.Itoa(len(u.Manifests) + len(u.ManifestLists) + len(u.Statistics))},
	})
}

var orphansCommand = command{
	name: "orphans", args: "TABLE", short: "finds files that nothing refers to and, with --delete, deletes them", minArgs: 1, maxArgs: 1,
	examples: []string{
		"frazil orphans shop.orders              # lists them",
		"frazil orphans shop.orders --delete --older-than 7d",
	},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		o := &compaction.OrphanOptions{}
		age := fs.String("older-than", "3d", "age a file must have; less than 1d needs --force")
		fs.BoolVar(&o.Delete, "delete", false, "delete them")
		fs.BoolVar(&o.Force, "force", false, "allow an age below 1d: only when nothing writes to the table")
		prefixes := fs.String("prefix-mismatch", "error", "files that the table may mean under another scheme or host: error, keep or delete")
		return func(ctx context.Context, args []string) error {
			var err error
			if o.OlderThan, err = parseAge(*age); err != nil {
				return usagef("--older-than: %w", err)
			}
			modes := map[string]compaction.PrefixMismatch{
				"error": compaction.MismatchError, "keep": compaction.MismatchKeep, "delete": compaction.MismatchDelete,
			}
			mode, ok := modes[*prefixes]
			if !ok {
				return usagef("--prefix-mismatch %s: give error, keep or delete", *prefixes)
			}
			o.Prefixes = mode
			return e.orphans(ctx, args[0], o)
		}
	},
}

func (e *env) orphans(ctx context.Context, name string, o *compaction.OrphanOptions) error {
	t, done, err := e.openTable(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	r, err := compaction.RemoveOrphans(ctx, t, o)
	if err != nil {
		return err
	}
	if e.json {
		uris := make([]string, len(r.Orphans))
		for i, f := range r.Orphans {
			uris[i] = f.URI
		}
		return e.writeJSON(map[string]any{
			"table": t.Name(), "dry_run": !o.Delete, "orphans": uris, "bytes": r.Bytes, "young": r.Young, "foreign": r.Foreign,
			"deleted": r.Deleted, "failed": r.Failed, "needed_after_all": r.Rescued,
		})
	}
	if !o.Delete {
		for _, f := range r.Orphans {
			fmt.Fprintln(e.stdout, f.URI)
		}
	}
	for _, dir := range r.ForeignTables {
		e.note("%s: another table within the location was left alone: %s", t.Name(), dir)
	}
	did := ""
	if o.Delete {
		did = fmt.Sprintf(", %d deleted", r.Deleted)
	}
	e.note("%s: %s, %s%s; %d younger and not referred to", t.Name(), plural(int64(len(r.Orphans)), "orphan"), formatBytes(r.Bytes), did, r.Young)
	if r.Failed > 0 {
		return fmt.Errorf("table %s: %s could not be deleted", t.Name(), plural(int64(r.Failed), "file"))
	}
	return nil
}

var rewriteManifestsCommand = command{
	name: "rewrite-manifests", args: "TABLE", short: "puts manifests in order of partition and to their target size", minArgs: 1, maxArgs: 1,
	examples: []string{"frazil rewrite-manifests shop.orders", "frazil rewrite-manifests shop.orders --dry-run"},
	setup: func(e *env, fs *pflag.FlagSet) func(context.Context, []string) error {
		o := &compaction.ManifestOptions{}
		fs.Int64Var(&o.TargetBytes, "target-bytes", 0, "size of a manifest (default the table's, else 8 MiB)")
		fs.BoolVar(&o.Always, "always", false, "also when they are in good order")
		fs.BoolVar(&o.DryRun, "dry-run", false, "show what would be done and do nothing")
		return func(ctx context.Context, args []string) error {
			t, done, err := e.openTable(ctx, args[0])
			if err != nil {
				return err
			}
			defer done()
			r, err := compaction.RewriteManifests(ctx, t, o)
			if err != nil {
				return err
			}
			if e.json {
				return e.writeJSON(map[string]any{
					"table": t.Name(), "dry_run": o.DryRun, "manifests_before": r.Before, "manifests_after": r.After, "entries": r.Entries, "snapshot_id": r.SnapshotID,
				})
			}
			if r.SnapshotID == 0 && !o.DryRun {
				e.note("%s: nothing to do: %s", t.Name(), plural(int64(r.Before), "manifest"))
				return nil
			}
			return e.writeCells([]string{"", "before", "after"}, [][]string{
				{"manifests", strconv.Itoa(r.Before), strconv.Itoa(r.After)},
				{"entries", strconv.Itoa(r.Entries), strconv.Itoa(r.Entries)},
			})
		}
	},
}
