package bench

import "context"

func W12(ctx context.Context, o *Options) ([]Result, error) { panic("unwritten") }
