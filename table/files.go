package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// dataFiles writes the data files of one commit: a rolling writer per
// partition, the number open at once bounded. Files are numbered in the order
// they are opened.
type dataFiles struct {
	entry  *catalog.Entry
	schema *schema.Schema
	// fileSchema is what files hold, when that is more than schema.
	fileSchema *schema.Schema
	spec       partition.Spec
	router     *partition.Router // nil when unpartitioned
	// tuple, when not nil, is the partition of all rows: router is not asked.
	tuple partition.Tuple
	opts  fileOptions
	name  func() string // the next file's base name

	open   map[int32]*openFile // by partition ordinal
	files  []*manifest.DataFile
	uris   []string // of every file begun, for clean-up
	routes []int32
	// encode completes the content of files and publish makes them durable, both
	// in the background: a commit needs the contents' numbers early and the
	// files themselves only before it swaps.
	encode, publish *errgroup.Group
}

type fileOptions struct {
	parquet     parquetfile.WriterOptions
	targetBytes int64
	maxOpen     int
}

type openFile struct {
	number int
	out    objstore.Writer
	w      *parquetfile.Writer
	part   int32
}

// newDataFiles takes the table's format settings from its properties.
func newDataFiles(entry *catalog.Entry, o *WriterOptions, name func() string) (*dataFiles, error) {
	m := entry.Metadata
	d := &dataFiles{
		entry: entry, schema: m.CurrentSchema(), spec: m.DefaultSpec(), name: name,
		open: map[int32]*openFile{}, encode: newGroup(), publish: newGroup(),
	}
	var err error
	if d.opts, err = fileSettings(m, o); err != nil {
		return nil, err
	}
	if !d.spec.IsUnpartitioned() {
		if d.router, err = partition.NewRouter(d.spec, d.schema); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func newGroup() *errgroup.Group {
	g := &errgroup.Group{}
	g.SetLimit(16)
	return g
}

func fileSettings(m *metadata.Table, o *WriterOptions) (fileOptions, error) {
	f := fileOptions{maxOpen: o.MaxOpenFiles, targetBytes: o.TargetFileBytes}
	if f.targetBytes == 0 {
		f.targetBytes = m.PropertyInt("write.target-file-size-bytes", 512<<20)
	}
	f.parquet = parquetfile.WriterOptions{
		RowGroupBytes: m.PropertyInt("write.parquet.row-group-size-bytes", 0),
		PageBytes:     int(m.PropertyInt("write.parquet.page-size-bytes", 0)),
		Level:         int(m.PropertyInt("write.parquet.compression-level", 0)),

		DictionaryBytes: int(m.PropertyInt("write.parquet.dict-size-bytes", 0)),
		KeyColumns:      keyColumns(m),
		Metrics:         metricsModes(m),
	}
	if o.Codec != nil {
		f.parquet.Codec = *o.Codec
		return f, nil
	}
	name := strings.ToLower(m.Property("write.parquet.compression-codec", "zstd"))
	codec, ok := codecs[name]
	if !ok {
		return f, fmt.Errorf("property write.parquet.compression-codec: no codec %q", name)
	}
	f.parquet.Codec = codec
	return f, nil
}

// keyColumns are the columns with bloom filters and small pages: the key's, and
// those the property names.
func keyColumns(m *metadata.Table) []int {
	const prefix = "write.parquet.bloom-filter-enabled.column."
	ids := slices.Clone(m.CurrentSchema().IdentifierFieldIDs)
	for name, v := range m.Properties {
		if column, ok := strings.CutPrefix(name, prefix); ok && v == "true" {
			if f, ok := m.CurrentSchema().FieldByName(column); ok && !slices.Contains(ids, f.ID) {
				ids = append(ids, f.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// codecs are the values of write.parquet.compression-codec.
var codecs = map[string]parquetfile.Codec{
	"zstd": parquetfile.Zstd, "snappy": parquetfile.Snappy, "gzip": parquetfile.Gzip, "none": parquetfile.Uncompressed,
	"uncompressed": parquetfile.Uncompressed, "lz4_raw": parquetfile.LZ4Raw, "brotli": parquetfile.Brotli,
}

// write appends the rows of b to their partitions' files. place, when not nil,
// is told for each row of b, in order of partitions, its file and position.
func (d *dataFiles) write(ctx context.Context, b arrow.RecordBatch, place func(row int32, file int, pos int64)) error {
	if d.router == nil {
		return d.writePart(ctx, 0, b, nil, place)
	}
	var err error
	if d.routes, err = d.router.Route(b, d.routes[:0]); err != nil {
		return err
	}
	byPart := map[int32][]int32{}
	var order []int32
	for row, p := range d.routes {
		rows, seen := byPart[p]
		if !seen {
			order = append(order, p)
		}
		byPart[p] = append(rows, int32(row))
	}
	if len(order) == 1 {
		return d.writePart(ctx, order[0], b, nil, place)
	}
	for _, p := range order {
		part, err := arrowsel.TakeBatch(b, byPart[p], nil)
		if err != nil {
			return err
		}
		err = d.writePart(ctx, p, part, byPart[p], place)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// writePart appends b to one partition; rows maps its rows to the caller's,
// nil when they are the same.
func (d *dataFiles) writePart(ctx context.Context, part int32, b arrow.RecordBatch, rows []int32, place func(row int32, file int, pos int64)) error {
	return d.append(ctx, part, func(f *openFile) error {
		first := f.w.Rows()
		if err := f.w.Write(ctx, b); err != nil {
			return fmt.Errorf("%w: %w", ErrBadRow, err)
		}
		if place == nil {
			return nil
		}
		for i := range int(b.NumRows()) {
			row := int32(i)
			if rows != nil {
				row = rows[i]
			}
			place(row, f.number, first+int64(i))
		}
		return nil
	})
}

// append has write add to one partition's file, and completes a file that is
// large enough.
func (d *dataFiles) append(ctx context.Context, part int32, write func(f *openFile) error) error {
	f := d.open[part]
	if f == nil {
		if len(d.open) >= d.opts.maxOpen {
			d.finish(d.largest())
		}
		var err error
		if f, err = d.begin(ctx, part); err != nil {
			return err
		}
	}
	if err := write(f); err != nil {
		return err
	}
	if f.w.EstimatedSize() >= d.opts.targetBytes {
		d.finish(f)
	}
	return nil
}

func (d *dataFiles) largest() *openFile {
	var big *openFile
	for _, f := range d.open {
		if big == nil || f.w.EstimatedSize() > big.w.EstimatedSize() ||
			f.w.EstimatedSize() == big.w.EstimatedSize() && f.number < big.number {
			big = f
		}
	}
	return big
}

func (d *dataFiles) begin(ctx context.Context, part int32) (*openFile, error) {
	var tuple partition.Tuple
	dir := ""
	if d.router != nil {
		if tuple = d.tuple; tuple == nil {
			tuple = d.router.Tuple(part)
		}
		dir = d.spec.Path(d.schema, tuple)
	}
	uri := newFile(d.entry.Metadata, dir, d.name()+".parquet")
	out, err := d.entry.Store.Create(ctx, uri, &objstore.PutOptions{IfAbsent: true})
	if err != nil {
		return nil, fmt.Errorf("data file %s: %w", uri, err)
	}
	opts := d.opts.parquet
	fileSchema := d.schema
	if d.fileSchema != nil {
		fileSchema = d.fileSchema
	}
	w, err := parquetfile.NewWriter(out, fileSchema, &opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data file %s: %w", uri, err), out.Abort())
	}
	f := &openFile{number: len(d.files), out: out, w: w, part: part}
	d.open[part] = f
	d.uris = append(d.uris, uri)
	d.files = append(d.files, &manifest.DataFile{
		Content: manifest.ContentData, Path: uri, Format: manifest.FormatParquet, SpecID: d.spec.ID, Partition: tuple,
	})
	return f, nil
}

// finish completes a file in the background; close and settle wait for it.
func (d *dataFiles) finish(f *openFile) {
	delete(d.open, f.part)
	df := d.files[f.number]
	d.encode.Go(func() error {
		res, err := f.w.Close()
		if err != nil {
			return errors.Join(fmt.Errorf("data file %s: %w", df.Path, err), f.out.Abort())
		}
		df.RecordCount, df.FileSize, df.SplitOffsets, df.Metrics = res.RecordCount, res.FileSize, res.SplitOffsets, res.Metrics
		d.publish.Go(func() error {
			if err := f.out.Close(); err != nil {
				return errors.Join(fmt.Errorf("data file %s: %w", df.Path, err), f.out.Abort())
			}
			return nil
		})
		return nil
	})
}

// settle completes the files begun so far, so that they can be read; later rows
// go to new files.
func (d *dataFiles) settle() error {
	if _, err := d.close(); err != nil {
		return err
	}
	err := d.published()
	d.encode, d.publish = newGroup(), newGroup()
	return err
}

// close completes the contents of all files and returns them by number. They
// are durable once published returns nil.
func (d *dataFiles) close() ([]*manifest.DataFile, error) {
	for _, f := range d.open {
		d.finish(f)
	}
	if err := d.encode.Wait(); err != nil {
		return nil, err
	}
	return d.files, nil
}

// published waits until the files are durable.
func (d *dataFiles) published() error { return d.publish.Wait() }

// abort discards everything written.
func (d *dataFiles) abort(ctx context.Context) {
	for _, f := range d.open {
		f.w.Abort()
		_ = f.out.Abort() // nothing visible was made; there is nothing to report
	}
	clear(d.open)
	_ = d.encode.Wait() // their errors led here, or do not matter any more
	_ = d.published()
	deleteQuietly(ctx, d.entry.Store, d.uris)
}

// deleteQuietly removes files that nothing refers to. A failure leaves an
// orphan, which orphan removal finds.
func deleteQuietly(ctx context.Context, store objstore.Store, uris []string) {
	for _, u := range uris {
		_ = store.Delete(context.WithoutCancel(ctx), u)
	}
}

// metricsModes reads write.metadata.metrics.* (facts: at most 100 columns get
// the default unless named; sort columns keep at least truncate(16)).
func metricsModes(m *metadata.Table) func(fieldID int) parquetfile.MetricsMode {
	s := m.CurrentSchema()
	def := parseMetricsMode(m.Property("write.metadata.metrics.default", "truncate(16)"))
	limit := int(m.PropertyInt("write.metadata.metrics.max-inferred-column-defaults", 100))
	modes := map[int]parquetfile.MetricsMode{}
	n := 0
	var walk func(prefix string, fields []schema.Field)
	walk = func(prefix string, fields []schema.Field) {
		for _, f := range fields {
			name := prefix + f.Name
			if f.Type.IsNested() {
				walk(name+".", f.Type.Fields)
				continue
			}
			mode := def
			if n++; n > limit {
				mode = parquetfile.MetricsMode{}
			}
			if v := m.Property("write.metadata.metrics.column."+name, ""); v != "" {
				mode = parseMetricsMode(v)
			}
			modes[f.ID] = mode
		}
	}
	walk("", s.Fields)
	for _, id := range s.IdentifierFieldIDs { // deletes are located through key bounds
		if !modes[id].Bounds {
			modes[id] = parquetfile.MetricsMode{Counts: true, Bounds: true, Truncate: 16}
		}
	}
	for _, f := range m.DefaultSortOrder().Fields {
		for _, id := range f.SourceIDs {
			if !modes[id].Bounds {
				modes[id] = parquetfile.MetricsMode{Counts: true, Bounds: true, Truncate: 16}
			}
		}
	}
	return func(id int) parquetfile.MetricsMode { return modes[id] }
}

func parseMetricsMode(s string) parquetfile.MetricsMode {
	switch s {
	case "none":
		return parquetfile.MetricsMode{}
	case "counts":
		return parquetfile.MetricsMode{Counts: true}
	case "full":
		return parquetfile.MetricsMode{Counts: true, Bounds: true}
	}
	n := 16
	if len(s) > 10 && s[:9] == "truncate(" {
		if v, err := strconv.Atoi(s[9 : len(s)-1]); err == nil && v > 0 {
			n = v
		}
	}
	return parquetfile.MetricsMode{Counts: true, Bounds: true, Truncate: n}
}
