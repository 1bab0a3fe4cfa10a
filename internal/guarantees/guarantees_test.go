package guarantees

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

var measure = flag.Bool("measure", false, "run the tests and write their figures into README.md")

const (
	begin = "<!-- guarantees: made by make guarantees -->\n"
	end   = "<!-- end of guarantees -->\n"
)

// row is a line of the table without its figures.
func row(p promise, i int) string {
	text := ""
	if i == 0 {
		text = p.text
	}
	e := p.evidence[i]
	return fmt.Sprintf("| %s | `%s` %s |", text, e.pkg, e.test)
}

// TestListed: each test is there, and README.md has the promises of the list, with
// figures.
func TestListed(t *testing.T) {
	table := section(t, readme(t))
	lines := strings.Split(strings.TrimSpace(table), "\n")
	at := 2 // head and rule
	for _, p := range promises {
		for i, e := range p.evidence {
			if err := testenv.HasTest(e.pkg, e.test); err != nil {
				t.Errorf("%s: %v", p.text, err)
			}
			if at >= len(lines) || !strings.HasPrefix(lines[at], row(p, i)) || strings.HasSuffix(lines[at], "|  |") {
				t.Errorf("README.md lacks %q with figures: run make guarantees", row(p, i))
			}
			at++
		}
	}
	if at != len(lines) {
		t.Errorf("README.md has %d lines in the table of guarantees, want %d: run make guarantees", len(lines), at)
	}
}

// TestFigures runs every test and writes the table; with -measure only.
func TestFigures(t *testing.T) {
	if !*measure {
		t.Skip("for make guarantees: it runs again what this run has anyway, to write the figures down")
	}
	var b bytes.Buffer
	b.WriteString("| promise | watched by | scale, and what was seen |\n|---|---|---|\n")
	for _, p := range promises {
		for i, e := range p.evidence {
			fmt.Fprintf(&b, "%s %s |\n", row(p, i), figures(t, e))
		}
	}
	text := readme(t)
	if err := os.WriteFile(readmePath(), []byte(strings.Replace(text, section(t, text), b.String(), 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readmePath() string { return filepath.Join(testenv.Root(), "README.md") }

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(readmePath())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns the table between its marks.
func section(t *testing.T, text string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, begin)
	table, _, ok2 := strings.Cut(after, end)
	if !ok || !ok2 {
		t.Fatalf("README.md lacks the marks %q and %q", begin, end)
	}
	return table
}

// A figure line is one of a test's log with key=number in it.
var (
	figureLine = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*[a-z-]=\d.*)$`)
	figure     = regexp.MustCompile(`([a-z-]+)=(\d+)\b`)
)

// figures runs a test and returns what it printed.
func figures(t *testing.T, e evidence) string {
	t.Helper()
	cmd := exec.Command("go", "test", "-count=1", "-v", "-timeout=30m", "-run", "^"+e.test+"$", "./"+e.pkg)
	cmd.Dir = testenv.Root()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%.4000s", e.pkg, e.test, err, out)
		return "FAILED"
	}
	var lines []string
	for _, m := range figureLine.FindAllSubmatch(out, -1) {
		lines = append(lines, string(m[1]))
	}
	if len(lines) == 0 {
		t.Errorf("%s %s prints no figures", e.pkg, e.test)
	}
	return summed(lines)
}

// summed adds up lines that differ in their numbers only, as those of a test's
// parts; others stay beside each other.
func summed(lines []string) string {
	var shapes []string
	totals := map[string][]int{}
	for _, l := range lines {
		shape := figure.ReplaceAllString(l, "$1=%d")
		if totals[shape] == nil {
			shapes = append(shapes, shape)
			totals[shape] = make([]int, strings.Count(shape, "=%d"))
		}
		for i, m := range figure.FindAllStringSubmatch(l, -1) {
			n, _ := strconv.Atoi(m[2]) // digits
			totals[shape][i] += n
		}
	}
	for i, shape := range shapes {
		for _, n := range totals[shape] {
			shape = strings.Replace(shape, "=%d", "="+strconv.Itoa(n), 1)
		}
		shapes[i] = shape
	}
	return strings.Join(shapes, "; ")
}

func TestSummed(t *testing.T) {
	got := summed([]string{"a=1 b=2", "a=10 b=0", "x: a=5 in 3ms", "a=100 b=0"})
	if want := "a=111 b=2; x: a=5 in 3ms"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
