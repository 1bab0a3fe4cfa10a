package parquetfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/format"
)

// TestUnsupportedCodec: a codec nobody reads, and chunks that are encrypted or
// elsewhere, are refused before a page is looked at.
func TestUnsupportedCodec(t *testing.T) {
	for text, c := range map[string]chunkMeta{
		"codec":            {hasMeta: true, codec: format.LZO},
		"encrypted column": {hasMeta: true, encrypted: true, codec: format.Zstd},
		"another file":     {hasMeta: true, otherFile: true, codec: format.Zstd},
	} {
		if err := c.readable(); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	fine := chunkMeta{hasMeta: true, codec: format.Zstd}
	if err := fine.readable(); err != nil {
		t.Error(err)
	}
}
