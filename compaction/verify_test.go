package compaction_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/table"
)

// tearing is a store that loses the end of what is written to data files while it
// is armed, and says that all went well.
type tearing struct {
	objstore.Store
	armed bool
}

func (s *tearing) Create(ctx context.Context, uri string, opts *objstore.PutOptions) (objstore.Writer, error) {
	w, err := s.Store.Create(ctx, uri, opts)
	if err != nil || !s.armed || !strings.HasSuffix(uri, ".parquet") {
		return w, err
	}
	return &torn{Writer: w}, nil
}

type torn struct {
	objstore.Writer
	data []byte
}

func (w *torn) Write(p []byte) (int, error) {
	w.data = append(w.data, p...)
	return len(p), nil
}

func (w *torn) Close() error {
	if _, err := w.Writer.Write(w.data[:len(w.data)/2]); err != nil {
		return err
	}
	return w.Writer.Close()
}

// TestVerify: what a store did not keep of a rewrite is noticed before the commit.
func TestVerify(t *testing.T) {
	store := &tearing{Store: objstore.NewMemory("mem://compaction")}
	w := newWorld(t, worldOptions{version: 3, store: store, seed: 21})
	for range 4 {
		w.write(table.EncodingPosition, w.random(30, 60))
	}
	store.armed = true
	rep, err := compaction.Compact(w.ctx, w.tab, nil)
	if !errors.Is(err, compaction.ErrVerify) || rep != nil && rep.Commits > 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	store.armed = false
	w.check("after a failed verification")
	w.compact(nil)
	w.check("after another try")
}
