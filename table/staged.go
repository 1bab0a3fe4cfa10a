package table

import (
	"bytes"
	"context"
	"maps"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/arrowsel"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/manifest"
)

// Staged is a flushed but uncommitted set of changes: data files that are
// complete and durable but referenced by nothing, and logical deletes (keys,
// rows replaced within the set) that become delete files only at commit, when
// it is known what they meet. It is immutable, may be marshalled and committed
// by another process, and commits at most once per table.
type Staged struct {
	tableUUID string
	schemaID  int
	key       []int // field ids
	writer    string
	epoch     int64
	encoding  Encoding
	seed      uint64
	// order are the ids of the columns that changes are ordered by, and orderName
	// says how their values were made comparable.
	order     []int
	orderName string
	filled    filled
	late      int64 // changes that were older than others of the set
	// positions of the source, when the flusher knows them.
	positions map[string]string

	files []*manifest.DataFile
	// stale has, by file number, rows replaced within the set.
	stale map[int]*deletes.Positions
	// appended has, by file number, the generation of files whose rows were
	// added without a look at their keys.
	appended map[int]int
	keys     []stagedKeys
	// missing are deletes of whole rows (tables without a key) to be found in
	// the table: digest → rows.
	missing   map[deletes.Digest]int
	truncate  bool
	committed atomic.Bool
	// published waits for the data files to be durable; nil when they are.
	published func() error
}

// settle waits for the data files to be durable.
func (s *Staged) settle() error {
	if s.published == nil {
		return nil
	}
	return s.published()
}

// stagedKeys are keys that the set upserts or deletes, each key in one place
// only.
type stagedKeys struct {
	batch   arrow.RecordBatch // the key columns
	digests []deletes.Digest
	locs    []upsert.Loc // where the key's row is: Written, or Deleted
	orders  [][]byte     // order values, see upsert.Order; nil without an order
	gen     int
}

// Rows returns the rows of the staged data files, replaced ones included, and
// Keys the number of keys whose earlier rows the commit will delete.
func (s *Staged) Rows() int64 {
	var n int64
	for _, f := range s.files {
		n += f.RecordCount
	}
	return n
}

// Keys returns the number of keys whose earlier rows the commit deletes.
func (s *Staged) Keys() int {
	n := 0
	for _, k := range s.keys {
		n += len(k.locs)
	}
	return n
}

// IsEmpty reports whether committing s would change no row.
func (s *Staged) IsEmpty() bool {
	return len(s.files) == 0 && len(s.keys) == 0 && len(s.missing) == 0 && !s.truncate
}

// SetPositions records the source positions that the changes reach; a commit
// merges those of all its sets, later ones winning.
func (s *Staged) SetPositions(p map[string]string) { s.positions = maps.Clone(p) }

// Discard deletes the data files of a set that will not be committed. It must
// not be called after a commit, or when a commit's outcome is unknown.
func (s *Staged) Discard(ctx context.Context, t *Table) {
	_ = s.settle() // whether they got there or not, they go
	var uris []string
	for _, f := range s.files {
		uris = append(uris, f.Path)
	}
	deleteQuietly(ctx, t.entry().Store, uris)
}

// stageKeys moves the keys touched into s, newest mention first, so that each
// is taken once with its latest generation.
func (w *Writer) stageKeys(s *Staged) error {
	for r := len(w.spilled) - 1; r >= 0; r-- {
		run := w.spilled[r]
		digests := w.buf.Digests(run.keys.Columns())
		var idx []int32
		n := min(len(digests), w.buf.Keys())
		k := stagedKeys{gen: run.gen, digests: make([]deletes.Digest, 0, n), locs: make([]upsert.Loc, 0, n)}
		for i, d := range digests {
			loc := w.buf.Take(d)
			if loc.IsZero() {
				continue
			}
			idx = append(idx, int32(i))
			k.digests = append(k.digests, d)
			k.locs = append(k.locs, loc)
			if len(w.order) > 0 {
				k.orders = append(k.orders, bytes.Clone(w.buf.OrderOf(d)))
			}
		}
		if len(idx) == 0 {
			continue
		}
		var err error
		if len(idx) == len(digests) {
			k.batch = run.keys
			k.batch.Retain()
		} else if k.batch, err = arrowsel.TakeBatch(run.keys, idx, nil); err != nil {
			return err
		}
		s.keys = append(s.keys, k)
	}
	return nil
}
