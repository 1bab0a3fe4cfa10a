package parquetfile

import "context"

// BatchRows returns how many rows a batch may have so that Cursors of any of
// opts.Fields, with that for BatchRows, cut the file at the same rows: a Cursor
// by itself takes fewer where its columns are wide.
func (f *File) BatchRows(ctx context.Context, opts *ReadOptions) (int, error) {
	most := opts.BatchRows
	if most <= 0 {
		most = defaultBatchRows
	}
	if !f.wide(most) {
		return most, nil
	}
	c, err := f.Read(ctx, opts)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for c.at < len(c.groups) {
		most = min(most, c.batch)
		c.at++
		c.row, c.begun, c.indexed = 0, false, false
		c.size()
	}
	return most, nil
}

// wide reports whether so many rows of all columns may take more than a batch
// should.
func (f *File) wide(rows int) bool {
	for i := range f.meta.groups {
		g := &f.meta.groups[i]
		if g.rows == 0 {
			continue
		}
		perRow := int64(1)
		for k := range g.chunks {
			m := &g.chunks[k]
			perRow += max(m.uncompressed, m.unencoded, m.values*maxFixedWidth)/g.rows + 1
		}
		if perRow > batchBytes/int64(rows) {
			return true
		}
	}
	return false
}

// maxFixedWidth is the most bytes a value takes in an array that is fewer in the
// file: a decimal.
const maxFixedWidth = 16
