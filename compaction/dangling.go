package compaction

import (
	"strconv"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/schema"
)

// dangling returns the delete files of s that apply to none of the data files
// that stay and none of those added (spec: "Scan Planning"). resolved has, for
// files whose equality deletes became positions, the sequence number up to which
// they did; their deletes by position are all among those added.
//
// What decides is which data files there are after the commit, those that it
// adds with an older sequence number included.
func dangling(s *State, stay []scan.FileTask, added []*manifest.Entry, resolved map[string]int64) []*manifest.DataFile {
	if len(s.Deletes) == 0 {
		return nil
	}
	n := needs{s: s, equality: map[*manifest.Entry]bool{}, lists: map[list]bool{}, paths: map[string]bool{}, parts: map[string]int64{}}
	for i := range stay {
		upTo := int64(-1)
		if seq, ok := resolved[stay[i].Data.File.Path]; ok {
			upTo = seq
		}
		n.data(stay[i].Data, stay[i].Equality, stay[i].DV != nil, upTo)
	}
	for _, e := range added {
		d, err := s.index.For(e)
		if err != nil {
			return nil // cannot tell: everything stays
		}
		n.data(e, d.Equality, false, -1)
	}
	var out []*manifest.DataFile
	for _, e := range s.Deletes {
		if !n.needed(e) {
			out = append(out, e.File)
		}
	}
	return out
}

// needs gathers what delete files are still good for.
type needs struct {
	s        *State
	equality map[*manifest.Entry]bool
	lists    map[list]bool // seen already
	// paths are live data files, by bare path; true for those with a deletion
	// vector, which hides position deletes.
	paths map[string]bool
	// parts has the lowest sequence number of a partition's data files.
	parts map[string]int64
}

// list identifies a list of entries by where it is in memory: data files share
// them.
type list struct {
	first **manifest.Entry
	n     int
	upTo  int64
}

func (n *needs) data(e *manifest.Entry, equality []*manifest.Entry, vector bool, upTo int64) {
	f := e.File
	n.paths[deletes.BarePath(f.Path)] = vector
	key := n.part(f)
	if old, ok := n.parts[key]; !ok || e.SequenceNumber < old {
		n.parts[key] = e.SequenceNumber
	}
	if len(equality) == 0 {
		return
	}
	l := list{&equality[0], len(equality), upTo}
	if n.lists[l] {
		return
	}
	n.lists[l] = true
	for _, d := range equality {
		if d.SequenceNumber > upTo {
			n.equality[d] = true
		}
	}
}

func (n *needs) part(f *manifest.DataFile) string {
	key := strconv.Itoa(f.SpecID)
	if spec, ok := n.s.Metadata.Spec(f.SpecID); ok && !spec.IsUnpartitioned() {
		key += "/" + spec.Key(f.Partition)
	}
	return key
}

func (n *needs) needed(e *manifest.Entry) bool {
	f := e.File
	if f.Content == manifest.ContentEqualityDeletes {
		return n.equality[e]
	}
	if f.ReferencedDataFile != "" {
		vector, live := n.paths[deletes.BarePath(f.ReferencedDataFile)]
		return live && (f.IsDV() || !vector)
	}
	lo, okLo := f.Lower.Get(schema.IDDeleteFilePath)
	hi, okHi := f.Upper.Get(schema.IDDeleteFilePath)
	if okLo && okHi && len(lo) > 0 && string(lo) == string(hi) {
		_, live := n.paths[deletes.BarePath(string(lo))]
		return live
	}
	oldest, ok := n.parts[n.part(f)]
	return ok && oldest <= e.SequenceNumber
}
