package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/internal/puffin"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// addressSpace is the cap of a process that reads hostile input. Only the kernel
// can hold a Go program to one: an allocation past it is fatal.
const addressSpace = 4 << 30

// mutants is what a process of TestMutants does.
type mutants struct {
	Kind     string // parquet, avro, puffin or json
	Seed     uint64
	From, To int
	Dir      string // with the files to change
	Progress string // a file that names the mutant at work
}

// outcome is what a process says when it is done.
type outcome struct {
	Runs, Readable int
	Bytes          int64
	// MaxAlloc is the most memory that one mutant took, in bytes beyond 20 times its
	// own size, and MaxAt which one.
	MaxAlloc int64
	MaxAt    int
	MaxTime  time.Duration // of the process's own time
	TimeAt   int
}

// mutate returns mutant i: a file of dir with a few changes.
func (m *mutants) mutate(files [][]byte, i int) []byte {
	r := rand.New(rand.NewPCG(m.Seed, uint64(i)))
	b := bytes.Clone(files[r.IntN(len(files))])
	for range 1 + r.IntN(2)*r.IntN(5) {
		if len(b) == 0 {
			break
		}
		at := r.IntN(len(b))
		switch r.IntN(8) {
		case 0, 1:
			b[at] ^= 1 << r.IntN(8)
		case 2:
			b[at] = []byte{0, 1, 0x7f, 0x80, 0xff, 0xfe}[r.IntN(6)]
		case 3: // a number
			for k := at; k < min(len(b), at+1+r.IntN(8)); k++ {
				b[k] = byte(r.Uint32())
			}
		case 4: // a large varint
			copy(b[at:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}[r.IntN(8):])
		case 5:
			if r.IntN(8) == 0 {
				b = b[:at]
			}
		case 6: // twice the same
			end := min(len(b), at+1+r.IntN(64))
			b = append(b[:end:end], b[at:]...)
		case 7: // a part moved; the ends of files are where sizes are
			end := min(len(b), at+1+r.IntN(32))
			copy(b[max(0, len(b)-8-r.IntN(64)):], b[at:end])
		}
	}
	return b
}

func object(b []byte) objstore.Object { return objstore.NewObject("mem://hostile/file", b) }

// readers read hostile bytes of each kind to the end.
var readers = map[string]func(b []byte) error{
	"parquet": readParquet, "avro": readAvro, "puffin": readPuffin,
	"json": func(b []byte) error { _, err := metadata.Parse(b, "mem://hostile/v1.metadata.json"); return err },
}

func readParquet(b []byte) error {
	ctx := context.Background()
	f, s, err := parquetfile.OpenByName(ctx, object(b), nil)
	if err != nil {
		return err
	}
	defer f.Close()
	c, err := f.Read(ctx, &parquetfile.ReadOptions{Fields: s.Fields, BatchRows: 4096})
	if err != nil {
		return err
	}
	defer c.Close()
	for range 16 {
		batch, err := c.Next(ctx, nil)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		batch.Release()
	}
	return nil
}

func readAvro(b []byte) error {
	_, listErr := manifest.ReadList(b)
	one := int64(1)
	_, entryErr := manifest.ReadAll(b, &manifest.File{Path: "m", SequenceNumber: 4, FirstRowID: &one},
		&manifest.ReadOptions{Stats: manifest.StatsAll, KeepDeleted: true, PartitionTypes: []schema.Type{schema.Int}})
	r, err := avrofile.NewReader(b, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	for err == nil {
		_, _, err = r.Next()
	}
	if errors.Is(err, io.EOF) && (listErr == nil || entryErr == nil) {
		return nil
	}
	return err
}

func readPuffin(b []byte) error {
	ctx := context.Background()
	foot, err := puffin.ReadFooter(ctx, object(b))
	if err != nil {
		return err
	}
	for _, blob := range foot.Blobs {
		data, err := puffin.ReadBlob(ctx, object(b), blob, 1<<20)
		if err != nil {
			return err
		}
		if blob.Type == puffin.TypeDeletionVector {
			if _, err := deletes.DecodeDV(data, -1); err != nil {
				return err
			}
		}
	}
	return nil
}

func mutantProcess(arg string) error {
	var m mutants
	if err := json.Unmarshal([]byte(arg), &m); err != nil {
		return err
	}
	if !underRace {
		if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: addressSpace, Max: addressSpace}); err != nil {
			return err
		}
	}
	files, err := seedFiles(m.Dir)
	if err != nil {
		return err
	}
	progress, err := os.OpenFile(m.Progress, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer progress.Close()
	var out outcome
	for i := m.From; i < m.To; i++ {
		if _, err := progress.WriteAt(fmt.Appendf(nil, "%012d", i), 0); err != nil {
			return err
		}
		b := m.mutate(files, i)
		c, err := measured(m.Kind, b)
		if err != nil {
			return fmt.Errorf("mutant %d: %w", i, err)
		}
		out.Runs++
		out.Bytes += int64(len(b))
		if c.readable {
			out.Readable++
		}
		if c.alloc > out.MaxAlloc {
			out.MaxAlloc, out.MaxAt = c.alloc, i
		}
		if c.time > out.MaxTime {
			out.MaxTime, out.TimeAt = c.time, i
		}
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// What a hostile file may cost.
const (
	maxAlloc = 64 << 20 // bytes beyond 20 times its own size
	maxTime  = time.Second
)

// cost is what reading a hostile file took.
type cost struct {
	readable bool
	alloc    int64 // bytes beyond 20 times its own size
	time     time.Duration
}

// measured reads a hostile file. The error is that of a reader that panicked and
// caught it; that the file is refused is none.
func measured(kind string, b []byte) (c cost, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := ownTime()
	refused := readers[kind](b)
	c.time = ownTime() - begin
	runtime.ReadMemStats(&after)
	c.readable = refused == nil
	c.alloc = int64(after.TotalAlloc-before.TotalAlloc) - 20*int64(len(b))
	if refused != nil && strings.Contains(refused.Error(), "internal error") {
		return c, refused
	}
	return c, nil
}

// ownTime is the processor time of this process.
func ownTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// seedFiles reads the files of a directory in the order of their names.
func seedFiles(dir string) (out [][]byte, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	if len(out) == 0 {
		return nil, errors.New("no files to change")
	}
	return out, nil
}
