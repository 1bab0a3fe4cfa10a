// Package parallel runs a function over a stream of items on several goroutines
// and hands the results back in order.
package parallel

import (
	"context"
	"iter"
	"sync"
)

// Ordered calls f for the items, at most ahead of them at a time, and yields the
// results in the order of the items, which are drawn on the consumer's goroutine.
// The first error, of items or of f, ends it. All goroutines have ended when it
// returns, for whatever reason.
func Ordered[T, R any](ctx context.Context, ahead int, items iter.Seq2[T, error], f func(ctx context.Context, item T) (R, error)) iter.Seq2[R, error] {
	type result struct {
		value R
		err   error
	}
	return func(yield func(R, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer func() { cancel(); running.Wait() }()
		next, stop := iter.Pull2(items)
		defer stop()
		var pending []chan result
		more := true
		fill := func() {
			for more && len(pending) < max(ahead, 1) {
				item, err, ok := next()
				if more = ok && err == nil; !ok {
					return
				}
				ch := make(chan result, 1)
				pending = append(pending, ch)
				if err != nil {
					ch <- result{err: err}
					return
				}
				running.Go(func() {
					value, err := f(ctx, item)
					ch <- result{value, err}
				})
			}
		}
		for fill(); len(pending) > 0; {
			r := <-pending[0]
			pending = pending[1:]
			fill() // so that as many run while the consumer works
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
	}
}
