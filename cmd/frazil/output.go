package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"golang.org/x/term"

	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/internal/rowjson"
	"github.com/frazildb/frazil/schema"
)

func isTerminal(w any) bool {
	if r, ok := w.(redacting); ok {
		w = r.Writer
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// outputForms are the values of --output.
var outputForms = []string{"table", "jsonl", "csv", "parquet", "arrow", "canonical"}

// form resolves --output: table on a terminal, else jsonl.
func (e *env) form(output string) (string, error) {
	if output == "" {
		if e.json || !e.tables && !isTerminal(e.stdout) {
			return "jsonl", nil
		}
		return "table", nil
	}
	if !slices.Contains(outputForms, output) {
		return "", usagef("--output %s: give one of %s", output, strings.Join(outputForms, ", "))
	}
	return output, nil
}

type batches = iter.Seq2[arrow.RecordBatch, error]

// writeRows prints batches of schema s in a form and returns the number of rows.
func (e *env) writeRows(ctx context.Context, form string, s *schema.Schema, in batches) (int64, error) {
	out := bufio.NewWriterSize(e.stdout, 1<<16)
	var n int64
	var err error
	switch form {
	case "table":
		n, err = e.writeTable(out, s, in)
	case "canonical":
		n, err = writeCanonical(out, s, in)
	case "parquet":
		n, err = writeParquet(ctx, out, s, in)
	case "arrow":
		n, err = writeArrow(out, s, in)
	case "csv":
		n, err = writeLines(out, rowjson.NewEncoder(s, rowjson.CSV), true, in)
	default:
		n, err = writeLines(out, rowjson.NewEncoder(s, rowjson.Lines), false, in)
	}
	if err != nil {
		return n, err
	}
	return n, out.Flush()
}

func writeLines(out io.Writer, enc *rowjson.Encoder, header bool, in batches) (int64, error) {
	var n int64
	var buf []byte
	if header {
		buf = append(enc.AppendHeader(buf), '\n')
	}
	for b, err := range in {
		if err != nil {
			return n, err
		}
		for i := range int(b.NumRows()) {
			buf = append(enc.AppendRow(buf, b, i), '\n')
			if len(buf) > 1<<15 {
				if _, err := out.Write(buf); err != nil {
					return n, err
				}
				buf = buf[:0]
			}
		}
		n += b.NumRows()
	}
	if _, err := out.Write(buf); err != nil {
		return n, err
	}
	return n, enc.Err()
}

// canonicalLines renders all rows, sorted bytewise.
func canonicalLines(s *schema.Schema, in batches) ([]string, error) {
	enc := rowjson.NewEncoder(s, rowjson.Canonical)
	var lines []string
	var buf []byte
	for b, err := range in {
		if err != nil {
			return nil, err
		}
		for i := range int(b.NumRows()) {
			buf = enc.AppendRow(buf[:0], b, i)
			lines = append(lines, string(buf))
		}
	}
	slices.Sort(lines)
	return lines, enc.Err()
}

func writeCanonical(out io.Writer, s *schema.Schema, in batches) (int64, error) {
	lines, err := canonicalLines(s, in)
	if err != nil {
		return 0, err
	}
	for _, l := range lines {
		if _, err := io.WriteString(out, l); err != nil {
			return 0, err
		}
		if _, err := out.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
	}
	return int64(len(lines)), nil
}

// writeChecksum prints the row count and the SHA-256 of the canonical rows.
func (e *env) writeChecksum(s *schema.Schema, in batches) error {
	lines, err := canonicalLines(s, in)
	if err != nil {
		return err
	}
	h := sha256.New()
	for _, l := range lines {
		h.Write([]byte(l))
		h.Write([]byte{'\n'})
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if e.json {
		return e.writeJSON(map[string]any{"rows": len(lines), "sha256": sum})
	}
	_, err = fmt.Fprintf(e.stdout, "%d %s\n", len(lines), sum)
	return err
}

func writeParquet(ctx context.Context, out io.Writer, s *schema.Schema, in batches) (int64, error) {
	w, err := parquetfile.NewWriter(out, s, nil)
	if err != nil {
		return 0, err
	}
	for b, err := range in {
		if err == nil {
			err = w.Write(ctx, b)
		}
		if err != nil {
			w.Abort()
			return 0, err
		}
	}
	res, err := w.Close()
	if err != nil {
		return 0, err
	}
	return res.RecordCount, nil
}

func writeArrow(out io.Writer, s *schema.Schema, in batches) (int64, error) {
	w := ipc.NewWriter(out, ipc.WithSchema(schema.ArrowSchema(s)))
	var n int64
	for b, err := range in {
		if err == nil {
			err = w.Write(b)
		}
		if err != nil {
			return n, err
		}
		n += b.NumRows()
	}
	return n, w.Close()
}

// tableRows is how many rows a printed table aligns at once.
const tableRows = 1000

func (e *env) writeTable(out io.Writer, s *schema.Schema, in batches) (int64, error) {
	w := tabwriter.NewWriter(out, 2, 4, 2, ' ', 0)
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	fmt.Fprintln(w, strings.Join(names, "\t"))
	var n int64
	for b, err := range in {
		if err != nil {
			return n, err
		}
		for i := range int(b.NumRows()) {
			cells := make([]string, len(s.Fields))
			for c, f := range s.Fields {
				cells[c] = cell(f.Type, schema.ValueAt(b.Column(c), f.Type, i))
			}
			fmt.Fprintln(w, strings.Join(cells, "\t"))
			if n++; n%tableRows == 0 {
				if err := w.Flush(); err != nil {
					return n, err
				}
			}
		}
	}
	return n, w.Flush()
}

// cell renders a value on one line of bounded length.
func cell(t schema.Type, v any) string {
	if v == nil {
		return "NULL"
	}
	text := schema.FormatValue(t, v)
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 {
			return '␤'
		}
		return r
	}, text)
	if r := []rune(text); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return text
}

func (e *env) writeJSON(v any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// note prints a remark for people on standard error.
func (e *env) note(format string, args ...any) {
	if !e.quiet {
		e.clearBar()
		fmt.Fprintf(e.stderr, format+"\n", args...)
	}
}

// writePairs prints rows of cells as an aligned table.
func (e *env) writeCells(header []string, rows [][]string) error {
	w := tabwriter.NewWriter(e.stdout, 2, 4, 2, ' ', 0)
	if header != nil {
		fmt.Fprintln(w, strings.Join(header, "\t"))
	}
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

func formatTime(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

func formatBytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
