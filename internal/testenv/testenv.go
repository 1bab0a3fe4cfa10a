// Package testenv finds what tests need from outside: the shared material of
// the project's developers and the Python environment of the engines that judge
// our tables. A test that cannot run for want of one says so loudly; it fails
// where it ought to have been able to run.
package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Root is the folder of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Shared returns a folder or file of the shared material (FRAZIL_SHARED, by
// default the folder shared beside the checkout). Without it the test is
// skipped; it fails when FRAZIL_SHARED is set and the place is not there.
func Shared(t testing.TB, elem ...string) string {
	t.Helper()
	path, err := shared(t, elem)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// SharedIfThere is Shared for a test that has less to do without the material: ok
// is false then, and the log says so.
func SharedIfThere(t testing.TB, elem ...string) (path string, ok bool) {
	t.Helper()
	path, err := shared(t, elem)
	if err != nil {
		t.Log(err)
	}
	return path, err == nil
}

func shared(t testing.TB, elem []string) (string, error) {
	t.Helper()
	dir := os.Getenv("FRAZIL_SHARED")
	given := dir != ""
	if !given {
		dir = filepath.Join(Root(), "..", "shared")
	}
	path, err := filepath.Abs(filepath.Join(append([]string{dir}, elem...)...))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		if given {
			t.Fatalf("FRAZIL_SHARED: %v", err)
		}
		return "", fmt.Errorf("SKIPPED-SHARED: no shared material beside the checkout (set FRAZIL_SHARED): %w", err)
	}
	return path, nil
}

// Figures logs what a test did, as key=number, the form that make guarantees
// reads, and how it ended: no promise was broken, unless the test has failed.
func Figures(t testing.TB, format string, args ...any) {
	t.Helper()
	end := "violations=0"
	if t.Failed() {
		end = "FAILED"
	}
	t.Logf("%s %s", fmt.Sprintf(format, args...), end)
}

// Python returns the interpreter of the judges' environment (FRAZIL_PYTHON,
// which make test sets). Without it the test is skipped, or fails under CI.
func Python(t testing.TB) string {
	t.Helper()
	py := os.Getenv("FRAZIL_PYTHON")
	if py == "" {
		Missing(t, "SKIPPED-JUDGES: FRAZIL_PYTHON is not set: run make test, which installs the engines that judge our tables")
	}
	return py
}

// Spark returns the folder into which make has put Apache Spark (FRAZIL_SPARK).
// Without it the test is skipped, or fails under CI.
func Spark(t testing.TB) string {
	t.Helper()
	home := os.Getenv("FRAZIL_SPARK")
	if home == "" {
		Missing(t, "SKIPPED-SPARK: FRAZIL_SPARK is not set: run make spark, which installs Apache Spark and runs this test")
	}
	if _, err := os.Stat(filepath.Join(home, "classes", "Judge.class")); err != nil {
		t.Fatalf("FRAZIL_SPARK: %v: run make spark", err)
	}
	return home
}

// Missing skips a test that lacks what it says, loudly, and fails it under CI.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// HasTest reports, as an error, that a package of the checkout has no such test;
// pages that name tests are kept true by it.
func HasTest(pkg, name string) error {
	files, err := filepath.Glob(filepath.Join(Root(), pkg, "*_test.go"))
	if err != nil {
		return err
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if strings.Contains(string(src), "\nfunc "+name+"(") {
			return nil
		}
	}
	return fmt.Errorf("package %s has no test %s", pkg, name)
}
