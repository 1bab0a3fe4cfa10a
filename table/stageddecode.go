package table

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/deletes"
	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/internal/upsert"
	"github.com/frazildb/frazil/manifest"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/schema"
)

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
	s.filled = filled{at: h.FilledAt, schemaID: h.FilledSchema}
	for k, v := range h.Filled {
		key, err := parseDigest(k)
		if err != nil {
			return nil, err
		}
		row, err := parseDigest(v)
		if err != nil {
			return nil, err
		}
		if s.filled.rows == nil {
			s.filled.rows = map[deletes.Digest]deletes.Digest{}
		}
		s.filled.rows[key] = row
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

func parseDigest(s string) (d deletes.Digest, err error) {
	if len(s) != 32 {
		return d, fmt.Errorf("digest of %d characters", len(s))
	}
	for i := range d {
		if d[i], err = strconv.ParseUint(s[16*i:16*i+16], 16, 64); err != nil {
			return d, err
		}
	}
	return d, nil
}

func readKeys(ctx context.Context, pq []byte, s *schema.Schema) (arrow.RecordBatch, error) {
	f, err := parquetfile.Open(ctx, objstore.NewObject("memory:staged", pq), nil)
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
