package compaction

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/scan"
)

// Plan is what there is to do on one snapshot.
type Plan struct {
	// Lanes are files to rewrite, what saves most first.
	Lanes []Lane
	// Convert are files that keep their rows and have their equality deletes
	// turned into deletes by position.
	Convert []scan.FileTask
	// Dangling are delete files that apply to no data file.
	Dangling []*manifest.DataFile
	// LeftOut counts the files that Options.MaxBytes left for another time.
	LeftOut int
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool {
	return len(p.Lanes) == 0 && len(p.Convert) == 0 && len(p.Dangling) == 0
}

// Lane is a sequence of files of one partition whose rows are written, in order,
// to new files of the target size. Files of older partition specs make a lane
// together, whose rows go to the partitions of the default spec.
type Lane struct {
	SpecID    int
	Partition partition.Tuple
	// Route says that the files are of older specs.
	Route bool
	Files []scan.FileTask
	// Bytes of the files, LiveBytes without rows known to be deleted.
	Bytes, LiveBytes int64
	// Reason is for people: "12 small files, 3 with 40 % deleted".
	Reason string

	key   string
	saves float64
}

// splittable is how many rows a file must have to be cut for its size.
const splittable = 4096

// candidate is a file and why it may be rewritten.
type candidate struct {
	task                 scan.FileTask
	live                 int64 // bytes
	small, large, heavy  bool
	unsorted             bool
	deadRows, equalities int64
}

// Choose decides what to do. It reads nothing: the same state and options give
// the same plan. When a plan has been carried out and nobody else has changed
// the table, the next plan is empty; after rows have moved from older partition
// specs to partitions that had files already, the one after that.
func Choose(s *State, opts *Options) *Plan {
	p := &Plan{}
	if s.Snapshot == nil {
		return p
	}
	o := opts.withDefaults(s.Metadata)
	inLane := map[string]bool{}
	if !o.ConvertOnly && routable(s) {
		p.Lanes = lanes(s, &o)
		p.LeftOut = budget(p, o.MaxBytes)
		for i := range p.Lanes {
			for j := range p.Lanes[i].Files {
				inLane[p.Lanes[i].Files[j].Data.File.Path] = true
			}
		}
	}
	if !o.KeepEqualityDeletes {
		p.Convert = conversions(s, inLane)
	}
	p.Dangling = dangling(s, s.Files, nil, nil)
	return p
}

// routable reports whether rows can be written in the default spec.
func routable(s *State) bool {
	spec := s.Metadata.DefaultSpec()
	if spec.IsUnpartitioned() {
		return true
	}
	_, err := partition.NewRouter(spec, s.Metadata.CurrentSchema())
	return err == nil
}

// readable reports whether rows can be read from a file.
func readable(f *manifest.DataFile) bool {
	return (f.Format == manifest.FormatParquet || f.Format == manifest.FormatAvro) && len(f.KeyMetadata) == 0 && f.RecordCount >= 0
}

// lanes groups files by partition and takes those worth rewriting.
func lanes(s *State, o *Options) []Lane {
	order, err := o.clustering(s.Metadata)
	if err != nil {
		order = nil // Compact says what is wrong
	}
	groups := map[string][]candidate{}
	byKey := map[string]Lane{}
	for i := range s.Files {
		f := s.Files[i].Data.File
		if !readable(f) {
			continue
		}
		l := Lane{SpecID: f.SpecID, Partition: f.Partition}
		if f.SpecID == s.Metadata.DefaultSpecID {
			spec, _ := s.Metadata.Spec(f.SpecID)
			l.key = spec.Key(f.Partition)
		} else {
			l = Lane{SpecID: s.Metadata.DefaultSpecID, Route: true, key: "\xff"}
		}
		byKey[l.key] = l
		c := weigh(s.Files[i], o)
		c.unsorted = order != nil && !order.has(f)
		groups[l.key] = append(groups[l.key], c)
	}
	var out []Lane
	for key, group := range groups {
		chosen := worthwhile(group, o)
		if len(chosen) == 0 {
			continue
		}
		l := byKey[key]
		l.fill(chosen, o)
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Lane) int {
		return cmp.Or(cmp.Compare(b.saves, a.saves), strings.Compare(a.key, b.key))
	})
	return out
}

func weigh(t scan.FileTask, o *Options) candidate {
	f := t.Data.File
	c := candidate{task: t, live: f.FileSize}
	if t.DV != nil {
		c.deadRows = t.DV.File.RecordCount
	}
	for _, e := range t.Positions {
		if e.File.ReferencedDataFile == f.Path {
			c.deadRows += e.File.RecordCount
		}
	}
	for _, e := range t.Equality {
		c.equalities += e.File.RecordCount
	}
	if n, ok := o.dead[f.Path]; ok {
		c.deadRows = n
	}
	c.deadRows = min(c.deadRows, f.RecordCount)
	if f.RecordCount > 0 {
		c.live = int64(float64(f.FileSize) * float64(f.RecordCount-c.deadRows) / float64(f.RecordCount))
		c.heavy = c.deadRows > 0 && float64(c.deadRows) >= o.DeleteRatio*float64(f.RecordCount)
	} else {
		c.heavy = true // a file without rows
	}
	c.small = f.FileSize < o.MinFileBytes
	c.large = f.FileSize > o.MaxFileBytes && f.RecordCount >= splittable
	return c
}

// worthwhile picks the files of a partition to rewrite: all that have to be for
// their own sake, and with them, or if they are enough, the small ones. What is
// left afterwards are files of good size and at most one small one, unless there
// were too few of them to begin with.
func worthwhile(group []candidate, o *Options) []candidate {
	var must, small []candidate
	for _, c := range group {
		switch {
		case c.heavy || c.large || c.unsorted:
			must = append(must, c)
		case c.small:
			small = append(small, c)
		}
	}
	if o.Tiered {
		small = tier(small)
	}
	if len(must) == 0 || o.Tiered {
		var bytes int64
		for _, c := range small {
			bytes += c.live
		}
		files := int((bytes + o.TargetFileBytes - 1) / o.TargetFileBytes)
		if len(small) < max(2, o.MinInputFiles) || len(small) <= files {
			small = nil
		}
	}
	return append(must, small...)
}

// tier returns the smallest files as long as the next has no more than twice
// the bytes of all before it.
func tier(small []candidate) []candidate {
	small = slices.Clone(small)
	slices.SortFunc(small, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.live, b.live), strings.Compare(a.task.Data.File.Path, b.task.Data.File.Path))
	})
	var sum int64
	for i, c := range small {
		if i > 0 && c.live > 2*sum {
			return small[:i]
		}
		sum += c.live
	}
	return small
}

func (l *Lane) fill(chosen []candidate, o *Options) {
	slices.SortFunc(chosen, func(a, b candidate) int {
		x, y := a.task.Data, b.task.Data
		return cmp.Or(cmp.Compare(x.SequenceNumber, y.SequenceNumber), strings.Compare(x.File.Path, y.File.Path))
	})
	var small, large, heavy, unsorted int
	var dead, rows, equalities int64
	for _, c := range chosen {
		l.Files = append(l.Files, c.task)
		l.Bytes += c.task.Data.File.FileSize
		l.LiveBytes += c.live
		switch {
		case c.heavy:
			heavy++
			dead += c.deadRows
			rows += c.task.Data.File.RecordCount
		case c.large:
			large++
		case c.small:
			small++
		}
		if c.unsorted {
			unsorted++
		}
		equalities += c.equalities
	}
	var why []string
	add := func(n int, what string) {
		if n > 0 {
			why = append(why, strconv.Itoa(n)+" "+what)
		}
	}
	add(small, "small")
	add(large, "large")
	if heavy > 0 {
		add(heavy, fmt.Sprintf("with %d %% deleted", dead*100/max(rows, 1)))
	}
	add(unsorted, "not in the order wanted")
	if equalities > 0 {
		why = append(why, "equality deletes")
	}
	if l.Route {
		why = append(why, "older partition spec")
	}
	l.Reason = strings.Join(why, ", ")
	files := l.LiveBytes/o.TargetFileBytes + 1
	l.saves = (float64(int64(len(chosen))-files) + float64(len(chosen))*float64(min(equalities, 1)) + float64(heavy)) / float64(l.Bytes/(1<<20)+1)
}

// budget cuts the lanes so that no more than limit bytes are read, and returns
// how many files that leaves out.
func budget(p *Plan, limit int64) int {
	if limit <= 0 {
		return 0
	}
	left := 0
	var kept []Lane
	for _, l := range p.Lanes {
		n := 0
		var bytes int64
		for n < len(l.Files) && bytes+l.Files[n].Data.File.FileSize <= limit {
			bytes += l.Files[n].Data.File.FileSize
			n++
		}
		left += len(l.Files) - n
		if n == 0 || n == 1 && len(l.Files) > 1 {
			left += n
			continue
		}
		limit -= bytes
		l.Files, l.Bytes = l.Files[:n], bytes
		kept = append(kept, l)
	}
	p.Lanes = kept
	return left
}

// conversions returns the files whose equality deletes can be turned into
// positions and then go. A delete that also applies to a file that cannot be
// read has to stay, and so is no reason.
func conversions(s *State, inLane map[string]bool) []scan.FileTask {
	stays := map[string]bool{}
	for i := range s.Files {
		if f := &s.Files[i]; !readable(f.Data.File) {
			for _, e := range f.Equality {
				stays[e.File.Path] = true
			}
		}
	}
	var out []scan.FileTask
	for i := range s.Files {
		f := &s.Files[i]
		if inLane[f.Data.File.Path] || !readable(f.Data.File) {
			continue
		}
		if slices.ContainsFunc(f.Equality, func(e *manifest.Entry) bool { return !stays[e.File.Path] }) {
			out = append(out, *f)
		}
	}
	return out
}
