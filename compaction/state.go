package compaction

import (
	"context"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// State is what a snapshot's manifests say: all that Choose decides from.
type State struct {
	Metadata *metadata.Table
	// Snapshot is nil for an empty table.
	Snapshot *metadata.Snapshot
	// Files are the live data files with the deletes that apply to each.
	Files []scan.FileTask
	// Deletes are the live delete files.
	Deletes []*manifest.Entry

	index *snapshot.DeleteIndex
}

// Load reads the state of a branch as of the table's last refresh or commit.
func Load(ctx context.Context, t *table.Table, branch string) (*State, error) {
	e := t.Entry()
	return load(ctx, t, e, e.Metadata.RefSnapshot(branch))
}

// load also reads the statistics of the columns named.
func load(ctx context.Context, t *table.Table, e *catalog.Entry, snap *metadata.Snapshot, columns ...int) (*State, error) {
	return loadWith(ctx, t.Cache(), e, snap, columns...)
}

func loadWith(ctx context.Context, cache *snapshot.Cache, e *catalog.Entry, snap *metadata.Snapshot, columns ...int) (*State, error) {
	s := &State{Metadata: e.Metadata, Snapshot: snap}
	if snap == nil {
		return s, nil
	}
	keys := map[int]bool{}
	opts := &snapshot.LiveOptions{NoData: true, Stats: manifest.StatsAll, Cache: cache}
	for d, err := range snapshot.LiveFiles(ctx, e.Store, e.Metadata, snap, opts) {
		if err != nil {
			return nil, err
		}
		s.Deletes = append(s.Deletes, d)
		for _, id := range d.File.EqualityIDs {
			keys[id] = true
		}
	}
	for _, id := range columns {
		keys[id] = true
	}
	for _, id := range floats(e.Metadata.CurrentSchema()) {
		keys[id] = true // whether there are NaN decides what can be copied
	}
	opts = &snapshot.LiveOptions{NoDeletes: true, Cache: cache}
	for id := range keys {
		opts.Stats, opts.StatsFields = manifest.StatsAll, append(opts.StatsFields, id)
	}
	var data []*manifest.Entry
	for d, err := range snapshot.LiveFiles(ctx, e.Store, e.Metadata, snap, opts) {
		if err != nil {
			return nil, err
		}
		data = append(data, d)
	}
	return s, s.attach(data)
}

// NewState makes a state of live entries, data and delete files in any order.
func NewState(m *metadata.Table, snap *metadata.Snapshot, entries []*manifest.Entry) (*State, error) {
	s := &State{Metadata: m, Snapshot: snap}
	var data []*manifest.Entry
	for _, e := range entries {
		if e.File.Content == manifest.ContentData {
			data = append(data, e)
		} else {
			s.Deletes = append(s.Deletes, e)
		}
	}
	return s, s.attach(data)
}

// attach finds the deletes of each data file.
func (s *State) attach(data []*manifest.Entry) error {
	var err error
	s.index, err = snapshot.BuildDeleteIndex(s.Metadata, func(yield func(*manifest.Entry, error) bool) {
		for _, e := range s.Deletes {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	s.Files = make([]scan.FileTask, len(data))
	for i, e := range data {
		d, err := s.index.For(e)
		if err != nil {
			return err
		}
		s.Files[i] = scan.FileTask{Data: e, DV: d.DV, Positions: d.Positions, Equality: d.Equality}
	}
	return nil
}

// Totals sums the state up.
func (s *State) Totals() Totals {
	t := Totals{DataFiles: len(s.Files), DeleteFiles: len(s.Deletes)}
	for i := range s.Files {
		f := s.Files[i].Data.File
		t.Rows += f.RecordCount
		t.Bytes += f.FileSize
	}
	for _, e := range s.Deletes {
		f := e.File
		if f.IsDV() {
			t.DVs++
			if f.ContentSize != nil {
				t.DeleteBytes += *f.ContentSize
			}
		} else {
			t.DeleteBytes += f.FileSize
		}
		if f.Content == manifest.ContentEqualityDeletes {
			t.EqualityFiles++
			t.EqualityDeletes += f.RecordCount
		} else {
			t.PositionDeletes += f.RecordCount
		}
	}
	return t
}

// fileID identifies a delete file: several deletion vectors share a path.
type fileID struct {
	path   string
	offset int64
}

func idOf(f *manifest.DataFile) fileID {
	id := fileID{path: f.Path}
	if f.ContentOffset != nil {
		id.offset = *f.ContentOffset
	}
	return id
}

// floats returns the ids of the columns that may hold NaN.
func floats(s *schema.Schema) (ids []int) {
	var walk func(fields []schema.Field)
	walk = func(fields []schema.Field) {
		for i := range fields {
			switch f := &fields[i]; f.Type.Kind {
			case schema.KindFloat, schema.KindDouble:
				ids = append(ids, f.ID)
			case schema.KindStruct:
				walk(f.Type.Fields)
			}
		}
	}
	walk(s.Fields)
	return ids
}
