package parquetfile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/schema"
)

// TestShreddedVariants reads the files of apache/parquet-testing's
// shredded_variant and compares with the variants Iceberg Java made of them.
func TestShreddedVariants(t *testing.T) {
	dir := filepath.Join(sharedDir(t), "tables", "foreign", "_loose", "iceberg-go", "_loose", "table", "shredded_variant")
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	refused := map[string]string{
		"case-040": "conflicting value", "case-042": "conflicting value",
		"case-087": "non-object value", "case-128": "non-object value",
		"case-127": "unsupported", "case-137": "unsupported",
	}
	fields := []schema.Field{{ID: 1, Name: "id", Type: schema.Int, Required: true}, {ID: 2, Name: "var", Type: schema.Variant}}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".parquet")
		t.Run(name, func(t *testing.T) {
			o, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := Open(context.Background(), fileObject{o}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c, err := f.Read(context.Background(), &ReadOptions{Fields: fields, Allocator: new(testenv.DirtyMemory)})
			var got []string
			if err == nil {
				defer c.Close()
				got, err = variantTexts(c)
			}
			if want := refused[name]; want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("%v, want %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range got {
				want := "null"
				if b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s_row-%d.variant.bin", name, i))); err == nil {
					want = fmt.Sprintf("%x", b)
				}
				if g != want {
					t.Errorf("row %d: %s, Java %s", i, g, want)
				}
			}
		})
	}
}

func variantTexts(c *Cursor) ([]string, error) {
	b, err := c.Next(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	s := b.Column(1).(*array.Struct)
	var out []string
	for i := range s.Len() {
		if s.IsNull(i) {
			out = append(out, "null")
			continue
		}
		out = append(out, fmt.Sprintf("%x%x", s.Field(0).(*array.Binary).Value(i), s.Field(1).(*array.Binary).Value(i)))
	}
	return out, nil
}

func FuzzVariantObject(f *testing.F) {
	meta := []byte("\x11\x05\x00\x01\x02\x03\x04\x05abcde")
	f.Add(meta, []byte{2, 1, 1, 0, 5, 0x28, 0x4d, 0, 0})
	f.Add(meta, []byte{2, 2, 0, 1, 0, 1, 2, 0, 0})
	f.Fuzz(func(t *testing.T, meta, value []byte) {
		m, err := parseVariantMeta(meta)
		if err != nil {
			return
		}
		fields, ok, err := parseVariantObject(m, value)
		if err != nil || !ok {
			return
		}
		again, err := appendVariantObject(nil, m, fields)
		if err != nil {
			t.Fatal(err)
		}
		back, ok, err := parseVariantObject(m, again)
		if err != nil || !ok || len(back) != len(fields) {
			t.Fatalf("%x: %d fields of %d, %v", again, len(back), len(fields), err)
		}
		for i := range back {
			if back[i].name != fields[i].name || !bytes.Equal(back[i].value, fields[i].value) {
				t.Fatalf("field %d", i)
			}
		}
	})
}

// TestByteFlipsOfVariants damages shredded files byte by byte.
func TestByteFlipsOfVariants(t *testing.T) {
	dir := filepath.Join(sharedDir(t), "tables", "foreign", "_loose", "iceberg-go", "_loose", "table", "shredded_variant")
	fields := []schema.Field{{ID: 2, Name: "var", Type: schema.Variant}}
	for _, name := range []string{"case-083", "case-136", "case-043-INVALID"} {
		data, err := os.ReadFile(filepath.Join(dir, name+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		for at := range data {
			b := bytes.Clone(data)
			b[at] ^= 1 << (at % 8)
			if err := readHostile(t, b, fields, at%2 == 0); err != nil && !typedError(err) {
				t.Fatalf("%s, byte %d: untyped error %v", name, at, err)
			}
		}
	}
}
