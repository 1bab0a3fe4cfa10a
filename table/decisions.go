package table

import (
	"strconv"
)

// Decisions counts what became of the keys that a commit upserted or deleted,
// and of the rows it deleted by value in a table without a key. They are in the
// snapshot's summary, as frazil.keys.absent and so on, those that are not zero.
type Decisions struct {
	// Absent keys had no row: nothing was deleted.
	Absent int64
	// Position, Vector and WithFile are rows that were found and deleted: by
	// position delete (format version 2), by deletion vector (3), or with their
	// data file, of which nothing was left. A key with several rows counts as
	// often.
	Position, Vector, WithFile int64
	// Equality keys were deleted without a look.
	Equality int64
	// Late changes were older than another of their key, by WriterOptions.OrderBy,
	// and did nothing.
	Late int64
}

// decisionNames are the summary's names, in the order of all.
var decisionNames = [...]string{"absent", "position", "vector", "with-file", "equality", "late"}

func (d *Decisions) all() [len(decisionNames)]int64 {
	return [...]int64{d.Absent, d.Position, d.Vector, d.WithFile, d.Equality, d.Late}
}

// addTo puts the counts into a snapshot's summary.
func (d *Decisions) addTo(summary map[string]string) {
	for i, n := range d.all() {
		if n != 0 {
			summary["frazil.keys."+decisionNames[i]] = strconv.FormatInt(n, 10)
		}
	}
}

// Add adds the counts of another commit.
func (d *Decisions) Add(o Decisions) {
	d.Absent += o.Absent
	d.Position += o.Position
	d.Vector += o.Vector
	d.WithFile += o.WithFile
	d.Equality += o.Equality
	d.Late += o.Late
}

// located counts rows of a data file that an attempt deletes.
func (c *commit) located(rows int64, version int, whole bool) {
	switch {
	case whole:
		c.decisions.WithFile += rows
	case version >= 3:
		c.decisions.Vector += rows
	default:
		c.decisions.Position += rows
	}
}

// countKeys completes the counts of an attempt: the keys not deleted one way or
// another were absent.
func (c *commit) countKeys(equality bool) {
	r, d := c.resolver, &c.decisions
	keys := int64(r.latest.Len())
	if !r.several {
		keys = countOf(r.keys)
	}
	for _, n := range r.bag {
		keys += int64(n)
	}
	late := int64(len(r.lateKeys()))
	if equality {
		d.Equality = countOf(r.asked)
	}
	d.Absent = max(0, keys-late-d.Position-d.Vector-d.WithFile-d.Equality)
	d.Late = late + r.lateSets
	for _, s := range c.staged {
		d.Late += s.late
	}
}

func countOf(keys []stagedKeys) (n int64) {
	for _, k := range keys {
		n += int64(len(k.digests))
	}
	return n
}
