package objstore_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/frazildb/frazil/objstore"
)

// crashFS is a model of what a disk holds: it follows the changes of a local
// store and says what may be left after a power loss. What was synced is left.
// Of the rest any part may be: of a file's sectors a beginning, of the names in a
// directory any of the changes since its last sync, whatever their order.
type crashFS struct {
	mu   sync.Mutex
	dirs map[string]*crashDir
}

type crashDir struct {
	names   map[string]*crashFile // synced; a file or a directory
	pending []nameChange
}

// nameChange gives a name a file or, with nil, takes it away.
type nameChange struct {
	gone, name string
	file       *crashFile
}

// crashFile is a file, or, with dir, a directory.
type crashFile struct {
	dir          string
	data, synced []byte
}

// sector is what a disk writes whole or not at all.
const sector = 512

func newCrashFS() *crashFS {
	return &crashFS{dirs: map[string]*crashDir{"": {names: map[string]*crashFile{}}}}
}

func split(p string) (dir, name string) {
	dir, name = path.Split(p)
	return strings.TrimSuffix(dir, "/"), name
}

func (c *crashFS) change(dir string, n nameChange) {
	if d := c.dirs[dir]; d != nil {
		d.pending = append(d.pending, n)
	}
}

// now returns what has a name, as a process sees it.
func (c *crashFS) now(p string) *crashFile {
	dir, name := split(p)
	d := c.dirs[dir]
	if d == nil {
		return nil
	}
	f := d.names[name]
	for _, n := range d.pending {
		if n.gone == name {
			f = nil
		}
		if n.name == name {
			f = n.file
		}
	}
	return f
}

// hook follows a store's changes. What a sync covers is what was there when it
// began.
func (c *crashFS) hook(op objstore.FileOp, run func() error) error {
	c.mu.Lock()
	var file *crashFile
	var data []byte
	names := 0
	switch op.Kind {
	case "fsync":
		file = c.now(op.Path)
		data = slices.Clone(file.data)
	case "syncdir":
		if d := c.dirs[op.Path]; d != nil {
			names = len(d.pending)
		}
	}
	c.mu.Unlock()
	err := run()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	dir, name := split(op.Path)
	switch op.Kind {
	case "create":
		c.change(dir, nameChange{name: name, file: &crashFile{}})
	case "write":
		f := c.now(op.Path)
		f.data = append(f.data, op.Data...)
	case "fsync":
		file.synced = data
	case "link":
		_, to := split(op.To)
		c.change(dir, nameChange{name: to, file: c.now(op.Path)})
	case "rename":
		_, to := split(op.To)
		c.change(dir, nameChange{gone: name, name: to, file: c.now(op.Path)})
	case "remove":
		c.change(dir, nameChange{gone: name})
	case "mkdir":
		c.dirs[op.Path] = &crashDir{names: map[string]*crashFile{}}
		c.change(dir, nameChange{name: name, file: &crashFile{dir: op.Path}})
	case "rmdir":
		delete(c.dirs, op.Path)
		c.change(dir, nameChange{gone: name})
	case "syncdir":
		if d := c.dirs[op.Path]; d != nil {
			for _, n := range d.pending[:names] {
				apply(d.names, n)
			}
			d.pending = d.pending[names:]
		}
	}
	return nil
}

func apply(names map[string]*crashFile, n nameChange) {
	if n.gone != "" {
		delete(names, n.gone)
	}
	if n.name != "" {
		names[n.name] = n.file
	}
}

// crash returns what is left after a power loss, when each change that was not
// synced is left with a probability of so many percent.
func (c *crashFS) crash(t testing.TB, root string, percent int, r *rand.Rand) objstore.Store {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := objstore.NewMemory(root)
	var walk func(dir string)
	walk = func(dir string) {
		d := c.dirs[dir]
		if d == nil {
			return // removed since, and its name is still there
		}
		names := maps.Clone(d.names)
		for _, n := range d.pending {
			if r.IntN(100) < percent {
				apply(names, n)
			}
		}
		for name, f := range names {
			if f.dir != "" {
				walk(f.dir)
				continue
			}
			data := f.data
			if len(f.synced) < len(data) {
				more := len(data) - len(f.synced)
				if more = more * percent / 100; len(data) <= sector && more > 0 {
					more = len(data) - len(f.synced) // a sector is written or not
				}
				data = data[:len(f.synced)+more]
			}
			if strings.HasPrefix(name, ".frazil-") {
				continue // a temporary, which a store never shows
			}
			if err := out.Put(context.Background(), objstore.Join(root, dir, name), data, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	walk("")
	return out
}
