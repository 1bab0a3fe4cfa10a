package compaction

import (
	"time"

	"github.com/frazildb/frazil/metadata"
	"github.com/frazildb/frazil/partition"
)

// Options say what to do and how much; nil and zero fields mean the documented
// default.
type Options struct {
	// Branch to work on; default main.
	Branch string
	// TargetFileBytes is the size files are brought to; default the table's
	// write.target-file-size-bytes, else 512 MiB.
	TargetFileBytes int64
	// MinFileBytes and MaxFileBytes are the sizes left alone; default 75 % and
	// 180 % of the target.
	MinFileBytes, MaxFileBytes int64
	// MinInputFiles is how many small files of a partition make a rewrite worth
	// while; default 2.
	MinInputFiles int
	// DeleteRatio is the share of deleted rows, by position, from which a file is
	// rewritten; default 0.3.
	DeleteRatio float64
	// Tiered takes small files only together with others of about their size, so
	// that a row is rewritten a logarithmic number of times however often this
	// runs. For one-off runs leave it off: all small files are joined.
	Tiered bool
	// MaxBytes bounds the data files read by one round; what saves most goes
	// first. Default none.
	MaxBytes int64
	// KeepEqualityDeletes leaves equality deletes of files that are not rewritten
	// as they are.
	KeepEqualityDeletes bool
	// ConvertOnly turns equality deletes into deletes by position and rewrites no
	// data file.
	ConvertOnly bool
	// Sort rewrites, in this order, files that do not say that they are in it, each
	// partition by itself; see [partition.ParseSort]. If the order is not one that
	// the table declares (its default order, or an older one), files cannot say so:
	// all are rewritten, in one round.
	Sort []partition.SortField
	// ZOrder instead orders rows along a curve through the values of these columns,
	// so that a filter on any of them rules files out. All files are rewritten, in
	// one round.
	ZOrder []string
	// SpillDir is where what is sorted goes past the memory budget; default the
	// system's folder for temporary files. It takes about as much as the data.
	SpillDir string
	// MaxRounds bounds how often Compact plans again after it has done what was
	// planned; default 3.
	MaxRounds int
	// CommitBytes is how many bytes of new data files make a commit; default
	// 2 GiB.
	CommitBytes int64
	// MemoryBudget in bytes for tables of equality deletes and for sorting; default
	// 128 MiB. Past it deletes are applied part by part, and rows sorted by way of
	// files. A process of nothing else stays within twice the budget if it gives
	// that, less an eighth, to the collector (GOMEMLIMIT, debug.SetMemoryLimit).
	MemoryBudget int64
	// SpliceBytes is the size from which row groups that no delete touches are
	// copied as they are, if they fit; smaller ones are joined, unless they have
	// 65,536 rows (SpliceRows). Default 8 MiB, negative never copies.
	SpliceBytes int64
	// Share of the time, from 0 to 1, that reading and writing files may take, and
	// with them the CPU time they cost; default 1. Commits are never held up.
	Share float64
	// BytesPerSecond bounds what is read and written of files; default any.
	BytesPerSecond int64
	// Timeout of one commit; default 10 minutes.
	Timeout time.Duration
	// Progress, when not nil, is told what happens.
	Progress func(Event)

	pace *pacer // of a Runner, over all its rounds
	// dead are rows of data files, by path, that are known to be gone.
	dead map[string]int64
}

// SpliceRows is how many rows make a row group worth copying as it is whatever its
// size: more to a group save readers nothing.
const SpliceRows = 1 << 16

// Event tells what a run has just done.
type Event struct {
	// Kind is "plan", "rewrite", "convert", "commit", "give-up" or "skip".
	Kind string
	// Detail is a short text for people.
	Detail string
	// Files and Bytes it is about, of input.
	Files int
	Bytes int64
}

func (o *Options) withDefaults(m *metadata.Table) Options {
	var out Options
	if o != nil {
		out = *o
	}
	set(&out.Branch, metadata.MainBranch)
	set(&out.TargetFileBytes, max(m.PropertyInt("write.target-file-size-bytes", 512<<20), 1))
	set(&out.MinFileBytes, out.TargetFileBytes/4*3)
	set(&out.MaxFileBytes, out.TargetFileBytes/5*9)
	set(&out.MinInputFiles, 2)
	set(&out.DeleteRatio, 0.3)
	set(&out.MaxRounds, 3)
	set(&out.CommitBytes, 2<<30)
	set(&out.MemoryBudget, 128<<20)
	set(&out.SpliceBytes, 8<<20)
	set(&out.Timeout, 10*time.Minute)
	return out
}

func (o *Options) tell(kind, detail string, files int, bytes int64) {
	if o.Progress != nil {
		o.Progress(Event{Kind: kind, Detail: detail, Files: files, Bytes: bytes})
	}
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Totals describe a table's files.
type Totals struct {
	DataFiles, DeleteFiles int
	// Rows are those written, deleted ones included; Bytes are of data files.
	Rows, Bytes, DeleteBytes int64
	// PositionDeletes and EqualityDeletes are records of delete files; DVs are
	// among the former.
	PositionDeletes, EqualityDeletes int64
	DVs, EqualityFiles               int
}

// Report says what Compact did.
type Report struct {
	Before, After Totals
	Commits       int
	// SnapshotID of the last commit, 0 without one.
	SnapshotID int64
	// FilesRewritten went, FilesAdded took their place.
	FilesRewritten, FilesAdded int
	RowsWritten, RowsDropped   int64
	BytesRead, BytesWritten    int64
	// BytesSpliced are those of row groups that were copied as they are.
	BytesSpliced int64
	// FilesConverted had their equality deletes turned into positions.
	FilesConverted int
	// DeletesRemoved are delete files that no longer apply.
	DeletesRemoved int
	// Carried are rows deleted by others while a file was rewritten, whose
	// deletes were carried over.
	Carried int64
	// GivenUp are rewrites whose input others had replaced.
	GivenUp int
	// Skipped are files that could not be read.
	Skipped []Skipped
}

// Skipped is a file that was left alone and why.
type Skipped struct {
	Path string
	Err  error
}
