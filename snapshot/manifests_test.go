package snapshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
)

// Several specs: each gets manifests of its own, merging stays within them.
func TestManifestsPerSpec(t *testing.T) {
	w := newWorld(t, 2, true, map[string]string{"commit.manifest.min-count-to-merge": "2"})
	old := w.data("a", 1, 5)
	w.commit(Changes{AddData: files(old)})
	w.change(metadata.AddSpec{Spec: partition.Spec{ID: 1}}, metadata.SetDefaultSpec{SpecID: 1})
	b := w.data("b", 1, 0)
	s := w.commit(Changes{AddData: files(b, w.asSpec(w.data("c", 1, 0), 0, 6))})
	specs := map[int]int{}
	for _, f := range w.manifests(s) {
		specs[f.SpecID]++
	}
	if !reflect.DeepEqual(specs, map[int]int{0: 1, 1: 1}) {
		t.Errorf("manifests by spec %v", specs)
	}
	w.wantLive("a@1 b@2 c@2")
	if e := find(w, "a"); e.File.Partition[0] != 5.0 {
		t.Errorf("partition %v", e.File.Partition)
	}
	if _, err := w.commitIf(Changes{AddData: files(w.asSpec(w.data("d", 1, 0), 9, 1))}, Conditions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("unknown spec: %v", err)
	}
}

func (w *world) asSpec(f *manifest.DataFile, spec int, p float64) *manifest.DataFile {
	f.SpecID, f.Partition = spec, partition.Tuple{p}
	return f
}

// A manifest can be rewritten after its partition column was dropped.
func TestRewriteAfterColumnDropped(t *testing.T) {
	w := newWorld(t, 2, true, nil)
	w.commit(Changes{AddData: files(w.data("a", 1, 5), w.data("b", 1, 6))})
	sc := w.table.CurrentSchema()
	dropped, err := sc.Select([]string{"id", "s"})
	if err != nil {
		t.Fatal(err)
	}
	w.change(metadata.AddSpec{Spec: partition.Spec{ID: 1}}, metadata.SetDefaultSpec{SpecID: 1},
		metadata.AddSchema{Schema: dropped.WithID(1)}, metadata.SetCurrentSchema{SchemaID: 1})
	w.commit(Changes{RemoveData: files(w.file("a"))})
	if e := find(w, "b"); e.File.Partition[0] != 6.0 {
		t.Errorf("partition %v", e.File.Partition)
	}
}

// Fact M11: manifests merge once enough are small, and what is merged is not
// merged again until as much has gathered.
func TestMergeIsIncremental(t *testing.T) {
	w := newWorld(t, 2, false, map[string]string{"commit.manifest.min-count-to-merge": "10"})
	most, processed := 0, int64(0)
	const n = 400
	for i := range n {
		s := w.commit(Changes{AddData: files(w.data(fmt.Sprint("f", i), 1, 0))})
		most = max(most, len(w.manifests(s)))
		processed += atoi(t, s.Summary["entries-processed"])
	}
	if got := len(w.entries(w.table.Current())); got != n {
		t.Errorf("%d live files", got)
	}
	if most > 25 {
		t.Errorf("up to %d manifests", most)
	}
	// Merging everything each time would process n*n/2/10.
	if processed > 12*n {
		t.Errorf("%d entries processed for %d files", processed, n)
	}
	t.Logf("at most %d manifests, %d entries processed for %d files", most, processed, n)
	w = newWorld(t, 2, false, map[string]string{"commit.manifest.min-count-to-merge": "2", "commit.manifest-merge.enabled": "false"})
	for i := range 5 {
		w.commit(Changes{AddData: files(w.data(fmt.Sprint("f", i), 1, 0))})
	}
	if n := len(w.manifests(w.table.Current())); n != 5 {
		t.Errorf("%d manifests with merging off", n)
	}
}

// Manifests past the target size are split.
func TestTargetSize(t *testing.T) {
	w := newWorld(t, 2, false, map[string]string{"commit.manifest.target-size-bytes": "6000"})
	var add []*manifest.DataFile
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		add = append(add, w.data(fmt.Sprintf("%x%x", r.Uint64(), r.Uint64()), 1, 0))
	}
	s := w.commit(Changes{AddData: add})
	files := w.manifests(s)
	if len(files) < 2 || len(w.entries(s)) != 300 {
		t.Errorf("%d manifests", len(files))
	}
}

// Fact V5: position-delete files staged before an upgrade to v3 must not be
// committed after it, nor deletion vectors in v2.
func TestVersionOfDeleteFiles(t *testing.T) {
	w := newWorld(t, 2, false, nil)
	w.commit(Changes{AddData: files(w.data("a", 1, 0))})
	p := w.producer(Changes{AddDeletes: files(w.positions("p", "a", 1, 0))}, Conditions{})
	if _, err := p.Apply(context.Background(), w.table, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.commitIf(Changes{AddDeletes: files(w.dv("d", "a", 4, 4, 1, 0))}, Conditions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("deletion vector in v2: %v", err)
	}
	w.change(metadata.UpgradeFormatVersion{Version: 3})
	if _, err := p.Apply(context.Background(), w.table, ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("position deletes in v3: %v", err)
	}
}

// A process reads nothing again that it wrote.
func TestCommitsReadNothing(t *testing.T) {
	w := newWorld(t, 3, true, map[string]string{"commit.manifest.min-count-to-merge": "4"})
	for i := range 30 {
		name := fmt.Sprint("f", i)
		w.commit(Changes{AddData: files(w.data(name, 10, 1)), AddDeletes: files(w.dv("p"+name, name, 4, 4, 1, 1))})
		if i%3 == 2 {
			w.commit(Changes{RemoveData: files(w.file(fmt.Sprint("f", i-1)))})
		}
	}
	if n := w.store.reads.Load(); n != 0 {
		t.Errorf("%d reads", n)
	}
}

// Replacing a few deletion vectors costs the same however many there are.
func TestReplacingVectorsIsIncremental(t *testing.T) {
	w := newWorld(t, 3, false, map[string]string{"commit.manifest.min-count-to-merge": "10"})
	const n = 5000
	var data, vectors []*manifest.DataFile
	for i := range n {
		name := fmt.Sprint("f", i)
		data = append(data, w.data(name, 10, 0))
		vectors = append(vectors, w.dv("p", name, int64(i*10+4), 10, 1, 0))
	}
	w.commit(Changes{AddData: data})
	w.commit(Changes{AddDeletes: vectors})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range 100 {
		c := Changes{}
		for _, k := range r.Perm(n)[:20] {
			v := w.dv(fmt.Sprint("p", i), fmt.Sprint("f", k), int64(k*10+4), 10, 2, 0)
			c.RemoveDeletes, c.AddDeletes = append(c.RemoveDeletes, vectors[k]), append(c.AddDeletes, v)
			vectors[k] = v
		}
		s := w.commit(c)
		if got := atoi(t, s.Summary["entries-processed"]); got > 22*512 {
			t.Fatalf("commit %d processed %d entries", i, got)
		}
	}
	s := w.table.Current()
	if got := len(w.entries(s)); got != 2*n || s.Summary["total-delete-files"] != fmt.Sprint(n) {
		t.Errorf("%d live files, %v", got, s.Summary)
	}
	if got := len(w.manifests(s)); got > 30 {
		t.Errorf("%d manifests", got)
	}
}

// chooseRun, with manifests by their number of entries; the first is new.
func TestChooseRun(t *testing.T) {
	for _, c := range []struct {
		weights string
		min     int
		want    string
	}{
		{"1 1 1", 4, ""},
		{"1 1 1 1", 4, "1 1 1 1"},
		{"1 1 1 1 9", 4, "1 1 1 1"},
		{"1 1 1 1 8", 4, "1 1 1 1 8"},
		{"1 1 1 9", 4, ""},
		{"1 9 1 1 1", 4, "1 1 1 1"},
		{"30 30 30 30", 4, "30 30 30"}, // full at 100
		{"90 90 90 90", 4, ""},
		{"100 100 100 1", 2, ""}, // full ones stay as they are
		{"1 99 1 99", 4, ""},
	} {
		var group []*manifest.File
		for i, f := range strings.Fields(c.weights) {
			m := &manifest.File{Path: f, AddedFiles: int(atoi(t, f)) - 1, Length: 10, SequenceNumber: int64(i) - 1}
			group = append(group, m)
		}
		var got []string
		for _, f := range chooseRun(group, 1000, c.min, 100) {
			got = append(got, f.Path)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q, want %q", c.weights, s, c.want)
		}
		group[0].SequenceNumber = 5
		if chooseRun(group, 1000, c.min, 100) != nil {
			t.Errorf("%s: merged without a new manifest", c.weights)
		}
	}
}
