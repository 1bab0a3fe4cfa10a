package main

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

// progress reports how far long work is on standard error: a bar with rate and
// remaining time on a terminal, else a line every few seconds.
type progress struct {
	e     *env
	what  string
	total atomic.Int64 // bytes, 0 when not known
	done  atomic.Int64 // bytes
	items atomic.Int64
	unit  string
	start time.Time
	stop  chan struct{}
	ended chan struct{}
	bar   bool
}

func (e *env) progress(what, unit string) *progress {
	p := &progress{e: e, what: what, unit: unit, start: time.Now(), stop: make(chan struct{}), ended: make(chan struct{}), bar: isTerminal(e.stderr)}
	if e.quiet {
		close(p.ended)
		return p
	}
	go p.run()
	return p
}

func (p *progress) run() {
	defer close(p.ended)
	every := 3 * time.Second
	if p.bar {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.e.bar.Store(p.bar)
			p.print()
		case <-p.stop:
			p.e.clearBar()
			return
		}
	}
}

func (p *progress) print() {
	elapsed := time.Since(p.start).Seconds()
	items, done, total := p.items.Load(), p.done.Load(), p.total.Load()
	line := fmt.Sprintf("%s: %d %s, %.0f/s", p.what, items, p.unit, float64(items)/elapsed)
	if total > 0 && done > 0 {
		share := min(float64(done)/float64(total), 1)
		left := time.Duration(elapsed*(1-share)/share) * time.Second
		line += fmt.Sprintf(", %d %%, %s left", int(share*100), left.Round(time.Second))
		if p.bar {
			n := int(share * 30)
			line = "[" + strings.Repeat("=", n) + strings.Repeat(" ", 30-n) + "] " + line
		}
	}
	if p.bar {
		fmt.Fprint(p.e.stderr, "\r\x1b[K"+line)
		return
	}
	fmt.Fprintln(p.e.stderr, line)
}

// end stops the reports; it may be called twice.
func (p *progress) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	<-p.ended
}

// reader counts the bytes read from r.
func (p *progress) reader(r io.Reader) io.Reader { return countingReader{r, &p.done} }

type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// clearBar makes room for a line where a progress bar is.
func (e *env) clearBar() {
	if e.bar.Swap(false) {
		fmt.Fprint(e.stderr, "\r\x1b[K")
	}
}
