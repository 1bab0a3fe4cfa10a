package avrodata

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/schema"
)

// container makes a file of one block with any bytes and count.
func container(text string, count int64, block []byte) []byte {
	b := []byte("Obj\x01")
	b = avrofile.AppendVarint(b, 1)
	b = avrofile.AppendBytes(b, "avro.schema")
	b = avrofile.AppendBytes(b, text)
	b = append(b, 0)
	b = append(b, "0123456789abcdef"...)
	b = avrofile.AppendVarint(b, count)
	b = avrofile.AppendBytes(b, block)
	return append(b, "0123456789abcdef"...)
}

func recordOf(fields ...string) string {
	return `{"type":"record","name":"t","fields":[` + strings.Join(fields, ",") + `]}`
}

func TestHostile(t *testing.T) {
	one := []schema.Field{{ID: 1, Name: "a", Type: schema.Long}}
	list := []schema.Field{{ID: 1, Name: "a", Type: schema.List(schema.Field{ID: 2, Name: "element", Type: schema.Long})}}
	unknowns := []schema.Field{{ID: 1, Name: "a", Type: schema.List(schema.Field{ID: 2, Name: "element", Type: schema.Unknown})}}
	varint := func(v ...int64) (b []byte) {
		for _, x := range v {
			b = avrofile.AppendVarint(b, x)
		}
		return b
	}
	long := `{"name":"a","type":"long","field-id":1}`
	longs := `{"name":"a","type":{"type":"array","items":"long"},"field-id":1}`
	nulls := `{"name":"a","type":{"type":"array","items":"null"},"field-id":1}`
	for name, c := range map[string]struct {
		data   []byte
		fields []schema.Field
		want   string
	}{
		"rows without bytes":    {container(recordOf(long), 1<<39, nil), one, "rows in 0 bytes"},
		"more rows than bytes":  {container(recordOf(long), 3, varint(1, 2)), one, "rows in 2 bytes"},
		"too many rows":         {container(recordOf(long), 1<<60, varint(1)), one, "rows in 1 bytes"},
		"rows of nothing":       {container(recordOf(`{"name":"a","type":"null","field-id":1}`), 1<<39, nil), one, "rows in 0 bytes"},
		"bytes left":            {container(recordOf(long), 1, varint(1, 2)), one, "after the last row"},
		"array too long":        {container(recordOf(longs), 1, varint(1<<40, 1)), list, "beyond its block"},
		"array of MinInt64":     {container(recordOf(longs), 1, varint(-1<<63, 1, 1)), list, "beyond its block"},
		"array of nothing":      {container(recordOf(nulls), 1, varint(1<<40, 0)), unknowns, "beyond its block"},
		"skipped array of it":   {container(recordOf(nulls, `{"name":"b","type":"long","field-id":2}`), 1, varint(1<<40, 0, 1)), nil, "beyond its block"},
		"bad union":             {container(recordOf(`{"name":"a","type":["null","long"],"field-id":1}`), 1, varint(2, 1)), one, "no branch 2"},
		"bad varint":            {container(recordOf(long), 1, bytes.Repeat([]byte{0xff}, 11)), one, "bad integer"},
		"self-recursive":        {container(recordOf(`{"name":"a","type":["null","t"]}`), 1, varint(0)), one, "contains itself"},
		"deep":                  {container(strings.Repeat(`{"type":"array","items":`, 600)+`"long"`+strings.Repeat("}", 600), 0, nil), one, "deeply"},
		"deep, not JSON":        {container(strings.Repeat("[", 1_000_000), 0, nil), one, "deeply"},
		"not a record":          {container(`"long"`, 1, varint(1)), one, "not a record"},
		"huge fixed":            {container(recordOf(`{"name":"a","type":{"type":"fixed","name":"f","size":1000000000000}}`), 1, nil), one, "fixed"},
		"negative fixed":        {container(recordOf(`{"name":"a","type":{"type":"fixed","name":"f","size":-1}}`), 1, nil), one, "fixed"},
		"union of many":         {container(recordOf(`{"name":"a","type":["null","long","string"],"field-id":1}`), 1, varint(0)), one, "a union of"},
		"out of range of a int": {container(recordOf(`{"name":"a","type":"int","field-id":1}`), 1, varint(1<<40)), []schema.Field{{ID: 1, Name: "a", Type: schema.Int}}, "out of the range"},
	} {
		f, err := open(t, c.data)
		if err == nil {
			_, err = rows(f, &ReadOptions{Fields: c.fields}, nil)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWide refuses schemas that are small but mean more types than can be walked.
func TestWide(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"type":"record","name":"t","fields":[{"name":"f0","type":{"type":"record","name":"r0","fields":[{"name":"x","type":"null"}]}}`)
	for i := 1; i < 40; i++ {
		prev := "r" + string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10))
		if i == 1 {
			prev = "r0"
		}
		name := string(rune('0'+i/10)) + string(rune('0'+i%10))
		b.WriteString(`,{"name":"f` + name + `","type":{"type":"record","name":"r` + name + `","fields":[{"name":"x","type":"` + prev + `"},{"name":"y","type":"` + prev + `"}]}}`)
	}
	b.WriteString("]}")
	if _, _, err := parseSchema([]byte(b.String())); err == nil || !strings.Contains(err.Error(), "too many types") {
		t.Error(err)
	}
}

// TestCut cuts a file at every byte: an error, or fewer rows at a block's end.
func TestCut(t *testing.T) {
	data := sample(t, "nested-deflate.avro")
	for i := range data {
		f, err := open(t, data[:i])
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("cut at %d: %v", i, err)
			}
			continue
		}
		if got, err := rows(f, &ReadOptions{Fields: nested}, nil); err != nil || int64(len(got)) != f.NumRows() || len(got) == 43 {
			t.Errorf("cut at %d: %d rows, %v", i, len(got), err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add(sample(f, "nested-null.avro"))
	f.Add(sample(f, "nested-deflate.avro"))
	f.Add(container(recordOf(`{"name":"a","type":["null",{"type":"map","values":"null"}],"field-id":9}`), 2, []byte{2, 0, 0}))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := open(t, data)
		if err != nil {
			return
		}
		for _, fields := range [][]schema.Field{nested, nil, nested[:1]} {
			c, err := file.Read(t.Context(), &ReadOptions{Fields: fields, BatchRows: 1000})
			if err != nil {
				continue
			}
			for range 100 {
				b, err := c.Next(t.Context(), nil)
				if err != nil {
					break
				}
				b.Release()
			}
			c.Close()
		}
	})
}

// TestMutations reads files with bytes changed: any error, no panic, no hang. (The
// fuzzer does the same, but instrumented it is slow.)
func TestMutations(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	base := sample(t, "nested-null.avro")
	readable := 0
	for range 3000 {
		data := bytes.Clone(base)
		for range 1 + r.IntN(4) {
			data[r.IntN(len(data))] = byte(r.Uint32())
		}
		f, err := open(t, data)
		if err != nil {
			continue
		}
		if _, err = rows(f, &ReadOptions{Fields: nested}, nil); err == nil {
			readable++
		} else if strings.Contains(err.Error(), "internal error") {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if readable == 0 {
		t.Error("no mutation was readable")
	}
}
