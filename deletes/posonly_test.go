package deletes

import (
	"context"
	"testing"

	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// TestPathColumnSkipped reads a file whose manifest entry names its one data
// file with and without the shortcut that leaves the paths unread.
func TestPathColumnSkipped(t *testing.T) {
	ctx := context.Background()
	store := objstore.NewMemory("mem://t")
	want := &Positions{}
	for i := range uint64(positionRows + 100) {
		want.Add(i * 3)
	}
	f, err := WritePositions(ctx, store, "mem://t/d.parquet", Target{Path: "mem://t/data.parquet", Positions: want}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := onlyPath(f); !ok || p != "mem://t/data.parquet" {
		t.Fatalf("our own file is not recognised: %q, %v", p, ok)
	}
	check := func(what string) {
		t.Helper()
		got, err := ReadPositions(ctx, store, f, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := got["mem://t/data.parquet"]
		if len(got) != 1 || p == nil || p.Len() != want.Len() {
			t.Fatalf("%s: %d data files, %v", what, len(got), p)
		}
		for pos := range want.All() {
			if !p.Contains(pos) {
				t.Fatalf("%s: position %d is missing", what, pos)
			}
		}
	}
	check("shortcut")
	if got, err := ReadPositions(ctx, store, f, func(string) bool { return false }); err != nil || len(got) != 0 {
		t.Errorf("nothing wanted: %v, %v", got, err)
	}
	for name, change := range map[string]func(){
		"no reference":          func() { f.ReferencedDataFile = "" },
		"reference elsewhere":   func() { f.ReferencedDataFile = "mem://t/other.parquet" },
		"no bounds":             func() { f.Lower, f.Upper = nil, nil },
		"nulls are not counted": func() { f.NullCounts = nil },
	} {
		saved := *f
		change()
		if _, ok := onlyPath(f); ok {
			t.Errorf("%s: the shortcut is taken", name)
		}
		check(name)
		*f = saved
	}
	if _, ok := f.Lower.Get(schema.IDDeleteFilePath); !ok {
		t.Error("the test has changed what it restored")
	}
}
