package catalog_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
)

// childVariable marks a re-executed test binary: "number directory".
const childVariable = "FRAZIL_CATALOG_CHILD"

// TestProcesses has four processes commit snapshots to one table in a local
// directory, with every fsync: what was acknowledged is there, in one chain.
func TestProcesses(t *testing.T) {
	const processes, commits = 4, 40
	if child := os.Getenv(childVariable); child != "" {
		runChild(t, child, commits)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, err := objstore.NewLocal(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	cat := catalog.NewFiles(store, nil)
	if _, err := cat.CreateTable(t.Context(), orders, newTable(t)); err != nil {
		t.Fatal(err)
	}
	outputs := make([]bytes.Buffer, processes)
	children := make([]*exec.Cmd, processes)
	for i := range children {
		c := exec.CommandContext(t.Context(), exe, "-test.run=^TestProcesses$", "-test.count=1")
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", childVariable, i, dir))
		c.Stdout, c.Stderr = &outputs[i], &outputs[i]
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children[i] = c
	}
	landed := map[int64]bool{}
	conflicts := 0
	for i, c := range children {
		if err := c.Wait(); err != nil {
			t.Fatalf("process %d: %v\n%s", i, err, outputs[i].Bytes())
		}
		for line := range strings.Lines(outputs[i].String()) {
			word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			id, err := strconv.ParseInt(rest, 10, 64)
			switch {
			case word == "landed" && err == nil:
				landed[id] = true
			case word == "conflicts" && err == nil:
				conflicts += int(id)
			}
		}
	}
	e, err := cat.LoadTable(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commits landed, %d conflicts", len(landed), conflicts)
	if len(landed) != processes*commits || len(e.Metadata.Snapshots) != len(landed) || len(e.Metadata.MetadataLog) < 100 {
		t.Errorf("%d landed, %d snapshots, %d log entries", len(landed), len(e.Metadata.Snapshots), len(e.Metadata.MetadataLog))
	}
	var last int64
	for i, s := range e.Metadata.Snapshots {
		if !landed[s.ID] || (i > 0) != (s.ParentID != nil) || i > 0 && *s.ParentID != last {
			t.Errorf("snapshot %d does not follow %d, or its commit was not acknowledged", s.ID, last)
		}
		last = s.ID
	}
}

func runChild(t *testing.T, child string, commits int) {
	number, dir, _ := strings.Cut(child, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	store, err := objstore.NewLocal(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	cat := catalog.NewFiles(store, nil)
	conflicts := 0
	var out strings.Builder
	for i := 0; i < commits; {
		e, err := cat.LoadTable(t.Context(), orders)
		if err != nil {
			t.Fatal(err)
		}
		id := int64(n*1000 + i + 1)
		_, err = cat.CommitTable(t.Context(), addSnapshot(e, id))
		switch {
		case err == nil:
			fmt.Fprintf(&out, "landed %d\n", id)
			i++
		case errors.Is(err, catalog.ErrConflict):
			conflicts++
		default:
			t.Fatal(err)
		}
	}
	fmt.Fprintf(&out, "conflicts %d\n", conflicts)
	fmt.Print(out.String())
}
