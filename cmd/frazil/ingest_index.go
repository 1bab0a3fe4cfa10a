package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/frazildb/frazil/deletes/keyindex"
	"github.com/frazildb/frazil/table"
)

// autoIndexRows is the size of table up to which --key-index auto keeps an index
// in memory.
const autoIndexRows = 1_000_000

// keyIndex opens the index of a table as --key-index says, nil for none, and
// makes it know the table as it is.
func (in *ingestion) keyIndex(ctx context.Context, t *table.Table) (table.KeyIndex, func() error, error) {
	o := &keyindex.Options{Problem: func(err error) {
		in.warn(t.Name(), fmt.Sprintf("the key index is built again: %v", err))
	}}
	switch in.index {
	case "none":
		return nil, nil, nil
	case "auto":
		if len(t.Schema().IdentifierFieldIDs) == 0 || rowsOf(t) > autoIndexRows {
			return nil, nil, nil
		}
	case "mem":
	case "":
		return nil, nil, usagef("--key-index: give auto, mem, none or a folder")
	default:
		o.Dir = filepath.Join(in.index, url.PathEscape(t.Name()))
	}
	x, err := keyindex.Open(o)
	if err != nil {
		return nil, nil, fmt.Errorf("table %s: %w", t.Name(), err)
	}
	if in.index != "auto" {
		if err := t.LearnKeys(ctx, x, ""); err != nil {
			return nil, nil, errors.Join(err, x.Close())
		}
	}
	return x, x.Close, nil
}

// rowsOf is the number of rows of a table as its summary has it, deleted ones
// included; more than any limit when that is not known.
func rowsOf(t *table.Table) int64 {
	s := t.Metadata().Current()
	if s == nil {
		return 0
	}
	n, err := strconv.ParseInt(s.Summary["total-records"], 10, 64)
	if err != nil {
		return autoIndexRows + 1
	}
	return n
}

// keyCounts are the decisions of the run's commits, which may be made at once.
type keyCounts struct {
	mu sync.Mutex
	d  table.Decisions
}

func (k *keyCounts) add(c table.CommitInfo) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.d.Add(c.Keys)
}

func (k *keyCounts) json() map[string]int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return map[string]int64{
		"absent": k.d.Absent, "position": k.d.Position, "vector": k.d.Vector, "with_file": k.d.WithFile,
		"equality": k.d.Equality, "late": k.d.Late,
	}
}
