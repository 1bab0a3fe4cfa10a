package debezium

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// u128 is an unsigned 128-bit number.
type u128 struct{ hi, lo uint64 }

// mul10 returns v*10+d; ok is false on overflow.
func (v u128) mul10(d uint64) (u128, bool) {
	h1, lo := bits.Mul64(v.lo, 10)
	h2, hi := bits.Mul64(v.hi, 10)
	lo, c := bits.Add64(lo, d, 0)
	hi, c = bits.Add64(hi, h1, c)
	return u128{hi, lo}, h2 == 0 && c == 0
}

func (v u128) less(o u128) bool { return v.hi < o.hi || v.hi == o.hi && v.lo < o.lo }

// pow10 holds the powers of ten up to 10^38.
var pow10 = func() (p [39]u128) {
	p[0].lo = 1
	for i := 1; i < len(p); i++ {
		p[i], _ = p[i-1].mul10(0)
	}
	return p
}()

func (v u128) signed(neg bool) decimal128.Num {
	n := decimal128.New(int64(v.hi), v.lo)
	if neg {
		n = n.Negate()
	}
	return n
}

// number is a decimal text taken apart: v × 10^exp, and what was dropped past 38
// digits: rest is the first digit of it, sticky tells that others are not zero.
type number struct {
	v      u128
	neg    bool
	exp    int
	rest   byte
	sticky bool
}

// scanDecimal takes a plain number, or one with an exponent, apart.
func scanDecimal(s []byte) (n number, ok bool) {
	i := 0
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		n.neg, i = s[0] == '-', 1
	}
	digits, point, dropped := 0, -1, 0
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && point < 0 {
			point = digits
			continue
		}
		if c|0x20 == 'e' && digits > 0 {
			e, ok := parseInt(trimPlus(s[i+1:]))
			if !ok || e > 1000 || e < -1000 {
				return n, false
			}
			n.exp = int(e)
			break
		}
		d := c - '0'
		if d > 9 {
			return n, false
		}
		digits++
		switch {
		case dropped == 0 && n.v.less(pow10[37]):
			n.v, _ = n.v.mul10(uint64(d))
			continue
		case dropped == 0:
			n.rest = d
		case d != 0:
			n.sticky = true
		}
		dropped++
	}
	if point < 0 {
		point = digits
	}
	n.exp += dropped - (digits - point)
	return n, digits > 0
}

// parseDecimal reads a number as text, plain or with an exponent, as the unscaled
// value of decimal(precision, scale). Digits past the scale must be zeros unless
// round is set; then they round half to even, as floating point does.
func parseDecimal(s []byte, precision, scale int, round bool) (decimal128.Num, error) {
	bad := func(why string) (decimal128.Num, error) {
		return decimal128.Num{}, fmt.Errorf("%q %s decimal(%d,%d)", clip(s), why, precision, scale)
	}
	n, ok := scanDecimal(s)
	if !ok {
		return bad("is not a")
	}
	shift := n.exp + scale
	for ; shift < 0; shift++ {
		n.sticky = n.sticky || n.rest != 0
		if n.v, n.rest = n.v.div10(); n.v == (u128{}) {
			shift = max(shift, -2)
		}
	}
	if shift > 0 && (n.rest != 0 || n.sticky) {
		return bad("does not fit") // 38 digits and more
	}
	for ; shift > 0 && n.v != (u128{}); shift-- {
		if n.v, ok = n.v.mul10(0); !ok {
			return bad("does not fit")
		}
	}
	if n.rest != 0 || n.sticky {
		if !round {
			return bad("has too many fraction digits for")
		}
		if n.rest > 5 || n.rest == 5 && (n.sticky || n.v.lo&1 == 1) {
			var c uint64
			n.v.lo, c = bits.Add64(n.v.lo, 1, 0)
			n.v.hi += c
		}
	}
	if !n.v.less(pow10[precision]) {
		return bad("does not fit")
	}
	return n.v.signed(n.neg), nil
}

func trimPlus(s []byte) []byte {
	if len(s) > 0 && s[0] == '+' {
		return s[1:]
	}
	return s
}

func (v u128) div10() (u128, byte) {
	hi, r := v.hi/10, v.hi%10
	lo, r := bits.Div64(r, v.lo, 10)
	return u128{hi, lo}, byte(r)
}

// maxNumberBytes bounds the two's complement numbers that are read: far more
// than any source's decimal has.
const maxNumberBytes = 64

// base64Bytes decodes standard base64 into buf.
func base64Bytes(s []byte, buf *[maxNumberBytes]byte) ([]byte, error) {
	if base64.StdEncoding.DecodedLen(len(s)) > len(buf)+2 {
		return nil, fmt.Errorf("%q is too long for a number in base64", clip(s))
	}
	var big [maxNumberBytes + 3]byte
	n, err := base64.StdEncoding.Decode(big[:], s)
	if err != nil || n > len(buf) {
		return nil, fmt.Errorf("%q is not a number in base64", clip(s))
	}
	return buf[:copy(buf[:], big[:n])], nil
}

// twosComplement reads a big-endian two's complement integer; ok is false when it
// needs more than 128 bits. No bytes are zero.
func twosComplement(b []byte) (decimal128.Num, bool) {
	neg := len(b) > 0 && b[0]&0x80 != 0
	var fill uint64
	if neg {
		fill = ^uint64(0)
	}
	for len(b) > 16 {
		if b[0] != byte(fill) {
			return decimal128.Num{}, false
		}
		if b = b[1:]; len(b) == 16 && (b[0]&0x80 != 0) != neg {
			return decimal128.Num{}, false
		}
	}
	hi, lo := fill, fill
	for _, c := range b {
		hi = hi<<8 | lo>>56
		lo = lo<<8 | uint64(c)
	}
	return decimal128.New(int64(hi), lo), true
}

// checkPrecision reports whether the unscaled value has at most so many digits.
func checkPrecision(n decimal128.Num, precision int) bool {
	if n.Sign() < 0 {
		n = n.Negate()
	}
	return n.HighBits() >= 0 && u128{uint64(n.HighBits()), n.LowBits()}.less(pow10[precision])
}

// plainDecimal writes a two's complement integer with a scale as plain digits.
func plainDecimal(dst, b []byte, scale int) ([]byte, error) {
	if scale > 1000 || scale < -1000 {
		return dst, fmt.Errorf("decimal with scale %d", scale)
	}
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	if n.Sign() < 0 {
		dst = append(dst, '-')
		n.Neg(n)
	}
	digits := n.Append(nil, 10)
	if scale <= 0 {
		dst = append(dst, digits...)
		for ; scale < 0 && n.Sign() != 0; scale++ {
			dst = append(dst, '0')
		}
		return dst, nil
	}
	for len(digits) <= scale {
		digits = append([]byte{'0'}, digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	dst = append(dst, '.')
	return append(dst, digits[len(digits)-scale:]...), nil
}

// clip shortens a value for a message.
func clip(s []byte) []byte {
	if len(s) > 60 {
		return append(append([]byte{}, s[:57]...), "..."...)
	}
	return s
}
