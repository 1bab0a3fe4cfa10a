package compaction_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/frazildb/frazil/compaction"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// paper is a table that exists on paper only.
type paper struct {
	t       *testing.T
	m       *metadata.Table
	entries []*manifest.Entry
	n       int
}

func newPaper(t *testing.T, version int) *paper {
	t.Helper()
	m, err := metadata.New(metadata.NewOptions{
		Schema: schema.MustNew(
			schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true}, schema.Field{ID: 2, Name: "r", Type: schema.Int},
		),
		Location: "mem://paper/t", FormatVersion: version, UUID: "11111111-2222-4333-8444-555555555555", Now: time.UnixMilli(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	spec := partition.Spec{ID: 1, Fields: []partition.Field{{SourceIDs: []int{2}, FieldID: 1000, Name: "r", Transform: partition.Transform{Kind: partition.IdentityTransform}}}}
	m, err = m.Apply([]metadata.Update{metadata.AddSpec{Spec: spec}, metadata.SetDefaultSpec{SpecID: metadata.LastAdded}}, time.UnixMilli(2), "")
	if err != nil {
		t.Fatal(err)
	}
	return &paper{t: t, m: m}
}

const mb = 1 << 20

// data adds a data file of the partition r, or of the unpartitioned spec if r is
// negative.
func (p *paper) data(seq int64, r int, size, rows int64) *manifest.DataFile {
	f := &manifest.DataFile{Content: manifest.ContentData, Format: manifest.FormatParquet, FileSize: size, RecordCount: rows}
	p.add(seq, r, f)
	return f
}

func (p *paper) equality(seq int64, r int, rows int64) *manifest.DataFile {
	f := &manifest.DataFile{Content: manifest.ContentEqualityDeletes, Format: manifest.FormatParquet, FileSize: 1000, RecordCount: rows, EqualityIDs: []int{1}}
	p.add(seq, r, f)
	return f
}

func (p *paper) deletes(seq int64, r int, rows int64, of string) *manifest.DataFile {
	f := &manifest.DataFile{Content: manifest.ContentPositionDeletes, Format: manifest.FormatParquet, FileSize: 1000, RecordCount: rows, ReferencedDataFile: of}
	if p.m.FormatVersion >= 3 {
		zero, size := int64(4), int64(100)
		f.Format, f.ContentOffset, f.ContentSize = manifest.FormatPuffin, &zero, &size
	}
	p.add(seq, r, f)
	return f
}

func (p *paper) add(seq int64, r int, f *manifest.DataFile) {
	p.n++
	f.Path = fmt.Sprintf("mem://paper/t/%03d", p.n)
	if r >= 0 {
		f.SpecID, f.Partition = p.m.DefaultSpecID, partition.Tuple{int32(r)}
	} else {
		f.SpecID = 0
	}
	p.entries = append(p.entries, &manifest.Entry{Status: manifest.StatusExisting, SequenceNumber: seq, FileSequenceNumber: seq, File: f})
}

func (p *paper) plan(o *compaction.Options) *compaction.Plan {
	p.t.Helper()
	s, err := compaction.NewState(p.m, &metadata.Snapshot{ID: 1, SequenceNumber: 100}, p.entries)
	if err != nil {
		p.t.Fatal(err)
	}
	return compaction.Choose(s, o)
}

func TestChooseSmall(t *testing.T) {
	p := newPaper(t, 2)
	for i := range 10 {
		p.data(int64(i+1), 0, mb, 1000)
	}
	p.data(1, 1, mb, 1000)      // alone in its partition
	p.data(1, 2, 500*mb, 1e6)   // of good size
	p.data(1, 3, 1200*mb, 3e6)  // too large
	p.data(1, 4, 350*mb, 1e6)   // two files that together make two
	p.data(1, 4, 350*mb, 1e6)   //
	f := p.data(1, 5, mb, 1000) // unreadable
	f.Format = manifest.FormatORC
	p.data(1, 5, mb, 1000)
	plan := p.plan(nil)
	if len(plan.Lanes) != 2 || len(plan.Convert) != 0 || len(plan.Dangling) != 0 {
		t.Fatalf("%+v", plan)
	}
	if l := plan.Lanes[0]; len(l.Files) != 10 || l.Reason != "10 small" || l.Partition[0] != int32(0) {
		t.Errorf("%+v", l)
	}
	if l := plan.Lanes[1]; len(l.Files) != 1 || l.Reason != "1 large" {
		t.Errorf("%+v", l)
	}
	if plan := p.plan(&compaction.Options{MinInputFiles: 11}); len(plan.Lanes) != 1 {
		t.Errorf("11 files needed: %d lanes", len(plan.Lanes))
	}
	if plan := p.plan(&compaction.Options{MaxBytes: 3 * mb}); len(plan.Lanes) != 1 || len(plan.Lanes[0].Files) != 3 || plan.LeftOut != 8 {
		t.Errorf("budget: %+v", plan)
	}
}

// TestChooseTiered: one large among small files is not rewritten with every few
// of them.
func TestChooseTiered(t *testing.T) {
	p := newPaper(t, 2)
	p.data(1, 0, 300*mb, 1e6)
	for i := range 5 {
		p.data(int64(i+2), 0, mb, 1000)
	}
	if plan := p.plan(nil); len(plan.Lanes) != 1 || len(plan.Lanes[0].Files) != 6 {
		t.Errorf("%+v", plan)
	}
	if plan := p.plan(&compaction.Options{Tiered: true}); len(plan.Lanes) != 1 || len(plan.Lanes[0].Files) != 5 {
		t.Errorf("tiered: %+v", plan)
	}
}

func TestChooseDeletes(t *testing.T) {
	for _, version := range []int{2, 3} {
		p := newPaper(t, version)
		heavy := p.data(1, 0, 500*mb, 1000)
		light := p.data(1, 0, 500*mb, 1000)
		p.deletes(2, 0, 400, heavy.Path)
		p.deletes(2, 0, 100, light.Path)
		plan := p.plan(nil)
		if len(plan.Lanes) != 1 || len(plan.Lanes[0].Files) != 1 || plan.Lanes[0].Reason != "1 with 40 % deleted" {
			t.Errorf("v%d: %+v", version, plan)
		}
		if plan := p.plan(&compaction.Options{DeleteRatio: 0.05}); len(plan.Lanes[0].Files) != 2 {
			t.Errorf("v%d: %+v", version, plan)
		}
	}
}

// TestChooseConvert: files of good size with equality deletes are converted,
// small ones rewritten; a delete that has to stay for a file that cannot be read
// is no reason to convert others.
func TestChooseConvert(t *testing.T) {
	p := newPaper(t, 3)
	p.data(1, 0, 500*mb, 1000)
	p.data(3, 0, 500*mb, 1000) // newer than the delete
	p.equality(2, 0, 10)
	p.data(1, 1, mb, 1000)
	p.data(1, 1, mb, 1000)
	p.equality(2, 1, 10)
	p.data(1, 2, 500*mb, 1000)
	p.data(1, 2, 500*mb, 1000).Format = manifest.FormatORC
	p.equality(2, 2, 10)
	plan := p.plan(nil)
	if len(plan.Convert) != 1 || plan.Convert[0].Data.File.Path != "mem://paper/t/001" || len(plan.Lanes) != 1 {
		t.Errorf("%+v", plan)
	}
	if plan := p.plan(&compaction.Options{ConvertOnly: true}); len(plan.Convert) != 3 || len(plan.Lanes) != 0 {
		t.Errorf("only: %+v", plan)
	}
	if plan := p.plan(&compaction.Options{KeepEqualityDeletes: true}); len(plan.Convert) != 0 {
		t.Errorf("keep: %+v", plan)
	}
}

// TestK7Dangling: delete files that apply to nothing, and those that seem so and
// do not.
func TestK7Dangling(t *testing.T) {
	p := newPaper(t, 2)
	live := p.data(5, 0, 500*mb, 1000)
	want := map[string]bool{
		p.equality(5, 0, 1).Path:                 true, // the file is as new
		p.equality(3, 0, 1).Path:                 true,
		p.equality(9, 1, 1).Path:                 true, // an empty partition
		p.deletes(4, 0, 1, "").Path:              true, // older than every file
		p.deletes(9, 0, 1, "mem://gone").Path:    true,
		p.deletes(9, 1, 1, "").Path:              true,
		p.equality(6, 0, 1).Path:                 false,
		p.equality(6, -1, 1).Path:                false, // global: no file of its own spec, and needed all the same
		p.deletes(5, 0, 1, "").Path:              false,
		p.deletes(5, 0, 1, live.Path).Path:       false,
		p.deletes(5, 0, 1, "/t/001").Path:        true,
		p.deletes(6, 0, 1, "s3://paper/x").Path:  true,
		p.deletes(6, 0, 1, "hdfs://h/t/1").Path:  true,
		p.deletes(6, 0, 1, "file:/t/nope").Path:  true,
		p.deletes(6, 0, 1, "mem:/t/001").Path:    true,
		p.deletes(6, 0, 1, "mem://paper/x").Path: true,
	}
	// A path without scheme and host means the same file.
	want["mem://paper/t/012"] = false
	want["mem://paper/t/016"] = false
	got := map[string]bool{}
	for _, f := range p.plan(&compaction.Options{KeepEqualityDeletes: true}).Dangling {
		got[f.Path] = true
	}
	for path, dangling := range want {
		if got[path] != dangling {
			t.Errorf("%s: dangling %v, want %v", path, got[path], dangling)
		}
	}
}
