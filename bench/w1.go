package bench

import "context"

func W1(ctx context.Context, o *Options) ([]Result, error) { panic("unwritten") }
