package debezium

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/frazildb/frazil/cdc"
)

// FuzzScanValue compares the scanner with encoding/json: what the one takes the
// other takes, but for control characters in long strings, which no line has.
func FuzzScanValue(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e+10,true,false,null,"x\n\u00e9\ud83d\ude00"],"b":{}}`, `[]`, `{"a":1,}`, `01`, `-`, `1.`, `"\x"`,
		`"` + strings.Repeat("long ", 10) + `\"tail"`, strings.Repeat("[", 200), `{"a" : 1 , "b" : [ ] }`, `tru`, `"\ud800"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		i := skipSpace(data, 0)
		v, end, err := scanValue(data, i, 0)
		ok := err == nil && skipSpace(data, end) == len(data)
		if ok != json.Valid(data) {
			if bytes.ContainsFunc(data, func(r rune) bool { return r < 0x20 }) || bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) >= maxDepth ||
				bytes.IndexByte(data, '\\') >= 0 {
				return
			}
			t.Fatalf("%q: took %v (%v), encoding/json %v", data, ok, err, json.Valid(data))
		}
		if !ok || !v.isString() {
			return
		}
		got, err := v.text(data, nil)
		var want string
		if werr := json.Unmarshal(data, &want); werr == nil && err == nil && utf8.Valid(data) && string(got) != want {
			t.Fatalf("%q: text %q, encoding/json %q", data, got, want)
		}
	})
}

// FuzzDecode hands arbitrary lines to the decoder and applies what it makes of
// them.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"topic":"s.db.t","partition":0,"offset":7,"key":{"id":1},"value":{"before":null,"after":{"id":1,"a":"q"},"source":{"connector":"mysql","db":"db","table":"t","file":"b.1","pos":3},"transaction":{"id":"x"},"op":"c"},"headers":{"__debezium.oldkey":{"id":1}}}`,
		`{"schema":{"type":"struct","fields":[{"type":"struct","field":"after","fields":[{"type":"bytes","field":"d","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}]}]},"payload":{"after":{"d":"AQ=="},"source":{"db":"d","table":"t"},"op":"r"}}`,
		`{"topic":"s.db.t","key":null,"value":{"id":1,"__deleted":"true","__op":"d"}}`,
		`{"topic":"s.transaction","key":{"id":"1"},"value":{"status":"END","id":"1","event_count":2,"data_collections":null}}`,
		`{"source":{"db":"d"},"ddl":"x","tableChanges":[{"type":"CREATE","id":"\"d\".\"t\"","table":{"columns":[{"name":"a","typeName":"INT"}]}}]}`,
		`{"topic":"t","key":"{\"a\":1}","payload":"{\"op\":\"d\",\"before\":{\"a\":1}}"}`,
		`{"before":{"a":{"wkb":"AA==","srid":3}},"after":{"a":[1,2]},"op":"u","source":{"table":"t"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := newDecoder(nil)
		if err != nil {
			t.Fatal(err)
		}
		builders := map[*cdc.Shape]*cdc.Builder{}
		for i, line := range bytes.Split(data, []byte("\n")) {
			ev, err := d.Decode(line, cdc.Line{File: "f", Number: int64(i)})
			for ev != nil && err == nil {
				if ev.Kind == cdc.KindRow && ev.Shape != nil {
					b := builders[ev.Shape]
					if b == nil {
						b = cdc.NewBuilder(ev.Shape)
						builders[ev.Shape] = b
					}
					n := b.Len()
					if err := ev.Rows.AppendRows(b); err != nil {
						b.Truncate(n)
					}
				}
				ev = d.next()
			}
		}
		for _, b := range builders {
			rows := b.Batch().Rows
			for c := range int(rows.NumCols()) {
				if rows.Column(c).Len() != int(rows.NumRows()) {
					t.Fatalf("column %d has %d values of %d rows", c, rows.Column(c).Len(), rows.NumRows())
				}
				_ = rows.Column(c).String()
			}
		}
	})
}

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text             string
		precision, scale int
		round            bool
		want             string
	}{
		{"0", 1, 0, false, "0"},
		{"-0.00", 3, 2, false, "0"},
		{"12.5", 4, 2, false, "1250"},
		{"12.50", 3, 1, false, "125"},
		{"-99999999999999999999999999999.999999999", 38, 9, false, "-99999999999999999999999999999999999999"},
		{"1.5E3", 5, 1, false, "15000"},
		{"4.615796793535478E8", 20, 2, true, "46157967935"},
		{"0.125", 5, 2, true, "12"},
		{"0.375", 5, 2, true, "38"},
		{"0.1251", 5, 2, true, "13"},
		{"1e-50", 5, 2, true, "0"},
		{"0e900", 5, 2, false, "0"},
		{"00000000000000000000000000000000000000000000007", 1, 0, false, "7"},
		{"0.00000000000000000000000000000000000000000000000", 1, 0, false, "0"},
		{"123456789012345678901234567890123456789012345e-10", 38, 3, true, "12345678901234567890123456789012345679"},
		{"1.23", 3, 1, false, "error"},
		{"1000", 3, 0, false, "error"},
		{"99.5", 2, 0, true, "error"},
		{"123456789012345678901234567890123456789", 38, 0, false, "error"},
		{"1e40", 38, 0, false, "error"},
		{"", 3, 0, false, "error"},
		{"-", 3, 0, false, "error"},
		{".", 3, 0, false, "error"},
		{"1.2.3", 3, 0, false, "error"},
		{"1e", 3, 0, false, "error"},
		{"NaN", 3, 0, false, "error"},
		{"1e99999", 3, 0, false, "error"},
	} {
		got, err := parseDecimal([]byte(c.text), c.precision, c.scale, c.round)
		text := got.BigInt().String()
		if err != nil {
			text = "error"
		}
		if text != c.want {
			t.Errorf("%s as decimal(%d,%d): %s (%v), want %s", c.text, c.precision, c.scale, text, err, c.want)
		}
	}
}

// TestDecimalsAgree compares texts and base64 of random decimals with math/big.
func TestDecimalsAgree(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	for range 20_000 {
		raw16 := make([]byte, 1+rnd.IntN(16))
		for i := range raw16 {
			raw16[i] = byte(rnd.Uint32())
		}
		n := new(big.Int).SetBytes(raw16)
		if n.CmpAbs(limit) >= 0 {
			continue
		}
		if rnd.IntN(2) == 0 {
			n.Neg(n)
		}
		scale := rnd.IntN(39)
		text, err := plainDecimal(nil, minimal(n), scale)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseDecimal(text, 38, scale, false)
		if err != nil || got.BigInt().Cmp(n) != 0 {
			t.Fatalf("%s scale %d: %s gives %s, %v", n, scale, text, got.BigInt(), err)
		}
		var buf [maxNumberBytes]byte
		raw, err := base64Bytes([]byte(base64.StdEncoding.EncodeToString(minimal(n))), &buf)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := twosComplement(raw)
		if !ok || got.BigInt().Cmp(n) != 0 || !checkPrecision(got, 38) {
			t.Fatalf("%s: %x gives %s", n, raw, got.BigInt())
		}
	}
	if _, ok := twosComplement(append([]byte{1}, make([]byte, 16)...)); ok {
		t.Error("129 bits were taken")
	}
	if v, ok := twosComplement(append([]byte{0xff}, append([]byte{0x80}, make([]byte, 15)...)...)); !ok || checkPrecision(v, 38) {
		t.Error("the least 128-bit number")
	}
	if v, ok := twosComplement(nil); !ok || v != (decimal128.Num{}) {
		t.Error("no bytes are not zero")
	}
}

// minimal is the shortest big-endian two's complement of n, as Java has it.
func minimal(n *big.Int) []byte {
	size := n.BitLen()/8 + 1
	if n.Sign() >= 0 {
		return n.FillBytes(make([]byte, size))
	}
	out := make([]byte, size)
	return new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size)*8)).FillBytes(out)
}

func TestTemporal(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	for range 20_000 {
		at := time.Unix(rnd.Int64N(9e11)-6e11, rnd.Int64N(1e9)).UTC()
		if at.Year() < 0 || at.Year() > 9999 {
			continue
		}
		text := at.Format("2006-01-02T15:04:05.999999999Z07:00")
		got, err := parseInstant([]byte(text))
		if err != nil || got.secs != at.Unix() || got.nanos != int64(at.Nanosecond()) {
			t.Fatalf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]int64{
		"1970-01-01": 0, "1969-12-31": -1, "2000-02-29": 11016, "-0001-01-01": -719893, "+12345-01-01": time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400,
	} {
		if got, end, ok := parseDate([]byte(text)); !ok || got != want || end != len(text) {
			t.Errorf("%s: %d %d %v", text, got, end, ok)
		}
	}
	for _, text := range []string{
		"", "1970", "1970-1-1", "1970-13-01", "1970-02-29", "1970-01-01T", "1970-01-01T1:00", "1970-01-01T10:00:00x",
		"1970-01-01T10:00:00+2", "1970-01-01T25:00:00Z", "99999999999-01-01",
	} {
		if got, err := parseInstant([]byte(text)); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
	for text, want := range map[string]int64{"-838:59:59": -3020399e6, "00:00:00.000001": 1, "10:15:30.5Z": 36930500000, "-00:00:01": -1e6} {
		if got, err := parseTimeOfDay([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
	}
}
