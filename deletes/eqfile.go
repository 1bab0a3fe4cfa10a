package deletes

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// WriteEquality writes an equality delete file at uri. keys has exactly the key
// columns, whose ids become the equality ids (of a struct, those of its
// members); batches have its columns in order. An unpartitioned spec makes the
// deletes global. nil opts are the defaults.
func WriteEquality(ctx context.Context, store objstore.Store, uri string, keys *schema.Schema, batches iter.Seq2[arrow.RecordBatch, error], specID int, tuple partition.Tuple, opts *parquetfile.WriterOptions) (*manifest.DataFile, error) {
	ids, err := equalityIDs(nil, keys.Fields)
	if err != nil {
		return nil, fmt.Errorf("write equality deletes %s: %w", uri, err)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("write equality deletes %s: no key columns", uri)
	}
	slices.Sort(ids)
	text := make([]string, len(ids))
	for i, id := range ids {
		text[i] = strconv.Itoa(id)
	}
	o := writerOptions(opts, map[string]string{
		"delete-type":      "equality",
		"delete-field-ids": strings.Join(text, ", "),
	})
	f, err := writeFile(ctx, store, uri, keys, o, batches)
	if err != nil {
		return nil, fmt.Errorf("write equality deletes %s: %w", uri, err)
	}
	f.Content = manifest.ContentEqualityDeletes
	f.SpecID, f.Partition = specID, tuple
	f.EqualityIDs = ids
	return f, nil
}

// equalityIDs appends the ids of the primitive columns.
func equalityIDs(ids []int, fields []schema.Field) ([]int, error) {
	for _, f := range fields {
		switch k := kindOf(f.Type); {
		case f.Type.Kind == schema.KindStruct:
			var err error
			if ids, err = equalityIDs(ids, f.Type.Fields); err != nil {
				return nil, err
			}
		case k == 0 || k == keyFloat:
			return nil, fmt.Errorf("column %q: type %s cannot be an equality column", f.Name, f.Type)
		default:
			ids = append(ids, f.ID)
		}
	}
	return ids, nil
}

// ReadEquality yields the key columns of an equality delete file as batches
// with the given fields in order, whose types may be wider than the file's. A
// batch is valid until the next step.
func ReadEquality(ctx context.Context, store objstore.Store, f *manifest.DataFile, fields []schema.Field) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		err := checkFormat(f, manifest.ContentEqualityDeletes)
		if err == nil && len(f.EqualityIDs) == 0 {
			err = fmt.Errorf("delete file %s: no equality columns: %w", f.Path, ErrCorrupt)
		}
		if err == nil && len(fields) == 0 {
			err = errors.New("read equality deletes: no columns")
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for b, err := range readFile(ctx, store, f, fields) {
			if err != nil {
				yield(nil, fmt.Errorf("equality deletes %s: %w", f.Path, err))
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}
