package compaction

import (
	"iter"
	"slices"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/scan"
)

// input is a data file that was rewritten, or had its deletes converted.
type input struct {
	task scan.FileTask
	// dead are the rows that no reader of the snapshot saw; places those of them
	// that deletion vectors and position deletes remove.
	dead, places *deletes.Positions
}

func (in *input) live() int64 { return in.task.Data.File.RecordCount - int64(in.dead.Len()) }

// piece is a unit of rewriting: no output has rows of other inputs, no input has
// rows in other outputs. It is committed or given up as a whole.
type piece struct {
	inputs  []input
	outputs []*manifest.DataFile
	// starts has the number of rows in the outputs before each. Rows went to the
	// outputs in order: the row of rank r among all live rows of the inputs is
	// row r of all outputs.
	starts []int64
	// scattered, when not nil, says instead where the row of each rank went.
	scattered []place
}

// place is a row's file and position in it.
type place uint64

const posBits = 40

func newPlace(file int, pos int64) place { return place(uint64(file)<<posBits | uint64(pos)) }

func (p place) file() int  { return int(p >> posBits) }
func (p place) pos() int64 { return int64(p & (1<<posBits - 1)) }

// order notes the outputs once they are complete.
func (p *piece) order(outputs []*manifest.DataFile) {
	p.outputs = outputs
	p.starts = make([]int64, len(outputs))
	var n int64
	for i, f := range outputs {
		p.starts[i] = n
		n += f.RecordCount
	}
}

// carry translates rows of one input, deleted after it was read, to their places
// in the outputs, which it adds to out.
func (p *piece) carry(n int, deleted *deletes.Positions, out []*deletes.Positions) int64 {
	var base, moved int64
	for i := range n {
		base += p.inputs[i].live()
	}
	add := func(file int, pos int64) {
		if out[file] == nil {
			out[file] = &deletes.Positions{}
		}
		out[file].Add(uint64(pos))
		moved++
	}
	for rank := range ranks(deleted, p.inputs[n].dead) {
		r := base + rank
		if p.scattered != nil {
			at := p.scattered[r]
			add(at.file(), at.pos())
			continue
		}
		file, ok := slices.BinarySearch(p.starts, r)
		if !ok {
			file--
		}
		add(file, r-p.starts[file])
	}
	return moved
}

// ranks yields, for the positions of a set that are not dead, how many positions
// below them are not dead.
func ranks(set, dead *deletes.Positions) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		next, stop := iter.Pull(dead.All())
		defer stop()
		d, more := next()
		below := int64(0) // dead positions below the current one
		for pos := range set.All() {
			for more && d < pos {
				below++
				d, more = next()
			}
			if more && d == pos {
				continue
			}
			if !yield(int64(pos) - below) {
				return
			}
		}
	}
}

// covers reports whether a has all of b.
func covers(a, b *deletes.Positions) bool {
	if a.Len() < b.Len() {
		return false
	}
	for p := range b.All() {
		if !a.Contains(p) {
			return false
		}
	}
	return true
}

// minus returns what a has and b has not.
func minus(a, b *deletes.Positions) *deletes.Positions {
	out := &deletes.Positions{}
	for p := range a.All() {
		if !b.Contains(p) {
			out.Add(p)
		}
	}
	return out
}
