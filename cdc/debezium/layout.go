package debezium

import "fmt"

// maxFields bounds the columns that the rows of one topic may bring.
const maxFields = 4096

// layout numbers the fields that a topic's rows have, in the order they were first
// seen. Rows of one topic look alike, so the next field is nearly always the one
// that followed last time, and its name is compared once instead of looked up.
type layout struct {
	names []string
	index map[string]int32
	// next[i] is the slot that followed slot i-1 in the last row.
	next []int32
}

// rowVals are the values of one row by slot.
type rowVals struct {
	vals []val
	// n is the number of fields.
	n int
	// span is the row itself; its kind tells null and absent from an object.
	span val
}

func (r *rowVals) get(slot int32) val {
	if slot < 0 || int(slot) >= len(r.vals) {
		return val{}
	}
	return r.vals[slot]
}

func (l *layout) slot(name []byte) int32 {
	if s, ok := l.index[string(name)]; ok {
		return s
	}
	return -1
}

func (l *layout) slotOf(name string) int32 {
	if s, ok := l.index[name]; ok {
		return s
	}
	return -1
}

func (l *layout) add(name []byte) (int32, error) {
	if len(l.names) >= maxFields {
		return 0, fmt.Errorf("rows have more than %d different fields", maxFields)
	}
	if l.index == nil {
		l.index = make(map[string]int32)
		l.next = append(l.next, -1)
	}
	s := int32(len(l.names))
	l.names = append(l.names, string(name))
	l.index[string(name)] = s
	l.next = append(l.next, -1)
	return s, nil
}

// scan reads the row at i, which is an object or null, and returns the index
// after it.
func (l *layout) scan(b []byte, i int, r *rowVals) (int, error) {
	r.span, r.n = val{}, 0
	clear(r.vals)
	if i < len(b) && b[i] != '{' {
		v, end, err := scanValue(b, i, 0)
		if err == nil && v.kind != kindNull {
			err = wrong(b, v, "a row")
		}
		r.span = v
		return end, err
	}
	it := iterate(b, i, 1)
	prev := int32(-1)
	for it.nextName() {
		v, end, err := scanValue(b, it.i, 2)
		if err != nil {
			return end, err
		}
		it.i = end
		s := int32(-1)
		if len(l.next) > 0 {
			s = l.next[prev+1]
		}
		if s < 0 || l.names[s] != string(it.name) {
			if s = l.slot(it.name); s < 0 {
				if s, err = l.add(it.name); err != nil {
					return end, err
				}
			}
			l.next[prev+1] = s
		}
		for int(s) >= len(r.vals) {
			r.vals = append(r.vals, val{})
		}
		r.vals[s] = v
		r.n++
		prev = s
	}
	r.span = val{int32(i), int32(it.i), kindObject}
	return it.i, it.err
}
