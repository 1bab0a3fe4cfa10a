package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Well-known binary: a byte for the order of bytes (0 big, 1 little endian), a
// uint32 code, then by code 1–7 point, line string, polygon, multi-point,
// multi-line string, multi-polygon, collection:
//
//	point        coordinates, 2–4 doubles
//	line string  uint32 n, n points' coordinates
//	polygon      uint32 n, n line strings' bodies
//	multi …      uint32 n, n whole geometries
//
// A code above 1000 adds z, above 2000 m, above 3000 both.

var wktNames = [...]string{1: "POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"}

// maxGeoDepth bounds collections within collections.
const maxGeoDepth = 32

var errWKB = errors.New("malformed well-known binary")

// AppendWKT appends the well-known text of a geometry given in well-known
// binary: "POINT (30 10)". On an error dst is returned as it was.
func AppendWKT(dst, wkb []byte) ([]byte, error) {
	r := wkbReader{b: wkb}
	out := r.geometry(dst, true, 0)
	if r.err == nil && len(r.b) > 0 {
		r.err = errWKB
	}
	if r.err != nil {
		return dst, r.err
	}
	return out, nil
}

type wkbReader struct {
	b     []byte
	order binary.ByteOrder
	err   error
}

func (r *wkbReader) uint32() uint32 {
	if len(r.b) < 4 {
		r.err, r.b = errWKB, nil
		return 0
	}
	v := r.order.Uint32(r.b)
	r.b = r.b[4:]
	return v
}

// count reads a number of items that take at least size bytes each.
func (r *wkbReader) count(size int) int {
	n := r.uint32()
	if uint64(n)*uint64(size) > uint64(len(r.b)) {
		r.err = errWKB
		return 0
	}
	return int(n)
}

func (r *wkbReader) geometry(dst []byte, tagged bool, depth int) []byte {
	if depth > maxGeoDepth || len(r.b) < 5 || r.b[0] > 1 {
		r.err = errWKB
		return dst
	}
	r.order = binary.LittleEndian
	if r.b[0] == 0 {
		r.order = binary.BigEndian
	}
	r.b = r.b[1:]
	code := r.uint32()
	kind, dims := code%1000, code/1000
	if kind < 1 || kind > 7 || dims > 3 {
		r.err = errWKB
		return dst
	}
	if tagged {
		dst = append(dst, wktNames[kind]...)
		dst = append(dst, [...]string{" ", " Z ", " M ", " ZM "}[dims]...)
	}
	ordinates := int([...]uint32{2, 3, 3, 4}[dims])
	switch kind {
	case 1:
		return r.point(dst, ordinates)
	case 2:
		return r.line(dst, ordinates)
	case 3:
		return r.list(dst, 4, func(dst []byte) []byte { return r.line(dst, ordinates) })
	}
	return r.list(dst, 9, func(dst []byte) []byte { return r.geometry(dst, kind == 7, depth+1) })
}

func (r *wkbReader) list(dst []byte, size int, item func([]byte) []byte) []byte {
	n := r.count(size)
	if n == 0 {
		return append(dst, "EMPTY"...)
	}
	dst = append(dst, '(')
	for i := 0; i < n && r.err == nil; i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = item(dst)
	}
	return append(dst, ')')
}

func (r *wkbReader) line(dst []byte, ordinates int) []byte {
	return r.list(dst, 8*ordinates, func(dst []byte) []byte { return r.coordinates(dst, ordinates) })
}

func (r *wkbReader) point(dst []byte, ordinates int) []byte {
	if len(r.b) < 8*ordinates {
		r.err = errWKB
		return dst
	}
	if x := math.Float64frombits(r.order.Uint64(r.b)); x != x {
		r.b = r.b[8*ordinates:]
		return append(dst, "EMPTY"...)
	}
	return append(r.coordinates(append(dst, '('), ordinates), ')')
}

func (r *wkbReader) coordinates(dst []byte, ordinates int) []byte {
	if len(r.b) < 8*ordinates {
		r.err = errWKB
		return dst
	}
	for i := range ordinates {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendFloat(dst, math.Float64frombits(r.order.Uint64(r.b[8*i:])), 'f', -1, 64)
	}
	r.b = r.b[8*ordinates:]
	return dst
}

// ParseWKT reads well-known text into well-known binary, little endian.
func ParseWKT(s string) ([]byte, error) {
	p := wktParser{s: s}
	out := p.geometry(nil, 0)
	if p.space(); p.err == nil && p.s != "" {
		p.fail()
	}
	if p.err != nil {
		return nil, p.err
	}
	return out, nil
}

type wktParser struct {
	s   string
	err error
}

func (p *wktParser) fail() {
	if p.err == nil {
		p.err = fmt.Errorf("malformed well-known text at %q", clip(p.s))
	}
}

func (p *wktParser) space() { p.s = strings.TrimLeft(p.s, " \t\r\n") }

// word takes the letters that follow, in upper case.
func (p *wktParser) word() string {
	p.space()
	n := 0
	for n < len(p.s) && (p.s[n]|0x20) >= 'a' && (p.s[n]|0x20) <= 'z' {
		n++
	}
	w := strings.ToUpper(p.s[:n])
	p.s = p.s[n:]
	return w
}

// byte takes c if it follows.
func (p *wktParser) byte(c byte) bool {
	p.space()
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

func (p *wktParser) geometry(dst []byte, depth int) []byte {
	name, kind := p.word(), uint32(0)
	for k := uint32(1); k < uint32(len(wktNames)); k++ {
		if wktNames[k] == name {
			kind = k
		}
	}
	if kind == 0 || depth > maxGeoDepth {
		p.fail()
		return dst
	}
	dims, empty := uint32(0), false
	switch w := p.word(); w {
	case "":
	case "Z", "M", "ZM":
		dims = map[string]uint32{"Z": 1, "M": 2, "ZM": 3}[w]
		switch p.word() {
		case "":
		case "EMPTY":
			empty = true
		default:
			p.fail()
		}
	case "EMPTY":
		empty = true
	default:
		p.fail()
	}
	return p.body(dst, kind, dims, empty, depth)
}

// body writes the header of a geometry and what follows it.
func (p *wktParser) body(dst []byte, kind, dims uint32, empty bool, depth int) []byte {
	dst = binary.LittleEndian.AppendUint32(append(dst, 1), dims*1000+kind)
	ordinates := int([...]uint32{2, 3, 3, 4}[dims])
	line := func(dst []byte) []byte {
		return p.list(dst, p.emptyWord(), func(dst []byte) []byte { return p.coordinates(dst, ordinates) })
	}
	switch kind {
	case 1:
		return p.point(dst, ordinates, empty)
	case 2:
		return p.list(dst, empty, func(dst []byte) []byte { return p.coordinates(dst, ordinates) })
	case 3:
		return p.list(dst, empty, line)
	case 7:
		return p.list(dst, empty, func(dst []byte) []byte { return p.geometry(dst, depth+1) })
	}
	return p.list(dst, empty, func(dst []byte) []byte {
		if p.space(); kind == 4 && p.s != "" && p.s[0] != '(' && (p.s[0]|0x20) != 'e' { // MULTIPOINT (1 2, 3 4)
			dst = binary.LittleEndian.AppendUint32(append(dst, 1), dims*1000+1)
			return p.coordinates(dst, ordinates)
		}
		return p.body(dst, kind-3, dims, p.emptyWord(), depth+1)
	})
}

func (p *wktParser) emptyWord() bool {
	switch p.word() {
	case "":
		return false
	case "EMPTY":
		return true
	}
	p.fail()
	return false
}

func (p *wktParser) point(dst []byte, ordinates int, empty bool) []byte {
	if empty {
		for range ordinates {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(math.NaN()))
		}
		return dst
	}
	if !p.byte('(') {
		p.fail()
		return dst
	}
	dst = p.coordinates(dst, ordinates)
	if !p.byte(')') {
		p.fail()
	}
	return dst
}

func (p *wktParser) list(dst []byte, empty bool, item func([]byte) []byte) []byte {
	at, n := len(dst), uint32(0)
	dst = append(dst, 0, 0, 0, 0)
	if empty {
		return dst
	}
	if !p.byte('(') {
		p.fail()
	}
	for p.err == nil {
		dst = item(dst)
		n++
		if !p.byte(',') {
			break
		}
	}
	if p.err == nil && !p.byte(')') {
		p.fail()
	}
	binary.LittleEndian.PutUint32(dst[at:], n)
	return dst
}

func (p *wktParser) coordinates(dst []byte, ordinates int) []byte {
	for range ordinates {
		p.space()
		n := 0
		for n < len(p.s) && strings.IndexByte("+-.0123456789eE", p.s[n]) >= 0 {
			n++
		}
		f, err := strconv.ParseFloat(p.s[:n], 64)
		if err != nil {
			p.fail()
			return dst
		}
		p.s = p.s[n:]
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
	}
	return dst
}
