// Package catalogtest is the conformance suite of catalog.Catalog.
package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/schema"
)

// Open makes an empty catalog whose tables live in store, which the suite
// closes.
type Open func(t *testing.T, store objstore.Store) catalog.Catalog

// Suite is what to run the suite on.
type Suite struct {
	// Open makes the catalog of each test.
	Open Open
	// Reopen, when not nil, opens a second catalog over the tables of the first,
	// as another process would. With nil the first one goes on after a fault.
	Reopen Open
	// NewStore makes an empty store; nil is one in memory.
	NewStore func(t *testing.T) objstore.Store
}

// Run checks the catalogs that open makes over stores in memory. Renaming may be
// errors.ErrUnsupported.
func Run(t *testing.T, open Open) { Suite{Open: open}.Run(t) }

// store makes a store for one test.
func (s Suite) store(t *testing.T) objstore.Store {
	if s.NewStore != nil {
		return s.NewStore(t)
	}
	return objstore.NewMemory("mem://catalogtest/warehouse")
}

// Run runs the whole suite.
func (s Suite) Run(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, c catalog.Catalog)
	}{
		{"Create", testCreate},
		{"Commit", testCommit},
		{"CommitStaleBase", testCommitStaleBase},
		{"CommitMissing", testCommitMissing},
		{"Drop", testDrop},
		{"DropNoPurge", testDropNoPurge},
		{"Rename", testRename},
		{"Register", testRegister},
		{"ListTables", testListTables},
		{"Namespaces", testNamespaces},
		{"Names", testNames},
		{"Cancelled", testCancelled},
		{"ConcurrentCreate", testConcurrentCreate},
		{"ConcurrentProperties", testConcurrentProperties},
		{"ConcurrentSnapshots", testConcurrentSnapshots},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := s.store(t)
			defer store.Close()
			c.run(t, s.Open(t, store))
		})
	}
	t.Run("Faults", s.Faults)
}

// orders is the table most tests use.
var orders = catalog.Identifier{Namespace: []string{"shop"}, Name: "orders"}

// newTable returns the metadata of a table to create.
func newTable(t *testing.T) *metadata.Table {
	t.Helper()
	m, err := metadata.New(metadata.NewOptions{
		Schema: schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
			schema.Field{ID: 2, Name: "status", Type: schema.String}),
		Location:   "mem://to/be/chosen",
		Properties: map[string]string{"owner": "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	unplaced := *m
	unplaced.Location = ""
	return &unplaced
}

func create(t *testing.T, c catalog.Catalog, id catalog.Identifier) *catalog.Entry {
	t.Helper()
	e, err := c.CreateTable(t.Context(), id, newTable(t))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func load(t *testing.T, c catalog.Catalog, id catalog.Identifier) *catalog.Entry {
	t.Helper()
	e, err := c.LoadTable(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// setProperty is a commit that holds on any version of the table.
func setProperty(e *catalog.Entry, key, value string) catalog.Commit {
	return catalog.Commit{
		ID: e.ID, Base: e,
		Requirements: []metadata.Requirement{metadata.AssertUUID{UUID: e.Metadata.UUID}},
		Updates:      []metadata.Update{metadata.SetProperties{Properties: map[string]string{key: value}}},
	}
}

// addSnapshot is a commit that holds only while main is where it was in e.
func addSnapshot(e *catalog.Entry, id int64) catalog.Commit {
	m := e.Metadata
	schemaID := m.CurrentSchemaID
	s := metadata.Snapshot{
		ID: id, ParentID: m.CurrentSnapshotID, SequenceNumber: m.LastSequenceNumber + 1,
		TimestampMS: m.LastUpdatedMS, Operation: metadata.OpAppend, SchemaID: &schemaID,
		ManifestList: objstore.Join(m.Location, "metadata", fmt.Sprintf("snap-%d.avro", id)),
		Summary:      map[string]string{"added-records": "1"},
	}
	return catalog.Commit{
		ID: e.ID, Base: e,
		Requirements: []metadata.Requirement{
			metadata.AssertUUID{UUID: m.UUID},
			metadata.AssertRefSnapshot{Ref: metadata.MainBranch, SnapshotID: m.CurrentSnapshotID},
		},
		Updates: []metadata.Update{
			metadata.AddSnapshot{Snapshot: s},
			metadata.SetRef{Name: metadata.MainBranch, Ref: metadata.Ref{SnapshotID: id, Type: "branch"}},
		},
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func testCreate(t *testing.T, c catalog.Catalog) {
	_, err := c.LoadTable(t.Context(), orders)
	wantError(t, err, catalog.ErrNotFound)
	e := create(t, c, orders)
	if e.Metadata.Location == "" || e.MetadataLocation == "" || e.Store == nil || e.ID.String() != orders.String() {
		t.Errorf("entry %+v", e)
	}
	if !objstore.Under(e.Store.Root(), e.Metadata.Location) {
		t.Errorf("location %s is not in the store", e.Metadata.Location)
	}
	got := load(t, c, orders)
	if got.Metadata.UUID != e.Metadata.UUID || got.MetadataLocation != e.MetadataLocation || got.Metadata.Location != e.Metadata.Location {
		t.Errorf("loaded %s at %s, created %s at %s", got.Metadata.UUID, got.MetadataLocation, e.Metadata.UUID, e.MetadataLocation)
	}
	if got.Metadata.Properties["owner"] != "test" || !got.Metadata.CurrentSchema().Equal(e.Metadata.CurrentSchema()) {
		t.Errorf("loaded metadata differs: %+v", got.Metadata)
	}
	if _, err := e.Store.Stat(t.Context(), e.MetadataLocation); err != nil {
		t.Errorf("metadata file: %v", err)
	}
	_, err = c.CreateTable(t.Context(), orders, newTable(t))
	wantError(t, err, catalog.ErrExists)
	create(t, c, catalog.Identifier{Namespace: []string{"shop", "eu"}, Name: "orders"})
}

func testCommit(t *testing.T, c catalog.Catalog) {
	e := create(t, c, orders)
	for i := range 12 {
		commit := setProperty(e, "n", fmt.Sprint(i))
		if i%3 == 1 {
			commit.Base = nil
		}
		if i%3 == 2 {
			commit = addSnapshot(e, int64(i))
		}
		next, err := c.CommitTable(t.Context(), commit)
		if err != nil {
			t.Fatal(err)
		}
		if next.MetadataLocation == e.MetadataLocation {
			t.Fatal("a commit left the metadata where it was")
		}
		got := load(t, c, orders)
		if got.MetadataLocation != next.MetadataLocation || got.Metadata.LastUpdatedMS != next.Metadata.LastUpdatedMS {
			t.Fatalf("loaded %s, committed %s", got.MetadataLocation, next.MetadataLocation)
		}
		e = next
	}
	if e.Metadata.Properties["n"] != "10" || len(e.Metadata.Snapshots) != 4 || len(e.Metadata.MetadataLog) != 12 {
		t.Errorf("%v, %d snapshots, %d log entries", e.Metadata.Properties, len(e.Metadata.Snapshots), len(e.Metadata.MetadataLog))
	}
}

// testCommitStaleBase: requirements, not the base, decide.
func testCommitStaleBase(t *testing.T, c catalog.Catalog) {
	old := create(t, c, orders)
	if _, err := c.CommitTable(t.Context(), addSnapshot(old, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CommitTable(t.Context(), setProperty(old, "k", "v")); err != nil {
		t.Fatalf("a commit whose requirements hold: %v", err)
	}
	_, err := c.CommitTable(t.Context(), addSnapshot(old, 2))
	wantError(t, err, catalog.ErrConflict)
	wrong := setProperty(old, "k", "w")
	wrong.Requirements = []metadata.Requirement{metadata.AssertUUID{UUID: "00000000-0000-4000-8000-000000000000"}}
	_, err = c.CommitTable(t.Context(), wrong)
	wantError(t, err, catalog.ErrConflict)
	got := load(t, c, orders)
	if got.Metadata.Properties["k"] != "v" || len(got.Metadata.Snapshots) != 1 || len(got.Metadata.MetadataLog) != 2 {
		t.Errorf("%v, %d snapshots, %d log entries", got.Metadata.Properties, len(got.Metadata.Snapshots), len(got.Metadata.MetadataLog))
	}
}

func testCommitMissing(t *testing.T, c catalog.Catalog) {
	_, err := c.CommitTable(t.Context(), catalog.Commit{ID: orders})
	wantError(t, err, catalog.ErrNotFound)
	// A base of a table that was dropped and made again is not the new one's.
	old := create(t, c, orders)
	if err := c.DropTable(t.Context(), orders, true); err != nil {
		t.Fatal(err)
	}
	_, err = c.CommitTable(t.Context(), setProperty(old, "k", "v"))
	wantError(t, err, catalog.ErrNotFound)
	again := create(t, c, orders)
	_, err = c.CommitTable(t.Context(), setProperty(old, "k", "v"))
	wantError(t, err, catalog.ErrConflict)
	if got := load(t, c, orders); got.Metadata.UUID != again.Metadata.UUID || got.Metadata.Properties["k"] != "" {
		t.Errorf("the old table's commit reached the new one: %+v", got.Metadata)
	}
}

func testDrop(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	wantError(t, c.DropTable(ctx, orders, false), catalog.ErrNotFound)
	wantError(t, c.DropTable(ctx, orders, true), catalog.ErrNotFound)
	e := create(t, c, orders)
	near := create(t, c, catalog.Identifier{Namespace: orders.Namespace, Name: "orders2"})
	for _, e := range []*catalog.Entry{e, near} {
		if err := e.Store.Put(ctx, objstore.Join(e.Metadata.Location, "data", "a.parquet"), []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CommitTable(ctx, setProperty(e, "k", "v")); err != nil {
		t.Fatal(err)
	}
	if err := c.DropTable(ctx, orders, true); err != nil {
		t.Fatal(err)
	}
	_, err := c.LoadTable(ctx, orders)
	wantError(t, err, catalog.ErrNotFound)
	for info, err := range e.Store.List(ctx, e.Metadata.Location) {
		t.Errorf("left after purge: %s, %v", info.URI, err)
	}
	load(t, c, near.ID)
	if _, err := near.Store.Stat(ctx, objstore.Join(near.Metadata.Location, "data", "a.parquet")); err != nil {
		t.Errorf("a neighbour's file: %v", err)
	}
	again := create(t, c, orders)
	if again.Metadata.UUID == e.Metadata.UUID {
		t.Error("the table came back")
	}
	if _, err := c.CommitTable(ctx, setProperty(again, "k", "v")); err != nil {
		t.Error(err)
	}
}

func testDropNoPurge(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	e := create(t, c, orders)
	kept := []string{objstore.Join(e.Metadata.Location, "data", "a.parquet"), objstore.Join(e.Metadata.Location, "metadata", "m0.avro")}
	for _, uri := range kept {
		if err := e.Store.Put(ctx, uri, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.DropTable(ctx, orders, false); err != nil {
		t.Fatal(err)
	}
	_, err := c.LoadTable(ctx, orders)
	wantError(t, err, catalog.ErrNotFound)
	for _, uri := range kept {
		if _, err := e.Store.Stat(ctx, uri); err != nil {
			t.Errorf("a file of a table dropped without purge: %v", err)
		}
	}
	wantNamespaces(t, c, orders.Namespace)
	create(t, c, orders)
}

func testRename(t *testing.T, c catalog.Catalog) {
	e := create(t, c, orders)
	to := catalog.Identifier{Namespace: []string{"shop"}, Name: "sales"}
	err := c.RenameTable(t.Context(), orders, to)
	if errors.Is(err, errors.ErrUnsupported) {
		load(t, c, orders)
		_, err := c.LoadTable(t.Context(), to)
		wantError(t, err, catalog.ErrNotFound)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := load(t, c, to); got.Metadata.UUID != e.Metadata.UUID {
		t.Errorf("renamed table has the uuid %s", got.Metadata.UUID)
	}
	_, err = c.LoadTable(t.Context(), orders)
	wantError(t, err, catalog.ErrNotFound)
	wantError(t, c.RenameTable(t.Context(), orders, to), catalog.ErrNotFound)
	create(t, c, orders)
	wantError(t, c.RenameTable(t.Context(), orders, to), catalog.ErrExists)
}

func testRegister(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	e := create(t, c, orders)
	e, err := c.CommitTable(ctx, addSnapshot(e, 7))
	if err != nil {
		t.Fatal(err)
	}
	copied := catalog.Identifier{Namespace: []string{"other"}, Name: "registered"}
	_, err = c.RegisterTable(ctx, copied, objstore.Join(e.Metadata.Location, "metadata", "none.metadata.json"))
	if err == nil {
		t.Error("registered a file that is not there")
	}
	got, err := c.RegisterTable(ctx, copied, e.MetadataLocation)
	if err != nil {
		t.Fatal(err)
	}
	if got.Metadata.UUID != e.Metadata.UUID || got.Metadata.Location != e.Metadata.Location || got.Metadata.Snapshot(7) == nil {
		t.Errorf("registered %+v", got.Metadata)
	}
	if loaded := load(t, c, copied); loaded.MetadataLocation != got.MetadataLocation || loaded.Metadata.UUID != e.Metadata.UUID {
		t.Errorf("loaded %s", loaded.MetadataLocation)
	}
	_, err = c.RegisterTable(ctx, copied, e.MetadataLocation)
	wantError(t, err, catalog.ErrExists)
}

func testListTables(t *testing.T, c catalog.Catalog) {
	names := []string{"b", "a", "a-b", "a_c", "ab", "é"}
	for _, name := range names {
		create(t, c, catalog.Identifier{Namespace: []string{"ns"}, Name: name})
	}
	create(t, c, catalog.Identifier{Namespace: []string{"ns", "sub"}, Name: "x"})
	create(t, c, catalog.Identifier{Namespace: []string{"ns2"}, Name: "y"})
	if err := c.DropTable(t.Context(), catalog.Identifier{Namespace: []string{"ns"}, Name: "ab"}, true); err != nil {
		t.Fatal(err)
	}
	var got []string
	for id, err := range c.ListTables(t.Context(), []string{"ns"}) {
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(id.Namespace, []string{"ns"}) {
			t.Errorf("namespace of %s", id)
		}
		got = append(got, id.Name)
	}
	if want := []string{"a", "a-b", "a_c", "b", "é"}; !slices.Equal(got, want) {
		t.Errorf("tables are %q, want %q", got, want)
	}
	for range c.ListTables(t.Context(), []string{"ns"}) {
		break
	}
	for id, err := range c.ListTables(t.Context(), []string{"none"}) {
		if !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("missing namespace yields %s, %v", id, err)
		}
	}
}

func wantNamespaces(t *testing.T, c catalog.Catalog, parent []string, want ...string) {
	t.Helper()
	var got []string
	for ns, err := range c.ListNamespaces(t.Context(), parent) {
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ns[:len(ns)-1], parent) {
			t.Errorf("%q is not in %q", ns, parent)
		}
		got = append(got, ns[len(ns)-1])
	}
	if !slices.Equal(got, want) {
		t.Errorf("namespaces in %q are %q, want %q", parent, got, want)
	}
}

func testNamespaces(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	wantNamespaces(t, c, nil)
	for _, ns := range [][]string{{"b"}, {"a"}, {"a", "x"}, {"c", "y", "z"}} {
		if err := c.CreateNamespace(ctx, ns, map[string]string{"k": "v"}); err != nil {
			t.Fatal(err)
		}
		wantError(t, c.CreateNamespace(ctx, ns, nil), catalog.ErrExists)
	}
	create(t, c, catalog.Identifier{Namespace: []string{"d", "e"}, Name: "t"})
	wantNamespaces(t, c, nil, "a", "b", "c", "d")
	wantNamespaces(t, c, []string{"a"}, "x")
	wantNamespaces(t, c, []string{"c"}, "y")
	wantNamespaces(t, c, []string{"d"}, "e")
	wantNamespaces(t, c, []string{"d", "e"})
	wantError(t, c.DropNamespace(ctx, []string{"d", "e"}), catalog.ErrNotEmpty)
	wantError(t, c.DropNamespace(ctx, []string{"none"}), catalog.ErrNotFound)
	if err := c.DropTable(ctx, catalog.Identifier{Namespace: []string{"d", "e"}, Name: "t"}, true); err != nil {
		t.Fatal(err)
	}
	wantNamespaces(t, c, []string{"d"}, "e")
	for _, ns := range [][]string{{"d", "e"}, {"b"}, {"a", "x"}, {"a"}} {
		if err := c.DropNamespace(ctx, ns); err != nil {
			t.Fatal(err)
		}
		wantError(t, c.DropNamespace(ctx, ns), catalog.ErrNotFound)
	}
	wantNamespaces(t, c, nil, "c", "d")
	if err := c.CreateNamespace(ctx, []string{"a"}, nil); err != nil {
		t.Error(err)
	}
}

// hostileNames are refused by every catalog.
var hostileNames = []string{
	"", ".", "..", ".hidden", "a/b", "a\\b", "../x", "/etc", "a\x00b", "a\nb", "a\u0085b", "a\u202eb", "*", "a*", "a?b", "a[b]", "{a}",
	"a'b", `a"b`, "a;b", "a%2fb", "a#b", "a:b", "a|b", "a<b", "`a`", " a", "a ", "a\xff",
}

func testNames(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	for _, name := range hostileNames {
		for _, id := range []catalog.Identifier{{Namespace: []string{"ns"}, Name: name}, {Namespace: []string{name}, Name: "t"}, {Namespace: []string{"ns", name}, Name: "t"}} {
			if _, err := c.CreateTable(ctx, id, newTable(t)); err == nil {
				t.Errorf("created %q", id)
			}
			if _, err := c.LoadTable(ctx, id); err == nil {
				t.Errorf("loaded %q", id)
			}
			if err := c.DropTable(ctx, id, true); err == nil {
				t.Errorf("dropped %q", id)
			}
		}
		if err := c.CreateNamespace(ctx, []string{name}, nil); err == nil {
			t.Errorf("created the namespace %q", name)
		}
		if err := c.DropNamespace(ctx, []string{name}); err == nil {
			t.Errorf("dropped the namespace %q", name)
		}
	}
	for _, name := range []string{"Ünïcode", "with blank", "a-b_c.d", "1", "select", "x@y~z=1,2+3!"} {
		create(t, c, catalog.Identifier{Namespace: []string{"ok"}, Name: name})
		load(t, c, catalog.Identifier{Namespace: []string{"ok"}, Name: name})
	}
}

func testCancelled(t *testing.T, c catalog.Catalog) {
	e := create(t, c, orders)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.CommitTable(ctx, setProperty(e, "k", "v")); err == nil || errors.Is(err, catalog.ErrUnknownOutcome) {
		t.Errorf("commit that never began: %v", err)
	}
	if got := load(t, c, orders); got.Metadata.Properties["k"] != "" {
		t.Error("it was committed")
	}
}

func testConcurrentCreate(t *testing.T, c catalog.Catalog) {
	var mu sync.Mutex
	won := map[string]bool{}
	tables := make([]*metadata.Table, 8)
	for i := range tables {
		tables[i] = newTable(t)
	}
	var wg sync.WaitGroup
	for _, m := range tables {
		wg.Go(func() {
			e, err := c.CreateTable(t.Context(), orders, m)
			if err != nil {
				if !errors.Is(err, catalog.ErrExists) {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won[e.Metadata.UUID] = true
		})
	}
	wg.Wait()
	got := load(t, c, orders)
	if len(won) != 1 || !won[got.Metadata.UUID] {
		t.Errorf("%v created the table, it is %s", slices.Collect(maps.Keys(won)), got.Metadata.UUID)
	}
}

const committers, commitsEach = 8, 25

// testConcurrentProperties: commits that always hold all land; none is lost.
func testConcurrentProperties(t *testing.T, c catalog.Catalog) {
	create(t, c, orders)
	var wg sync.WaitGroup
	var mu sync.Mutex
	landed, conflicts := 0, 0
	for g := range committers {
		wg.Go(func() {
			e, err := c.LoadTable(t.Context(), orders)
			for i := 0; i < commitsEach && err == nil; {
				var next *catalog.Entry
				next, err = c.CommitTable(t.Context(), setProperty(e, fmt.Sprintf("g%d.%d", g, i), "x"))
				mu.Lock()
				if err == nil {
					e = next
					landed++
					i++
				} else if errors.Is(err, catalog.ErrConflict) {
					err = nil
					conflicts++
				}
				mu.Unlock()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := load(t, c, orders)
	t.Logf("%d landed, %d conflicts", landed, conflicts)
	if n := len(got.Metadata.Properties) - 1; n != committers*commitsEach {
		t.Errorf("%d of %d commits are in the table", n, committers*commitsEach)
	}
}

// testConcurrentSnapshots: commits that hold on one version only land or
// conflict, and those that landed are a chain.
func testConcurrentSnapshots(t *testing.T, c catalog.Catalog) {
	create(t, c, orders)
	var wg sync.WaitGroup
	var mu sync.Mutex
	landed, conflicts := map[int64]bool{}, 0
	for g := range committers {
		wg.Go(func() {
			for i := range commitsEach {
				id := int64(g*1000 + i + 1)
				e, err := c.LoadTable(t.Context(), orders)
				if err == nil {
					_, err = c.CommitTable(t.Context(), addSnapshot(e, id))
				}
				mu.Lock()
				switch {
				case err == nil:
					landed[id] = true
				case errors.Is(err, catalog.ErrConflict):
					conflicts++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d landed, %d conflicts", len(landed), conflicts)
	checkChain(t, load(t, c, orders).Metadata, landed)
}

// checkChain checks that the snapshots of a table are those that landed, each
// the parent of the next.
func checkChain(t *testing.T, m *metadata.Table, landed map[int64]bool) {
	t.Helper()
	if len(m.Snapshots) != len(landed) {
		t.Errorf("%d snapshots, %d commits landed", len(m.Snapshots), len(landed))
	}
	var parent *int64
	for i, s := range m.Snapshots {
		if !landed[s.ID] {
			t.Errorf("snapshot %d is there, but its commit did not land", s.ID)
		}
		if (s.ParentID == nil) != (parent == nil) || parent != nil && *s.ParentID != *parent {
			t.Errorf("snapshot %d does not follow the one before it", s.ID)
		}
		parent = &m.Snapshots[i].ID
	}
	if len(m.Snapshots) > 0 && (m.CurrentSnapshotID == nil || *m.CurrentSnapshotID != *parent) {
		t.Errorf("the current snapshot is not the last one")
	}
}
