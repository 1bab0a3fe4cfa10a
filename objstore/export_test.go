package objstore

// FileOp is a change of the file system by a local store: create, write, fsync,
// link, rename, remove, mkdir, rmdir or syncdir.
type FileOp struct {
	Kind, Path, To string
	Data           []byte
}

// HookLocal puts hook in charge of every change of the file system by a local
// store: it calls run, or fails. nil ends that.
func HookLocal(s Store, hook func(op FileOp, run func() error) error) {
	l := s.(*local)
	if hook == nil {
		l.sync.hook = nil
		return
	}
	l.sync.hook = func(op fileOp, run func() error) error {
		return hook(FileOp{op.kind, op.path, op.to, op.data}, run)
	}
}
