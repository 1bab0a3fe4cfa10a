package keyindex

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/kv"
)

// disk is the index on disk. Its keys are
//
//	'f' ordinal, 4 bytes BE      a covered file: sequence, 8 bytes LE, and path
//	'k' digest, 2 x 8 bytes BE   places of a key, 8 bytes LE each
//	'm'                          state: version, snapshot, sequence, next ordinal,
//	                             keys, runs (8 bytes LE each), identity
//
// Commits gather in memory; then one sorted run is written with all they
// changed, the state too. Keys are looked up in order, behind a bloom filter, which answers for most keys that
// are new.
type disk struct {
	db *kv.DB
	// mu guards alive, which Tidy reads from the store's own goroutines.
	mu    sync.Mutex
	alive []bool // of Index, as of the last call

	n       int64 // keys, those taken for new counted twice at times
	runs    int64 // written so far
	dead    []uint32
	filter  filter
	keys    []deletes.Digest // scratch
	scratch []entry
	sorted  []entry // scratch of sort
}

const diskVersion = 1

var (
	errFormat = errors.New("not of this version")
	metaKey   = []byte{'m'}
)

func openDisk(dir string, budget int64) (*disk, error) {
	d := &disk{filter: filter{budget: budget / 2}}
	var err error
	d.db, err = kv.Open(dir, &kv.Options{CacheBytes: budget / 2, Tidy: d.tidy})
	return d, err
}

// tidy drops the places of a key that are in files which no longer count, and
// those that are there twice.
func (d *disk) tidy(value []byte) []byte {
	if len(value)%8 != 0 {
		return value
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := value[:0]
	for i := 0; i < len(value); i += 8 {
		l := loc(binary.LittleEndian.Uint64(value[i:]))
		if ord := int(l.ord()); ord < len(d.alive) && !d.alive[ord] {
			continue
		}
		twice := false
		for j := 0; j < len(out); j += 8 {
			twice = twice || loc(binary.LittleEndian.Uint64(out[j:])) == l
		}
		if !twice {
			out = append(out, value[i:i+8]...)
		}
	}
	return out
}

// setAlive tells which files count. The slice may grow but keeps its meaning.
func (d *disk) setAlive(alive []bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alive = slices.Clone(alive)
}

func fileKey(ord uint32) []byte { return binary.BigEndian.AppendUint32([]byte{'f'}, ord) }

func appendKey(b []byte, k deletes.Digest) []byte {
	b = append(b, 'k')
	b = binary.BigEndian.AppendUint64(b, k[0])
	return binary.BigEndian.AppendUint64(b, k[1])
}

// change is what a run writes.
type change struct {
	entries []entry // sorted; the loc gone removes a key
	merge   bool    // places are added to those a key has
	files   map[uint32]fileInfo
	state   state
	next    int // the next ordinal
}

func (d *disk) write(c *change) error {
	for i := range c.entries { // the filter first: it must never miss a key
		if i > 0 && c.entries[i].key == c.entries[i-1].key || c.entries[i].loc == gone {
			continue
		}
		if d.filter.add(c.entries[i].key) {
			d.n++
		}
	}
	err := d.db.Write(func(r *kv.Run) error {
		d.writeFiles(r, c.files)
		d.writeEntries(r, c)
		r.Set(metaKey, d.meta(c))
		return nil
	})
	if err == nil {
		d.runs++
		d.dead = d.dead[:0]
	}
	return err
}

func (d *disk) writeFiles(r *kv.Run, files map[uint32]fileInfo) {
	ords := slices.Clone(d.dead)
	for ord := range files {
		ords = append(ords, ord)
	}
	slices.Sort(ords)
	for _, ord := range slices.Compact(ords) {
		f, ok := files[ord]
		if !ok {
			r.Delete(fileKey(ord))
			continue
		}
		v := binary.LittleEndian.AppendUint64(nil, uint64(f.sequence))
		r.Set(fileKey(ord), append(v, f.path...))
	}
}

func (d *disk) writeEntries(r *kv.Run, c *change) {
	var key, value []byte
	for i := 0; i < len(c.entries); {
		k := c.entries[i].key
		key, value = appendKey(key[:0], k), value[:0]
		for ; i < len(c.entries) && c.entries[i].key == k; i++ {
			if l := c.entries[i].loc; l != gone {
				value = binary.LittleEndian.AppendUint64(value, uint64(l))
			}
		}
		switch {
		case len(value) == 0:
			r.Delete(key)
		case c.merge:
			r.Merge(key, value)
		default:
			r.Set(key, value)
		}
	}
}

func (d *disk) meta(c *change) []byte {
	var b []byte
	for _, v := range []int64{diskVersion, c.state.snapshot, c.state.sequence, int64(c.next), d.n, d.runs + 1} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return append(b, c.state.identity...)
}

// load reads state and files.
func (d *disk) load() (s state, files []fileInfo, err error) {
	defer kv.Recovered(&err)
	it, err := d.db.Iter()
	if err != nil {
		return s, nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Seek(metaKey) || !bytes.Equal(it.Key(), metaKey) {
		return s, nil, errFormat
	}
	m := it.Value()
	if len(m) < 48 || binary.LittleEndian.Uint64(m) != diskVersion {
		return s, nil, errFormat
	}
	num := func(i int) int64 { return int64(binary.LittleEndian.Uint64(m[8*i:])) }
	s = state{string(m[48:]), num(1), num(2)}
	next := num(3)
	d.n, d.runs = num(4), num(5)
	if next < 1 || next > maxOrd+1 {
		return s, nil, fmt.Errorf("%d files", next)
	}
	files = make([]fileInfo, next)
	for ok := it.Seek([]byte{'f'}); ok && it.Key()[0] == 'f'; ok = it.Next() {
		k, v := it.Key(), it.Value()
		if len(k) != 5 || len(v) < 8 || int64(binary.BigEndian.Uint32(k[1:])) >= next {
			return s, nil, errFormat
		}
		files[binary.BigEndian.Uint32(k[1:])] = fileInfo{string(v[8:]), int64(binary.LittleEndian.Uint64(v))}
	}
	return s, files, nil
}

// find calls f with every place of keys.
func (d *disk) find(ctx context.Context, keys []deletes.Digest, f func(l loc)) (err error) {
	defer kv.Recovered(&err)
	d.scratch = d.scratch[:0]
	for _, k := range keys {
		if d.filter.test(k) {
			d.scratch = append(d.scratch, entry{key: k})
		}
	}
	d.scratch = d.sort(d.scratch)
	it, err := d.db.Iter()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var key []byte
	for i, e := range d.scratch {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		key = appendKey(key[:0], e.key)
		if !it.Find(key) {
			continue
		}
		v := it.Value()
		if len(v)%8 != 0 {
			return errFormat
		}
		for ; len(v) > 0; v = v[8:] {
			f(loc(binary.LittleEndian.Uint64(v)))
		}
	}
	return nil
}

// sort sorts entries, and returns them in e or in another slice, valid until the
// next call. e must not be used any more but for the next call.
func (d *disk) sort(e []entry) []entry {
	n := bits.Len(uint(len(e))) - 2
	if n < 6 {
		slices.SortFunc(e, compareEntries)
		return e
	}
	// By their first bits into as many buckets as hold a few entries each.
	n = min(n, 18)
	at := make([]int32, 1<<n+1)
	for i := range e {
		at[e[i].key[0]>>(64-n)+1]++
	}
	for i := 1; i < len(at); i++ {
		at[i] += at[i-1]
	}
	out := slices.Grow(d.sorted[:0], len(e))[:len(e)]
	from := slices.Clone(at)
	for i := range e {
		b := e[i].key[0] >> (64 - n)
		out[from[b]] = e[i]
		from[b]++
	}
	for i := range at[1:] {
		if bucket := out[at[i]:at[i+1]]; len(bucket) > 1 {
			slices.SortFunc(bucket, compareEntries)
		}
	}
	d.sorted = e
	return out
}

// eachKey calls f with all keys.
func (d *disk) eachKey(f func(deletes.Digest)) (err error) {
	defer kv.Recovered(&err)
	it, err := d.db.Iter()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.Seek([]byte{'k'}); ok && it.Key()[0] == 'k'; ok = it.Next() {
		k := it.Key()
		if len(k) != 17 {
			return errFormat
		}
		f(deletes.Digest{binary.BigEndian.Uint64(k[1:]), binary.BigEndian.Uint64(k[9:])})
	}
	return nil
}
