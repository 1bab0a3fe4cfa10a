//go:build !linux

package bench

import "time"

// threadCPU falls back on the process: what else runs while input is made is
// then left out too.
func threadCPU() time.Duration { return processCPU() }
