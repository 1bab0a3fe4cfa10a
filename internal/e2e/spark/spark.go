// Package spark runs SQL on one Apache Spark application, for the tests that
// compare it with us and for the benchmark. The other end is Judge.java.
package spark

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var (
	//go:embed java.opts
	javaOptions string
	//go:embed log4j2.properties
	logging []byte
)

// Options say what to start. Home, Warehouse and Temp are needed.
type Options struct {
	// Home is the folder into which make spark has put Spark (FRAZIL_SPARK).
	Home string
	// Warehouse is the folder of the catalog "h".
	Warehouse string
	// Temp is a folder for files that go with the application.
	Temp string
	// JVM are options of the virtual machine, which count over those of java.opts.
	JVM []string
}

// App is a running application. It is for one caller at a time.
type App struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	log bytes.Buffer
}

// Start starts an application and waits until it takes statements. It is killed
// when ctx ends.
func Start(ctx context.Context, o *Options) (*App, error) {
	properties := filepath.Join(o.Temp, "log4j2.properties")
	if err := os.WriteFile(properties, logging, 0o600); err != nil {
		return nil, err
	}
	args := append(strings.Fields(javaOptions), o.JVM...)
	args = append(args, "-Dlog4j2.configurationFile="+properties, "-Djava.io.tmpdir="+o.Temp,
		"-cp", filepath.Join(o.Home, "classes")+string(os.PathListSeparator)+filepath.Join(o.Home, "jars", "*"), "Judge", o.Warehouse)
	a := &App{cmd: exec.CommandContext(ctx, "java", args...)}
	a.cmd.Stderr = &a.log
	var err error
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.out = bufio.NewReaderSize(out, 1<<20)
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := a.answer(); err != nil {
		return nil, fmt.Errorf("spark did not start: %w\n%s", err, a.Close())
	}
	return a, nil
}

// Close ends the application and returns what it wrote to its standard error.
func (a *App) Close() (log string) {
	_ = a.in.Close()
	_ = a.cmd.Wait()
	return a.log.String()
}

// PID is the application's process.
func (a *App) PID() int { return a.cmd.Process.Pid }

// SQL runs a statement and returns its rows in canonical form, sorted.
func (a *App) SQL(statement string) ([]string, error) {
	if _, err := fmt.Fprintln(a.in, strings.ReplaceAll(statement, "\n", `\n`)); err != nil {
		return nil, fmt.Errorf("spark is gone: %w", err)
	}
	return a.answer()
}

func (a *App) answer() ([]string, error) {
	var rows []string
	for {
		line, err := a.out.ReadString('\n')
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
			return nil, fmt.Errorf("spark: %.2000s", line[2:])
		}
	}
}
