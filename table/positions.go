package table

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/frazildb/frazil/metadata"
)

// Names under which source positions are kept: in the summary of every snapshot
// we write, and in a table property together with the snapshot they belong to,
// for the day another engine expires our snapshots.
const (
	marksSummary  = "frazil.positions"
	marksProperty = "frazil.positions"
)

// marks is how far the sources of a table have been applied, and which writers
// may still commit.
type marks struct {
	SnapshotID int64             `json:"snapshot-id,omitempty"` // in the property only
	Positions  map[string]string `json:"positions,omitempty"`
	Epochs     map[string]int64  `json:"epochs,omitempty"`
	Folds      map[string]*folds `json:"folds,omitempty"` // by prefix
}

func (m *marks) property(snapshotID int64) string {
	c := *m
	c.SnapshotID = snapshotID
	return c.String()
}

// String is the JSON form.
func (m *marks) String() string {
	b, _ := json.Marshal(m) // maps of strings and numbers always marshal
	return string(b)
}

// Positions returns the source positions the table's current state (of the last
// refresh or commit) has reached: stream → position, empty when no commit
// carried any. A reader of a change stream resumes after them.
func (t *Table) Positions() (map[string]string, error) {
	m := t.Metadata()
	k, err := readMarks(m, m.Current(), t.opts.off)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.id, err)
	}
	if k == nil {
		return map[string]string{}, nil
	}
	return maps.Clone(k.Positions), nil
}

// readMarks returns the marks that hold at head: those of the nearest ancestor
// that has some, else those of the property if its snapshot is provably an
// ancestor of head. Nil means the table never had any.
func readMarks(m *metadata.Table, head *metadata.Snapshot, off string) (*marks, error) {
	var lastParent *int64
	if head != nil {
		for s := range m.Ancestors(head.ID) {
			if v, ok := s.Summary[marksSummary]; ok {
				return parseMarks(v)
			}
			lastParent = s.ParentID
		}
	}
	v, ok := m.Properties[marksProperty]
	if !ok {
		return nil, nil
	}
	k, err := parseMarks(v)
	if err != nil {
		return nil, err
	}
	// The ancestors still known carry no marks. The oldest of them names a parent
	// that has expired; only if that is the property's snapshot is it an ancestor.
	if lastParent != nil && *lastParent == k.SnapshotID || off == "positions of an ancestor" {
		return k, nil
	}
	return nil, fmt.Errorf("%w: recorded for snapshot %d, which is not known to be an ancestor of the current one", ErrPositionsUnknown, k.SnapshotID)
}

func parseMarks(s string) (*marks, error) {
	var k marks
	if err := json.Unmarshal([]byte(s), &k); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrPositionsUnknown, marksSummary, err)
	}
	return &k, nil
}

// advance returns the marks after this commit, nil when there are none, and
// refuses a writer that a later epoch has fenced.
func (c *commit) advance(m *metadata.Table, head *metadata.Snapshot) (*marks, error) {
	if c.reset != nil {
		return c.reset, nil
	}
	old, err := readMarks(m, head, c.t.opts.off)
	if err != nil {
		return nil, err
	}
	var k marks
	if old != nil {
		k.Positions, k.Epochs, k.Folds = maps.Clone(old.Positions), maps.Clone(old.Epochs), old.Folds
	}
	for _, s := range c.staged {
		if s.writer == "" {
			continue
		}
		if last, ok := k.Epochs[s.writer]; ok && last > s.epoch && c.t.opts.off != "fencing" {
			return nil, fmt.Errorf("%w: writer %q has epoch %d, epoch %d has committed", ErrFenced, s.writer, s.epoch, last)
		}
		if k.Epochs == nil {
			k.Epochs = map[string]int64{}
		}
		k.Epochs[s.writer] = s.epoch
	}
	if len(c.positions) > 0 {
		if k.Positions == nil {
			k.Positions = map[string]string{}
		}
		maps.Copy(k.Positions, c.positions)
		k.fold(c.co.Fold, c.positions, m.LastSequenceNumber+1, c.t.opts.Clock())
	}
	if len(k.Positions)+len(k.Epochs)+len(k.Folds) == 0 {
		return nil, nil
	}
	return &k, nil
}

func (c *commit) summary(k *marks) map[string]string {
	s := map[string]string{"engine-name": engineName, "engine-version": Version}
	if k != nil {
		s[marksSummary] = k.String()
	}
	maps.Copy(s, c.co.Summary)
	return s
}

const engineName = "frazil"

// Version of the engine, as snapshot summaries carry it.
const Version = "0.1.0"

// ResetPositions replaces the table's source positions, after
// ErrPositionsUnknown or to replay on purpose; nil forgets them. It is a commit
// without rows.
func (t *Table) ResetPositions(ctx context.Context, p map[string]string) error {
	empty := &Staged{tableUUID: t.Metadata().UUID}
	c := &commit{
		t: t, wo: (*WriterOptions)(nil).withDefaults(), staged: []*Staged{empty},
		started: t.opts.Clock(), reset: &marks{Positions: maps.Clone(p)},
	}
	setDefault(&c.co.Timeout, 2*time.Minute)
	t.commitMu.Lock()
	defer t.commitMu.Unlock()
	if _, err := c.run(ctx); err != nil {
		return fmt.Errorf("table %s: reset positions: %w", t.id, err)
	}
	return nil
}
