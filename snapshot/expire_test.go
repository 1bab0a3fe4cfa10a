package snapshot

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
)

// TestExpire reads a table of snapshots in a small language: "1:0 2:1 …" are
// snapshot ids with their parents, each a day younger than the one before, now
// being the day of the last.
func TestExpire(t *testing.T) {
	day := 24 * time.Hour
	branch := func(id int64) metadata.Ref { return metadata.Ref{SnapshotID: id, Type: "branch"} }
	tag := func(id int64) metadata.Ref { return metadata.Ref{SnapshotID: id, Type: "tag"} }
	for _, c := range []struct {
		name      string
		snapshots string
		refs      map[string]metadata.Ref
		props     map[string]string
		policy    ExpirePolicy
		ids       []int64
		dropped   []string
	}{
		{name: "five days", snapshots: "1:0 2:1 3:2 4:3 5:4 6:5 7:6 8:7", refs: map[string]metadata.Ref{"main": branch(8)}, ids: []int64{1, 2}},
		{
			name: "age and count", snapshots: "1:0 2:1 3:2 4:3 5:4 6:5 7:6 8:7", refs: map[string]metadata.Ref{"main": branch(8)},
			props: map[string]string{"history.expire.min-snapshots-to-keep": "7"}, ids: []int64{1},
		},
		{name: "keep last", snapshots: "1:0 2:1 3:2 4:3", refs: map[string]metadata.Ref{"main": branch(4)}, policy: ExpirePolicy{KeepLast: 2, OnlyCount: true}, ids: []int64{1, 2}},
		{name: "young ones stay", snapshots: "1:0 2:1 3:2 4:3", refs: map[string]metadata.Ref{"main": branch(4)}, policy: ExpirePolicy{KeepLast: 2}},
		{name: "head stays", snapshots: "1:0 2:1", refs: map[string]metadata.Ref{"main": branch(1)}, policy: ExpirePolicy{OlderThan: time.UnixMilli(0).Add(100 * day)}, ids: []int64{2}},
		{name: "unreferenced", snapshots: "1:0 2:1 3:2 4:1 5:4 6:5 7:6 8:7 9:8", refs: map[string]metadata.Ref{"main": branch(9)}, ids: []int64{1, 2, 3}},
		{name: "young unreferenced", snapshots: "1:0 2:1 3:1", refs: map[string]metadata.Ref{"main": branch(3)}},
		{
			name: "tags and branches", snapshots: "1:0 2:1 3:2 4:3 5:3 6:5", policy: ExpirePolicy{OlderThan: time.UnixMilli(0).Add(100 * day)},
			refs: map[string]metadata.Ref{"main": branch(6), "t": tag(2), "b": branch(4)}, ids: []int64{1, 3, 5},
		},
		{
			name: "branch's own rules", snapshots: "1:0 2:1 3:2 4:1 5:4 6:5", policy: ExpirePolicy{OlderThan: time.UnixMilli(0).Add(100 * day)},
			refs: map[string]metadata.Ref{
				"main": branch(6), "b": {SnapshotID: 3, Type: "branch", MinSnapshotsToKeep: ptr(2)},
			}, ids: []int64{1, 4, 5},
		},
		{
			name: "main has no age", snapshots: "1:0 2:1 3:2", policy: ExpirePolicy{OlderThan: time.UnixMilli(0).Add(100 * day)},
			refs: map[string]metadata.Ref{"main": {SnapshotID: 2, Type: "branch", MaxRefAgeMS: ptr(int64(1))}}, ids: []int64{1, 3},
		},
		{
			name: "ref ages", snapshots: "1:0 2:1 3:2 4:3", policy: ExpirePolicy{OlderThan: time.UnixMilli(0).Add(100 * day)},
			refs: map[string]metadata.Ref{
				"main": {SnapshotID: 4, Type: "branch", MaxRefAgeMS: ptr(int64(1))},
				"old":  {SnapshotID: 1, Type: "tag", MaxRefAgeMS: ptr(2 * day.Milliseconds())}, "new": {SnapshotID: 3, Type: "tag", MaxRefAgeMS: ptr(2 * day.Milliseconds())},
			}, ids: []int64{1, 2}, dropped: []string{"old"},
		},
		{
			name: "ref age by property", snapshots: "1:0 2:1 3:2", refs: map[string]metadata.Ref{"main": branch(3), "t": tag(1)},
			props: map[string]string{"history.expire.max-ref-age-ms": "1000"}, policy: ExpirePolicy{KeepLast: 1, OnlyCount: true}, ids: []int64{1, 2}, dropped: []string{"t"},
		},
		{name: "by id", snapshots: "1:0 2:1 3:2", refs: map[string]metadata.Ref{"main": branch(3)}, policy: ExpirePolicy{IDs: []int64{2}}, ids: []int64{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 2, false, c.props)
			tab := *w.table
			tab.Refs = c.refs
			var last time.Time
			for _, f := range strings.Fields(c.snapshots) {
				var s metadata.Snapshot
				var parent int64
				if _, err := fmt.Sscanf(f, "%d:%d", &s.ID, &parent); err != nil {
					t.Fatal(err)
				}
				if parent != 0 {
					s.ParentID = &parent
				}
				last = time.UnixMilli(0).Add(time.Duration(s.ID) * day)
				s.TimestampMS = last.UnixMilli()
				tab.Snapshots = append(tab.Snapshots, s)
			}
			tab = *rebuilt(t, &tab)
			ids, dropped, err := Expire(&tab, c.policy, last)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(ids, c.ids) || !reflect.DeepEqual(dropped, c.dropped) {
				t.Errorf("ids %v refs %v, want %v %v", ids, dropped, c.ids, c.dropped)
			}
		})
	}
}

// rebuilt passes a hand-made table through JSON, so that its look-ups work.
func rebuilt(t *testing.T, tab *metadata.Table) *metadata.Table {
	for i := range tab.Snapshots {
		s := &tab.Snapshots[i]
		s.SequenceNumber, s.ManifestList, s.Operation, s.Summary = int64(i+1), fmt.Sprint("l", i), "append", map[string]string{}
		tab.LastSequenceNumber = s.SequenceNumber
		tab.LastUpdatedMS = max(tab.LastUpdatedMS, s.TimestampMS)
	}
	if main, ok := tab.Refs["main"]; ok {
		tab.CurrentSnapshotID = &main.SnapshotID
	}
	data, err := tab.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	out, err := metadata.Parse(data, "x")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestExpireRefuses(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	s1 := w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	s2 := w.commit(Changes{AddData: files(w.data("b", 1, 0))})
	w.change(metadata.SetRef{Name: "t", Ref: metadata.Ref{SnapshotID: s1.ID, Type: "tag"}})
	for _, id := range []int64{s1.ID, s2.ID} {
		if _, _, err := Expire(w.table, ExpirePolicy{IDs: []int64{id}}, w.now); !errors.Is(err, ErrInvalid) {
			t.Errorf("snapshot %d of a ref: %v", id, err)
		}
	}
	w.change(metadata.SetProperties{Properties: map[string]string{"gc.enabled": "false"}})
	if _, _, err := Expire(w.table, ExpirePolicy{}, w.now); err == nil {
		t.Error("gc.enabled is ignored")
	}
}

func (w *world) expire(ids ...int64) *Unreachable {
	w.t.Helper()
	before := w.table
	w.change(metadata.RemoveSnapshots{IDs: ids})
	u, err := FindUnreachable(context.Background(), w.store, before, w.table, &LiveOptions{Cache: w.cache})
	if err != nil {
		w.t.Fatal(err)
	}
	// Read without what the process remembers, too.
	again, err := FindUnreachable(context.Background(), w.store, before, w.table, nil)
	if err != nil || !reflect.DeepEqual(u, again) {
		w.t.Errorf("with cache %+v, without %+v %v", u, again, err)
	}
	return u
}

func TestFindUnreachable(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	s1 := w.commit(Changes{AddData: files(w.data("a", 1, 0), w.data("b", 1, 0))})
	s2 := w.commit(Changes{RemoveData: files(w.file("a")), AddDeletes: files(w.positions("p", "b", 1, 0))})
	s3 := w.commit(Changes{RemoveAll: true, AddData: files(w.data("c", 1, 0))})
	u := w.expire(s1.ID)
	if !reflect.DeepEqual(u.DataFiles, []string{"a"}) || len(u.DeleteFiles) != 0 || len(u.Manifests) != 1 || !reflect.DeepEqual(u.ManifestLists, []string{s1.ManifestList}) {
		t.Errorf("%+v", u)
	}
	u = w.expire(s2.ID)
	if !reflect.DeepEqual(u.DataFiles, []string{"b"}) || !reflect.DeepEqual(u.DeleteFiles, []string{"p"}) || len(u.ManifestLists) != 1 {
		t.Errorf("%+v", u)
	}
	// What is left is exactly what the last snapshot needs.
	need := []string{s3.ManifestList}
	for _, f := range w.manifests(s3) {
		need = append(need, f.Path)
	}
	for _, m := range u.Manifests {
		if slices.Contains(need, m) {
			t.Errorf("%s is needed", m)
		}
	}
	if u = w.expire(); !reflect.DeepEqual(u, &Unreachable{}) {
		t.Errorf("nothing removed: %+v", u)
	}
}

// A snapshot on another branch keeps its files.
func TestUnreachableKeepsBranches(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	s1 := w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	w.change(metadata.SetRef{Name: "b", Ref: metadata.Ref{SnapshotID: s1.ID, Type: "branch"}})
	s2 := w.commit(Changes{RemoveData: files(w.file("a"))})
	w.commit(Changes{AddData: files(w.data("c", 1, 0))})
	if u := w.expire(s2.ID); len(u.DataFiles) != 0 {
		t.Errorf("%+v", u)
	}
}

// Invariant 19: a Puffin file goes only when no deletion vector in it is live.
func TestInvariant19SharedPuffin(t *testing.T) {
	w := newWorld(t, 3, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 10, 0), w.data("b", 10, 0))})
	s2 := w.commit(Changes{AddDeletes: files(w.dv("p1", "a", 4, 40, 1, 0), w.dv("p1", "b", 44, 40, 1, 0))})
	replace := func(ref, path string) *metadata.Snapshot {
		var old *manifest.DataFile
		for _, e := range w.entries(w.table.Current()) {
			if e.File.ReferencedDataFile == ref {
				old = e.File
			}
		}
		return w.commit(Changes{RemoveDeletes: files(old), AddDeletes: files(w.dv(path, ref, 4, 50, 2, 0))})
	}
	s3 := replace("a", "p2")
	s4 := replace("b", "p3")
	w.commit(Changes{})
	if u := w.expire(s2.ID); len(u.DeleteFiles) != 0 {
		t.Errorf("p1 still holds the vector of b: %+v", u)
	}
	if u := w.expire(s3.ID, s4.ID); !reflect.DeepEqual(u.DeleteFiles, []string{"p1"}) {
		t.Errorf("%+v", u)
	}
}

func TestUnreachableStatistics(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	s1 := w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	s2 := w.commit(Changes{AddData: files(w.data("b", 1, 0))})
	stat := func(id int64, path string) metadata.Update {
		return metadata.SetStatistics{Statistics: metadata.Statistics{SnapshotID: id, Path: path}}
	}
	w.change(stat(s1.ID, "s1"), stat(s2.ID, "s2"))
	if u := w.expire(s1.ID); !reflect.DeepEqual(u.Statistics, []string{"s1"}) {
		t.Errorf("%+v", u)
	}
}
