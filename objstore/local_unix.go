//go:build unix

package objstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openNonblock keeps an open of a FIFO from hanging.
const openNonblock = syscall.O_NONBLOCK

// etag names a version of a file: a replace makes a new inode.
func etag(fi fs.FileInfo) string {
	var ino uint64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		ino = uint64(st.Ino)
	}
	return fmt.Sprintf("%x-%x-%x", ino, fi.ModTime().UnixNano(), fi.Size())
}

// lockDirectory excludes other replaces and deletes in a directory, in this and
// other processes, until the function it returns is called.
func lockDirectory(sub *os.Root) (unlock func(), err error) {
	f, err := sub.Open(".")
	if err != nil {
		return nil, err
	}
	// Not f.Fd, which would make the descriptor blocking by four more calls.
	conn, err := f.SyscallConn()
	if err == nil {
		cerr := conn.Control(func(fd uintptr) {
			for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
				err = syscall.Flock(int(fd), syscall.LOCK_EX)
			}
		})
		err = errors.Join(err, cerr)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("flock: %w", err)
	}
	return func() { f.Close() }, nil
}

// syncDirectory makes the entries of a directory durable. File systems that
// know no such thing say EINVAL; they give no better promise.
func syncDirectory(f *os.File) error {
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
