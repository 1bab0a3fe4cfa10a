// Command frazil ingests change streams into Apache Iceberg tables and looks at
// them: see frazil help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/frazildb/frazil/catalog"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/scan"
	"github.com/frazildb/frazil/snapshot"
	"github.com/frazildb/frazil/table"
)

// Exit codes scripts may rely on.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitConflict    = 4
	exitInterrupted = 130
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings given; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	stderr = redacting{stderr}
	ctx, stop := interruptible(stderr)
	defer stop()
	e := &env{stdin: &stoppableReader{ctx: ctx, r: stdin}, stdout: stdout, stderr: stderr, commands: commands()}
	err := e.dispatch(ctx, args)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, syscall.EPIPE) { // the reader has seen enough
		return exitOK
	}
	code := exitCode(ctx, err)
	if code == exitInterrupted {
		fmt.Fprintln(stderr, "frazil: interrupted")
		return code
	}
	fmt.Fprintln(stderr, "frazil: "+oneLine(err))
	if e.verbose {
		for u := err; u != nil; u = errors.Unwrap(u) {
			fmt.Fprintf(stderr, "  %T: %v\n", u, u)
		}
	}
	return code
}

// interruptible returns a context that the first interrupt cancels; the second
// ends the process at once.
func interruptible(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-ch; !ok {
			return
		}
		fmt.Fprintln(stderr, "frazil: finishing (interrupt again to stop at once)")
		cancel()
		if _, ok := <-ch; ok {
			os.Exit(exitInterrupted)
		}
	}()
	return ctx, func() { signal.Stop(ch); close(ch); cancel() }
}

// usageError is a mistake in the words of a call.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitCode(ctx context.Context, err error) int {
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, catalog.ErrConflict), errors.Is(err, catalog.ErrUnknownOutcome), errors.Is(err, table.ErrFenced), errors.Is(err, snapshot.ErrConflict):
		return exitConflict
	case errors.Is(err, catalog.ErrNotFound), errors.Is(err, objstore.ErrNotFound), errors.Is(err, scan.ErrNoSnapshot), errors.Is(err, os.ErrNotExist):
		return exitNotFound
	}
	return exitFailed
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "�")), " ")
}

// command is one of frazil's commands.
type command struct {
	name, args, short string
	// long is what help says besides, wrapped.
	long     string
	examples []string
	// minArgs and maxArgs bound the positional arguments; maxArgs -1 is any.
	minArgs, maxArgs int
	// setup declares the command's flags and returns what runs it.
	setup func(e *env, fs *pflag.FlagSet) func(ctx context.Context, args []string) error
}

// commands in the order of help.
func commands() []command {
	return []command{
		demoCommand, createCommand, alterCommand, dropCommand, renameCommand, registerCommand, tablesCommand, describeCommand, metadataCommand,
		ingestCommand, scanCommand, getCommand, changesCommand, inspectCommand, verifyCommand, compactCommand, expireCommand, orphansCommand, rewriteManifestsCommand, maintainCommand,
		branchCommand, tagCommand, rollbackCommand, fastForwardCommand, cherryPickCommand, benchCommand, versionCommand,
	}
}

var versionCommand = command{
	name: "version", short: "prints the version",
	setup: func(e *env, _ *pflag.FlagSet) func(context.Context, []string) error {
		return func(context.Context, []string) error {
			if e.json {
				return e.writeJSON(map[string]string{"version": table.Version})
			}
			_, err := fmt.Fprintln(e.stdout, "frazil "+table.Version)
			return err
		}
	},
}

func (e *env) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		if len(args) > 1 {
			c, err := e.findCommand(args[1])
			if err != nil {
				return err
			}
			return e.help(e.stdout, c)
		}
		e.overview()
		if len(args) == 0 {
			return usagef("no command given")
		}
		return nil
	}
	c, err := e.findCommand(args[0])
	if err != nil {
		return err
	}
	fs, runIt := e.flagSet(c)
	if err := fs.Parse(args[1:]); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return e.help(e.stdout, c)
		}
		return usagef("%s: %w (see frazil help %s)", c.name, err, c.name)
	}
	if err := e.fromConfig(fs); err != nil {
		return err
	}
	if n := fs.NArg(); n < c.minArgs || c.maxArgs >= 0 && n > c.maxArgs {
		return usagef("usage: frazil %s %s", c.name, c.args)
	}
	return runIt(ctx, fs.Args())
}

func (e *env) findCommand(name string) (command, error) {
	var near []string
	for _, c := range e.commands {
		if c.name == name {
			return c, nil
		}
		if strings.HasPrefix(c.name, name) || strings.HasPrefix(name, c.name) || distance(c.name, name) <= 2 {
			near = append(near, c.name)
		}
	}
	hint := "see frazil help"
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return command{}, usagef("no command %q: %s", name, hint)
}

// distance is the edit distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev
			if a[i-1] != b[j-1] {
				cost++
			}
			prev = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func (e *env) overview() {
	fmt.Fprint(e.stdout, "frazil turns streams of row changes into Apache Iceberg tables and reads them.\n\nUsage: frazil COMMAND [arguments] [flags]\n\n")
	for _, c := range e.commands {
		fmt.Fprintf(e.stdout, "  %-10s %s\n", c.name, c.short)
	}
	fmt.Fprint(e.stdout, `
Tables are namespace.table in the warehouse (--warehouse, FRAZIL_WAREHOUSE;
default ./warehouse). Commands that only read also take a table directory or a
metadata file, anything with a slash.

frazil help COMMAND says more, with examples. First try: frazil demo
`)
}

func (e *env) help(w io.Writer, c command) error {
	fs, _ := e.flagSet(c)
	fmt.Fprintf(w, "frazil %s %s\n\n%s.\n", c.name, c.args, strings.ToUpper(c.short[:1])+c.short[1:])
	if c.long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.long))
	}
	if len(c.examples) > 0 {
		fmt.Fprint(w, "\nExamples:\n")
		for _, x := range c.examples {
			fmt.Fprintf(w, "  %s\n", x)
		}
	}
	_, err := fmt.Fprintf(w, "\nFlags:\n%s", fs.FlagUsagesWrapped(100))
	return err
}
