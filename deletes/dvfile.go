package deletes

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/frazildb/frazil/internal/puffin"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// maxDV bounds a deletion vector blob in bytes.
const maxDV = 1 << 30

// Target is a data file and the positions to delete of it.
type Target struct {
	// Path of the data file, byte for byte as in its manifest; SpecID and
	// Partition are the data file's own.
	Path      string
	SpecID    int
	Partition partition.Tuple
	Positions *Positions
}

func (t *Target) check() error {
	if t.Path == "" {
		return errors.New("delete target without a path")
	}
	if t.Positions == nil || t.Positions.Len() == 0 {
		return fmt.Errorf("delete target %s: no positions", t.Path)
	}
	return nil
}

// WriteDVs writes one Puffin file at uri with a deletion vector for each target
// and returns their manifest entries, in the order of targets. No two targets
// may have one path. properties go into the footer (such as "created-by").
func WriteDVs(ctx context.Context, store objstore.Store, uri string, targets []Target, properties map[string]string) ([]*manifest.DataFile, error) {
	if len(targets) == 0 {
		return nil, errors.New("write deletion vectors: no targets")
	}
	w, err := store.Create(ctx, uri, nil)
	if err != nil {
		return nil, fmt.Errorf("write deletion vectors: %w", err)
	}
	files, err := writeDVs(puffin.NewWriter(w), uri, targets, properties)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write deletion vectors %s: %w", uri, err), w.Abort())
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write deletion vectors %s: %w", uri, err)
	}
	return files, nil
}

func writeDVs(w *puffin.Writer, uri string, targets []Target, properties map[string]string) ([]*manifest.DataFile, error) {
	files := make([]*manifest.DataFile, len(targets))
	seen := make(map[string]bool, len(targets))
	for i := range targets {
		t := &targets[i]
		if err := t.check(); err != nil {
			return nil, err
		}
		if seen[t.Path] {
			return nil, fmt.Errorf("two deletion vectors for %s", t.Path)
		}
		seen[t.Path] = true
		blob, err := EncodeDV(t.Positions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.Path, err)
		}
		n := int64(t.Positions.Len())
		b, err := w.Add(blob, puffin.Blob{
			Type:           puffin.TypeDeletionVector,
			Fields:         []int{schema.IDPos},
			SnapshotID:     -1,
			SequenceNumber: -1,
			Properties: map[string]string{
				"referenced-data-file": t.Path,
				"cardinality":          strconv.FormatInt(n, 10),
			},
		})
		if err != nil {
			return nil, err
		}
		files[i] = &manifest.DataFile{
			Content:            manifest.ContentPositionDeletes,
			Path:               uri,
			Format:             manifest.FormatPuffin,
			SpecID:             t.SpecID,
			Partition:          t.Partition,
			RecordCount:        n,
			ReferencedDataFile: t.Path,
			ContentOffset:      &b.Offset,
			ContentSize:        &b.Length,
		}
	}
	size, _, err := w.Close(properties)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		f.FileSize = size
	}
	return files, nil
}

// ReadDV reads the deletion vector a manifest entry describes. Only its blob is
// read, which need not be in a whole Puffin file.
func ReadDV(ctx context.Context, store objstore.Store, f *manifest.DataFile) (*Positions, error) {
	switch {
	case !f.IsDV():
		return nil, fmt.Errorf("delete file %s: is not a deletion vector: %w", f.Path, ErrUnsupported)
	case len(f.KeyMetadata) > 0:
		return nil, fmt.Errorf("delete file %s: is encrypted: %w", f.Path, ErrUnsupported)
	case f.ContentOffset == nil || f.ContentSize == nil:
		return nil, fmt.Errorf("delete file %s: deletion vector without a place: %w", f.Path, ErrCorrupt)
	}
	o, err := store.Open(ctx, f.Path)
	if err != nil {
		return nil, fmt.Errorf("open deletion vector: %w", err)
	}
	defer o.Close()
	blob, err := puffin.ReadBlob(ctx, o, puffin.Blob{Offset: *f.ContentOffset, Length: *f.ContentSize}, maxDV)
	if err != nil {
		return nil, fmt.Errorf("read deletion vector: %w", err)
	}
	p, err := DecodeDV(blob, f.RecordCount)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", f.Path, f.ReferencedDataFile, err)
	}
	return p, nil
}
