package avrofile

import (
	"fmt"
	"hash/fnv"
)

// DefaultBlock is the size in bytes at which a Writer ends a block.
const DefaultBlock = 64 << 10

// Writer builds a container in memory from encoded objects.
type Writer struct {
	out   []byte
	codec Codec
	sync  [syncSize]byte
	block []byte
	count int64
	raw   int // bytes of ended blocks before compression
}

// Meta is a header entry.
type Meta struct {
	Key   string
	Value []byte
}

// NewWriter begins a container; meta is written in order after the schema and
// the codec.
func NewWriter(schema string, codec Codec, meta []Meta) *Writer {
	w := &Writer{codec: codec}
	w.out = append(w.out, magic...)
	w.out = AppendVarint(w.out, int64(len(meta)+2))
	w.out = AppendBytes(AppendBytes(w.out, "avro.schema"), schema)
	w.out = AppendBytes(AppendBytes(w.out, "avro.codec"), codec.String())
	for _, m := range meta {
		w.out = AppendBytes(AppendBytes(w.out, m.Key), m.Value)
	}
	w.out = append(w.out, 0)
	// The marker need only be unlikely in the data; deriving it from the header
	// keeps files reproducible.
	h := fnv.New128a()
	_, _ = h.Write(w.out)
	h.Sum(w.sync[:0])
	w.out = append(w.out, w.sync[:]...)
	return w
}

// Buffer returns the block being filled, to append one encoded object to; the
// result goes to Commit.
func (w *Writer) Buffer() []byte { return w.block }

// Commit ends an object appended to Buffer.
func (w *Writer) Commit(block []byte) error {
	w.block = block
	w.count++
	if len(w.block) >= DefaultBlock {
		return w.flush()
	}
	return nil
}

func (w *Writer) flush() error {
	if w.count == 0 {
		return nil
	}
	body, err := compress(w.codec, nil, w.block)
	if err != nil {
		return fmt.Errorf("compress avro block: %w", err)
	}
	w.out = AppendVarint(w.out, w.count)
	w.out = AppendBytes(w.out, body)
	w.out = append(w.out, w.sync[:]...)
	w.raw += len(w.block)
	w.block, w.count = w.block[:0], 0
	return nil
}

// Size estimates how many bytes Close would return.
func (w *Writer) Size() int {
	pending := len(w.block)
	if w.codec != Null && pending > 0 {
		// Manifests compress about five times; a better guess once a block has
		// been written.
		pending = pending/5 + 1
		if w.raw > 0 {
			pending = int(int64(len(w.block)) * int64(len(w.out)) / int64(w.raw+1))
			pending = min(pending, len(w.block))
		}
	}
	return len(w.out) + pending
}

// Close returns the whole container.
func (w *Writer) Close() ([]byte, error) {
	if err := w.flush(); err != nil {
		return nil, err
	}
	return w.out, nil
}
