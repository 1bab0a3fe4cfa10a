package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
)

// output is a file the producer made. data is nil once it is stored; tried says
// that it may exist.
type output struct {
	data  []byte
	tried bool
}

// freshFiles are the manifests of new files, made once for all attempts.
type freshFiles struct {
	made          bool
	data, deletes []*manifest.File
	delta         delta
	entries       int
}

func (p *Producer) dir(t *metadata.Table) string {
	if p.o.Location != "" {
		return p.o.Location
	}
	return MetadataDirectory(t)
}

// manifestWriter writes the entries of one kind and spec into as many manifests
// as the target size makes.
type manifestWriter struct {
	p      *Producer
	b      *build
	kind   manifest.Kind
	spec   int
	target int
	w      *manifest.Writer
	path   string
	keys   *fileKeys
	out    []*manifest.File
}

func (p *Producer) newManifestWriter(b *build, kind manifest.Kind, spec int) *manifestWriter {
	return &manifestWriter{p: p, b: b, kind: kind, spec: spec, target: targetSize(b.base)}
}

func (m *manifestWriter) append(e *manifest.Entry) error {
	if m.w == nil {
		if err := m.open(); err != nil {
			return err
		}
	}
	if err := m.w.Append(e); err != nil {
		return err
	}
	if e.IsLive() {
		m.keys.add(m.p.o.Cache, e.File)
	}
	if m.w.EstimatedSize() >= m.target || m.w.Len() >= maxEntries(m.kind) {
		return m.close()
	}
	return nil
}

func (m *manifestWriter) open() error {
	st, ok := m.b.src.types[m.spec]
	if !ok {
		return fmt.Errorf("%w: the table has no partition spec %d", ErrInvalid, m.spec)
	}
	m.path = objstore.Join(m.p.dir(m.b.base), fmt.Sprintf("%s-m%d.avro", m.p.o.CommitUUID, m.p.manifests))
	m.p.manifests++
	w, err := manifest.NewWriter(manifest.WriterOptions{
		FormatVersion: m.b.base.FormatVersion, Schema: m.b.base.CurrentSchema(), Spec: st.spec, PartitionTypes: st.types,
		Kind: m.kind, SnapshotID: m.p.id, Path: m.path,
		Codec: m.b.base.Properties["write.manifest.compression-codec"],
	})
	if err != nil {
		return err
	}
	m.w, m.keys = w, &fileKeys{}
	return nil
}

func (m *manifestWriter) close() error {
	if m.w == nil {
		return nil
	}
	data, f, err := m.w.Close()
	if err != nil {
		return err
	}
	m.w = nil
	m.keys.finish()
	m.p.outputs[f.Path] = &output{data: data}
	m.p.o.Cache.putManifest(f.Path, data)
	m.p.o.Cache.putKeys(f.Path, m.keys)
	m.out = append(m.out, f)
	return nil
}

// writeFresh makes the manifests of added files.
func (p *Producer) writeFresh(b *build) error {
	if !p.fresh.made {
		fr := freshFiles{made: true}
		var err error
		if fr.data, err = p.freshOf(b, &fr.delta, manifest.Data, p.c.AddData, p.c.DataSequence); err != nil {
			return err
		}
		if fr.deletes, err = p.freshOf(b, &fr.delta, manifest.Deletes, p.c.AddDeletes, p.c.DeleteSequence); err != nil {
			return err
		}
		fr.entries = len(p.c.AddData) + len(p.c.AddDeletes)
		p.fresh = fr
		b.work.entries += fr.entries
	}
	b.data = append(b.data, p.fresh.data...)
	b.deletes = append(b.deletes, p.fresh.deletes...)
	b.delta.plus(&p.fresh.delta)
	return nil
}

func (p *Producer) freshOf(b *build, d *delta, kind manifest.Kind, files []*manifest.DataFile, seq *int64) ([]*manifest.File, error) {
	var specs []int // in order of appearance
	bySpec := make(map[int]*manifestWriter)
	number := manifest.Unassigned
	if seq != nil {
		number = *seq
	}
	for _, f := range files {
		m := bySpec[f.SpecID]
		if m == nil {
			m = p.newManifestWriter(b, kind, f.SpecID)
			bySpec[f.SpecID] = m
			specs = append(specs, f.SpecID)
		}
		err := m.append(&manifest.Entry{
			Status: manifest.StatusAdded, SnapshotID: p.id, File: f,
			SequenceNumber: number, FileSequenceNumber: manifest.Unassigned,
		})
		if err != nil {
			return nil, err
		}
		d.add(b.src.types[f.SpecID].spec, f)
	}
	var out []*manifest.File
	for _, id := range specs {
		m := bySpec[id]
		if err := m.close(); err != nil {
			return nil, err
		}
		out = append(out, m.out...)
	}
	return out, nil
}

// store writes the list and the manifests of an attempt that are not stored yet,
// all at once: nothing refers to them before the catalog's swap.
func (p *Producer) store(ctx context.Context, list string, files []*manifest.File) error {
	p.used = map[string]bool{list: true}
	for _, f := range files {
		p.used[f.Path] = true
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.o.Writers)
	for uri := range p.used {
		o := p.outputs[uri]
		if o == nil || o.data == nil {
			continue // of an earlier snapshot or attempt
		}
		o.tried = true
		g.Go(func() error {
			if err := p.o.Store.Put(ctx, uri, o.data, nil); err != nil {
				return fmt.Errorf("write %s: %w", baseName(uri), err)
			}
			o.data = nil
			return nil
		})
	}
	return g.Wait()
}

// Cleanup deletes what attempts wrote and the outcome does not need: with
// committed the lists and manifests of earlier attempts that the last one does
// not use, else everything. It must not be called when the outcome is unknown,
// since the table may refer to any of them. Data and delete files are the
// caller's. The producer cannot be used afterwards.
func (p *Producer) Cleanup(ctx context.Context, committed bool) error {
	p.done = true
	var errs []error
	for uri, o := range p.outputs {
		if !o.tried || committed && p.used[uri] {
			continue
		}
		if err := p.o.Store.Delete(ctx, uri); err != nil && !errors.Is(err, objstore.ErrNotFound) {
			errs = append(errs, fmt.Errorf("delete %s: %w", uri, err))
			continue
		}
		o.tried = false
	}
	return errors.Join(errs...)
}

// Table properties and their defaults, those of the reference implementation.
func targetSize(t *metadata.Table) int {
	return int(max(t.PropertyInt("commit.manifest.target-size-bytes", 8<<20), 1))
}

func minMergeCount(t *metadata.Table) int {
	return int(max(t.PropertyInt("commit.manifest.min-count-to-merge", 100), 2))
}

func mergeEnabled(t *metadata.Table) bool {
	v, err := strconv.ParseBool(t.Properties["commit.manifest-merge.enabled"])
	return err != nil || v
}
