package torture

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/frazildb/frazil/objstore"
)

// turns lets one of two writers run at a time and hands over at chosen steps. A
// step is a store call that another writer can notice, or that notices another:
// on a version of the metadata or the hint, a listing, a delete, and, where there
// are deletes, the opening of files, which may be gone. All other calls write
// objects under new names, so that their order means nothing.
type turns struct {
	mu   sync.Mutex
	cond sync.Cond
	// at are the steps, counted from 1 over both writers, before which the turn
	// changes.
	at       []int
	running  int
	finished [2]bool
	steps    int
	// open are the steps at which a change of turns would have been one.
	open []int
}

func newTurns(at []int) *turns {
	t := &turns{at: at}
	t.cond.L = &t.mu
	return t
}

// step returns when writer may make its next call.
func (t *turns) step(writer int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.await(writer)
	t.steps++
	if t.finished[1-writer] {
		return
	}
	t.open = append(t.open, t.steps)
	if slices.Contains(t.at, t.steps) {
		t.running = 1 - writer
		t.cond.Broadcast()
		t.await(writer)
	}
}

func (t *turns) await(writer int) {
	for t.running != writer {
		t.cond.Wait()
	}
}

// run runs a writer from its first turn to its end.
func (t *turns) run(writer int, f func()) {
	t.mu.Lock()
	t.await(writer)
	t.mu.Unlock()
	f()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished[writer] = true
	t.running = 1 - writer
	t.cond.Broadcast()
}

// turnStore is a writer's view of the store.
type turnStore struct {
	objstore.Store
	t      *turns
	writer int
	// deletes says that one of the writers deletes files.
	deletes bool
	// on says that the schedule has begun.
	on bool
}

func (s *turnStore) step(uri string, always bool) {
	if s.on && (always || strings.HasSuffix(uri, ".metadata.json") || strings.HasSuffix(uri, "version-hint.text")) {
		s.t.step(s.writer)
	}
}

func (s *turnStore) Open(ctx context.Context, uri string) (objstore.Object, error) {
	s.step(uri, s.deletes)
	return s.Store.Open(ctx, uri)
}

func (s *turnStore) Stat(ctx context.Context, uri string) (objstore.Info, error) {
	s.step(uri, false)
	return s.Store.Stat(ctx, uri)
}

func (s *turnStore) Put(ctx context.Context, uri string, data []byte, opts *objstore.PutOptions) error {
	s.step(uri, false)
	return s.Store.Put(ctx, uri, data, opts)
}

func (s *turnStore) Delete(ctx context.Context, uri string) error {
	s.step(uri, true)
	return s.Store.Delete(ctx, uri)
}

func (s *turnStore) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	s.step(prefix, true)
	return s.Store.List(ctx, prefix)
}

func (s *turnStore) ListDir(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	s.step(prefix, true)
	return s.Store.ListDir(ctx, prefix)
}
