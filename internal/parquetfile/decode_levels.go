package parquetfile

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// levelStream reads the levels of a page.
type levelStream struct {
	max int // 0: all levels are 0
	h   hybrid
	raw []uint8 // levels already decoded, of the deprecated encoding
}

func (s *levelStream) v2(b []byte, max int) (err error) {
	s.max, s.raw = max, nil
	if max > 0 {
		s.h, err = newHybrid(b, levelBits(max))
	}
	return err
}

func (s *levelStream) v1(b []byte, max, values int, enc format.Encoding) (rest []byte, err error) {
	s.max, s.raw = max, nil
	if max == 0 {
		return b, nil
	}
	if enc == format.BitPacked {
		width := levelBits(max)
		if values > len(b)*8/width {
			return nil, errLevelsEnd
		}
		s.raw = make([]uint8, values)
		n, err := bitPackedLevels(s.raw, b, width)
		return b[n:], err
	}
	if enc != format.RLE {
		return nil, fmt.Errorf("levels of encoding %v", enc)
	}
	if len(b) < 4 {
		return nil, errLevelsEnd
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, errLevelsEnd
	}
	s.h, err = newHybrid(b[4:4+n], levelBits(max))
	return b[4+n:], err
}

// repeats takes the next k levels if they are known to be the same.
func (s *levelStream) repeats(k int) (v int, ok bool, err error) {
	if s.max == 0 {
		return 0, true, nil
	}
	if s.raw != nil {
		return 0, false, nil
	}
	u, ok, err := s.h.repeats(k)
	if ok && int(u) > s.max {
		err = fmt.Errorf("level %d of at most %d", u, s.max)
	}
	return int(u), ok, err
}

// take fills dst.
func (s *levelStream) take(dst []uint8) error {
	if s.max == 0 {
		clear(dst)
		return nil
	}
	if s.raw != nil {
		if len(s.raw) < len(dst) {
			return errLevelsEnd
		}
		copy(dst, s.raw)
		s.raw = s.raw[len(dst):]
	} else if err := s.h.levels(dst); err != nil {
		return err
	}
	if s.max&(s.max+1) != 0 { // the width has room for more than max
		for _, v := range dst {
			if int(v) > s.max {
				return fmt.Errorf("level %d of at most %d", v, s.max)
			}
		}
	}
	return nil
}
