package schema

import (
	"math/bits"
	"strconv"
)

const (
	hexDigits     = "0123456789abcdef"
	microsPerDay  = 86_400_000_000
	nanosPerDay   = 86_400_000_000_000
	microsPerSec  = 1_000_000
	nanosPerSec   = 1_000_000_000
	secondsPerDay = 86_400
)

// floorDiv divides rounding down, so that the remainder is never negative.
func floorDiv(a, b int64) (q, r int64) {
	q, r = a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

// civilFromDays turns days since 1970-01-01 into a date of the proleptic
// Gregorian calendar, counting eras of 400 years from 1 March of year 0.
func civilFromDays(days int64) (year int64, month, day int) {
	z := days + 719468
	era, doe := floorDiv(z, 146097)
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp + 3)
	if mp >= 10 {
		month = int(mp - 9)
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// daysFromCivil is the inverse of civilFromDays.
func daysFromCivil(year int64, month, day int) int64 {
	if month <= 2 {
		year--
	}
	era, yoe := floorDiv(year, 400)
	mp := int64(month - 3)
	if month <= 2 {
		mp = int64(month + 9)
	}
	doy := (153*mp+2)/5 + int64(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

func appendPadded(dst []byte, v int64, digits int) []byte {
	var buf [20]byte
	i := len(buf)
	for n := 0; n < digits || v > 0; n++ {
		i--
		buf[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, buf[i:]...)
}

// AppendDate appends a date, in days since 1970-01-01, as YYYY-MM-DD. A year
// above 9999 gets a plus sign, one below 0 a minus sign.
func AppendDate(dst []byte, days int32) []byte { return appendDays(dst, int64(days)) }

func appendDays(dst []byte, days int64) []byte {
	y, m, d := civilFromDays(days)
	switch {
	case y < 0:
		dst = append(dst, '-')
		y = -y
	case y > 9999:
		dst = append(dst, '+')
	}
	if y <= 9999 {
		dst = append(dst, byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10))
	} else {
		dst = strconv.AppendInt(dst, y, 10)
	}
	return append(dst, '-', byte('0'+m/10), byte('0'+m%10), '-', byte('0'+d/10), byte('0'+d%10))
}

// AppendTime appends a time of day, in microseconds since midnight, as
// HH:MM:SS.ffffff.
func AppendTime(dst []byte, micros int64) []byte {
	return appendClock(dst, micros, microsPerSec, 6)
}

// AppendTimeNanos appends a time of day, in nanoseconds since midnight, as
// HH:MM:SS.fffffffff.
func AppendTimeNanos(dst []byte, nanos int64) []byte {
	return appendClock(dst, nanos, nanosPerSec, 9)
}

func appendClock(dst []byte, units, perSecond int64, digits int) []byte {
	if units < 0 { // no time of day; keep it readable
		dst = append(dst, '-')
		units = -units
	}
	s, f := units/perSecond, units%perSecond
	dst = appendPadded(dst, s/3600, 2)
	m, sec := s/60%60, s%60
	dst = append(dst, ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+sec/10), byte('0'+sec%10), '.')
	return appendPadded(dst, f, digits)
}

// AppendTimestamp appends a timestamp, in microseconds since the epoch, as
// YYYY-MM-DDTHH:MM:SS.ffffff without a zone.
func AppendTimestamp(dst []byte, micros int64) []byte {
	day, rest := floorDiv(micros, microsPerDay)
	return appendClock(append(appendDays(dst, day), 'T'), rest, microsPerSec, 6)
}

// AppendTimestampNanos appends a timestamp, in nanoseconds since the epoch, as
// YYYY-MM-DDTHH:MM:SS.fffffffff without a zone.
func AppendTimestampNanos(dst []byte, nanos int64) []byte {
	day, rest := floorDiv(nanos, nanosPerDay)
	return appendClock(append(appendDays(dst, day), 'T'), rest, nanosPerSec, 9)
}

// AppendDecimal appends a decimal with exactly scale digits after the point,
// "-0.01"; a negative scale appends its zeros.
func AppendDecimal(dst []byte, v Unscaled, scale int) []byte {
	var buf [48]byte
	digits := unscaledDigits(buf[:0], v)
	if v.Sign() < 0 {
		dst = append(dst, '-')
	}
	if scale <= 0 {
		dst = append(dst, digits...)
		if v.Sign() != 0 {
			for ; scale < 0; scale++ {
				dst = append(dst, '0')
			}
		}
		return dst
	}
	if len(digits) <= scale {
		dst = append(dst, '0', '.')
		for i := len(digits); i < scale; i++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	dst = append(dst, '.')
	return append(dst, digits[len(digits)-scale:]...)
}

// unscaledDigits appends the digits of the absolute value.
func unscaledDigits(dst []byte, v Unscaled) []byte {
	hi, lo := uint64(v.HighBits()), v.LowBits()
	if v.Sign() < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	if hi == 0 {
		return strconv.AppendUint(dst, lo, 10)
	}
	const e19 = 10_000_000_000_000_000_000
	q1 := hi / e19
	q0, r := bits.Div64(hi%e19, lo, e19)
	if q1 == 0 {
		dst = strconv.AppendUint(dst, q0, 10)
	} else { // the quotient has more than 64 bits: split once more
		top, mid := bits.Div64(q1, q0, e19)
		dst = strconv.AppendUint(dst, top, 10)
		dst = appendPaddedU(dst, mid)
	}
	return appendPaddedU(dst, r)
}

// appendPaddedU appends v with 19 digits.
func appendPaddedU(dst []byte, v uint64) []byte {
	var buf [19]byte
	for i := len(buf) - 1; i >= 0; i-- {
		buf[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, buf[:]...)
}

// AppendUUID appends a uuid in lower case with dashes; b must have 16 bytes.
func AppendUUID(dst, b []byte) []byte {
	_ = b[15]
	for i, c := range b[:16] {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// AppendHex appends bytes as lower-case hex.
func AppendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}
