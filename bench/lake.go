package bench

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/table"
)

// lake is a warehouse in a folder of its own for one case.
type lake struct {
	dir    string
	remove bool // when it is closed
	cat    *catalog.Files
	st     objstore.Store
}

func (o *Options) newLake(name string) (*lake, error) {
	parent := o.Dir
	if parent != "" {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(parent, "frazil-bench-"+name+"-")
	if err != nil {
		return nil, err
	}
	l, err := openLake(dir)
	if err != nil {
		return nil, err
	}
	l.remove = !o.Keep
	return l, nil
}

// openLake opens the warehouse in a folder.
func openLake(dir string) (*lake, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	st, err := objstore.NewLocal(dir, nil)
	if err != nil {
		return nil, err
	}
	return &lake{dir: dir, cat: catalog.NewFiles(st, nil), st: st}, nil
}

// close deletes the folder, if it was made for the case.
func (l *lake) close() {
	_ = l.st.Close()
	if l.remove {
		_ = os.RemoveAll(l.dir)
	}
}

func (l *lake) create(ctx context.Context, d *Data, opts *table.CreateOptions) (*table.Table, error) {
	return table.Create(ctx, l.cat, "bench."+d.Name, d.Schema, opts)
}

// size counts the files and bytes of the warehouse.
func (l *lake) size() (files, bytes int64, err error) { return FolderSize(l.dir) }

// tableSize counts those of one table.
func (l *lake) tableSize(t *table.Table) (files, bytes int64, err error) {
	return FolderSize(strings.TrimPrefix(t.Metadata().Location, "file://"))
}

// FolderSize counts the files below a folder and their bytes.
func FolderSize(dir string) (files, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		bytes += info.Size()
		return nil
	})
	return files, bytes, err
}

// batchRows is how many rows of a data set are made and handed over at once.
func batchRows(d *Data) int { return max(1024, min(65536, 8<<20/d.RawBytes)) }

// appendRows appends rows from to to of d; making them is outside m, which may
// be nil.
func appendRows(ctx context.Context, w *table.Writer, d *Data, from, to int64, m *Meter) error {
	step := int64(batchRows(d))
	for first := from; first < to; first += step {
		var b arrow.RecordBatch
		m.Outside(func() { b = d.Batch(first, int(min(step, to-first))) })
		err := w.AppendBatch(ctx, b)
		b.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// percentile returns the p-th percentile of durations in milliseconds.
func percentile(ds []time.Duration, p float64) float64 {
	if len(ds) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(ds))
	i := min(len(s)-1, int(float64(len(s))*p/100))
	return round(float64(s[i].Nanoseconds())/1e6, 1000)
}

// expect compares what was found with what must be there.
func expect[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: found %v, expected %v", what, got, want)
	}
	return nil
}
