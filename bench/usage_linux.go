package bench

import "time"

// rusageThread is RUSAGE_THREAD of getrusage(2).
const rusageThread = 1

// threadCPU is the user and system time of the calling thread.
func threadCPU() time.Duration { return cpuOf(rusageThread) }
