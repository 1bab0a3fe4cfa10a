package avrofile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/klauspost/compress/flate"
)

func build(t testing.TB, c Codec, objects ...[]byte) []byte {
	t.Helper()
	w := NewWriter(`"bytes"`, c, []Meta{{"k", []byte("v")}})
	for _, o := range objects {
		if err := w.Commit(append(w.Buffer(), o...)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readAll(data []byte, l *Limits) (blocks []byte, objects int64, err error) {
	r, err := NewReader(data, l)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	for {
		b, n, err := r.Next()
		if err == io.EOF {
			return blocks, objects, nil
		}
		if err != nil {
			return nil, 0, err
		}
		blocks, objects = append(blocks, b...), objects+n
	}
}

func TestRoundTrip(t *testing.T) {
	var objects [][]byte
	var want []byte
	for i := range 3000 {
		o := []byte(fmt.Sprintf("%d-%s", i, bytes.Repeat([]byte{byte(i)}, i%100)))
		objects, want = append(objects, o), append(want, o...)
	}
	for c := Null; c <= Zstandard; c++ {
		data := build(t, c, objects...)
		got, n, err := readAll(data, nil)
		if err != nil || n != int64(len(objects)) || !bytes.Equal(got, want) {
			t.Errorf("%s: %d objects, %v", c, n, err)
		}
		r, err := NewReader(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := r.Meta("k"); !ok || string(v) != "v" || r.Codec() != c {
			t.Errorf("%s: header %q %v", c, v, r.Codec())
		}
		// Every byte matters: a truncated file is an error, except between blocks.
		for _, cut := range []int{1, 17, len(data) / 2} {
			if _, _, err := readAll(data[:len(data)-cut], nil); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: cut by %d: %v", c, cut, err)
			}
		}
	}
}

func TestHostile(t *testing.T) {
	header := func(codec string) []byte {
		b := append([]byte("Obj\x01"), 4)
		b = AppendBytes(AppendBytes(b, "avro.schema"), `"null"`)
		b = AppendBytes(AppendBytes(b, "avro.codec"), codec)
		return append(append(b, 0), make([]byte, 16)...)
	}
	block := func(codec string, count, size int64, body []byte) []byte {
		b := AppendVarint(AppendVarint(header(codec), count), size)
		return append(append(b, body...), make([]byte, 16)...)
	}
	var bomb bytes.Buffer
	fw, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range 80 {
		if _, err := fw.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := fw.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty":          {},
		"magic only":     []byte("Obj\x01"),
		"many keys":      AppendVarint([]byte("Obj\x01"), math.MaxInt64),
		"min int keys":   AppendVarint(AppendVarint([]byte("Obj\x01"), math.MinInt64), 0),
		"long key":       AppendVarint(AppendVarint([]byte("Obj\x01"), 1), math.MaxInt64),
		"unknown codec":  header("lzma"),
		"negative count": block("null", -1, 0, nil),
		"negative size":  block("null", 1, -5, nil),
		"huge size":      block("null", 1, math.MaxInt64, nil),
		"long varint":    append(header("null"), bytes.Repeat([]byte{0xff}, 20)...),
		"bad deflate":    block("deflate", 1, 3, []byte("abc")),
		"bad snappy":     block("snappy", 1, 9, []byte("\xff\xff\xff\xff\x0fabcd")),
		"bad zstd":       block("zstandard", 1, 3, []byte("abc")),
		"deflate bomb":   block("deflate", 1, int64(bomb.Len()), bomb.Bytes()),
		"no sync at end": append(AppendVarint(AppendVarint(header("null"), 1), 1), 0),
	} {
		_, _, err := readAll(data, nil)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, _, err := readAll(build(t, Null, make([]byte, 100)), &Limits{Block: 99}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("block limit: %v", err)
	}
	if _, _, err := readAll(build(t, Null, make([]byte, 1<<20), make([]byte, 1<<20)), &Limits{Total: 1 << 20}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("total limit: %v", err)
	}
}

func TestVarint(t *testing.T) {
	for _, v := range []int64{0, -1, 1, 63, 64, -64, -65, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		b := AppendVarint(nil, v)
		if got, n := Varint(b); got != v || n != len(b) {
			t.Errorf("%d: %d in %d bytes", v, got, n)
		}
		for i := range b {
			if _, n := Varint(b[:i]); n > 0 {
				t.Errorf("%d: cut at %d accepted", v, i)
			}
		}
	}
}

func FuzzContainer(f *testing.F) {
	for c := Null; c <= Zstandard; c++ {
		f.Add(build(f, c, []byte("one"), []byte("two")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		_, _, _ = readAll(data, &Limits{Block: 1 << 20, Total: 4 << 20})
	})
}
