package parquetfile

import "errors"

// values decodes the next n values of the page and adds them, or those at
// pick.
func (l *leafReader) values(n int, pick []int32, all bool) error {
	if l.skip {
		return nil
	}
	if !all && len(pick) == 0 {
		return l.vals.skip(n)
	}
	if n == 0 {
		return nil
	}
	add := n
	if !all {
		add = len(pick)
	}
	l.n += add
	switch l.vals.kind {
	case valuesDict:
		return l.fromDict(n, pick, all)
	case valuesBits:
		l.raw = resized(l.raw, n)
		if err := l.vals.h.levels(l.raw); err != nil {
			return err
		}
		return l.addFixed(l.raw, 1, pick, all)
	case valuesFixed:
		b, err := l.vals.fixed(n)
		if err != nil {
			return err
		}
		return l.addFixed(b, l.vals.width, pick, all)
	}
	if l.conv.width == 0 {
		return l.addBytes(n, pick, all)
	}
	// Byte arrays wanted as fixed-width values.
	keep := l.vars
	l.vars = l.tmpVars
	l.vars.offs = append(l.vars.offs[:0], 0)
	l.vars.data.n = 0
	err := l.addBytes(n, pick, all)
	l.tmpVars, l.vars = l.vars, keep
	if err != nil {
		return err
	}
	size := add * l.conv.width
	l.fixed.reserve(l.mem, size)
	dst := l.fixed.b[l.fixed.n : l.fixed.n+size]
	l.fixed.n += size
	return l.conv.bytes(dst, l.tmpVars.data.b, l.tmpVars.offs)
}

func (l *leafReader) addBytes(n int, pick []int32, all bool) error {
	switch l.vals.kind {
	case valuesPlain:
		return l.vals.plain(l, n, pick, all)
	case valuesOffsets:
		return l.vals.slices(l, n, pick, all)
	}
	return errValuesEnd
}

// addFixed adds values of w bytes of the physical type.
func (l *leafReader) addFixed(src []byte, w int, pick []int32, all bool) error {
	n := len(src) / w
	if !all {
		n = len(pick)
	}
	if l.conv.width == 0 { // fixed read as binary
		return l.addFixedAsBytes(src, w, pick, all)
	}
	size := n * l.conv.width
	l.fixed.reserve(l.mem, size)
	dst := l.fixed.b[l.fixed.n : l.fixed.n+size]
	l.fixed.n += size
	switch {
	case l.conv.fixed == nil && all:
		copy(dst, src)
		return nil
	case l.conv.fixed == nil:
		take(dst, src, w, pick)
		return nil
	case all:
		return l.conv.fixed(dst, src)
	}
	if cap(l.raw) < n*w || w == 1 {
		l.raw = make([]byte, n*w)
	}
	take(l.raw[:n*w], src, w, pick)
	return l.conv.fixed(dst, l.raw[:n*w])
}

func (l *leafReader) addFixedAsBytes(src []byte, w int, pick []int32, all bool) error {
	n := len(src) / w
	if !all {
		n = len(pick)
	}
	if int64(l.vars.data.n)+int64(n)*int64(w) > 1<<31-1 {
		return errTooMuch
	}
	l.vars.data.reserve(l.mem, n*w)
	dst := l.vars.data.b[l.vars.data.n : l.vars.data.n+n*w]
	if all {
		copy(dst, src)
	} else {
		take(dst, src, w, pick)
	}
	for i := range l.moreOffsets(n) {
		l.vars.offs[len(l.vars.offs)-n+i] = int32(l.vars.data.n + (i+1)*w)
	}
	l.vars.data.n += n * w
	return nil
}

func (l *leafReader) fromDict(n int, pick []int32, all bool) error {
	if l.dict.n < 0 {
		return errors.New("no dictionary")
	}
	l.idx = resized(l.idx, n)
	if err := l.vals.h.indexes(l.idx, uint32(l.dict.n)); err != nil {
		return err
	}
	idx := l.idx
	if !all {
		for i, p := range pick { // ascending, so what is read is not yet overwritten
			idx[i] = idx[p]
		}
		idx = idx[:len(pick)]
	}
	if l.conv.width == 0 {
		return l.dict.vars.append(l, idx)
	}
	size := len(idx) * l.conv.width
	l.fixed.reserve(l.mem, size)
	lookup(l.fixed.b[l.fixed.n:l.fixed.n+size], l.dict.fixed, l.conv.width, idx)
	l.fixed.n += size
	return nil
}
