package deletes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/internal/datafile"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// positionFields are the columns of a position delete file (spec: "Position
// Delete Files").
func positionFields() []schema.Field {
	return []schema.Field{
		{ID: schema.IDDeleteFilePath, Name: "file_path", Type: schema.String, Required: true},
		{ID: schema.IDDeletePos, Name: "pos", Type: schema.Long, Required: true},
	}
}

// positionRows is how many rows a batch of a position delete file has.
const positionRows = 8 << 10

// WritePositions writes a position delete file at uri for one data file, in
// position order. nil opts are the defaults; its metrics are replaced: full
// bounds, by which readers recognise the one data file.
func WritePositions(ctx context.Context, store objstore.Store, uri string, t Target, opts *parquetfile.WriterOptions) (*manifest.DataFile, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	o := writerOptions(opts, map[string]string{"delete-type": "position"})
	o.Metrics = func(int) parquetfile.MetricsMode { return parquetfile.MetricsMode{Counts: true, Bounds: true} }
	s, err := schema.New(0, positionFields(), nil)
	if err != nil {
		return nil, err
	}
	f, err := writeFile(ctx, store, uri, s, o, positionBatches(s, &t, o.Allocator))
	if err != nil {
		return nil, fmt.Errorf("write position deletes %s: %w", uri, err)
	}
	f.Content = manifest.ContentPositionDeletes
	f.SpecID, f.Partition = t.SpecID, t.Partition
	f.ReferencedDataFile = t.Path
	return f, nil
}

// positionBatches yields the rows of a position delete file.
func positionBatches(s *schema.Schema, t *Target, mem memory.Allocator) func(func(arrow.RecordBatch, error) bool) {
	return func(yield func(arrow.RecordBatch, error) bool) {
		size := min(int(t.Positions.Len()), positionRows)
		paths := repeated(t.Path, size, mem)
		defer paths.Release()
		as := schema.ArrowSchema(s)
		pos := make([]int64, 0, size)
		flush := func() bool {
			b := positionBatch(as, paths, pos, mem)
			defer b.Release()
			pos = pos[:0]
			return yield(b, nil)
		}
		for p := range t.Positions.All() {
			if pos = append(pos, int64(p)); len(pos) == positionRows && !flush() {
				return
			}
		}
		if len(pos) > 0 {
			flush()
		}
	}
}

// repeated is a column of n times the same text.
func repeated(text string, n int, mem memory.Allocator) arrow.Array {
	b := array.NewStringBuilder(mem)
	defer b.Release()
	b.Reserve(n)
	b.ReserveData(len(text) * n)
	for range n {
		b.Append(text)
	}
	return b.NewArray()
}

// positionBatch makes rows of positions; paths has at least as many.
func positionBatch(s *arrow.Schema, paths arrow.Array, pos []int64, mem memory.Allocator) arrow.RecordBatch {
	b := array.NewInt64Builder(mem)
	defer b.Release()
	b.AppendValues(pos, nil)
	ints := b.NewArray()
	defer ints.Release()
	some := array.NewSlice(paths, 0, int64(len(pos)))
	defer some.Release()
	return array.NewRecordBatch(s, []arrow.Array{some, ints}, int64(len(pos)))
}

// writerOptions copies opts and adds to its footer; delete files get no bloom
// filters.
func writerOptions(opts *parquetfile.WriterOptions, keyValues map[string]string) *parquetfile.WriterOptions {
	var o parquetfile.WriterOptions
	if opts != nil {
		o = *opts
	}
	o.KeyColumns = nil
	kv := maps.Clone(o.KeyValues)
	if kv == nil {
		kv = make(map[string]string)
	}
	maps.Copy(kv, keyValues)
	o.KeyValues = kv
	if o.Allocator == nil {
		o.Allocator = memory.DefaultAllocator
	}
	return &o
}

// writeFile writes batches to a Parquet file and describes it.
func writeFile(ctx context.Context, store objstore.Store, uri string, s *schema.Schema, opts *parquetfile.WriterOptions, batches func(func(arrow.RecordBatch, error) bool)) (*manifest.DataFile, error) {
	out, err := store.Create(ctx, uri, nil)
	if err != nil {
		return nil, err
	}
	w, err := parquetfile.NewWriter(out, s, opts)
	if err != nil {
		return nil, errors.Join(err, out.Abort())
	}
	for b, err := range batches {
		if err == nil {
			err = w.Write(ctx, b)
		}
		if err != nil {
			w.Abort()
			return nil, errors.Join(err, out.Abort())
		}
	}
	res, err := w.Close()
	if err != nil {
		return nil, errors.Join(err, out.Abort())
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return &manifest.DataFile{
		Path:         uri,
		Format:       manifest.FormatParquet,
		RecordCount:  res.RecordCount,
		FileSize:     res.FileSize,
		SplitOffsets: res.SplitOffsets,
		Metrics:      res.Metrics,
	}, nil
}

// ReadPositions reads a position delete file; want chooses the data files whose
// positions are kept, nil all. Rows without a path are ignored; negative
// positions and rows without one are errors.
func ReadPositions(ctx context.Context, store objstore.Store, f *manifest.DataFile, want func(path string) bool) (map[string]*Positions, error) {
	if err := checkFormat(f, manifest.ContentPositionDeletes); err != nil {
		return nil, err
	}
	fields := positionFields()
	fields[0].Required, fields[1].Required = false, false
	r := positionReader{want: want, sets: make(map[string]*Positions)}
	if path, ok := onlyPath(f); ok {
		if r.use(path); r.set == nil {
			return r.sets, nil
		}
		fields, r.scoped = fields[1:], true
	}
	for b, err := range readFile(ctx, store, f, fields) {
		if err == nil {
			err = r.add(b)
		}
		if err != nil {
			return nil, fmt.Errorf("position deletes %s: %w", f.Path, err)
		}
	}
	return r.sets, nil
}

// ReadPositionRows yields the rows of a position delete file as they are: path,
// position and the deleted row as a struct of the given fields, null where the
// file does not keep it (spec: "Position Delete Files"). Batches are valid until
// the next step.
func ReadPositionRows(ctx context.Context, store objstore.Store, f *manifest.DataFile, row []schema.Field) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if err := checkFormat(f, manifest.ContentPositionDeletes); err != nil {
			yield(nil, err)
			return
		}
		fields := append(positionFields(), schema.Field{ID: schema.IDDeleteRow, Name: "row", Type: schema.Struct(row...)})
		fields[0].Required, fields[1].Required = false, false
		for b, err := range readFile(ctx, store, f, fields) {
			if err != nil {
				err = fmt.Errorf("position deletes %s: %w", f.Path, err)
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// onlyPath returns the data file that every row of f names, when its manifest
// entry says so beyond doubt: the paths, as long as the texts of all rows, need
// not be read then.
func onlyPath(f *manifest.DataFile) (string, bool) {
	path := f.ReferencedDataFile
	lo, okLo := f.Lower.Get(schema.IDDeleteFilePath)
	hi, okHi := f.Upper.Get(schema.IDDeleteFilePath)
	nulls, okNulls := f.NullCounts.Get(schema.IDDeleteFilePath)
	return path, path != "" && okLo && okHi && okNulls && nulls == 0 && string(lo) == path && string(hi) == path
}

type positionReader struct {
	want func(path string) bool
	sets map[string]*Positions
	// scoped tells that batches have positions only, all of one path.
	scoped bool
	// last is the path of the set in use; set is nil when it is not wanted.
	last  string
	set   *Positions
	known bool
}

// add takes in a batch, one run of rows with the same path at a time.
func (r *positionReader) add(b arrow.RecordBatch) error {
	if r.scoped {
		return r.addScoped(b.Column(0))
	}
	paths, ok := b.Column(0).(*array.String)
	if !ok {
		return fmt.Errorf("file_path is a %s: %w", b.Column(0).DataType(), ErrCorrupt)
	}
	pos, ok := b.Column(1).(*array.Int64)
	if !ok {
		return fmt.Errorf("pos is a %s: %w", b.Column(1).DataType(), ErrCorrupt)
	}
	vals := pos.Int64Values()
	for i, n := 0, paths.Len(); i < n; {
		if paths.IsNull(i) {
			i++
			continue
		}
		r.use(paths.Value(i))
		j := i
		for ; j < n && !paths.IsNull(j) && paths.Value(j) == r.last; j++ {
			if pos.IsNull(j) || vals[j] < 0 {
				return fmt.Errorf("a row of %s has no valid position: %w", r.last, ErrCorrupt)
			}
		}
		if r.set != nil {
			r.set.AddMany(vals[i:j])
		}
		i = j
	}
	return nil
}

// addScoped takes in positions of the current set.
func (r *positionReader) addScoped(col arrow.Array) error {
	pos, ok := col.(*array.Int64)
	if !ok {
		return fmt.Errorf("pos is a %s: %w", col.DataType(), ErrCorrupt)
	}
	vals := pos.Int64Values()
	for i, v := range vals {
		if v < 0 || pos.IsNull(i) {
			return fmt.Errorf("a row of %s has no valid position: %w", r.last, ErrCorrupt)
		}
	}
	r.set.AddMany(vals)
	return nil
}

// use makes path's set the current one.
func (r *positionReader) use(path string) {
	if r.known && path == r.last {
		return
	}
	r.known, r.set = true, nil
	if set, ok := r.sets[path]; ok {
		r.set, r.last = set, path
		return
	}
	// The array's memory goes with its batch.
	r.last = strings.Clone(path)
	if r.want == nil || r.want(r.last) {
		r.set = &Positions{}
		r.sets[r.last] = r.set
	}
}

// readFile yields the batches of a delete file.
func readFile(ctx context.Context, store objstore.Store, f *manifest.DataFile, fields []schema.Field) func(func(arrow.RecordBatch, error) bool) {
	return func(yield func(arrow.RecordBatch, error) bool) {
		o, err := store.Open(ctx, f.Path)
		if err != nil {
			yield(nil, err)
			return
		}
		short := o.Size() < f.FileSize
		pf, err := datafile.Open(ctx, o, f)
		if err != nil {
			if short && ctx.Err() == nil {
				err = fmt.Errorf("%d bytes where the manifest says %d: %w: %w", o.Size(), f.FileSize, io.ErrUnexpectedEOF, err)
			}
			yield(nil, err)
			return
		}
		defer pf.Close()
		if pf.NumRows() < f.RecordCount {
			// Sizes in manifests are wrong now and then; deletes must not go missing.
			yield(nil, fmt.Errorf("%d rows where the manifest says %d: %w", pf.NumRows(), f.RecordCount, io.ErrUnexpectedEOF))
			return
		}
		c, err := pf.Read(ctx, &parquetfile.ReadOptions{Fields: fields})
		if err != nil {
			yield(nil, err)
			return
		}
		defer c.Close()
		for {
			b, err := c.Next(ctx, nil)
			if errors.Is(err, io.EOF) && b == nil {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			more := yield(b, nil)
			b.Release()
			if !more {
				return
			}
		}
	}
}
