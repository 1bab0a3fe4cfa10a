package debezium

import (
	"fmt"
)

// daysFromCivil returns the days since 1970-01-01 of a date of the proleptic
// Gregorian calendar.
func daysFromCivil(y int64, m, d int) int64 {
	if m <= 2 {
		y--
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	mp := int64(m+9) % 12
	doy := (153*mp+2)/5 + int64(d) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

func daysInMonth(y int64, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// number2 reads exactly two digits at i.
func number2(s []byte, i int) (int, bool) {
	if i+2 > len(s) {
		return 0, false
	}
	a, b := s[i]-'0', s[i+1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

// parseDate reads [±]YYYY-MM-DD and returns the days since the epoch and the
// index after it. Years have four digits or more.
func parseDate(s []byte) (days int64, end int, ok bool) {
	i, neg := 0, false
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		neg = s[i] == '-'
		i++
	}
	start := i
	var y int64
	for i < len(s) && s[i]-'0' <= 9 && i < start+9 {
		y = y*10 + int64(s[i]-'0')
		i++
	}
	if i < start+4 || i+6 > len(s) || s[i] != '-' || s[i+3] != '-' {
		return 0, 0, false
	}
	if neg {
		y = -y
	}
	m, okM := number2(s, i+1)
	d, okD := number2(s, i+4)
	if !okM || !okD || m < 1 || m > 12 || d < 1 || d > daysInMonth(y, m) {
		return 0, 0, false
	}
	return daysFromCivil(y, m, d), i + 6, true
}

// parseClock reads HH:MM[:SS[.fraction]] at i and returns nanoseconds and the
// index after it.
func parseClock(s []byte, i int) (nanos int64, end int, ok bool) {
	h, ok1 := number2(s, i)
	if !ok1 || i+2 >= len(s) || s[i+2] != ':' {
		return 0, 0, false
	}
	m, ok2 := number2(s, i+3)
	sec, ok3 := 0, true
	i += 5
	if ok2 && i < len(s) && s[i] == ':' {
		sec, ok3 = number2(s, i+1)
		i += 3
	}
	if !ok2 || !ok3 || h > 24 || m > 59 || sec > 60 {
		return 0, 0, false
	}
	nanos = (int64(h)*3600 + int64(m)*60 + int64(sec)) * 1e9
	if i < len(s) && s[i] == '.' {
		unit := int64(1e8)
		for i++; i < len(s) && s[i]-'0' <= 9; i++ {
			nanos += int64(s[i]-'0') * unit
			unit /= 10
		}
	}
	return nanos, i, true
}

// parseOffset reads Z or ±HH[:MM[:SS]] at i, the end of s, and returns seconds
// east of UTC. Nothing at all is UTC.
func parseOffset(s []byte, i int) (int64, bool) {
	if i == len(s) || s[i] == 'Z' && i+1 == len(s) {
		return 0, true
	}
	if s[i] != '+' && s[i] != '-' {
		return 0, false
	}
	neg := s[i] == '-'
	var secs, unit int64 = 0, 3600
	for i++; i < len(s) && unit > 0; unit /= 60 {
		if s[i] == ':' {
			i++
		}
		v, ok := number2(s, i)
		if !ok {
			return 0, false
		}
		secs += int64(v) * unit
		i += 2
	}
	if neg {
		secs = -secs
	}
	return secs, i == len(s)
}

// instant is a point in time: seconds since the epoch and nanoseconds after it.
type instant struct {
	secs  int64
	nanos int64
}

func (t instant) micros() (int64, bool) {
	if t.secs > 9e12 || t.secs < -9e12 {
		return 0, false
	}
	return t.secs*1e6 + t.nanos/1000, true
}

func (t instant) nano64() (int64, bool) {
	if t.secs > 9.2e9 || t.secs < -9.2e9 {
		return 0, false
	}
	return t.secs*1e9 + t.nanos, true
}

// parseInstant reads a date and time with T or a space between, and an optional
// offset; a date alone is midnight.
func parseInstant(s []byte) (instant, error) {
	days, i, ok := parseDate(s)
	if !ok {
		return instant{}, fmt.Errorf("%q is not a date and time", clip(s))
	}
	t := instant{secs: days * 86400}
	if i < len(s) && (s[i] == 'T' || s[i] == ' ') {
		var nanos int64
		if nanos, i, ok = parseClock(s, i+1); !ok {
			return instant{}, fmt.Errorf("%q is not a date and time", clip(s))
		}
		t.secs += nanos / 1e9
		t.nanos = nanos % 1e9
	}
	off, ok := parseOffset(s, i)
	if !ok {
		return instant{}, fmt.Errorf("%q is not a date and time", clip(s))
	}
	t.secs -= off
	return t, nil
}

// parseTimeOfDay reads [-]H…H:MM:SS[.f], hours beyond 24 allowed, as
// microseconds.
func parseTimeOfDay(s []byte) (int64, error) {
	bad := fmt.Errorf("%q is not a time", clip(s))
	neg := len(s) > 0 && s[0] == '-'
	if neg {
		s = s[1:]
	}
	var hours int64
	i := 0
	for i < len(s) && s[i]-'0' <= 9 && i < 4 {
		hours = hours*10 + int64(s[i]-'0')
		i++
	}
	if i == 0 || i >= len(s) || s[i] != ':' {
		return 0, bad
	}
	clock := append([]byte("00"), s[i:]...)
	nanos, end, ok := parseClock(clock, 0)
	if !ok || (end != len(clock) && !(clock[end] == 'Z' && end+1 == len(clock))) {
		return 0, bad
	}
	v := hours*3600e6 + nanos/1000
	if neg {
		v = -v
	}
	return v, nil
}
