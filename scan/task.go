package scan

import (
	"context"
	"iter"
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/manifest"
)

// Task is a piece of a scan, about as much work as any other. Its methods may be
// called concurrently with those of other tasks.
type Task struct {
	Files []FileTask
	// Weight is the estimated work in bytes: those to read, of data and delete
	// files, and some for every file to open.
	Weight int64

	exec *exec
}

// NewTask returns a task that reads the files given, as planned or chosen by the
// caller, with the scan's columns and filter.
func (s *Scan) NewTask(files ...FileTask) (*Task, error) {
	if s.err != nil {
		return nil, s.err
	}
	b := bin{task: &Task{Files: files, exec: newExec(s.view, files)}}
	for i := range files {
		b.weigh(&files[i])
	}
	return b.task, nil
}

// Batches reads a task, file by file in order; each batch is valid until the
// next step unless retained.
func (t *Task) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		t.exec.sequential(ctx, seqOf(t.Files), yield)
	}
}

func seqOf(files []FileTask) iter.Seq2[FileTask, error] {
	return func(yield func(FileTask, error) bool) {
		for _, f := range files {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// whole reports whether split leaves a file as it is.
func whole(f *FileTask, target int64) bool {
	df := f.Data.File
	return df.FileSize <= target || len(df.SplitOffsets) < 2 || f.Length != 0
}

// split yields a file cut into parts of about target bytes at row group
// boundaries as the manifest has them. Offsets that do not make sense are
// ignored.
func split(f *FileTask, target int64, yield func(f FileTask)) {
	df := f.Data.File
	if whole(f, target) {
		yield(*f)
		return
	}
	last := int64(-1)
	for _, o := range df.SplitOffsets {
		if o <= last || o >= df.FileSize {
			yield(*f)
			return
		}
		last = o
	}
	start := int64(0)
	cut := func(end int64) {
		part := *f
		part.Start, part.Length = start, end-start
		yield(part)
		start = end
	}
	for _, o := range df.SplitOffsets[1:] {
		if o-start >= target {
			cut(o)
		}
	}
	// The manifest's file size may be wrong: the last part takes all there is.
	cut(math.MaxInt64)
}

// bin is a task being filled.
type bin struct {
	task     *Task
	affinity string
	deletes  map[deleteID]bool // counted already
}

// deleteID identifies a delete file, or a deletion vector within its file.
type deleteID struct {
	path   string
	offset int64
}

func idOf(f *manifest.DataFile) deleteID {
	id := deleteID{path: f.Path}
	if f.ContentOffset != nil {
		id.offset = *f.ContentOffset
	}
	return id
}

// weigh adds the work of a file to its task: delete files that it shares with
// files already there cost nothing more.
func (b *bin) weigh(f *FileTask) {
	w := int64(openCost)
	if size := f.Data.File.FileSize; f.Length > 0 {
		w += max(0, min(f.Length, size-f.Start))
	} else {
		w += size
	}
	add := func(e *manifest.Entry, size int64) {
		if id := idOf(e.File); !b.deletes[id] {
			if b.deletes == nil {
				b.deletes = make(map[deleteID]bool)
			}
			b.deletes[id] = true
			w += size + openCost
		}
	}
	if f.DV != nil && f.DV.File.ContentSize != nil {
		add(f.DV, *f.DV.File.ContentSize)
	}
	for _, e := range f.Positions {
		add(e, e.File.FileSize)
	}
	for _, e := range f.Equality {
		add(e, e.File.FileSize)
	}
	b.task.Weight += w
}

// affinity names what a file shares with others that had better be read by the
// same task: a delete file for several data files.
func affinity(f *FileTask) string {
	if n := len(f.Equality); n > 0 {
		return f.Equality[n-1].File.Path
	}
	for _, e := range f.Positions {
		if e.File.ReferencedDataFile == "" {
			return e.File.Path
		}
	}
	return ""
}

// openBins is how many tasks are filled at a time.
const openBins = 16

// packer puts files into tasks of about target weight. Ordered keeps their order;
// otherwise files with the same affinity go together.
type packer struct {
	exec    *exec
	target  int64
	ordered bool
	tasks   []*Task
	bins    []*bin
	files   int // of the task filled last
}

func (k *packer) add(f *FileTask) {
	k.exec.cache.register(f)
	if whole(f, k.target) {
		k.addPart(f)
		return
	}
	split(f, k.target, func(part FileTask) { k.addPart(&part) })
}

func (k *packer) addPart(f *FileTask) {
	var key string
	if !k.ordered {
		key = affinity(f)
	}
	i := 0
	for i < len(k.bins) && k.bins[i].affinity != key {
		i++
	}
	if i == len(k.bins) {
		if len(k.bins) == openBins {
			k.tasks = append(k.tasks, k.bins[0].task)
			k.bins = append(k.bins[:0], k.bins[1:]...)
			i--
		}
		k.bins = append(k.bins, &bin{task: &Task{exec: k.exec, Files: make([]FileTask, 0, k.files)}, affinity: key})
	}
	b := k.bins[i]
	b.task.Files = append(b.task.Files, *f)
	if b.weigh(f); b.task.Weight >= k.target {
		k.tasks = append(k.tasks, b.task)
		k.files = len(b.task.Files) // the next will have about as many
		k.bins = append(k.bins[:i], k.bins[i+1:]...)
	}
}

// finish returns the tasks.
func (k *packer) finish() []*Task { return append(k.tasks, mergeBins(k.bins, k.target)...) }

// mergeBins puts tasks that were not filled together as far as they fit.
func mergeBins(bins []*bin, target int64) []*Task {
	var tasks []*Task
	for _, b := range bins {
		if n := len(tasks); n > 0 && tasks[n-1].Weight+b.task.Weight <= target {
			tasks[n-1].Files = append(tasks[n-1].Files, b.task.Files...)
			tasks[n-1].Weight += b.task.Weight
			continue
		}
		tasks = append(tasks, b.task)
	}
	return tasks
}
