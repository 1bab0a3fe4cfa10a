package partition

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/schema"
)

// Path returns the tuple as a relative directory such as a=1/b=x, with names and
// values escaped as in an HTML form; "" if the spec is unpartitioned. The path
// is for people: readers take values from manifests only.
func (s Spec) Path(sc *schema.Schema, t Tuple) string {
	if s.IsUnpartitioned() {
		return ""
	}
	types := s.Types(sc)
	var b, all strings.Builder
	for i, f := range s.Fields {
		if i > 0 {
			all.WriteByte('/')
		}
		b.Reset()
		var v any
		if i < len(t) {
			v = t[i]
		}
		escapePath(&b, f.Name)
		b.WriteByte('=')
		escapePath(&b, f.Transform.Human(types[i], v))
		all.WriteString(shortSegment(b.String()))
	}
	return all.String()
}

// maxSegment bounds a directory name: file systems take 255 bytes.
const maxSegment = 240

// shortSegment replaces the end of a long directory name by a hash of it all.
func shortSegment(s string) string {
	if len(s) <= maxSegment {
		return s
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	cut := maxSegment - 17
	if i := strings.LastIndexByte(s[:cut], '%'); i > cut-3 {
		cut = i // not within an escape
	}
	return fmt.Sprintf("%s-%016x", s[:cut], h.Sum64())
}

// escapePath writes s as application/x-www-form-urlencoded.
func escapePath(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '.', c == '-', c == '*', c == '_':
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}

// Human returns a result of the transform, of type result, as people read it:
// 2017, 2017-11, 2017-11-16, 2017-11-16-22 for the time transforms; null is
// "null".
func (t Transform) Human(result schema.Type, v any) string {
	if v == nil {
		return "null"
	}
	if n, ok := asInt(v); ok && t.isTime() {
		return t.humanTime(n)
	}
	switch x := v.(type) {
	case int64:
		if text, ok := humanInstant(result.Kind, x); ok {
			return text
		}
		return strconv.FormatInt(x, 10)
	case int32:
		if result.Kind == schema.KindDate {
			return humanDate(int64(x))
		}
		return strconv.FormatInt(int64(x), 10)
	case string:
		return x
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case [16]byte:
		return fmt.Sprintf("%x-%x-%x-%x-%x", x[0:4], x[4:6], x[6:8], x[8:10], x[10:16])
	case schema.Unscaled:
		return x.ToString(int32(result.Scale))
	case float32:
		return humanFloat(float64(x), 32)
	case float64:
		return humanFloat(x, 64)
	default:
		return fmt.Sprint(v)
	}
}

func asInt(v any) (int64, bool) {
	switch x := v.(type) {
	case int32:
		return int64(x), true
	case int64:
		return x, true
	}
	return 0, false
}

func (t Transform) humanTime(n int64) string {
	switch t.Kind {
	case YearTransform:
		return fmt.Sprintf("%04d", 1970+n)
	case MonthTransform:
		year := floorDiv(n, 12)
		return fmt.Sprintf("%04d-%02d", 1970+year, n-12*year+1)
	case DayTransform:
		return humanDate(n)
	default:
		day := floorDiv(n, hoursPerDay)
		return fmt.Sprintf("%s-%02d", humanDate(day), n-hoursPerDay*day)
	}
}

func humanDate(days int64) string {
	y, m, d := civil(days)
	return fmt.Sprintf("%04d-%02d-%02d", y, m, d)
}

func humanInstant(k schema.Kind, v int64) (string, bool) {
	switch k {
	case schema.KindTime:
		return humanClock(v * 1000), true
	case schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs, schema.KindTimestampTzNs:
	default:
		return "", false
	}
	perDay, toNanos := int64(hoursPerDay*microsPerHour), int64(1000)
	if isNano(k) {
		perDay, toNanos = perDay*1000, 1
	}
	day := floorDiv(v, perDay)
	text := humanDate(day) + "T" + humanClock((v-day*perDay)*toNanos)
	if k == schema.KindTimestampTz || k == schema.KindTimestampTzNs {
		text += "Z"
	}
	return text, true
}

// humanClock is a time of day as java.time prints it: seconds and then fractions
// in groups of three digits only where there are any.
func humanClock(nanos int64) string {
	secs, frac := nanos/1e9, nanos%1e9
	text := fmt.Sprintf("%02d:%02d", secs/3600, secs/60%60)
	if secs%60 == 0 && frac == 0 {
		return text
	}
	text += fmt.Sprintf(":%02d", secs%60)
	switch {
	case frac == 0:
		return text
	case frac%1e6 == 0:
		return text + fmt.Sprintf(".%03d", frac/1e6)
	case frac%1e3 == 0:
		return text + fmt.Sprintf(".%06d", frac/1e3)
	default:
		return text + fmt.Sprintf(".%09d", frac)
	}
}

// humanFloat writes a float as Java does: with an exponent where it is very
// large or small.
func humanFloat(f float64, size int) string {
	switch a := math.Abs(f); {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case a != 0 && (a < 1e-3 || a >= 1e7):
		text := strconv.FormatFloat(f, 'E', -1, size)
		digits, exponent, _ := strings.Cut(text, "E")
		if !strings.Contains(digits, ".") {
			digits += ".0"
		}
		n, _ := strconv.Atoi(exponent)
		return digits + "E" + strconv.Itoa(n)
	}
	text := strconv.FormatFloat(f, 'f', -1, size)
	if !strings.ContainsAny(text, ".N") {
		text += ".0"
	}
	return text
}
