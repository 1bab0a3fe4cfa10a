package main

import (
	"context"
	"io"
	"sync"
)

// stoppableReader reads r until ctx ends, which a read from a terminal or pipe
// does not notice by itself.
type stoppableReader struct {
	ctx context.Context
	r   io.Reader

	start sync.Once
	parts chan []byte
	ready chan struct{}
	rest  []byte
	err   error
}

func (s *stoppableReader) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, s.ctx.Err()
	}
	s.start.Do(func() {
		s.parts, s.ready = make(chan []byte), make(chan struct{}, 1)
		s.ready <- struct{}{}
		go s.pump()
	})
	for len(s.rest) == 0 {
		select {
		case part, ok := <-s.parts:
			if !ok {
				return 0, s.err
			}
			s.rest = part
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
	n := copy(p, s.rest)
	if s.rest = s.rest[n:]; len(s.rest) == 0 {
		s.ready <- struct{}{}
	}
	return n, nil
}

// pump reads ahead by one part. It ends with the input or with the process.
func (s *stoppableReader) pump() {
	buf := make([]byte, 1<<16)
	for range s.ready {
		n, err := s.r.Read(buf)
		if n > 0 {
			s.parts <- buf[:n]
		}
		if err != nil {
			s.err = err
			close(s.parts)
			return
		}
		if n == 0 {
			s.ready <- struct{}{}
		}
	}
}
