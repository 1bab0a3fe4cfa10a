package bench

import (
	"bufio"
	"os"
	"strconv"
)

// writeSynthetic writes n events of workload U, mix 2, as Debezium events of one
// table without schema blocks: first a fifth of them from the snapshot of the
// base, then changes.
func writeSynthetic(path string, n int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 1<<20)
	u := U{Mix: 2}
	var line []byte
	for i := range n {
		e := uint64(i)
		if i >= n/5 {
			e = UBase + uint64(i-n/5)
		}
		line = u.debezium(line[:0], e, i)
		if _, err := out.Write(line); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err := out.Flush(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// debezium appends event n as a line of a change stream.
func (u U) debezium(b []byte, n uint64, offset int64) []byte {
	op, id := u.Event(n)
	b = append(b, `{"topic":"bench.shop.orders","partition":0,"offset":`...)
	b = strconv.AppendInt(b, offset, 10)
	b = append(b, `,"key":{"id":`...)
	b = strconv.AppendInt(b, id, 10)
	b = append(b, `},"value":{"before":`...)
	if op == 'D' {
		b = append(b, `{"id":`...)
		b = strconv.AppendInt(b, id, 10)
		b = append(b, `,"customer":0,"amount":"0.00","status":"","ts":0,"note":""},"after":null`...)
	} else {
		b = append(b, `null,"after":{"id":`...)
		b = strconv.AppendInt(b, id, 10)
		b = append(b, `,"customer":`...)
		b = strconv.AppendInt(b, uCustomer(n), 10)
		b = append(b, `,"amount":"`...)
		b = strconv.AppendFloat(b, float64(uCents(n))/100, 'f', 2, 64)
		b = append(b, `","status":"`...)
		b = append(b, uStatus(n)...)
		b = append(b, `","ts":`...)
		b = strconv.AppendInt(b, uTime(n), 10)
		b = append(b, `,"note":"`...)
		b = uNote(b, n)
		b = append(b, `"}`...)
	}
	b = append(b, `,"source":{"version":"3.5.0.Final","connector":"mysql","name":"bench","ts_ms":`...)
	b = strconv.AppendInt(b, uTime(n)/1000, 10)
	b = append(b, `,"snapshot":"false","db":"shop","table":"orders","server_id":1,"file":"bin.000001","pos":`...)
	b = strconv.AppendInt(b, offset*400, 10)
	b = append(b, `,"row":0},"op":"`...)
	b = append(b, debeziumOp(op, n))
	b = append(b, `","ts_ms":`...)
	b = strconv.AppendInt(b, uTime(n)/1000, 10)
	return append(b, "}}\n"...)
}

func debeziumOp(op byte, n uint64) byte {
	switch {
	case n < UBase:
		return 'r'
	case op == 'I':
		return 'c'
	case op == 'U':
		return 'u'
	}
	return 'd'
}
