package compaction

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/frazildb/frazil/deletes"
)

// moves says where rows went that were not written in the order they were read:
// pairs of rank and place in a file, in the order they were written.
type moves struct {
	path string
	f    *os.File
	buf  []byte
}

func newMoves(dir string) (*moves, error) {
	f, err := os.CreateTemp(dir, "frazil-moves-")
	if err != nil {
		return nil, fmt.Errorf("sort: %w", err)
	}
	return &moves{path: filepath.Clean(f.Name()), f: f}, nil
}

const moveBytes = 16

// add notes the place of a rank.
func (m *moves) add(rank int64, at place) error {
	m.buf = binary.LittleEndian.AppendUint64(m.buf, uint64(rank))
	m.buf = binary.LittleEndian.AppendUint64(m.buf, uint64(at))
	if len(m.buf) < 64<<10 {
		return nil
	}
	return m.flush()
}

func (m *moves) flush() error {
	_, err := m.f.Write(m.buf)
	m.buf = m.buf[:0]
	if err != nil {
		return fmt.Errorf("sort: %w", err)
	}
	return nil
}

func (m *moves) remove() {
	if m != nil {
		_ = m.f.Close()
		_ = os.Remove(m.path)
	}
}

// find calls f with the place of each of the ranks.
func (m *moves) find(ranks *deletes.Positions, f func(at place)) error {
	if err := m.flush(); err != nil {
		return err
	}
	if _, err := m.f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("sort: %w", err)
	}
	in := bufio.NewReaderSize(m.f, 1<<20)
	var b [moveBytes]byte
	for left := ranks.Len(); left > 0; {
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return fmt.Errorf("sort: %w: %d rows are not among those that were sorted", errors.Join(ErrVerify, err), left)
		}
		if ranks.Contains(binary.LittleEndian.Uint64(b[:])) {
			f(place(binary.LittleEndian.Uint64(b[8:])))
			left--
		}
	}
	_, err := m.f.Seek(0, io.SeekEnd)
	return err
}
