package debezium

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/schema"
)

// connectSchema is a schema block of Kafka Connect's JsonConverter.
type connectSchema struct {
	Type       string            `json:"type"`
	Optional   bool              `json:"optional"`
	Field      string            `json:"field"`
	Name       string            `json:"name"`
	Parameters map[string]string `json:"parameters"`
	Default    json.RawMessage   `json:"default"`
	Fields     []connectSchema   `json:"fields"`
	Items      *connectSchema    `json:"items"`
	Keys       *connectSchema    `json:"keys"`
	Values     *connectSchema    `json:"values"`
}

// field returns the member with a name, nil when there is none.
func (s *connectSchema) field(name string) *connectSchema {
	for i := range s.Fields {
		if s.Fields[i].Field == name {
			return &s.Fields[i]
		}
	}
	return nil
}

// definition is a table's columns with how their values are written.
type definition struct {
	shape  *cdc.Shape
	codecs []codec
}

// rowSchema finds the schema of a row in the schema block of a value: the
// envelope's after or before, or the block itself when it is flattened.
func rowSchema(block []byte, flat bool) (row *connectSchema, connector string, err error) {
	var s connectSchema
	if err := json.Unmarshal(block, &s); err != nil {
		return nil, "", fmt.Errorf("schema block: %w", err)
	}
	if src := s.field("source"); src != nil {
		// io.debezium.connector.mariadb.Source
		parts := strings.Split(src.Name, ".")
		if len(parts) >= 2 {
			connector = parts[len(parts)-2]
		}
	}
	if flat {
		return &s, connector, nil
	}
	for _, name := range []string{"after", "before"} {
		if f := s.field(name); f != nil && f.Type == "struct" {
			return f, connector, nil
		}
	}
	return nil, "", errors.New("schema block: it has no struct named after or before")
}

// define turns the schema of a row into a definition. Metadata fields of a
// flattened row are left out.
func (d *decoder) define(row *connectSchema, connector string, flat bool) (*definition, error) {
	def := &definition{shape: &cdc.Shape{}}
	for i := range row.Fields {
		f := &row.Fields[i]
		if flat && isMetaField(f.Field) {
			continue
		}
		p, err := d.connectCodec(f, connector, 0)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Field, err)
		}
		col := cdc.Column{Name: f.Field, Type: p.target, SourceType: f.sourceType(), NotNull: !f.Optional}
		if len(f.Default) > 0 {
			col.Default, err = d.valueOf(&p, f.Default)
			if col.HasDefault = err == nil; err != nil {
				d.warn("", fmt.Sprintf("the default of column %q is not understood: %v", f.Field, err))
			}
			distrust(&col)
		} else if col.NotNull && isMySQL(connector) {
			col.Default, col.HasDefault = implicitDefault(p.target, f.Parameters["allowed"])
		}
		def.shape.Columns = append(def.shape.Columns, col)
		def.codecs = append(def.codecs, p)
	}
	return def, nil
}

func (s *connectSchema) sourceType() string {
	if t := s.Parameters["__debezium.source.column.type"]; t != "" {
		return t
	}
	if s.Name != "" {
		return s.Name
	}
	return s.Type
}

// valueOf decodes one JSON value as a codec's type, null as nil.
func (d *decoder) valueOf(p *codec, raw []byte) (any, error) {
	v, _, err := scanValue(raw, skipSpace(raw, 0), 0)
	if err != nil {
		return nil, err
	}
	c := cdc.NewColumnBuilder(p.target)
	if err := d.append(c, p, raw, v); err != nil {
		return nil, err
	}
	return c.Value(0), nil
}

func isMySQL(connector string) bool { return connector == "mysql" || connector == "mariadb" }

// timeAsLong tells whether a source's TIME is a duration that can be negative or
// longer than a day.
func timeAsLong(connector string) bool { return connector == "" || isMySQL(connector) }

// connectCodec returns how values of a Connect schema are read and the type they
// become.
func (d *decoder) connectCodec(s *connectSchema, connector string, depth int) (codec, error) {
	if depth > 16 {
		return codec{}, fmt.Errorf("schema is nested deeper than 16")
	}
	if p, ok := d.semanticCodec(s, connector); ok {
		return p, nil
	}
	switch s.Type {
	case "int8", "int16", "int32":
		return codec{enc: encInt, target: schema.Int}, nil
	case "int64":
		return codec{enc: encInt, target: schema.Long}, nil
	case "boolean":
		return codec{enc: encBool, target: schema.Boolean}, nil
	case "float", "float32":
		return codec{enc: encFloat, target: schema.Float}, nil
	case "double", "float64":
		return codec{enc: encFloat, target: schema.Double}, nil
	case "string":
		return codec{enc: encText, target: schema.String}, nil
	case "bytes":
		return codec{enc: encBytes, target: schema.Binary}, nil
	case "struct":
		return d.structCodec(s, connector, depth)
	case "array":
		if s.Items == nil {
			break
		}
		kid, err := d.connectCodec(s.Items, connector, depth+1)
		return codec{enc: encList, kids: []codec{kid}, target: schema.List(schema.Field{Type: kid.target})}, err
	case "map":
		if s.Keys == nil || s.Values == nil {
			break
		}
		k, err := d.connectCodec(s.Keys, connector, depth+1)
		if err != nil {
			return codec{}, err
		}
		v, err := d.connectCodec(s.Values, connector, depth+1)
		return codec{
			enc: encMap, kids: []codec{k, v},
			target: schema.Map(schema.Field{Type: k.target}, schema.Field{Type: v.target}),
		}, err
	}
	return codec{}, fmt.Errorf("schema block has the unknown type %q (%s)", s.Type, s.Name)
}

func (d *decoder) structCodec(s *connectSchema, connector string, depth int) (codec, error) {
	p := codec{enc: encStruct}
	var fields []schema.Field
	for i := range s.Fields {
		kid, err := d.connectCodec(&s.Fields[i], connector, depth+1)
		if err != nil {
			return codec{}, fmt.Errorf("field %q: %w", s.Fields[i].Field, err)
		}
		p.kids = append(p.kids, kid)
		p.names = append(p.names, s.Fields[i].Field)
		fields = append(fields, schema.Field{Name: s.Fields[i].Field, Type: kid.target})
	}
	if len(fields) == 0 {
		return codec{enc: encText, target: schema.String}, nil
	}
	p.target = schema.Struct(fields...)
	return p, nil
}

// semanticCodec reads the types that Debezium and Connect tell by a schema's
// name.
func (d *decoder) semanticCodec(s *connectSchema, connector string) (codec, bool) {
	timeOfDay := schema.Time
	if timeAsLong(connector) {
		timeOfDay = schema.Long
	}
	switch s.Name {
	case "org.apache.kafka.connect.data.Decimal":
		return decimalCodec(s.Parameters), true
	case "io.debezium.data.VariableScaleDecimal":
		return codec{enc: encVarDecimal, target: schema.String, form: formBase64}, true
	case "io.debezium.time.Date", "org.apache.kafka.connect.data.Date", "io.debezium.time.IsoDate":
		return codec{enc: encDate, target: schema.Date}, true
	case "io.debezium.time.Timestamp", "org.apache.kafka.connect.data.Timestamp":
		return codec{enc: encMillis, target: schema.Timestamp}, true
	case "io.debezium.time.MicroTimestamp", "io.debezium.time.IsoTimestamp":
		return codec{enc: encMicros, target: schema.Timestamp}, true
	case "io.debezium.time.NanoTimestamp":
		return codec{enc: encNanos, target: d.timestampType(schema.TimestampNs, schema.Timestamp)}, true
	case "io.debezium.time.ZonedTimestamp":
		return codec{enc: encZoned, target: schema.TimestampTz}, true
	case "io.debezium.time.Time", "org.apache.kafka.connect.data.Time":
		return codec{enc: encTimeMillis, target: timeOfDay}, true
	case "io.debezium.time.MicroTime", "io.debezium.time.IsoTime":
		return codec{enc: encTimeMicros, target: timeOfDay}, true
	case "io.debezium.time.NanoTime":
		return codec{enc: encTimeNanos, target: timeOfDay}, true
	case "io.debezium.data.Uuid":
		return codec{enc: encUUID, target: schema.UUID}, true
	case "io.debezium.data.Bits":
		n, _ := strconv.Atoi(s.Parameters["length"])
		return bitsCodec(n), true
	case "io.debezium.data.geometry.Point", "io.debezium.data.geometry.Geometry",
		"io.debezium.data.geometry.Geography":
		return codec{enc: encGeometry, target: geometryType}, true
	}
	return codec{}, false
}

func (d *decoder) timestampType(nanos, micros schema.Type) schema.Type {
	if d.opts.Nanoseconds {
		return nanos
	}
	return micros
}

// decimalCodec reads Connect's Decimal, whose values are base64 or, by the
// converter's decimal.format, numbers.
func decimalCodec(params map[string]string) codec {
	scale, err := strconv.Atoi(params["scale"])
	precision := 38
	if p, perr := strconv.Atoi(params["connect.decimal.precision"]); perr == nil {
		precision = p
	}
	if err != nil || precision < 1 || precision > 38 || scale < 0 || scale > precision {
		return codec{enc: encVarDecimal, target: schema.String, form: formBase64, scale: scale}
	}
	return codec{enc: encDecimal, target: schema.Decimal(precision, scale), form: formBase64}
}

// bitsCodec maps BIT(n): a boolean, a long where it fits, decimal(20, 0) for 64
// bits, and the bytes as they come (least significant first) beyond.
func bitsCodec(n int) codec {
	switch {
	case n == 1:
		return codec{enc: encBits, target: schema.Boolean}
	case n > 1 && n <= 63:
		return codec{enc: encBits, target: schema.Long}
	case n == 64:
		return codec{enc: encBits, target: schema.Decimal(20, 0)}
	}
	return codec{enc: encBits, target: schema.Binary}
}

// implicitDefault is what MySQL and MariaDB put into the rows that are there when
// a NOT NULL column without a default is added.
func implicitDefault(t schema.Type, allowed string) (any, bool) {
	switch t.Kind {
	case schema.KindInt:
		return int32(0), true
	case schema.KindLong:
		return int64(0), true
	case schema.KindFloat:
		return float32(0), true
	case schema.KindDouble:
		return float64(0), true
	case schema.KindDecimal:
		return schema.Unscaled{}, true
	case schema.KindBoolean:
		return false, true
	case schema.KindString:
		first, _, _ := strings.Cut(allowed, ",")
		return first, true
	case schema.KindBinary:
		return []byte{}, true
	}
	return nil, false
}

// isMetaField recognises the fields that ExtractNewRecordState adds to a row.
func isMetaField(name string) bool {
	switch name {
	case "__deleted", "__op", "__table", "__db", "__schema", "__lsn", "__ts_ms", "__ts_us",
		"__ts_ns", "__file", "__pos", "__row", "__gtid", "__snapshot", "__name", "__connector",
		"__version", "__txId", "__scn", "__commit_lsn", "__change_lsn":
		return true
	}
	return strings.HasPrefix(name, "__source_") || strings.HasPrefix(name, "__transaction_")
}
