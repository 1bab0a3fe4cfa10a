package schema

import (
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

var kindNames = [...]string{
	KindInvalid: "invalid", KindBoolean: "boolean", KindInt: "int", KindLong: "long",
	KindFloat: "float", KindDouble: "double", KindDecimal: "decimal", KindDate: "date",
	KindTime: "time", KindTimestamp: "timestamp", KindTimestampTz: "timestamptz",
	KindTimestampNs: "timestamp_ns", KindTimestampTzNs: "timestamptz_ns",
	KindString: "string", KindUUID: "uuid", KindFixed: "fixed", KindBinary: "binary",
	KindUnknown: "unknown", KindVariant: "variant", KindGeometry: "geometry",
	KindGeography: "geography", KindStruct: "struct", KindList: "list", KindMap: "map",
}

// String returns the name of the kind as in type strings.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// defaultCRS and defaultAlgorithm are what absent parameters of geometry and
// geography mean; a Type holds "" for them.
const (
	defaultCRS       = "OGC:CRS84"
	defaultAlgorithm = "spherical"
)

// Geometry returns geometry(crs); "" is the default, OGC:CRS84.
func Geometry(crs string) Type {
	if strings.EqualFold(crs, defaultCRS) {
		crs = ""
	}
	return Type{Kind: KindGeometry, CRS: crs}
}

// Geography returns geography(crs, algorithm); "" are the defaults, OGC:CRS84
// and spherical.
func Geography(crs, algorithm string) Type {
	if strings.EqualFold(crs, defaultCRS) {
		crs = ""
	}
	algorithm = strings.ToLower(algorithm)
	if algorithm == defaultAlgorithm {
		algorithm = ""
	}
	return Type{Kind: KindGeography, CRS: crs, Algorithm: algorithm}
}

// String returns the type string of the spec ("decimal(9,2)"); nested types,
// which have none, are rendered for people: struct<1: a: required long>.
func (t Type) String() string {
	switch t.Kind {
	case KindDecimal:
		return "decimal(" + strconv.Itoa(t.Precision) + "," + strconv.Itoa(t.Scale) + ")"
	case KindFixed:
		return "fixed[" + strconv.Itoa(t.Length) + "]"
	case KindGeometry:
		return "geometry(" + cmp.Or(t.CRS, defaultCRS) + ")"
	case KindGeography:
		return "geography(" + cmp.Or(t.CRS, defaultCRS) + ", " + cmp.Or(t.Algorithm, defaultAlgorithm) + ")"
	case KindStruct, KindList, KindMap:
		var b strings.Builder
		t.writeNested(&b, 0)
		return b.String()
	}
	return t.Kind.String()
}

func (t Type) writeNested(b *strings.Builder, depth int) {
	if !t.IsNested() {
		b.WriteString(t.String())
		return
	}
	if depth > MaxDepth {
		b.WriteString("…")
		return
	}
	b.WriteString(t.Kind.String())
	b.WriteByte('<')
	for i, f := range t.Fields {
		if i > 0 {
			b.WriteString(", ")
		}
		if t.Kind == KindStruct {
			need := "optional"
			if f.Required {
				need = "required"
			}
			fmt.Fprintf(b, "%d: %s: %s ", f.ID, f.Name, need)
		}
		f.Type.writeNested(b, depth+1)
	}
	b.WriteByte('>')
}

// ParseType parses the type string of a type that is not nested. White space
// around the parts and the case of the words do not matter.
func ParseType(s string) (Type, error) {
	text := strings.TrimSpace(s)
	name, params, bracket := text, "", byte(0)
	if i := strings.IndexAny(text, "(["); i >= 0 {
		closing := byte(')')
		if text[i] == '[' {
			closing = ']'
		}
		if text[len(text)-1] != closing {
			return Type{}, badType(s)
		}
		name, params, bracket = strings.TrimSpace(text[:i]), text[i+1:len(text)-1], text[i]
	}
	name = strings.ToLower(name)
	switch {
	case bracket == '(' && name == "decimal":
		p, sc, ok := strings.Cut(params, ",")
		precision, err1 := parseSmall(p)
		scale, err2 := parseSmall(sc)
		t := Decimal(precision, scale)
		if !ok || err1 != nil || err2 != nil {
			return Type{}, badType(s)
		}
		if err := t.check(); err != nil {
			return Type{}, fmt.Errorf("type %q: %w", clip(s), err)
		}
		return t, nil
	case bracket == '[' && name == "fixed":
		n, err := parseSmall(params)
		if err != nil {
			return Type{}, badType(s)
		}
		if err := Fixed(n).check(); err != nil {
			return Type{}, fmt.Errorf("type %q: %w", clip(s), err)
		}
		return Fixed(n), nil
	case name == "geometry" && bracket != '[':
		if strings.ContainsAny(params, "()") {
			return Type{}, badType(s)
		}
		return Geometry(strings.TrimSpace(params)), nil
	case name == "geography" && bracket != '[':
		return parseGeography(s, params)
	case bracket != 0:
		return Type{}, badType(s)
	}
	for k := KindBoolean; k < KindStruct; k++ {
		if kindNames[k] == name && k != KindDecimal && k != KindFixed {
			return Type{Kind: k}, nil
		}
	}
	return Type{}, badType(s)
}

func parseGeography(s, params string) (Type, error) {
	if strings.ContainsAny(params, "()") {
		return Type{}, badType(s)
	}
	crs, algorithm, _ := strings.Cut(params, ",")
	t := Geography(strings.TrimSpace(crs), strings.TrimSpace(algorithm))
	switch t.Algorithm {
	case "", "vincenty", "thomas", "andoyer", "karney":
		return t, nil
	}
	return Type{}, fmt.Errorf("type %q: unknown edge algorithm %q", clip(s), clip(t.Algorithm))
}

func parseSmall(s string) (int, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	return int(n), err
}

func badType(s string) error { return fmt.Errorf("unknown type %q", clip(s)) }

// clip shortens a string of unknown origin for an error message.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// Equal reports whether two types are equal, for nested types with all of
// their fields: ids, names, docs, defaults.
func (t Type) Equal(o Type) bool {
	if t.Kind != o.Kind || t.Precision != o.Precision || t.Scale != o.Scale || t.Length != o.Length ||
		t.CRS != o.CRS || t.Algorithm != o.Algorithm || len(t.Fields) != len(o.Fields) {
		return false
	}
	for i := range t.Fields {
		if !t.Fields[i].Equal(o.Fields[i]) {
			return false
		}
	}
	return true
}

// Equal reports whether two fields are equal in all their parts.
func (f Field) Equal(o Field) bool {
	return f.ID == o.ID && f.Name == o.Name && f.Required == o.Required && f.Doc == o.Doc && f.Type.Equal(o.Type) &&
		reflect.DeepEqual(f.InitialDefault, o.InitialDefault) && reflect.DeepEqual(f.WriteDefault, o.WriteDefault)
}
