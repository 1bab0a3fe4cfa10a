package objstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// Options configures Open; nil means the defaults.
type Options struct {
	// Local configures the local driver.
	Local *LocalOptions
}

// LocalOptions configures the local driver; nil means the defaults.
type LocalOptions struct {
	// NoSync leaves out every fsync: a power loss may then lose or tear anything
	// written. For benchmarks only.
	NoSync bool
	// ReadOnly refuses every write, and does not create the directory.
	ReadOnly bool
	// FileMode is the mode of published files, whatever the umask; 0 is 0644.
	// Until they are published they are readable by their owner only.
	FileMode fs.FileMode
}

// Open opens the store a location names: a plain path, also a relative one, or
// a file: URI is a local directory, mem://name a new, empty memory store. Object
// stores are opened by the package objstore/cloud.
func Open(ctx context.Context, uri string, opts *Options) (Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open %s: %w", quoteURI(uri), err)
	}
	if opts == nil {
		opts = &Options{}
	}
	colon := strings.IndexByte(uri, ':')
	if colon <= 0 || !isScheme(uri[:colon]) {
		return NewLocal(uri, opts.Local)
	}
	canonical, err := Canonical(uri)
	if err != nil {
		return nil, err
	}
	switch scheme, _, _ := strings.Cut(canonical, ":"); scheme {
	case "file":
		return NewLocal(filepath.FromSlash(strings.TrimPrefix(canonical, "file://")), opts.Local)
	case "mem":
		return NewMemory(canonical), nil
	default:
		return nil, fmt.Errorf("open %s: scheme %q is not built in: open it with objstore/cloud, or map its prefix with MapPrefix", quoteURI(uri), scheme)
	}
}

// ReadAll returns the contents of an object; an object larger than limit bytes
// (0: no limit) is an error, found before any of it is read.
func ReadAll(ctx context.Context, s Store, uri string, limit int64) ([]byte, error) {
	o, err := s.Open(ctx, uri)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	size := o.Size()
	if limit > 0 && size > limit {
		return nil, fmt.Errorf("%s: %d bytes exceed the limit of %d", quoteURI(uri), size, limit)
	}
	data := make([]byte, size)
	n, err := o.ReadAt(ctx, data, 0)
	if int64(n) == size && (err == nil || errors.Is(err, io.EOF)) {
		return data, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return nil, fmt.Errorf("%s: read %d of %d bytes: %w", quoteURI(uri), n, size, err)
}

// CheckConditional proves as far as one process can that IfAbsent works on a
// store: it creates an object of a random name under prefix twice, and the
// second must fail. Object stores that ignore conditional headers are found so;
// those that check and then write without a lock are not.
func CheckConditional(ctx context.Context, s Store, prefix string) error {
	uri := Join(prefix, ".frazil-check-"+randomHex())
	if err := s.Put(ctx, uri, []byte("1"), &PutOptions{IfAbsent: true, Volatile: true}); err != nil {
		return fmt.Errorf("check of conditional puts: %w", err)
	}
	second := s.Put(ctx, uri, []byte("2"), &PutOptions{IfAbsent: true, Volatile: true})
	data, err := ReadAll(ctx, s, uri, 16)
	if derr := s.Delete(context.WithoutCancel(ctx), uri); err == nil {
		err = derr
	}
	switch {
	case err != nil:
		return fmt.Errorf("check of conditional puts: %w", err)
	case !errors.Is(second, ErrExists) || string(data) != "1":
		return fmt.Errorf("%s: the store ignores put-if-absent (second put: %v), so it cannot hold a catalog", s.Root(), second)
	}
	return nil
}

// SweepTemporaries removes what interrupted writes left under prefix, if it is
// older than minAge, and returns how many there were. A write that takes longer
// than minAge loses its temporary and fails; at least a day is advised. Stores
// whose interrupted writes leave nothing return 0.
func SweepTemporaries(ctx context.Context, s Store, prefix string, minAge time.Duration) (int, error) {
	switch s := s.(type) {
	case *local:
		return s.sweep(ctx, prefix, time.Now().Add(-minAge))
	case *mapped:
		inner, err := s.resolve(prefix)
		if err != nil {
			return 0, err
		}
		return SweepTemporaries(ctx, s.inner, inner, minAge)
	case *routed:
		next, err := s.pick(prefix)
		if err != nil {
			return 0, err
		}
		return SweepTemporaries(ctx, next, prefix, minAge)
	default:
		return 0, nil
	}
}

// randomHex returns 128 random bits as 32 hexadecimal digits.
func randomHex() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// wrap adds what was done to which object to an error.
func wrap(op, uri string, err error) error {
	return fmt.Errorf("%s %s: %w", op, quoteURI(uri), err)
}
