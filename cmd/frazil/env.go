package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/cloud"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// env is what a command runs in: its streams and the flags every command has.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	commands       []command

	warehouse, catalogURI string
	mapped                []string
	allow, allowDelete    []string
	json, quiet, verbose  bool
	// bar is set while a progress bar is on the terminal.
	bar atomic.Bool
	// tables makes printed tables the default form of rows.
	tables bool
}

func (e *env) flagSet(c command) (*pflag.FlagSet, func(context.Context, []string) error) {
	fs := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	runIt := c.setup(e, fs)
	fs.StringVar(&e.warehouse, "warehouse", "./warehouse", "root of the tables: a path, file://, mem://, s3://, gs://, azblob:// (FRAZIL_WAREHOUSE)")
	fs.StringVar(&e.catalogURI, "catalog", "", "catalog to use instead of the warehouse's own (FRAZIL_CATALOG)")
	fs.StringArrayVar(&e.mapped, "map", nil, "`FROM=TO`: files whose stored location begins with FROM are at TO now (repeatable)")
	fs.StringArrayVar(&e.allow, "allow", nil, "`PREFIX` beyond a table's own directory under which it may name files (repeatable)")
	fs.StringArrayVar(&e.allowDelete, "allow-delete", nil, "`PREFIX` under which maintenance may also delete files (repeatable)")
	fs.BoolVar(&e.json, "json", false, "machine-readable results")
	fs.BoolVar(&e.quiet, "quiet", false, "no progress and no notes")
	fs.BoolVar(&e.verbose, "verbose", false, "errors with their whole chain")
	return fs, runIt
}

// fromConfig fills flags that the command line does not set: from the
// environment, then from the configuration file.
func (e *env) fromConfig(fs *pflag.FlagSet) error {
	set := func(name, value, from string) error {
		f := fs.Lookup(name)
		if f == nil || f.Changed {
			return nil
		}
		if err := fs.Set(name, value); err != nil {
			return usagef("%s: %s: %w", from, name, err)
		}
		return nil
	}
	for name, key := range map[string]string{"warehouse": "FRAZIL_WAREHOUSE", "catalog": "FRAZIL_CATALOG"} {
		if v := os.Getenv(key); v != "" {
			if err := set(name, v, key); err != nil {
				return err
			}
		}
	}
	path, explicit := os.LookupEnv("FRAZIL_CONFIG")
	if !explicit {
		path = "frazil.yaml"
	}
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) && !explicit {
		return nil
	}
	if err != nil {
		return usagef("configuration: %w", err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(data, &config); err != nil {
		return usagef("configuration %s: %w", path, err)
	}
	for name, v := range config {
		values, ok := v.([]any)
		if !ok {
			values = []any{v}
		}
		f := fs.Lookup(name)
		if f == nil && !e.anyFlag(name) {
			return usagef("configuration %s: no command has a flag %q", path, name)
		}
		if f == nil || f.Changed {
			continue
		}
		for _, x := range values {
			if err := fs.Set(name, fmt.Sprint(x)); err != nil {
				return usagef("configuration %s: %s: %w", path, name, err)
			}
		}
	}
	return nil
}

// anyFlag tells whether some command has a flag of that name.
func (e *env) anyFlag(name string) bool {
	for _, c := range e.commands {
		if fs, _ := (&env{}).flagSet(c); fs.Lookup(name) != nil {
			return true
		}
	}
	return false
}

// store opens the object store at a URI.
func (e *env) store(ctx context.Context, uri string) (objstore.Store, error) {
	switch scheme, _, ok := strings.Cut(uri, "://"); {
	case ok && (scheme == "s3" || scheme == "gs" || scheme == "azblob"):
		return cloud.Open(ctx, uri, nil)
	case ok && scheme != "file" && scheme != "mem":
		return nil, usagef("no driver for %q; there are file, mem, s3, gs, azblob", scheme)
	}
	return objstore.Open(ctx, uri, nil)
}

// catalog opens the catalog that the flags name.
func (e *env) catalog(ctx context.Context) (catalog.Catalog, func(), error) {
	if e.catalogURI != "" {
		return nil, nil, usagef("catalog %s: this version has the file catalog only: leave --catalog out and give --warehouse", e.catalogURI)
	}
	store, err := e.store(ctx, e.warehouse)
	if err != nil {
		return nil, nil, fmt.Errorf("warehouse %s: %w", e.warehouse, err)
	}
	if store, err = e.reach(ctx, store, e.allow, e.allowDelete); err != nil {
		return nil, nil, err
	}
	opts := &catalog.FilesOptions{Allow: absAll(e.allow), AllowDelete: absAll(e.allowDelete)}
	for _, m := range e.mapped { // bounds are locations as tables spell them
		from, _, _ := strings.Cut(m, "=")
		opts.Allow = append(opts.Allow, from)
	}
	if store, err = e.mapStore(store); err != nil {
		return nil, nil, err
	}
	return catalog.NewFiles(store, opts), func() { _ = store.Close() }, nil
}

// reach returns the store, and with it those of prefixes that are not under its
// root. Closing it closes all.
func (e *env) reach(ctx context.Context, store objstore.Store, prefixes ...[]string) (objstore.Store, error) {
	var more []objstore.Store
	for _, p := range absAll(slices.Concat(prefixes...)) {
		if objstore.Under(store.Root(), p) {
			continue
		}
		s, err := e.store(ctx, p)
		if err != nil {
			_ = objstore.Route(store, more...).Close()
			return nil, fmt.Errorf("location %s: %w", p, err)
		}
		more = append(more, s)
	}
	if more == nil {
		return store, nil
	}
	return objstore.Route(store, more...), nil
}

// absAll makes plain paths absolute.
func absAll(locations []string) []string {
	out := slices.Clone(locations)
	for i, l := range out {
		if strings.Contains(l, "://") {
			continue
		}
		if abs, err := filepath.Abs(l); err == nil {
			out[i] = abs
		}
	}
	return out
}

// targets returns where --map sends files.
func (e *env) targets() []string {
	var to []string
	for _, m := range e.mapped {
		if _, t, ok := strings.Cut(m, "="); ok && t != "" {
			to = append(to, t)
		}
	}
	return absAll(to)
}

func (e *env) mapStore(store objstore.Store) (objstore.Store, error) {
	for _, m := range e.mapped {
		from, to, ok := strings.Cut(m, "=")
		if !ok || from == "" || to == "" {
			return nil, usagef("--map %s: give FROM=TO", m)
		}
		if !strings.Contains(to, "://") {
			abs, err := filepath.Abs(to)
			if err != nil {
				return nil, err
			}
			if strings.HasSuffix(to, "/") {
				abs += "/"
			}
			to = abs
		}
		if _, err := objstore.Canonical(to); err != nil {
			return nil, usagef("--map %s: what follows the first = is no location", m)
		}
		store = objstore.MapPrefix(store, from, to)
	}
	return store, nil
}

// openTable opens a table of the catalog for reading and writing.
func (e *env) openTable(ctx context.Context, name string) (*table.Table, func(), error) {
	_, cat, closeCat, err := e.catalogOf(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	t, err := table.Open(ctx, cat, name, nil)
	if err != nil {
		closeCat()
		return nil, nil, e.explainMissing(err)
	}
	return t, closeCat, nil
}

// catalogOf opens the catalog of a table by its name.
func (e *env) catalogOf(ctx context.Context, name string) (id catalog.Identifier, cat catalog.Catalog, closeCat func(), err error) {
	if id, err = checkName(name); err != nil {
		return id, nil, nil, err
	}
	cat, closeCat, err = e.catalog(ctx)
	return id, cat, closeCat, err
}

// checkName reads the name of a table, and refuses what cannot be one.
func checkName(name string) (catalog.Identifier, error) {
	if isLocation(name) {
		return catalog.Identifier{}, usagef("%s is a location; this command needs a table of the warehouse, namespace.table", name)
	}
	id, err := catalog.ParseIdentifier(name)
	if err == nil && len(id.Namespace) == 0 {
		err = fmt.Errorf("%s: tables are named namespace.table", name)
	}
	if err != nil {
		err = usageError{err}
	}
	return id, err
}

func (e *env) explainMissing(err error) error {
	if !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w (warehouse %s; frazil tables lists what is there)", err, e.warehouse)
}

func isLocation(name string) bool {
	return strings.Contains(name, "/") || strings.HasSuffix(name, ".metadata.json")
}

// source opens a table for reading: by name, or by directory or metadata file.
func (e *env) source(ctx context.Context, name string) (*catalog.Entry, scan.Source, func(), error) {
	if !isLocation(name) {
		t, closeCat, err := e.openTable(ctx, name)
		if err != nil {
			return nil, scan.Source{}, nil, err
		}
		return t.Entry(), t.Source(), closeCat, nil
	}
	location := name
	if !strings.Contains(name, "://") {
		abs, err := filepath.Abs(name)
		if err != nil {
			return nil, scan.Source{}, nil, err
		}
		location = abs
	}
	store, err := e.store(ctx, storeRoot(location))
	if err != nil {
		return nil, scan.Source{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	if store, err = e.reach(ctx, store, e.targets(), e.allow, e.allowDelete); err != nil {
		return nil, scan.Source{}, nil, err
	}
	entry, err := catalog.OpenDir(ctx, store, location, &catalog.FilesOptions{
		Allow:       slices.Concat(e.targets(), absAll(e.allow)),
		AllowDelete: absAll(e.allowDelete),
	})
	if err == nil {
		// Over the rest: where the user says a file is, there it is.
		entry.Store, err = e.mapStore(entry.Store)
	}
	if err != nil {
		_ = store.Close()
		return nil, scan.Source{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	return entry, scan.Source{Store: entry.Store, Metadata: entry.Metadata, Name: name}, func() { _ = store.Close() }, nil
}

// storeRoot is the root of the store that a location is read through. Tables
// name their files by absolute location, so it is the table's own directory.
func storeRoot(location string) string {
	root := location
	if strings.HasSuffix(root, ".json") {
		root = root[:strings.LastIndex(root, "/")]
		root = strings.TrimSuffix(root, "/metadata")
	}
	return root
}
