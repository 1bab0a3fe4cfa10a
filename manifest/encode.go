package manifest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/frazildb/frazil/internal/avrofile"
	"github.com/frazildb/frazil/schema"
)

// Branches of the union ["null", T].
const (
	nullBranch  = 0x00
	valueBranch = 0x02 // zig-zag of 1
)

// encode appends an entry in the field order of entrySchema.
func (w *Writer) encode(b []byte, e *Entry) ([]byte, error) {
	f := e.File
	b = avrofile.AppendVarint(b, int64(e.Status))
	id := e.SnapshotID
	if e.Status != StatusExisting {
		id = w.o.SnapshotID
	}
	b = appendLong(b, id)
	b = appendOptional(b, e.SequenceNumber, e.SequenceNumber >= 0)
	b = appendOptional(b, e.FileSequenceNumber, e.FileSequenceNumber >= 0 && e.Status != StatusAdded)
	b = avrofile.AppendVarint(b, int64(f.Content))
	b = avrofile.AppendBytes(b, f.Path)
	b = appendFormat(b, f.Format)
	var err error
	for i, t := range w.types {
		if b, err = appendValue(b, t, f.Partition[i]); err != nil {
			return nil, fmt.Errorf("partition field %s: %w", w.o.Spec.Fields[i].Name, err)
		}
	}
	b = avrofile.AppendVarint(b, f.RecordCount)
	b = avrofile.AppendVarint(b, f.FileSize)
	for _, c := range [...]Counts{f.ColumnSizes, f.ValueCounts, f.NullCounts, f.NaNCounts} {
		b = appendCounts(b, c)
	}
	b = appendBounds(appendBounds(b, f.Lower), f.Upper)
	if len(f.KeyMetadata) > 0 {
		b = avrofile.AppendBytes(append(b, valueBranch), f.KeyMetadata)
	} else {
		b = append(b, nullBranch)
	}
	b = appendList(b, f.SplitOffsets)
	b = appendList(b, f.EqualityIDs)
	if f.SortOrderID != nil {
		b = appendLong(b, int64(*f.SortOrderID))
	} else {
		b = append(b, nullBranch)
	}
	if w.o.FormatVersion >= 3 {
		// The ids of a new file are assigned by its commit, whatever the caller's
		// object carries.
		b = appendPointer(b, f.FirstRowID, e.Status != StatusAdded && f.Content == ContentData)
	}
	if f.ReferencedDataFile != "" {
		b = avrofile.AppendBytes(append(b, valueBranch), f.ReferencedDataFile)
	} else {
		b = append(b, nullBranch)
	}
	if w.o.FormatVersion >= 3 {
		b = appendPointer(b, f.ContentOffset, true)
		b = appendPointer(b, f.ContentSize, true)
	}
	return b, nil
}

func appendLong(b []byte, v int64) []byte {
	return avrofile.AppendVarint(append(b, valueBranch), v)
}

func appendOptional(b []byte, v int64, ok bool) []byte {
	if !ok {
		return append(b, nullBranch)
	}
	return appendLong(b, v)
}

func appendPointer(b []byte, v *int64, ok bool) []byte {
	if v == nil || !ok {
		return append(b, nullBranch)
	}
	return appendLong(b, *v)
}

// appendFormat writes a format in upper case, as the reference implementation
// does.
func appendFormat(b []byte, f Format) []byte {
	b = avrofile.AppendVarint(b, int64(len(f)))
	for i := range len(f) {
		c := f[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

func appendCounts(b []byte, c Counts) []byte {
	if len(c) == 0 {
		return append(b, nullBranch)
	}
	b = avrofile.AppendVarint(append(b, valueBranch), int64(len(c)))
	for _, x := range c {
		b = avrofile.AppendVarint(b, int64(x.FieldID))
		b = avrofile.AppendVarint(b, x.N)
	}
	return append(b, 0)
}

func appendBounds(b []byte, c Bounds) []byte {
	if len(c) == 0 {
		return append(b, nullBranch)
	}
	b = avrofile.AppendVarint(append(b, valueBranch), int64(len(c)))
	for _, x := range c {
		b = avrofile.AppendVarint(b, int64(x.FieldID))
		b = avrofile.AppendBytes(b, x.Value)
	}
	return append(b, 0)
}

func appendList[T int | int64](b []byte, v []T) []byte {
	if len(v) == 0 {
		return append(b, nullBranch)
	}
	b = avrofile.AppendVarint(append(b, valueBranch), int64(len(v)))
	for _, x := range v {
		b = avrofile.AppendVarint(b, int64(x))
	}
	return append(b, 0)
}

// appendValue writes a partition value as ["null", avroType(t)].
func appendValue(b []byte, t schema.Type, v any) ([]byte, error) {
	if v == nil {
		return append(b, nullBranch), nil
	}
	b = append(b, valueBranch)
	switch v := v.(type) {
	case bool:
		if t.Kind == schema.KindBoolean {
			if v {
				return append(b, 1), nil
			}
			return append(b, 0), nil
		}
	case int32:
		if t.Kind == schema.KindInt || t.Kind == schema.KindDate || t.Kind == schema.KindLong {
			return avrofile.AppendVarint(b, int64(v)), nil
		}
	case int64:
		switch t.Kind {
		case schema.KindLong, schema.KindTime, schema.KindTimestamp, schema.KindTimestampTz,
			schema.KindTimestampNs, schema.KindTimestampTzNs:
			return avrofile.AppendVarint(b, v), nil
		}
	case float32:
		switch t.Kind {
		case schema.KindFloat:
			return binary.LittleEndian.AppendUint32(b, math.Float32bits(v)), nil
		case schema.KindDouble:
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(v))), nil
		}
	case float64:
		if t.Kind == schema.KindDouble {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(v)), nil
		}
	case string:
		if t.Kind == schema.KindString {
			return avrofile.AppendBytes(b, v), nil
		}
	case [16]byte:
		if t.Kind == schema.KindUUID {
			return append(b, v[:]...), nil
		}
	case []byte:
		switch {
		case t.Kind == schema.KindBinary:
			return avrofile.AppendBytes(b, v), nil
		case t.Kind == schema.KindFixed && len(v) == t.Length:
			return append(b, v...), nil
		}
	case schema.Unscaled:
		if t.Kind == schema.KindDecimal {
			return appendDecimal(b, v, decimalBytes(t.Precision))
		}
	}
	return nil, fmt.Errorf("value of type %T does not fit the field's type", v)
}

// appendDecimal writes the low n bytes of a decimal, big-endian.
func appendDecimal(b []byte, v schema.Unscaled, n int) ([]byte, error) {
	var buf [16]byte
	binary.BigEndian.PutUint64(buf[:8], uint64(v.HighBits()))
	binary.BigEndian.PutUint64(buf[8:], v.LowBits())
	low := buf[16-n:]
	for _, c := range buf[:16-n] {
		if c != byte(int8(low[0])>>7) {
			return nil, fmt.Errorf("decimal does not fit %d bytes", n)
		}
	}
	return append(b, low...), nil
}
