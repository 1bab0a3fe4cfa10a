package table

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// A partial update takes the values it leaves out from the stored row when it is
// applied. If another writer changes that row before the commit, the values are
// old, and committing them would undo the other's change. So a set of changes
// remembers which rows it was filled from, and every attempt on another head than
// the one they were read at reads them again.

// filled is what partial updates were filled from.
type filled struct {
	at       int64 // snapshot they were read at
	schemaID int
	rows     map[deletes.Digest]deletes.Digest // key → whole row
}

// note remembers the stored row of a key.
func (w *Writer) noteFilled(key, row deletes.Digest) {
	if w.filled.rows == nil {
		w.filled = filled{schemaID: w.schema.ID, rows: map[deletes.Digest]deletes.Digest{}}
		if s := w.entry.Metadata.RefSnapshot(w.o.Branch); s != nil {
			w.filled.at = s.ID
		}
	}
	w.filled.rows[key] = row
}

// checkFilled fails with ErrRowsChanged if rows that the changes were filled from
// are not as they were.
func (r *resolver) checkFilled(ctx context.Context, base *catalog.Entry, head *metadata.Snapshot) error {
	for _, set := range r.staged {
		f := set.filled
		if len(f.rows) == 0 || head != nil && head.ID == f.at || r.t.opts.off == "rows that partial updates were filled from" {
			continue
		}
		s := base.Metadata.CurrentSchema()
		if f.schemaID != s.ID {
			return fmt.Errorf("%w: the table's columns have", ErrRowsChanged)
		}
		if err := r.compareFilled(ctx, base, s, set); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) compareFilled(ctx context.Context, base *catalog.Entry, s *schema.Schema, set *Staged) error {
	var names []string
	for _, f := range r.fields {
		names = append(names, f.Name)
	}
	var keys []schema.Row
	for _, run := range set.keys {
		for i, d := range run.digests {
			if _, ok := set.filled.rows[d]; !ok {
				continue
			}
			key := make(schema.Row, len(r.fields))
			for c, f := range r.fields {
				key[c] = schema.ValueAt(run.batch.Column(c), f.Type, i)
			}
			keys = append(keys, key)
		}
	}
	reader, err := newFilledReader(r.fields, s, set.seed)
	if err != nil {
		return err
	}
	same := 0
	sc := scan.New(scan.Source{Store: base.Store, Metadata: base.Metadata, Name: r.t.Name()}, &scan.Options{Ref: r.branch, UseCurrentSchema: true})
	for row, err := range sc.Get(ctx, names, keys) {
		if err != nil {
			return err
		}
		key, whole := reader.digests(row)
		if set.filled.rows[key] != whole {
			return fmt.Errorf("%w: that with key %v", ErrRowsChanged, reader.key)
		}
		same++
	}
	if same != len(set.filled.rows) {
		return fmt.Errorf("%w: %d of %d are gone", ErrRowsChanged, len(set.filled.rows)-same, len(set.filled.rows))
	}
	return nil
}

// filledReader makes digests of stored rows: of their key and of all of them.
type filledReader struct {
	keys *deletes.Hasher
	at   []int // columns of the key
	key  []any
	text []byte
}

func newFilledReader(key []schema.Field, s *schema.Schema, seed uint64) (*filledReader, error) {
	r := &filledReader{key: make([]any, len(key))}
	for _, k := range key {
		r.at = append(r.at, slices.IndexFunc(s.Fields, func(f schema.Field) bool { return f.ID == k.ID }))
	}
	var err error
	r.keys, err = deletes.NewHasher(key, seed)
	return r, err
}

func (r *filledReader) digests(row schema.Row) (key, whole deletes.Digest) {
	for i, c := range r.at {
		r.key[i] = row[c]
	}
	r.text = r.text[:0]
	for _, v := range row { // values are plain data: they print the same in every process
		r.text = fmt.Appendf(r.text, "%T %#v\x00", v, v)
	}
	sum := sha256.Sum256(r.text)
	whole = deletes.Digest{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
	return r.keys.HashValues(r.key), whole
}
