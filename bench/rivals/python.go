package main

import "context"

func (r *run) python(ctx context.Context) []*outcome { return nil }
