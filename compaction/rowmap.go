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
	// last is what the last attempt at a commit found, if the deletes had changed;
	// reads counts how often they were read.
	last  *seen
	reads int
}

// seen are the deletes by position of an input in some attempt.
type seen struct {
	task     scan.FileTask
	resolved bool // some of the equality deletes that were applied are gone
	more     *deletes.Positions
	ok       bool
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
	// routed says that the outputs are of other partitions than the inputs.
	routed bool
	// scattered, when not nil, says instead where the row of each rank went.
	scattered []place
	// moves likewise, of rows that were sorted.
	moves *moves
	// taken are, by input, the rows whose deletes were carried over so far, to
	// moved, by output; carried counts them.
	taken, moved []*deletes.Positions
	carried      int64
	// undone counts how often that had to begin anew.
	undone int
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

// carryAll brings up to date which rows of the outputs are deleted: those of
// each input that were deleted after it was read, nil for none. Only what is new
// since the last call is translated; rows that are no longer deleted, which takes
// a rollback, make it begin anew.
func (p *piece) carryAll(deleted []*deletes.Positions) error {
	for i, was := range p.taken {
		if was != nil && (deleted[i] == nil || !deleted[i].Covers(was)) {
			p.taken, p.undone = nil, p.undone+1
			break
		}
	}
	if p.taken == nil {
		p.taken, p.moved, p.carried = make([]*deletes.Positions, len(p.inputs)), make([]*deletes.Positions, len(p.outputs)), 0
	}
	sorted := &deletes.Positions{} // ranks
	for i, now := range deleted {
		if now == nil || now == p.taken[i] {
			continue
		}
		fresh := now
		if p.taken[i] != nil {
			fresh = now.Clone()
			fresh.Minus(p.taken[i])
		}
		p.carry(i, fresh, sorted)
		p.taken[i] = now
	}
	if p.moves == nil || sorted.Len() == 0 {
		return nil
	}
	if err := p.moves.find(sorted, p.gone); err != nil {
		p.taken = nil
		return err
	}
	return nil
}

// gone notes that the row at a place of the outputs is deleted.
func (p *piece) gone(at place) {
	file := at.file()
	if p.moved[file] == nil {
		p.moved[file] = &deletes.Positions{}
	}
	p.moved[file].Add(uint64(at.pos()))
	p.carried++
}

// carry translates rows of one input, deleted after it was read, to their places
// in the outputs; of rows that were sorted it adds the ranks to sorted.
func (p *piece) carry(n int, deleted, sorted *deletes.Positions) {
	var base int64
	for i := range n {
		base += p.inputs[i].live()
	}
	for rank := range ranks(deleted, p.inputs[n].dead) {
		r := base + rank
		switch {
		case p.moves != nil:
			sorted.Add(uint64(r))
		case p.scattered != nil:
			p.gone(p.scattered[r])
		default:
			file, ok := slices.BinarySearch(p.starts, r)
			if !ok {
				file--
			}
			p.gone(newPlace(file, r-p.starts[file]))
		}
	}
}

// ranks yields, for the positions of a set that are not dead, how many positions
// below them are not dead.
func ranks(set, dead *deletes.Positions) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		at := slices.Collect(set.All())
		below := int64(0) // dead positions so far
		for d := range dead.All() {
			for len(at) > 0 && at[0] < d {
				if !yield(int64(at[0]) - below) {
					return
				}
				at = at[1:]
			}
			if len(at) == 0 {
				return
			}
			if at[0] == d {
				at = at[1:]
			}
			below++
		}
		for _, pos := range at {
			if !yield(int64(pos) - below) {
				return
			}
		}
	}
}
