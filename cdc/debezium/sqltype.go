package debezium

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/schema"
)

// sourceCodec returns how values of a column in the schema history are read and
// the type they become. A type it does not know is text.
func (d *decoder) sourceCodec(c *sourceColumn, connector string) codec {
	name := strings.ToUpper(c.TypeName)
	unsigned := strings.Contains(name, "UNSIGNED") || strings.Contains(name, "ZEROFILL")
	base := name
	if i := strings.IndexAny(base, " ("); i > 0 {
		base = base[:i]
	}
	length, scale := 0, 0
	if c.Length != nil {
		length = *c.Length
	}
	if c.Scale != nil {
		scale = *c.Scale
	}
	if p, ok := d.temporalCodec(base, name, length, connector); ok {
		return p
	}
	if p, ok := numberCodec(base, unsigned, length, scale); ok {
		return p
	}
	switch base {
	case "BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "IMAGE", "RAW", "BYTEA", "ROWVERSION":
		return codec{enc: encBytes, target: schema.Binary}
	case "UUID", "UNIQUEIDENTIFIER":
		return codec{enc: encUUID, target: schema.UUID}
	case "GEOMETRY", "POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING",
		"MULTIPOLYGON", "GEOMETRYCOLLECTION", "GEOMCOLLECTION", "GEOGRAPHY":
		return codec{enc: encGeometry, target: geometryType}
	}
	return codec{enc: encText, target: schema.String}
}

func numberCodec(base string, unsigned bool, length, scale int) (codec, bool) {
	switch base {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "BOOLEAN", "BOOL", "INT1", "INT2", "INT3", "MIDDLEINT":
		return codec{enc: encInt, target: schema.Int}, true
	case "INT", "INTEGER", "INT4":
		if unsigned {
			return codec{enc: encInt, target: schema.Long}, true
		}
		return codec{enc: encInt, target: schema.Int}, true
	case "BIGINT", "INT8", "SERIAL":
		if unsigned || base == "SERIAL" {
			return codec{enc: encULong, target: schema.Decimal(20, 0)}, true
		}
		return codec{enc: encInt, target: schema.Long}, true
	case "YEAR":
		return codec{enc: encInt, target: schema.Int}, true
	case "DECIMAL", "DEC", "NUMERIC", "FIXED", "NUMBER", "MONEY", "SMALLMONEY":
		if length < 1 || length > 38 || scale < 0 || scale > length {
			return codec{enc: encVarDecimal, target: schema.String, scale: scale}, true
		}
		return codec{enc: encDecimal, target: schema.Decimal(length, scale)}, true
	case "FLOAT", "FLOAT4":
		if length > 23 {
			return codec{enc: encFloat, target: schema.Double}, true
		}
		return codec{enc: encFloat, target: schema.Float}, true
	case "DOUBLE", "REAL", "FLOAT8", "BINARY_DOUBLE":
		return codec{enc: encFloat, target: schema.Double}, true
	case "BIT":
		return bitsCodec(max(length, 1)), true
	}
	return codec{}, false
}

func (d *decoder) temporalCodec(base, name string, length int, connector string) (codec, bool) {
	timeOfDay := schema.Time
	if timeAsLong(connector) {
		timeOfDay = schema.Long
	}
	mode := d.opts.TimePrecision
	switch {
	case base == "DATE" && connector != "oracle":
		return codec{enc: encDate, target: schema.Date}, true
	case base == "TIME":
		p := codec{enc: encTimeMicros, target: timeOfDay}
		switch {
		case mode == "connect", mode == "adaptive" && length <= 3:
			p.enc = encTimeMillis
		case mode == "nanoseconds":
			p.enc = encTimeNanos
		}
		return p, true
	case base == "TIMESTAMP" && isMySQL(connector), base == "DATETIMEOFFSET",
		strings.HasPrefix(base, "TIMESTAMP") && strings.Contains(name, "TIME ZONE"):
		return codec{enc: encZoned, target: schema.TimestampTz}, true
	case base == "DATETIME", base == "DATETIME2", base == "SMALLDATETIME", base == "DATE",
		strings.HasPrefix(base, "TIMESTAMP") && connector != "sqlserver":
		p := codec{enc: encMillis, target: schema.Timestamp}
		switch {
		case mode == "connect":
		case mode == "microseconds":
			p.enc = encMicros
		case mode == "nanoseconds" || length > 6 || base == "DATETIME2" && length == 0:
			p.enc, p.target = encNanos, d.timestampType(schema.TimestampNs, schema.Timestamp)
		case length > 3:
			p.enc = encMicros
		}
		return p, true
	}
	return codec{}, false
}

// defaultOf reads the text of a column's default.
func defaultOf(text string, t schema.Type) (any, error) {
	s := strings.TrimSpace(text)
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		s = strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	}
	bad := func() (any, error) { return nil, fmt.Errorf("%q is no value of type %s", clip([]byte(text)), t) }
	switch t.Kind {
	case schema.KindBoolean, schema.KindInt, schema.KindLong:
		return integerDefault(s, t, bad)
	case schema.KindFloat, schema.KindDouble:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return bad()
		}
		if t.Kind == schema.KindFloat {
			return float32(f), nil
		}
		return f, nil
	case schema.KindDecimal:
		return parseDecimal([]byte(s), t.Precision, t.Scale, true)
	case schema.KindString:
		return s, nil
	case schema.KindBinary:
		if b, err := base64.StdEncoding.DecodeString(s); err == nil && len(s) > 0 {
			return b, nil
		}
		return []byte(s), nil
	case schema.KindDate:
		days, end, ok := parseDate([]byte(s))
		if strings.HasPrefix(s, "0000-00-00") {
			return nil, nil
		}
		if !ok || end < len(s) && s[end] != ' ' {
			return bad()
		}
		return int32(days), nil
	case schema.KindTimestamp, schema.KindTimestampTz, schema.KindTimestampNs:
		if strings.HasPrefix(s, "0000-00-00") {
			return nil, nil
		}
		at, err := parseInstant([]byte(s))
		if err != nil {
			return bad()
		}
		n, ok := at.micros()
		if t.Kind == schema.KindTimestampNs {
			n, ok = at.nano64()
		}
		if !ok {
			return bad()
		}
		return n, nil
	case schema.KindTime:
		return parseTimeOfDay([]byte(s))
	}
	return bad()
}

func integerDefault(s string, t schema.Type, bad func() (any, error)) (any, error) {
	var n int64
	lower := strings.ToLower(s)
	switch {
	case lower == "true":
		n = 1
	case lower == "false":
	case strings.HasPrefix(lower, "b'"):
		u, err := strconv.ParseUint(strings.Trim(lower[1:], "'"), 2, 63)
		if err != nil {
			return bad()
		}
		n = int64(u)
	case t.Kind == schema.KindLong && strings.Contains(s, ":"):
		return parseTimeOfDay([]byte(s))
	default:
		v, err := parseDecimal([]byte(s), 19, 0, true)
		if err != nil || (v.HighBits() != 0 && v.HighBits() != -1) {
			return bad()
		}
		n = int64(v.LowBits())
	}
	switch t.Kind {
	case schema.KindBoolean:
		return n != 0, nil
	case schema.KindInt:
		if n > math.MaxInt32 || n < math.MinInt32 {
			return bad()
		}
		return int32(n), nil
	}
	return n, nil
}
