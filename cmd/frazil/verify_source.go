package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/xxh3"

	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// errDiffers ends a verify --source that found differences; they are printed
// already.
var errDiffers = errors.New("rows differ from the source")

// maxDifferences is how many rows that differ are printed.
const maxDifferences = 20

// rowSource yields the rows of one side of a comparison, any number of times.
type rowSource struct {
	schema *schema.Schema
	rows   func() batches
}

// verifySource compares the rows of a table with those of the source: each row of
// the one must be in the other as often. It keeps a hash and a count of each row of
// the table in memory.
func (e *env) verifySource(ctx context.Context, name string, src scan.Source, source string) error {
	ours := rowSource{src.Metadata.CurrentSchema(), func() batches { return scan.New(src, nil).Batches(ctx) }}
	theirs, done, err := e.openRowSource(ctx, source, ours.schema)
	if err != nil {
		return fmt.Errorf("source %s: %w", source, err)
	}
	defer done()
	counts := map[xxh3.Uint128]int64{}
	var n [2]int64
	for side, s := range []rowSource{ours, theirs} {
		sign := int64(1 - 2*side)
		err := s.each(func(line []byte) error {
			n[side]++
			h := xxh3.Hash128(line)
			if counts[h] += sign; counts[h] == 0 {
				delete(counts, h)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	missing, extra := int64(0), int64(0)
	for _, c := range counts {
		missing, extra = missing+max(0, -c), extra+max(0, c)
	}
	if missing+extra > 0 {
		if err := e.printDifferences(ours, theirs, counts); err != nil {
			return err
		}
	}
	if e.json {
		err := e.writeJSON(map[string]any{
			"table": name, "source": source, "table_rows": n[0], "source_rows": n[1], "missing": missing, "extra": extra,
		})
		if err != nil {
			return err
		}
	}
	e.note("%s: %s, %s in the source; %d missing, %d extra", name, plural(n[0], "row"), plural(n[1], "row"), missing, extra)
	if missing+extra > 0 {
		return fmt.Errorf("table %s: %w: %d missing, %d extra", name, errDiffers, missing, extra)
	}
	return nil
}

// printDifferences prints rows of the source that the table lacks with a minus,
// rows of the table that the source lacks with a plus. It uses counts up.
func (e *env) printDifferences(ours, theirs rowSource, counts map[xxh3.Uint128]int64) error {
	printed := 0
	for _, side := range []struct {
		rowSource
		mark string
		sign int64
	}{{theirs, "-", -1}, {ours, "+", 1}} {
		err := side.each(func(line []byte) error {
			h := xxh3.Hash128(line)
			if printed == maxDifferences || counts[h]*side.sign <= 0 {
				return nil
			}
			counts[h] -= side.sign
			printed++
			if e.json {
				return e.writeJSON(map[string]any{"in": map[string]string{"-": "source", "+": "table"}[side.mark], "row": string(line)})
			}
			_, err := fmt.Fprintf(e.stdout, "%s %s\n", side.mark, line)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each calls f with every row in its canonical form.
func (s rowSource) each(f func(line []byte) error) error {
	enc := rowjson.NewEncoder(s.schema, rowjson.Canonical)
	var buf []byte
	for b, err := range s.rows() {
		if err != nil {
			return err
		}
		for i := range int(b.NumRows()) {
			buf = enc.AppendRow(buf[:0], b, i)
			if err := f(buf); err != nil {
				return err
			}
		}
	}
	return enc.Err()
}

// openRowSource opens a dump (CSV or JSON lines, also compressed), or a table by
// its name or location.
func (e *env) openRowSource(ctx context.Context, source string, s *schema.Schema) (rowSource, func(), error) {
	switch format := formatOf(source); format {
	case "csv", "jsonl":
		if err := checkInput(source); err != nil {
			return rowSource{}, nil, err
		}
		return rowSource{s, func() batches { return e.dumpRows(ctx, source, format, s) }}, func() {}, nil
	case "parquet", "arrow":
		return rowSource{}, nil, usagef("--source %s: give a table, or a dump as CSV or JSON lines", source)
	}
	_, src, done, err := e.source(ctx, source)
	if err != nil {
		return rowSource{}, nil, err
	}
	columns := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		columns[i] = f.Name
	}
	for _, f := range src.Metadata.CurrentSchema().Fields {
		if _, ok := s.FieldByName(f.Name); !ok {
			done()
			return rowSource{}, nil, fmt.Errorf("it has a column %q, the table has none", f.Name)
		}
	}
	sc := scan.New(src, &scan.Options{Columns: columns})
	theirs, err := sc.Schema()
	if err != nil {
		done()
		return rowSource{}, nil, err
	}
	return rowSource{theirs, func() batches { return sc.Batches(ctx) }}, done, nil
}

// dumpRows reads a dump as rows of the table.
func (e *env) dumpRows(ctx context.Context, path, format string, s *schema.Schema) batches {
	return func(yield func(arrow.RecordBatch, error) bool) {
		in := &ingestion{e: e}
		comma, err := in.comma(path, format)
		if err != nil {
			yield(nil, err)
			return
		}
		p := e.progress("verify", "rows")
		defer p.end()
		f, err := in.openText(path, comma, p)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.close()
		parser := newTextParser(f.name, s, "", "")
		if f.header != nil {
			err = parser.setHeader(f.header)
		}
		for more := err == nil; more; {
			var b arrow.RecordBatch
			if b, more, err = nextDumpBatch(f, parser, s); err == nil {
				err = ctx.Err()
			}
			if b != nil && err == nil && !yield(b, nil) {
				return
			}
			if err != nil {
				break
			}
		}
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", f.name, err))
		}
	}
}

// nextDumpBatch reads rows until there are enough for a batch; more is false at
// the end of the file.
func nextDumpBatch(f *textFile, p *textParser, s *schema.Schema) (b arrow.RecordBatch, more bool, err error) {
	for p.b.Len() < batchRows && p.b.Bytes() < batchBytes {
		rec, err := f.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = p.parse(rec)
		}
		if err != nil {
			return nil, false, fmt.Errorf("row %d: %w", f.rows, err)
		}
		more = true
	}
	if p.b.Len() == 0 {
		return nil, false, nil
	}
	rows := p.b.Batch()
	defer rows.Rows.Release()
	want := schema.ArrowSchema(s)
	cols := make([]arrow.Array, len(s.Fields))
	for i, fl := range s.Fields {
		at := rows.Shape.Index(fl.Name)
		if at < 0 {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, want.Field(i).Type, rows.Len())
			continue
		}
		var ok bool
		if cols[i], ok = arrowsel.Retype(rows.Rows.Column(at), want.Field(i).Type); !ok {
			return nil, false, fmt.Errorf("column %q: %s is not %s", fl.Name, rows.Rows.Column(at).DataType(), want.Field(i).Type)
		}
	}
	return array.NewRecordBatch(want, cols, int64(rows.Len())), more, nil
}
