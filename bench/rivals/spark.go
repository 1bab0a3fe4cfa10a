package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/frazildb/frazil/bench"
)

// sparkSystem is Apache Spark on one JVM of two threads, where FRAZIL_SPARK names
// what "make spark" makes.
const sparkSystem = "Spark"

func sparkHome() string { return os.Getenv("FRAZIL_SPARK") }

// sparkCompact is W10: Spark rewrites a table that Frazil wrote. What starting it
// and a first small rewrite take is not counted, so that it is warm.
func sparkCompact(ctx context.Context, c bench.CompactionCase, o *bench.Options) (r bench.Result, err error) {
	dir, err := os.MkdirTemp(o.Dir, "spark-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	if err := bench.PrepareCompaction(ctx, dir, c, o); err != nil {
		return r, err
	}
	s, err := startSpark(ctx, dir)
	if err != nil {
		return r, err
	}
	defer s.stop()
	name := "h." + bench.CompactionTable
	for _, sql := range []string{
		"CREATE TABLE h.bench.warm (id bigint, v string) USING iceberg",
		"INSERT INTO h.bench.warm VALUES (1, 'a')", "INSERT INTO h.bench.warm VALUES (2, 'b')",
		"CALL h.system.rewrite_data_files(table => 'bench.warm', options => map('min-input-files', '1'))",
	} {
		if _, err := s.run(sql); err != nil {
			return r, err
		}
	}
	rows, err := s.run("SELECT sum(record_count) n FROM " + name + ".data_files")
	if err != nil {
		return r, err
	}
	cpu, start := s.cpu(), time.Now()
	_, err = s.run("CALL h.system.rewrite_data_files(table => 'bench.R6', options => map('min-input-files', '1', 'delete-file-threshold', '1', 'remove-dangling-deletes', 'true'))")
	if err != nil {
		return r, err
	}
	u := bench.Usage{Seconds: time.Since(start).Seconds(), CPU: s.cpu() - cpu, PeakRSS: s.peak()}
	n, err := number(rows)
	if err != nil {
		return r, err
	}
	r = u.Result("W10", c.Name, n)
	live, err := s.run("SELECT count(*) n FROM " + name)
	if err != nil {
		return r, err
	}
	if n, err = number(live); err == nil && n != c.Live(o) {
		err = fmt.Errorf("%d rows afterwards, expected %d", n, c.Live(o))
	}
	return r, err
}

// number reads the one number of one row, as the runner writes it.
func number(rows []string) (int64, error) {
	if len(rows) != 1 {
		return 0, fmt.Errorf("%d rows where one was expected", len(rows))
	}
	return strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(rows[0], `{"n":`), "}"), 10, 64)
}

// spark is a running application: a statement a line in, rows out; see
// internal/e2e/spark/Judge.java.
type spark struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startSpark(ctx context.Context, dir string) (*spark, error) {
	src := filepath.Join("..", "..", "internal", "e2e", "spark")
	cmd := exec.CommandContext(ctx, "java", "@"+filepath.Join(src, "java.opts"), "-XX:TieredStopAtLevel=4", "-Xmx6g",
		"-Dlog4j2.configurationFile="+filepath.Join(src, "log4j2.properties"), "-Djava.io.tmpdir="+dir,
		"-cp", filepath.Join(sparkHome(), "classes")+":"+filepath.Join(sparkHome(), "jars", "*"), "Judge", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &spark{cmd: cmd, in: in, out: bufio.NewReader(out)}
	_, err = s.answer()
	if err != nil {
		s.stop()
	}
	return s, err
}

func (s *spark) stop() {
	_ = s.in.Close()
	_ = s.cmd.Wait()
}

func (s *spark) run(sql string) ([]string, error) {
	if _, err := io.WriteString(s.in, sql+"\n"); err != nil {
		return nil, err
	}
	return s.answer()
}

func (s *spark) answer() ([]string, error) {
	var rows []string
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("spark is gone: %w", err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "D":
			return rows, nil
		case strings.HasPrefix(line, "R "):
			rows = append(rows, line[2:])
		case strings.HasPrefix(line, "E "):
			return nil, fmt.Errorf("spark: %s", line[2:])
		}
	}
}

// cpu is what the JVM has used, 0 where the system does not tell.
func (s *spark) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// Behind the name in brackets: state is the first, utime and stime are the
	// twelfth and thirteenth, in hundredths of a second.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// peak is the most memory the JVM has held.
func (s *spark) peak() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.ParseInt(fields[0], 10, 64)
	return kb << 10
}
