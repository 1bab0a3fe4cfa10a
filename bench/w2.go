package bench

import "context"

func W2(ctx context.Context, o *Options) ([]Result, error) { panic("unwritten") }
