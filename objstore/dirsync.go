package objstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// dirSyncer makes directories durable. Concurrent syncs of one directory are
// joined: those that arrive while one runs share the next. It remembers which
// directories are durable in their parents, so that this is done once.
type dirSyncer struct {
	// syncFile and syncDir are fsync; tests make them fail.
	syncFile, syncDir func(*os.File) error
	// hook, when not nil, is in charge of every change of the file system: it calls
	// run, or fails. Tests see crashes and full disks through it.
	hook func(op fileOp, run func() error) error

	mu struct {
		sync.Mutex
		dirs map[string]*dirState
		// err is the first failed sync of a directory. What it lost cannot be
		// found out, so the store takes no more durable writes.
		err error
	}
}

// fileOp is a change of the file system.
type fileOp struct {
	// kind is create, write, fsync, link, rename, remove, mkdir, rmdir or syncdir.
	kind string
	// path of what is changed, below the root; to is the new name of a link or
	// rename.
	path, to string
	data     []byte // of a write
}

// do makes a change.
func (s *dirSyncer) do(op fileOp, run func() error) error {
	if s.hook == nil {
		return run()
	}
	return s.hook(op, run)
}

// maxDirs bounds the directories remembered; forgetting costs only syncs.
const maxDirs = 1 << 16

// dirState is what is known of one directory.
type dirState struct {
	sync.Mutex
	cond          sync.Cond
	durable       bool // its entry in its parent is on the medium
	running       bool
	started, done uint64 // numbers of syncs
	err           error
}

func (s *dirSyncer) init() {
	s.syncFile = (*os.File).Sync
	s.syncDir = syncDirectory
	s.mu.dirs = map[string]*dirState{}
}

// state returns the state of a directory.
func (s *dirSyncer) state(dir string) *dirState {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.mu.dirs[dir]
	if d == nil {
		if len(s.mu.dirs) >= maxDirs {
			clear(s.mu.dirs)
		}
		d = &dirState{}
		d.cond.L = &d.Mutex
		s.mu.dirs[dir] = d
	}
	return d
}

// forget drops what is known of a directory and those above it, which was or
// may have been removed.
func (s *dirSyncer) forget(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; dir != ""; dir = parent(dir) {
		delete(s.mu.dirs, dir)
	}
}

// failed returns the error that ended durable writes, if any.
func (s *dirSyncer) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.err != nil {
		return fmt.Errorf("an earlier sync of a directory failed, open the store again: %w", s.mu.err)
	}
	return nil
}

// ensure makes dir and those above it, and when durable is set their names
// survive a power loss. Directories that were there before are synced once too:
// another process may have made them and not got that far.
func (s *dirSyncer) ensure(root *os.Root, dir string, durable bool) error {
	if dir == "" {
		return nil
	}
	d := s.state(dir)
	d.Lock()
	known := d.durable
	d.Unlock()
	if known {
		return nil
	}
	up := parent(dir)
	if err := s.ensure(root, up, durable); err != nil {
		return err
	}
	err := s.do(fileOp{kind: "mkdir", path: dir}, func() error { return root.Mkdir(dir, 0o755) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !durable {
		return nil
	}
	f, err := root.Open(dirName(up))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.sync(f, up); err != nil {
		return err
	}
	d.Lock()
	d.durable = true
	d.Unlock()
	return nil
}

// dirName is a directory's name for os.Root.
func dirName(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// sync returns when a sync of the directory dir, open as f, that began after the
// call is complete.
func (s *dirSyncer) sync(f *os.File, dir string) error {
	d := s.state(dir)
	d.Lock()
	defer d.Unlock()
	for mine := d.started + 1; d.done < mine && d.err == nil; {
		if d.running {
			d.cond.Wait()
			continue
		}
		d.running = true
		d.started++
		number := d.started
		d.Unlock()
		err := s.do(fileOp{kind: "syncdir", path: dir}, func() error { return s.syncDir(f) })
		d.Lock()
		d.running = false
		if err != nil {
			d.err = err
			s.mu.Lock()
			s.mu.err = errors.Join(s.mu.err, err)
			s.mu.Unlock()
		} else {
			d.done = number
		}
		d.cond.Broadcast()
	}
	return d.err
}
