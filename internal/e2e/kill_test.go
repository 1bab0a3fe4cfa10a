package e2e

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/frazildb/frazil/internal/testenv"
)

var killCycles = flag.Int("kill.cycles", 50, "SIGKILLs of TestKill")

// TestKill kills an ingest with SIGKILL at random moments and starts it again,
// until it has been killed often enough; then it lets it finish. The tables must
// then equal the oracle: nothing lost, nothing twice.
func TestKill(t *testing.T) {
	dir := filepath.Join(testenv.Shared(t), "changes", "sakila")
	v := sakilaVariants["events-schema"]
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	killed, runs := 0, 0
	for killed < *killCycles {
		warehouse := t.TempDir()
		version := []string{"2", "3"}[r.IntN(2)]
		args := v.ingestArgs(dir, "--format-version", version, "--commit-rows", "300", "--quiet")
		finished := false
		for !finished && killed < *killCycles {
			runs++
			if finished = runAndKill(t, warehouse, args, time.Duration(r.Int64N(int64(1500*time.Millisecond)))); !finished {
				killed++
			}
		}
		mustFrazil(t, warehouse, args...)
		checkOracle(t, warehouse, filepath.Join(dir, "oracle"), v.missing...)
		if t.Failed() {
			t.Fatalf("after %d kills in %d runs", killed, runs)
		}
	}
	t.Logf("kills=%d runs=%d lost=0 duplicated=0", killed, runs)
}

// runAndKill reports whether the run ended by itself.
func runAndKill(t *testing.T, warehouse string, args []string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Env = append(os.Environ(), "FRAZIL_WAREHOUSE="+warehouse)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if err == nil {
		return true
	}
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the run failed by itself: %v", err)
	}
	return false
}
