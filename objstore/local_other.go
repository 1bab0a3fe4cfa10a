//go:build !unix

package objstore

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
)

const openNonblock = 0

func etag(fi fs.FileInfo) string {
	return fmt.Sprintf("%x-%x", fi.ModTime().UnixNano(), fi.Size())
}

// directories excludes replaces and deletes within this process only.
var directories sync.Mutex

func lockDirectory(*os.Root) (unlock func(), err error) {
	directories.Lock()
	return directories.Unlock, nil
}

// syncDirectory does nothing: directories cannot be synced here.
func syncDirectory(*os.File) error { return nil }
