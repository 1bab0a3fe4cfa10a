package bench

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/frazildb/frazil/schema"
	"github.com/frazildb/frazil/table"
)

// Workload U: a base of UBase rows, then UEvents events in one of two mixes.
// Every field of event n is a function of n alone; n counts over base and
// events. Checksums over all lines are in the tests.
const (
	UBase   = 1000000
	UEvents = 2000000
	UCommit = 100000 // events a commit
)

// uState are the starting states of the ten random streams.
var uState = func() (s [10]uint64) {
	for k := range s {
		s[k] = random(20261121, uint64(k))
	}
	return s
}()

// uCum is the zipf(1.1) mass of rank octaves [2^b, 2^(b+1)), scaled to 2^32.
var uCum = [20]uint64{
	531262878, 937768931, 1280342103, 1584178783, 1860625412, 2115350556, 2351538639, 2571224199, 2775879159, 2966680438,
	3144635078, 3310640336, 3465513656, 3610008547, 3744823770, 3870609292, 3987970620, 4097472278, 4199640783, 4294967296,
}

// U is workload U with its mix, 1 (uniform updates) or 2 (half new keys, 40 %
// updates and 10 % deletes with a skewed choice of key).
type U struct{ Mix int }

// USchema is the schema of workload U; the key is id.
func USchema() *schema.Schema {
	return schema.MustNew(
		schema.Field{ID: 1, Name: "id", Type: schema.Long, Required: true},
		schema.Field{ID: 2, Name: "customer", Type: schema.Long},
		schema.Field{ID: 3, Name: "amount", Type: schema.Decimal(12, 2)},
		schema.Field{ID: 4, Name: "status", Type: schema.String},
		schema.Field{ID: 5, Name: "ts", Type: schema.Timestamp},
		schema.Field{ID: 6, Name: "note", Type: schema.String})
}

// Event returns the operation, I, U or D, and the key of event n.
func (u U) Event(n uint64) (op byte, id int64) {
	if n < UBase {
		return 'I', int64(n)
	}
	if u.Mix == 1 {
		return 'U', int64(random(uState[0], n) % UBase)
	}
	p := random(uState[7], n) % 10
	if p < 5 {
		return 'I', int64(n)
	}
	x := random(uState[8], n) >> 32
	b := 0
	for x >= uCum[b] {
		b++
	}
	rank := uint64(1)<<b + random(uState[9], n)&(1<<b-1)
	id = int64((rank - 1) * 2654435761 % UBase)
	if p < 9 {
		return 'U', id
	}
	return 'D', id
}

func uCustomer(n uint64) int64 { return int64(random(uState[1], n) % 50000) }
func uCents(n uint64) int64    { return int64(random(uState[2], n) % 1000000) }
func uStatus(n uint64) string  { return statuses[random(uState[3], n)>>61] }
func uTime(n uint64) int64     { return epoch + int64(n)*1000 + int64(random(uState[4], n)%1000) }

func uNote(b []byte, n uint64) []byte {
	b = hexDigits(b, random(uState[5], n), 16)
	return hexDigits(b, random(uState[6], n), 16)
}

// Line appends the canonical text of event n.
func (u U) Line(b []byte, n uint64) []byte {
	op, id := u.Event(n)
	b = strconv.AppendUint(b, n, 10)
	b = append(b, ',', op, ',')
	if op == 'D' {
		b = strconv.AppendInt(b, id, 10)
		return append(b, ",,,,,\n"...)
	}
	return u.state(b, n, id)
}

// state appends the canonical text of the row that event n leaves under a key.
func (u U) state(b []byte, n uint64, id int64) []byte {
	b = strconv.AppendInt(b, id, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, uCustomer(n), 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, uCents(n), 10)
	b = append(b, ',')
	b = append(b, uStatus(n)...)
	b = append(b, ',')
	b = strconv.AppendInt(b, uTime(n), 10)
	b = append(b, ',')
	return append(uNote(b, n), '\n')
}

// Batch makes events first to first+n, deletes with their key only, and their
// operations, nil when all are upserts.
func (u U) Batch(first uint64, n int) (arrow.RecordBatch, []table.Op) {
	ids := make([]byte, 8*n)
	valid := make([]byte, (n+7)/8)
	var ops []table.Op
	nulls := 0
	for i := range n {
		op, id := u.Event(first + uint64(i))
		binary.LittleEndian.PutUint64(ids[8*i:], uint64(id))
		if op != 'D' {
			valid[i/8] |= 1 << (i % 8)
			continue
		}
		if ops == nil {
			ops = make([]table.Op, n)
		}
		ops[i] = table.OpDelete
		nulls++
	}
	cols := uColumns(ids, n, func(i int64) uint64 { return first + uint64(i) })
	if nulls > 0 {
		for c := 1; c < len(cols); c++ {
			cols[c] = withNulls(cols[c], valid, nulls)
		}
	}
	return uBatch(cols, n), ops
}

// Rows makes the rows that some events, which are no deletes, leave.
func (u U) Rows(events []uint64) arrow.RecordBatch {
	n := len(events)
	ids := make([]byte, 8*n)
	for i, e := range events {
		_, id := u.Event(e)
		binary.LittleEndian.PutUint64(ids[8*i:], uint64(id))
	}
	return uBatch(uColumns(ids, n, func(i int64) uint64 { return events[i] }), n)
}

// uColumns makes the columns of n rows; event tells which one made a row.
func uColumns(ids []byte, n int, event func(i int64) uint64) []arrow.Array {
	long := arrow.PrimitiveTypes.Int64
	amounts := make([]byte, 16*n)
	for i := range n {
		binary.LittleEndian.PutUint64(amounts[16*i:], uint64(uCents(event(int64(i)))))
	}
	return []arrow.Array{
		column(long, n, ids),
		words64(long, func(i int64) uint64 { return uint64(uCustomer(event(i))) })(0, n),
		column(&arrow.Decimal128Type{Precision: 12, Scale: 2}, n, amounts),
		texts(9, func(b []byte, i int64) []byte { return append(b, uStatus(event(i))...) })(0, n),
		words64(&arrow.TimestampType{Unit: arrow.Microsecond}, func(i int64) uint64 { return uint64(uTime(event(i))) })(0, n),
		texts(32, func(b []byte, i int64) []byte { return uNote(b, event(i)) })(0, n),
	}
}

func uBatch(cols []arrow.Array, n int) arrow.RecordBatch {
	b := array.NewRecordBatch(schema.ArrowSchema(USchema()), cols, int64(n))
	for _, c := range cols {
		c.Release()
	}
	return b
}

// USums are what a scan of the table must add up to.
type USums struct {
	Rows, ID, Customer, Cents, StatusLen, MinTS, MaxTS int64
	MaxNote                                            string
}

func (s USums) String() string {
	return fmt.Sprintf("rows %d, sum(id) %d, sum(customer) %d, sum(amount) %d.%02d, sum(length(status)) %d, ts %d to %d, max(note) %s",
		s.Rows, s.ID, s.Customer, s.Cents/100, s.Cents%100, s.StatusLen, s.MinTS, s.MaxTS, s.MaxNote)
}

// Final calls f for each row of the final state after events 0 to n, base
// included, in order of the key, with the event that wrote it.
func (u U) Final(n uint64, f func(id int64, event uint64)) {
	last := make([]uint32, max(n, UBase)) // event + 1, 0 absent; new keys are event numbers
	for e := range n {
		op, id := u.Event(e)
		if op == 'D' {
			last[id] = 0
			continue
		}
		last[id] = uint32(e + 1)
	}
	for id, e := range last {
		if e > 0 {
			f(int64(id), uint64(e-1))
		}
	}
}

// Sums returns the sums after events 0 to n, base included.
func (u U) Sums(n uint64) USums {
	var s USums
	var note []byte
	u.Final(n, func(id int64, e uint64) {
		note = uNote(note[:0], e)
		s.add(id, uCustomer(e), uCents(e), uTime(e), uStatus(e), string(note))
	})
	return s
}

func (s *USums) add(id, customer, cents, ts int64, status, note string) {
	if s.Rows == 0 {
		s.MinTS, s.MaxTS = ts, ts
	}
	s.Rows++
	s.ID += id
	s.Customer += customer
	s.Cents += cents
	s.StatusLen += int64(len(status))
	s.MinTS, s.MaxTS = min(s.MinTS, ts), max(s.MaxTS, ts)
	if note > s.MaxNote {
		s.MaxNote = strings.Clone(note) // a batch's memory is used again
	}
}

// Add adds the rows of a batch of all columns.
func (s *USums) Add(b arrow.RecordBatch) {
	id, customer := b.Column(0).(*array.Int64).Int64Values(), b.Column(1).(*array.Int64).Int64Values()
	amount, ts := b.Column(2).(*array.Decimal128).Values(), b.Column(4).(*array.Timestamp).TimestampValues()
	status, note := b.Column(3).(*array.String), b.Column(5).(*array.String)
	for i := range id {
		s.add(id[i], customer[i], int64(amount[i].LowBits()), int64(ts[i]), status.Value(i), note.Value(i))
	}
}
