package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"

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
// of this table.
var ErrBadStaged = errors.New("malformed staged changes")

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
		Order: s.order, OrderName: s.orderName, Late: s.late,
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

// UnmarshalStaged reads what Marshal wrote, for the same table. Malformed bytes
// are ErrBadStaged.
func (t *Table) UnmarshalStaged(ctx context.Context, data []byte) (*Staged, error) {
	s, err := t.unmarshalStaged(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w: %w", t.id, ErrBadStaged, err)
	}
	return s, nil
}

func (t *Table) unmarshalStaged(ctx context.Context, data []byte) (*Staged, error) {
	d, err := newStagedDecoder(data)
	if err != nil {
		return nil, err
	}
	var h stagedHeader
	if err := json.Unmarshal(d.section(), &h); err != nil {
		return nil, errors.Join(d.err, err)
	}
	m := t.Metadata()
	if h.TableUUID != m.UUID {
		return nil, fmt.Errorf("they belong to the table with uuid %q", h.TableUUID)
	}
	sc, ok := m.SchemaByID(h.SchemaID)
	if !ok {
		return nil, fmt.Errorf("schema %d is not the table's", h.SchemaID)
	}
	spec, ok := m.Spec(h.SpecID)
	if !ok {
		return nil, fmt.Errorf("partition spec %d is not the table's", h.SpecID)
	}
	s := &Staged{
		tableUUID: h.TableUUID, schemaID: h.SchemaID, key: h.Key, writer: h.Writer, epoch: h.Epoch, encoding: h.Encoding,
		seed: h.Seed, positions: h.Positions, truncate: h.Truncate, appended: h.Appended,
		stale: map[int]*deletes.Positions{}, missing: map[deletes.Digest]int{},
		order: h.Order, orderName: h.OrderName, late: h.Late,
	}
	if (len(h.Order) > 0) != (data[4] == stagedOrdered) {
		return nil, errors.New("version and order do not agree")
	}
	if s.files, err = d.files(m.FormatVersion, sc, spec, h.Files); err != nil {
		return nil, err
	}
	for _, n := range h.Stale {
		if n < 0 || n >= len(s.files) {
			return nil, fmt.Errorf("replaced rows in file %d of %d", n, len(s.files))
		}
		if s.stale[n], err = deletes.DecodeDV(d.section(), -1); err != nil {
			return nil, err
		}
	}
	if err := d.keys(ctx, sc, h, s); err != nil {
		return nil, err
	}
	return s, d.missing(s)
}

type stagedDecoder struct {
	rest []byte
	err  error
}

func newStagedDecoder(data []byte) (*stagedDecoder, error) {
	if len(data) < 9 || len(data) > maxStagedBytes || string(data[:4]) != stagedMagic {
		return nil, errors.New("no staged changes")
	}
	if data[4] != stagedVersion && data[4] != stagedOrdered {
		return nil, fmt.Errorf("version %d, this one knows %d and %d", data[4], stagedVersion, stagedOrdered)
	}
	body, sum := data[:len(data)-4], binary.LittleEndian.Uint32(data[len(data)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return nil, errors.New("checksum differs")
	}
	return &stagedDecoder{rest: body[5:]}, nil
}

func (d *stagedDecoder) section() []byte {
	if len(d.rest) < 8 {
		d.err = io.ErrUnexpectedEOF
		return nil
	}
	n := binary.LittleEndian.Uint64(d.rest)
	if n > uint64(len(d.rest)-8) {
		d.err = io.ErrUnexpectedEOF
		return nil
	}
	b := d.rest[8 : 8+n]
	d.rest = d.rest[8+n:]
	return b
}

func (d *stagedDecoder) files(version int, s *schema.Schema, spec partition.Spec, want int) ([]*manifest.DataFile, error) {
	data := d.section()
	if d.err != nil {
		return nil, d.err
	}
	f := &manifest.File{Path: "staged", Length: int64(len(data)), SpecID: spec.ID, AddedSnapshotID: 1}
	var out []*manifest.DataFile
	opts := &manifest.ReadOptions{PartitionTypes: spec.Types(s), Spec: &spec, Stats: manifest.StatsAll}
	for e, err := range manifest.Read(data, f, opts) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Clone().File)
	}
	if len(out) != want {
		return nil, fmt.Errorf("%d files for %d", len(out), want)
	}
	return out, nil
}

func (d *stagedDecoder) keys(ctx context.Context, sc *schema.Schema, h stagedHeader, s *Staged) error {
	keySchema, err := keySchemaOf(sc, h.Key)
	if err != nil {
		return err
	}
	hasher, err := deletes.NewHasher(keySchema.Fields, h.Seed)
	if err != nil {
		return err
	}
	for _, gen := range h.KeyGens {
		pq, locs := d.section(), d.section()
		if d.err != nil {
			return d.err
		}
		batch, err := readKeys(ctx, pq, keySchema)
		if err != nil {
			return err
		}
		n := int(batch.NumRows())
		if len(locs) != 8*n {
			return fmt.Errorf("%d bytes of locations for %d keys", len(locs), n)
		}
		k := stagedKeys{batch: batch, gen: gen, digests: hasher.Hash(batch.Columns(), nil), locs: make([]upsert.Loc, n)}
		for i := range k.locs {
			k.locs[i] = upsert.Loc(binary.LittleEndian.Uint64(locs[8*i:]))
			if k.locs[i].IsWritten() && k.locs[i].File() >= len(s.files) {
				return fmt.Errorf("key in file %d of %d", k.locs[i].File(), len(s.files))
			}
		}
		if len(h.Order) > 0 {
			if k.orders, err = d.orders(n); err != nil {
				return err
			}
		}
		s.keys = append(s.keys, k)
	}
	return nil
}

// orders reads the order values of n keys.
func (d *stagedDecoder) orders(n int) ([][]byte, error) {
	b := d.section()
	if d.err != nil {
		return nil, d.err
	}
	out := make([][]byte, n)
	for i := range out {
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, fmt.Errorf("order values of %d keys end at key %d", n, i)
		}
		size := binary.LittleEndian.Uint32(b)
		out[i], b = b[4:4+size:4+size], b[4+size:]
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%d bytes after the order values", len(b))
	}
	return out, nil
}

func (d *stagedDecoder) missing(s *Staged) error {
	b := d.section()
	if d.err != nil || len(b)%20 != 0 {
		return errors.Join(d.err, errors.New("cut short"))
	}
	for ; len(b) > 0; b = b[20:] {
		dg := deletes.Digest{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
		s.missing[dg] = int(binary.LittleEndian.Uint32(b[16:]))
	}
	return nil
}

func readKeys(ctx context.Context, pq []byte, s *schema.Schema) (arrow.RecordBatch, error) {
	f, err := parquetfile.Open(ctx, memoryObject(pq), nil)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n := int(f.NumRows())
	c, err := f.Read(ctx, &parquetfile.ReadOptions{Fields: s.Fields, BatchRows: max(n, 1)})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	b, err := c.Next(ctx, nil)
	if err != nil {
		return nil, err
	}
	if int(b.NumRows()) != n {
		return nil, fmt.Errorf("%d keys in the first row group of %d", b.NumRows(), n)
	}
	return b, nil
}

// memoryObject is a file in memory.
type memoryObject []byte

func (m memoryObject) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
func (m memoryObject) Size() int64  { return int64(len(m)) }
func (m memoryObject) URI() string  { return "memory:staged" }
func (m memoryObject) Close() error { return nil }
