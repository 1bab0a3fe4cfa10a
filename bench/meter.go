package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Meter measures one case: wall clock, CPU of the process and peak memory.
type Meter struct {
	start   time.Time
	cpu     time.Duration
	outside struct{ wall, cpu time.Duration }
}

// Usage is what a Meter saw.
type Usage struct {
	Seconds float64
	CPU     time.Duration
	PeakRSS int64 // bytes
}

// StartMeter collects garbage, gives memory back to the system, resets the peak
// where the system can, and starts.
func StartMeter() *Meter {
	debug.FreeOSMemory()
	resetPeak()
	return &Meter{start: time.Now(), cpu: processCPU()}
}

// Outside runs f, which makes input, and leaves the time it takes out: its wall
// clock, and the CPU of its thread where the system tells (Linux). A nil Meter
// just runs f.
func (m *Meter) Outside(f func()) {
	if m == nil {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start, cpu := time.Now(), threadCPU()
	f()
	m.outside.wall += time.Since(start)
	m.outside.cpu += threadCPU() - cpu
}

// Stop returns what was used since the start.
func (m *Meter) Stop() Usage {
	return Usage{
		Seconds: (time.Since(m.start) - m.outside.wall).Seconds(),
		CPU:     processCPU() - m.cpu - m.outside.cpu,
		PeakRSS: peakRSS(),
	}
}

// Result makes a result of what was used for n rows.
func (u Usage) Result(workload, name string, n int64) Result {
	r := Result{Workload: workload, Case: name, Rows: n, Seconds: round(u.Seconds, 1e6), PeakRSSBytes: u.PeakRSS}
	if n > 0 {
		r.CPUNsPerRow = round(float64(u.CPU.Nanoseconds())/float64(n), 10)
		r.RowsPerSecond = round(float64(n)/u.Seconds, 1)
	}
	return r
}

// round keeps figures readable: to is how many parts of one are told apart.
func round(v, to float64) float64 { return float64(int64(v*to+0.5)) / to }

// resetPeak makes Linux begin a new peak; elsewhere, or where it is forbidden,
// the peak is that of the process so far.
func resetPeak() {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return maxRSS()
	}
	peak, err := peakIn(status)
	if err != nil {
		return maxRSS()
	}
	return peak
}

// peakIn reads the peak of memory out of a process's status.
func peakIn(status []byte) (int64, error) {
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte(" kB"))
	kb, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	return kb << 10, err
}

// ProcessUsage returns the CPU and the peak of memory that another process has
// used since it began. It is an error where the system does not tell (Linux does).
func ProcessUsage(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	// Behind the name in brackets: state is the first, utime and stime are the
	// twelfth and thirteenth, in hundredths of a second.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return Usage{}, fmt.Errorf("process %d: %d fields in its stat", pid, len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return Usage{}, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, err
	}
	peak, err := peakIn(status)
	return Usage{CPU: time.Duration(user+system) * 10 * time.Millisecond, PeakRSS: peak}, err
}
