package compaction

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// ManifestOptions configure RewriteManifests; nil and zero fields mean the
// documented default.
type ManifestOptions struct {
	// Branch to work on; default main.
	Branch string
	// TargetBytes of a manifest; default the table's
	// commit.manifest.target-size-bytes, else 8 MiB.
	TargetBytes int64
	// Always rewrites manifests that are in good order already.
	Always bool
	// DryRun says what would be done and does nothing.
	DryRun bool
}

// ManifestReport says what was done, or would be.
type ManifestReport struct {
	Before, After int
	Entries       int
	// SnapshotID is 0 when nothing was committed.
	SnapshotID int64
}

// RewriteManifests puts the entries of a snapshot's manifests in order of
// partition, so that a scan with a filter opens few of them, and into manifests
// of the target size. Files, sequence numbers and row ids stay as they are.
func RewriteManifests(ctx context.Context, t *table.Table, opts *ManifestOptions) (*ManifestReport, error) {
	r := &manifestRewrite{t: t, rep: &ManifestReport{}}
	if opts != nil {
		r.o = *opts
	}
	set(&r.o.Branch, metadata.MainBranch)
	if err := r.run(ctx); err != nil {
		return r.rep, fmt.Errorf("table %s: rewrite manifests: %w", t.Name(), err)
	}
	return r.rep, nil
}

type manifestRewrite struct {
	t       *table.Table
	o       ManifestOptions
	rep     *ManifestReport
	written []string
	used    map[string]bool
}

func (r *manifestRewrite) run(ctx context.Context) error {
	if r.o.DryRun {
		e, err := r.t.Load(ctx)
		if err != nil {
			return err
		}
		_, err = r.build(ctx, &table.RewriteBase{Entry: e, Head: e.Metadata.RefSnapshot(r.o.Branch), SnapshotID: 1, Time: r.t.Clock()})
		return err
	}
	snap, err := r.t.CommitRewrite(ctx, table.Rewrite{
		Branch: r.o.Branch, Build: r.build, Summary: map[string]string{"frazil.maintenance": "rewrite-manifests"},
	})
	if errors.Is(err, catalog.ErrUnknownOutcome) {
		return err
	}
	for _, uri := range r.written {
		if err != nil || !r.used[uri] {
			_ = r.t.Entry().Store.Delete(context.WithoutCancel(ctx), uri) // else an orphan
		}
	}
	if snap != nil {
		r.rep.SnapshotID = snap.ID
	}
	return err
}

// build makes the snapshot on a base, nil if there is nothing to do.
func (r *manifestRewrite) build(ctx context.Context, base *table.RewriteBase) (*snapshot.Attempt, error) {
	r.used = map[string]bool{}
	if base.Head == nil {
		return nil, nil
	}
	if base.Metadata.FormatVersion < 2 {
		return nil, fmt.Errorf("%w: format version %d: upgrade the table first", ErrRefused, base.Metadata.FormatVersion)
	}
	before, err := snapshot.Manifests(ctx, base.Store, base.Metadata, base.Head, r.t.Cache())
	if err != nil {
		return nil, err
	}
	b := &manifestBuild{r: r, base: base, target: r.o.TargetBytes}
	set(&b.target, base.Metadata.PropertyInt("commit.manifest.target-size-bytes", 8<<20))
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	files, err := b.write()
	if err != nil {
		return nil, err
	}
	r.rep.Before, r.rep.After, r.rep.Entries = len(before), len(files), len(b.entries)
	if r.o.DryRun || !r.o.Always && !b.better(before, files) {
		return nil, nil
	}
	return b.attempt(ctx, before, files)
}

type manifestBuild struct {
	r       *manifestRewrite
	base    *table.RewriteBase
	target  int64
	entries []*manifest.Entry
	data    map[string][]byte // manifests by location
}

// read reads all live entries and sorts them by kind, spec and partition.
func (b *manifestBuild) read(ctx context.Context) error {
	e := b.base
	opts := &snapshot.LiveOptions{Stats: manifest.StatsAll, Cache: b.r.t.Cache()}
	for x, err := range snapshot.LiveFiles(ctx, e.Store, e.Metadata, e.Head, opts) {
		if err != nil {
			return err
		}
		c := *x
		c.Status = manifest.StatusExisting
		b.entries = append(b.entries, &c)
	}
	keys := make(map[*manifest.Entry]string, len(b.entries))
	for _, x := range b.entries {
		if spec, ok := e.Metadata.Spec(x.File.SpecID); ok {
			keys[x] = order(spec, x.File.Partition)
		}
	}
	slices.SortStableFunc(b.entries, func(x, y *manifest.Entry) int {
		return cmp.Or(
			cmp.Compare(kindOf(x), kindOf(y)), cmp.Compare(x.File.SpecID, y.File.SpecID),
			strings.Compare(keys[x], keys[y]), cmp.Compare(x.SequenceNumber, y.SequenceNumber),
		)
	})
	return nil
}

// order is a text that sorts partitions as their values do, nearly enough:
// numbers by size and sign, all else as text.
func order(spec partition.Spec, t partition.Tuple) string {
	var b strings.Builder
	for i := range spec.Fields {
		if i >= len(t) {
			break
		}
		switch v := t[i].(type) {
		case nil:
			b.WriteString("0")
		case int32:
			fmt.Fprintf(&b, "1%020d", uint64(int64(v))+1<<63)
		case int64:
			fmt.Fprintf(&b, "1%020d", uint64(v)+1<<63)
		default:
			fmt.Fprintf(&b, "1%v", v)
		}
		b.WriteByte(0)
	}
	return b.String()
}

func kindOf(e *manifest.Entry) manifest.Kind {
	if e.File.Content == manifest.ContentData {
		return manifest.Data
	}
	return manifest.Deletes
}

// write encodes the entries, a new manifest where kind or spec change or the
// target size is reached.
func (b *manifestBuild) write() ([]*manifest.File, error) {
	var out []*manifest.File
	var w *manifest.Writer
	b.data = map[string][]byte{}
	end := func() error {
		if w == nil {
			return nil
		}
		data, f, err := w.Close()
		if err != nil {
			return err
		}
		w = nil
		b.data[f.Path] = data
		out = append(out, f)
		return nil
	}
	for i, e := range b.entries {
		if i > 0 && (kindOf(e) != kindOf(b.entries[i-1]) || e.File.SpecID != b.entries[i-1].File.SpecID) || w != nil && int64(w.EstimatedSize()) >= b.target {
			if err := end(); err != nil {
				return nil, err
			}
		}
		if w == nil {
			var err error
			if w, err = b.open(e); err != nil {
				return nil, err
			}
		}
		if err := w.Append(e); err != nil {
			return nil, err
		}
	}
	return out, end()
}

func (b *manifestBuild) open(e *manifest.Entry) (*manifest.Writer, error) {
	m := b.base.Metadata
	spec, ok := m.Spec(e.File.SpecID)
	if !ok {
		return nil, fmt.Errorf("file %s: the table has no partition spec %d", e.File.Path, e.File.SpecID)
	}
	return manifest.NewWriter(manifest.WriterOptions{
		FormatVersion: m.FormatVersion, Schema: m.CurrentSchema(), Spec: spec, PartitionTypes: m.PartitionTypes(spec.ID),
		Kind: kindOf(e), SnapshotID: b.base.SnapshotID, Path: objstore.Join(snapshot.MetadataDirectory(m), b.r.t.NewUUID()+"-m0.avro"),
		Codec: m.Properties["write.manifest.compression-codec"],
	})
}

// better reports whether the new manifests are worth a commit: fewer of them, or
// the old ones overlap more.
func (b *manifestBuild) better(before, after []*manifest.File) bool {
	if len(after) < len(before) {
		return true
	}
	return len(after) == len(before) && b.spread(after) < b.spread(before)
}

// spread counts in how many manifests each partition is, beyond the first.
func (b *manifestBuild) spread(files []*manifest.File) int {
	n := 0
	for i, f := range files {
		for _, g := range files[i+1:] {
			if f.Kind == g.Kind && f.SpecID == g.SpecID && len(f.Partitions) > 0 && overlap(f.Partitions, g.Partitions) {
				n++
			}
		}
	}
	return n
}

// overlap reports whether two summaries have the same bounds of their first
// field, which is all that can be told without the types.
func overlap(a, b []manifest.FieldSummary) bool {
	return slices.Equal(a[0].Lower, b[0].Lower) && slices.Equal(a[0].Upper, b[0].Upper)
}

// attempt stores the manifests and their list.
func (b *manifestBuild) attempt(ctx context.Context, before, files []*manifest.File) (*snapshot.Attempt, error) {
	m, head := b.base.Metadata, b.base.Head
	seq := m.LastSequenceNumber + 1
	schemaID := m.CurrentSchemaID
	snap := metadata.Snapshot{
		ID: b.base.SnapshotID, ParentID: &head.ID, SequenceNumber: seq, TimestampMS: max(b.base.Time.UnixMilli(), m.LastUpdatedMS),
		Operation: metadata.OpReplace, SchemaID: &schemaID, Summary: b.summary(len(before), len(files)),
	}
	o := manifest.ListOptions{
		FormatVersion: m.FormatVersion, SnapshotID: snap.ID, ParentID: &head.ID, SequenceNumber: seq,
		Codec: m.Properties["write.manifest.compression-codec"],
	}
	if m.FormatVersion >= 3 {
		first := m.NextRowID
		o.FirstRowID = &first
	}
	list, next, err := manifest.WriteList(o, files)
	if err != nil {
		return nil, err
	}
	if o.FirstRowID != nil {
		rows := next - *o.FirstRowID
		snap.FirstRowID, snap.AddedRows = o.FirstRowID, &rows
	}
	snap.ManifestList = objstore.Join(snapshot.MetadataDirectory(m), fmt.Sprintf("snap-%d-1-%s.avro", snap.ID, b.r.t.NewUUID()))
	b.data[snap.ManifestList] = list
	for uri, data := range b.data {
		b.r.written = append(b.r.written, uri)
		b.r.used[uri] = true
		if err := b.base.Store.Put(ctx, uri, data, nil); err != nil {
			return nil, err
		}
	}
	ref := metadata.Ref{Type: "branch"}
	if old, ok := m.Refs[b.r.o.Branch]; ok {
		ref = old
	}
	ref.SnapshotID = snap.ID
	return &snapshot.Attempt{
		Snapshot: snap,
		Updates:  []metadata.Update{metadata.AddSnapshot{Snapshot: snap}, metadata.SetRef{Name: b.r.o.Branch, Ref: ref}},
		Requirements: []metadata.Requirement{
			metadata.AssertUUID{UUID: m.UUID}, metadata.AssertRefSnapshot{Ref: b.r.o.Branch, SnapshotID: &head.ID},
		},
	}, nil
}

// summary carries the totals on: no file comes or goes.
func (b *manifestBuild) summary(before, after int) map[string]string {
	s := maps.Clone(b.base.Summary)
	if s == nil {
		s = map[string]string{}
	}
	for k, v := range b.base.Head.Summary {
		if strings.HasPrefix(k, "total-") {
			s[k] = v
		}
	}
	s["manifests-created"], s["manifests-replaced"] = strconv.Itoa(after), strconv.Itoa(before)
	s["manifests-kept"], s["entries-processed"] = "0", strconv.Itoa(len(b.entries))
	return s
}
