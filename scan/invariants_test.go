package scan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/expr"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// rowTexts reads rows as text, sorted.
func rowTexts(t *testing.T, src scan.Source, o *scan.Options) string {
	t.Helper()
	var out []string
	for row, err := range scan.New(src, o).Rows(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Trim(fmt.Sprint([]any(row)), "[]"))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// narrow writes a data file that has only the named columns, as Hive leaves
// partition columns out, and returns its entry for the table's default spec.
func (b *builder) narrow(tuple partition.Tuple, columns []string, rows []schema.Row) *manifest.DataFile {
	b.t.Helper()
	s, err := b.meta.CurrentSchema().Select(columns)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.written(s, tuple, rows)
}

// Invariant 13: what a file lacks is the value of the identity partition, else
// the initial default, else null; a bucket is no value.
func TestInvariant13Projection(t *testing.T) {
	b := newBuilder(t, 3, schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long},
		schema.Field{ID: 2, Name: "p", Type: schema.Int, InitialDefault: int32(-1)},
		schema.Field{ID: 3, Name: "q", Type: schema.Int, InitialDefault: int32(-2)},
		schema.Field{ID: 4, Name: "d", Type: schema.String, InitialDefault: "dd"},
		schema.Field{ID: 5, Name: "n", Type: schema.String},
	), partition.Identity("p"), partition.Bucket("q", 4))
	b.commit(snapshot.Changes{AddData: []*manifest.DataFile{
		b.narrow(partition.Tuple{int32(7), int32(3)}, []string{"id"}, []schema.Row{{int64(1)}}),
		b.narrow(partition.Tuple{nil, int32(3)}, []string{"id"}, []schema.Row{{int64(2)}}),
		b.narrow(partition.Tuple{int32(8), int32(3)}, []string{"id", "d", "p"}, []schema.Row{{int64(3), nil, int32(8)}}),
	}})
	want := "1 7 -2 dd <nil>, 2 <nil> -2 dd <nil>, 3 8 -2 <nil> <nil>"
	if got := rowTexts(t, b.source(), nil); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for filter, want := range map[expr.Expr]string{
		expr.Eq("p", int32(7)): "1", expr.Eq("p", int32(-1)): "", expr.IsNull("p"): "2", expr.Eq("d", "dd"): "1, 2", expr.IsNull("d"): "3",
	} {
		if got := rowTexts(t, b.source(), &scan.Options{Columns: []string{"id"}, Filter: filter}); got != want {
			t.Errorf("%v: %s, want %s", filter, got, want)
		}
	}
}

// Invariant 18: equality deletes apply though their column was dropped, or
// dropped and added again under its name, or widened.
func TestInvariant18DroppedEqualityColumn(t *testing.T) {
	for _, version := range []int{2, 3} {
		b := newBuilder(t, version, schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Long},
			schema.Field{ID: 2, Name: "k", Type: schema.Int}))
		rows := []schema.Row{{int64(1), int32(10)}, {int64(2), int32(20)}, {int64(3), nil}, {int64(4), int32(40)}}
		b.commit(snapshot.Changes{AddData: []*manifest.DataFile{b.data(nil, rows)}})
		b.commit(snapshot.Changes{AddDeletes: []*manifest.DataFile{b.equality(0, nil, []string{"k"}, []schema.Row{{int32(20)}, {nil}})}})
		evolve := func(f func(e *schema.Evolution) error) {
			t.Helper()
			e := schema.NewEvolution(b.meta.CurrentSchema(), b.meta.LastColumnID, version)
			if err := f(e); err != nil {
				t.Fatal(err)
			}
			s, _, err := e.Schema()
			if err != nil {
				t.Fatal(err)
			}
			b.update(metadata.AddSchema{Schema: s}, metadata.SetCurrentSchema{SchemaID: metadata.LastAdded})
		}
		for _, step := range []struct {
			change func(e *schema.Evolution) error
			want   string
		}{
			{func(e *schema.Evolution) error { return e.Widen("k", schema.Long) }, "1 10, 4 40"},
			{func(e *schema.Evolution) error { return e.Drop("k") }, "1, 4"},
			{func(e *schema.Evolution) error { return e.Add("", schema.Field{Name: "k", Type: schema.Int}) }, "1 <nil>, 4 <nil>"},
		} {
			evolve(step.change)
			if got := rowTexts(t, b.source(), nil); got != step.want {
				t.Errorf("v%d: %s, want %s", version, got, step.want)
			}
		}
	}
}

// TestRefusesEncrypted: whatever of a table is encrypted is refused by name.
func TestRefusesEncrypted(t *testing.T) {
	for what, kind := range map[string]error{"data": scan.ErrUnsupported, "delete": scan.ErrUnsupported, "manifest": manifest.ErrEncrypted} {
		b := newBuilder(t, 2, keyValue)
		f := b.data(nil, kv(0, 10))
		eq := b.equality(0, nil, []string{"id"}, []schema.Row{{int64(3)}})
		named := ""
		switch what {
		case "data":
			f.KeyMetadata, named = []byte{1}, f.Path
		case "delete":
			eq.KeyMetadata, named = []byte{1}, eq.Path
		}
		b.commit(snapshot.Changes{AddData: []*manifest.DataFile{f}})
		b.commit(snapshot.Changes{AddDeletes: []*manifest.DataFile{eq}})
		src := b.source()
		if what == "manifest" {
			files, err := snapshot.Manifests(t.Context(), b.store, b.meta, b.meta.Current(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range files {
				m.KeyMetadata, named = []byte{1}, m.Path
			}
			list, err := manifest.EncodeList(manifest.ListOptions{FormatVersion: 2, SnapshotID: b.meta.Current().ID, SequenceNumber: 2}, files)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.store.Put(t.Context(), b.meta.Current().ManifestList, list, nil); err != nil {
				t.Fatal(err)
			}
		}
		_, err := ids(t, scan.New(src, nil))
		if !errors.Is(err, kind) || !strings.Contains(err.Error(), "encrypted") || what != "manifest" && !strings.Contains(err.Error(), named) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
