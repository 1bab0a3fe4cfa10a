package bench

import "context"

func W6(ctx context.Context, o *Options) ([]Result, error) { panic("unwritten") }
