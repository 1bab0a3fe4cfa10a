package parquetfile

import "fmt"

// columnIndex is a column index: what is known of each page's values.
type columnIndex struct {
	allNull  []bool
	min, max [][]byte
	nulls    []int64 // nil when absent
}

// decodeColumnIndex reads a column index; bounds alias b.
func decodeColumnIndex(b []byte) (x columnIndex, err error) {
	r := &thriftReader{b: b}
	var id int16
	for {
		var t byte
		if id, t = r.field(id); t == wireStop {
			break
		}
		switch {
		case id == 1 && t == wireList:
			x.allNull = r.boolList()
		case id == 2 && t == wireList:
			x.min = r.binaryList()
		case id == 3 && t == wireList:
			x.max = r.binaryList()
		case id == 5 && t == wireList:
			x.nulls = r.i64List()
		default:
			r.skip(t)
		}
	}
	if r.err != nil {
		return x, fmt.Errorf("column index: %w", r.err)
	}
	n := len(x.allNull)
	if len(x.min) != n || len(x.max) != n || x.nulls != nil && len(x.nulls) != n {
		return x, fmt.Errorf("column index: lists of %d, %d, %d and %d pages", n, len(x.min), len(x.max), len(x.nulls))
	}
	return x, nil
}

// boolList reads a list of booleans, whose elements take a byte each.
func (r *thriftReader) boolList() []bool {
	n, typ := r.list()
	if n > 0 && typ != wireTrue && typ != wireFalse {
		r.fail("list of type %d, not of booleans", typ)
		return nil
	}
	out := make([]bool, n)
	for i := range out {
		out[i] = r.byte() == wireTrue
	}
	return out
}

func (r *thriftReader) binaryList() [][]byte {
	n, typ := r.list()
	if n > 0 && typ != wireBinary {
		r.fail("list of type %d, not of strings", typ)
		return nil
	}
	out := make([][]byte, n)
	for i := range out {
		out[i] = r.bytes()
	}
	return out
}

func (r *thriftReader) i64List() []int64 {
	n, typ := r.list()
	if n > 0 && typ != wireI64 {
		r.fail("list of type %d, not of int64", typ)
		return nil
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = r.i64()
	}
	return out
}
