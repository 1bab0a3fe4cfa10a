//go:build !unix

package bench

import "time"

// processCPU falls back on the wall clock where the system does not tell.
func processCPU() time.Duration { return time.Duration(time.Now().UnixNano()) }

func maxRSS() int64 { return 0 }
