package bench

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/frazildb/frazil/schema"
)

// random is output number i, from 0, of splitmix64 started with state s.
func random(s, i uint64) uint64 {
	z := s + (i+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// epoch is 2026-01-01 in microseconds, where the times of all data begin.
const epoch = 1767225600000000

var statuses = [...]string{"NEW", "PAID", "PACKED", "SHIPPED", "DELIVERED", "RETURNED", "CANCELLED", "REFUNDED"}

// Data is a set of rows of which any slice can be made alone. Row n is the same
// on every run.
type Data struct {
	Name   string
	Schema *schema.Schema
	Arrow  *arrow.Schema
	// RawBytes is about the size of a row: its fixed-width values and characters.
	RawBytes int
	columns  []func(first int64, n int) arrow.Array
}

// Batch makes rows first to first+n.
func (d *Data) Batch(first int64, n int) arrow.RecordBatch {
	cols := make([]arrow.Array, len(d.columns))
	for i, f := range d.columns {
		cols[i] = f(first, n)
	}
	b := array.NewRecordBatch(d.Arrow, cols, int64(n))
	for _, c := range cols {
		c.Release()
	}
	return b
}

func newData(name string, raw int, s *schema.Schema, columns []func(int64, int) arrow.Array) *Data {
	return &Data{Name: name, Schema: s, Arrow: schema.ArrowSchema(s), RawBytes: raw, columns: columns}
}

// R6 is the row of six columns: id, customer, amount, ts, status, note; all but
// id are optional and none is null. Ids count from 0, or with shuffled > 0 are a
// permutation of 0 to shuffled-1.
func R6(shuffled int64) *Data {
	s := schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "customer", Type: schema.Long},
		schema.Field{ID: 3, Name: "amount", Type: schema.Double},
		schema.Field{ID: 4, Name: "ts", Type: schema.Timestamp},
		schema.Field{ID: 5, Name: "status", Type: schema.String},
		schema.Field{ID: 6, Name: "note", Type: schema.String})
	id := func(n int64) uint64 { return uint64(n) }
	if shuffled > 0 {
		id = func(n int64) uint64 { return Shuffled(n, shuffled) }
	}
	return newData("R6", 73, s, []func(int64, int) arrow.Array{
		words64(arrow.PrimitiveTypes.Int64, id),
		words64(arrow.PrimitiveTypes.Int64, func(n int64) uint64 { return random(1, uint64(n)) % R6Customers }),
		words64(arrow.PrimitiveTypes.Float64, func(n int64) uint64 {
			return math.Float64bits(float64(random(2, uint64(n))%1000000) / 100)
		}),
		words64(&arrow.TimestampType{Unit: arrow.Microsecond}, func(n int64) uint64 {
			return uint64(epoch + n*1000 + int64(random(3, uint64(n))%1000))
		}),
		texts(9, func(b []byte, n int64) []byte { return append(b, statuses[random(4, uint64(n))>>61]...) }),
		texts(20, func(b []byte, n int64) []byte {
			b = letters(b, random(5, uint64(n)), 10)
			return letters(b, random(6, uint64(n)), 10)
		}),
	})
}

// R6Customers is the number of different customers of R6, evenly spread over
// the rows.
const R6Customers = 100000

// Shuffled is the id of row n in a permutation of 0 to of-1. of must not be a
// multiple of 2654435761, a prime.
func Shuffled(n, of int64) uint64 { return uint64(n) * 2654435761 % uint64(of) }

// R21 is an int key and twenty strings of ten hexadecimal characters.
func R21() *Data {
	fields := []schema.Field{{ID: 1, Name: "id", Type: schema.Int, Required: true}}
	columns := []func(int64, int) arrow.Array{words32(func(n int64) uint32 { return uint32(n) })}
	for c := range 20 {
		fields = append(fields, schema.Field{ID: c + 2, Name: fmt.Sprintf("s%02d", c), Type: schema.String})
		columns = append(columns, texts(10, func(b []byte, n int64) []byte {
			return hexDigits(b, random(uint64(100+c), uint64(n)), 10)
		}))
	}
	return newData("R21", 204, schema.MustNew(fields...), columns)
}

// Wide is a row of 200 columns: id, then longs of a wide and a narrow range,
// doubles, and strings of few values and of many, in turn.
func Wide() *Data {
	fields := []schema.Field{{ID: 1, Name: "id", Type: schema.Long, Required: true}}
	columns := []func(int64, int) arrow.Array{words64(arrow.PrimitiveTypes.Int64, func(n int64) uint64 { return uint64(n) })}
	for c := 1; c < 200; c++ {
		seed := uint64(200 + c)
		f := schema.Field{ID: c + 1, Name: fmt.Sprintf("c%03d", c), Type: schema.Long}
		var column func(int64, int) arrow.Array
		switch c % 5 {
		case 0:
			column = words64(arrow.PrimitiveTypes.Int64, func(n int64) uint64 { return random(seed, uint64(n)) })
		case 1:
			column = words64(arrow.PrimitiveTypes.Int64, func(n int64) uint64 { return random(seed, uint64(n)) % 100 })
		case 2:
			f.Type = schema.Double
			column = words64(arrow.PrimitiveTypes.Float64, func(n int64) uint64 {
				return math.Float64bits(float64(random(seed, uint64(n))%1000000) / 100)
			})
		case 3:
			f.Type = schema.String
			column = texts(9, func(b []byte, n int64) []byte { return append(b, statuses[random(seed, uint64(n))>>61]...) })
		default:
			f.Type = schema.String
			column = texts(10, func(b []byte, n int64) []byte { return hexDigits(b, random(seed, uint64(n)), 10) })
		}
		fields, columns = append(fields, f), append(columns, column)
	}
	return newData("wide", 1640, schema.MustNew(fields...), columns)
}

// words64 makes columns of eight-byte values.
func words64(t arrow.DataType, value func(n int64) uint64) func(int64, int) arrow.Array {
	return func(first int64, n int) arrow.Array {
		data := make([]byte, 8*n)
		for i := range n {
			binary.LittleEndian.PutUint64(data[8*i:], value(first+int64(i)))
		}
		return column(t, n, data)
	}
}

func words32(value func(n int64) uint32) func(int64, int) arrow.Array {
	return func(first int64, n int) arrow.Array {
		data := make([]byte, 4*n)
		for i := range n {
			binary.LittleEndian.PutUint32(data[4*i:], value(first+int64(i)))
		}
		return column(arrow.PrimitiveTypes.Int32, n, data)
	}
}

// texts makes string columns; each value is appended to what it is given. size
// is the expected length of a value.
func texts(size int, value func(b []byte, n int64) []byte) func(int64, int) arrow.Array {
	return func(first int64, n int) arrow.Array {
		offsets := make([]byte, 4*(n+1))
		data := make([]byte, 0, size*n)
		for i := range n {
			data = value(data, first+int64(i))
			binary.LittleEndian.PutUint32(offsets[4*(i+1):], uint32(len(data)))
		}
		return column(arrow.BinaryTypes.String, n, offsets, data)
	}
}

// column wraps the buffers of n values that are not null.
func column(t arrow.DataType, n int, data ...[]byte) arrow.Array {
	buffers := []*memory.Buffer{nil}
	for _, d := range data {
		buffers = append(buffers, memory.NewBufferBytes(d))
	}
	d := array.NewData(t, n, buffers, nil, 0, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// letters appends n of 64 characters, six bits each.
func letters(b []byte, r uint64, n int) []byte {
	for range n {
		b = append(b, alphabet[r&63])
		r >>= 6
	}
	return b
}

// hexDigits appends the n most significant hexadecimal digits of r.
func hexDigits(b []byte, r uint64, n int) []byte {
	for range n {
		b = append(b, "0123456789abcdef"[r>>60])
		r <<= 4
	}
	return b
}

// withNulls gives a column a validity bitmap.
func withNulls(a arrow.Array, valid []byte, nulls int) arrow.Array {
	defer a.Release()
	buffers := append([]*memory.Buffer{memory.NewBufferBytes(valid)}, a.Data().Buffers()[1:]...)
	d := array.NewData(a.DataType(), a.Len(), buffers, nil, nulls, 0)
	defer d.Release()
	return array.MakeFromData(d)
}
