package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// TestScripts runs testdata/*.txt, each in a folder of its own. In a script
//
//	$ frazil COMMAND… [< file] [> file]   runs a command; quotes are as in a shell
//	$ file NAME                           writes the lines that follow, less their "| "
//
// and what follows a command is what it must print: standard output, lines of
// standard error after "! ", and "exit N" unless that is 0. Numbers that differ
// from run to run are printed as <id>, <time>, <dur> and <rate>, and $WORK is the
// folder. $N in a command is the N-th snapshot id that was printed.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, f := range files {
		path, err := filepath.Abs(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			for _, v := range []string{"FRAZIL_WAREHOUSE", "FRAZIL_CATALOG"} {
				t.Setenv(v, "")
			}
			got := (&script{t: t}).play(string(text))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Errorf("%s:\n%s", f, firstDifference(string(text), got))
			}
		})
	}
}

type script struct {
	t   *testing.T
	ids []string
}

// play runs the commands of a script and returns it with what they print.
func (s *script) play(text string) string {
	var out strings.Builder
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "$ file "):
			out.WriteString(line + "\n")
			var body strings.Builder
			for ; i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|"); i++ {
				out.WriteString(lines[i+1] + "\n")
				body.WriteString(strings.TrimPrefix(strings.TrimPrefix(lines[i+1], "|"), " ") + "\n")
			}
			if err := os.WriteFile(strings.TrimPrefix(line, "$ file "), []byte(body.String()), 0o644); err != nil {
				s.t.Fatal(err)
			}
		case strings.HasPrefix(line, "$ frazil"):
			out.WriteString(line + "\n" + s.run(strings.TrimPrefix(line, "$ frazil")))
		case line == "" || strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

var (
	// progressPattern is printed by slow runs only.
	progressPattern = regexp.MustCompile(`(?m)^(ingest|compact): [0-9]+ (rows|events|files), .*\n`)
	idPattern       = regexp.MustCompile(`\b[0-9]{17,19}\b`)
	timePattern     = regexp.MustCompile(`\b20[0-9][0-9]-[0-9-]+T[0-9:]+\.[0-9]{3}(Z|000\+00:00)`)
	tookPattern     = regexp.MustCompile(`[0-9]+\.[0-9] s, [0-9]+ (rows|events)/s`)
	secsPattern     = regexp.MustCompile(`"seconds":[0-9.e-]+`)
	sizePattern     = regexp.MustCompile(`\b[0-9]+(\.[0-9])? (B|KiB|MiB)\b`)
	uuidPattern     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// run runs a command line and returns what it printed, as scripts have it.
func (s *script) run(line string) string {
	args, in, outFile := words(s.t, line)
	for i, a := range args {
		for n, id := range s.ids {
			a = strings.ReplaceAll(a, fmt.Sprintf("$%d", n+1), id)
		}
		args[i] = a
	}
	var stdin bytes.Buffer
	if in != "" {
		data, err := os.ReadFile(in)
		if err != nil {
			s.t.Fatal(err)
		}
		stdin.Write(data)
	}
	var stdout, stderr bytes.Buffer
	code := run(args, &stdin, &stdout, &stderr)
	if outFile != "" {
		if err := os.WriteFile(outFile, stdout.Bytes(), 0o644); err != nil {
			s.t.Fatal(err)
		}
		stdout.Reset()
	}
	var b strings.Builder
	for _, l := range strings.SplitAfter(s.mask(stdout.String()), "\n") {
		if l == "\n" {
			l = "<blank>\n"
		}
		b.WriteString(l)
	}
	for _, l := range strings.Split(strings.TrimSuffix(s.mask(stderr.String()), "\n"), "\n") {
		if l != "" {
			b.WriteString("! " + l + "\n")
		}
	}
	if code != 0 {
		fmt.Fprintf(&b, "exit %d\n", code)
	}
	return b.String()
}

// mask replaces what differs from run to run.
func (s *script) mask(text string) string {
	dir, err := os.Getwd()
	if err != nil {
		s.t.Fatal(err)
	}
	text = strings.ReplaceAll(text, dir, "$WORK")
	text = progressPattern.ReplaceAllString(text, "")
	text = tookPattern.ReplaceAllString(text, "<dur>, <rate> $1/s")
	text = secsPattern.ReplaceAllString(text, `"seconds":<dur>`)
	text = timePattern.ReplaceAllString(text, "<time>")
	text = sizePattern.ReplaceAllString(text, "<size>")
	text = uuidPattern.ReplaceAllString(text, "<uuid>")
	return idPattern.ReplaceAllStringFunc(text, func(id string) string {
		for n, have := range s.ids {
			if have == id {
				return fmt.Sprintf("<id %d>", n+1)
			}
		}
		s.ids = append(s.ids, id)
		return fmt.Sprintf("<id %d>", len(s.ids))
	})
}

// words splits a command line as a shell would.
func words(t *testing.T, line string) (args []string, in, out string) {
	var word strings.Builder
	var quote rune
	started := false
	var all []string
	for _, c := range line + " " {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, started = c, true
		case c == ' ':
			if started {
				all = append(all, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(c)
			started = true
		}
	}
	if quote != 0 {
		t.Fatalf("quote not closed: %s", line)
	}
	for i := 0; i < len(all); i++ {
		switch {
		case all[i] == "<" && i+1 < len(all):
			in = all[i+1]
			i++
		case all[i] == ">" && i+1 < len(all):
			out = all[i+1]
			i++
		default:
			args = append(args, all[i])
		}
	}
	return args, in, out
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	show := func(l []string) string { return strings.Join(l[max(0, min(i-3, len(l))):min(i+6, len(l))], "\n") }
	return fmt.Sprintf("line %d differs; wanted\n%s\ngot\n%s", i+1, show(w), show(g))
}
