// Package faultstore wraps a store and makes chosen calls fail.
//
// Calls are numbered from 1 as they begin; a [Plan] says which numbers fail and
// how. A plan is written and read as a short handle, so that a failing run can
// be replayed:
//
//	17=after,23=crash             call 17 is applied but reports an error, …
//	seed=5,rate=0.02,modes=before|after
//
// What a call does in each [Mode] is what real stores do: an error before
// anything happened, a reply lost after it did, a request that was sent twice,
// one that lands late, half a transfer, a process that dies. In terms of HTTP,
// as objstore/cloud maps it: a refused connection is Before; 409, 5xx and
// time-outs are Unknown or After; a 412 about one's own earlier attempt is Twice.
package faultstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/frazildb/frazil/objstore"
)

// Errors injected by a Store. Writes whose outcome the caller cannot know wrap
// objstore.ErrUnknownOutcome too.
var (
	ErrInjected = errors.New("injected fault")
	ErrCrashed  = errors.New("store crashed")
)

// Op is an operation of a store.
type Op string

// The operations that are counted.
const (
	OpOpen    Op = "open"
	OpWrite   Op = "write" // Writer.Write; fails or not, whatever the mode
	OpRead    Op = "read"  // Object.ReadAt
	OpStat    Op = "stat"
	OpPut     Op = "put"
	OpCreate  Op = "create"
	OpClose   Op = "close" // Writer.Close
	OpList    Op = "list"
	OpListDir Op = "listdir"
	OpDelete  Op = "delete"
)

// Call is one call as it was logged.
type Call struct {
	N    int64
	Op   Op
	URI  string
	Mode Mode // None when it went through untouched
}

// String is for test output.
func (c Call) String() string {
	s := fmt.Sprintf("%d %s %s", c.N, c.Op, c.URI)
	if c.Mode != None {
		s += " ! " + c.Mode.String()
	}
	return s
}

// Store is a store with faults. It is safe for concurrent use; the numbers of
// concurrent calls then depend on their order.
type Store struct {
	inner objstore.Store
	mu    struct {
		sync.Mutex
		plan    Plan
		calls   int64
		log     []Call
		crashed bool
		late    []late
	}
}

// late is a write that lands before call number at.
type late struct {
	at    int64
	apply func()
}

// New wraps inner, which the Store's Close closes; a nil plan injects nothing
// but numbers and logs the calls.
func New(inner objstore.Store, plan *Plan) *Store {
	s := &Store{inner: inner}
	s.Arm(plan)
	return s
}

// Arm starts again with a new plan: numbers from 1, an empty log, not crashed.
// Late writes still under way land now.
func (s *Store) Arm(plan *Plan) {
	s.mu.Lock()
	pending := s.mu.late
	s.mu.late = nil
	s.mu.Unlock()
	for _, l := range pending {
		l.apply()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.plan = Plan{}
	if plan != nil {
		s.mu.plan = *plan
	}
	s.mu.calls, s.mu.log, s.mu.crashed = 0, nil, false
}

// Calls returns how many calls there were.
func (s *Store) Calls() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.calls
}

// Log returns the calls in the order of their numbers.
func (s *Store) Log() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mu.log)
}

// Handle returns the plan, with what a random plan has chosen so far spelt out:
// ParsePlan of it replays the run.
func (s *Store) Handle() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Plan{Ops: s.mu.plan.Ops}
	for _, c := range s.mu.log {
		if c.Mode != None {
			p.Faults = append(p.Faults, Fault{c.N, c.Mode})
		}
	}
	return p.String()
}

// begin numbers a call and returns its mode. The error is for a store that has
// crashed, before or by this call.
func (s *Store) begin(ctx context.Context, op Op, uri string) (Mode, error) {
	c, err := s.call(ctx, op, uri)
	return c.Mode, err
}

func (s *Store) call(ctx context.Context, op Op, uri string) (Call, error) {
	s.mu.Lock()
	if s.mu.crashed {
		s.mu.Unlock()
		return Call{}, fmt.Errorf("%s %s: %w", op, uri, ErrCrashed)
	}
	if len(s.mu.plan.Ops) > 0 && !slices.Contains(s.mu.plan.Ops, op) {
		s.mu.Unlock()
		return Call{}, nil
	}
	s.mu.calls++
	call := Call{N: s.mu.calls, Op: op, URI: uri}
	call.Mode = s.mu.plan.mode(call.N)
	if !s.mu.plan.Quiet {
		s.mu.log = append(s.mu.log, call)
	}
	if call.Mode == Crash || call.Mode == CrashAfter {
		s.mu.crashed = true
	}
	var due []late
	s.mu.late = slices.DeleteFunc(s.mu.late, func(l late) bool {
		if l.at <= call.N {
			due = append(due, l)
			return true
		}
		return false
	})
	delay := s.mu.plan.OnDelay
	s.mu.Unlock()
	for _, l := range due {
		l.apply()
	}
	if call.Mode == Delay && delay != nil {
		delay(ctx, call)
	}
	return call, nil
}

// later has a write land when the call after the next one begins.
func (s *Store) later(apply func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.late = append(s.mu.late, late{at: s.mu.calls + 2, apply: apply})
}

// harmless reports whether a mode leaves calls alone that neither read nor change
// an object.
func harmless(m Mode) bool {
	return m == None || m == Delay || m == Twice || m == Stale || m == Flip
}

// bit chooses the bit that call n flips.
func (s *Store) bit(n int64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return rand.New(rand.NewPCG(s.mu.plan.Seed, uint64(n))).Uint64()
}

func injected(op Op, uri string, mode Mode, unknown bool) error {
	cause := ErrInjected
	if mode == Crash || mode == CrashAfter {
		cause = ErrCrashed
	}
	if unknown {
		return fmt.Errorf("%s %s: %w: %w (%s)", op, uri, objstore.ErrUnknownOutcome, cause, mode)
	}
	return fmt.Errorf("%s %s: %w (%s)", op, uri, cause, mode)
}

// write runs a call that changes something.
func (s *Store) write(ctx context.Context, op Op, uri string, apply func(context.Context) error, half func() error) error {
	mode, err := s.begin(ctx, op, uri)
	if err != nil {
		return err
	}
	switch mode {
	case Before:
		return injected(op, uri, mode, false)
	case Unknown, Crash:
		return injected(op, uri, mode, true)
	case After, CrashAfter:
		if err := apply(ctx); err != nil {
			return err
		}
		return injected(op, uri, mode, true)
	case Twice:
		if err := apply(ctx); err != nil {
			return err
		}
		return apply(ctx)
	case Late:
		s.later(func() { apply(context.WithoutCancel(ctx)) })
		return injected(op, uri, mode, true)
	case Torn:
		if half == nil {
			return injected(op, uri, mode, false)
		}
		if err := half(); err != nil {
			return err
		}
		return injected(op, uri, mode, true)
	default:
		return apply(ctx)
	}
}

// read runs a call that changes nothing; stale is it on the past, and says
// whether there is one.
func (s *Store) read(ctx context.Context, op Op, uri string, apply func() error, stale func(p *Past) (error, bool)) error {
	mode, err := s.begin(ctx, op, uri)
	if err != nil {
		return err
	}
	switch mode {
	case Stale:
		if p, ok := s.inner.(*Past); ok {
			if err, ok := stale(p); ok {
				if err != nil {
					err = fmt.Errorf("%s %s: %w (%s)", op, uri, err, mode)
				}
				return err
			}
		}
		return apply()
	case None, Delay, Flip:
		return apply()
	case Twice:
		if err := apply(); err != nil {
			return err
		}
		return apply()
	default:
		return injected(op, uri, mode, false)
	}
}

// Root is the inner store's.
func (s *Store) Root() string { return s.inner.Root() }

// Close closes the inner store; it is not counted.
func (s *Store) Close() error { return s.inner.Close() }

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, uri string) (info objstore.Info, err error) {
	err = s.read(ctx, OpStat, uri, func() error {
		info, err = s.inner.Stat(ctx, uri)
		return err
	}, func(p *Past) (err error, ok bool) {
		info, err, ok = p.stat(uri)
		return err, ok
	})
	return info, err
}

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, uri string, data []byte, opts *objstore.PutOptions) error {
	var half func() error
	if opts == nil || !opts.IfAbsent && opts.IfMatch == "" {
		half = func() error { return s.inner.Put(ctx, uri, data[:len(data)/2], opts) }
	}
	data = slices.Clone(data) // a late write outlives the caller's buffer
	return s.write(ctx, OpPut, uri, func(ctx context.Context) error {
		return s.inner.Put(ctx, uri, data, opts)
	}, half)
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, uri string) error {
	return s.write(ctx, OpDelete, uri, func(ctx context.Context) error {
		return s.inner.Delete(ctx, uri)
	}, nil)
}

// Open implements objstore.Store.
func (s *Store) Open(ctx context.Context, uri string) (objstore.Object, error) {
	var o objstore.Object
	err := s.read(ctx, OpOpen, uri, func() (err error) {
		if o != nil {
			o.Close()
		}
		o, err = s.inner.Open(ctx, uri)
		return err
	}, func(p *Past) (err error, ok bool) {
		o, err, ok = p.open(uri)
		return err, ok
	})
	if err != nil {
		return nil, err
	}
	return &object{o, s}, nil
}

// object counts reads.
type object struct {
	objstore.Object
	s *Store
}

func (o *object) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	call, err := o.s.call(ctx, OpRead, o.URI())
	if err != nil {
		return 0, err
	}
	switch mode := call.Mode; mode {
	case None, Delay, Twice, Stale:
		return o.Object.ReadAt(ctx, p, off)
	case Flip:
		n, err := o.Object.ReadAt(ctx, p, off)
		if n > 0 {
			bit := o.s.bit(call.N) % (8 * uint64(n))
			p[bit/8] ^= 1 << (bit % 8)
		}
		return n, err
	case Torn:
		n, err := o.Object.ReadAt(ctx, p[:len(p)/2], off)
		if err == nil {
			err = fmt.Errorf("%w: %w", injected(OpRead, o.URI(), mode, false), io.ErrUnexpectedEOF)
		}
		return n, err
	default:
		return 0, injected(OpRead, o.URI(), mode, false)
	}
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return s.list(ctx, OpList, prefix, s.inner.List)
}

// ListDir implements objstore.Store.
func (s *Store) ListDir(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return s.list(ctx, OpListDir, prefix, s.inner.ListDir)
}

func (s *Store) list(ctx context.Context, op Op, prefix string, list func(context.Context, string) iter.Seq2[objstore.Info, error]) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		mode, err := s.begin(ctx, op, prefix)
		if err == nil && !harmless(mode) && mode != Torn {
			err = injected(op, prefix, mode, false)
		}
		if p, ok := s.inner.(*Past); ok && mode == Stale {
			fresh := list
			list = func(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
				return p.list(ctx, prefix, fresh, op == OpList)
			}
		}
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		n := 0
		for info, err := range list(ctx, prefix) {
			if mode == Torn && n == 1 {
				yield(objstore.Info{}, injected(op, prefix, mode, false))
				return
			}
			n++
			if !yield(info, err) {
				return
			}
		}
		if mode == Torn && n <= 1 {
			yield(objstore.Info{}, injected(op, prefix, mode, false))
		}
	}
}

// Create implements objstore.Store.
func (s *Store) Create(ctx context.Context, uri string, opts *objstore.PutOptions) (objstore.Writer, error) {
	mode, err := s.begin(ctx, OpCreate, uri)
	if err != nil {
		return nil, err
	}
	if !harmless(mode) {
		return nil, injected(OpCreate, uri, mode, false) // nothing is visible yet
	}
	w, err := s.inner.Create(ctx, uri, opts)
	if err != nil {
		return nil, err
	}
	return &writer{Writer: w, s: s, ctx: ctx, uri: uri}, nil
}

// writer counts Close.
type writer struct {
	objstore.Writer
	s    *Store
	ctx  context.Context // bound to this one write
	uri  string
	done bool
}

func (w *writer) Write(p []byte) (int, error) {
	mode, err := w.s.begin(w.ctx, OpWrite, w.uri)
	if err != nil {
		return 0, err
	}
	if !harmless(mode) {
		return 0, injected(OpWrite, w.uri, mode, false)
	}
	return w.Writer.Write(p)
}

// Close publishes. Twice is a plain close, because a stream cannot be sent
// again; Torn and Late lose it.
func (w *writer) Close() error {
	if w.done {
		return w.Writer.Close()
	}
	w.done = true
	mode, err := w.s.begin(w.ctx, OpClose, w.uri)
	if err != nil {
		w.Writer.Abort()
		return err
	}
	switch mode {
	case None, Delay, Twice, Stale, Flip:
		return w.Writer.Close()
	case After, CrashAfter:
		if err := w.Writer.Close(); err != nil {
			return err
		}
		return injected(OpClose, w.uri, mode, true)
	default:
		w.Writer.Abort()
		return injected(OpClose, w.uri, mode, mode != Before)
	}
}
