package compaction_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/table"
)

// TestFlinkTables compacts and converts tables as Flink leaves them: the rows
// are the same before and after, and no delete is left that need not be.
func TestFlinkTables(t *testing.T) {
	for _, name := range []string{"flink_upsert_v2", "flink_upsert_v3"} {
		for _, convert := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s convert=%v", name, convert), func(t *testing.T) {
				tab := openFlink(t, name)
				before := rowsOf(t, tab, nil)
				rep, err := compaction.Compact(context.Background(), tab, &compaction.Options{ConvertOnly: convert})
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%+v", *rep)
				if after := rowsOf(t, tab, nil); !slices.Equal(before, after) {
					t.Fatalf("%d rows before, %d after", len(before), len(after))
				}
				if rep.After.EqualityFiles != 0 {
					t.Errorf("%d equality delete files are left", rep.After.EqualityFiles)
				}
				if !convert && (rep.After.DataFiles != 1 || rep.After.DeleteFiles != 0) {
					t.Errorf("left: %+v", rep.After)
				}
			})
		}
	}
}

func TestBasic(t *testing.T) {
	for _, version := range []int{2, 3} {
		for _, enc := range []table.Encoding{table.EncodingPosition, table.EncodingEquality} {
			t.Run(fmt.Sprintf("v%d encoding %d", version, enc), func(t *testing.T) {
				w := newWorld(t, worldOptions{version: version})
				for range 12 {
					w.write(enc, w.random(20, 60))
				}
				w.check("before")
				rep := w.compact(nil)
				w.check("after")
				w.settled(nil)
				if rep.After.DataFiles != 1 || rep.After.DeleteFiles != 0 {
					t.Errorf("%+v", *rep)
				}
			})
		}
	}
}
