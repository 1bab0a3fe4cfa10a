package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

// A marshalled Staged, all numbers little-endian:
//
//	"FRZS" | version u8 = 1, or 2 with an order
//	section*: length u64 | bytes
//	  1 header, JSON (stagedHeader)
//	  2… one manifest (Avro) per partition spec with the data files, in order
//	  then per stale file: a deletion vector blob
//	  then per key run: keys as Parquet; locations, 8 bytes each; version 2:
//	    order values, each its length u32 and bytes
//	  then missing: 16 bytes of digest and 4 of count each
//	crc32 (IEEE) u32 of everything before
const (
	stagedMagic   = "FRZS"
	stagedVersion = 1
	stagedOrdered = 2
	// maxStagedBytes bounds what UnmarshalStaged accepts.
	maxStagedBytes = 4 << 30
)

// ErrBadStaged: bytes that are not a marshalled Staged of this version, or not
// of this table, or changes that are in the table already.
var ErrBadStaged = errors.New("staged changes cannot be used")

type stagedHeader struct {
	TableUUID string            `json:"table-uuid"`
	SchemaID  int               `json:"schema-id"`
	Key       []int             `json:"key"`
	Writer    string            `json:"writer,omitempty"`
	Epoch     int64             `json:"epoch,omitempty"`
	Encoding  Encoding          `json:"encoding"`
	Seed      uint64            `json:"seed"`
	Positions map[string]string `json:"positions,omitempty"`
	Truncate  bool              `json:"truncate,omitempty"`
	SpecID    int               `json:"spec-id"`
	Files     int               `json:"files"`
	Stale     []int             `json:"stale,omitempty"`
	Appended  map[int]int       `json:"appended,omitempty"`
	KeyGens   []int             `json:"key-gens,omitempty"`
	Order     []int             `json:"order,omitempty"`
	OrderName string            `json:"order-name,omitempty"`
	Late      int64             `json:"late,omitempty"`
	// Filled has the rows that partial updates were filled from, digests in hex.
	Filled       map[string]string `json:"filled,omitempty"`
	FilledAt     int64             `json:"filled-at,omitempty"`
	FilledSchema int               `json:"filled-schema,omitempty"`
}

// Marshal returns s as bytes for another process to commit. t is the table it
// was flushed from.
func (s *Staged) Marshal(ctx context.Context, t *Table) ([]byte, error) {
	e := &stagedEncoder{}
	e.buf.WriteString(stagedMagic)
	if len(s.order) > 0 {
		e.buf.WriteByte(stagedOrdered)
	} else {
		e.buf.WriteByte(stagedVersion)
	}
	m := t.Metadata()
	sc, ok := m.SchemaByID(s.schemaID)
	if !ok {
		return nil, fmt.Errorf("table %s: schema %d is gone", t.id, s.schemaID)
	}
	h := stagedHeader{
		TableUUID: s.tableUUID, SchemaID: s.schemaID, Key: s.key, Writer: s.writer, Epoch: s.epoch, Encoding: s.encoding,
		Seed: s.seed, Positions: s.positions, Truncate: s.truncate, Files: len(s.files), Appended: s.appended,
		Order: s.order, OrderName: s.orderName, Late: s.late, FilledAt: s.filled.at, FilledSchema: s.filled.schemaID,
	}
	for key, row := range s.filled.rows {
		if h.Filled == nil {
			h.Filled = map[string]string{}
		}
		h.Filled[hexDigest(key)] = hexDigest(row)
	}
	if len(s.files) > 0 {
		h.SpecID = s.files[0].SpecID // one writer, one spec
	}
	for n := range s.files {
		if s.stale[n] != nil {
			h.Stale = append(h.Stale, n)
		}
	}
	for _, k := range s.keys {
		h.KeyGens = append(h.KeyGens, k.gen)
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	e.section(head)
	spec, _ := m.Spec(h.SpecID)
	e.files(m.FormatVersion, sc, spec, s.files)
	for _, n := range h.Stale {
		dv, err := deletes.EncodeDV(s.stale[n])
		e.fail(err)
		e.section(dv)
	}
	keySchema, err := keySchemaOf(sc, s.key)
	e.fail(err)
	for _, k := range s.keys {
		e.keys(ctx, keySchema, k)
		if len(s.order) > 0 {
			e.orders(k.orders)
		}
	}
	e.missing(s.missing)
	if e.err != nil {
		return nil, fmt.Errorf("table %s: marshal staged changes: %w", t.id, e.err)
	}
	return binary.LittleEndian.AppendUint32(e.buf.Bytes(), crc32.ChecksumIEEE(e.buf.Bytes())), nil
}

func keySchemaOf(s *schema.Schema, key []int) (*schema.Schema, error) {
	var fields []schema.Field
	for _, k := range upsert.KeyColumns(s, key) {
		fields = append(fields, s.Fields[k])
	}
	return schema.New(0, fields, nil)
}

type stagedEncoder struct {
	buf bytes.Buffer
	err error
}

func (e *stagedEncoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *stagedEncoder) section(b []byte) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
	e.buf.Write(n[:])
	e.buf.Write(b)
}

func (e *stagedEncoder) files(version int, s *schema.Schema, spec partition.Spec, files []*manifest.DataFile) {
	if e.err != nil {
		return
	}
	w, err := manifest.NewWriter(manifest.WriterOptions{FormatVersion: version, Schema: s, Spec: spec, Kind: manifest.Data, SnapshotID: 1, Path: "staged"})
	if err != nil {
		e.fail(err)
		return
	}
	for _, f := range files {
		e.fail(w.Append(&manifest.Entry{
			Status: manifest.StatusAdded, SnapshotID: 1, SequenceNumber: manifest.Unassigned,
			FileSequenceNumber: manifest.Unassigned, File: f,
		}))
	}
	data, _, err := w.Close()
	e.fail(err)
	e.section(data)
}

func (e *stagedEncoder) keys(ctx context.Context, s *schema.Schema, k stagedKeys) {
	if e.err != nil {
		return
	}
	var buf bytes.Buffer
	w, err := parquetfile.NewWriter(&buf, s, &parquetfile.WriterOptions{RowGroupRows: math.MaxInt32, RowGroupBytes: math.MaxInt64})
	if err == nil {
		if err = w.Write(ctx, k.batch); err == nil {
			_, err = w.Close()
		}
	}
	e.fail(err)
	e.section(buf.Bytes())
	locs := make([]byte, 0, 8*len(k.locs))
	for _, l := range k.locs {
		locs = binary.LittleEndian.AppendUint64(locs, uint64(l))
	}
	e.section(locs)
}

func (e *stagedEncoder) orders(values [][]byte) {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	e.section(b)
}

func (e *stagedEncoder) missing(m map[deletes.Digest]int) {
	b := make([]byte, 0, 20*len(m))
	for d, n := range m {
		b = binary.LittleEndian.AppendUint64(b, d[0])
		b = binary.LittleEndian.AppendUint64(b, d[1])
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	e.section(b)
}

func hexDigest(d deletes.Digest) string { return fmt.Sprintf("%016x%016x", d[0], d[1]) }
