package metadata

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

type snapshotLog []SnapshotLogEntry

func (l *snapshotLog) UnmarshalJSON(b []byte) error {
	var entries []struct {
		TimestampMS int64 `json:"timestamp-ms"`
		SnapshotID  id64  `json:"snapshot-id"`
	}
	if err := json.Unmarshal(b, &entries); err != nil {
		return err
	}
	for _, e := range entries {
		*l = append(*l, SnapshotLogEntry{e.TimestampMS, int64(e.SnapshotID)})
	}
	return nil
}

type metadataLog []MetadataLogEntry

func (l *metadataLog) UnmarshalJSON(b []byte) error {
	var entries []struct {
		TimestampMS  int64  `json:"timestamp-ms"`
		MetadataFile string `json:"metadata-file"`
	}
	if err := json.Unmarshal(b, &entries); err != nil {
		return err
	}
	for _, e := range entries {
		*l = append(*l, MetadataLogEntry{e.TimestampMS, e.MetadataFile})
	}
	return nil
}

// Marshal writes the table as JSON in the form of its format version. Snapshots,
// schemas, specs and sort orders that came through Parse or Apply are copied from
// their first encoding, unknown members included.
func (t *Table) Marshal() ([]byte, error) {
	if t.unsigned != "" {
		return nil, fmt.Errorf("table %s: snapshot id %s does not fit 64 signed bits: the table can only be read", t.Location, t.unsigned)
	}
	if t.Location == "" {
		return nil, errors.New("the table has no location yet")
	}
	size := 4096
	for i := range t.Snapshots {
		size += len(t.Snapshots[i].raw) + 100
	}
	e := &encoder{b: append(make([]byte, 0, size+100*len(t.MetadataLog)), '{')}
	e.int("format-version", int64(t.FormatVersion))
	if t.UUID != "" {
		e.str("table-uuid", t.UUID)
	}
	e.str("location", t.Location)
	if t.FormatVersion >= 2 {
		e.int("last-sequence-number", t.LastSequenceNumber)
	}
	e.int("last-updated-ms", t.LastUpdatedMS)
	e.int("last-column-id", int64(t.LastColumnID))
	t.marshalSchemas(e)
	t.marshalSpecs(e)
	t.marshalOrders(e)
	e.strings("properties", t.Properties)
	if t.CurrentSnapshotID != nil {
		e.int("current-snapshot-id", *t.CurrentSnapshotID)
	}
	if t.FormatVersion >= 3 {
		e.int("next-row-id", t.NextRowID)
	}
	t.marshalHistory(e)
	e.extra(t.Extra)
	e.close('}')
	return e.bytes()
}

func (t *Table) marshalSchemas(e *encoder) {
	e.int("current-schema-id", int64(t.CurrentSchemaID))
	if s, ok := t.SchemaByID(t.CurrentSchemaID); ok && t.FormatVersion == 1 {
		e.name("schema")
		t.marshalSchema(e, s)
	}
	e.open("schemas", '[')
	for _, s := range t.Schemas {
		e.sep()
		t.marshalSchema(e, s)
	}
	e.close(']')
}

func (t *Table) marshalSchema(e *encoder, s *schema.Schema) {
	if raw := t.encodings().schemas[s]; raw != nil {
		e.b = append(e.b, raw...)
		return
	}
	e.value(s)
}

func (t *Table) marshalSpecs(e *encoder) {
	e.int("default-spec-id", int64(t.DefaultSpecID))
	if s, ok := t.Spec(t.DefaultSpecID); ok && t.FormatVersion == 1 {
		raw, err := partition.MarshalFields(s)
		if err != nil {
			e.err = err
		}
		e.raw("partition-spec", raw)
	}
	e.open("partition-specs", '[')
	for _, s := range t.Specs {
		e.sep()
		if raw := t.encodings().specs[s.ID]; raw != nil {
			e.b = append(e.b, raw...)
			continue
		}
		e.value(s)
	}
	e.close(']')
	e.int("last-partition-id", int64(t.LastPartitionID))
}

func (t *Table) marshalOrders(e *encoder) {
	e.int("default-sort-order-id", int64(t.DefaultSortOrderID))
	e.open("sort-orders", '[')
	for _, o := range t.SortOrders {
		e.sep()
		if raw := t.encodings().orders[o.ID]; raw != nil {
			e.b = append(e.b, raw...)
			continue
		}
		e.value(o)
	}
	e.close(']')
}

func (t *Table) marshalHistory(e *encoder) {
	e.open("refs", '{')
	for _, name := range sortedKeys(t.Refs) {
		r := t.Refs[name]
		if r.raw != nil {
			e.raw(name, r.raw)
			continue
		}
		e.open(name, '{')
		r.members(e)
		e.close('}')
	}
	e.close('}')
	marshalList(e, "snapshots", t.Snapshots, true, func(s *Snapshot) []byte { return s.raw }, (*Snapshot).encode)
	marshalList(e, "statistics", t.Statistics, false, func(s *Statistics) []byte { return s.raw }, (*Statistics).encode)
	marshalList(e, "partition-statistics", t.PartitionStatistics, false,
		func(s *PartitionStatistics) []byte { return s.raw }, (*PartitionStatistics).encode)
	marshalList(e, "encryption-keys", t.EncryptionKeys, false, func(k *EncryptionKey) []byte { return k.raw }, (*EncryptionKey).encode)
	e.open("snapshot-log", '[')
	for _, l := range t.SnapshotLog {
		e.sep()
		e.b = append(e.b, `{"timestamp-ms":`...)
		e.b = strconv.AppendInt(e.b, l.TimestampMS, 10)
		e.b = append(e.b, `,"snapshot-id":`...)
		e.b = strconv.AppendInt(e.b, l.SnapshotID, 10)
		e.close('}')
	}
	e.close(']')
	e.open("metadata-log", '[')
	for _, l := range t.MetadataLog {
		e.sep()
		e.b = append(e.b, `{"timestamp-ms":`...)
		e.b = strconv.AppendInt(e.b, l.TimestampMS, 10)
		e.str("metadata-file", l.MetadataFile)
		e.close('}')
	}
	e.close(']')
}

// marshalList writes a list from the elements' kept JSON, encoding those that
// have none.
func marshalList[T any](e *encoder, name string, list []T, always bool, raw func(*T) []byte, encode func(*T) ([]byte, error)) {
	if len(list) == 0 && !always {
		return
	}
	e.open(name, '[')
	for i := range list {
		e.sep()
		b := raw(&list[i])
		if b == nil {
			var err error
			if b, err = encode(&list[i]); err != nil && e.err == nil {
				e.err = err
			}
		}
		e.b = append(e.b, b...)
	}
	e.close(']')
}

// encodings is never nil, for tables that were made as literals.
func (t *Table) encodings() *encodings {
	if t.enc == nil {
		return &encodings{}
	}
	return t.enc
}
