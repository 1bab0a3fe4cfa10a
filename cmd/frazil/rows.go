package main

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/schema"
)

// collect copies rows out of an iterator.
func collect(rows iter.Seq2[schema.Row, error]) ([]schema.Row, error) {
	var out []schema.Row
	for r, err := range rows {
		if err != nil {
			return nil, err
		}
		out = append(out, slices.Clone(r))
	}
	return out, nil
}

// printRows prints rows held in memory.
func (e *env) printRows(ctx context.Context, form string, s *schema.Schema, rows []schema.Row) error {
	b, err := schema.RowsToBatch(s, rows, nil)
	if err != nil {
		return err
	}
	defer b.Release()
	_, err = e.writeRows(ctx, form, s, func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) })
	return err
}

// notFound is an error with the exit code of things that do not exist.
func notFound(what string) error { return fmt.Errorf("%s: %w", what, catalog.ErrNotFound) }
