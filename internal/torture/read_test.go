package torture

import (
	"context"
	"fmt"

	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/table"
)

// readRows reads ids and values of a ref, "" for main.
func readRows(ctx context.Context, tab *table.Table, ref string) (map[int64]string, error) {
	return readScan(ctx, tab, &scan.Options{Ref: ref, Columns: []string{"id", "v"}})
}

func readScan(ctx context.Context, tab *table.Table, o *scan.Options) (map[int64]string, error) {
	out := map[int64]string{}
	for row, err := range tab.Scan(o).Rows(ctx) {
		if err != nil {
			return nil, err
		}
		id, ok := row[0].(int64)
		if !ok { // of a damaged table
			id = -1 - int64(len(out))
		}
		if v, twice := out[id]; twice {
			return nil, fmt.Errorf("key %d is there twice, as %s and %v", id, v, row[1])
		}
		out[id] = fmt.Sprint(row[1])
	}
	return out, nil
}
