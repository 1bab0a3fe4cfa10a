package debezium_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frazildb/frazil/cdc"
	"github.com/frazildb/frazil/cdc/cdctest"
	"github.com/frazildb/frazil/cdc/debezium"
)

// stream writes the lines of a topic by hand.
type stream struct {
	strings.Builder
	offsets map[string]int
	order   int
	tx      string
}

func newStream() *stream { return &stream{offsets: map[string]int{}} }

func (s *stream) record(topic, key, value, headers string) {
	fmt.Fprintf(s, `{"topic":%q,"partition":0,"offset":%d,"key":%s,"value":%s`, topic, s.offsets[topic], key, value)
	if headers != "" {
		fmt.Fprintf(s, `,"headers":%s`, headers)
	}
	s.WriteString("}\n")
	s.offsets[topic]++
}

// change writes an event of table db.t with key {"id": …}.
func (s *stream) change(table, op, key, before, after, headers string) {
	tx := "null"
	if s.tx != "" {
		s.order++
		tx = fmt.Sprintf(`{"id":%q,"total_order":%d,"data_collection_order":1}`, s.tx, s.order)
	}
	if key != "null" {
		key = `{"id":` + key + `}`
	}
	s.record("srv.db."+table, key, fmt.Sprintf(
		`{"before":%s,"after":%s,"source":{"connector":"postgresql","db":"main","schema":"db","table":%q,"snapshot":"false"},"transaction":%s,"op":%q}`,
		before, after, table, tx, op), headers)
}

func (s *stream) begin(id string) {
	s.tx, s.order = id, 0
	s.record("srv.transaction", `{"id":"`+id+`"}`, `{"status":"BEGIN","id":"`+id+`","event_count":null,"data_collections":null}`, "")
}

func (s *stream) end(count int) {
	s.record("srv.transaction", `{"id":"`+s.tx+`"}`, fmt.Sprintf(`{"status":"END","id":%q,"event_count":%d,"data_collections":[]}`, s.tx, count), "")
	s.tx = ""
}

func wantRows(t *testing.T, m *cdctest.Memory, table string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := dump(m, table); !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", table, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestUnavailableValues(t *testing.T) {
	const gone = `"__debezium_unavailable_value"`
	s := newStream()
	s.change("t", "c", "1", "null", `{"id":1,"a":"x","big":"long text"}`, "")
	s.change("t", "u", "1", "null", `{"id":1,"a":"y","big":`+gone+`}`, "")
	// A change of key, whose new row takes the text of the old one.
	s.change("t", "d", "1", `{"id":1,"a":"y","big":null}`, "null", `{"__debezium.newkey":{"id":2}}`)
	s.change("t", "c", "2", "null", `{"id":2,"a":"y","big":`+gone+`}`, `{"__debezium.oldkey":{"id":1}}`)
	// The before-image has it.
	s.change("t", "c", "3", "null", `{"id":3,"a":"x","big":"other"}`, "")
	s.change("t", "u", "3", `{"id":3,"a":"x","big":"other"}`, `{"id":3,"a":"z","big":`+gone+`}`, "")
	m := cdctest.NewMemory()
	if _, err := run(t, m, s.String(), nil, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "db.t", "id=2 a=y big=long text", "id=3 a=z big=other")

	s.change("t", "c", "9", "null", `{"id":9,"a":"x","big":`+gone+`}`, "")
	_, err := run(t, m, s.String(), nil, nil)
	if err == nil || !strings.Contains(err.Error(), `test.jsonl:7: table db.t: value unavailable in a new row`) {
		t.Errorf("a new row without a value: %v", err)
	}
	s = newStream()
	s.change("k", "c", "null", "null", `{"a":"x","big":"long"}`, "")
	s.change("k", "u", "null", `{"a":"x","big":`+gone+`}`, `{"a":"y","big":`+gone+`}`, "")
	if _, err = run(t, m, s.String(), nil, nil); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("a table without a key: %v", err)
	}
}

// TestBrokenLine stops at a broken line: the transactions before its own are
// committed, its own is not, and a run over the mended stream goes on from there.
func TestBrokenLine(t *testing.T) {
	for _, opts := range []*cdc.Options{nil, {CommitBytes: 200}, {BatchRows: 1}, {CommitRows: 1, BatchRows: 2}, {CommitBytes: 200, BatchRows: 3}} {
		s := newStream()
		s.begin("A")
		s.change("t", "c", "1", "null", `{"id":1,"v":1}`, "")
		s.change("u", "c", "1", "null", `{"id":1}`, "")
		s.end(2)
		s.begin("B")
		s.change("t", "u", "1", "null", `{"id":1,"v":2}`, "")
		s.change("t", "c", "2", "null", `{"id":2,"v":2}`, "")
		s.change("u", "c", "2", "null", `{"id":2}`, "")
		good := len(s.String())
		s.change("t", "c", "3", "null", `{"id":3,"v":3}`, "")
		s.end(4)
		text := s.String()
		broken := text[:good] + strings.Replace(text[good:], `"v":3`, `"v":"three"`, 1)
		m := cdctest.NewMemory()
		_, err := run(t, m, broken, nil, opts)
		var bad *cdc.LineError
		if !errors.As(err, &bad) || bad.Line.Number != 9 || !strings.Contains(err.Error(), `table db.t: column "v" (long, guessed): "three" is not a whole number`) {
			t.Errorf("error: %v", err)
		}
		wantRows(t, m, "db.t", "id=1 v=1")
		wantRows(t, m, "db.u", "id=1")
		if p := m.Table("db.t").Positions(); p["srv.db.t/0"] != "0" {
			t.Errorf("positions %v", p)
		}
		if _, err := run(t, m, text, nil, opts); err != nil {
			t.Fatal(err)
		}
		wantRows(t, m, "db.t", "id=1 v=2", "id=2 v=2", "id=3 v=3")
		wantRows(t, m, "db.u", "id=1", "id=2")
	}
}

func TestDeadLetters(t *testing.T) {
	s := newStream()
	s.change("t", "c", "1", "null", `{"id":1,"v":1}`, "")
	s.change("t", "c", "2", "null", `{"id":2,"v":"no"}`, "")
	s.WriteString(`{"topic":"srv.db.t","partition":0,"offset":2,"key"` + "\n")
	s.change("t", "c", "3", "null", `{"id":3,"v":3}`, "")
	var out strings.Builder
	m := cdctest.NewMemory()
	stats, err := run(t, m, s.String(), nil, &cdc.Options{DeadLetter: cdc.WriteDeadLetters(&out)})
	if err != nil || stats.DeadLetters != 2 {
		t.Fatal(stats, err)
	}
	wantRows(t, m, "db.t", "id=1 v=1", "id=3 v=3")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], `{"file":"test.jsonl","line":2,"table":"db.t","reason":"column \"v\" (long, guessed): \"no\" is not a whole number`) ||
		!strings.Contains(lines[0], `"raw":"{\"topic\"`) || !strings.HasPrefix(lines[1], `{"file":"test.jsonl","line":3,`) {
		t.Errorf("dead letters:\n%s", out.String())
	}
}

// TestEndOfStream: a transaction without its end is left out, one that is only a
// truncate has none, and a schema change's neither.
func TestEndOfStream(t *testing.T) {
	s := newStream()
	s.begin("A")
	s.change("t", "c", "1", "null", `{"id":1}`, "")
	s.end(1)
	s.begin("B")
	s.change("t", "c", "2", "null", `{"id":2}`, "")
	m := cdctest.NewMemory()
	if stats, err := run(t, m, s.String(), nil, nil); err != nil || stats.LeftOut != 1 {
		t.Fatal(stats, err)
	}
	wantRows(t, m, "db.t", "id=1")
	s.end(1)
	s.begin("C")
	s.tx = "C"
	s.change("t", "t", "null", "null", "null", "")
	if _, err := run(t, m, s.String(), nil, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "db.t")
	s.begin("D")
	s.change("t", "c", "4", "null", `{"id":4}`, "")
	s.end(3) // of which this file does not carry all
	if _, err := run(t, m, s.String(), nil, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "db.t", "id=4")
}

// TestWholeTransactions looks at every commit: a transaction is in a table with
// all of its rows or with none.
func TestWholeTransactions(t *testing.T) {
	s := newStream()
	id := 0
	for tx := range 60 {
		s.begin(fmt.Sprint("T", tx))
		for range 7 {
			id++
			s.change([]string{"a", "b"}[id%2], "c", fmt.Sprint(id), "null", fmt.Sprintf(`{"id":%d,"tx":%d}`, id, tx), "")
		}
		s.end(7)
	}
	for rows := 1; rows < 40; rows += 3 {
		m := cdctest.NewMemory()
		total := map[string]int{}
		for i := 1; i <= id; i++ {
			total[fmt.Sprint([]string{"a", "b"}[i%2], " tx=", (i-1)/7)]++
		}
		opts := &cdc.Options{CommitRows: int64(rows), BatchRows: 1 + rows%5, CommitBytes: int64(rows) * 700, OnCommit: func(cdc.Stats) {
			for _, name := range m.Names() {
				seen := map[string]int{}
				for _, r := range dump(m, name) {
					seen[strings.TrimPrefix(name, "db.")+r[strings.Index(r, " tx="):]]++
				}
				for k, n := range seen {
					if n != total[k] {
						t.Errorf("%d of %d rows of %s", n, total[k], k)
					}
				}
			}
		}}
		if _, err := run(t, m, s.String(), nil, opts); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFlattenedTombstones(t *testing.T) {
	s := newStream()
	s.record("srv.db.t", `{"id":1}`, `{"id":1,"a":"x"}`, "")
	s.record("srv.db.t", `{"id":2}`, `{"id":2,"a":"y"}`, "")
	s.record("srv.db.t", `{"id":1}`, `null`, "")
	m := cdctest.NewMemory()
	if _, err := run(t, m, s.String(), nil, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "db.t", "id=2 a=y")

	// Without topics: one table, named by the caller.
	m = cdctest.NewMemory()
	lines := `{"key":{"id":1},"value":{"id":1,"a":"x"}}` + "\n" + `{"key":{"id":2},"value":{"id":2,"a":"y"}}` + "\n" + `{"key":{"id":1},"value":null}`
	if _, err := run(t, m, lines, &debezium.Options{Table: "n.t"}, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "n.t", "id=2 a=y")
}

// TestLineForms reads the same event in the forms that lines come in.
func TestLineForms(t *testing.T) {
	const value = `{"before":null,"after":{"id":1,"a":"q\"ü"},"source":{"connector":"mysql","db":"db","table":"t"},"op":"c"}`
	quoted := fmt.Sprintf("%q", value)
	for _, line := range []string{
		value,
		`{"schema":null,"payload":` + value + `}`,
		`{"key":{"id":1},"value":` + value + `}`,
		`{"value":` + value + `,"key":{"id":1}}`,
		`{"topic":"s.db.t","partition":3,"offset":7,"tstype":"create","ts":1,"broker":0,"key":"{\"id\":1}","payload":` + quoted + `}`,
		`{"topic":"s.db.t","partition":3,"offset":7,"key":{"schema":{"type":"struct"},"payload":{"id":1}},"value":` + value + `}`,
		`  { "topic" : "s.db.t" , "partition" : 3 , "offset" : 7 , "key" : { "id" : 1 } , "value" : ` + value + ` } `,
	} {
		m := cdctest.NewMemory()
		opts := &debezium.Options{Keys: map[string][]string{"db.t": {"id"}}}
		if _, err := run(t, m, line, opts, nil); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		wantRows(t, m, "db.t", `id=1 a=q"ü`)
		stats, err := run(t, m, line, opts, nil)
		if err != nil || stats.Rows != 0 || stats.Skipped != 1 {
			t.Errorf("again: %+v %v", stats, err)
		}
	}
}

// TestSameNameOtherFile: positions of lines without offsets do not hide another
// file of the same name.
func TestSameNameOtherFile(t *testing.T) {
	value := func(id int) string {
		return fmt.Sprintf(`{"before":null,"after":{"id":%d},"source":{"db":"db","table":"t"},"op":"c"}`, id)
	}
	opts := &debezium.Options{Keys: map[string][]string{"db.t": {"id"}}}
	m := cdctest.NewMemory()
	for _, text := range []string{value(1), value(2), value(1) + "\n" + value(3)} {
		if _, err := run(t, m, text, opts, nil); err != nil {
			t.Fatal(err)
		}
	}
	wantRows(t, m, "db.t", "id=1", "id=2", "id=3")
}

func TestGuessedTypes(t *testing.T) {
	s := newStream()
	s.change("t", "c", "1", "null", `{"id":1,"n":5,"late":null}`, "")
	s.change("t", "c", "2", "null", `{"id":2,"n":2.5,"late":null}`, "")
	s.change("t", "c", "3", "null", `{"id":3,"n":7,"late":true,"g":{"wkb":"AQ==","srid":4326},"j":{"a":[1]}}`, "")
	m := cdctest.NewMemory()
	var warned []string
	warn := func(w debezium.Warning) { warned = append(warned, w.Table+": "+w.Reason) }
	if _, err := run(t, m, s.String(), &debezium.Options{Warn: warn}, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "db.t",
		"id=1 n=5 late=<nil> g=<nil> j=<nil>", "id=2 n=2.5 late=<nil> g=<nil> j=<nil>", `id=3 n=7 late=true g=[4326 [1]] j={"a":[1]}`)
	if len(warned) != 1 || !strings.Contains(warned[0], "db.t: the stream has neither schema blocks nor schema changes") {
		t.Errorf("warnings: %q", warned)
	}
	s.change("t", "c", "4", "null", `{"id":4.5,"n":7}`, "")
	_, err := run(t, m, s.String(), nil, nil)
	if !errors.Is(err, cdc.ErrIncompatible) || !strings.Contains(err.Error(), `test.jsonl:4: table db.t: column "id": long cannot become double`) {
		t.Errorf("a type that flips: %v", err)
	}
}

func TestCommitInterval(t *testing.T) {
	s := newStream()
	for i := range 10 {
		s.change("t", "c", fmt.Sprint(i), "null", fmt.Sprintf(`{"id":%d}`, i), "")
	}
	now := time.Unix(0, 0)
	m := cdctest.NewMemory()
	stats, err := run(t, m, s.String(), nil, &cdc.Options{CommitInterval: 4 * time.Second, Clock: func() time.Time {
		now = now.Add(time.Second)
		return now
	}})
	if err != nil || stats.Commits < 2 || stats.Commits > 4 {
		t.Errorf("%+v %v", stats, err)
	}
}

func TestOneTable(t *testing.T) {
	s := newStream()
	s.change("t", "c", "1", "null", `{"id":1}`, "")
	m := cdctest.NewMemory()
	if _, err := run(t, m, s.String(), &debezium.Options{Table: "x.y"}, nil); err != nil {
		t.Fatal(err)
	}
	wantRows(t, m, "x.y", "id=1")
	s.change("u", "c", "1", "null", `{"id":1}`, "")
	_, err := run(t, m, s.String(), &debezium.Options{Table: "x.y"}, nil)
	if err == nil || !strings.Contains(err.Error(), "db.t and db.u cannot go to one table") {
		t.Error(err)
	}
	m = cdctest.NewMemory()
	_, err = run(t, m, s.String(), &debezium.Options{Include: func(n string) bool { return n == "db.u" }}, nil)
	if err != nil || !slices.Equal(m.Names(), []string{"db.u"}) {
		t.Error(m.Names(), err)
	}
}
