package snapshot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

func ptr[T any](v T) *T { return &v }

// world is a table in memory that commits go through without a catalog.
type world struct {
	t     testing.TB
	store *countingStore
	table *metadata.Table
	cache *Cache
	now   time.Time
	ids   int64
	uuids int
}

// countingStore counts and checks what a commit does to the store.
type countingStore struct {
	objstore.Store
	reads  atomic.Int64
	before func(uri string) error // may fail a put
}

func (s *countingStore) Put(ctx context.Context, uri string, data []byte, o *objstore.PutOptions) error {
	if s.before != nil {
		if err := s.before(uri); err != nil {
			return err
		}
	}
	// Invariant 20: what is written stays as it is.
	return s.Store.Put(ctx, uri, data, &objstore.PutOptions{IfAbsent: true})
}

func (s *countingStore) Open(ctx context.Context, uri string) (objstore.Object, error) {
	s.reads.Add(1)
	return s.Store.Open(ctx, uri)
}

func (s *countingStore) names(t testing.TB) []string {
	var out []string
	for info, err := range s.List(context.Background(), s.Root()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, info.URI[strings.LastIndex(info.URI, "/")+1:])
	}
	slices.Sort(out)
	return out
}

// newWorld makes an empty table, partitioned by identity of column p if asked.
func newWorld(t testing.TB, version int, partitioned bool, props map[string]string) *world {
	t.Helper()
	w := &world{t: t, store: &countingStore{Store: objstore.NewMemory("mem://w")}, now: time.UnixMilli(1_700_000_000_000), cache: NewCache(0)}
	o := metadata.NewOptions{
		FormatVersion: version, Location: "mem://w/t", Properties: props, Now: w.now,
		Schema: schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
			schema.Field{ID: 2, Name: "p", Type: schema.Double},
			schema.Field{ID: 3, Name: "s", Type: schema.String},
		),
	}
	if partitioned {
		o.Partition = []partition.Field{partition.Identity("p")}
	}
	var err error
	if w.table, err = metadata.New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) options() Options {
	w.uuids++
	return Options{
		Store: w.store, Cache: w.cache, CommitUUID: fmt.Sprintf("uuid%d", w.uuids),
		Clock: func() time.Time { return w.now },
		NewID: func() int64 { w.ids++; return w.ids },
	}
}

// producer prepares a commit.
func (w *world) producer(c Changes, cond Conditions) *Producer {
	return NewProducer(w.options(), c, cond)
}

// try makes one attempt on a base and swaps if its requirements hold on the
// table as it is.
func (w *world) try(p *Producer, base *metadata.Table, branch string) (*metadata.Snapshot, error) {
	w.now = w.now.Add(time.Second)
	a, err := p.Apply(context.Background(), base, branch)
	if err != nil {
		return nil, err
	}
	if err := metadata.Check(a.Requirements, w.table); err != nil {
		return nil, err
	}
	next, err := w.table.Apply(a.Updates, w.now, "")
	if err != nil {
		return nil, err
	}
	w.table = next
	return w.table.Snapshot(a.Snapshot.ID), nil
}

func (w *world) commitIf(c Changes, cond Conditions) (*metadata.Snapshot, error) {
	return w.try(w.producer(c, cond), w.table, "")
}

// commit must succeed.
func (w *world) commit(c Changes) *metadata.Snapshot {
	w.t.Helper()
	s, err := w.commitIf(c, Conditions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// change applies metadata updates that are no snapshots.
func (w *world) change(updates ...metadata.Update) {
	w.t.Helper()
	next, err := w.table.Apply(updates, w.now, "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.table = next
}

func (w *world) entries(s *metadata.Snapshot) []*manifest.Entry {
	w.t.Helper()
	var out []*manifest.Entry
	for e, err := range LiveFiles(context.Background(), w.store, w.table, s, &LiveOptions{Stats: manifest.StatsAll, Cache: w.cache}) {
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// live lists the live files of the current snapshot as "name@seq", sorted.
func (w *world) live() string {
	w.t.Helper()
	var out []string
	for _, e := range w.entries(w.table.Current()) {
		out = append(out, fmt.Sprintf("%s@%d", e.File.Path, e.SequenceNumber))
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

func (w *world) wantLive(want string) {
	w.t.Helper()
	if got := w.live(); got != want {
		w.t.Errorf("live files %q, want %q", got, want)
	}
}

// file returns the live file of a path.
func (w *world) file(path string) *manifest.DataFile {
	w.t.Helper()
	for _, e := range w.entries(w.table.Current()) {
		if e.File.Path == path {
			return e.File
		}
	}
	w.t.Fatalf("%s is not live", path)
	return nil
}

func (w *world) manifests(s *metadata.Snapshot) []*manifest.File {
	w.t.Helper()
	files, err := Manifests(context.Background(), w.store, w.table, s, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}

// all reads every entry of a snapshot's manifests, removed ones too, from the
// store.
func (w *world) all(s *metadata.Snapshot) map[string]*manifest.Entry {
	w.t.Helper()
	out := make(map[string]*manifest.Entry)
	src := newSource(w.store, w.table, nil)
	for _, f := range w.manifests(s) {
		entries, err := src.entries(context.Background(), f, manifest.ReadOptions{KeepDeleted: true})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range entries {
			out[e.File.Path] = e
		}
	}
	return out
}

// wantSummary compares some keys of a summary; "" means absent.
func wantSummary(t testing.TB, s *metadata.Snapshot, want map[string]string) {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if got := s.Summary[k]; got != want[k] {
			t.Errorf("snapshot %d: %s is %q, want %q", s.ID, k, got, want[k])
		}
	}
}

func (w *world) tuple(p float64) partition.Tuple {
	if len(w.table.DefaultSpec().Fields) == 0 {
		return partition.Tuple{}
	}
	return partition.Tuple{p}
}

// data makes a data file of rows rows in the partition p.
func (w *world) data(path string, rows int64, p float64) *manifest.DataFile {
	return &manifest.DataFile{
		Path: path, Format: manifest.FormatParquet, SpecID: w.table.DefaultSpecID, Partition: w.tuple(p),
		RecordCount: rows, FileSize: 100,
	}
}

func (w *world) dv(path, ref string, offset, size, rows int64, p float64) *manifest.DataFile {
	f := w.data(path, rows, p)
	f.Content, f.Format = manifest.ContentPositionDeletes, manifest.FormatPuffin
	f.ReferencedDataFile, f.ContentOffset, f.ContentSize = ref, &offset, &size
	f.FileSize = 1000
	return f
}

func (w *world) positions(path, ref string, rows int64, p float64) *manifest.DataFile {
	f := w.data(path, rows, p)
	f.Content, f.ReferencedDataFile = manifest.ContentPositionDeletes, ref
	return f
}

func (w *world) equality(path string, rows int64, p float64) *manifest.DataFile {
	f := w.data(path, rows, p)
	f.Content, f.EqualityIDs = manifest.ContentEqualityDeletes, []int{1}
	return f
}

func files(f ...*manifest.DataFile) []*manifest.DataFile { return f }

func atoi(t testing.TB, s string) int64 {
	t.Helper()
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
