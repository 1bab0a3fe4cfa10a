package table

import (
	"maps"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// FuzzMarks reads anything as the source positions of a snapshot summary.
func FuzzMarks(f *testing.F) {
	f.Add(`{"positions":{"s":"1"},"writers":{"w":3}}`)
	f.Add(`{"snapshot-id":5}`)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMarks(s)
		if err != nil {
			return
		}
		again, err := parseMarks(m.String())
		if err != nil || !maps.Equal(again.Positions, m.Positions) {
			t.Fatalf("%q is read as %s, and that as %+v, %v", s, m, again, err)
		}
	})
}

// FuzzStaged reads anything as changes of another process.
func FuzzStaged(f *testing.F) {
	ctx := f.Context()
	tab, err := Create(ctx, catalog.NewFiles(objstore.NewMemory("mem://staged"), nil), "f.t", schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "v", Type: schema.String},
	), &CreateOptions{Key: []string{"id"}})
	if err != nil {
		f.Fatal(err)
	}
	w, err := tab.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	for id := range int64(3) {
		if err := w.Upsert(ctx, schema.Row{id, "x"}); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Delete(ctx, schema.Row{int64(7)}); err != nil {
		f.Fatal(err)
	}
	s, err := w.Flush(ctx)
	if err != nil {
		f.Fatal(err)
	}
	data, err := s.Marshal(ctx, tab)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		s, err := tab.UnmarshalStaged(t.Context(), data)
		if err != nil {
			return
		}
		_, _ = s.Rows(), s.Keys()
		if _, err := s.Marshal(t.Context(), tab); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}
