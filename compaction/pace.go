package compaction

import (
	"context"
	"sync"
	"time"

	"github.com/frazildb/frazil/objstore"
)

// pacer keeps work to a share of the time and to a rate of bytes. Who works
// calls pay at every read and write, outside all locks that writers wait for,
// and is held up there by what is owed.
type pacer struct {
	share float64 // of the time, 0 or 1 for all
	rate  int64   // bytes a second, 0 for any
	now   func() time.Time
	wait  func(ctx context.Context, d time.Duration) error

	mu      sync.Mutex
	started time.Time
	paused  time.Duration
	bytes   int64
}

// minPause is the shortest pause worth making.
const minPause = 5 * time.Millisecond

func newPacer(share float64, rate int64) *pacer {
	if (share <= 0 || share >= 1) && rate <= 0 {
		return nil
	}
	return &pacer{share: share, rate: rate, now: time.Now, wait: sleep}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin starts a stretch of work; what an earlier one owed is forgiven.
func (p *pacer) begin() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started, p.paused, p.bytes = p.now(), 0, 0
}

// owed returns how long the work so far ought to pause.
func (p *pacer) owed() time.Duration {
	elapsed := p.now().Sub(p.started)
	var d time.Duration
	if p.share > 0 && p.share < 1 {
		d = time.Duration(float64(elapsed-p.paused)*(1-p.share)/p.share) - p.paused
	}
	if p.rate > 0 {
		d = max(d, time.Duration(float64(p.bytes)/float64(p.rate)*float64(time.Second))-elapsed)
	}
	return d
}

// pay notes n bytes and pauses for what is owed. Several goroutines that pay at
// a time pause together.
func (p *pacer) pay(ctx context.Context, n int64) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += n
	d := p.owed()
	if d < minPause {
		return nil
	}
	began := p.now()
	err := p.wait(ctx, d)
	p.paused += max(p.now().Sub(began), 0)
	return err
}

// store returns s with everything read and written paid for.
func (p *pacer) store(s objstore.Store) objstore.Store {
	if p == nil {
		return s
	}
	return &pacedStore{Store: s, p: p}
}

type pacedStore struct {
	objstore.Store
	p *pacer
}

// Open opens an object whose reads are paid for.
func (s *pacedStore) Open(ctx context.Context, uri string) (objstore.Object, error) {
	o, err := s.Store.Open(ctx, uri)
	if err != nil {
		return nil, err
	}
	return &pacedObject{o, s.p}, nil
}

// Put pays, then writes.
func (s *pacedStore) Put(ctx context.Context, uri string, data []byte, opts *objstore.PutOptions) error {
	if err := s.p.pay(ctx, int64(len(data))); err != nil {
		return err
	}
	return s.Store.Put(ctx, uri, data, opts)
}

// Create starts a write that is paid for piece by piece.
func (s *pacedStore) Create(ctx context.Context, uri string, opts *objstore.PutOptions) (objstore.Writer, error) {
	w, err := s.Store.Create(ctx, uri, opts)
	if err != nil {
		return nil, err
	}
	return &pacedWriter{w, ctx, s.p}, nil
}

type pacedObject struct {
	objstore.Object
	p *pacer
}

// ReadAt pays, then reads.
func (o *pacedObject) ReadAt(ctx context.Context, b []byte, off int64) (int, error) {
	if err := o.p.pay(ctx, int64(len(b))); err != nil {
		return 0, err
	}
	return o.Object.ReadAt(ctx, b, off)
}

type pacedWriter struct {
	objstore.Writer
	ctx context.Context // of the write, as Create was given it
	p   *pacer
}

// Write pays, then writes.
func (w *pacedWriter) Write(b []byte) (int, error) {
	if err := w.p.pay(w.ctx, int64(len(b))); err != nil {
		return 0, err
	}
	return w.Writer.Write(b)
}
