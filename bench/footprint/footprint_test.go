package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Limits of W14: what an embedding program may cost.
const (
	maxBytes   = 25_000_000
	maxModules = 45
)

// TestFootprint builds the program stripped and looks at it. It uses the build
// cache: only linking takes time.
func TestFootprint(t *testing.T) {
	if testing.Short() {
		t.Skip("links a program")
	}
	exe := filepath.Join(t.TempDir(), "footprint")
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", exe, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	st, err := os.Stat(exe)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MB stripped, %d modules linked", float64(st.Size())/1e6, len(info.Deps))
	if st.Size() > maxBytes {
		t.Errorf("%d bytes stripped, more than %d", st.Size(), maxBytes)
	}
	if len(info.Deps) > maxModules {
		t.Errorf("%d modules linked, more than %d:", len(info.Deps), maxModules)
		for _, d := range info.Deps {
			t.Errorf("  %s %s", d.Path, d.Version)
		}
	}
	got, err := exec.Command(exe, t.TempDir()).CombinedOutput()
	if err != nil || string(got) != "2 rows\n" {
		t.Errorf("it printed %q, %v", got, err)
	}
}
