package table

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/snapshot"
)

// change names a change of the commit: run and row of resolver.keys.
type change struct{ run, row int }

// findings is what reading a file brought out: the rows of it that go, and the
// changes that a row of it is newer than.
type findings struct {
	deleted *deletes.Positions
	late    []change
	// own is set for an appended file of the commit: only changes of generations
	// after gen touch its rows. Stored rows are before every generation.
	own bool
	gen int
}

// setOrder takes the order that all sets must have in common.
func (r *resolver) setOrder(s *schema.Schema, staged []*Staged) error {
	first := true
	var name string
	for _, set := range staged {
		if len(set.keys) == 0 {
			continue
		}
		if first {
			first, name = false, set.orderName
			if len(set.order) == 0 {
				continue
			}
			var err error
			if r.orderFields, err = fieldsByID(s, set.order); err != nil {
				return fmt.Errorf("%w: order of changes: %w", ErrBadRow, err)
			}
			if r.order, err = upsert.NewOrder(r.orderFields); err != nil {
				return fmt.Errorf("%w: %w", ErrBadRow, err)
			}
			if r.order.Name() != name {
				return fmt.Errorf("%w: the type of an order column has changed since the changes were flushed", ErrBadRow)
			}
		} else if set.orderName != name {
			return fmt.Errorf("%w: changes ordered by different columns, or some of them not at all, cannot be committed together", ErrBadRow)
		}
	}
	return nil
}

// judge adds what the rows of a batch bring out.
func (r *resolver) judge(f *findings, k keyBatch) {
	var value []byte
	for i, d := range k.digests {
		at := r.wanted.Get(d)
		if at.IsZero() {
			continue
		}
		c := change{at.File(), int(at.Pos())}
		if f.own && r.keys[c.run].gen <= f.gen {
			continue
		}
		if r.order != nil && r.t.opts.off != "order against stored rows" {
			if value = r.order.Append(value[:0], k.order, i); bytes.Compare(value, r.keys[c.run].orders[c.row]) > 0 {
				f.late = append(f.late, c)
				continue
			}
		}
		if f.deleted == nil {
			f.deleted = &deletes.Positions{}
		}
		f.deleted.Add(uint64(k.pos[i]))
	}
}

// keepFindings notes the outcome for a file as of the deletes it has.
func (r *resolver) keepFindings(path, deletes string, f *findings) {
	r.probed[path] = deletes
	r.found[path], r.late[path] = f.deleted, f.late
	if f.deleted == nil {
		delete(r.found, path)
	}
	if f.late == nil {
		delete(r.late, path)
	}
}

// isProbed reports whether a file has been looked at and what was found holds
// whatever deletes it got since: rows deleted do no harm among those to delete,
// but a row that made a change late may be gone.
func (r *resolver) isProbed(path string) bool {
	_, ok := r.probed[path]
	return ok && r.late[path] == nil
}

// isStill reports whether a file has been looked at with just these deletes.
func (r *resolver) isStill(path, deletes string) bool {
	had, ok := r.probed[path]
	return ok && (had == deletes || r.t.opts.off == "late changes are compared anew")
}

// mustCompare reports whether a file whose rows the index has given is to be
// read all the same, to compare them with the changes.
func (r *resolver) mustCompare(path string) bool {
	return r.order != nil && (r.found[path] != nil || r.late[path] != nil)
}

// deletesOf names the deletes of a file.
func deletesOf(d snapshot.Deletes) string {
	var b strings.Builder
	add := func(e *manifest.Entry) {
		b.WriteString(e.File.Path)
		if e.File.ContentOffset != nil {
			fmt.Fprintf(&b, "#%d", *e.File.ContentOffset)
		}
		b.WriteByte('\n')
	}
	if d.DV != nil {
		add(d.DV)
	}
	for _, e := range slices.Concat(d.Positions, d.Equality) {
		add(e)
	}
	return b.String()
}

// noteLate makes the changes that rows of live files are newer than the late
// ones of this attempt.
func (r *resolver) noteLate() {
	r.lateNow = slices.Clone(r.lateOwn)
	for _, e := range r.live {
		r.lateNow = append(r.lateNow, r.late[e.File.Path]...)
	}
}

// staleNow returns, by own file, the rows that are not to be seen: those
// replaced within the commit and, in this attempt, those of late changes.
func (r *resolver) staleNow() map[int]*deletes.Positions {
	if len(r.lateNow) == 0 {
		return r.stale
	}
	out := map[int]*deletes.Positions{}
	for n, p := range r.stale {
		out[n] = p.Clone()
	}
	for _, c := range r.lateNow {
		loc := r.place(c)
		if !loc.IsWritten() {
			continue
		}
		p := out[loc.File()]
		if p == nil {
			p = &deletes.Positions{}
			out[loc.File()] = p
		}
		p.Add(uint64(loc.Pos()))
	}
	return out
}

// place is where the row of a change is among the commit's own files.
func (r *resolver) place(c change) upsert.Loc {
	k := &r.keys[c.run]
	if r.several {
		return r.latest.Get(k.digests[c.row])
	}
	return k.locs[c.row]
}

// lateKeys are the keys of the late changes of the last attempt.
func (r *resolver) lateKeys() map[deletes.Digest]bool {
	if len(r.lateNow) == 0 {
		return nil
	}
	keys := make(map[deletes.Digest]bool, len(r.lateNow))
	for _, c := range r.lateNow {
		keys[r.keys[c.run].digests[c.row]] = true
	}
	return keys
}
