package debezium_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/cdctest"
	"github.com/frazildb/frazil/cdc/debezium"
	"github.com/frazildb/frazil/schema"
)

// ddl is a line of the schema history.
func ddl(pos int, statement, columns string) string {
	return fmt.Sprintf(`{"source":{"connector":"mysql","file":"bin.000009","pos":%d,"ts_ms":%d,"snapshot":null},"databaseName":"db","ddl":%q,`+
		`"tableChanges":[{"type":"ALTER","id":"\"db\".\"t\"","table":{"primaryKeyColumnNames":["id"],"columns":[%s]}}]}`, pos, pos, statement, columns)
}

func column(name, typ string, extra string) string {
	return fmt.Sprintf(`{"name":%q,"jdbcType":4,"typeName":%q,"optional":true%s}`, name, typ, extra)
}

func mysqlEvent(pos, id int, fields string) string {
	return fmt.Sprintf(`{"topic":"s.db.t","partition":0,"offset":%d,"key":{"id":%d},"value":{"before":null,"after":{"id":%d%s},`+
		`"source":{"connector":"mysql","db":"db","table":"t","file":"bin.000010","pos":%d,"snapshot":null},"transaction":null,"op":"c"}}`, pos, id, id, fields, pos) + "\n"
}

// TestSchemaHistory runs a table through renames, defaults, widening and drops,
// some without an event between them, and after the last event.
func TestSchemaHistory(t *testing.T) {
	id := column("id", "INT", "")
	history := strings.Join([]string{
		ddl(1, "CREATE TABLE t", id+","+column("a", "INT", "")),
		strings.Replace(ddl(10, "ALTER TABLE t CHANGE COLUMN `a` `b` BIGINT", id+","+column("b", "BIGINT", "")), "bin.000009", "bin.000010", 1),
		strings.Replace(ddl(20, "ALTER TABLE t ADD c INT NOT NULL", id+","+column("b", "BIGINT", "")+`,{"name":"c","typeName":"INT","optional":false}`), "bin.000009", "bin.000010", 1),
		strings.Replace(ddl(21, "ALTER TABLE t DROP c, ADD d", id+","+column("b", "BIGINT", "")+","+column("d", "DECIMAL", `,"length":6,"scale":2,"defaultValueExpression":"1.5"`)), "bin.000009", "bin.000010", 1),
		strings.Replace(ddl(40, "ALTER TABLE t RENAME COLUMN d TO e", id+","+column("b", "BIGINT", "")+","+column("e", "DECIMAL", `,"length":6,"scale":2,"defaultValueExpression":"1.5"`)), "bin.000009", "bin.000010", 1),
	}, "\n")
	events := mysqlEvent(5, 1, `,"a":7`) + mysqlEvent(15, 2, `,"b":8000000000`) + mysqlEvent(30, 3, `,"b":9,"d":"2.25"`) + mysqlEvent(41, 4, `,"b":9,"e":null`)
	for _, eager := range []bool{false, true} {
		m := cdctest.NewMemory()
		m.Eager = eager
		for range 2 {
			opts := &debezium.Options{SchemaChanges: strings.NewReader(history)}
			if _, err := run(t, m, events, opts, &cdc.Options{CommitRows: 1}); err != nil {
				t.Fatal(err)
			}
			wantRows(t, m, "db.t", "id=1 b=7 e=150", "id=2 b=8000000000 e=150", "id=3 b=9 e=225", "id=4 b=9 e=<nil>")
		}
		if v := m.Table("db.t").Positions()[cdc.VersionStream]; v != "bin.000010:40" {
			t.Errorf("version %q", v)
		}
	}
	// The same with the last change after the last event.
	m := cdctest.NewMemory()
	other := mysqlEvent(60, 1, "")
	other = strings.NewReplacer(`"table":"t"`, `"table":"o"`, "s.db.t", "s.db.o").Replace(other)
	history += "\n" + strings.Replace(ddl(1, "CREATE TABLE o", id), `\"t\"`, `\"o\"`, 1)
	early := mysqlEvent(5, 1, `,"a":7`) + mysqlEvent(30, 3, `,"b":9,"d":"2.25"`) + other
	for range 2 {
		opts := &debezium.Options{SchemaChanges: strings.NewReader(history)}
		stats, err := run(t, m, early, opts, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", stats)
		wantRows(t, m, "db.t", "id=1 b=7 e=150", "id=3 b=9 e=225")
	}
	// The connector's internal history topic has the position elsewhere.
	m = cdctest.NewMemory()
	var internal []string
	for _, line := range strings.Split(history, "\n") {
		i, j := strings.Index(line, `"file"`), strings.Index(line, `,"ts_ms"`)
		internal = append(internal, strings.Replace(strings.Replace(line, line[i:j], `"server":"s"`, 1), `"databaseName"`, `"position":{`+line[i:j]+`},"databaseName"`, 1))
	}
	if _, err := run(t, m, events, &debezium.Options{SchemaChanges: strings.NewReader(strings.Join(internal, "\n"))}, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "db.t", "id=1 b=7 e=150", "id=2 b=8000000000 e=150", "id=3 b=9 e=225", "id=4 b=9 e=<nil>")
	// And with the schema changes in the stream itself.
	m = cdctest.NewMemory()
	lines := strings.Split(history, "\n")
	ev := strings.SplitAfter(events, "\n")
	inline := strings.Join([]string{lines[0], ev[0], lines[1], ev[1], lines[2], lines[3], ev[2], lines[4], ev[3]}, "\n")
	if _, err := run(t, m, inline, nil, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "db.t", "id=1 b=7 e=150", "id=2 b=8000000000 e=150", "id=3 b=9 e=225", "id=4 b=9 e=<nil>")
}

// TestForeignColumn: a column that a table was given by someone else stays.
func TestForeignColumn(t *testing.T) {
	s := newStream()
	s.change("t", "c", "1", "null", `{"id":1,"a":1}`, "")
	m := cdctest.NewMemory()
	if _, err := run(t, m, s.String(), nil, nil); err != nil {
		t.Fatal(err)
	}
	sink, err := m.Open(t.Context(), "db.t")
	if err != nil {
		t.Fatal(err)
	}
	more := *sink.Shape()
	more.Columns = append([]cdc.Column{{Name: "mine", Type: schema.String, HasDefault: true, Default: "x"}}, more.Columns...)
	if err := sink.Evolve(t.Context(), &more); err != nil {
		t.Fatal(err)
	}
	if err := sink.Commit(t.Context(), sink.Positions()); err != nil {
		t.Fatal(err)
	}
	s.change("t", "c", "2", "null", `{"id":2,"a":2}`, "")
	if _, err := run(t, m, s.String(), nil, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "db.t", "mine=x id=1 a=1", "mine=<nil> id=2 a=2")
}

// schemaEvent is a value with a schema block for one column c of a table with key id.
func schemaEvent(connector, field, value string) string {
	row := `{"type":"struct","optional":true,"field":%q,"fields":[{"type":"int32","optional":false,"field":"id"},` + field + `]}`
	return fmt.Sprintf(`{"topic":"s.db.t","partition":0,"offset":0,"key":{"id":1},"value":{"schema":{"type":"struct","fields":[`+row+`,`+row+
		`,{"type":"struct","field":"source","name":"io.debezium.connector.%s.Source","fields":[]},{"type":"string","field":"op"}]},"payload":{"before":null,"after":{"id":1,"c":%s},`+
		`"source":{"connector":%q,"db":"db","table":"t"},"op":"c"}}}`, "before", "after", connector, value, connector)
}

// TestConnectTypes maps every type of a schema block.
func TestConnectTypes(t *testing.T) {
	semantic := func(typ, name, more string) string {
		return fmt.Sprintf(`{"type":%q,"optional":true,"name":%q%s,"field":"c"}`, typ, name, more)
	}
	plain := func(typ string) string { return fmt.Sprintf(`{"type":%q,"optional":true,"field":"c"}`, typ) }
	for _, c := range []struct{ connector, field, value, typ, want string }{
		{"mysql", plain("int16"), "-3", "int", "-3"},
		{"mysql", plain("int64"), "9223372036854775807", "long", "9223372036854775807"},
		{"mysql", plain("boolean"), "true", "boolean", "true"},
		{"mysql", plain("boolean"), "1", "boolean", "true"},
		{"mysql", plain("float"), "0.1", "float", "0.1"},
		{"mysql", plain("double"), "1.7976931348623157E308", "double", "1.7976931348623157e+308"},
		{"postgresql", plain("double"), `"-Infinity"`, "double", "-Inf"},
		{"mysql", plain("string"), `"\uD83D\uDE00 \u2028"`, "string", "😀 \u2028"},
		{"mysql", plain("bytes"), `"AAEC\/w=="`, "binary", "000102ff"},
		{"mysql", semantic("bytes", "org.apache.kafka.connect.data.Decimal", `,"parameters":{"scale":"2","connect.decimal.precision":"5"}`), `"AfQ="`, "decimal(5,2)", "500"},
		{"mysql", semantic("bytes", "org.apache.kafka.connect.data.Decimal", `,"parameters":{"scale":"2","connect.decimal.precision":"5"}`), `-5.25`, "decimal(5,2)", "-525"},
		{"mysql", semantic("bytes", "org.apache.kafka.connect.data.Decimal", `,"parameters":{"scale":"30","connect.decimal.precision":"65"}`), `"/w=="`, "string", "-0.000000000000000000000000000001"},
		{"mysql", semantic("bytes", "org.apache.kafka.connect.data.Decimal", `,"parameters":{"scale":"0","connect.decimal.precision":"20"}`), `"AP//////////"`, "decimal(20,0)", "18446744073709551615"},
		{"postgresql", semantic("struct", "io.debezium.data.VariableScaleDecimal", `,"fields":[{"type":"int32","field":"scale"},{"type":"bytes","field":"value"}]`), `{"scale":3,"value":"AfQ="}`, "string", "0.500"},
		{"postgresql", semantic("struct", "io.debezium.data.VariableScaleDecimal", `,"fields":[]`), `{"scale":-2,"value":"BQ=="}`, "string", "500"},
		{"mysql", semantic("int32", "io.debezium.time.Date", ""), "-1", "date", "-1"},
		{"mysql", semantic("int64", "io.debezium.time.Timestamp", ""), "-1500", "timestamp", "-1500000"},
		{"mysql", semantic("int64", "io.debezium.time.MicroTimestamp", ""), "-1", "timestamp", "-1"},
		{"sqlserver", semantic("int64", "io.debezium.time.NanoTimestamp", ""), "-1500", "timestamp", "-2"},
		{"mysql", semantic("string", "io.debezium.time.ZonedTimestamp", ""), `"2020-02-29T23:59:59.1234+01:30"`, "timestamptz", "1583015399123400"},
		{"mysql", semantic("string", "io.debezium.time.ZonedTimestamp", ""), `"0001-01-01T00:00:00Z"`, "timestamptz", "-62135596800000000"},
		{"mysql", semantic("int64", "io.debezium.time.MicroTime", ""), "-3020399000000", "long", "-3020399000000"},
		{"postgresql", semantic("int64", "io.debezium.time.MicroTime", ""), "86399999999", "time", "86399999999"},
		{"postgresql", semantic("int32", "io.debezium.time.Time", ""), "1000", "time", "1000000"},
		{"postgresql", semantic("int64", "io.debezium.time.MicroDuration", ""), "1000", "long", "1000"},
		{"postgresql", semantic("string", "io.debezium.time.ZonedTime", ""), `"10:15:30+02:00"`, "string", "10:15:30+02:00"},
		{"postgresql", semantic("string", "io.debezium.time.IsoTime", ""), `"10:15:30.5Z"`, "time", "36930500000"},
		{"mysql", semantic("int32", "io.debezium.time.Year", ""), "2024", "int", "2024"},
		{"mysql", semantic("string", "io.debezium.data.Enum", `,"parameters":{"allowed":"a,b"}`), `"b"`, "string", "b"},
		{"mysql", semantic("string", "io.debezium.data.EnumSet", ""), `""`, "string", ""},
		{"postgresql", semantic("string", "io.debezium.data.Json", ""), `"{\"a\": 1}"`, "string", `{"a": 1}`},
		{"postgresql", semantic("string", "io.debezium.data.Uuid", ""), `"67CAE310-7768-ffdf-c231-98b3f82b0d35"`, "uuid", "67cae3107768ffdfc23198b3f82b0d35"},
		{"mysql", semantic("bytes", "io.debezium.data.Bits", `,"parameters":{"length":"1"}`), `true`, "boolean", "true"},
		{"mysql", semantic("bytes", "io.debezium.data.Bits", `,"parameters":{"length":"9"}`), `"AgE="`, "long", "258"},
		{"mysql", semantic("bytes", "io.debezium.data.Bits", `,"parameters":{"length":"64"}`), `"//////////8="`, "decimal(20,0)", "18446744073709551615"},
		{"postgresql", semantic("bytes", "io.debezium.data.Bits", `,"parameters":{"length":"70"}`), `"AQI="`, "binary", "0102"},
		{"mysql", semantic("struct", "io.debezium.data.geometry.Point", ""), `{"x":1,"y":2,"wkb":"AQI=","srid":null}`, "", "[<nil> [1 2]]"},
		{"postgresql", `{"type":"array","optional":true,"items":{"type":"int32","optional":true},"field":"c"}`, `[1,null,3]`, "", "[1 <nil> 3]"},
		{"postgresql", `{"type":"map","optional":true,"keys":{"type":"string"},"values":{"type":"string","optional":true},"field":"c"}`, `{"k":"v","n":null}`, "", "{[k n] [v <nil>]}"},
		{"postgresql", `{"type":"map","optional":true,"keys":{"type":"int32"},"values":{"type":"int32"},"field":"c"}`, `[[1,2],[3,4]]`, "", "{[1 3] [2 4]}"},
		{"x", `{"type":"struct","optional":true,"fields":[{"type":"int32","field":"p"},{"type":"string","field":"q"}],"field":"c"}`, `{"q":"z","p":4,"r":0}`, "", "[4 z]"},
		{"mysql", plain("int32"), "null", "int", "<nil>"},
	} {
		m := cdctest.NewMemory()
		if _, err := run(t, m, schemaEvent(c.connector, c.field, c.value), nil, nil); err != nil {
			t.Errorf("%s %s: %v", c.field, c.value, err)
			continue
		}
		wantRows(t, m, "db.t", "id=1 c="+c.want)
		if typ := m.Table("db.t").Shape().Columns[1].Type.String(); c.typ != "" && typ != c.typ {
			t.Errorf("%s: type %s, want %s", c.field, typ, c.typ)
		}
	}
	for _, c := range []struct{ connector, field, value, want string }{
		{"mysql", plain("int32"), "3000000000", `column "c" (int, int32): 3000000000 does not fit an int`},
		{"mysql", plain("int32"), `"x"`, `"x" is not a whole number`},
		{"mysql", plain("int32"), `1.5`, `1.5 is not a whole number`},
		{"mysql", plain("boolean"), `2`, `2 is not a boolean`},
		{"mysql", plain("double"), `"0x10"`, `is not a floating-point number`},
		{"mysql", plain("double"), `1e999`, `1e999 is not a number of 64-bit floating point`},
		{"mysql", plain("bytes"), `"AAE"`, `is not base64`},
		{"mysql", plain("wat"), `1`, `unknown type "wat"`},
		{"mysql", plain("string"), "\"\xff\"", `not valid UTF-8`},
		{"postgresql", semantic("int64", "io.debezium.time.MicroTime", ""), "86400000000", `no time of a day`},
		{"mysql", semantic("int64", "io.debezium.time.Timestamp", ""), "9223372036854775807", `not a value of type timestamp`},
		{"mysql", semantic("string", "io.debezium.time.ZonedTimestamp", ""), `"2020-02-30T00:00:00Z"`, `is not a date and time`},
		{"mysql", semantic("bytes", "org.apache.kafka.connect.data.Decimal", `,"parameters":{"scale":"2","connect.decimal.precision":"5"}`), `"AYag"`, "does not fit decimal(5,2)"},
		{"postgresql", semantic("string", "io.debezium.data.Uuid", ""), `"67cae310"`, "is not a UUID"},
		{"mysql", semantic("struct", "io.debezium.data.geometry.Point", ""), `{"x":1}`, "is not a geometry"},
	} {
		_, err := run(t, cdctest.NewMemory(), schemaEvent(c.connector, c.field, c.value), nil, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "test.jsonl:1: table db.t: ") {
			t.Errorf("%s %s: %v, want %s", c.field, c.value, err, c.want)
		}
	}
}
