package schema

// hasRowType reports whether v has the Go type that [Row] gives for t. It does
// not look into nested values.
func hasRowType(t Type, v any) bool {
	switch v.(type) {
	case bool:
		return t.Kind == KindBoolean
	case int32:
		return t.Kind == KindInt || t.Kind == KindDate
	case int64:
		return t.Kind == KindLong || t.Kind >= KindTime && t.Kind <= KindTimestampTzNs
	case float32:
		return t.Kind == KindFloat
	case float64:
		return t.Kind == KindDouble
	case string:
		return t.Kind == KindString
	case Unscaled:
		return t.Kind == KindDecimal
	case [16]byte:
		return t.Kind == KindUUID
	case []byte:
		return t.Kind == KindFixed || t.Kind == KindBinary || t.Kind == KindGeometry || t.Kind == KindGeography
	case VariantValue:
		return t.Kind == KindVariant
	case Row:
		return t.Kind == KindStruct
	case []any:
		return t.Kind == KindList
	case MapValue:
		return t.Kind == KindMap
	}
	return false
}
