package fsck

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/puffin"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
)

// dataFile is a data file to look at, with the schema of a snapshot that has it.
type dataFile struct {
	entry  *manifestEntry
	schema *schema.Schema
}

// noteData remembers a data file; all snapshots must say the same of it.
func (c *checker) noteData(e *manifestEntry, sc *schema.Schema) {
	f := e.File
	d := c.data[f.Path]
	if d == nil {
		c.data[f.Path] = &dataFile{e, sc}
		return
	}
	o := d.entry.File
	if o == f {
		return
	}
	// Sequence numbers and row ids may differ: a snapshot that was picked onto
	// another branch has the files of the first as new ones of its own.
	if o.RecordCount != f.RecordCount || o.FileSize != f.FileSize || o.SpecID != f.SpecID {
		c.fail("twice", f.Path, "is described in different ways: %d rows, %d bytes, spec %d and %d, %d, %d",
			o.RecordCount, o.FileSize, o.SpecID, f.RecordCount, f.FileSize, f.SpecID)
	}
	if a, b := o.FirstRowID, f.FirstRowID; a != nil && b != nil && *a != *b && d.entry.SnapshotID == e.SnapshotID {
		c.fail("row-id", f.Path, "has first row id %d in one snapshot and %d in another", *a, *b)
	}
}

// files looks at every data and delete file that a snapshot holds.
func (c *checker) files(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(c.opts.Workers)
	run := func(f func()) {
		g.Go(func() error {
			if ctx.Err() == nil {
				f()
				c.looked()
			}
			return nil
		})
	}
	sizes := make(map[string]int64)
	for path, d := range c.data {
		sizes[path] = d.entry.File.FileSize
		c.bare[deletes.BarePath(path)] = d
	}
	for k, e := range c.deletes {
		if other, twice := sizes[k.path]; twice && other != e.File.FileSize {
			c.fail("length", k.path, "has %d and %d bytes by different entries", other, e.File.FileSize)
		}
		sizes[k.path] = e.File.FileSize
	}
	for path, size := range sizes {
		run(func() { c.exists(ctx, "unreadable", path, size) })
	}
	if c.opts.Deep {
		for _, d := range c.data {
			if d.schema != nil { // told already
				run(func() { c.readData(ctx, d) })
			}
		}
		for _, e := range c.deletes {
			run(func() { c.readDeletes(ctx, e.File) })
		}
	}
	_ = g.Wait()
}

// readPuffin compares a deletion vector's place with the footer of its file.
func (c *checker) readPuffin(ctx context.Context, f *manifest.DataFile) error {
	o, err := c.src.Store.Open(ctx, f.Path)
	if err != nil {
		return err
	}
	defer o.Close()
	footer, err := puffin.ReadFooter(ctx, o)
	if err != nil {
		return err
	}
	for _, b := range footer.Blobs {
		if b.Offset != *f.ContentOffset {
			continue
		}
		ref := b.Properties["referenced-data-file"]
		switch {
		case b.Length != *f.ContentSize:
			return fmt.Errorf("the blob at %d has %d bytes by the footer, %d by the manifest", b.Offset, b.Length, *f.ContentSize)
		case b.Type != puffin.TypeDeletionVector:
			return fmt.Errorf("the blob at %d is a %s", b.Offset, b.Type)
		case ref != "" && ref != f.ReferencedDataFile:
			return fmt.Errorf("the blob at %d is for %s by the footer, for %s by the manifest", b.Offset, ref, f.ReferencedDataFile)
		}
		return nil
	}
	return fmt.Errorf("the footer has no blob at %d", *f.ContentOffset)
}
