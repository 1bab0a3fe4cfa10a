package avrodata

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/schema"
)

// shape is a writer's schema and the fields read of it.
type shape struct {
	text   string
	fields []schema.Field
}

// shapes are schemas with every kind of value; the first is that of the sample.
func shapes(t testing.TB) []shape {
	t.Helper()
	text, _ := blocksOf(t, sample(t, "nested-null.avro"))
	opt := func(name, ty string, id string) string {
		return `{"name":"` + name + `","type":["null",` + ty + `],"default":null,"field-id":` + id + `}`
	}
	return []shape{
		{text, nested},
		{
			recordOf(
				opt("b", `"bytes"`, "1"), opt("f", `{"type":"fixed","name":"f5","size":5}`, "2"),
				opt("d", `{"type":"fixed","name":"d16","size":16,"logicalType":"decimal","precision":38,"scale":2}`, "3"),
				opt("u", `{"type":"fixed","name":"u16","size":16,"logicalType":"uuid"}`, "4"),
				opt("t", `{"type":"long","logicalType":"time-micros"}`, "5"), `{"name":"x","type":"double","field-id":6}`,
			),
			[]schema.Field{
				{ID: 1, Name: "b", Type: schema.Binary},
				{ID: 2, Name: "f", Type: schema.Fixed(5)},
				{ID: 3, Name: "d", Type: schema.Decimal(38, 2)},
				{ID: 4, Name: "u", Type: schema.UUID},
				{ID: 5, Name: "t", Type: schema.Time},
				{ID: 6, Name: "x", Type: schema.Double},
			},
		},
		{ // the same lists, read and skipped
			recordOf(
				`{"name":"l","type":{"type":"array","items":["null",{"type":"record","name":"e","fields":[{"name":"z","type":"string","field-id":3}]}],"element-id":2},"field-id":1}`,
				`{"name":"m","type":{"type":"array","items":{"type":"array","items":"int","element-id":6},"element-id":5},"field-id":4}`,
			),
			[]schema.Field{{ID: 1, Name: "l", Type: schema.List(schema.Field{ID: 2, Name: "element", Type: schema.Struct(schema.Field{ID: 3, Name: "z", Type: schema.String, Required: true})})}},
		},
	}
}

// blocksOf returns the schema of a container and the bytes of its blocks.
func blocksOf(t testing.TB, data []byte) (text string, blocks []block) {
	t.Helper()
	r, err := avrofile.NewReader(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	meta, _ := r.Meta("avro.schema")
	for {
		b, n, err := r.Next()
		if err == io.EOF {
			return string(meta), blocks
		}
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, block{bytes.Clone(b), int64(n)})
	}
}

type block struct {
	data []byte
	rows int64
}

// readWhole reads a container with fields, a few of them and none; what must not
// happen is a panic, which the reader turns into an "internal error".
func readWhole(t *testing.T, data []byte, fields []schema.Field) (ok bool) {
	t.Helper()
	f, err := open(t, data)
	if err != nil {
		return false
	}
	for i, some := range [][]schema.Field{fields, nil, fields[:1]} {
		_, err := rows(f, &ReadOptions{Fields: some, BatchRows: 100}, nil)
		if err != nil && strings.Contains(err.Error(), "internal error") {
			t.Errorf("%v", err)
		}
		ok = ok || i == 0 && err == nil
	}
	return ok
}

// FuzzBlock decodes any bytes as a block of rows: the container around it is
// right, so that every input reaches the decoder of values.
func FuzzBlock(f *testing.F) {
	all := shapes(f)
	_, blocks := blocksOf(f, sample(f, "nested-null.avro"))
	for _, b := range blocks {
		f.Add(uint8(0), int16(b.rows), b.data)
		f.Add(uint8(0), int16(1), b.data[:min(len(b.data), 40)])
	}
	f.Add(uint8(1), int16(1), append([]byte{2, 4, 'a', 'b', 2, 1, 2, 3, 4, 5, 2}, make([]byte, 60)...))
	f.Add(uint8(2), int16(1), []byte{4, 2, 2, 'z', 0, 0, 3, 4, 2, 6, 1, 2, 0, 0})
	f.Add(uint8(2), int16(1), []byte{1, 0x80, 0x80, 0x80, 0x80, 0x20, 0, 0})
	f.Fuzz(func(t *testing.T, which uint8, count int16, data []byte) {
		s := all[int(which)%len(all)]
		readWhole(t, container(s.text, int64(count), data), s.fields)
	})
}

// FuzzSchema decodes a block by any schema text.
func FuzzSchema(f *testing.F) {
	for _, s := range shapes(f) {
		f.Add(s.text, []byte{0, 2, 4, 6, 8, 1, 3})
	}
	f.Add(recordOf(`{"name":"a","type":["null","t"],"field-id":1}`), []byte{2, 2, 0})
	f.Add(recordOf(`{"name":"e","type":{"type":"enum","name":"k","symbols":["A","B"]},"field-id":2}`), []byte{2})
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		readWhole(t, container(text, int64(len(data)), data), nested)
	})
}

// TestBlockMutations changes blocks where it hurts: counts, lengths and branches
// are varints, so bytes are replaced, inserted, doubled and cut out, and the
// container is made anew around them.
func TestBlockMutations(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, seed))
	text, blocks := blocksOf(t, sample(t, "nested-null.avro"))
	readable := 0
	for range 1500 {
		b := blocks[r.IntN(len(blocks))]
		data := bytes.Clone(b.data)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(data))
			switch r.IntN(5) {
			case 0:
				data[at] = byte(r.Uint32())
			case 1:
				data[at] ^= 1 // the sign of a varint, the branch of a union
			case 2:
				data = append(data[:at:at], append(bytes.Repeat([]byte{0xff}, r.IntN(10)), data[at:]...)...)
			case 3:
				end := min(len(data), at+1+r.IntN(20))
				data = append(data[:end:end], data[at:]...)
			default:
				end := min(len(data), at+1+r.IntN(4))
				if data = append(data[:at:at], data[end:]...); len(data) == 0 {
					data = []byte{0}
				}
			}
		}
		if readWhole(t, container(text, b.rows+int64(r.IntN(3)-1), data), nested) {
			readable++
		}
	}
	if readable == 0 {
		t.Error("nothing could be read: the mutations are too wild to test anything")
	}
}
