package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

const (
	// batchRows and batchBytes bound the rows handed to the writer at once.
	batchRows  = 8192
	batchBytes = 16 << 20
	// defaultCommitRows is --commit-rows left out.
	defaultCommitRows = 100_000
	// rowStreams begins the names of the streams that files of rows are.
	rowStreams = "rows:"
)

func baseName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return filepath.Base(path)
}

// rowIngest applies files of rows to one table.
type rowIngest struct {
	in         *ingestion
	e          *env
	name       string
	cat        catalog.Catalog
	p          *progress
	t          *table.Table
	w          *table.Writer
	closeIndex func() error      // nil without a key index
	keyed      bool              // rows replace those of their key
	had        map[string]string // positions the table had
	pending    map[string]string // positions of what is not committed yet
	streams    map[string]int    // how often a stream came in this run
	buffered   int64             // rows since the last commit
	last       time.Time         // of the last commit
	letters    func(*cdc.LineError) error

	read, rows, skipped, dead, commits int64
}

// rowFiles is the run of ingest for formats that hold rows.
func (in *ingestion) rowFiles(ctx context.Context, name string, files []string) (err error) {
	if name == "" {
		return usagef("ingest: give the table, namespace.table, before the file: only Debezium events name their own (--format debezium)")
	}
	if _, err := checkName(name); err != nil {
		return err
	}
	if in.schemaChanges != "" {
		return usagef("--schema-changes is for --format debezium")
	}
	cat, closeCat, err := in.e.catalog(ctx)
	if err != nil {
		return err
	}
	defer closeCat()
	letters := &cdc.Options{}
	closeLetters, err := in.deadLetters(letters)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLetters()) }()
	r := &rowIngest{
		in: in, e: in.e, name: name, cat: cat, p: in.e.progress("ingest", "rows"), letters: letters.DeadLetter,
		pending: map[string]string{}, streams: map[string]int{}, last: time.Now(),
	}
	defer r.p.end()
	for _, f := range files {
		if st, err := os.Stat(f); f != "-" && err == nil {
			r.p.total.Add(st.Size())
		}
	}
	if err := r.run(ctx, files); err != nil {
		return err
	}
	r.p.end()
	return r.report()
}

// checkInput says early that a file is not there.
func checkInput(path string) error {
	if path == "-" || path == "" {
		return nil
	}
	st, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, os.ErrNotExist)
	}
	if err != nil {
		return err
	}
	if st.IsDir() {
		return usagef("%s is a folder: give files", path)
	}
	return nil
}

func (r *rowIngest) run(ctx context.Context, files []string) (err error) {
	switch err := r.open(ctx); {
	case err == nil:
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	case !r.in.create:
		return fmt.Errorf("%w; --create makes the table from the data", r.e.explainMissing(err))
	}
	defer func() {
		if r.w != nil {
			err = errors.Join(err, r.w.Close()) // drops what was not committed
		}
		if r.closeIndex != nil {
			err = errors.Join(err, r.closeIndex())
		}
	}()
	for _, f := range files {
		format := r.in.format
		if !r.in.formatGiven {
			if format = formatOf(f); format == "" {
				format = r.in.format
			}
		}
		switch format {
		case "parquet", "arrow":
			err = r.columnarFile(ctx, f, format)
		default:
			err = r.textFile(ctx, f, format)
		}
		if err != nil {
			return r.explain(err)
		}
	}
	return r.commit(ctx)
}

// explain adds what is in the table after a failure.
func (r *rowIngest) explain(err error) error {
	var row *rowError
	if !errors.As(err, &row) {
		return err
	}
	what := "nothing was committed"
	if r.commits > 0 {
		what = fmt.Sprintf("%s before it are in the table", plural(r.rows-r.buffered, "row"))
	}
	return fmt.Errorf("%w (%s; mend the row and run again, or give --dead-letter FILE)", err, what)
}

// resume returns where a stream is to go on, "" for its start, and the name that
// its positions have.
func (r *rowIngest) resume(stream string) (name, position string) {
	r.streams[stream]++
	if n := r.streams[stream]; n > 1 { // the same first row under the same name, from another folder
		stream = fmt.Sprintf("%s/%d", stream, n)
	}
	if r.in.replay {
		return stream, ""
	}
	return stream, r.had[stream]
}

// due tells whether it is time for a commit, with so many rows not yet flushed.
func (r *rowIngest) due(more int64) bool {
	limit := r.in.commitRows
	if limit <= 0 {
		limit = defaultCommitRows
	}
	rows := r.buffered + more
	return rows >= limit || rows > 0 && r.in.commitInterval > 0 && time.Since(r.last) >= r.in.commitInterval
}

// flush hands the rows of a parser to the writer.
func (r *rowIngest) flush(ctx context.Context, p *textParser) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.b.Len() == 0 {
		return nil
	}
	b := p.b.Batch()
	defer b.Rows.Release()
	s := r.w.Schema()
	cols := make([]arrow.Array, len(s.Fields))
	for i, f := range s.Fields {
		if at := b.Shape.Index(f.Name); at >= 0 {
			cols[i] = b.Rows.Column(at)
			cols[i].Retain()
		}
	}
	ops := make([]table.Op, b.Len())
	for i, op := range b.Ops {
		if op == cdc.OpDelete {
			ops[i] = table.OpDelete
		}
	}
	return r.apply(ctx, cols, ops)
}

// apply writes rows whose columns are in the table's order and of its types; it
// owns the columns. Nil columns are null.
func (r *rowIngest) apply(ctx context.Context, cols []arrow.Array, ops []table.Op) error {
	s := r.w.Schema()
	want := schema.ArrowSchema(s)
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	n := len(ops)
	for i, c := range cols {
		if c == nil {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, want.Field(i).Type, n)
			continue
		}
		typed, ok := arrowsel.Retype(c, want.Field(i).Type)
		if !ok {
			return fmt.Errorf("table %s: column %q: %s is not %s", r.name, s.Fields[i].Name, c.DataType(), want.Field(i).Type)
		}
		c.Release()
		cols[i] = typed
	}
	b := array.NewRecordBatch(want, cols, int64(n))
	defer b.Release()
	r.buffered += int64(n)
	r.rows += int64(n)
	if !r.keyed {
		return r.w.AppendBatch(ctx, b)
	}
	return r.w.ApplyBatch(ctx, b, ops)
}

// commit makes visible what was applied. An interrupt lets it finish.
func (r *rowIngest) commit(ctx context.Context) error {
	r.last = time.Now()
	if r.buffered == 0 && !r.moved() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	before := r.t.Metadata().Current()
	snap, err := r.w.Commit(context.WithoutCancel(ctx), &table.CommitOptions{
		Positions: r.pending, Fold: table.Fold{Prefix: rowStreams, Keep: r.in.keepPositions},
	})
	if err != nil {
		return err
	}
	if before == nil || snap != nil && snap.ID != before.ID {
		r.commits++
	}
	for k, v := range r.pending {
		r.had[k] = v
	}
	clear(r.pending)
	r.buffered = 0
	return nil
}

// moved tells whether there are positions that the table does not have.
func (r *rowIngest) moved() bool {
	for k, v := range r.pending {
		if r.had[k] != v {
			return true
		}
	}
	clear(r.pending)
	return false
}

// rowError is a row that does not fit the table.
type rowError struct {
	table string
	line  cdc.Line
	row   bool // the line is the number of a row: the file has no lines
	raw   []byte
	err   error
}

func (e *rowError) Error() string {
	place := e.line.String()
	if e.row {
		place = fmt.Sprintf("%s row %d", e.line.File, e.line.Number)
	}
	return fmt.Sprintf("%s: table %s: %v", place, e.table, e.err)
}

func (e *rowError) Unwrap() error { return e.err }

// bad puts a row into the dead-letter file, or ends the ingest.
func (r *rowIngest) bad(e *rowError) error {
	if r.letters == nil {
		return e
	}
	r.dead++
	return r.letters(&cdc.LineError{Line: e.line, Table: e.table, Err: e.err, Raw: e.raw})
}

func (r *rowIngest) report() error {
	took := time.Since(r.p.start).Seconds()
	if r.e.json {
		return r.e.writeJSON(map[string]any{
			"keys": r.in.keys.json(), "table": r.name, "read": r.read, "rows": r.rows, "skipped": r.skipped, "dead_letters": r.dead, "commits": r.commits, "seconds": took,
		})
	}
	r.e.note("%s: %s applied in %s, %d skipped (already in the table), %.1f s, %.0f rows/s",
		r.name, plural(r.rows, "row"), plural(r.commits, "commit"), r.skipped, took, float64(r.rows)/max(took, 1e-9))
	if r.dead > 0 {
		r.e.note("%s went to %s", plural(r.dead, "row"), r.in.deadLetter)
	}
	return nil
}

// plural is a count with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
