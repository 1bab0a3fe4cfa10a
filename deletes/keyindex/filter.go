package keyindex

import (
	"encoding/binary"
	"fmt"

	"github.com/frazildb/frazil/deletes"
)

// filter says of most keys that are not on disk that they are not: bloom filters
// of 1 %, each for as many keys again as those before it. A filter that would
// pass its budget is given up and says maybe to all.
type filter struct {
	layers []layer
	budget int64
	off    bool
}

type layer struct {
	f        *deletes.Filter
	n, limit uint64
}

const (
	filterRate  = 0.01
	filterFirst = 1 << 12 // keys of the first layer
)

// add adds a key and reports whether it may be new.
func (f *filter) add(k deletes.Digest) bool {
	if f.off {
		return true
	}
	if len(f.layers) > 0 && f.test(k) {
		return false
	}
	if n := len(f.layers); n == 0 || f.layers[n-1].n >= f.layers[n-1].limit {
		f.grow(0)
		if f.off {
			return true
		}
	}
	last := &f.layers[len(f.layers)-1]
	last.f.Add(k)
	last.n++
	return true
}

// grow adds a layer of at least n keys.
func (f *filter) grow(n uint64) {
	limit := max(n, filterFirst)
	for _, l := range f.layers {
		limit = max(limit, l.limit) // doubles the whole
	}
	if len(f.layers) > 1 {
		limit *= 2
	}
	if f.bytes()+int64(limit)*5/4 > f.budget {
		f.off, f.layers = true, nil
		return
	}
	f.layers = append(f.layers, layer{f: deletes.NewFilter(limit, filterRate), limit: limit})
}

// test reports whether a key may be on disk.
func (f *filter) test(k deletes.Digest) bool {
	if f.off {
		return true
	}
	for _, l := range f.layers {
		if l.f.Test(k) {
			return true
		}
	}
	return false
}

func (f *filter) bytes() int64 {
	n := int64(0)
	for _, l := range f.layers {
		n += l.f.MemoryBytes()
	}
	return n
}

// A saved filter belongs to one state of the store, told by its runs:
//
//	runs, layers: 8 bytes LE each
//	per layer: keys, limit, length: 8 bytes LE each; the filter, which has a checksum
func (f *filter) marshal(runs int64) ([]byte, error) {
	b := binary.LittleEndian.AppendUint64(nil, uint64(runs))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(f.layers)))
	for _, l := range f.layers {
		body, err := l.f.MarshalBinary()
		if err != nil {
			return nil, err
		}
		for _, v := range []uint64{l.n, l.limit, uint64(len(body))} {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		b = append(b, body...)
	}
	return b, nil
}

func (f *filter) unmarshal(b []byte, runs int64) error {
	if len(b) < 16 || int64(binary.LittleEndian.Uint64(b)) != runs {
		return fmt.Errorf("filter of another state")
	}
	n := binary.LittleEndian.Uint64(b[8:])
	b = b[16:]
	var layers []layer
	for range n {
		if len(b) < 24 || binary.LittleEndian.Uint64(b[16:]) > uint64(len(b)-24) {
			return errFormat
		}
		l := layer{f: new(deletes.Filter), n: binary.LittleEndian.Uint64(b), limit: binary.LittleEndian.Uint64(b[8:])}
		size := binary.LittleEndian.Uint64(b[16:])
		if err := l.f.UnmarshalBinary(b[24 : 24+size]); err != nil {
			return err
		}
		layers, b = append(layers, l), b[24+size:]
	}
	if len(b) > 0 {
		return errFormat
	}
	f.layers, f.off = layers, false
	return nil
}
