package parquetfile

import (
	"bytes"
	"context"
	"errors"

	"github.com/parquet-go/parquet-go/format"
)

const (
	// levelStep is how many levels are decoded at a time.
	levelStep = 4096
	// maxBatchSlots bounds the list elements of a batch.
	maxBatchSlots = 1 << 27
)

// nestedState is where a column with repetition is. Its rows begin where a
// repetition level is 0; version 1 pages need not begin with one.
type nestedState struct {
	row        int64 // the row last begun
	keep       bool  // it is wanted
	whole      bool  // the page ends with a row
	reps, defs []uint8
	at         int // consumed of reps and defs
}

// drop forgets the rest of the page.
func (l *leafReader) drop() {
	l.rest = 0
	l.nest.at = len(l.nest.reps)
}

// seekNested skips pages before row where their rows are known without reading
// them.
func (l *leafReader) seekNested(ctx context.Context, row int64) error {
	if l.index == nil {
		return nil
	}
	if l.pageNo > 0 && row < l.indexEnd(l.pageNo-1) {
		return nil
	}
	l.drop()
	l.jump(row)
	if l.pageNo < len(l.index) {
		l.nest.row = l.index[l.pageNo].firstRow - 1
	}
	return nil
}

// nested adds rows l.row to l.row+n, those of them selected by bits from at on,
// and returns how many it did: all, or to the end of a page of the offset index.
func (l *leafReader) nested(ctx context.Context, n int, sel *rowSelection, at int) (int, error) {
	if l.index != nil {
		page := l.pageNo
		if l.rest > 0 || l.nest.at < len(l.nest.reps) {
			page--
		}
		if page < len(l.index) {
			if end := l.indexEnd(page); end > l.row {
				n = int(min(int64(n), end-l.row))
			}
		}
	}
	last := l.row + int64(n) - 1
	s := &l.nest
	for {
		if s.at == len(s.reps) {
			more, err := l.moreLevels(ctx, last)
			if err != nil || !more {
				return n, err
			}
		}
		done, err := l.takeLevels(last, sel, at)
		if err != nil || done {
			return n, err
		}
	}
}

// moreLevels decodes the next levels; false when row last is complete.
func (l *leafReader) moreLevels(ctx context.Context, last int64) (bool, error) {
	s := &l.nest
	for l.rest == 0 {
		end := l.index == nil && l.seen == l.meta.values || l.index != nil && l.pageNo == len(l.index)
		if s.row == last && (end || s.whole) {
			return false, nil
		}
		if end {
			return false, errors.New("column chunk ends before its last row")
		}
		if err := l.nextNested(ctx, last); err != nil {
			return false, err
		}
	}
	k := min(l.rest, levelStep)
	s.reps, s.defs, s.at = resized(s.reps, k), resized(s.defs, k), 0
	if err := l.reps.take(s.reps); err != nil {
		return false, err
	}
	if err := l.defs.take(s.defs); err != nil {
		return false, err
	}
	if s.row < 0 && s.reps[0] != 0 {
		return false, errors.New("column chunk begins within a row")
	}
	l.rest -= k
	return true, nil
}

// nextNested loads the next page, or passes over one whose rows end before
// l.row.
func (l *leafReader) nextNested(ctx context.Context, last int64) error {
	h, err := l.header(ctx)
	if err != nil {
		return err
	}
	s := &l.nest
	s.whole = l.index != nil || h.typ == format.DataPageV2
	if h.typ == format.DataPageV2 && s.row+int64(h.rows) < l.row && s.row+1 < l.row {
		s.row += int64(h.rows)
		l.src.pos += int64(h.compressed)
		return nil
	}
	return l.load(ctx, h)
}

// takeLevels adds what is at hand up to the end of row last; true when it met
// the row after.
func (l *leafReader) takeLevels(last int64, sel *rowSelection, at int) (bool, error) {
	s := &l.nest
	reps, defs := s.reps[s.at:], s.defs[s.at:]
	if l.slots+len(reps) > maxBatchSlots {
		return false, errTooMuch
	}
	top := uint8(l.node.maxDef)
	if begun := int64(bytes.Count(reps, []byte{0})); sel == nil && s.row+1 >= l.row && (s.keep || reps[0] == 0) && s.row+begun <= last {
		s.row += begun
		s.keep = s.row >= l.row
		s.at = len(s.reps)
		l.addLevels(reps, defs)
		return false, l.values(bytes.Count(defs, []byte{top}), nil, true)
	}
	l.pick = l.pick[:0]
	there, i := 0, 0
	done := false
	for ; i < len(reps); i++ {
		if reps[i] == 0 {
			if s.row == last {
				done = true
				break
			}
			s.row++
			s.keep = s.row >= l.row && (sel == nil || sel.bits.Get(at+int(s.row-l.row)))
		}
		if s.keep {
			l.outReps = append(l.outReps, reps[i])
			l.outDefs = append(l.outDefs, defs[i])
			if defs[i] == top {
				l.pick = append(l.pick, int32(there))
			}
		}
		if defs[i] == top {
			there++
		}
	}
	s.at += i
	l.slots = len(l.outReps)
	return done, l.values(there, l.pick, len(l.pick) == there)
}

func (l *leafReader) addLevels(reps, defs []uint8) {
	l.outReps = append(l.outReps, reps...)
	l.outDefs = append(l.outDefs, defs...)
	l.slots = len(l.outReps)
}
