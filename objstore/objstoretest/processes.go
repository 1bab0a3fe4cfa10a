package objstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/objstore"
)

// childVariable marks a re-executed test binary: "number directory".
const childVariable = "FRAZIL_OBJSTORETEST_CHILD"

// RaceProcesses has several processes create the same objects in one directory;
// each must have exactly one winner, and hold its bytes. It runs the test binary
// again with only the calling test, so it must be the only thing that test does.
func RaceProcesses(t *testing.T, processes, keys int, open func(dir string) (objstore.Store, error)) {
	if child := os.Getenv(childVariable); child != "" {
		runChild(t, child, keys, open)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	outputs := make([]bytes.Buffer, processes)
	children := make([]*exec.Cmd, processes)
	for i := range children {
		c := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1", fmt.Sprintf("-test.short=%v", testing.Short()))
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", childVariable, i, dir))
		c.Stdout, c.Stderr = &outputs[i], &outputs[i]
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children[i] = c
	}
	winner := make([]int, keys)
	for i, c := range children {
		if err := c.Wait(); err != nil {
			t.Fatalf("process %d: %v\n%s", i, err, outputs[i].Bytes())
		}
		for line := range strings.Lines(outputs[i].String()) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "won "); ok {
				k, err := strconv.Atoi(rest)
				if err != nil || k < 0 || k >= keys {
					t.Fatalf("process %d wrote %q", i, line)
				}
				if winner[k] != 0 {
					t.Errorf("key %d was won by processes %d and %d", k, winner[k]-1, i)
				}
				winner[k] = i + 1
			}
		}
	}
	s, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wins := make([]int, processes)
	for k, w := range winner {
		if w == 0 {
			t.Errorf("key %d was won by nobody", k)
			continue
		}
		wins[w-1]++
		wantContent(t, s, fmt.Sprintf("race/%d", k), fmt.Sprintf("process %d", w-1))
	}
	t.Logf("%d keys, wins by process %v", keys, wins)
}

func runChild(t *testing.T, child string, keys int, open func(dir string) (objstore.Store, error)) {
	number, dir, _ := strings.Cut(child, " ")
	s, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out strings.Builder
	for k := range keys {
		err := s.Put(t.Context(), objstore.Join(s.Root(), "race", fmt.Sprint(k)), []byte("process "+number), absent)
		switch {
		case err == nil:
			fmt.Fprintf(&out, "won %d\n", k)
		case !errors.Is(err, objstore.ErrExists):
			t.Fatal(err)
		}
	}
	fmt.Print(out.String())
}
