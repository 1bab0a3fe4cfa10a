package fsck

import (
	"context"
	"errors"
	"fmt"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/datafile"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// readData reads every value of a data file.
func (c *checker) readData(ctx context.Context, d *dataFile) {
	c.told(ctx, d.entry.File, c.scanData(ctx, d))
}

// open opens a file and compares its rows with its entry.
func (c *checker) open(ctx context.Context, f *manifest.DataFile) (datafile.File, error) {
	o, err := c.src.Store.Open(ctx, f.Path)
	if err != nil {
		return nil, err
	}
	file, err := datafile.Open(ctx, o, f)
	if err != nil {
		return nil, err
	}
	if file.NumRows() != f.RecordCount {
		c.fail("count", f.Path, "has %d rows, the manifest says %d", file.NumRows(), f.RecordCount)
	}
	return file, nil
}

// told turns an error in reading a file into a finding.
func (c *checker) told(ctx context.Context, f *manifest.DataFile, err error) {
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, datafile.ErrUnsupported), errors.Is(err, deletes.ErrUnsupported):
		c.warn("unsupported", f.Path, "was not read: %v", err)
	default:
		c.fail(readRule(err), f.Path, "%v", err)
	}
}

func (c *checker) scanData(ctx context.Context, d *dataFile) error {
	f := d.entry.File
	file, err := c.open(ctx, f)
	if err != nil {
		return err
	}
	defer file.Close()
	ro := &parquetfile.ReadOptions{Fields: d.schema.Fields, Constants: c.constants(f, d.schema)}
	if m := c.t.Property("schema.name-mapping.default", ""); m != "" {
		if ro.NameMapping, err = schema.ParseNameMapping([]byte(m)); err != nil {
			return fmt.Errorf("property schema.name-mapping.default: %w", err)
		}
	}
	cur, err := file.Read(ctx, ro)
	if err != nil {
		return err
	}
	defer cur.Close()
	cols := newColumns(f, d.schema.Fields)
	route := c.newRoute(f, d.schema)
	rows := int64(0)
	for {
		if _, n := cur.Peek(); n == 0 {
			break
		}
		b, err := cur.Next(ctx, nil)
		if err != nil {
			return err
		}
		rows += b.NumRows()
		cols.add(b)
		route.add(b)
		b.Release()
	}
	if rows != file.NumRows() {
		c.fail("count", f.Path, "%d rows were read, the footer says %d", rows, file.NumRows())
	}
	c.addRead(rows, cols.values)
	cols.check(c, rows)
	route.check(c)
	return nil
}

func (c *checker) addRead(rows, values int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Rows += rows
	c.report.Values += values
}

// constants are the values that a file's partition gives to columns it may lack.
func (c *checker) constants(f *manifest.DataFile, sc *schema.Schema) map[int]any {
	spec, _ := c.t.Spec(f.SpecID)
	out := make(map[int]any)
	for i, p := range spec.Fields {
		if p.Transform.Kind != partition.IdentityTransform || len(p.SourceIDs) != 1 || i >= len(f.Partition) {
			continue
		}
		field, ok := sc.FieldByID(p.SourceIDs[0])
		if !ok {
			continue
		}
		if f.Partition[i] == nil {
			out[p.SourceIDs[0]] = nil
		} else if v, err := schema.Coerce(field.Type, f.Partition[i]); err == nil {
			out[p.SourceIDs[0]] = v
		}
	}
	return out
}

// readDeletes reads every value of a delete file.
func (c *checker) readDeletes(ctx context.Context, f *manifest.DataFile) {
	var err error
	switch {
	case f.IsDV():
		err = c.readVector(ctx, f)
	case f.Content == manifest.ContentEqualityDeletes:
		err = c.readEquality(ctx, f)
	default:
		err = c.readPositions(ctx, f)
	}
	c.told(ctx, f, err)
}

func (c *checker) readVector(ctx context.Context, f *manifest.DataFile) error {
	if f.ReferencedDataFile == "" || f.ContentOffset == nil || f.ContentSize == nil {
		return nil // told already
	}
	p, err := deletes.ReadDV(ctx, c.src.Store, f) // compares the record count
	if err != nil {
		return err
	}
	c.addRead(int64(p.Len()), 0)
	c.inFile(f, f.ReferencedDataFile, p)
	if err := c.readPuffin(ctx, f); err != nil {
		c.warn("puffin", f.Path, "%v", err) // readers need the blob only
	}
	return nil
}

// inFile checks that positions are of rows that a data file has.
func (c *checker) inFile(f *manifest.DataFile, path string, p *deletes.Positions) {
	last, some := p.Max()
	d := c.data[path]
	if other := c.bare[deletes.BarePath(path)]; d == nil && other != nil && deletes.SamePath(path, other.entry.File.Path) {
		d = other
	}
	if d != nil && some && last >= uint64(max(d.entry.File.RecordCount, 0)) {
		c.fail("position", f.Path, "deletes row %d of %s, which has %d", last, path, d.entry.File.RecordCount)
	}
}

func (c *checker) readPositions(ctx context.Context, f *manifest.DataFile) error {
	if err := c.deleteRows(ctx, f); err != nil {
		return err
	}
	sets, err := deletes.ReadPositions(ctx, c.src.Store, f, nil)
	if err != nil {
		return err
	}
	lower, _ := f.Lower.Get(schema.IDDeleteFilePath)
	upper, _ := f.Upper.Get(schema.IDDeleteFilePath)
	for path, p := range sets {
		c.addRead(int64(p.Len()), 0)
		if f.ReferencedDataFile != "" && path != f.ReferencedDataFile {
			c.fail("position", f.Path, "deletes rows of %s, the manifest says only of %s", path, f.ReferencedDataFile)
		}
		if err := within(schema.String, lower, upper, path); err != nil {
			if within(schema.String, lower, upper, deletes.BarePath(path)) == nil {
				c.warn("spelling", f.Path, "names data files with a scheme, the manifest without")
			} else {
				c.fail("bounds", f.Path, "file_path: %v", err)
			}
		}
		c.inFile(f, path, p)
	}
	return nil
}

// deleteRows compares a delete file's rows with its entry.
func (c *checker) deleteRows(ctx context.Context, f *manifest.DataFile) error {
	file, err := c.open(ctx, f)
	if err != nil {
		return err
	}
	return file.Close()
}

func (c *checker) readEquality(ctx context.Context, f *manifest.DataFile) error {
	if err := c.deleteRows(ctx, f); err != nil {
		return err
	}
	fields := make([]schema.Field, 0, len(f.EqualityIDs))
	for _, id := range f.EqualityIDs {
		field, ok := c.t.Field(id)
		if !ok {
			return nil // told already
		}
		fields = append(fields, *field)
	}
	if len(fields) == 0 {
		return nil
	}
	cols := newColumns(f, fields)
	rows := int64(0)
	for b, err := range deletes.ReadEquality(ctx, c.src.Store, f, fields) {
		if err != nil {
			return err
		}
		rows += b.NumRows()
		cols.add(b)
	}
	c.addRead(rows, cols.values)
	cols.check(c, rows)
	return nil
}
