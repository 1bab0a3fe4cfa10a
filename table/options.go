package table

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/frazildb/frazil/internal/parquetfile"
	"github.com/frazildb/frazil/partition"
	"github.com/frazildb/frazil/snapshot"
)

// Options configure an open table; nil and zero fields mean the documented
// default.
type Options struct {
	// Clock gives the time of snapshots; default time.Now.
	Clock func() time.Time
	// Wait pauses between attempts, until ctx ends; default a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Random gives ids and jitter; default crypto/rand. With a seeded source and
	// clock a run repeats exactly.
	Random func() uint64
	// Cache keeps decoded manifests over commits and scans; default one of
	// 128 MiB per table.
	Cache *snapshot.Cache
	// KeyFilterBudget bounds the memory, in bytes, of the filter that spares
	// look-ups of new keys while a table has only commits of this open table,
	// 2.5 to 5 bytes a key; past it keys are looked up. Default 256 MiB, enough for
	// 67 million keys; negative is no filter.
	KeyFilterBudget int64
	// Logger receives what happens beside the main path (retries, cleanup that
	// failed); default none.
	Logger *slog.Logger
	// Events are called as things happen; all are optional.
	Events Events

	// off names a safety check that tests switch off, to see that a test notices.
	off string
}

// Events are optional callbacks, called from the goroutine that does the work.
type Events struct {
	// Committed is called after every commit.
	Committed func(CommitInfo)
	// Retrying is called before an attempt is repeated, with its cause.
	Retrying func(table string, attempt int, cause error)
}

// CreateOptions describe a new table; nil and zero fields mean the documented
// default.
type CreateOptions struct {
	// Key are the columns that identify a row (spec: "Identifier Field IDs");
	// they become required. Default none: changes then apply by whole row.
	Key []string
	// Partition are the partition fields, by column name; default unpartitioned.
	Partition []partition.Field
	// Sort is the declared sort order; default unsorted.
	Sort []partition.SortField
	// FormatVersion is 2 (default) or 3.
	FormatVersion int
	// Location of the table; default the catalog's choice.
	Location string
	// Properties of the table. write.metadata.delete-after-commit.enabled is true
	// unless given: old metadata files go when they leave the metadata log.
	Properties map[string]string
	// Options of the open table.
	Options
}

// Encoding says how rows that a commit deletes or replaces are deleted.
type Encoding int

// Encodings.
const (
	// EncodingPosition locates the rows and deletes them by position (format
	// version 2) or deletion vector (3): every engine reads that fast.
	EncodingPosition Encoding = iota
	// EncodingEquality writes equality deletes without looking: the cheapest to
	// write, the dearest to read, and refused by some engines. Where an equality
	// delete cannot reach the row (the key does not determine the partition, or
	// files of another partition spec are live) the position is found instead.
	EncodingEquality
)

// WriterOptions configure a Writer; nil and zero fields mean the documented
// default.
type WriterOptions struct {
	// Encoding of deletes; default EncodingPosition.
	Encoding Encoding
	// Readers are engines that must read the table right (see [Readers] for their
	// names): deletes of a kind that one of them does not read are ErrReaders, when
	// the writer is made or, if the table has changed since, at the commit. Default
	// none.
	Readers []string
	// OrderBy are columns by which the newer of two changes of a key is told from
	// the older one, which loses whichever comes first: within a commit, against
	// stored rows, and against what other writers commit meanwhile. The first
	// column decides, the next one where it is equal; of equal changes the later
	// one counts. Every change needs values there, deletes too (after the key
	// columns, see Writer.Delete); a stored null is older than any value. It needs
	// a table with a key and EncodingPosition. All writers of a table should have
	// the same. Default none: what is committed later wins.
	//
	// A delete leaves nothing to compare with: an upsert that is older than a
	// delete committed before it brings the row back. DeletedColumn prevents that.
	// Partial updates that come out of order are filled from the newest row known
	// at the time.
	OrderBy []string
	// DeletedColumn is a boolean column that marks rows as deleted instead of
	// removing them, so that older changes of their keys can be told from newer
	// ones for ever; readers leave the marked rows out. Deletes then need a value
	// in each required column. Default none: rows are removed.
	DeletedColumn string
	// KeyIndex finds the rows that a commit deletes without reading files; default
	// none: their key columns are read. It serves one table, or one after another
	// at the cost of learning anew.
	KeyIndex KeyIndex
	// MemoryBudget bounds the rows buffered, in bytes; past it rows go to a data
	// file of the commit in progress. Default 128 MiB.
	MemoryBudget int64
	// MaxOpenFiles bounds the partitions written at once; past it the largest is
	// closed. Default 32.
	MaxOpenFiles int
	// TargetFileBytes ends a data file; default the table's
	// write.target-file-size-bytes, else 512 MiB.
	TargetFileBytes int64
	// Codec of data files; default the table's
	// write.parquet.compression-codec, else zstd.
	Codec *parquetfile.Codec
	// ID names the writer among those that feed the table; with Epoch it fences
	// zombies: a commit of an ID with an epoch lower than one already committed
	// fails with ErrFenced. Default "", which is never fenced.
	ID    string
	Epoch int64
	// KeepSnapshots is how many snapshots a commit leaves on its branch; older
	// ones expire within the commit. Default 100; negative keeps all.
	KeepSnapshots int
	// ExpireGrace is how long files of expired snapshots stay, for readers that
	// still use them; default 10 minutes. They are deleted by a later commit of
	// the same open table.
	ExpireGrace time.Duration
	// Branch that is written; default main.
	Branch string
}

// CommitOptions go with one commit; nil means none.
type CommitOptions struct {
	// Positions of the source up to which the changes reach: stream → position.
	// They are merged into those the table has.
	Positions map[string]string
	// Fold bounds the positions of one family of streams, such as those of files,
	// of which a table gets more and more; the zero Fold bounds none.
	Fold Fold
	// Summary is added to the snapshot summary.
	Summary map[string]string
	// Timeout bounds the time spent on retries; default 2 minutes.
	Timeout time.Duration
	// Empty commits a snapshot even if nothing changed but positions. Without it
	// a commit without rows and with new positions still is made; a commit with
	// neither is not.
	Empty bool
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Clock == nil {
		out.Clock = time.Now
	}
	if out.Wait == nil {
		out.Wait = wait
	}
	if out.Random == nil {
		out.Random = secureRandom
	}
	if out.Cache == nil {
		out.Cache = snapshot.NewCache(0)
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out
}

func (o *WriterOptions) withDefaults() WriterOptions {
	var out WriterOptions
	if o != nil {
		out = *o
	}
	setDefault(&out.MemoryBudget, 128<<20)
	setDefault(&out.MaxOpenFiles, 32)
	setDefault(&out.KeepSnapshots, 100)
	setDefault(&out.ExpireGrace, 10*time.Minute)
	setDefault(&out.Branch, "main")
	return out
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func secureRandom() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // documented never to fail
	return binary.LittleEndian.Uint64(b[:])
}

// newUUID makes a random (version 4) UUID from the table's random source.
func (o *Options) newUUID() string {
	var u uuid.UUID
	binary.LittleEndian.PutUint64(u[:8], o.Random())
	binary.LittleEndian.PutUint64(u[8:], o.Random())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}
