package partition

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/schema"
)

//go:embed testdata/transforms.tsv
var transformVectors string

// TestTransformsOfSpark applies transforms to values of tables written by Spark
// and compares with the partition values in their manifests.
func TestTransformsOfSpark(t *testing.T) {
	n := 0
	for line := range strings.Lines(transformVectors) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		src, err := schema.ParseType(cells[0])
		if err != nil {
			t.Fatal(err)
		}
		tr := ParseTransform(cells[1])
		result, err := tr.ResultType(src)
		if err != nil {
			t.Fatal(err)
		}
		in, want := vectorValue(t, src, cells[2]), vectorValue(t, result, cells[3])
		if got := tr.Apply(src, in); fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", want, want) {
			t.Errorf("%s of %s %s: %v, want %v", tr, src, cells[2], got, want)
		}
		n++
	}
	if n < 200 {
		t.Errorf("only %d vectors", n)
	}
}

func vectorValue(t *testing.T, typ schema.Type, text string) any {
	t.Helper()
	if text == `\N` {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch typ.Kind {
	case schema.KindDate, schema.KindInt:
		if err != nil {
			t.Fatal(err)
		}
		return int32(n)
	case schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	v, err := schema.ParseLiteral(typ, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
