package puffin

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// object is a file in memory.
type object []byte

func (o object) Close() error { return nil }
func (o object) Size() int64  { return int64(len(o)) }
func (o object) URI() string  { return "mem://t/x.puffin" }
func (o object) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return bytes.NewReader(o).ReadAt(p, off)
}

func file(t testing.TB, blobs []Blob, data [][]byte, properties map[string]string) (object, []Blob) {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	out := make([]Blob, len(blobs))
	for i := range blobs {
		var err error
		if out[i], err = w.Add(data[i], blobs[i]); err != nil {
			t.Fatal(err)
		}
	}
	size, footer, err := w.Close(properties)
	if err != nil {
		t.Fatal(err)
	}
	if size != int64(b.Len()) || footer >= size {
		t.Fatalf("sizes %d, %d of %d bytes", size, footer, b.Len())
	}
	return b.Bytes(), out
}

func TestRoundTrip(t *testing.T) {
	ctx := context.Background()
	z, _ := zstd.NewWriter(nil)
	var l bytes.Buffer
	lw := lz4.NewWriter(&l)
	lw.Write([]byte("framed"))
	lw.Close()
	data := [][]byte{[]byte("plain"), z.EncodeAll([]byte("packed"), nil), l.Bytes(), nil}
	want := []string{"plain", "packed", "framed", ""}
	o, blobs := file(t, []Blob{
		{Type: TypeDeletionVector, Fields: []int{2147483645}, SnapshotID: -1, SequenceNumber: -1, Properties: map[string]string{"cardinality": "1"}},
		{Type: TypeThetaSketch, Fields: []int{1}, SnapshotID: 7, SequenceNumber: 2, Codec: CodecZstd},
		{Type: "x", Codec: CodecLZ4},
		{Type: "empty"},
	}, data, map[string]string{"created-by": "a test"})
	f, err := ReadFooter(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f.Blobs, blobs) || f.Properties["created-by"] != "a test" {
		t.Fatalf("footer %+v\nwant %+v", f, blobs)
	}
	for i, b := range f.Blobs {
		got, err := ReadBlob(ctx, o, b, 0)
		if err != nil || string(got) != want[i] {
			t.Errorf("blob %d: %q, %v", i, got, err)
		}
	}
}

// compressedFooter is a file with an LZ4 footer.
func compressedFooter(payload string) object {
	var l bytes.Buffer
	w := lz4.NewWriter(&l)
	w.Write([]byte(payload))
	w.Close()
	b := []byte(magic + magic)
	b = append(b, l.Bytes()...)
	b = binary.LittleEndian.AppendUint32(b, uint32(l.Len()))
	b = append(b, flagCompressed, 0, 0, 0)
	return append(b, magic...)
}

func TestCompressedFooter(t *testing.T) {
	f, err := ReadFooter(context.Background(), compressedFooter(`{"blobs":[],"properties":{"a":"`+strings.Repeat("b", 100_000)+`"}}`))
	if err != nil || len(f.Properties["a"]) != 100_000 {
		t.Fatalf("%v, %v", f, err)
	}
}

func TestMalformed(t *testing.T) {
	ctx := context.Background()
	good, blobs := file(t, []Blob{{Type: "x"}}, [][]byte{[]byte("data")}, nil)
	change := func(f func(b []byte)) object {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	n := len(good)
	for name, o := range map[string]object{
		"empty":            nil,
		"short":            good[:10],
		"cut":              good[:n-1],
		"end magic":        change(func(b []byte) { b[n-1]++ }),
		"flags":            change(func(b []byte) { b[n-8] = 2 }),
		"negative size":    change(func(b []byte) { b[n-9] = 0xff }),
		"large size":       change(func(b []byte) { b[n-10] = 0x7f }),
		"start of footer":  change(func(b []byte) { b[8]++ }),
		"not json":         change(func(b []byte) { b[12] = '[' }),
		"blob past footer": change(func(b []byte) { copy(b[bytes.Index(b, []byte(`"length":4`)):], `"length":9`) }),
		"blob in head":     change(func(b []byte) { copy(b[bytes.Index(b, []byte(`"offset":4`)):], `"offset":3`) }),
		"lz4":              change(func(b []byte) { b[n-8] = 1 }),
	} {
		if _, err := ReadFooter(ctx, o); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := blobs[0]
	b.Offset = 1 << 40
	if _, err := ReadBlob(ctx, good, b, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("blob past the end: %v", err)
	}
	b = blobs[0]
	if _, err := ReadBlob(ctx, good, b, 3); !errors.Is(err, ErrMalformed) {
		t.Errorf("blob over the limit: %v", err)
	}
	z, _ := zstd.NewWriter(nil)
	bomb, blobs := file(t, []Blob{{Type: "x", Codec: CodecZstd}}, [][]byte{z.EncodeAll(make([]byte, 10<<20), nil)}, nil)
	if _, err := ReadBlob(ctx, bomb, blobs[0], 1<<20); !errors.Is(err, ErrMalformed) {
		t.Errorf("bomb: %v", err)
	}
}

func FuzzReadFooter(f *testing.F) {
	good, _ := file(f, []Blob{{Type: "x"}}, [][]byte{[]byte("data")}, map[string]string{"a": "b"})
	f.Add([]byte(good))
	f.Add([]byte(compressedFooter(`{"blobs":[]}`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		foot, err := ReadFooter(context.Background(), object(b))
		if err != nil {
			return
		}
		for _, blob := range foot.Blobs {
			ReadBlob(context.Background(), object(b), blob, 1<<20)
		}
	})
}

func TestFilesOfOthers(t *testing.T) {
	ctx := context.Background()
	for name, want := range map[string][]string{
		"empty-puffin-uncompressed.bin":          {},
		"sample-metric-data-uncompressed.bin":    {"abcdefghi", "some blob \x00 binary data \U0001f92f that is not very very very very very very long, is it?"},
		"sample-metric-data-compressed-zstd.bin": {"abcdefghi", "some blob \x00 binary data \U0001f92f that is not very very very very very very long, is it?"},
		"single-blob-dv.puffin":                  nil,
		"multi-blob-dv.puffin":                   nil,
	} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ReadFooter(ctx, object(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, blob := range f.Blobs {
			data, err := ReadBlob(ctx, object(b), blob, 0)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got = append(got, string(data))
			if want == nil && (blob.Type != TypeDeletionVector || len(data) == 0) {
				t.Errorf("%s: blob %+v", name, blob)
			}
		}
		if want != nil && !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
