package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// call runs a command line in process.
func call(t *testing.T, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	var out, errs bytes.Buffer
	code = run(args, stdin, &out, &errs)
	return out.String(), errs.String(), code
}

// must is call for what should succeed; it returns standard output.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := call(t, nil, args...)
	if code != 0 {
		t.Fatalf("frazil %s: exit %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

func TestDemo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Chdir(dir)
	out, errs, code := call(t, nil, "demo")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s\n%s", code, errs, out)
	}
	for _, want := range []string{
		"\n$ frazil ingest sakila-1.jsonl.zst --format debezium\n", "\n$ frazil changes sakila.customer --from ",
		"update_after", "All 12 tables have the rows that the database had: 6228 in all.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("colours in\n%s", out)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if out := must(t, "demo", "--json", "--warehouse", "kept"); !strings.Contains(out, `"ok":true`) || strings.Count(out, "\n") != 1 {
		t.Errorf("demo --json: %s", out)
	}
	if out := must(t, "scan", "sakila.film", "--count", "--warehouse", "kept"); out != "1060\n" {
		t.Errorf("kept table has %s rows", out)
	}
	if _, _, code := call(t, nil, "demo", "--warehouse", "kept"); code != exitUsage {
		t.Errorf("demo over its own tables: exit %d", code)
	}
}

// TestHelp: every command has help, and its examples are words it takes.
func TestHelp(t *testing.T) {
	overview := must(t, "help")
	for _, c := range commands() {
		if !strings.Contains(overview, "\n  "+c.name+" ") {
			t.Errorf("%s is not in the overview", c.name)
		}
		for _, form := range [][]string{{"help", c.name}, {c.name, "--help"}, {c.name, "-h"}} {
			if out := must(t, form...); !strings.HasPrefix(out, "frazil "+c.name) || !strings.Contains(out, "--warehouse") {
				t.Errorf("%v prints %s", form, out)
			}
		}
		if len(c.examples) == 0 && c.name != "version" {
			t.Errorf("%s has no examples", c.name)
		}
		for _, x := range c.examples {
			_, rest, ok := strings.Cut(x, "frazil ")
			if !ok {
				t.Errorf("%s: example %q is no call", c.name, x)
				continue
			}
			if strings.Contains(x, "$(") {
				continue
			}
			rest, _, _ = strings.Cut(rest, " #")
			rest, _, _ = strings.Cut(rest, " | ") // what reads it is another command
			args, _, _ := words(t, strings.ReplaceAll(rest, `\"`, "'"))
			fs, _ := (&env{}).flagSet(c)
			if args[0] != c.name {
				t.Errorf("%s: example of %s", c.name, args[0])
			} else if err := fs.Parse(args[1:]); err != nil || fs.NArg() < c.minArgs || c.maxArgs >= 0 && fs.NArg() > c.maxArgs {
				t.Errorf("%s: example %q: %d arguments, %v", c.name, x, fs.NArg(), err)
			}
		}
	}
	if out, errs, code := call(t, nil); code != exitUsage || out == "" || errs == "" {
		t.Errorf("no command: exit %d, %q", code, errs)
	}
}

// closedPipe is standard output whose reader has gone.
type closedPipe struct{ left int }

func (c *closedPipe) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	}
	return len(b), nil
}

func TestClosedPipe(t *testing.T) {
	t.Chdir(t.TempDir())
	var rows bytes.Buffer
	rows.WriteString("id,text\n")
	for i := range 5000 {
		fmt.Fprintf(&rows, "%d,%s\n", i, strings.Repeat("x", 100))
	}
	if _, errs, code := call(t, &rows, "ingest", "s.t", "-", "--format", "csv", "--create"); code != 0 {
		t.Fatal(errs)
	}
	for _, form := range outputForms {
		var errs bytes.Buffer
		if code := run([]string{"scan", "s.t", "--output", form}, strings.NewReader(""), &closedPipe{left: 100}, &errs); code != 0 || errs.Len() > 0 {
			t.Errorf("%s: exit %d: %s", form, code, &errs)
		}
	}
}

// stuckInput gives some rows, waits for the commit of two of them, then interrupts
// the process and blocks.
type stuckInput struct {
	rows string
	done chan struct{}
}

func (s *stuckInput) Read(b []byte) (int, error) {
	if s.rows != "" {
		n := copy(b, s.rows)
		s.rows = s.rows[n:]
		return n, nil
	}
	for {
		var out bytes.Buffer
		if run([]string{"scan", "s.t", "--count"}, strings.NewReader(""), &out, io.Discard) != 0 || out.String() == "2\n" {
			break
		}
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
	<-s.done
	return 0, io.EOF
}

// TestInterrupt: the first interrupt ends an ingest that waits for its input,
// keeps what was committed and drops the rest.
func TestInterrupt(t *testing.T) {
	for _, format := range []string{"jsonl", "csv"} {
		t.Chdir(t.TempDir())
		must(t, "create", "s.t", "--schema", "id long")
		rows := "id\n1\n2\n3\n"
		if format == "jsonl" {
			rows = "{\"id\": 1}\n{\"id\": 2}\n{\"id\": 3}\n"
		}
		in := &stuckInput{rows: rows, done: make(chan struct{})}
		_, errs, code := call(t, in, "ingest", "s.t", "-", "--format", format, "--commit-rows", "2")
		close(in.done)
		if code != exitInterrupted || !strings.Contains(errs, "interrupted") {
			t.Fatalf("exit %d: %s", code, errs)
		}
		if out := must(t, "scan", "s.t", "--count"); out != "2\n" {
			t.Errorf("%s: %s rows are there after the interrupt", format, out)
		}
		if _, errs, code := call(t, strings.NewReader(rows), "ingest", "s.t", "-", "--format", format); code != 0 {
			t.Fatal(errs)
		}
		if out := must(t, "scan", "s.t", "--count"); out != "3\n" {
			t.Errorf("%s: %s rows are there after the second run", format, out)
		}
	}
}

func TestStoppableReader(t *testing.T) {
	want := strings.Repeat("0123456789", 50_000)
	got, err := io.ReadAll(&stoppableReader{ctx: context.Background(), r: strings.NewReader(want)})
	if err != nil || string(got) != want {
		t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (&stoppableReader{ctx: ctx, r: strings.NewReader(want)}).Read(make([]byte, 1)); err != context.Canceled {
		t.Fatal(err)
	}
}
