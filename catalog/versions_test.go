package catalog_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/faultstore"
	"github.com/frazildb/frazil/schema"
)

var orders = catalog.Identifier{Namespace: []string{"shop"}, Name: "orders"}

// fixture is a table of a file catalog in memory behind a store with faults.
type fixture struct {
	t     *testing.T
	store *faultstore.Store
	cat   *catalog.Files
	e     *catalog.Entry
}

// newFixture makes the table with the given number of versions.
func newFixture(t *testing.T, versions int) *fixture {
	t.Helper()
	f := &fixture{t: t, store: faultstore.New(objstore.NewMemory("mem://wh"), nil)}
	f.cat = f.reopen()
	m := newTable(t)
	e, err := f.cat.CreateTable(t.Context(), orders, m)
	if err != nil {
		t.Fatal(err)
	}
	f.e = e
	for i := 1; i < versions; i++ {
		f.commit(f.cat)
	}
	return f
}

func newTable(t testing.TB) *metadata.Table {
	t.Helper()
	m, err := metadata.New(metadata.NewOptions{
		Schema:   schema.MustNew(schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}),
		Location: "mem://to/be/chosen",
	})
	if err != nil {
		t.Fatal(err)
	}
	unplaced := *m
	unplaced.Location = ""
	return &unplaced
}

// reopen returns a catalog that remembers nothing.
func (f *fixture) reopen() *catalog.Files {
	return catalog.NewFiles(f.store, &catalog.FilesOptions{Pause: time.Nanosecond})
}

func (f *fixture) uri(name string) string {
	return objstore.Join(f.store.Root(), "shop/orders/metadata", name)
}

// put replaces a metadata file or the hint.
func (f *fixture) put(name, data string) {
	f.t.Helper()
	if err := f.store.Put(f.t.Context(), f.uri(name), []byte(data), nil); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) delete(name string) {
	f.t.Helper()
	if err := f.store.Delete(f.t.Context(), f.uri(name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) get(name string) []byte {
	f.t.Helper()
	data, err := objstore.ReadAll(f.t.Context(), f.store, f.uri(name), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// setProperty is a commit that holds on every version.
func setProperty(base *catalog.Entry, key string) catalog.Commit {
	return catalog.Commit{
		ID: base.ID, Base: base,
		Requirements: []metadata.Requirement{metadata.AssertUUID{UUID: base.Metadata.UUID}},
		Updates:      []metadata.Update{metadata.SetProperties{Properties: map[string]string{key: "x"}}},
	}
}

// addSnapshot is a commit that holds on its base only.
func addSnapshot(base *catalog.Entry, id int64) catalog.Commit {
	m := base.Metadata
	schemaID := m.CurrentSchemaID
	return catalog.Commit{
		ID: base.ID, Base: base,
		Requirements: []metadata.Requirement{metadata.AssertRefSnapshot{Ref: metadata.MainBranch, SnapshotID: m.CurrentSnapshotID}},
		Updates: []metadata.Update{
			metadata.AddSnapshot{Snapshot: metadata.Snapshot{
				ID: id, ParentID: m.CurrentSnapshotID, SequenceNumber: m.LastSequenceNumber + 1, TimestampMS: m.LastUpdatedMS,
				Operation: metadata.OpAppend, SchemaID: &schemaID, ManifestList: m.Location + "/metadata/snap.avro",
			}},
			metadata.SetRef{Name: metadata.MainBranch, Ref: metadata.Ref{SnapshotID: id, Type: "branch"}},
		},
	}
}

// commit makes the next version through c.
func (f *fixture) commit(c *catalog.Files) {
	f.t.Helper()
	e, err := c.CommitTable(f.t.Context(), setProperty(f.e, fmt.Sprint("k", len(f.e.Metadata.Properties))))
	if err != nil {
		f.t.Fatal(err)
	}
	f.e = e
}

// wantHead checks which version a fresh catalog finds.
func (f *fixture) wantHead(what, name string) {
	f.t.Helper()
	e, err := f.reopen().LoadTable(f.t.Context(), orders)
	if err != nil {
		f.t.Fatalf("%s: %v", what, err)
	}
	if e.MetadataLocation != f.uri(name) {
		f.t.Errorf("%s: the head is %s, want %s", what, e.MetadataLocation, name)
	}
}

// TestHint: whatever the hint says, the head is found, and commits go on.
func TestHint(t *testing.T) {
	hints := map[string]string{
		"right": "30", "stale by 1": "29", "stale by 5": "25", "stale by 29": "1", "ahead": "31", "far ahead": "4000000000",
		"empty": "", "blank": "\n", "newline": "30\n", "garbage": "\x00\xff", "negative": "-1", "zero": "0", "zeros": "030", "plus": "+30",
		"fraction": "30.0", "path": "../../x", "too large": "99999999999999999999999", "long": strings.Repeat("1", 10_000),
	}
	for what, hint := range hints {
		f := newFixture(t, 30)
		f.put("version-hint.text", hint)
		f.wantHead(what, "v30.metadata.json")
		fresh := f.reopen()
		for range 2 {
			f.e, _ = fresh.LoadTable(t.Context(), orders)
			f.commit(fresh)
		}
		f.wantHead(what+", after commits", "v32.metadata.json")
		if got := string(f.get("version-hint.text")); got != "32" {
			t.Errorf("%s: the hint is now %q", what, got)
		}
	}
	f := newFixture(t, 3)
	f.delete("version-hint.text")
	f.wantHead("missing", "v3.metadata.json")
}

// TestOldVersionsDeleted: the hint may name a version that is long gone.
func TestOldVersionsDeleted(t *testing.T) {
	f := newFixture(t, 30)
	for i := 1; i < 20; i++ {
		f.delete(fmt.Sprintf("v%d.metadata.json", i))
	}
	for _, hint := range []string{"1", "19", "20", "25", "30", "31"} {
		f.put("version-hint.text", hint)
		f.wantHead("hint "+hint, "v30.metadata.json")
	}
	f.delete("version-hint.text")
	f.wantHead("no hint", "v30.metadata.json")
	if _, err := f.reopen().CreateTable(t.Context(), orders, newTable(t)); !errors.Is(err, catalog.ErrExists) {
		t.Errorf("create where v1 is free: %v", err)
	}
}

// TestCompressedVersions: versions that another engine wrote compressed.
func TestCompressedVersions(t *testing.T) {
	compress := func(data []byte) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(data)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	f := newFixture(t, 3)
	base := f.e
	f.put("v4.gz.metadata.json", compress(f.get("v3.metadata.json")))
	f.wantHead("v4 compressed", "v4.gz.metadata.json")
	// The base is v3: a commit must not make a second v4.
	f.commit(f.cat)
	f.wantHead("commit on v3", "v5.metadata.json")
	if _, err := f.store.Stat(t.Context(), f.uri("v4.metadata.json")); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("v4 exists twice: %v", err)
	}
	if _, err := f.cat.CommitTable(t.Context(), setProperty(base, "late")); err != nil {
		t.Error(err)
	}
	f.wantHead("commit on v3 again", "v6.metadata.json")

	old := newFixture(t, 1)
	old.put("v2.metadata.json.gz", compress(old.get("v1.metadata.json")))
	old.delete("v1.metadata.json")
	old.delete("version-hint.text")
	old.wantHead("old name", "v2.metadata.json.gz")
}

// TestOvertaken: the base is so old that the version after it was deleted again,
// so the put of the commit meets a free name.
func TestOvertaken(t *testing.T) {
	for _, reuse := range []bool{true, false} {
		f := newFixture(t, 3)
		stale := f.e
		other := f.reopen()
		for range 40 {
			f.commit(other)
		}
		for i := 1; i <= 40; i++ {
			f.delete(fmt.Sprintf("v%d.metadata.json", i))
		}
		c := f.reopen() // knows nothing but the base
		if reuse {
			c = f.cat
		}
		e, err := c.CommitTable(t.Context(), setProperty(stale, "late"))
		if err != nil {
			t.Fatal(err)
		}
		if e.MetadataLocation != f.uri("v44.metadata.json") || len(e.Metadata.Properties) != 43 {
			t.Errorf("committed %s with %d properties", e.MetadataLocation, len(e.Metadata.Properties))
		}
		if _, err := f.store.Stat(t.Context(), f.uri("v4.metadata.json")); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("the stray version is still there: %v", err)
		}
		f.wantHead("overtaken", "v44.metadata.json")
	}
}

// TestOvertakenSnapshot is TestOvertaken for a commit that no longer holds.
func TestOvertakenSnapshot(t *testing.T) {
	f := newFixture(t, 3)
	stale := f.e
	for id := range int64(40) {
		e, err := f.cat.CommitTable(t.Context(), addSnapshot(f.e, id+1))
		if err != nil {
			t.Fatal(err)
		}
		f.e = e
	}
	for i := 1; i <= 40; i++ {
		f.delete(fmt.Sprintf("v%d.metadata.json", i))
	}
	if _, err := f.reopen().CommitTable(t.Context(), addSnapshot(stale, 99)); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("commit: %v", err)
	}
	f.wantHead("overtaken", "v43.metadata.json")
	for info, err := range f.store.ListDir(t.Context(), f.uri("")) {
		if strings.HasSuffix(info.URI, "/v4.metadata.json") || err != nil {
			t.Errorf("stray version: %s, %v", info.URI, err)
		}
	}
}

// pausedAt arms the store so that fn runs when call n begins, once.
func (f *fixture) pausedAt(n int64, fn func()) {
	f.store.Arm(&faultstore.Plan{
		Faults:  []faultstore.Fault{{Call: n, Mode: faultstore.Delay}},
		OnDelay: func(context.Context, faultstore.Call) { f.store.Arm(nil); fn() },
	})
}

// TestPausedCommit: the committer sleeps at each of its calls while others
// commit 50 times, and the old versions are deleted or not. Its commit lands or
// conflicts or is unknown, but what it says is true.
func TestPausedCommit(t *testing.T) {
	for call := int64(1); call <= 5; call++ {
		for _, cleaned := range []bool{false, true} {
			for _, snapshot := range []bool{false, true} {
				what := fmt.Sprintf("call %d, cleaned %v, snapshot %v", call, cleaned, snapshot)
				f := newFixture(t, 3)
				mine := setProperty(f.e, "mine")
				if snapshot {
					mine = addSnapshot(f.e, 99)
				}
				f.pausedAt(call, func() {
					other := f.reopen()
					f.e, _ = other.LoadTable(t.Context(), orders)
					for id := range int64(50) {
						e, err := other.CommitTable(t.Context(), addSnapshot(f.e, id+1))
						if err != nil {
							t.Fatal(err)
						}
						f.e = e
					}
					if cleaned {
						for i := range 50 {
							f.delete(fmt.Sprintf("v%d.metadata.json", i+1))
						}
					}
				})
				_, err := f.cat.CommitTable(t.Context(), mine)
				e, lerr := f.reopen().LoadTable(t.Context(), orders)
				if lerr != nil {
					t.Fatalf("%s: %v", what, lerr)
				}
				there := e.Metadata.Properties["mine"] != "" || e.Metadata.Snapshot(99) != nil
				switch {
				case err == nil && !there:
					t.Errorf("%s: acknowledged and lost", what)
				case err != nil && !errors.Is(err, catalog.ErrUnknownOutcome) && there:
					t.Errorf("%s: committed, but the error is %v", what, err)
				case errors.Is(err, catalog.ErrUnknownOutcome) && !cleaned:
					t.Errorf("%s: %v", what, err)
				}
				if n := len(e.Metadata.Snapshots); n < 50 {
					t.Errorf("%s: %d of the others' 50 snapshots", what, n)
				}
				t.Logf("%s: %v, in the table: %v", what, err, there)
			}
		}
	}
}

// TestDroppedUnderCommit: the table vanishes, or is made anew, while a commit is
// at each of its calls.
func TestDroppedUnderCommit(t *testing.T) {
	for call := int64(1); call <= 5; call++ {
		for _, again := range []bool{false, true} {
			what := fmt.Sprintf("call %d, made again %v", call, again)
			f := newFixture(t, 1)
			uuid := f.e.Metadata.UUID
			f.pausedAt(call, func() {
				other := f.reopen()
				if err := other.DropTable(t.Context(), orders, true); err != nil {
					t.Fatalf("%s: drop: %v", what, err)
				}
				if again {
					if _, err := other.CreateTable(t.Context(), orders, newTable(t)); err != nil {
						t.Fatalf("%s: create: %v", what, err)
					}
				}
			})
			_, err := f.cat.CommitTable(t.Context(), setProperty(f.e, "mine"))
			// From the fourth call on the commit was complete before the drop.
			if done := call >= 4; done != (err == nil) || errors.Is(err, catalog.ErrUnknownOutcome) {
				t.Errorf("%s: %v", what, err)
			}
			e, err := f.reopen().LoadTable(t.Context(), orders)
			switch {
			case again && (err != nil || e.Metadata.UUID == uuid || e.Metadata.Properties["mine"] != ""):
				t.Errorf("%s: the new table: %v", what, err)
			case !again && !errors.Is(err, catalog.ErrNotFound):
				t.Errorf("%s: the dropped table: %v", what, err)
			}
		}
	}
}

// TestCommittedUnderDrop: a commit comes between the calls of a drop. Either the
// drop fails and the table is whole, or the commit fails.
func TestCommittedUnderDrop(t *testing.T) {
	probe := newFixture(t, 3)
	probe.store.Arm(nil)
	if err := probe.cat.DropTable(t.Context(), orders, true); err != nil {
		t.Fatal(err)
	}
	calls := probe.store.Calls()
	seen := map[string]int{}
	for call := int64(1); call <= calls; call++ {
		f := newFixture(t, 3)
		data := objstore.Join(f.e.Metadata.Location, "data/a.parquet")
		if err := f.store.Put(t.Context(), data, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		var committed error
		f.pausedAt(call, func() {
			_, committed = f.reopen().CommitTable(t.Context(), setProperty(f.e, "mine"))
		})
		dropped := f.cat.DropTable(t.Context(), orders, true)
		e, err := f.reopen().LoadTable(t.Context(), orders)
		switch {
		case dropped == nil && !errors.Is(err, catalog.ErrNotFound):
			t.Errorf("call %d: dropped, but it loads: %v", call, err)
		case dropped != nil && committed == nil:
			if err != nil || e.Metadata.Properties["mine"] == "" {
				t.Errorf("call %d: committed, drop %v, load %v", call, dropped, err)
			}
			if _, err := f.store.Stat(t.Context(), data); err != nil {
				t.Errorf("call %d: the drop failed, but the data is gone: %v", call, err)
			}
		}
		seen[fmt.Sprintf("dropped %v, committed %v", dropped == nil, committed == nil)]++
	}
	t.Logf("%d calls: %v", calls, seen)
}

// notDurable is a store whose conditional puts happen but may not last.
type notDurable struct{ objstore.Store }

func (s notDurable) Put(ctx context.Context, uri string, data []byte, opts *objstore.PutOptions) error {
	if err := s.Store.Put(ctx, uri, data, opts); err != nil || opts == nil || !opts.IfAbsent {
		return err
	}
	return fmt.Errorf("%w: %w", objstore.ErrUnknownOutcome, objstore.ErrNotDurable)
}

// TestNotDurable: a commit that is visible but not known to be on the medium is
// not called committed.
func TestNotDurable(t *testing.T) {
	f := newFixture(t, 1)
	c := catalog.NewFiles(notDurable{f.store}, &catalog.FilesOptions{Pause: time.Nanosecond})
	if _, err := c.CommitTable(t.Context(), setProperty(f.e, "k")); !errors.Is(err, catalog.ErrUnknownOutcome) {
		t.Errorf("commit: %v", err)
	}
}

// TestStaysInPlace: what would move a table or its metadata is refused.
func TestStaysInPlace(t *testing.T) {
	f := newFixture(t, 1)
	for _, u := range []metadata.Update{
		metadata.SetLocation{Location: "mem://wh/shop/elsewhere"},
		metadata.SetLocation{Location: "file:///etc"},
		metadata.SetProperties{Properties: map[string]string{"write.metadata.path": "mem://wh/x"}},
	} {
		c := catalog.Commit{ID: orders, Base: f.e, Updates: []metadata.Update{u}}
		if _, err := f.cat.CommitTable(t.Context(), c); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%#v: %v", u, err)
		}
	}
	for _, loc := range []string{"mem://wh", "mem://wh/shop", "mem://wh/shop/new/..", "mem://wh/shop/new2", "file:///etc"} {
		m := newTable(t)
		m.Location = loc
		if _, err := f.cat.CreateTable(t.Context(), catalog.Identifier{Namespace: []string{"shop"}, Name: "new"}, m); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("created at %s: %v", loc, err)
		}
	}
	f.wantHead("after refusals", "v1.metadata.json")
	m := newTable(t)
	m.Location = "mem://wh/shop/new/"
	if _, err := f.cat.CreateTable(t.Context(), catalog.Identifier{Namespace: []string{"shop"}, Name: "new"}, m); err != nil {
		t.Error(err)
	}
	// No table within a table, no namespace where a table is, and the reverse.
	for _, id := range []catalog.Identifier{
		{Namespace: []string{"shop", "orders"}, Name: "inner"},
		{Namespace: []string{"shop", "orders", "deep"}, Name: "inner"},
		{Name: "shop"},
		{Namespace: []string{"shop", "orders"}, Name: "metadata"},
	} {
		if _, err := f.cat.CreateTable(t.Context(), id, newTable(t)); err == nil {
			t.Errorf("created %s", id)
		}
	}
	if err := f.cat.CreateNamespace(t.Context(), []string{"shop", "orders"}, nil); err == nil {
		t.Error("created the namespace shop.orders")
	}
}

// TestPurgeStaysInPlace: a table that was registered, or whose metadata lies
// about its location, cannot have anything else deleted.
func TestPurgeStaysInPlace(t *testing.T) {
	for _, location := range []string{"mem://wh", "mem://wh/shop", "mem://wh/shop/orders", "mem://elsewhere", "file:///"} {
		f := newFixture(t, 2)
		text := bytes.Replace(f.get("v2.metadata.json"), []byte(`"mem://wh/shop/orders"`), fmt.Appendf(nil, "%q", location), 1)
		for _, uri := range []string{"mem://wh/in/hostile.metadata.json", "mem://wh/shop/hostile/metadata/v1.metadata.json"} {
			if err := f.store.Put(t.Context(), uri, text, nil); err != nil {
				t.Fatal(err)
			}
		}
		id := catalog.Identifier{Namespace: []string{"shop"}, Name: "hostile"}
		other := catalog.Identifier{Namespace: []string{"shop"}, Name: "registered"}
		if _, err := f.cat.RegisterTable(t.Context(), other, "mem://wh/in/hostile.metadata.json"); !errors.Is(err, objstore.ErrOutside) {
			t.Errorf("%s: registered: %v", location, err)
		}
		f.store.Arm(nil)
		if err := f.cat.DropTable(t.Context(), id, true); err != nil {
			t.Fatal(err)
		}
		for _, c := range f.store.Log() {
			if c.Op == faultstore.OpDelete && !strings.HasPrefix(c.URI, "mem://wh/shop/hostile/") {
				t.Errorf("%s: deleted %s", location, c.URI)
			}
		}
		f.wantHead("neighbour", "v2.metadata.json")
	}
}

func TestPurgeRefused(t *testing.T) {
	f := newFixture(t, 1)
	c := catalog.Commit{ID: orders, Updates: []metadata.Update{metadata.SetProperties{Properties: map[string]string{"gc.enabled": "false"}}}}
	if _, err := f.cat.CommitTable(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := f.cat.DropTable(t.Context(), orders, true); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("purge with gc.enabled false: %v", err)
	}
	f.put("v3.metadata.json", "not json")
	if err := f.cat.DropTable(t.Context(), orders, true); err == nil || errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("purge of an unreadable table: %v", err)
	}
	if err := f.cat.DropTable(t.Context(), orders, false); err != nil {
		t.Error(err)
	}
}

// TestInterruptedDrop: a drop that stops after any call leaves the table as it
// was or gone, and can be finished.
func TestInterruptedDrop(t *testing.T) {
	for call := int64(1); ; call++ {
		f := newFixture(t, 3)
		head := f.e.MetadataLocation
		f.store.Arm(&faultstore.Plan{Faults: []faultstore.Fault{{Call: call, Mode: faultstore.CrashAfter}}})
		err := f.cat.DropTable(t.Context(), orders, true)
		f.store.Arm(nil)
		e, lerr := f.reopen().LoadTable(t.Context(), orders)
		if !errors.Is(lerr, catalog.ErrNotFound) && (lerr != nil || e.MetadataLocation != head) {
			t.Errorf("call %d: %v", call, lerr)
		}
		if err == nil {
			break
		}
		if lerr == nil {
			if err := f.reopen().DropTable(t.Context(), orders, true); err != nil {
				t.Errorf("call %d: dropped again: %v", call, err)
			}
		}
	}
}

// TestUnparsableHead: a head that cannot be read is an error, never an older
// version.
func TestUnparsableHead(t *testing.T) {
	f := newFixture(t, 3)
	f.put("v4.metadata.json", `{"format-version": 2`)
	if _, err := f.cat.LoadTable(t.Context(), orders); err == nil || errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("load: %v", err)
	}
	if _, err := f.cat.CommitTable(t.Context(), setProperty(f.e, "k")); err == nil {
		t.Error("committed on an older version")
	}
	if _, err := f.store.Stat(t.Context(), f.uri("v5.metadata.json")); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("v5: %v", err)
	}
}

// TestStamp: a version ends in blanks that differ between equal commits.
func TestStamp(t *testing.T) {
	f := newFixture(t, 1)
	a := f.get("v1.metadata.json")
	if err := f.cat.DropTable(t.Context(), orders, true); err != nil {
		t.Fatal(err)
	}
	same := *f.e.Metadata
	if _, err := f.cat.CreateTable(t.Context(), orders, &same); err != nil {
		t.Fatal(err)
	}
	b := f.get("v1.metadata.json")
	if !bytes.Equal(bytes.TrimSpace(a), bytes.TrimSpace(b)) || bytes.Equal(a, b) {
		t.Error("two equal tables: the texts differ, or the stamps do not")
	}
	if i := bytes.LastIndexByte(a, '}'); len(a)-i-1 != 65 || slices.ContainsFunc(a[i+1:], func(c byte) bool { return c != ' ' && c != '\t' && c != '\n' }) {
		t.Errorf("the tail is %q", a[i+1:])
	}
}
