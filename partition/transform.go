package partition

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/schema"
)

// Identity returns a field that partitions by the column's value.
func Identity(column string) Field { return columnField(column, IdentityTransform, 0) }

// Bucket returns a field that partitions by the column's hash into n buckets.
func Bucket(column string, n int) Field { return columnField(column, BucketTransform, n) }

// Truncate returns a field that partitions by the column truncated to width w.
func Truncate(column string, w int) Field { return columnField(column, TruncateTransform, w) }

// Year returns a field that partitions by the year of the column.
func Year(column string) Field { return columnField(column, YearTransform, 0) }

// Month returns a field that partitions by the month of the column.
func Month(column string) Field { return columnField(column, MonthTransform, 0) }

// Day returns a field that partitions by the day of the column.
func Day(column string) Field { return columnField(column, DayTransform, 0) }

// Hour returns a field that partitions by the hour of the column.
func Hour(column string) Field { return columnField(column, HourTransform, 0) }

// Void returns a field that is always null.
func Void(column string) Field { return columnField(column, VoidTransform, 0) }

func columnField(column string, kind TransformKind, param int) Field {
	return Field{Column: column, Transform: Transform{Kind: kind, Param: param}}
}

var simpleTransforms = map[string]TransformKind{
	"identity": IdentityTransform,
	"year":     YearTransform,
	"month":    MonthTransform,
	"day":      DayTransform,
	"hour":     HourTransform,
	"void":     VoidTransform,
}

// ParseTransform parses the text of a transform, such as "bucket[16]". Text it
// does not know is an UnknownTransform, never an error.
func ParseTransform(s string) Transform {
	lower := strings.ToLower(strings.TrimSpace(s))
	if kind, ok := simpleTransforms[lower]; ok {
		return Transform{Kind: kind}
	}
	name, rest, ok := strings.Cut(lower, "[")
	if ok && strings.HasSuffix(rest, "]") {
		n, err := strconv.ParseInt(strings.TrimSpace(rest[:len(rest)-1]), 10, 32)
		if err == nil && n > 0 {
			switch name {
			case "bucket":
				return Transform{Kind: BucketTransform, Param: int(n)}
			case "truncate":
				return Transform{Kind: TruncateTransform, Param: int(n)}
			}
		}
	}
	return Transform{Kind: UnknownTransform, Name: s}
}

// String returns the transform's text in metadata.
func (t Transform) String() string {
	switch t.Kind {
	case IdentityTransform:
		return "identity"
	case BucketTransform:
		return "bucket[" + strconv.Itoa(t.Param) + "]"
	case TruncateTransform:
		return "truncate[" + strconv.Itoa(t.Param) + "]"
	case YearTransform:
		return "year"
	case MonthTransform:
		return "month"
	case DayTransform:
		return "day"
	case HourTransform:
		return "hour"
	case VoidTransform:
		return "void"
	default:
		return t.Name
	}
}

// isTime reports whether t is year, month, day or hour.
func (t Transform) isTime() bool { return t.Kind >= YearTransform && t.Kind <= HourTransform }

// PreservesOrder reports whether a ≤ b implies t(a) ≤ t(b) for non-null values.
func (t Transform) PreservesOrder() bool {
	return t.Kind == IdentityTransform || t.Kind == TruncateTransform || t.isTime()
}

// ResultType returns the type of the transform's results for a source type, or
// an error when the transform cannot be applied to it.
func (t Transform) ResultType(src schema.Type) (schema.Type, error) {
	ok := false
	res := src
	switch t.Kind {
	case IdentityTransform:
		ok = identitySource(src.Kind)
	case VoidTransform:
		ok = true
	case BucketTransform:
		ok, res = bucketSource(src.Kind), schema.Int
	case TruncateTransform:
		ok = truncateSource(src.Kind)
	case YearTransform, MonthTransform:
		ok, res = src.Kind == schema.KindDate || isTimestamp(src.Kind), schema.Int
	case DayTransform:
		ok, res = src.Kind == schema.KindDate || isTimestamp(src.Kind), schema.Date
	case HourTransform:
		ok, res = isTimestamp(src.Kind), schema.Int
	default:
		return schema.Unknown, fmt.Errorf("unknown transform %q", t.Name)
	}
	if !ok {
		return schema.Type{}, fmt.Errorf("transform %s cannot be applied to %s", t, src)
	}
	if (t.Kind == BucketTransform || t.Kind == TruncateTransform) && (t.Param <= 0 || t.Param > math.MaxInt32) {
		return schema.Type{}, fmt.Errorf("transform %s: parameter must be between 1 and %d", t, math.MaxInt32)
	}
	return res, nil
}

func isTimestamp(k schema.Kind) bool {
	return k >= schema.KindTimestamp && k <= schema.KindTimestampTzNs
}

func isNano(k schema.Kind) bool {
	return k == schema.KindTimestampNs || k == schema.KindTimestampTzNs
}

func identitySource(k schema.Kind) bool {
	return k >= schema.KindBoolean && k <= schema.KindUnknown
}

func bucketSource(k schema.Kind) bool {
	switch k {
	case schema.KindInt, schema.KindLong, schema.KindDecimal, schema.KindDate, schema.KindTime,
		schema.KindString, schema.KindUUID, schema.KindFixed, schema.KindBinary:
		return true
	}
	return isTimestamp(k)
}

func truncateSource(k schema.Kind) bool {
	switch k {
	case schema.KindInt, schema.KindLong, schema.KindDecimal, schema.KindString, schema.KindBinary:
		return true
	}
	return false
}
